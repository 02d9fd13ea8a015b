/** Keys that work anywhere on the page, but for those that the control in focus needs itself. */

import { byId } from "./dom.js";
import { session } from "./session.js";
import { stage } from "./stage.js";
import { axisOf, setView, toggleOverlay, toggleSide, zoom } from "./view_bar.js";

const VIEWS = { 1: "axial", 2: "coronal", 3: "sagittal", 4: "all", 5: "3d" };
const ZOOMS = { "+": 1.25, "=": 1.25, "-": 0.8, 0: 0 };
const LEAP = 10;
const DEGREES = 5;

export function startKeyboard() {
  byId("help-button").addEventListener("click", help);
  // Before NiiVue, which has keys of its own.
  document.addEventListener("keydown", (event) => pressed(event), { capture: true });
  byId("panes").addEventListener("keyup", (event) => event.stopPropagation(), { capture: true });
}

function help() {
  if (!byId("help-dialog").open) byId("help-dialog").showModal();
}

function pressed(event) {
  const onCanvas = event.target instanceof HTMLCanvasElement;
  if (onCanvas) event.stopPropagation();
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  if (act(event)) {
    event.preventDefault();
    event.stopPropagation();
  }
}

/** Whether the key meant anything. */
function act({ key, target }) {
  if (key === "?") return help() ?? true;
  if (session.contents === null || !stage.panes.length || target instanceof HTMLSelectElement) return false;
  if (key === "o" || key === "O") return toggleOverlay() ?? true;
  if (key === "s" || key === "S") return toggleSide() ?? true;
  if (VIEWS[key]) return setView(VIEWS[key]) ?? true;
  if (key in ZOOMS) return zoom(ZOOMS[key]) ?? true;
  if (target instanceof HTMLInputElement && target.type !== "checkbox") return false;
  return move(key);
}

function move(key) {
  const pane = stage.leading;
  if (!pane.image || stage.flat) return false;
  const turns = { ArrowLeft: [-DEGREES, 0], ArrowRight: [DEGREES, 0], ArrowUp: [0, DEGREES], ArrowDown: [0, -DEGREES] };
  if (stage.view === "3d") return turns[key] ? pane.turn(...turns[key]) ?? true : false;
  const steps = { ArrowUp: 1, ArrowDown: -1, ArrowRight: 1, ArrowLeft: -1, PageUp: LEAP, PageDown: -LEAP };
  if (!steps[key]) return false;
  const sideways = stage.view === "all" && (key === "ArrowLeft" || key === "ArrowRight");
  const along = [0, 0, 0];
  along[sideways ? 0 : axisOf(stage.view)] = sideways && stage.radiological ? -steps[key] : steps[key];
  pane.step(along);
  return true;
}
