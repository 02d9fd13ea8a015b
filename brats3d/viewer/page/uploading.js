/** Sends files to an upload, a few at a time, and tells how far that is. */

import { addresses } from "./api.js";
import { problemOf, unreachable } from "./problem.js";

const AT_A_TIME = 3;

/**
 * Send all files; the first refusal ends it.
 *
 * @param {string} upload
 * @param {{name: string, file: File}[]} files
 * @param {(sent: number, total: number) => void} told - bytes
 * @param {AbortSignal} signal
 */
export async function sendAll(upload, files, told, signal) {
  const total = files.reduce((sum, { file }) => sum + file.size, 0);
  const sent = new Array(files.length).fill(0);
  const stop = new AbortController();
  signal.addEventListener("abort", () => stop.abort(), { once: true });
  let next = 0;
  const work = async () => {
    while (next < files.length && !stop.signal.aborted) {
      const index = next++;
      await sendOne(addresses.file(upload, files[index].name), files[index].file, stop.signal, (loaded) => {
        sent[index] = Math.min(loaded, files[index].file.size);
        told(sent.reduce((sum, one) => sum + one, 0), total);
      });
    }
  };
  try {
    await Promise.all(Array.from({ length: Math.min(AT_A_TIME, files.length) }, work));
  } finally {
    stop.abort();
  }
}

/** Only XMLHttpRequest tells how much of a body is sent. */
function sendOne(address, file, signal, told) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("PUT", address);
    request.setRequestHeader("Content-Type", "application/octet-stream");
    request.upload.addEventListener("progress", (event) => told(event.loaded));
    request.addEventListener("load", () => {
      told(file.size);
      if (request.status < 300) resolve();
      else reject(problemOf(request.responseText, request.status));
    });
    request.addEventListener("error", () => reject(unreachable()));
    request.addEventListener("abort", () => reject(new DOMException("The upload was cancelled", "AbortError")));
    signal.addEventListener("abort", () => request.abort(), { once: true });
    request.send(file);
  });
}
