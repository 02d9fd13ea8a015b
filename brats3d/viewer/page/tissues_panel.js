/** Which tissues lie over the image, and how strongly. */

import { layer } from "./colours.js";
import { byId, fill, make, swatch } from "./dom.js";
import { count } from "./format.js";
import { classesOf, overlays } from "./overlays.js";
import { session } from "./session.js";
import { stage } from "./stage.js";

let built = null;

export function startTissuesPanel() {
  session.on("case runs", build);
  stage.addEventListener("drawn", build);
  session.on("recounted", showCounts);
}

function build() {
  const nothing = overlays().length === 0 || stage.shown.every((pane) => pane.select.value === "");
  byId("tissues").hidden = nothing;
  byId("right").hidden = nothing && session.run === null;
  if (nothing) return;
  const classes = classesOf(session.chosen);
  const wanted = JSON.stringify([session.chosen, classes.map(({ name, colour }) => [name, colour])]);
  if (wanted === built) return; // A slider may be in somebody's hand.
  built = wanted;
  fill(
    byId("tissues-table"),
    make("caption", { class: "unseen" }, "Tissues of the overlay: whether they are shown, and how opaque"),
    make("thead", {}, make("tr", {},
      make("th", { scope: "col" }, "Tissue"),
      make("th", { scope: "col" }, "opacity"),
      make(session.run ? "th" : "td", session.run ? { scope: "col" } : {}, unit()))),
    make("tbody", {}, ...classes.map(row)),
  );
  showCounts();
}

function row({ name, title, colour }) {
  const shown = layer(name);
  const visible = make("input", {
    type: "checkbox", id: `visible-${name}`, checked: shown.visible, "aria-label": `Show ${name}`,
    on: { change: () => { shown.visible = visible.checked; stage.recolour(); } },
  });
  const opacity = make("input", {
    type: "range", id: `opacity-${name}`, min: 0, max: 1, step: 0.05, value: shown.opacity, "aria-label": `Opacity of ${name}`,
    on: { input: () => { shown.opacity = Number(opacity.value); stage.recolour(); } },
  });
  return make("tr", { data: { tissue: name }, title: title ?? null },
    make("th", { scope: "row" }, make("label", { class: "check" }, visible, swatch(colour), name)),
    make("td", { class: "stretch" }, opacity),
    make("td", { data: { number: "voxels" } }));
}

function showCounts() {
  for (const { name, voxels } of session.run?.result.classes ?? []) {
    const cell = byId("tissues-table").querySelector(`tr[data-tissue="${CSS.escape(name)}"] [data-number=voxels]`);
    if (cell) cell.textContent = count(voxels);
  }
}

function unit() {
  if (session.run === null) return "";
  return session.run.result.unit === "mm" ? "voxels" : "pixels";
}
