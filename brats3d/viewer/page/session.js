/** What the page knows of the case that is open. Whoever changes it tells the others by an event of its name. */

class Session extends EventTarget {
  /** As the service tells them. */
  models = [];
  /** Id of the model that is chosen. */
  model = null;
  /** Id of the upload, or null. */
  upload = null;
  /** What the upload holds, as the service tells it. */
  contents = null;
  /** The segmentation that is under way: {id, model, progress}, or null. */
  running = null;
  /** Segmentations that are done: {id, model, result, thresholds}, one for each model. */
  runs = [];
  /** Id of the run whose numbers are shown, or null. */
  chosen = null;
  /** Tissue to {visible, opacity}. */
  layers = new Map();
  /** Whether overlays are shown at all. */
  overlaid = true;

  tell(what) {
    this.dispatchEvent(new Event(what));
  }

  on(what, listener) {
    for (const one of what.split(" ")) this.addEventListener(one, listener);
  }

  /** empty, uploading, ready, segmenting or done; stands in the page for style sheets. */
  set state(name) {
    document.body.dataset.state = name;
    this.tell("state");
  }

  get state() {
    return document.body.dataset.state;
  }

  get run() {
    return this.runOf(this.chosen);
  }

  runOf(id) {
    return this.runs.find((run) => run.id === id) ?? null;
  }

  modelOf(id) {
    return this.models.find((model) => model.id === id) ?? null;
  }

  /** The state to return to when something under way has ended. */
  get settled() {
    if (!this.contents) return "empty";
    return this.runs.length ? "done" : "ready";
  }

  /** Close the case. */
  close() {
    this.upload = null;
    this.contents = null;
    this.dropRuns();
  }

  /** Results belong to images; when those change, they go. */
  dropRuns() {
    this.running = null;
    this.runs = [];
    this.chosen = null;
  }
}

export const session = new Session();
