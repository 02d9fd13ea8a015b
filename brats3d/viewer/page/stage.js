/** The panes: which image they show, what lies over it, and that they look at the same place. */

import { addresses } from "./api.js";
import { byId, fill, make } from "./dom.js";
import { modalityName } from "./format.js";
import { show } from "./messages.js";
import { canDraw } from "./niivue.js";
import { expired } from "./opening.js";
import { classesOf, overlays, sideBySide } from "./overlays.js";
import { Pane } from "./pane.js";
import { Problem } from "./problem.js";
import { session } from "./session.js";
import { centreOfLabels, forgetVolumes, volumeAt } from "./volumes.js";

const FIRST_LOOK = ["t1ce", "flair"];

class Stage extends EventTarget {
  panes = [];
  view = "all";
  radiological = true;
  side = false;
  modality = null;
  lead = null;
  drawing = 0;
  following = false;
  seen = null;
  /** Resolves when what was wanted last is drawn. */
  drawn = Promise.resolve();
  making = Promise.resolve();

  get flat() {
    return session.contents?.dimensions === 2;
  }

  get shown() {
    return this.side ? this.panes.slice(0, this.wantedPanes) : this.panes.slice(0, 1);
  }

  /** Original, reference and a result, or original and two results; else original and the result. */
  get wantedPanes() {
    return overlays().length > 1 ? 3 : 2;
  }

  /** The pane that the hand is on. */
  get leading() {
    return this.shown.includes(this.lead) ? this.lead : this.panes[0];
  }

  /** Have a pane ready by the time that there is something to show. */
  prepare() {
    if (canDraw()) this.#makePanes().catch(() => undefined); // Told when it is to draw.
  }

  /** Another case: nothing of the former one stays. */
  open() {
    forgetVolumes();
    this.seen = null;
    this.side = false;
    const there = Object.keys(session.contents?.assignment ?? {});
    this.modality = [...FIRST_LOOK, ...there].find((modality) => there.includes(modality)) ?? null;
    byId("stage-note").hidden = this.modality !== null;
    for (const pane of this.panes) pane.clear();
    this.offerOverlays();
    return this.draw();
  }

  /** Draw what is wanted now; of several calls only the last one counts. */
  draw() {
    this.drawn = this.#draw();
    return this.drawn;
  }

  async #draw() {
    const mine = ++this.drawing;
    if (session.upload === null || this.modality === null) return;
    if (!canDraw()) {
      show(new Problem({ what: "This browser cannot draw the images", expected: "WebGL 2", remedy: "Use another browser, or switch its graphics acceleration on; segmenting and downloads work without" }));
      return;
    }
    byId("stage").setAttribute("aria-busy", "true");
    try {
      await this.#makePanes();
      const base = await volumeAt(addresses.image(session.upload, this.modality));
      const over = await Promise.all(this.shown.map((pane) => this.#labelsOf(pane.select.value)));
      if (mine !== this.drawing) return;
      this.shown.forEach((pane, index) => this.#put(pane, base, over[index]));
      this.arrange();
      this.#lookFirst(over.find((found) => found !== null));
    } catch (error) {
      if (mine !== this.drawing) return;
      if (error.gone) expired(error);
      else show(error);
    }
    byId("stage").setAttribute("aria-busy", "false");
    this.dispatchEvent(new Event("drawn"));
  }

  /** Draw the labels in their colours of now, once for each frame of the screen. */
  recolour() {
    this.recolouring ??= requestAnimationFrame(() => {
      this.recolouring = undefined;
      for (const pane of this.shown) pane.labels.colour();
    });
  }

  arrange() {
    const narrow = this.side;
    const choice = narrow || overlays().length > 1 || Boolean(session.contents?.reference);
    for (const pane of this.panes) {
      pane.element.hidden = !this.shown.includes(pane);
      pane.head.hidden = !choice;
    }
    byId("viewer").dataset.layout = narrow ? "side" : "single";
    byId("viewer").dataset.view = this.flat ? "axial" : this.view;
    for (const pane of this.shown) pane.arrange({ view: this.view, radiological: this.radiological, flat: this.flat, narrow });
    this.dispatchEvent(new Event("arranged"));
  }

  /** Offer in every pane what can lie over the image, and choose what tells most. */
  offerOverlays() {
    const offered = overlays();
    this.panes.forEach((pane, index) => {
      const before = pane.select.value;
      fill(pane.select, make("option", { value: "" }, "none"), ...offered.map(({ id, title }) => make("option", { value: id }, title)));
      const wished = this.side ? sideBySide(index, offered) : session.chosen ?? before;
      pane.select.value = offered.some(({ id }) => id === wished) ? wished : "";
    });
  }

  /** One call after the other. */
  #makePanes() {
    this.making = this.making.catch(() => undefined).then(() => this.#addPanes());
    return this.making;
  }

  async #addPanes() {
    const needed = this.side ? this.wantedPanes : 1;
    let made = false;
    while (this.panes.length < needed) {
      const pane = new Pane(this.panes.length, {
        chosen: () => this.draw(),
        located: (from, data) => this.dispatchEvent(new CustomEvent("located", { detail: { pane: from, data } })),
        moved: (from) => this.#lead(from),
      });
      for (const event of ["pointerdown", "wheel", "touchstart", "focusin"]) {
        pane.element.addEventListener(event, () => { this.lead = pane; }, { capture: true, passive: true });
      }
      await pane.start(byId("panes"));
      this.panes.push(pane);
      made = true;
    }
    if (made) this.offerOverlays();
    this.arrange();
  }

  #put(pane, base, over) {
    const fresh = pane.image !== base;
    pane.show(base, over, over ? classesOf(pane.select.value) : []);
    if (fresh && pane !== this.panes[0]) pane.follow(this.panes[0]);
    pane.element.dataset.overlay = pane.select.value;
    pane.element.dataset.drawn = "true";
    pane.canvas.setAttribute("aria-label", describe(pane, this.modality));
  }

  /** The first time that there is something to see, go there. */
  #lookFirst(over) {
    if (!over || this.seen === session.upload) return;
    const centre = centreOfLabels(over);
    if (centre === null) return;
    this.seen = session.upload;
    for (const pane of this.shown) pane.lookAt(centre);
  }

  #lead(from) {
    if (this.following || from !== this.leading) return;
    this.following = true;
    for (const pane of this.shown) if (pane !== from) pane.follow(from);
    this.following = false;
  }

  async #labelsOf(source) {
    if (source === "") return null;
    if (source === "reference") return volumeAt(addresses.reference(session.upload));
    const run = session.runOf(source);
    return run ? volumeAt(addresses.ofResult(run.id, "overlay.nii.gz", run.thresholds)) : null;
  }
}

export const stage = new Stage();

function describe(pane, modality) {
  const over = pane.select.value === "" ? "without overlay" : `with overlay: ${pane.select.selectedOptions[0].textContent}`;
  return `${modalityName(modality)} image ${over}. The arrow keys step through its slices.`;
}
