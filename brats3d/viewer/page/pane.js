/** One picture: an image with labels over it, drawn by NiiVue. */

import { make } from "./dom.js";
import { DrawnLabels } from "./drawn_labels.js";
import { niivue } from "./niivue.js";

const VIEWS = { axial: 0, coronal: 1, sagittal: 2, all: 3, "3d": 4 };
const NEARER = 1.2; // How much larger the 3-D view is than NiiVue has it.
const CROSS_WIDTH = 0.0035; // Of the width of the image.
const CROSS_GAP = 14; // Of the width of its lines.
const LEAST = 16; // Pixels.
const LARGEST = 10;
const GREY = [0.62, 0.66, 0.7, 1];

export class Pane {
  /**
   * @param {number} index
   * @param {object} listeners - chosen(): another overlay; located(pane, data): the cross has moved; moved(pane)
   */
  constructor(index, { chosen, located, moved }) {
    this.index = index;
    this.drawings = 0;
    this.select = make("select", { id: `overlay-${index}`, on: { change: chosen } });
    this.canvas = make("canvas", { id: `canvas-${index}`, role: "img", "aria-label": "Image" });
    this.canvas.textContent = "The images need a browser with WebGL 2.";
    this.head = make("label", { class: "field pane-head" }, make("span", {}, "Overlay"), this.select);
    this.element = make("div", { class: "pane", data: { overlay: "", drawn: "false" } },
      this.head,
      make("div", { class: "canvas-place" }, this.canvas),
    );
    this.located = located;
    this.moved = moved;
    this.image = null;
  }

  /** Put it into the page and give it to NiiVue. */
  async start(parent) {
    this.niivue = await niivue();
    parent.append(this.element);
    const { Niivue, DRAG_MODE } = this.niivue;
    this.nv = new Niivue({
      logLevel: "error",
      loadingText: "",
      dragAndDropEnabled: false,
      backColor: [0, 0, 0, 1],
      crosshairColor: [0.35, 0.78, 0.95, 0.75],
      crosshairWidthUnit: "mm",
      crosshairGap: CROSS_GAP,
      fontColor: GREY,
      fontMinPx: 11,
      multiplanarPadPixels: 6,
      dragMode: DRAG_MODE.windowing,
      isRadiologicalConvention: true,
      isNearestInterpolation: false,
      smoothDrawing: 1,
    });
    this.nv.onLocationChange = (data) => this.located(this, data);
    this.nv.sync = () => this.moved(this); // NiiVue calls it after every drawing.
    const draw = this.nv.drawScene.bind(this.nv);
    this.nv.drawScene = () => (this.visible ? draw() : undefined);
    await this.nv.attachToCanvas(this.canvas, true);
    this.nv.scene.volScaleMultiplier = NEARER;
    this.labels = new DrawnLabels(this.nv);
  }

  /**
   * Show an image with labels over it.
   *
   * @param {NVImage} image
   * @param {NVImage|null} labels - class indices on the grid of the image
   * @param {{name: string, colour: string}[]} classes
   */
  show(image, labels, classes) {
    const { nv } = this;
    if (image !== this.image) {
      const first = this.image === null;
      this.image = image;
      nv.volumes = [image];
      nv.setVolume(image, 0);
      this.#drawCross();
      if (first) nv.createOnLocationChange();
    }
    this.labels.show(labels, classes);
    nv.drawScene();
    this.element.dataset.drawings = ++this.drawings;
  }

  /** Name of the tissue at the cross, or null. */
  get tissue() {
    return this.image && this.labels.at(this.nv.frac2vox(this.nv.scene.crosshairPos));
  }

  /** @param {object} wanted - view, radiological, flat (a picture), narrow (beside others) */
  arrange({ view, radiological, flat, narrow }) {
    const { nv } = this;
    const { MULTIPLANAR_TYPE, SHOW_RENDER } = this.niivue;
    nv.opts.multiplanarLayout = narrow ? MULTIPLANAR_TYPE.COLUMN : MULTIPLANAR_TYPE.GRID;
    nv.opts.multiplanarShowRender = narrow ? SHOW_RENDER.NEVER : SHOW_RENDER.ALWAYS;
    nv.opts.isRadiologicalConvention = flat ? this.mirrored[0] : radiological;
    nv.opts.isOrientationTextVisible = !flat;
    nv.setSliceType(VIEWS[flat ? "axial" : view]);
  }

  /** Whether columns and rows of the image run against right and anterior; pictures are shown as they are. */
  get mirrored() {
    return [0, 1].map((axis) => this.image !== null && this.image.hdr.affine[axis][axis] < 0);
  }

  /** Column and row of the cross in a picture, from 0 at the top left. */
  get pixel() {
    const voxel = this.nv.frac2vox(this.nv.scene.crosshairPos);
    return this.mirrored.map((mirrored, axis) => (mirrored ? this.image.dimsRAS[axis + 1] - 1 - voxel[axis] : voxel[axis]));
  }

  /** Look where another pane looks. */
  follow({ nv }) {
    const { scene } = this.nv;
    if (!this.image || !nv.volumes.length) return;
    scene.crosshairPos = this.nv.mm2frac(nv.frac2mm(nv.scene.crosshairPos));
    scene.pan2Dxyzmm = [...nv.scene.pan2Dxyzmm];
    scene.renderAzimuth = nv.scene.renderAzimuth;
    scene.renderElevation = nv.scene.renderElevation;
    scene.volScaleMultiplier = nv.scene.volScaleMultiplier;
    this.#drawCross();
    this.nv.drawScene();
  }

  /** NiiVue cannot draw without room; it draws when it gets some. */
  get visible() {
    return this.canvas.offsetWidth > LEAST && this.canvas.width > LEAST;
  }

  /** @param {number[]} place - millimetres */
  lookAt(place) {
    this.nv.scene.crosshairPos = this.nv.mm2frac(place);
    this.redraw();
  }

  /** @param {number[]} steps - voxels along right, anterior and superior */
  step(steps) {
    this.nv.moveCrosshairInVox(...steps);
  }

  /** Enlarge around the cross, or what is turned in 3-D; 0 shows the whole image. */
  zoom(factor) {
    const { scene } = this.nv;
    if (this.nv.opts.sliceType === VIEWS["3d"]) {
      scene.volScaleMultiplier = factor ? scene.volScaleMultiplier * factor : NEARER;
      this.redraw();
      return;
    }
    const [x, y, z, before] = scene.pan2Dxyzmm;
    const after = Math.min(LARGEST, Math.max(1, before * factor));
    const place = this.nv.frac2mm(scene.crosshairPos);
    const moved = [x, y, z].map((pan, axis) => pan + (before - after) * place[axis]);
    scene.pan2Dxyzmm = after === 1 ? [0, 0, 0, 1] : [...moved, after];
    this.#drawCross();
    this.redraw();
  }

  /** The cross is as thin however large the image is shown. */
  #drawCross() {
    const { opts, scene, crosshairs3D } = this.nv;
    const width = (this.image.dimsRAS[1] * this.image.pixDimsRAS[1]) / scene.pan2Dxyzmm[3];
    opts.crosshairWidth = CROSS_WIDTH * width;
    if (crosshairs3D) crosshairs3D.mm[0] = NaN; // NiiVue makes it again.
  }

  turn(azimuth, elevation) {
    const { scene } = this.nv;
    this.nv.setRenderAzimuthElevation(scene.renderAzimuth + azimuth, scene.renderElevation + elevation);
  }

  /** Slice of the cross along an axis (0 right, 1 anterior, 2 superior) from 0, and how many there are. */
  slice(axis) {
    if (!this.image) return { index: 0, number: 1 };
    const voxel = this.nv.frac2vox(this.nv.scene.crosshairPos);
    return { index: Math.round(voxel[axis]), number: this.image.dimsRAS[axis + 1] };
  }

  redraw() {
    this.nv.drawScene();
    this.nv.createOnLocationChange();
  }

  clear() {
    if (!this.image) return;
    this.image = null;
    this.element.dataset.drawn = "false";
    Object.assign(this.nv.scene, { crosshairPos: [0.5, 0.5, 0.5], pan2Dxyzmm: [0, 0, 0, 1], volScaleMultiplier: NEARER });
    this.labels.clear();
    this.nv.volumes = [];
    this.nv.overlays = [];
    this.nv.back = null;
    this.nv.drawScene();
  }
}
