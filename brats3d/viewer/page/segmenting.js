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
  const running = { id: null, model, progress: { state: "queued" } };
  session.running = running;
  session.state = "segmenting";
  try {
    running.id = (await api.segment(upload, model.id)).id;
    if (session.running !== running) return forget(running.id);
    const last = await follow(running.id, (progress) => {
      running.progress = progress;
      session.tell("progress");
    });
    if (session.running !== running) return; // It was cancelled, or another case is open by now.
    if (last.state === "failed") throw new Problem(last.error ?? { what: "The segmentation failed" });
    if (last.state === "done") await take(running);
    else announce("Cancelled");
  } catch (error) {
    if (session.running !== running) return;
    if (error.gone) expired(error);
    else show(error, place());
  } finally {
    if (session.running === running) {
      session.running = null;
      if (session.state === "segmenting") session.state = session.settled;
    }
  }
}

export function cancel() {
  const { running } = session;
  if (running === null) return;
  session.running = null;
  session.state = session.settled;
  announce("Cancelled");
  if (running.id !== null) forget(running.id);
}

/** The server would end and delete it anyway, later. */
function forget(job) {
  api.cancel(job).catch(() => undefined);
}

async function take(running) {
  const { id, model } = running;
  const result = await patiently(() => api.result(id, {}));
  const run = { id, model, thresholds: {}, result };
  if (session.running !== running) return;
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
