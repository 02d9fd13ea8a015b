/** Has the server count again under other thresholds; of several wishes only the latest counts. */

import { result } from "./api.js";
import { byId } from "./dom.js";
import { show } from "./messages.js";
import { expired } from "./opening.js";
import { session } from "./session.js";

const REST_MS = 180;

let timer = 0;
let under = new AbortController();

/** Ask for numbers and overlay of a run with these thresholds, once the hand rests. */
export function wish(run, thresholds) {
  clearTimeout(timer);
  under.abort();
  run.wished = thresholds;
  byId("results").setAttribute("aria-busy", "true");
  timer = setTimeout(() => recount(run, thresholds), REST_MS);
}

async function recount(run, thresholds) {
  const mine = new AbortController();
  under = mine;
  try {
    const counted = await result(run.id, thresholds, mine.signal);
    if (mine.signal.aborted || session.runOf(run.id) !== run) return;
    run.thresholds = thresholds;
    run.result = counted;
    session.tell("recounted");
  } catch (error) {
    if (error.name === "AbortError") return;
    if (error.gone) expired(error);
    else show(error);
  }
  byId("results").setAttribute("aria-busy", "false");
}
