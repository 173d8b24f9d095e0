/** A score as a bar: what adds stands right of zero, what takes away left of it, and together they reach the score. */

import { h } from "./dom.js";
import { signed } from "./numbers.js";

/** Part → name and what it compares. */
export const PARTS = {
  F: ["Fusion", "words and picture of either side, mixed"],
  T: ["Text", "the mention's words against the entity's"],
  V: ["Image", "one picture against the other"],
  C: ["Text and image", "the words of one side against the picture of the other"],
  LT: ["Matched words", "how well single words match"],
  LV: ["Matched patches", "how well single patches match"],
  N: ["Name", "how alike the names are written"],
};

/** @param {string} part */
export const partName = (part) => PARTS[part]?.[0] ?? part;

/** A part's letter in its colour. */
export const partChip = (part) => h(
  "span",
  { class: `chip part-${part.length <= 2 ? part : "other"}`, title: PARTS[part]?.[1] },
  part.length <= 2 ? part : "·",
);

/**
 * The scale that several bars share, so that their lengths can be compared.
 * @param {number[][]} listed the addends of each bar
 */
export function scaleOf(listed) {
  const sum = (values, sign) => values.reduce((total, value) => total + Math.max(0, sign * value), 0);
  const left = Math.max(0, ...listed.map((values) => sum(values, -1)));
  const right = Math.max(0, ...listed.map((values) => sum(values, 1)));
  return { left, width: left + right || 1 };
}

/**
 * @param {[string, number][]} addends part and what it adds
 * @param {{left: number, width: number}} scale
 */
export function scoreBar(addends, scale) {
  const total = addends.reduce((sum, [, value]) => sum + value, 0);
  const bar = h("div", { class: "scorebar", role: "img", "aria-label": said(addends, total) });
  let [left, right] = [scale.left, scale.left];
  for (const [part, value] of addends) {
    const size = Math.abs(value);
    const from = value < 0 ? (left -= size) : right;
    if (value >= 0) right += size;
    bar.append(piece(part, value, from / scale.width, size / scale.width));
  }
  const zero = h("i", { class: "zero" });
  const mark = h("i", { class: "total", title: `score ${signed(total)}` });
  zero.style.left = `${(100 * scale.left) / scale.width}%`;
  mark.style.left = `${(100 * (scale.left + total)) / scale.width}%`;
  bar.append(zero, mark);
  return bar;
}

function piece(part, value, from, size) {
  const element = h(
    "span",
    { class: `piece part-${part.length <= 2 ? part : "other"}`, title: `${partName(part)} ${signed(value)}` },
    size > 0.05 ? part.slice(0, 2) : null,
  );
  element.style.left = `${100 * from}%`;
  element.style.width = `${100 * size}%`;
  return element;
}

/** The same in numbers, to be read. */
export function scoreSum(addends) {
  const total = addends.reduce((sum, [, value]) => sum + value, 0);
  return h(
    "p",
    { class: "sum" },
    addends.map(([part, value]) => h("span", { class: "addend" }, partChip(part), ` ${signed(value)} `)),
    h("span", { class: "addend total-sum" }, `= ${signed(total)}`),
  );
}

function said(addends, total) {
  const parts = addends.map(([part, value]) => `${partName(part)} ${signed(value)}`);
  return `Score ${signed(total)}: ${parts.join(", ")}`;
}
