/** Volumes of the regions, and the thresholds that they come from. */

import { byId, fill, make, swatch } from "./dom.js";
import { count, millilitres } from "./format.js";
import { session } from "./session.js";
import { wish } from "./thresholds.js";

export function startResultsPanel() {
  byId("result-select").addEventListener("change", ({ target }) => {
    session.chosen = target.value;
    session.tell("runs");
  });
  byId("reset-thresholds").addEventListener("click", reset);
  session.on("case runs", build);
  session.on("recounted", showNumbers);
}

function build() {
  const { run } = session;
  byId("results").hidden = byId("downloads").hidden = run === null;
  byId("result-field").hidden = session.runs.length < 2;
  fill(byId("result-select"), ...session.runs.map(({ id, model }) => make("option", { value: id, selected: id === session.chosen }, model.title)));
  fill(byId("no-tumour-place"));
  if (run === null) return;
  const inPixels = run.result.unit !== "mm";
  byId("results-title").textContent = inPixels ? "Areas" : "Volumes";
  fill(
    byId("regions-table"),
    make("caption", { class: "unseen" }, `Regions that ${run.model.title} found`),
    make("thead", {}, make("tr", {},
      make("th", { scope: "col" }, "Region"),
      inPixels ? null : make("th", { scope: "col" }, "ml"),
      make("th", { scope: "col" }, inPixels ? "pixels" : "voxels"))),
    ...run.result.regions.map((region) => rows(run, region, inPixels)),
  );
  showNumbers();
}

function rows(run, { name, threshold }, inPixels) {
  const colour = run.model.regions.find((region) => region.name === name)?.colour ?? "transparent";
  const numbers = make("tr", { data: { region: name } },
    make("th", { scope: "row" }, swatch(colour), name),
    inPixels ? null : make("td", { data: { number: "volume" } }),
    make("td", { data: { number: "voxels" } }));
  const body = make("tbody", {}, numbers);
  if (typeof threshold === "number") body.append(make("tr", { class: "under" }, make("td", { colspan: 3 }, slider(run, name, threshold))));
  return body;
}

function slider(run, name, threshold) {
  const output = make("output", { id: `threshold-value-${name}`, for: `threshold-${name}` }, threshold.toFixed(2));
  const input = make("input", {
    type: "range", id: `threshold-${name}`, min: 0.01, max: 0.99, step: 0.01, value: threshold,
    "aria-label": `Threshold of ${name}`,
    on: { input: () => { output.textContent = Number(input.value).toFixed(2); ask(run, name, Number(input.value)); } },
  });
  return make("span", { class: "slider" }, make("span", { class: "muted", "aria-hidden": "true" }, "threshold"), input, output);
}

function ask(run, region, value) {
  wish(run, { ...(run.wished ?? run.thresholds), [region]: value });
}

function reset() {
  const { run } = session;
  for (const { name, threshold } of run.model.regions) {
    const input = byId(`threshold-${name}`);
    if (!input || typeof threshold !== "number") continue;
    input.value = threshold;
    byId(`threshold-value-${name}`).textContent = threshold.toFixed(2);
  }
  wish(run, {});
}

function showNumbers() {
  const { run } = session;
  if (!run) return;
  for (const { name, voxels, volume_ml: volume } of run.result.regions) {
    const row = byId("regions-table").querySelector(`tr[data-region="${CSS.escape(name)}"]`);
    row.querySelector("[data-number=voxels]").textContent = count(voxels);
    const cell = row.querySelector("[data-number=volume]");
    if (cell) cell.textContent = millilitres(volume);
  }
  byId("reset-thresholds").hidden = Object.keys(run.thresholds).length === 0;
  byId("results").setAttribute("aria-busy", "false");
  showNote(run);
  showAlert(run.result);
}

function showNote({ model, result }) {
  const parts = [`${model.title}, ${result.seconds.toFixed(result.seconds < 10 ? 1 : 0)} s`];
  if (result.reference_problem) parts.push(`The reference does not fit: ${result.reference_problem}`);
  if (result.gate) parts.push(gateNote(result.gate));
  byId("result-note").textContent = parts.join(" · ");
  byId("result-rules").hidden = !result.postprocessing;
  byId("result-rules").querySelector("p").textContent = result.postprocessing ?? "";
}

function gateNote(gate) {
  const confidence = gate.highest_confidence;
  return typeof confidence === "number" ? `the gate is ${Math.round(100 * confidence)} % sure of a tumour` : "gated";
}

function showAlert({ tumour, alert }) {
  const place = byId("no-tumour-place");
  if (tumour) return fill(place);
  const [, first, rest] = (alert ?? "No tumour was found.").match(/^(.*?[.!])\s*(.*)$/s) ?? [null, alert, ""];
  const words = [make("strong", {}, first), make("p", {}, rest)];
  // Read out once, and again when it says something else.
  if (!place.firstChild) fill(place, make("div", { id: "no-tumour", class: "no-tumour", role: "alert" }, ...words));
  else if (byId("no-tumour").lastChild.textContent !== rest) fill(byId("no-tumour"), ...words);
}
