/** Addresses of what can be downloaded: the result as it is shown, under its thresholds. */

import { addresses } from "./api.js";
import { byId } from "./dom.js";
import { session } from "./session.js";

const names = { labels: "labels.nii.gz", mask: "mask.png", probabilities: "probabilities.nii.gz", report: "report.html" };

export function startDownloads() {
  session.on("runs recounted", () => {
    const { run } = session;
    if (!run) return;
    for (const [what, name] of Object.entries(names)) {
      const thresholds = what === "probabilities" ? {} : run.thresholds;
      byId(`download-${what}`).href = addresses.ofResult(run.id, name, thresholds);
      byId(`download-${what}`).download = name;
    }
    byId("download-mask").parentElement.hidden = session.contents?.dimensions !== 2;
  });
}
