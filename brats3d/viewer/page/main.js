/** Brings the page to life. */

import * as api from "./api.js";
import { startCasePanel } from "./case_panel.js";
import { startDownloads } from "./downloads.js";
import { startDropPanel } from "./drop_panel.js";
import { startKeyboard } from "./keyboard.js";
import { show } from "./messages.js";
import { startModelPanel } from "./model_panel.js";
import { startResultsPanel } from "./results_panel.js";
import { startScoresPanel } from "./scores_panel.js";
import { session } from "./session.js";
import { stage } from "./stage.js";
import { startTissuesPanel } from "./tissues_panel.js";
import { startViewBar } from "./view_bar.js";

session.on("case", () => stage.open());
startDropPanel();
startCasePanel();
startModelPanel();
startResultsPanel();
startTissuesPanel();
startScoresPanel();
startDownloads();
startViewBar();
startKeyboard();

session.on("state", () => session.state === "uploading" && stage.prepare());
session.on("runs", () => {
  stage.offerOverlays();
  return stage.draw();
});
session.on("recounted", () => stage.draw());

window.addEventListener("pagehide", ({ persisted }) => {
  if (!persisted && session.upload !== null) api.forget(session.upload);
});

session.state = "empty";
try {
  session.models = await api.models();
  session.tell("models");
} catch (error) {
  show(error);
}
document.body.dataset.models = session.models.length;
