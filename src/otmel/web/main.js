/** The page: what the service is, and which view is shown. */

import { get } from "./api.js";
import { byId, fill, set } from "./dom.js";
import { graphView } from "./graph.js";
import { linkView } from "./link.js";
import { notice, waiting } from "./notice.js";
import { counted } from "./numbers.js";
import { route } from "./route.js";
import { toyView } from "./toy.js";

const TITLES = { link: "otmel", graph: "The graph · otmel", method: "How it works · otmel" };
const PATIENCE = 2000;

let graph = null;
let shown = null;

function show() {
  const now = route();
  if (now === null) return;
  for (const view of Object.keys(TITLES)) byId(`view-${view}`).hidden = view !== now.view;
  for (const link of document.querySelectorAll("nav a")) set(
    link,
    "aria-current",
    link.dataset.view === now.view ? "page" : null,
  );
  document.title = TITLES[now.view];
  if (shown !== null && shown !== now.view) byId("main").focus({ preventScroll: true });
  if (shown !== now.view) scrollTo(0, 0);
  shown = now.view;
  if (now.view === "graph") graph?.(now);
}

/** Asks the service what it is; asks again by itself while it is starting. */
async function begin() {
  const place = byId("service");
  fill(place, waiting("Asking the service …"));
  try {
    const info = await get("v1/info");
    fill(place);
    origin(info);
    linkView(info);
    graph = graphView(info);
    show();
  } catch (failure) {
    if (failure.status === undefined) throw failure;
    fill(place, notice(failure, begin));
    if (failure.status === 503) setTimeout(begin, PATIENCE);
  }
}

function origin(info) {
  byId("origin").textContent = [
    `otmel ${info.version}`,
    info.system,
    counted(info.entities, "entity", "entities"),
    info.calibrated ? "calibrated" : "not calibrated",
    `model ${info.model.slice(0, 12)}`,
    `graph ${info.graph}`,
    ...(info.remark ? [info.remark] : []),
  ].join(" · ");
}

addEventListener("hashchange", show);
toyView(byId("toy"));
show();
begin();
