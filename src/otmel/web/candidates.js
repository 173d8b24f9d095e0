/** The ranked entities. */

import { here } from "./api.js";
import { fill, h, set } from "./dom.js";
import { remark } from "./notice.js";
import { counted, percent, signed } from "./numbers.js";
import { scaleOf, scoreBar, scoreSum } from "./score.js";

/**
 * @param {HTMLElement} place
 * @param {object} link the service's answer
 * @param {(id: string) => void} choose
 * @returns {(id: string) => void} marks the candidate whose explanation is shown
 */
export function showCandidates(place, link, choose) {
  const scale = scaleOf(link.candidates.map((one) => Object.values(one.parts)));
  const cards = new Map(link.candidates.map((one) => [one.id, card(one, link, scale, choose)]));
  fill(place, heading(link), verdict(link), h("ol", { class: "cards" }, [...cards.values()]), odd(link.notes));
  return (id) => {
    for (const [own, element] of cards) {
      element.classList.toggle("is-chosen", own === id);
      set(element.querySelector("button"), "aria-pressed", String(own === id));
    }
  };
}

function heading(link) {
  const title = link.mention ? `“${link.mention}” may be` : "The picture may show";
  return h("h2", { id: "candidates-title" }, title);
}

/** What is to be thought of the best one, before one looks at it. */
function verdict(link) {
  if (!link.candidates.length) return remark("No candidate: none of the entities asked for is in the graph.");
  if (link.nil === true) return h(
    "p",
    { class: "verdict is-nil" },
    h("b", {}, "Probably none of these. "),
    "The best one is below the threshold that was set when the model was calibrated: ",
    "take it as NIL, an entity that the graph does not have.",
  );
  if (link.probability === null) return h(
    "p",
    { class: "verdict" },
    h("b", {}, "Not calibrated. "),
    "Scores rank the entities. They do not say how likely one is.",
  );
  return h("p", { class: "verdict" }, `The best one is right with a probability of ${percent(link.probability)}.`);
}

function card(one, link, scale, choose) {
  const parts = Object.entries(one.parts);
  const name = h(
    "button",
    { type: "button", class: "name", "aria-pressed": "false", "aria-describedby": `score-${one.rank}` },
    one.name,
  );
  const element = h(
    "li",
    { class: "candidate", on: { click: () => choose(one.id) } },
    portrait(one),
    h(
      "div",
      { class: "candidate-text" },
      h(
        "h3",
        {},
        h("span", { class: "rank", "aria-label": `rank ${one.rank}` }, one.rank),
        name,
        one.rank === 1 && link.nil === true && h("span", { class: "nil" }, "NIL"),
      ),
      h("p", { class: "about" }, one.description || one.attributes || "No description."),
      h("p", { class: "small" }, one.id),
    ),
    h(
      "div",
      { class: "candidate-score", id: `score-${one.rank}` },
      likelihood(one),
      scoreBar(parts, scale),
      parts.length > 1 ? scoreSum(parts) : h("p", { class: "sum" }, `score ${signed(one.score)}`),
    ),
  );
  return element;
}

/** An entity's picture, or a place for it. */
export function portrait(one) {
  const empty = () => h("div", { class: "portrait is-empty", "aria-hidden": "true" }, one.name.slice(0, 1));
  if (!one.image) return empty();
  const image = h(
    "img",
    { class: "portrait", src: here(`${one.image}?size=192`), alt: "", loading: "lazy", width: 72, height: 72 },
  );
  image.addEventListener("error", () => image.replaceWith(empty()));
  return image;
}

function likelihood(one) {
  if (one.probability === null || one.probability === undefined) return null;
  const bar = h("span", { class: "likely-bar", "aria-hidden": "true" }, h("i"));
  bar.firstChild.style.width = `${100 * one.probability}%`;
  return h("p", { class: "likely" }, bar, h("span", {}, `${percent(one.probability)} likely`));
}

function odd(notes) {
  return notes.length > 0 && h(
    "div",
    { class: "remark" },
    h("p", {}, `${counted(notes.length, "thing")} to know:`),
    h("ul", {}, notes.map((note) => h("li", {}, note))),
  );
}
