/** Asking: a sentence, its mention and a picture go to the service, ranked entities come back. */

import { post } from "./api.js";
import { showCandidates } from "./candidates.js";
import { announce, byId, debounced, fill } from "./dom.js";
import { offerExamples } from "./examples.js";
import { showExplanation } from "./explanation.js";
import { marking } from "./marking.js";
import { notice, remark, waiting } from "./notice.js";
import { counted } from "./numbers.js";
import { pictureInput } from "./picture.js";
import { remember, route } from "./route.js";
import { codePoints, wordsOf } from "./text.js";

/** Bytes of a request beside its picture. */
const OVERHEAD = 65536;
/** Characters of a sentence that an address keeps. */
const LONGEST_KEPT = 1500;

/** @param {object} info what the service says of itself */
export function linkView(info) {
  const places = { candidates: byId("candidates"), explanation: byId("explanation") };
  const most = Math.floor((info.limits.body - OVERHEAD) * 0.75);
  const image = pictureInput(byId("picture"), { seesImages: info.sees_images, most });
  const marked = marking(
    { text: byId("sentence"), words: byId("words"), shown: byId("mention"), unmark: byId("unmark") },
    debounced(keep, 300),
  );
  let running = new AbortController();
  /** @type {object | null} the request whose answer is shown */
  let asked = null;

  function keep() {
    const span = marked.span && `${marked.span.start}-${marked.span.end}`;
    if (route()?.view === "link") remember(
      "link",
      marked.text.length <= LONGEST_KEPT ? { text: marked.text, mention: span } : {},
    );
  }

  /** What is sent, or a reason why nothing can be. */
  async function request() {
    const [text, picture] = [marked.text.trim() ? marked.text : "", await image.encoded()];
    const common = { k: Number(byId("k").value), ...(picture && { image: picture }) };
    if (marked.span) return { context: text, span: codePoints(text, marked.span), ...common };
    if (!text && picture) return common;
    if (!text) return "Type a sentence first, or add a picture.";
    if (wordsOf(text).length > 3) return "No mention is marked: choose the words that are to be linked.";
    return { mention: text.trim(), context: "", ...common };
  }

  async function submit() {
    const next = await request();
    if (typeof next === "string") return incomplete(next);
    running.abort();
    running = new AbortController();
    fill(places.candidates, waiting("Linking …"));
    fill(places.explanation);
    try {
      answered(next, await post("v1/link", next, running.signal));
    } catch (fault) {
      if (fault.name !== "AbortError") fill(places.candidates, notice(fault, submit));
    }
  }

  function incomplete(text) {
    fill(places.candidates, remark(text));
    fill(places.explanation);
    announce(text);
    (byId("words").querySelector("button") ?? byId("sentence")).focus();
  }

  function answered(next, link) {
    asked = next;
    const choose = (id, called = true) => explain(id, called, mark);
    const mark = showCandidates(places.candidates, link, choose);
    const best = link.candidates[0];
    announce(best ? `${counted(link.candidates.length, "candidate")}. Best: ${best.name}` : "No candidate");
    if (best) choose(best.id, false);
  }

  /** @param {boolean} called whether the reader asked for it, and is to be taken there */
  async function explain(id, called, mark) {
    running.abort();
    running = new AbortController();
    const { k, ...mention } = asked;
    mark(id);
    fill(places.explanation, waiting("Looking into the score …"));
    try {
      const explanation = await post("v1/explain", { ...mention, entity: id }, running.signal);
      showExplanation(places.explanation, explanation);
      if (called) arrive();
    } catch (fault) {
      if (fault.name !== "AbortError") fill(places.explanation, notice(fault, () => explain(id, called, mark)));
    }
  }

  function arrive() {
    announce("Explanation below");
    const box = places.explanation.getBoundingClientRect();
    if (box.top > innerHeight * 0.6) places.explanation.scrollIntoView({ block: "start" });
    places.explanation.focus({ preventScroll: true });
  }

  byId("ask").addEventListener("submit", (event) => {
    event.preventDefault();
    submit();
  });
  byId("sentence").addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) submit();
  });
  offerExamples(byId("examples"), info.entities, info.sees_images, ({ text, span, file }) => {
    marked.put(text, span);
    image.put(file);
    keep();
    submit();
  });
  restore(marked);
}

/** Puts what the address keeps back in. */
function restore(marked) {
  const now = route();
  const text = now?.view === "link" ? now.params.get("text") : null;
  if (!text) return;
  const [start, end] = (now.params.get("mention") ?? "").split("-").map(Number);
  marked.put(text, start < end && end <= text.length ? { start, end } : null);
}
