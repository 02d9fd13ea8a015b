/** Problems, shown where they belong until somebody dismisses them. */

import { byId, make } from "./dom.js";
import { asProblem } from "./problem.js";

const parts = ["where", "got", "expected", "remedy"];

/**
 * Show a problem in place of those shown there before.
 *
 * @param {Error} error
 * @param {HTMLElement} place - by default the strip under the head of the page
 */
export function show(error, place = byId("messages")) {
  if (error.name === "AbortError") return;
  const told = asProblem(error).parts;
  const details = make("dl");
  for (const part of parts) {
    if (told[part] !== null && told[part] !== undefined && told[part] !== "") {
      details.append(make("dt", {}, part === "remedy" ? "what to do" : part), make("dd", { class: part }, String(told[part])));
    }
  }
  const message = make("div", { class: "message", role: "alert", "data-testid": "error" });
  const dismiss = make("button", { type: "button", class: "dismiss quiet small", on: { click: () => message.remove() } }, "Dismiss");
  message.append(make("p", { class: "what" }, told.what), details, dismiss);
  place.replaceChildren(message);
}

export function clear(place = byId("messages")) {
  place.replaceChildren();
}
