/** Elements without markup: whatever comes from the service is text, never HTML. */

/**
 * Makes an element. Keys of `props`: `class`, `on` (event → listener), `data`, and attributes; `false`, `null` and
 * `undefined` leave an attribute out, `true` sets it empty.
 * @param {string} tag
 * @param {Record<string, any>} [props]
 * @param {...(Node | string | number | null | false | undefined | Array)} children
 */
export function h(tag, props = {}, ...children) {
  return dressed(document.createElement(tag), props, children);
}

/** The same for SVG. */
export function s(tag, props = {}, ...children) {
  return dressed(document.createElementNS("http://www.w3.org/2000/svg", tag), props, children);
}

function dressed(element, { class: names, on = {}, data = {}, ...attributes }, children) {
  if (names) element.setAttribute("class", names);
  for (const [event, listener] of Object.entries(on)) element.addEventListener(event, listener);
  Object.assign(element.dataset, data);
  for (const [name, value] of Object.entries(attributes)) set(element, name, value);
  element.append(
    ...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false),
  );
  return element;
}

/** Sets an attribute, or takes it away. */
export function set(element, name, value) {
  if (value === false || value === null || value === undefined) element.removeAttribute(name);
  else element.setAttribute(name, value === true ? "" : String(value));
}

/** @param {string} id */
export const byId = (id) => document.getElementById(id);

/** Fills an element anew. */
export function fill(element, ...children) {
  element.replaceChildren(
    ...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false),
  );
  return element;
}

/** Says something to those who listen to the page. */
export function announce(text) {
  byId("live").textContent = text;
}

/** Runs `work` after `wait` milliseconds without a further call. */
export function debounced(work, wait) {
  let timer = 0;
  return (...given) => {
    clearTimeout(timer);
    timer = setTimeout(() => work(...given), wait);
  };
}

const STEPS = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };

/**
 * One tab stop for many buttons: arrow keys move between them, Home and End jump.
 * @param {HTMLElement[]} buttons
 * @param {number} [columns] how many stand in a row; without it, up and down move as left and right do
 * @param {(index: number) => void} [moved]
 */
export function roving(buttons, columns = 1, moved = () => {}) {
  buttons.forEach((button, index) => {
    button.tabIndex = index === 0 ? 0 : -1;
    button.addEventListener("focus", () => buttons.forEach((other) => (other.tabIndex = other === button ? 0 : -1)));
    button.addEventListener("keydown", (event) => {
      const next = target(event.key, index, buttons.length, columns);
      if (next === null) return;
      event.preventDefault();
      buttons[next].focus();
      moved(next);
    });
  });
}

function target(key, index, count, columns) {
  if (key === "Home") return 0;
  if (key === "End") return count - 1;
  if (!(key in STEPS)) return null;
  const [down, across] = STEPS[key];
  const next = index + down * columns + across;
  return next >= 0 && next < count ? next : null;
}
