/** Which tissues lie over the image, and how strongly. */

import { layer } from "./colours.js";
import { byId, fill, make, swatch } from "./dom.js";
import { count } from "./format.js";
import { session } from "./session.js";
import { classesOf, overlays, stage } from "./stage.js";

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
  fill(
    byId("tissues-table"),
    make("caption", { class: "unseen" }, "Tissues of the overlay: whether they are shown, and how opaque"),
    make("tbody", {}, ...classesOf(session.chosen).map(row)),
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
