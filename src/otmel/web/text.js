/** A sentence, its words and a marked span. Places are in UTF-16 units, as the browser counts. */

/** @typedef {{start: number, end: number}} Span */

export const MOST_WORDS = 300;

const segmenter = typeof Intl.Segmenter === "function" ? new Intl.Segmenter(undefined, { granularity: "word" }) : null;

/** The words of a text, punctuation left out. @returns {Span[]} */
export function wordsOf(text) {
  const found = segmenter ? segmented(text) : [...text.matchAll(/[\p{L}\p{N}\p{M}'’]+/gu)].map(spanOf);
  return found.slice(0, MOST_WORDS);
}

function segmented(text) {
  return [...segmenter.segment(text)]
    .filter((piece) => piece.isWordLike)
    .map((piece) => ({ start: piece.index, end: piece.index + piece.segment.length }));
}

const spanOf = (match) => ({ start: match.index, end: match.index + match[0].length });

/** A span without the blanks at its ends; `null` when nothing is left. @returns {Span | null} */
export function trimmed(text, span) {
  const chosen = text.slice(span.start, span.end);
  const start = span.start + chosen.length - chosen.trimStart().length;
  const end = start + chosen.trim().length;
  return end > start ? { start, end } : null;
}

/** Where a span lies after an edit; `null` when the edit touched it. @returns {Span | null} */
export function shifted(before, after, span) {
  if (!span) return null;
  const shorter = Math.min(before.length, after.length);
  let head = 0;
  while (head < shorter && before[head] === after[head]) head += 1;
  let tail = 0;
  while (tail < shorter - head && before.at(-1 - tail) === after.at(-1 - tail)) tail += 1;
  if (span.end <= head) return span;
  if (span.start < before.length - tail) return null;
  const moved = after.length - before.length;
  return { start: span.start + moved, end: span.end + moved };
}

/** A span in code points, as the service counts. @returns {[number, number]} */
export function codePoints(text, span) {
  const count = (end) => [...text.slice(0, end)].length;
  return [count(span.start), count(span.end)];
}
