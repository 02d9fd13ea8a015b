/** What the files of the case are, and selects to correct it. */

import { byId, fill, make } from "./dom.js";
import { modalityName, shape } from "./format.js";
import { assign } from "./opening.js";
import { session } from "./session.js";

export function startCasePanel() {
  session.on("case", showCase);
}

function showCase() {
  const { contents } = session;
  byId("case-panel").hidden = contents === null;
  if (contents === null) return;
  byId("case-summary").textContent = summary(contents);
  const rows = modalitiesOffered(contents).map((modality) => row(modalityName(modality), modality, sources(contents), chosen(contents, modality)));
  const short = shortNames(contents.files);
  const files = contents.files.map(({ name }) => ({ value: name, text: short.get(name), title: name }));
  rows.push(row("Reference", "reference", files, contents.reference ?? ""));
  fill(byId("modalities-table").tBodies[0], ...rows);
  fill(byId("problems"), ...contents.problems.map((sentence) => make("li", {}, sentence)));
}

function summary({ files, dimensions, assignment, reference }) {
  const names = new Set([...Object.values(assignment).map(({ file }) => file), reference]);
  const used = files.find(({ name }) => names.has(name)) ?? files[0];
  if (!used?.shape) return "";
  if (dimensions === 2) return `${shape(used.shape.slice(0, 2))} pixels`;
  const spacing = used.spacing_mm?.map((size) => Number(size.toFixed(2)));
  const cubic = spacing && spacing.every((size) => size === spacing[0]);
  return `${shape(used.shape)} voxels${spacing ? ` of ${cubic ? spacing[0] : shape(spacing)} mm` : ""}`;
}

/** Modalities that models want, and those that are there. */
function modalitiesOffered({ dimensions, assignment }) {
  const wanted = session.models.filter((model) => model.dimensions === dimensions).flatMap((model) => model.modalities);
  return [...new Set([...wanted, ...Object.keys(assignment)])];
}

const key = (file, channel) => `${file}|${channel ?? ""}`;

function chosen({ assignment }, modality) {
  const found = assignment[modality];
  return found ? key(found.file, found.channel) : "";
}

function sources({ files }) {
  const short = shortNames(files);
  return files.flatMap(({ name, channels }) => {
    if (!channels || channels < 2) return [{ value: key(name, null), text: short.get(name), title: name }];
    return Array.from({ length: channels }, (_, channel) => ({
      value: key(name, channel),
      text: `channel ${channel + 1}, ${short.get(name)}`,
      title: name,
    }));
  });
}

/** Names without the folders and the beginning that they share, which say nothing. */
function shortNames(files) {
  const names = files.map(({ name }) => name.split("/").at(-1));
  let shared = names.length > 1 ? names[0].length : 0;
  for (const name of names) while (!name.startsWith(names[0].slice(0, shared))) shared--;
  const start = names[0]?.slice(0, shared).search(/[^_\-. ]*$/) ?? 0;
  return new Map(files.map(({ name }, index) => [name, start > 3 ? `…${names[index].slice(start)}` : names[index]]));
}

function row(title, id, offered, value) {
  const select = make("select", { id: `assign-${id}`, on: { change: send } }, make("option", { value: "" }, "none"));
  for (const { value: one, text, title: whole } of offered) {
    select.append(make("option", { value: one, selected: one === value, title: whole }, text));
  }
  return make("tr", { data: { modality: id } }, make("th", { scope: "row" }, make("label", { for: select.id }, title)), make("td", {}, select));
}

function send() {
  const modalities = {};
  for (const { dataset } of byId("modalities-table").querySelectorAll("tr[data-modality]")) {
    const { value } = byId(`assign-${dataset.modality}`);
    if (dataset.modality === "reference" || value === "") continue;
    const bar = value.lastIndexOf("|");
    const channel = value.slice(bar + 1);
    modalities[dataset.modality] = { file: value.slice(0, bar), channel: channel === "" ? null : Number(channel) };
  }
  assign(modalities, byId("assign-reference").value || null);
}
