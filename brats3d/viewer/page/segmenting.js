/** Has a model segment the case, and takes the result. */

import * as api from "./api.js";
import { announce, byId } from "./dom.js";
import { millilitres } from "./format.js";
import { follow, patiently } from "./following.js";
import { clear, show } from "./messages.js";
import { expired } from "./opening.js";
import { Problem } from "./problem.js";
import { session } from "./session.js";
import { stage } from "./stage.js";

const place = () => byId("job-messages");

export async function segment() {
  const model = session.modelOf(session.model);
  const upload = session.upload;
  if (!model || upload === null || session.running) return;
  clear(place());
  const running = { id: null, model, progress: { state: "queued" }, cancelled: false };
  const told = (progress) => {
    running.progress = progress;
    session.tell("progress");
  };
  const wanted = () => session.running === running && !running.cancelled; // The case may be another one by now.
  session.running = running;
  session.state = "segmenting";
  try {
    running.id = (await api.segment(upload, model.id)).id;
    if (!wanted()) return forget(running.id);
    const last = await follow(running.id, told, wanted);
    if (!wanted()) return;
    if (last.state === "failed") throw new Problem(last.error ?? { what: "The segmentation failed" });
    if (last.state === "done") await take(running, wanted);
    else announce("Cancelled");
  } catch (error) {
    if (!wanted()) return;
    if (error.gone) expired(error);
    else show(error, place());
  } finally {
    if (wanted()) {
      session.running = null;
      if (session.state === "segmenting") session.state = session.settled;
    }
  }
}

export async function cancel() {
  const { running } = session;
  if (running === null || running.cancelled) return;
  running.cancelled = true;
  if (running.id !== null) await forget(running.id);
  if (session.running !== running) return;
  session.running = null;
  session.state = session.settled;
  announce("Cancelled");
}

/** What cannot be cancelled is gone, or ends by itself later. */
const forget = (job) => api.cancel(job).catch(() => undefined);

async function take(running, wanted) {
  const { id, model } = running;
  const result = await patiently(() => api.result(id, {}));
  const run = { id, model, thresholds: {}, result };
  if (!wanted()) return;
  session.runs = [...session.runs.filter((other) => other.model.id !== model.id), run];
  session.chosen = id;
  session.tell("runs");
  await stage.drawn;
  announce(summary(run));
}

function summary({ model, result }) {
  if (!result.tumour) return result.alert ?? "No tumour was found";
  const parts = result.regions.map((region) =>
    result.unit === "mm" ? `${region.name} ${millilitres(region.volume_ml)} ml` : `${region.name} ${region.voxels} pixels`,
  );
  return `${model.title} is done: ${parts.join(", ")}`;
}
