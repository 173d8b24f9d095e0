/** Browsing the graph by name. */

import { get } from "./api.js";
import { portrait } from "./candidates.js";
import { announce, byId, debounced, fill, h, set } from "./dom.js";
import { notice, remark, waiting } from "./notice.js";
import { counted } from "./numbers.js";
import { address, remember, route } from "./route.js";
import { showSheet } from "./sheet.js";

const PAGE = 20;

/**
 * @param {object} info what the service says of itself
 * @returns {(now: import("./route.js").Route) => void} shows the state of an address
 */
export function graphView(info) {
  const [field, found, sheet] = [byId("name"), byId("found"), byId("sheet")];
  let running = new AbortController();
  let asked = null;
  let opened; // the id whose sheet is shown; at first none is, not even the empty one

  async function search(name, offset, told = false) {
    asked = `${name}\n${offset}`;
    running.abort();
    running = new AbortController();
    if (!found.firstChild) fill(found, waiting("Looking …"));
    try {
      const page = await get(`v1/entities?${new URLSearchParams({ name, limit: PAGE, offset })}`, running.signal);
      show(page, name, offset);
      if (told) announce(`${counted(page.total, "entity", "entities")} found`);
    } catch (fault) {
      if (fault.name !== "AbortError") fill(found, notice(fault, () => search(name, offset, told)));
    }
  }

  function show(page, name, offset) {
    if (!page.entities.length) return fill(
      found,
      remark(info.entities ? `No entity has a name with “${name}”.` : "The graph is empty."),
    );
    const until = offset + page.entities.length;
    fill(
      found,
      h("p", { class: "help" }, `${offset + 1}–${until} of ${counted(page.total, "entity", "entities")}`),
      h("ul", { class: "lines" }, page.entities.map((one) => line(one, name, offset))),
      pages(page.total, name, offset),
    );
  }

  function line(one, name, offset) {
    const target = address("graph", { name, offset: offset || null }, one.id);
    return h(
      "li",
      {},
      h(
        "a",
        { href: target, "aria-current": one.id === opened ? "true" : null, data: { id: one.id } },
        portrait(one),
        h("span", {}, h("b", {}, one.name), h("span", { class: "about" }, one.description || one.id)),
      ),
    );
  }

  function pages(total, name, offset) {
    if (total <= PAGE) return null;
    const step = (label, to) =>
      h("button", { type: "button", disabled: to < 0 || to >= total, on: { click: () => turn(name, to) } }, label);
    return h(
      "nav",
      { class: "pages", "aria-label": "Pages" },
      step("← Previous", offset - PAGE),
      step("Next →", offset + PAGE),
    );
  }

  async function turn(name, offset) {
    remember("graph", { name, offset: offset || null }, route()?.id ?? null);
    await search(name, offset, true);
    found.querySelector("a")?.focus();
    found.scrollIntoView({ block: "nearest" });
  }

  const typed = debounced(() => {
    remember("graph", { name: field.value }, route()?.id ?? null);
    search(field.value, 0, true);
  }, 200);
  field.addEventListener("input", typed);
  byId("find").addEventListener("submit", (event) => {
    event.preventDefault();
    typed();
  });

  return (now) => {
    const [name, offset] = [now.params.get("name") ?? "", Math.max(0, Number(now.params.get("offset")) || 0)];
    if (document.activeElement !== field) field.value = name;
    if (asked !== `${name}\n${offset}`) search(name, offset);
    if (now.id !== opened) showSheet(sheet, (opened = now.id));
    for (const link of found.querySelectorAll("a")) set(
      link,
      "aria-current",
      link.dataset.id === opened ? "true" : null,
    );
  };
}
