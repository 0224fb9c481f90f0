// Search by words, by photo, or by both.
import { ask, get } from "./api.js";
import { boot, number, readable, say } from "./boot.js";
import { startChrome } from "./chrome.js";
import { Crop } from "./crop.js";
import { at, h } from "./dom.js";
import { loadFeedback } from "./feedback.js";
import { Filters } from "./filters.js";
import { CardList } from "./list.js";
import { smaller, takePhotos } from "./photo.js";
import { clicked, noteSearch } from "./seen.js";
import { button, state } from "./states.js";
import { announce, toast } from "./toast.js";

const RECENT = "modaloom.searches";
const IDEAS = [say("search.idea_1"), say("search.idea_2"), say("search.idea_3"), say("search.idea_4")];
const PHOTO_N = 40;

const results = at("results");
const field = /** @type {HTMLInputElement} */ (at("text"));
const filters = new Filters(at("filters"), () => run());
/** @type {{blob: Blob, url: string, crop: Crop}|null} */
let photo = null;

/** @returns {string[]} */
function recent() {
  try {
    return JSON.parse(localStorage.getItem(RECENT) ?? "[]");
  } catch {
    return [];
  }
}

/** @param {string} text */
function remember(text) {
  localStorage.setItem(RECENT, JSON.stringify([text, ...recent().filter((one) => one !== text)].slice(0, 6)));
}

/** @param {string} text */
const address = (text) => `/search?${new URLSearchParams({ text })}`;

/** @param {string[]} words */
function chips(words) {
  return h(
    "div",
    { class: "chip-row" },
    words.map((text) => h("a", { class: "chip", href: address(text) }, text)),
  );
}

/** What to begin with. */
function ideas() {
  const parts = [];
  const last = recent();
  if (last.length) {
    const forget = h("button", { type: "button", class: "link hint" }, say("search.forget_recent"));
    const box = h("section", {}, h("h2", {}, say("search.recent")), chips(last), h("div", {}, forget));
    forget.addEventListener("click", () => {
      localStorage.removeItem(RECENT);
      box.remove();
    });
    parts.push(box);
  }
  parts.push(h("section", {}, h("h2", {}, say("search.ideas")), chips(IDEAS)));
  const categories = filters.facets.category ?? [];
  if (categories.length) {
    const links = categories.map((facet) =>
      h("a", { href: address(readable(facet.label)) }, readable(facet.label), h("small", {}, number(facet.count))),
    );
    parts.push(h("section", {}, h("h2", {}, say("search.browse")), h("nav", { class: "category-grid", "aria-label": say("search.browse") }, links)));
  }
  results.replaceChildren(h("div", { class: "ideas" }, parts));
}

/** @param {string} text */
function nothing(text) {
  const title = text ? say("search.none_title", { text }) : say("search.none_photo");
  return state({ art: "search", title, body: say("search.none_body"), extra: [chips(IDEAS)] });
}

/** @param {number} n @param {string[]} exclude @param {string} text */
function byPhoto(n, exclude, text) {
  if (!photo) throw new Error("no photo");
  const form = new FormData();
  form.set("file", photo.blob, "photo.jpg");
  form.set("n", String(n));
  form.set("language", boot.language);
  for (const [name, value] of Object.entries({ exclude, ...filters.query() })) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one !== null && one !== "") form.append(name, String(one));
    }
  }
  if (text) form.set("text", text);
  if (!photo.crop.whole) {
    const { x, y, w, h: height } = photo.crop.box;
    for (const [name, value] of Object.entries({ crop_x: x, crop_y: y, crop_w: w, crop_h: height })) {
      form.set(name, String(Math.min(1, Math.max(0, value))));
    }
  }
  return ask("POST", "/v1/search/photo", { form, create: false });
}

/** @param {string} text @returns {import("./list.js").Fetcher} */
function fetcher(text) {
  if (photo) return (n, exclude) => byPhoto(n, exclude, text);
  return (n, exclude) =>
    get("/v1/search", {
      query: { text, n, exclude, language: boot.language, clicked: boot.known ? [] : clicked(), ...filters.query() },
    });
}

/** Asks again with what is there now. */
async function run() {
  const text = field.value.trim();
  filters.bar.hidden = !photo && !text;
  if (!text && !photo) {
    ideas();
    return;
  }
  const heading = h("h2", { class: "lede found", id: "found", tabindex: "-1" }, say(photo ? "search.results" : "search.quoted", { text }));
  const place = h("div");
  const note = h("p", { class: "hint" }, say("search.nearest"));
  note.hidden = true;
  results.replaceChildren(h("div", { class: "block-head" }, heading, note), place);
  const list = new CardList(place, fetcher(text), {
    more: !photo,
    n: photo ? PHOTO_N : boot.shop.page_size,
    empty: () => nothing(text),
    onLoad: ({ items }) => {
      heading.hidden = !items.length;
      if (!items.length) return;
      const key = photo ? (text ? "search.found_both" : "search.found_photo") : "search.found";
      const told = say(key, { n: number(items.length), text });
      const nearest = !photo && !items.some(({ why }) => why.some(({ kind }) => kind === "words"));
      heading.textContent = photo ? told : say("search.quoted", { text });
      note.hidden = !nearest;
      announce(nearest ? say("page.joined", { name: told, more: say("search.nearest") }) : told);
    },
  });
  await list.load();
}

/** @param {Blob} file */
async function usePhoto(file) {
  let blob;
  try {
    blob = await smaller(file);
  } catch {
    toast(say("search.not_a_picture"));
    return;
  }
  dropPhoto();
  const url = URL.createObjectURL(blob);
  const crop = new Crop(url, say("search.your_photo"));
  photo = { blob, url, crop };
  const find = button(say("search.search_photo"), () => run(), "solid");
  const remove = button(say("search.remove_photo"), () => {
    dropPhoto();
    run();
    at("photo-file").focus();
  });
  at("photo").replaceChildren(
    h(
      "div",
      { class: "photo-box" },
      crop.element,
      h(
        "div",
        { class: "photo-side" },
        h("h2", {}, say("search.your_photo")),
        h("p", {}, say("search.photo_hint")),
        h("p", { class: "hint only-pointer" }, say("search.photo_keys")),
        h("p", { class: "hint" }, say("search.words_too")),
        h("div", { class: "photo-actions" }, find, remove),
      ),
    ),
  );
  at("photo").hidden = false;
  crop.frame.focus({ preventScroll: true });
  run();
}

function dropPhoto() {
  if (photo) URL.revokeObjectURL(photo.url);
  photo = null;
  at("photo").hidden = true;
  at("photo").replaceChildren();
}

at("search").addEventListener("submit", (/** @type {Event} */ event) => {
  event.preventDefault();
  const text = field.value.trim();
  history.pushState(null, "", text ? address(text) : "/search");
  if (text) {
    remember(text);
    noteSearch(text);
  }
  run();
  field.blur();
});
addEventListener("popstate", () => {
  field.value = new URLSearchParams(location.search).get("text") ?? "";
  run();
});

startChrome();
takePhotos({ inputs: [at("photo-file"), at("photo-camera")], veil: at("veil"), onPhoto: usePhoto });
run();
filters.load().then(() => {
  if (!field.value.trim() && !photo) ideas();
});
if (field.value.trim()) {
  remember(field.value.trim());
  noteSearch(field.value.trim());
} else if (matchMedia("(hover: hover)").matches) field.focus();
loadFeedback();
