/** What is said of a plan as a whole: its marginals and its entropy. */

import { h, s } from "./dom.js";
import { percent, plain, times } from "./numbers.js";
import { called, marginal } from "./plan.js";

const HEIGHT = 44;

/** How much each token gives and takes in all, as bars, with a sentence on what that means. */
export function marginals(one) {
  return h(
    "section",
    { class: "measure" },
    h("h4", {}, "Marginals"),
    h("div", { class: "bars-pair" }, bars(one, "columns", "given"), bars(one, "rows", "taken")),
    h("p", {}, meaning(one)),
  );
}

function bars(one, side, verb) {
  const shares = marginal(one, side);
  const [axis, count] = [one.axes[side], shares.length];
  const top = Math.max(...shares, 2 / count);
  const bar = (share, index) => {
    const height = (HEIGHT * share) / top;
    return s(
      "rect",
      { x: index + 0.08, y: HEIGHT - height, width: 0.84, height },
      s("title", {}, `${called(axis, index)}: ${percent(share)}`),
    );
  };
  const even = HEIGHT - HEIGHT / count / top;
  const picture = s(
    "svg",
    {
      viewBox: `0 0 ${count} ${HEIGHT}`,
      preserveAspectRatio: "none",
      class: "bars",
      role: "img",
      "aria-label": `${verb}: ${range(shares)}`,
    },
    shares.map(bar),
    s("line", { x1: 0, x2: count, y1: even, y2: even, "vector-effect": "non-scaling-stroke" }),
  );
  const kind = axis.modality === "text" ? "words" : "picture";
  return h("figure", {}, picture, h("figcaption", {}, `${verb} by the ${axis.owner}'s ${kind}: ${range(shares)}`));
}

function range(shares) {
  const [least, most] = [percent(Math.min(...shares)), percent(Math.max(...shares))];
  return least === most ? `${least} each` : `${least} to ${most}, even ${percent(1 / shares.length)}`;
}

/** What the givers' marginal says: it is where the two assignments differ. */
function meaning(one) {
  const given = marginal(one, "columns");
  const [most, even] = [Math.max(...given), 1 / given.length];
  const loud = `${called(one.axes.columns, given.indexOf(most))} alone gives ${percent(most)}`;
  if (one.kind === "attention") {
    const uneven = most >= 1.5 * even;
    const told = uneven ? `${loud}, ${times(most / even)} an even share` : "here they give nearly evenly all the same";
    return `Attention fills every taker, and asks nothing of the givers: ${told}.`;
  }
  if (most < 1.2 * even) return "Every token takes and gives an even share: none can draw everything to itself.";
  const error = one.facts.marginal_error.toFixed(3);
  return `Transport holds both sides to their shares, up to an error of ${error} where the solver stops: ${loud}.`;
}

/** The entropies of both assignments, one below the other. */
export function entropies(both, one) {
  const rows = both.map(({ kind, facts }) => meter(kind, facts, kind === one.kind));
  return h(
    "section",
    { class: "measure" },
    h("h4", {}, "Entropy"),
    h("div", { class: "meters" }, rows),
    h("p", {}, spread(one)),
  );
}

function meter(kind, facts, current) {
  const fill = h("i");
  fill.style.width = `${100 * Math.min(1, facts.entropy_share)}%`;
  const said = `${plain(facts.entropy)} nats, ${(100 * facts.entropy_share).toFixed(1)} % of uniform`;
  return h(
    "div",
    { class: `meter ${current ? "is-current" : ""}` },
    h("span", {}, kind),
    h(
      "div",
      {
        role: "meter",
        "aria-label": `Entropy of ${kind}`,
        "aria-valuemin": 0,
        "aria-valuemax": 100,
        "aria-valuenow": Math.round(100 * facts.entropy_share),
        "aria-valuetext": said,
      },
      fill,
    ),
    h("span", { class: "n" }, said),
  );
}

function spread({ kind, facts }) {
  const share = facts.entropy_share;
  const what = `A uniform plan would tell nothing. Seen so, this ${kind === "attention" ? "map, over one row," : "plan"}`;
  if (share > 0.97) return `${what} is nearly even: what it knows lies in the few strong cells.`;
  if (share > 0.75) return `${what} spreads, with clear preferences.`;
  return `${what} is sharp: most tokens look at one or two others.`;
}
