/** Opens a case: sends its files, asks what they are, and lets that be corrected. */

import * as api from "./api.js";
import { announce, byId } from "./dom.js";
import { bytes, many } from "./format.js";
import { clear, show } from "./messages.js";
import { Problem } from "./problem.js";
import { session } from "./session.js";
import { sendAll } from "./uploading.js";

let stop = null;

/**
 * Send files and show what they are.
 *
 * @param {{name: string, file: File}[]} files
 * @param {boolean} add - to the case that is open, instead of a new one
 */
export async function open(files, add = false) {
  if (session.state === "uploading") return;
  clear();
  if (!files.length) {
    show(new Problem({ what: "There is no file in what was dropped", remedy: "Drop image files, a folder of them, or a zip" }));
    return;
  }
  if (!add || session.upload === null) closeCase();
  const controller = new AbortController();
  stop = controller;
  showProgress(files.length, 0, 1);
  session.state = "uploading";
  try {
    session.upload ??= (await api.newUpload()).id;
    await sendAll(session.upload, files, (sent, total) => showProgress(files.length, sent, total), controller.signal);
    takeContents(await api.contents(session.upload));
    announce(`${many(session.contents.files.length, "image", "images")} opened`);
  } catch (error) {
    show(error);
    if (add && session.contents && !error.gone) await refresh();
    else closeCase();
  } finally {
    stop = null;
    session.state = session.settled;
    session.tell("case");
  }
}

export function stopUpload() {
  stop?.abort();
}

/** Forget the case here and on the server. */
export function closeCase() {
  const upload = session.upload;
  session.close();
  session.state = "empty";
  session.tell("case");
  if (upload !== null) api.forget(upload).catch(() => undefined); // It expires by itself.
}

/** Say which file holds which image; results of the images as they were are dropped. */
export async function assign(modalities, reference) {
  clear();
  try {
    takeContents(await api.assign(session.upload, modalities, reference));
  } catch (error) {
    show(error);
    if (error.gone) expired(error);
  }
  session.state = session.settled;
  session.tell("case");
}

/** The server holds the case no longer: only dropping it again helps. */
export function expired(error) {
  show(
    new Problem({
      what: "The server no longer holds this case",
      got: error.parts?.got ?? error.parts?.what,
      remedy: "Drop the files again: a case that nobody has asked for in a while is deleted",
    }),
  );
}

async function refresh() {
  try {
    session.contents = await api.contents(session.upload);
  } catch (error) {
    show(error);
  }
}

function takeContents(contents) {
  if (session.running?.id) api.cancel(session.running.id).catch(() => undefined); // It is of images as they were.
  session.contents = contents;
  session.dropRuns();
  document.body.dataset.dimensions = contents.dimensions;
}

function showProgress(files, sent, total) {
  const bar = byId("upload-progress");
  if (sent < total) bar.value = total ? sent / total : 0;
  else bar.removeAttribute("value"); // All sent; the server reads them.
  byId("upload-status").textContent =
    sent < total ? `Sending ${many(files, "file", "files")}: ${bytes(sent)} of ${bytes(total)}` : "Reading the images";
}
