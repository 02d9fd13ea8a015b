/** Models to choose from, the button that starts one, and how far it is. */

import { byId, fill, make } from "./dom.js";
import { reasonAgainst } from "./fitting.js";
import { modalityName, timeLeft } from "./format.js";
import { cancel, segment } from "./segmenting.js";
import { session } from "./session.js";

const kinds = { run: "network", bundle: "bundle", classical: "no training" };

export function startModelPanel() {
  byId("segment").addEventListener("click", segment);
  byId("cancel").addEventListener("click", cancel);
  session.on("models case", showModels);
  session.on("state progress case", showJob);
}

function showModels() {
  const reasons = new Map(session.models.map((model) => [model.id, reasonAgainst(model, session.contents)]));
  if (reasons.get(session.model) !== null) {
    session.model = session.models.find((model) => reasons.get(model.id) === null)?.id ?? null;
  }
  const legend = byId("models").querySelector("legend");
  fill(byId("models"), legend, ...session.models.map((model) => choice(model, reasons.get(model.id))));
  showJob();
}

function choice(model, reason) {
  const radio = make("input", {
    type: "radio",
    name: "model",
    id: `model-${model.id}`,
    value: model.id,
    checked: model.id === session.model,
    disabled: reason !== null,
    on: { change: () => { session.model = model.id; showJob(); } },
  });
  const traits = [kinds[model.kind] ?? model.kind, `${model.dimensions}-D`, model.gated ? "gated" : null].filter(Boolean);
  const text = make("span", { class: "model-text" },
    make("span", { class: "model-title" }, model.title),
    make("span", { class: "muted" }, `${traits.join(" · ")} · ${model.modalities.map(modalityName).join(", ")}`),
    reason === null ? null : make("span", { class: "reason" }, reason),
  );
  return make("label", { class: "model", data: { model: model.id } }, radio, text);
}

function showJob() {
  const { running } = session;
  const fits = session.contents !== null && session.model !== null;
  byId("segment").disabled = running !== null || !fits || session.state === "uploading";
  swap(running === null ? byId("segment") : byId("cancel"), running === null ? byId("cancel") : byId("segment"));
  byId("job").hidden = running === null;
  byId("segment-hint").textContent = hint(fits);
  for (const radio of byId("models").querySelectorAll("input")) radio.checked = radio.value === session.model;
  if (running) showProgress(running.progress);
}

function hint(fits) {
  if (session.running || fits) return "";
  if (!session.models.length) return "";
  return session.contents ? "None of the models can take this case as it is." : "Open a case first.";
}

function showProgress({ state, position, stage, fraction, seconds_left: seconds }) {
  byId("job-stage").textContent = state === "queued" ? waiting(position) : stage || "Segmenting";
  byId("time-left").textContent = state === "queued" ? "" : timeLeft(seconds);
  const bar = byId("job-progress");
  if (state === "running" && typeof fraction === "number") bar.value = fraction;
  else bar.removeAttribute("value");
}

function waiting(position) {
  if (position === null || position === undefined) return "Waiting";
  return position === 0 ? "Next in the queue" : `Waiting: ${position} before this one`;
}

/** Show one button in place of another, which hands the focus on. */
function swap(shown, hidden) {
  const focused = document.activeElement === hidden;
  shown.hidden = false;
  if (focused) shown.focus();
  hidden.hidden = true;
}
