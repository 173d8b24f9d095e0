/** Sentences to begin with, made from the graph that is served. */

import { get, picture } from "./api.js";
import { fill, h } from "./dom.js";

const SHOWN = 3;

/**
 * Offers a few entities' names with their own pictures. Without a graph to ask, there are none.
 * @param {HTMLElement} place
 * @param {number} entities
 * @param {boolean} seesImages
 * @param {(example: {text: string, span: import("./text.js").Span, file: Blob | null}) => void} use
 */
export async function offerExamples(place, entities, seesImages, use) {
  const offsets = Array.from({ length: SHOWN }, (_, n) => Math.floor((entities * (2 * n + 1)) / (2 * SHOWN)));
  const pages = await Promise.all(
    offsets.map((offset) => get(`v1/entities?name=&limit=1&offset=${offset}`).catch(() => null)),
  );
  const listed = new Map(pages.flatMap((page) => page?.entities ?? []).map((one) => [one.id, one]));
  if (listed.size === 0) return;
  const button = (one) => h("button", { type: "button", class: "example", on: { click: () => chosen(one) } }, one.name);
  fill(place, h("span", { class: "help" }, "Try"), [...listed.values()].map(button));

  async function chosen(one) {
    const path = `v1/entities/${encodeURIComponent(one.id)}`;
    const [entity, file] = await Promise.all(
      [get(path).catch(() => null), seesImages && one.image ? picture(`${path}/image?size=512`) : null],
    );
    use({ ...sentence(one.name, entity?.attributes || entity?.description || ""), file });
  }
}

/** A sentence about an entity that uses a part of its name and something that is known of it. */
function sentence(name, about) {
  const words = name.trim().split(/\s+/);
  const mention = words.length > 1 && words[0].length > 2 ? words[0] : name.trim();
  const known = about.split(". ")[0].replace(/^[^:]{1,40}:\s*/, "").replace(/\.$/, "").slice(0, 60);
  return {
    text: `${mention}${known ? ` (${known})` : ""} was photographed on Monday.`,
    span: { start: 0, end: mention.length },
  };
}
