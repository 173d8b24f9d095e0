/** Marking the mention: by selecting it in the text, or word by word. */

import { fill, h, roving, set } from "./dom.js";
import { shifted, trimmed, wordsOf } from "./text.js";

/**
 * @param {{text: HTMLTextAreaElement, words: HTMLElement, shown: HTMLElement, unmark: HTMLElement}} parts
 * @param {() => void} changed
 */
export function marking(parts, changed) {
  /** @type {import("./text.js").Span | null} */
  let span = null;
  let before = parts.text.value;
  let anchor = null;
  let words = [];

  function mark(next, from = null) {
    span = next;
    anchor = from;
    show();
    changed();
  }

  function choose(index, extends_) {
    const from = extends_ && span ? words.findIndex((word) => word.start >= span.start) : anchor;
    const only = span && span.start === words[index].start && span.end === words[index].end;
    if (only) return mark(null);
    if (from === null || from < 0) return mark(words[index], index);
    const [first, last] = [Math.min(from, index), Math.max(from, index)];
    mark({ start: words[first].start, end: words[last].end });
  }

  function draw() {
    words = wordsOf(parts.text.value);
    const buttons = words.map((word, index) =>
      h(
        "button",
        { type: "button", on: { click: (event) => choose(index, event.shiftKey) } },
        parts.text.value.slice(word.start, word.end),
      ),
    );
    roving(buttons);
    fill(parts.words, buttons);
    show();
  }

  function show() {
    const inside = (word) => span !== null && word.start >= span.start && word.end <= span.end;
    [...parts.words.children].forEach((button, index) => set(button, "aria-pressed", String(inside(words[index]))));
    parts.shown.textContent = span ? parts.text.value.slice(span.start, span.end) : "none yet";
    parts.shown.classList.toggle("is-marked", span !== null);
    parts.unmark.hidden = span === null;
  }

  function edited() {
    span = shifted(before, parts.text.value, span);
    before = parts.text.value;
    anchor = null;
    draw();
    changed();
  }

  function selected() {
    const { selectionStart: start, selectionEnd: end } = parts.text;
    const next = start < end ? trimmed(parts.text.value, { start, end }) : null;
    if (next && !(span && next.start === span.start && next.end === span.end)) mark(next);
  }

  parts.text.addEventListener("input", edited);
  for (const event of ["select", "keyup", "pointerup"]) parts.text.addEventListener(event, selected);
  parts.unmark.addEventListener("click", () => {
    mark(null);
    parts.text.focus();
  });
  draw();

  return {
    get text() {
      return parts.text.value;
    },
    get span() {
      return span;
    },
    /** Puts a sentence and its mark in. */
    put(text, next) {
      parts.text.value = before = text;
      span = next;
      anchor = null;
      draw();
    },
  };
}
