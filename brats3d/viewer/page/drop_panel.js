/** Where files come in: drops anywhere on the page, and inputs. */

import { byId } from "./dom.js";
import { filesOfDrop, filesOfInput } from "./dropped.js";
import { show } from "./messages.js";
import { closeCase, open, stopUpload } from "./opening.js";
import { session } from "./session.js";

export function startDropPanel() {
  for (const id of ["file-input", "folder-input", "add-input"]) {
    byId(id).addEventListener("change", async ({ target }) => {
      const files = filesOfInput(target);
      target.value = "";
      await open(files, id === "add-input");
    });
  }
  byId("new-case").addEventListener("click", closeCase);
  byId("upload-cancel").addEventListener("click", stopUpload);
  session.on("state", showState);
  listenToDrops();
}

function showState() {
  const { state } = session;
  byId("drop-zone").hidden = state !== "empty";
  byId("uploading").hidden = state !== "uploading";
  byId("stage").hidden = state === "empty" || state === "uploading";
  byId("new-case").disabled = state === "empty" || state === "uploading";
}

function listenToDrops() {
  const carriesFiles = (event) => event.dataTransfer?.types.includes("Files");
  let depth = 0;
  const curtain = (by) => {
    depth = Math.max(0, depth + by);
    byId("drop-curtain").hidden = depth === 0;
  };
  // Before NiiVue, which keeps what is dropped on its canvas to itself.
  const listen = (kind, act) => document.addEventListener(kind, (event) => {
    if (!carriesFiles(event)) return;
    event.stopPropagation();
    act(event);
  }, { capture: true });
  listen("dragenter", () => curtain(1));
  listen("dragleave", () => curtain(-1));
  listen("dragover", (event) => event.preventDefault());
  listen("drop", async (event) => {
    event.preventDefault();
    curtain(-depth);
    try {
      const files = await filesOfDrop(event.dataTransfer);
      const answer = session.contents === null ? "new" : await ask();
      if (answer === "new" || answer === "add") await open(files, answer === "add");
    } catch (error) {
      show(error);
    }
  });
}

/** Whether files belong to the case that is open. */
function ask() {
  const dialog = byId("drop-dialog");
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("submit", ({ submitter }) => resolve(submitter.value), { once: true });
    dialog.addEventListener("close", () => resolve("neither"), { once: true }); // Such as by Escape.
  });
}
