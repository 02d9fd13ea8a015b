/** The bars above and below the images. */

import { byId, fill, make } from "./dom.js";
import { decimals, modalityName } from "./format.js";
import { session } from "./session.js";
import { stage } from "./stage.js";

const AXES = { axial: 2, coronal: 1, sagittal: 0 };
const NAMES = { axial: "Axial", coronal: "Coronal", sagittal: "Sagittal", all: "Axial" };

/** Axis that is stepped along in this view (0 right, 1 anterior, 2 superior). */
export const axisOf = (view) => AXES[view] ?? 2;

export function startViewBar() {
  byId("modality").addEventListener("change", ({ target }) => {
    stage.modality = target.value;
    stage.draw();
  });
  for (const button of byId("planes").children) button.addEventListener("click", () => setView(button.dataset.view));
  for (const button of byId("zoom").children) button.addEventListener("click", () => zoom(Number(button.dataset.factor)));
  byId("overlay-toggle").addEventListener("click", toggleOverlay);
  byId("side-toggle").addEventListener("click", toggleSide);
  byId("convention").addEventListener("click", toggleConvention);
  byId("slice").addEventListener("input", goToSlice);
  stage.addEventListener("arranged", showArrangement);
  stage.addEventListener("located", ({ detail }) => showPlace(detail));
  stage.addEventListener("drawn", showSlice);
  session.on("case runs state", showChoices);
}

export function setView(view) {
  if (stage.flat) return;
  stage.view = view;
  stage.arrange();
  showSlice();
}

export function toggleOverlay() {
  session.overlaid = !session.overlaid;
  byId("overlay-toggle").setAttribute("aria-pressed", session.overlaid);
  stage.recolour();
}

export function toggleSide() {
  if (byId("side-toggle").hidden) return;
  stage.side = !stage.side;
  stage.offerOverlays();
  stage.draw();
}

/** @param {number} factor - 0 for the whole image */
export function zoom(factor) {
  stage.leading?.zoom(factor);
}

function toggleConvention() {
  stage.radiological = !stage.radiological;
  stage.arrange();
}

function goToSlice() {
  const pane = stage.leading;
  const axis = axisOf(stage.view);
  const steps = [0, 0, 0];
  steps[axis] = byId("slice").value - 1 - pane.slice(axis).index;
  pane.step(steps);
}

/** What there is to choose from. */
function showChoices() {
  const there = Object.keys(session.contents?.assignment ?? {});
  fill(byId("modality"), ...there.map((modality) => make("option", { value: modality, selected: modality === stage.modality }, modalityName(modality))));
  const comparable = session.runs.length > 0 || Boolean(session.contents?.reference);
  byId("overlay-toggle").hidden = !comparable;
  byId("side-toggle").hidden = !comparable;
}

function showArrangement() {
  for (const button of byId("planes").children) button.setAttribute("aria-pressed", button.dataset.view === stage.view);
  byId("planes").hidden = stage.flat;
  byId("side-toggle").setAttribute("aria-pressed", stage.side);
  byId("slice-field").hidden = stage.flat || stage.view === "3d";
  byId("convention").hidden = stage.flat;
  byId("convention").setAttribute("aria-pressed", stage.radiological);
  byId("convention").textContent = stage.radiological
    ? "Radiological: right is on the left"
    : "Neurological: right is on the right";
  showSlice();
}

function showSlice() {
  const pane = stage.leading;
  if (!pane?.image) return;
  const { index, number } = pane.slice(axisOf(stage.view));
  const slider = byId("slice");
  slider.max = number;
  slider.value = index + 1;
  byId("slice-plane").textContent = NAMES[stage.view] ?? "Axial";
  byId("slice-text").textContent = `${index + 1} / ${number}`;
}

function showPlace({ pane, data }) {
  if (pane !== stage.leading || !pane.image) return;
  showSlice();
  const values = data.values ?? [];
  const intensity = values[0] ? decimals(values[0].value, Number.isInteger(values[0].value) ? 0 : 3) : "";
  const place = stage.flat
    ? `column ${pane.pixel[0]}, row ${pane.pixel[1]}`
    : `${along(data.mm[0], "L", "R")}  ${along(data.mm[1], "P", "A")}  ${along(data.mm[2], "I", "S")} mm`;
  byId("location").textContent = [place, `${modalityName(stage.modality)} ${intensity}`, pane.tissue].filter(Boolean).join("  ·  ");
}

/** Millimetres to one side or the other. */
const along = (mm, below, above) => `${mm < 0 ? below : above} ${decimals(Math.abs(mm), 1)}`;
