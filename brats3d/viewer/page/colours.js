/** Colours of tissues as tables that NiiVue looks labels up in. */

import { session } from "./session.js";

const OPACITY = 0.55;

/** Visibility and opacity of a tissue; the same in every pane and for every model. */
export function layer(name) {
  if (!session.layers.has(name)) session.layers.set(name, { visible: true, opacity: OPACITY });
  return session.layers.get(name);
}

/**
 * Table of 256 colours by class index, the background's being transparent, as NiiVue has them for drawings.
 *
 * @param {{name: string, colour: string}[]} classes - without the background
 */
export function lookUpTable(classes) {
  const lut = new Uint8ClampedArray(4 * 256);
  classes.forEach(({ name, colour }, index) => {
    const shades = [1, 3, 5].map((start) => parseInt(colour.slice(start, start + 2), 16));
    lut.set([...shades, alpha(name)], 4 * (index + 1));
  });
  return { lut, labels: Array.from({ length: 256 }, (_, index) => classes[index - 1]?.name ?? "") };
}

/** Whether nothing is to be seen of a tissue, even if overlays are on. */
export function isHidden(name) {
  const { visible, opacity } = layer(name);
  return !visible || opacity === 0;
}

const alpha = (name) => (session.overlaid && !isHidden(name) ? Math.round(255 * layer(name).opacity) : 0);

/** Classes of a model or result without the background. */
export const tissues = (classes) => classes.filter(({ name }) => name !== "background");
