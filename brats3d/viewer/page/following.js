/** Follows a segmentation: by server-sent events while they come, otherwise by asking every second. */

import { addresses, progress as ask } from "./api.js";

const ENDED = new Set(["done", "failed", "cancelled"]);
const PAUSE_MS = 1000;
const PATIENCE = 20;

/**
 * Resolve to the last progress of a job.
 *
 * @param {string} job
 * @param {(progress: object) => void} told - called with every progress
 */
export function follow(job, told) {
  return new Promise((resolve, reject) => {
    const source = new EventSource(addresses.events(job));
    source.addEventListener("progress", (event) => {
      const progress = JSON.parse(event.data);
      told(progress);
      if (!ENDED.has(progress.state)) return;
      source.close();
      resolve(progress);
    });
    source.addEventListener("error", () => {
      source.close();
      poll(job, told).then(resolve, reject);
    });
  });
}

async function poll(job, told) {
  let unanswered = 0;
  for (;;) {
    try {
      const progress = await ask(job);
      unanswered = 0;
      told(progress);
      if (ENDED.has(progress.state)) return progress;
    } catch (error) {
      if (error.status || ++unanswered > PATIENCE) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
}
