/** The plans of a pair: which one, under which assignment, as tokens or as a matrix. */

import { fill, h } from "./dom.js";
import { gradient, level } from "./colours.js";
import { matrixPanel, saidOf } from "./matrix.js";
import { entropies, marginals } from "./measures.js";
import { percent, times } from "./numbers.js";
import { assignment, called, highest, OTHER, related, telling } from "./plan.js";
import { partChip } from "./score.js";
import { tokenPanel } from "./tokens.js";

/** What the reader chose last: it holds for the next candidate too. */
const choice = { plan: "", kind: "", view: "tokens", numbers: false, clear: false };
let redraw = () => {};

document.addEventListener("themechange", () => redraw());
addEventListener("resize", () => choice.view === "matrix" && redraw());

/** @param {object} explanation */
export function plansView({ plans, images }) {
  const stage = h("div", { class: "stage-box" });
  const named = (plan) => `${plan.part} ${plan.name}`;
  if (!plans.some((plan) => named(plan) === choice.plan)) choice.plan = named(plans[0]);
  const now = () => plans.find((plan) => named(plan) === choice.plan);
  const draw = () => show(stage, now(), images);
  const controls = h(
    "div",
    { class: "controls" },
    options(
      "Plan",
      "plan",
      plans.map((plan) => [named(plan), [partChip(plan.part), ` ${title(plan)}`], group(plan)]),
      draw,
      "of-plans",
    ),
    options("Assignment", "kind", ["transport", "attention"].map((kind) => [kind, kindLabel(kind, now())]), draw),
    options("Show as", "view", [["tokens", "Tokens"], ["matrix", "Matrix"]], draw),
  );
  redraw = draw;
  draw();
  return h("div", { class: "card plans" }, h("h3", {}, "What moved where"), controls, stage);
}

/**
 * Radio buttons that look like one switch.
 * @param {[string, any, string?][]} listed value, label and the group it stands in
 */
function options(legend, key, listed, changed, kind = "") {
  if (!listed.some(([value]) => value === choice[key])) choice[key] = listed[0][0];
  const option = ([value, label]) =>
    h(
      "label",
      {},
      h(
        "input",
        {
          type: "radio",
          name: `option-${key}`,
          value,
          checked: choice[key] === value,
          on: { change: () => ((choice[key] = value), changed()) },
        },
      ),
      h("span", {}, label),
    );
  const groups = [...new Set(listed.map(([, , name]) => name))];
  const switches = groups.map(
    (name) => h("div", {}, name && h("b", {}, name), listed.filter(([, , own]) => own === name).map(option)),
  );
  return h("fieldset", { class: `options ${kind}` }, h("legend", {}, legend), switches);
}

const kindLabel = (kind, plan) => [
  kind === "transport" ? "Transport" : "Attention",
  h("small", {}, plan.kind === kind ? "as the model does" : "to compare"),
];

const kindOf = (axis) => (axis.modality === "text" ? "words" : "picture");

const group = ({ rows, columns }) => (rows.owner === columns.owner ? `Within the ${rows.owner}` : "Mention to entity");

function title({ part, rows, columns }) {
  if (rows.owner === columns.owner) return `${kindOf(columns)} → ${kindOf(rows)}`;
  return `${kindOf(columns)} → ${kindOf(rows)}${part.startsWith("L") ? ", matched" : ""}`;
}

function show(stage, plan, images) {
  const both = [plan.kind, plan.counterpart?.kind].filter(Boolean).map((kind) => assignment(plan, kind));
  const one = both.find((each) => each.kind === choice.kind) ?? both[0];
  const most = highest(both);
  const readout = h("p", { class: "readout", role: "status" });
  const looked = choice.view === "matrix" ? matrixStage(one, most, readout) : tokenStage(one, most, images, readout);
  fill(stage, looked.element, readout, legend(most), marginals(one), entropies(both, one));
  looked.start();
}

function tokenStage(one, most, images, readout) {
  let pinned = telling(one);
  const panels = {};
  for (const side of ["columns", "rows"]) {
    const axis = one.axes[side];
    panels[side] = tokenPanel(axis, axis.modality === "image" ? images[axis.owner] : null, (index, how) => {
      if (how === "choose") pinned = { side, index };
      paint(how === "leave" ? pinned : { side, index });
    });
  }

  function paint(selection) {
    const values = related(one, selection);
    panels[selection.side].show({ values: null, selected: selection.index, most });
    panels[OTHER[selection.side]].show({ values, selected: null, most });
    readout.textContent = told(one, selection, values);
  }

  const element = h(
    "div",
    { class: "stage" },
    panelOf("columns", one, panels),
    h("div", { class: "arrow", "aria-hidden": "true" }, "→"),
    panelOf("rows", one, panels),
  );
  return { element: h("div", { class: stageClass() }, toggles(), element), start: () => paint(pinned) };
}

const stageClass = () => `token-stage ${choice.numbers ? "has-numbers" : ""} ${choice.clear ? "is-clear" : ""}`;

function toggles() {
  const toggle = (key, label) => {
    const box = h(
      "input",
      {
        type: "checkbox",
        checked: choice[key],
        on: {
          change: () => ((choice[key] = box.checked), box.closest(".token-stage").setAttribute("class", stageClass())),
        },
      },
    );
    return h("label", { class: "inline" }, box, label);
  };
  return h("div", { class: "toggles" }, toggle("numbers", "Numbers, in %"), toggle("clear", "Clear picture"));
}

function panelOf(side, one, panels) {
  const axis = one.axes[side];
  return h(
    "section",
    { class: "side" },
    h("h4", {}, `${capital(axis.owner)}, ${kindOf(axis)}`, h("small", {}, side === "columns" ? "give" : "take")),
    panels[side].element,
  );
}

function matrixStage(one, most, readout) {
  let pinned = telling(one);
  const panel = matrixPanel((cell, how) => {
    if (how === "choose") pinned = { side: "rows", index: cell.row };
    const selection = how === "leave" ? pinned : { side: "rows", index: cell.row };
    panel.show(one, selection, most);
    readout.textContent = how === "look" ? saidOf(one, cell) : told(one, pinned, related(one, pinned));
  });
  const caption = h(
    "p",
    { class: "help" },
    "Rows take, columns give. Bars are the sums of rows and columns; the line marks an even share.",
  );
  const start = () => {
    panel.show(one, pinned, most);
    readout.textContent = told(one, pinned, related(one, pinned));
  };
  return { element: h("div", {}, caption, panel.element), start };
}

/** A selection in a sentence: the three that it has most to do with. */
function told(one, { side, index }, values) {
  const other = one.axes[OTHER[side]];
  const best = values.map((value, at) => ({ ...value, at })).sort((a, b) => b.share - a.share).slice(0, 3);
  const name = (at) => called(other, at);
  const rest = best.slice(1).map(({ share, at }) => `${percent(share)} ${side === "rows" ? "from" : "to"} ${name(at)}`);
  const [first] = best;
  const verb = side === "rows"
    ? `takes ${percent(first.share)} of its message from`
    : `gives ${percent(first.share)} of its mass to`;
  const then = rest.length ? `; then ${rest.join(", ")}` : "";
  return `${capital(called(one.axes[side], index))} ${verb} ${name(first.at)}, ${times(first.lift)} an even share${then}.`;
}

const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);

function legend(most) {
  const bar = h("div", { class: "legend-bar" });
  bar.style.background = gradient();
  const tick = (lift, label) => {
    const mark = h("span", {}, label);
    mark.style.left = `${100 * level(lift, most)}%`;
    return mark;
  };
  const middle = most > 4 ? [tick(most / 3, times(most / 3))] : [];
  return h(
    "div",
    { class: "legend", role: "img", "aria-label": `Shades from 0 to ${times(most)} an even share` },
    h("span", { class: "help" }, "Multiples of an even share; 1× tells nothing"),
    bar,
    h("div", { class: "legend-ticks" }, tick(0, "0"), tick(1, "1×"), middle, tick(most, times(most))),
  );
}
