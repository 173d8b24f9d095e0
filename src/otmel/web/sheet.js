/** One entity, with all that the graph knows of it. */

import { get, here } from "./api.js";
import { fill, h } from "./dom.js";
import { notice, remark, waiting } from "./notice.js";

let wanted = null;

/** @param {HTMLElement} place @param {string | null} id */
export async function showSheet(place, id) {
  wanted = id;
  if (id === null) return fill(place, remark("Choose an entity to see what the graph knows of it."));
  fill(place, waiting("Opening …"));
  try {
    const entity = await get(`v1/entities/${encodeURIComponent(id)}`);
    if (wanted === id) draw(place, entity);
  } catch (failure) {
    if (wanted === id) fill(place, notice(failure, () => showSheet(place, id)));
  }
}

function draw(place, entity) {
  fill(
    place,
    h(
      "div",
      { class: "card sheet" },
      h("h2", {}, entity.name),
      entity.aliases.length > 0 && h("p", {}, h("span", { class: "help" }, "also "), entity.aliases.join(", ")),
      entity.description && h("p", {}, entity.description),
      facts(entity.attributes),
      pictures(entity),
      h("p", { class: "small" }, `${entity.id} · graph ${entity.graph}`),
    ),
  );
  const box = place.getBoundingClientRect();
  if (box.top > innerHeight * 0.6 || box.top < 0) place.scrollIntoView({ block: "start" });
  place.focus({ preventScroll: true });
}

/** Attributes are one text, parted by periods; most of them are “kind: value”. */
function facts(attributes) {
  const listed = attributes.split(/\.\s+|\.$/).filter((one) => one.trim());
  if (!listed.length) return null;
  return h("dl", { class: "facts" }, listed.map(fact));
}

function fact(text) {
  const [, kind, value] = text.match(/^([^:]{1,60}):\s*(.+)$/s) ?? [null, "", text];
  return h("div", {}, h("dt", {}, kind), h("dd", {}, value));
}

function pictures(entity) {
  if (!entity.images.length) return remark("The graph has no picture of it.");
  const shown = (path, number) => {
    const image = h(
      "img",
      { src: here(`${path}&size=512`), alt: `${entity.name}, picture ${number + 1}`, loading: "lazy" },
    );
    image.addEventListener("error", () => image.replaceWith(remark("This picture cannot be opened.")));
    return image;
  };
  return h("div", { class: "pictures" }, entity.images.slice(0, 12).map(shown));
}
