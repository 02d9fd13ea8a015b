/** NiiVue, which is large and comes after the page can be used. */

import { byId } from "./dom.js";
import { Problem } from "./problem.js";

const arrived = new Promise((resolve, reject) => {
  if (globalThis.niivue) resolve();
  byId("niivue").addEventListener("load", resolve);
  byId("niivue").addEventListener("error", () => reject(new Problem({ what: "What draws the images did not arrive", remedy: "Reload the page" })));
});
arrived.catch(() => undefined); // Whoever waits for it says so.

/** Resolve to the library once it is there. */
export async function niivue() {
  await arrived;
  return globalThis.niivue;
}

let able;

/** Whether this browser can draw at all. */
export function canDraw() {
  if (able === undefined) {
    const context = document.createElement("canvas").getContext("webgl2");
    able = context !== null;
    context?.getExtension("WEBGL_lose_context")?.loseContext(); // There are few to be had.
  }
  return able;
}
