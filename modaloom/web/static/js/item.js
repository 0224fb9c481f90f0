// One garment: pictures, facts, what the model looks at, why it may suit, what is like it and what goes with it.
import { ApiError, get, part } from "./api.js";
import { boot, named, number, price, readable, say } from "./boot.js";
import { emptyFrame } from "./card.js";
import { startChrome } from "./chrome.js";
import { at, h, icon, itemAddress, picture } from "./dom.js";
import { isSaved, keep, loadFeedback, openMenu } from "./feedback.js";
import { isLiked, toggleLike } from "./feedback.js";
import { CardList } from "./list.js";
import { clicked, noteView } from "./seen.js";
import { failure, linkButton, state } from "./states.js";
import { shareChart, whyBars } from "./why.js";

const FEW = 5;
const SHELF = 12;
const SIMILAR = 10;
const place = at("product");
const itemId = place.dataset.item;
const path = `/v1/items/${part(itemId)}`;

/** @typedef {{item: import("./card.js").Card, description: string, attributes: Record<string, string>,
 *   sizes: string[], stock: number|null, pictures: string[], attention: Record<string, number>}} View */

/** @param {View} view */
function gallery(view) {
  const { title } = view.item;
  const total = view.pictures.length;
  const frames = view.pictures.map((url, n) => {
    const alt = total > 1 ? say("item.picture", { n: n + 1, total, title }) : title;
    return h("div", {}, picture(url, alt, { sizes: "(min-width: 900px) 56vw, 100vw", eager: n === 0, width: 640, lost: emptyFrame }));
  });
  const scrolls = total > 1 ? { tabindex: "0", role: "group", "aria-label": title } : {};
  return h("div", { class: "gallery", ...scrolls }, frames.length ? frames : h("div", {}, emptyFrame()));
}

/** @param {View} view */
function stock({ stock: left, item }) {
  if (!item.in_stock) return h("p", { class: "stock none" }, say("item.stock_none"));
  if (left !== null && left <= FEW) return h("p", { class: "stock few" }, say("item.stock_few", { n: number(left) }));
  return h("p", { class: "stock" }, say("item.stock_yes"));
}

/** @param {import("./card.js").Card} card */
function versions(card) {
  const others = card.swatches.filter((one) => one.picture);
  if (!others.length || !card.picture) return null;
  const one = (/** @type {string} */ id, /** @type {string} */ title, /** @type {string} */ url) =>
    h(
      "a",
      { class: "version", href: itemAddress(id), "aria-label": title, "aria-current": id === card.item_id ? "true" : null, title },
      picture(url, "", { width: 160 }),
    );
  return h(
    "div",
    { class: "versions", role: "group", "aria-label": say("item.versions") },
    one(card.item_id, card.title, card.picture),
    others.map((other) => one(other.item_id, other.colour ?? other.title, /** @type {string} */ (other.picture))),
  );
}

/** @param {import("./card.js").Card} card */
function acts(card) {
  const save = h("button", { type: "button", class: "button solid" });
  const showSaved = () => {
    const there = isSaved(card.item_id);
    save.replaceChildren(icon(there ? "check" : "wardrobe"), say(there ? "act.saved" : "act.save"));
    save.setAttribute("aria-pressed", String(there));
  };
  save.addEventListener("click", () => keep(card.item_id, !isSaved(card.item_id)));
  document.addEventListener("modaloom:saved", showSaved);
  showSaved();
  const like = h(
    "button",
    { type: "button", class: "round", "data-like": card.item_id, "aria-pressed": String(isLiked(card.item_id)), "aria-label": say("card.like") },
    icon("heart"),
  );
  like.addEventListener("click", () => toggleLike(card.item_id, like, {}));
  const more = h(
    "button",
    { type: "button", class: "round", "aria-haspopup": "dialog", "aria-label": say("card.menu", { title: card.title }) },
    icon("more"),
  );
  const box = h("div", { class: "product-acts" }, save, like, more);
  const gone = () => void setTimeout(() => location.assign("/"), 1200);
  more.addEventListener("click", () =>
    openMenu({ card, id: card.item_id, near: more, entry: box, listener: { onGone: gone } }),
  );
  return box;
}

/** @param {Record<string, string>} attributes */
function facts(attributes) {
  const rows = Object.entries(attributes).filter(([name]) => !["size", "sizes"].includes(name));
  if (!rows.length) return null;
  return h(
    "section",
    {},
    h("h2", {}, say("item.facts")),
    h("dl", { class: "facts" }, rows.flatMap(([name, value]) => [h("dt", {}, named("fact", name)), h("dd", {}, readable(value))])),
  );
}

/** @param {View} view */
function show(view) {
  const { item } = view;
  document.title = `${item.title} · ${boot.shop.name}`;
  const why = h("div", { class: "why-box" }, h("div", { class: "bone bone-line" }), h("div", { class: "bone bone-line short" }));
  place.replaceChildren(
    h("div", { class: "product-pictures" }, gallery(view)),
    h(
      "div",
      { class: "product-facts" },
      h(
        "div",
        { class: "product-head" },
        item.category && h("p", { class: "crumb" }, readable(item.category)),
        h("h1", {}, item.title),
        item.price === null ? null : h("p", { class: "product-price" }, price(item.price)),
        stock(view),
      ),
      versions(item),
      view.sizes.length
        ? h("div", { class: "filter-group" }, h("h2", { class: "filter-name" }, say("item.sizes")), h("ul", { class: "sizes" }, view.sizes.map((size) => h("li", {}, size))))
        : null,
      acts(item),
      view.description && h("section", {}, h("h2", {}, say("item.about")), h("p", {}, view.description)),
      h("section", {}, h("h2", {}, say("item.why")), why),
      facts(view.attributes),
      Object.keys(view.attention).length
        ? h("section", {}, h("h2", {}, say("item.looks_at")), h("p", { class: "hint" }, say("item.looks_at_sub")), shareChart(view.attention, say("item.looks_at")))
        : null,
    ),
  );
  place.setAttribute("aria-busy", "false");
  explain(why);
}

/** @param {HTMLElement} box */
async function explain(box) {
  const told = await get("/v1/explanations", { query: { item_id: itemId, language: boot.language } }).catch(() => ({ why: [] }));
  const own = told.why.filter((/** @type {{contribution: number}} */ one) => one.contribution > 0);
  box.replaceChildren(
    ...(own.length ? [whyBars(own), h("p", { class: "hint" }, say("why.hint"))] : [h("p", { class: "soft" }, say("item.why_none"))]),
  );
}

/** @param {string} kind @returns {import("./list.js").Fetcher} */
function near(kind) {
  return (n, exclude) =>
    get(`${path}/${kind}`, { query: { n, exclude, language: boot.language, clicked: boot.known ? [] : clicked() } });
}

/** Shows or hides the lists around a piece: without it they would wait for ever. @param {boolean} shown */
function around(shown) {
  for (const id of ["goes", "similar"]) {
    at(id).setAttribute("aria-busy", String(shown));
    at(`block-${id}`).hidden = !shown;
  }
}

async function load() {
  try {
    show(await get(path, { query: { language: boot.language } }));
  } catch (error) {
    place.setAttribute("aria-busy", "false");
    around(false);
    if (!(error instanceof ApiError && error.status === 404)) {
      place.replaceChildren(failure(error, load));
      return;
    }
    place.replaceChildren(
      state({ art: "wardrobe", title: say("item.gone_title"), body: say("item.gone_body"), extra: [linkButton(say("item.gone_go"), "/", "solid")], level: "h1" }),
    );
    return;
  }
  around(true);
  noteView(itemId);
  await Promise.all([
    new CardList(at("goes"), near("goes-with"), { kind: "shelf", n: SHELF, empty: () => null }).load(),
    new CardList(at("similar"), near("similar"), { n: SIMILAR, empty: () => null }).load(),
  ]);
  if (location.hash) document.querySelector(location.hash)?.scrollIntoView();
}

startChrome();
loadFeedback().then(() => document.dispatchEvent(new CustomEvent("modaloom:saved")));
load();
