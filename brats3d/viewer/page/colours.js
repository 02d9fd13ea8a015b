/** Colours of tissues as tables that NiiVue looks labels up in. */

import { session } from "./session.js";

const OPACITY = 0.55;

/** Visibility and opacity of a tissue; the same in every pane and for every model. */
export function layer(name) {
  if (!session.layers.has(name)) session.layers.set(name, { visible: true, opacity: OPACITY });
  return session.layers.get(name);
}

/**
 * Table of class indices, 0 being the background.
 *
 * @param {{name: string, colour: string}[]} classes - without the background
 */
export function lookUpTable(classes) {
  const shades = classes.map(({ colour }) => [1, 3, 5].map((start) => parseInt(colour.slice(start, start + 2), 16)));
  return {
    R: [0, ...shades.map(([red]) => red)],
    G: [0, ...shades.map(([, green]) => green)],
    B: [0, ...shades.map(([, , blue]) => blue)],
    A: [0, ...classes.map(({ name }) => alpha(name))],
    I: [0, ...classes.map((_, index) => index + 1)],
    labels: ["", ...classes.map(({ name }) => name)],
  };
}

function alpha(name) {
  const { visible, opacity } = layer(name);
  return session.overlaid && visible ? Math.round(255 * opacity) : 0;
}

/** Classes of a model or result without the background. */
export const tissues = (classes) => classes.filter(({ name }) => name !== "background");
