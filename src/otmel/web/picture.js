/** The mention's picture: dropped, pasted or chosen. */

import { announce, fill, h } from "./dom.js";

/**
 * @param {HTMLElement} place
 * @param {{seesImages: boolean, most: number}} about `most`: bytes of a picture that the service takes
 */
export function pictureInput(place, about) {
  /** @type {Blob | null} */
  let file = null;
  let url = null;
  let note = "";

  function take(next, name) {
    if (!next) return;
    if (next.type && !next.type.startsWith("image/")) return refuse(`${name} is no picture.`);
    if (next.size > about.most) return refuse(
      `The picture has ${megabytes(next.size)}; the service takes ${megabytes(about.most)}. Scale it down first.`,
    );
    put(next);
    announce("Picture added");
  }

  function refuse(text) {
    note = text;
    draw();
    place.querySelector("input")?.focus();
  }

  function put(next) {
    if (url) URL.revokeObjectURL(url);
    file = next;
    url = next ? URL.createObjectURL(next) : null;
    note = "";
    draw();
  }

  function remove() {
    put(null);
    announce("Picture removed");
    place.querySelector("input")?.focus();
  }

  function draw() {
    fill(
      place,
      about.seesImages ? (file ? shown() : empty()) : h(
        "p",
        { class: "remark" },
        "This model reads text only: a picture would not be looked at.",
      ),
    );
    if (note) place.append(h("p", { class: "notice small", role: "alert" }, note));
  }

  function shown() {
    const image = h("img", { src: url, alt: "The mention's picture" });
    image.addEventListener(
      "error",
      () => image.replaceWith(
        h("p", { class: "remark" }, "The browser cannot show this picture. The service may still read it."),
      ),
    );
    return [
      h("span", { class: "label" }, "Picture"),
      h("div", { class: "preview" }, image),
      h("button", { type: "button", class: "plain", on: { click: remove } }, "Remove the picture"),
    ];
  }

  function empty() {
    const input = h(
      "input",
      {
        type: "file",
        id: "file",
        accept: "image/*",
        class: "unseen",
        on: { change: () => take(input.files[0], input.files[0]?.name) },
      },
    );
    return [
      h("span", { class: "label" }, "Picture"),
      input,
      h(
        "label",
        { for: "file", class: "drop" },
        h("span", {}, "Drop or paste a picture, or ", h("u", {}, "choose one")),
        h("span", { class: "small" }, "It may be left out."),
      ),
    ];
  }

  listen(place, take);
  draw();
  return {
    get file() {
      return file;
    },
    put,
    /** The picture as base64, or `null`. */
    encoded: () => (file ? base64(file) : Promise.resolve(null)),
  };
}

function listen(place, take) {
  const over = (is) => (event) => {
    event.preventDefault();
    place.classList.toggle("is-over", is);
  };
  place.addEventListener("dragover", over(true));
  place.addEventListener("dragleave", over(false));
  place.addEventListener("drop", (event) => {
    over(false)(event);
    take(event.dataTransfer.files[0], event.dataTransfer.files[0]?.name);
  });
  document.addEventListener("paste", (event) => {
    const pasted = [...(event.clipboardData?.files ?? [])].find((one) => one.type.startsWith("image/"));
    if (pasted && place.offsetParent) take(pasted, "What was pasted");
  });
}

function base64(file) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result.slice(reader.result.indexOf(",") + 1));
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(file);
  });
}

const megabytes = (bytes) => `${(bytes / 1e6).toFixed(1)} MB`;
