import { h } from "./dom.js";

/**
 * A failure as the reader sees it: what is wrong, the cure, and a way to try again where that may help.
 * @param {import("./api.js").Failure} failure
 * @param {() => void} [again]
 */
export function notice(failure, again) {
  const wait = failure.retryAfter ? ` The service asks to wait ${failure.retryAfter} s.` : "";
  return h(
    "div",
    { class: "notice", role: "alert" },
    h("p", {}, h("b", {}, sentence(failure.message)), wait),
    failure.cure && h("p", { class: "cure" }, sentence(failure.cure)),
    failure.requestId && h("p", { class: "small" }, `request ${failure.requestId}`),
    again && failure.passing && h("button", { type: "button", on: { click: again } }, "Try again"),
  );
}

/** @param {string} text */
export const waiting = (text) => h(
  "p",
  { class: "waiting", role: "status" },
  h("span", { class: "dots", "aria-hidden": "true" }),
  text,
);

/** Something that is not wrong, only so. */
export const remark = (...children) => h("p", { class: "remark" }, ...children);

const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1) + (/[.!?)]$/.test(text) ? "" : ".");
