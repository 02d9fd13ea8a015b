/** Whether a model can take the case that is open. */

import { modalityName } from "./format.js";

/** A sentence that says why it cannot, or null. */
export function reasonAgainst(model, contents) {
  if (!contents) return null;
  if (model.dimensions !== contents.dimensions) {
    return contents.dimensions === 2 ? "It segments volumes; these are pictures." : "It segments pictures; these are volumes.";
  }
  const missing = model.modalities.filter((modality) => !contents.assignment[modality]);
  if (missing.length) return `It needs ${missing.map(modalityName).join(", ")}, which no file holds.`;
  return null;
}
