/** Why a mention gets its score with an entity: the sum, and the plans behind it. */

import { fill, h } from "./dom.js";
import { remark } from "./notice.js";
import { plain, signed } from "./numbers.js";
import { plansView } from "./plans.js";
import { address } from "./route.js";
import { partChip, partName, PARTS } from "./score.js";

/**
 * @param {HTMLElement} place
 * @param {object} explanation the service's answer
 */
export function showExplanation(place, explanation) {
  const { mention, entity } = explanation;
  const title = `Why ${mention.mention ? `“${mention.mention}”` : "this picture"} and ${entity.name}`;
  const heading = h(
    "div",
    { class: "titled" },
    h("h2", { id: "explanation-title" }, title),
    h("a", { href: address("graph", {}, entity.id) }, "see it in the graph"),
  );
  fill(place, heading, sum(explanation), plans(explanation), notes(explanation));
}

/** The terms of the score, one below the other, each as a bar from zero. */
function sum({ parts, score }) {
  const terms = Object.entries(parts).flatMap(
    ([part, one]) => one.terms.map((term, index) => ({ part, term, first: index === 0 })),
  );
  const reach = Math.max(...terms.map(({ term }) => Math.abs(term.contribution)), 1e-9);
  const head = h(
    "tr",
    {},
    ["part", "term", "value × weight", "adds"].map((name) => h("th", { scope: "col" }, name)),
    h("td"),
  );
  const last = h(
    "tr",
    { class: "total-row" },
    h("th", { scope: "row", colspan: 3 }, "score"),
    h("td", { class: "n" }, signed(score)),
    h("td"),
  );
  const rows = terms.map(({ part, term, first }) => row(part, term, first, reach));
  return h(
    "div",
    { class: "card" },
    h("h3", {}, "What adds up to the score"),
    h("div", { class: "scrolls" }, h("table", { class: "terms" }, h("thead", {}, head), h("tbody", {}, rows, last))),
    missing(parts),
  );
}

function row(part, term, first, reach) {
  const bar = h(
    "i",
    { class: `part-${part.length <= 2 ? part : "other"} ${term.contribution < 0 ? "is-negative" : ""}` },
  );
  bar.style.width = `${(50 * Math.abs(term.contribution)) / reach}%`;
  return h(
    "tr",
    { class: first ? "is-first" : "" },
    h(
      "th",
      { scope: "row" },
      first && [partChip(part), " ", partName(part)],
      !first && h("span", { class: "unseen" }, partName(part)),
    ),
    h("td", {}, term.name),
    h("td", { class: "n" }, `${plain(term.value)} × ${plain(term.weight)}`),
    h("td", { class: "n" }, signed(term.contribution)),
    h("td", { class: "bar-cell", "aria-hidden": "true" }, bar),
  );
}

function missing(parts) {
  const without = Object.keys(parts).filter((part) => parts[part].share === 0);
  if (!without.length) return null;
  const names = without.map(partName).join(", ");
  return remark(`${names}: not in this pair, since one side has no picture. The other parts count for more instead.`);
}

function plans(explanation) {
  if (explanation.plans.length > 0) return plansView(explanation);
  const fused = Object.keys(explanation.parts).some((part) => part in PARTS);
  return h(
    "div",
    { class: "card" },
    h("h3", {}, "No plans"),
    remark(
      `This system makes one vector of each side${fused ? "" : " or reads the pair as a whole"}. `,
      "No token is assigned to another, so there is no plan to look at.",
    ),
  );
}

function notes({ notes: listed, model, graph }) {
  return [
    listed.length > 0 && remark(`To know: ${listed.join("; ")}.`),
    h("p", { class: "small" }, `model ${model.slice(0, 12)} · graph ${graph}`),
  ];
}
