/** The state that an address keeps: `#/view/id?key=value`. */

const VIEWS = ["link", "graph", "method"];

/** @typedef {{view: string, id: string | null, params: URLSearchParams}} Route */

/** @returns {Route | null} `null` for a plain anchor, which is no change of view */
export function route(hash = location.hash) {
  if (hash !== "" && !hash.startsWith("#/")) return null;
  const [path, query = ""] = hash.slice(2).split("?");
  const [view, id] = path.split("/");
  return {
    view: VIEWS.includes(view) ? view : "link",
    id: id ? decoded(id) : null,
    params: new URLSearchParams(query),
  };
}

/** Writes a state into the address without a step in the history. */
export function remember(view, values, id = null) {
  history.replaceState(null, "", address(view, values, id));
}

/** The address of a state; empty values are left out. */
export function address(view, values = {}, id = null) {
  const kept = Object.entries(values).filter(([, value]) => value !== null && value !== undefined && value !== "");
  const query = new URLSearchParams(kept).toString();
  return `#/${view}${id === null ? "" : `/${encodeURIComponent(id)}`}${query ? `?${query}` : ""}`;
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
