/** What can lie over the image: the reference, and results. */

import { tissues } from "./colours.js";
import { session } from "./session.js";

/** Each with its id and title. */
export function overlays() {
  const reference = session.contents?.reference ? [{ id: "reference", title: "Reference" }] : [];
  return [...reference, ...session.runs.map(({ id, model }) => ({ id, title: model.title }))];
}

/** Tissues of an overlay; those of the reference are the chosen model's. */
export function classesOf(source) {
  const run = session.runOf(source) ?? session.run;
  return tissues(run?.result.classes ?? session.modelOf(session.model)?.classes ?? session.models[0]?.classes ?? []);
}

/** What a pane shows first when several stand side by side: the image itself, what to compare with, the result. */
export function sideBySide(index, offered) {
  if (index === 0) return "";
  if (offered.length === 1) return offered[0].id;
  const others = offered.filter(({ id }) => id !== session.chosen);
  return index === 1 ? others[0]?.id : session.chosen ?? offered[1]?.id;
}
