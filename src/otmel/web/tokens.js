/** One side of a plan to look at and to choose from: words in a line, or patches on their picture. */

import { css, inkOn, level, shade } from "./colours.js";
import { fill, h, roving, set } from "./dom.js";
import { percent, times } from "./numbers.js";
import { called, content } from "./plan.js";

/**
 * @param {import("./plan.js").Axis} axis
 * @param {string | null} image what the model saw, for an image's patches
 * @param {(index: number, how: "look" | "leave" | "choose") => void} point
 */
export function tokenPanel(axis, image, point) {
  const buttons = axis.tokens.map((token, index) => button(axis, token, index, point));
  const patches = axis.grid ? content(axis) : [];
  const others = buttons.filter((_, index) => !patches.includes(index));
  const grid = axis.grid && patchGrid(axis, patches.map((index) => buttons[index]), image);
  const line = others.length > 0 && h(
    "div",
    { class: "tokens", role: "group", "aria-label": grid ? "Special tokens" : "Tokens" },
    others,
  );
  roving(others, 1, (index) => others[index].click());
  return {
    element: h("div", { class: "token-panel" }, line, grid),
    show: (state) => buttons.forEach((one, index) => paint(one, axis, index, state)),
  };
}

function button(axis, token, index, point) {
  const joined = axis.words.some((word) => word.tokens.indexOf(index) > 0);
  const kind = axis.special.includes(index) ? "is-special" : joined ? "is-joined" : "";
  const shown = axis.grid && kind !== "is-special" ? null : token;
  return h(
    "button",
    {
      type: "button",
      class: `token ${kind}`,
      "aria-pressed": "false",
      on: {
        click: () => point(index, "choose"),
        pointerenter: (event) => event.pointerType === "mouse" && point(index, "look"),
        pointerleave: (event) => event.pointerType === "mouse" && point(index, "leave"),
      },
    },
    h("span", { class: "token-text" }, shown),
    h("span", { class: "token-number", "aria-hidden": "true" }),
  );
}

function patchGrid(axis, patches, image) {
  const [rows, columns] = axis.grid;
  const grid = h(
    "div",
    {
      class: "patches",
      role: "group",
      "aria-label": `Patches of the ${axis.owner}'s picture, ${rows} rows of ${columns}`,
    },
    patches,
  );
  grid.style.gridTemplate = `repeat(${rows}, 1fr) / repeat(${columns}, 1fr)`;
  roving(patches, columns, (index) => patches[index].click());
  const seen = image && h(
    "img",
    { src: image, alt: `What the model saw of the ${axis.owner}'s picture`, draggable: "false" },
  );
  const frame = h("div", { class: "patch-frame" }, seen, grid);
  if (seen) seen.addEventListener(
    "load",
    () => (frame.style.aspectRatio = `${seen.naturalWidth} / ${seen.naturalHeight}`),
  );
  return frame;
}

/**
 * @param {{values: {share: number, lift: number}[] | null, selected: number | null, most: number}} state `values`
 *   where the other side is chosen, `selected` where this one is
 */
function paint(button, axis, index, { values, selected, most }) {
  const value = values?.[index];
  const colour = value && shade(level(value.lift, most));
  button.style.setProperty("--heat", colour ? css(colour) : "");
  button.style.setProperty("--heat-ink", colour ? inkOn(colour) : "");
  button.classList.toggle("is-warm", Boolean(value));
  button.classList.toggle("is-strong", Boolean(value) && value.lift >= 2 && value.lift >= most / 4);
  set(button, "aria-pressed", String(selected === index));
  const said = value ? `: ${percent(value.share)}, ${times(value.lift)} an even share` : "";
  set(button, "aria-label", `${called(axis, index)}${said}`);
  set(button, "title", `${called(axis, index)}${said}`);
  fill(
    button.lastChild,
    value ? (value.share < 0.0995 ? (100 * value.share).toFixed(1) : Math.round(100 * value.share)) : null,
  );
}
