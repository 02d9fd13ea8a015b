/** Short ways to find, make and fill elements. */

export const byId = (id) => document.getElementById(id);

/**
 * Make an element.
 *
 * @param {string} tag
 * @param {Object<string, *>} properties - attributes; `on` holds listeners by event, `data` the data attributes;
 *   true sets an attribute without a value, false, null and undefined leave it out.
 * @param {...(Node|string|null)} children
 */
export function make(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name === "on") {
      for (const [event, listener] of Object.entries(value)) made.addEventListener(event, listener);
    } else if (name === "data") {
      Object.assign(made.dataset, value);
    } else if (value !== false && value !== null && value !== undefined) {
      made.setAttribute(name, value === true ? "" : String(value));
    }
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

/** A small square in the colour of a region or tissue. */
export function swatch(colour) {
  const square = make("span", { class: "swatch", "aria-hidden": "true" });
  square.style.backgroundColor = colour;
  return square;
}

export function fill(parent, ...children) {
  parent.replaceChildren(...children);
}

/** Tell readers of screens what happened. */
export function announce(sentence) {
  byId("announcement").textContent = sentence;
}
