/** Whether a model can take the case that is open. */

import { modalityName } from "./format.js";

/** A sentence that says why it cannot, or null. */
export function reasonAgainst(model, contents) {
  if (!contents) return null;
  if (!contents.files.length) return "There is no image that can be read.";
  // A slice model takes volumes, too, slice by slice.
  if (model.dimensions === 3 && contents.dimensions === 2) return "It segments volumes; these are pictures.";
  const missing = model.modalities.filter((modality) => !contents.assignment[modality]);
  if (missing.length) return `It needs ${missing.map(modalityName).join(", ")}, which no file holds.`;
  return null;
}
