/** A plan as a matrix, with the sums of its rows and columns as bars at its edges. */

import { css, level, shade } from "./colours.js";
import { h } from "./dom.js";
import { times } from "./numbers.js";
import { called, marginal } from "./plan.js";

const [LEAST, MOST, BAR, GAP] = [9, 24, 44, 6];
const FONT = "11px system-ui, sans-serif";

/**
 * @param {(cell: {row: number, column: number}, how: "look" | "leave" | "choose") => void} point
 */
export function matrixPanel(point) {
  const canvas = h(
    "canvas",
    {
      class: "matrix",
      tabindex: "0",
      role: "application",
      "aria-label": "Plan as a matrix: arrow keys move, Enter chooses the row",
    },
  );
  let drawn = null;
  const cell = { row: 0, column: 0 };

  function move(event) {
    const next = at(drawn, event.offsetX, event.offsetY);
    if (next) point(Object.assign(cell, next), event.type === "click" ? "choose" : "look");
    else point(cell, "leave");
  }

  canvas.addEventListener("pointermove", move);
  canvas.addEventListener("click", move);
  canvas.addEventListener("pointerleave", () => point(cell, "leave"));
  canvas.addEventListener("keydown", (event) => {
    const [down, across] = {
      ArrowUp: [-1, 0],
      ArrowDown: [1, 0],
      ArrowLeft: [0, -1],
      ArrowRight: [0, 1],
    }[event.key] ?? [0, 0];
    if (event.key === "Enter" || event.key === " ") point(cell, "choose");
    else if (down || across) {
      cell.row = Math.min(drawn.rows - 1, Math.max(0, cell.row + down));
      cell.column = Math.min(drawn.columns - 1, Math.max(0, cell.column + across));
      point(cell, "look");
    } else return;
    event.preventDefault();
  });

  return {
    element: h("div", { class: "matrix-box" }, canvas),
    show(one, selection, most) {
      drawn = draw(canvas, one, selection, most, document.activeElement === canvas ? cell : null);
    },
  };
}

function at(drawn, x, y) {
  const [row, column] = [Math.floor((y - drawn.top) / drawn.size), Math.floor((x - drawn.left) / drawn.size)];
  return row >= 0 && row < drawn.rows && column >= 0 && column < drawn.columns ? { row, column } : null;
}

function draw(canvas, one, selection, most, focus) {
  const [rows, columns] = [one.matrix.length, one.matrix[0].length];
  const room = canvas.parentElement?.clientWidth || 600;
  const pen = canvas.getContext("2d");
  pen.font = FONT;
  const left = Math.min(110, 8 + widest(pen, one.axes.rows.tokens));
  const top = Math.min(80, 8 + widest(pen, one.axes.columns.tokens));
  const size = Math.floor(Math.min(MOST, Math.max(LEAST, (room - left - BAR - GAP - 2) / columns)));
  const layout = { left, top, size, rows, columns };
  resize(canvas, left + columns * size + GAP + BAR, top + rows * size + GAP + BAR);
  const ink = getComputedStyle(canvas);
  const colours = { ink: ink.color, quiet: ink.borderTopColor, accent: ink.outlineColor };
  cells(pen, one, layout, most);
  labels(pen, one, layout, colours);
  bars(pen, one, layout, colours);
  outline(pen, layout, selection, focus, colours);
  return layout;
}

function resize(canvas, width, height) {
  const sharp = devicePixelRatio || 1;
  canvas.width = Math.round(width * sharp);
  canvas.height = Math.round(height * sharp);
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  const pen = canvas.getContext("2d");
  pen.scale(sharp, sharp);
  pen.font = FONT;
}

function cells(pen, one, { left, top, size }, most) {
  one.matrix.forEach((row, i) =>
    row.forEach((value, j) => {
      pen.fillStyle = css(shade(level(value / one.mean, most)));
      pen.fillRect(left + j * size, top + i * size, size - (size > 5 ? 1 : 0), size - (size > 5 ? 1 : 0));
    }),
  );
}

function labels(pen, one, { left, top, size }, { ink }) {
  pen.fillStyle = ink;
  pen.textBaseline = "middle";
  const skip = Math.ceil(11 / size);
  pen.textAlign = "right";
  one.axes.rows.tokens.forEach(
    (token, i) => i % skip === 0 && pen.fillText(short(token), left - 6, top + (i + 0.5) * size),
  );
  pen.textAlign = "left";
  one.axes.columns.tokens.forEach((token, j) => {
    if (j % skip !== 0) return;
    pen.save();
    pen.translate(left + (j + 0.5) * size, top - 5);
    pen.rotate(-Math.PI / 2);
    pen.fillText(short(token), 0, 0);
    pen.restore();
  });
}

function bars(pen, one, { left, top, size, rows, columns }, { quiet, accent }) {
  const shares = { rows: marginal(one, "rows"), columns: marginal(one, "columns") };
  const unit = BAR / Math.max(...shares.rows.map((x) => x * rows), ...shares.columns.map((x) => x * columns), 1);
  const [right, bottom] = [left + columns * size + GAP, top + rows * size + GAP];
  pen.fillStyle = quiet;
  shares.rows.forEach((share, i) => pen.fillRect(right, top + i * size, share * rows * unit, size - 1));
  shares.columns.forEach((share, j) => pen.fillRect(left + j * size, bottom, size - 1, share * columns * unit));
  pen.fillStyle = accent;
  pen.fillRect(right + unit - 0.5, top, 1, rows * size);
  pen.fillRect(left, bottom + unit - 0.5, columns * size, 1);
}

function outline(pen, { left, top, size, rows, columns }, { side, index }, focus, { accent }) {
  pen.strokeStyle = accent;
  pen.lineWidth = 2;
  if (side === "rows") pen.strokeRect(left - 1, top + index * size - 1, columns * size + 1, size + 1);
  else pen.strokeRect(left + index * size - 1, top - 1, size + 1, rows * size + 1);
  if (focus) pen.strokeRect(left + focus.column * size - 1, top + focus.row * size - 1, size + 1, size + 1);
}

const short = (token) => (token.length > 14 ? `${token.slice(0, 13)}…` : token);
const widest = (pen, tokens) => Math.max(...tokens.map((token) => pen.measureText(short(token)).width));

/** A cell in words. */
export function saidOf(one, { row, column }) {
  const value = one.matrix[row][column];
  const way = `${called(one.axes.columns, column)} → ${called(one.axes.rows, row)}`;
  return `${way}: ${value.toExponential(2)}, ${times(value / one.mean)} an even share`;
}
