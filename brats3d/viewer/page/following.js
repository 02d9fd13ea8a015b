/** Follows a segmentation: by server-sent events while they come, otherwise by asking every second. */

import { addresses, progress as ask } from "./api.js";

const ENDED = new Set(["done", "failed", "cancelled"]);
const PAUSE_MS = 1000;
const PATIENCE = 20;

/**
 * Resolve to the last progress of a job, or to null when nobody wants to know any more.
 *
 * @param {string} job
 * @param {(progress: object) => void} told - called with every progress
 * @param {() => boolean} wanted - whether somebody still does
 */
export function follow(job, told, wanted) {
  return new Promise((resolve, reject) => {
    const source = new EventSource(addresses.events(job));
    source.addEventListener("progress", (event) => {
      const progress = wanted() ? JSON.parse(event.data) : null;
      if (progress !== null) told(progress);
      if (progress !== null && !ENDED.has(progress.state)) return;
      source.close();
      resolve(progress);
    });
    source.addEventListener("error", () => {
      source.close();
      poll(job, told, wanted).then(resolve, reject);
    });
  });
}

async function poll(job, told, wanted) {
  while (wanted()) {
    const progress = await patiently(() => ask(job));
    told(progress);
    if (ENDED.has(progress.state)) return progress;
    await pause();
  }
  return null;
}

/** Ask again for a while when the server does not answer; what it refuses stays refused. */
export async function patiently(request) {
  for (let unanswered = 1; ; unanswered++) {
    try {
      return await request();
    } catch (error) {
      if (error.status || unanswered === PATIENCE) throw error;
    }
    await pause();
  }
}

const pause = () => new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
