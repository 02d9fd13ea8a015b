/**
 * Labels over an image. NiiVue calls them a drawing; only there does each of them have an opacity of its own,
 * and a surface in 3-D.
 */

import { isHidden, lookUpTable } from "./colours.js";

export class DrawnLabels {
  #nv;
  #source = null;
  /** All labels, in the order that NiiVue has voxels in; the drawing may have fewer. */
  #whole = null;
  #classes = [];
  #hidden = "";

  constructor(nv) {
    this.#nv = nv;
    nv.drawOpacity = 1; // The table of colours has the opacities.
  }

  /**
   * Lay labels over the image, which must be there.
   *
   * @param {NVImage|null} source - class indices on the grid of the image
   * @param {{name: string, colour: string}[]} classes
   */
  show(source, classes) {
    this.#classes = classes;
    if (source !== this.#source) this.#take(source);
    this.colour();
  }

  /** Draw them in their colours of now. */
  colour() {
    if (this.#source === null) return;
    this.#nv.drawLut = lookUpTable(this.#classes);
    this.#nv.refreshColormaps();
    this.#leaveOut();
    this.#nv.drawScene();
  }

  clear() {
    this.#take(null);
  }

  /** Name of the tissue at a voxel, or null. */
  at([x, y, z]) {
    if (this.#whole === null) return null;
    const [, width, height] = this.#nv.back.dims;
    return this.#classes[this.#whole[x + width * (y + height * z)] - 1]?.name ?? null;
  }

  #take(source) {
    this.#source = source;
    this.#whole = null;
    this.#hidden = this.#classes.map(() => false).join();
    if (source === null) this.#nv.closeDrawing();
    else if (this.#nv.loadDrawing(source)) this.#whole = this.#nv.drawBitmap.slice();
  }

  /** What is hidden leaves the drawing, so that in 3-D there is the surface of what is left. */
  #leaveOut() {
    const hidden = this.#classes.map(({ name }) => isHidden(name));
    if (this.#whole === null || hidden.join() === this.#hidden) return;
    this.#hidden = hidden.join();
    const kept = Uint8Array.from({ length: 256 }, (_, index) => (hidden[index - 1] ? 0 : index));
    this.#nv.drawBitmap = this.#whole.map((index) => kept[index]);
    this.#nv.refreshDrawing(false);
  }
}
