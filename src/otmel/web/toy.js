/** A transport problem of four words and four patches to play with. */

import { fill, h, s } from "./dom.js";
import { percent } from "./numbers.js";
import { attention, columnError, columnSums, entropyShare, transport } from "./sinkhorn.js";

const WORDS = ["Julia", "waves", "red", "scarf"];
const PATCHES = ["face", "hand", "coat", "scarf"];
/** How alike word and patch are, made up so that the face is liked by all. */
const COSINES = [
  [0.9, 0.1, 0.2, 0.3],
  [0.7, 0.6, 0.1, 0.0],
  [0.6, 0.0, 0.5, 0.4],
  [0.7, 0.1, 0.3, 0.6],
];
const COST = COSINES.map((row) => row.map((cosine) => (1 - cosine) / 2));
const [WIDTH, HEIGHT, BAR, TOP] = [320, 236, 44, 12];
const ENOUGH = 200;

/** @param {HTMLElement} place */
export function toyView(place) {
  const state = { kind: "transport", epsilon: 0.05, iterations: ENOUGH };
  const picture = s(
    "svg",
    {
      viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
      class: "flow",
      role: "img",
      "aria-label": "Mass that flows from patches to words",
    },
  );
  const table = h("div", { class: "scrolls" });
  const said = h("p", { class: "readout", role: "status" });

  function draw() {
    const plan = state.kind === "transport"
      ? transport(COST, state.epsilon, state.iterations)
      : attention(COST, state.epsilon);
    steps.querySelector("select").disabled = state.kind !== "transport";
    flow(picture, plan);
    fill(table, numbers(plan));
    said.textContent = sentence(plan, state);
  }

  const steps = turns(state, draw);
  fill(
    place,
    h("h3", {}, "Try it: four patches, four words"),
    h("div", { class: "toy-controls" }, kinds(state, draw), temperature(state, draw), steps),
    h(
      "div",
      { class: "toy-stage" },
      h(
        "figure",
        {},
        picture,
        h(
          "figcaption",
          {},
          "Patches on the left give, words on the right take; a band is as wide as the mass that moves.",
        ),
      ),
      table,
    ),
    said,
  );
  draw();
}

function kinds(state, draw) {
  const option = (kind, label) => h(
    "label",
    {},
    h(
      "input",
      {
        type: "radio",
        name: "toy-kind",
        value: kind,
        checked: state.kind === kind,
        on: { change: () => ((state.kind = kind), draw()) },
      },
    ),
    h("span", {}, label),
  );
  return h(
    "fieldset",
    { class: "options" },
    h("legend", {}, "Assignment"),
    h("div", {}, option("transport", "Transport"), option("attention", "Attention")),
  );
}

/** A slider whose steps are even in the logarithm, from 0.01 to 1. */
function temperature(state, draw) {
  const shown = h("output", {}, state.epsilon.toFixed(3));
  const slider = h(
    "input",
    { type: "range", id: "epsilon", min: -2, max: 0, step: 0.01, value: Math.log10(state.epsilon) },
  );
  slider.addEventListener("input", () => {
    state.epsilon = 10 ** Number(slider.value);
    shown.textContent = state.epsilon.toFixed(3);
    draw();
  });
  return h(
    "label",
    { class: "slider", for: "epsilon" },
    h("span", {}, "Temperature ε = ", shown),
    slider,
    h("span", { class: "ends" }, h("span", {}, "sharp"), h("span", {}, "uniform")),
  );
}

function turns(state, draw) {
  const choose = h(
    "select",
    { id: "turns", on: { change: () => ((state.iterations = Number(choose.value)), draw()) } },
    [1, 2, 3, 5, 10, ENOUGH].map((count) => h(
      "option",
      { value: count, selected: count === state.iterations },
      count === ENOUGH ? "until it settles" : count,
    )),
  );
  return h("label", { class: "inline stacked", for: "turns" }, "Turns of Sinkhorn", choose);
}

/** Bands between two columns of bars; widths and heights are shares of all mass. */
function flow(picture, plan) {
  const scale = HEIGHT - 2 * TOP - 3 * 8;
  const sent = columnSums(plan);
  const starts = stacked(sent, scale);
  const ends = stacked(plan.map((row) => row.reduce((a, b) => a + b, 0)), scale);
  const [used, filled] = [[...starts], [...ends]];
  const bands = [];
  PATCHES.forEach((_, j) =>
    WORDS.forEach((_, i) => {
      const width = plan[i][j] * scale;
      bands.push(band(used[j], filled[i], width, `${PATCHES[j]} → ${WORDS[i]}: ${percent(plan[i][j])}`, i));
      used[j] += width;
      filled[i] += width;
    }),
  );
  const bar = (x, anchor, name, y, share) => [
    s("rect", { x: anchor === "end" ? x - 8 : x, y, width: 8, height: Math.max(1, share * scale), class: "flow-bar" }),
    s("text", { x: anchor === "end" ? x - 13 : x + 13, y: y + (share * scale) / 2 + 4, "text-anchor": anchor }, name),
  ];
  const left = PATCHES.map((name, j) => bar(BAR + 16, "end", name, starts[j], sent[j]));
  const right = WORDS.map((name, i) => bar(WIDTH - BAR - 16, "start", name, ends[i], 1 / WORDS.length));
  fill(picture, bands, left, right);
}

function stacked(shares, scale) {
  let y = TOP;
  return shares.map((share) => {
    const at = y;
    y += share * scale + 8;
    return at;
  });
}

function band(from, to, width, title, word) {
  const [x0, x1, middle] = [BAR + 16, WIDTH - BAR - 16, WIDTH / 2];
  const there = `M${x0} ${from}C${middle} ${from} ${middle} ${to} ${x1} ${to}`;
  const back = `V${to + width}C${middle} ${to + width} ${middle} ${from + width} ${x0} ${from + width}Z`;
  return s("path", { d: there + back, class: `flow-band word-${word}` }, s("title", {}, title));
}

function numbers(plan) {
  const sums = columnSums(plan);
  const share = (value) => (100 * value).toFixed(1);
  const row = (word, i) => h(
    "tr",
    {},
    h("th", { scope: "row" }, word),
    plan[i].map((value) => cell(value * plan.length, share(value))),
    h("td", { class: "edge" }, share(1 / plan.length)),
  );
  return h(
    "table",
    { class: "toy-table" },
    h("caption", {}, "The plan, in % of all mass"),
    h(
      "thead",
      {},
      h(
        "tr",
        {},
        h("td"),
        PATCHES.map((patch) => h("th", { scope: "col" }, patch)),
        h("th", { scope: "col", class: "edge" }, "sum"),
      ),
    ),
    h(
      "tbody",
      {},
      WORDS.map(row),
      h(
        "tr",
        {},
        h("th", { scope: "row" }, "sum"),
        sums.map((sum) => h("td", { class: "edge" }, share(sum))),
        h("td", { class: "edge" }, "100"),
      ),
    ),
  );
}

function cell(strength, text) {
  const element = h("td", {}, text);
  element.style.setProperty("--strength", `${Math.round(45 * Math.min(1, strength))}%`);
  return element;
}

function sentence(plan, { kind, epsilon, iterations }) {
  const sums = columnSums(plan);
  const most = Math.max(...sums);
  const loud = `The patch “${PATCHES[sums.indexOf(most)]}” gives ${percent(most)}, even would be ${percent(1 / 4)}.`;
  const entropy = `Entropy is ${percent(entropyShare(plan))} of uniform.`;
  if (kind === "attention") return `${loud} Nobody asked it to give no more than its share. ${entropy}`;
  const error = columnError(plan);
  if (error < 0.005) return `Every heap is used up and every hole is filled. ${entropy}`;
  const turns = `${iterations} ${iterations === 1 ? "turn" : "turns"}`;
  const hint = epsilon < 0.03 ? "; small ε needs more turns" : "";
  return `${loud} After ${turns} the heaps are off by ${percent(error)} in all${hint}. ${entropy}`;
}
