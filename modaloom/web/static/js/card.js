// One garment in a list: picture, versions, price, reason, and what can be said of it.
import { price, say } from "./boot.js";
import { h, icon, itemAddress, picture } from "./dom.js";
import { isLiked, openMenu, toggleLike } from "./feedback.js";
import { whyLine } from "./why.js";

/**
 * @typedef {object} Swatch
 * @property {string} item_id
 * @property {string} title
 * @property {string|null} colour
 * @property {string|null} picture
 */

/**
 * @typedef {object} Card
 * @property {string} item_id
 * @property {string} title
 * @property {number|null} price
 * @property {string|null} category
 * @property {string|null} picture
 * @property {boolean} in_stock
 * @property {boolean} is_new
 * @property {boolean} explored
 * @property {import("./why.js").Why[]} why
 * @property {Swatch[]} swatches
 */

/** @typedef {{onGone?: (itemId: string) => (() => void)|void, onChange?: () => void}} Listener */

const SIZES = "(min-width: 1100px) 22vw, (min-width: 768px) 30vw, 46vw";
const LARGE = "(min-width: 1100px) 46vw, (min-width: 768px) 62vw, 94vw";
const SHOWN_SWATCHES = 5;

/**
 * The list entry of a card.
 * @param {Card} card
 * @param {{eager?: boolean, large?: boolean, listener?: Listener, badge?: string}} [how]
 * @returns {HTMLLIElement}
 */
export function cardEntry(card, { eager = false, large = false, listener = {}, badge = "" } = {}) {
  const state = { id: card.item_id, title: card.title };
  const frame = h("a", { class: "card-picture", href: itemAddress(card.item_id), tabindex: "-1", "aria-hidden": "true" });
  const sizes = large ? LARGE : SIZES;
  frame.append(framed(card.picture, { sizes, eager }));
  const link = h("a", { href: itemAddress(card.item_id) }, card.title);
  const like = heart(state, listener);
  const menu = h(
    "button",
    { class: "round", type: "button", "aria-haspopup": "dialog", "aria-label": say("card.menu", { title: card.title }) },
    icon("more"),
  );
  const entry = h("li", { "data-item": card.item_id });
  menu.addEventListener("click", () => openMenu({ card, id: state.id, near: menu, entry, listener }));

  const show = (/** @type {Swatch} */ swatch) => {
    state.id = swatch.item_id;
    state.title = swatch.title;
    frame.href = link.href = itemAddress(swatch.item_id);
    link.textContent = swatch.title;
    frame.replaceChildren(framed(swatch.picture, { sizes, eager: true }));
    like.setAttribute("aria-pressed", String(isLiked(swatch.item_id)));
  };
  entry.append(
    h(
      "article",
      { class: "card" },
      frame,
      badges(card, badge),
      h("div", { class: "card-tools" }, like, menu),
      h(
        "div",
        { class: "card-body" },
        h("h3", { class: "card-title" }, link),
        card.price === null ? null : h("p", { class: "price" }, price(card.price)),
        swatchRow(card, show),
        whyLine(card.why, large),
      ),
    ),
  );
  return entry;
}

/** @param {string|null} url @param {{sizes: string, eager: boolean}} how */
function framed(url, { sizes, eager }) {
  return url ? picture(url, "", { sizes, eager, lost: emptyFrame }) : emptyFrame();
}

/** What stands where there is no picture. */
export function emptyFrame() {
  return h("span", { class: "no-picture" }, icon("wardrobe"), h("span", {}, say("card.no_picture")));
}

/** @param {Card} card @param {string} first */
function badges(card, first) {
  const found = [];
  if (first) found.push(h("span", { class: "badge strong" }, first));
  if (!card.in_stock) found.push(h("span", { class: "badge" }, say("card.sold_out")));
  else if (card.is_new) found.push(h("span", { class: "badge" }, say("card.new")));
  if (card.explored) found.push(h("span", { class: "badge" }, say("card.explored")));
  return found.length ? h("p", { class: "badges" }, found) : null;
}

/** @param {{id: string, title: string}} state @param {Listener} listener */
function heart(state, listener) {
  const button = h(
    "button",
    {
      class: "round",
      type: "button",
      "data-like": state.id,
      "aria-pressed": String(isLiked(state.id)),
      "aria-label": say("page.named", { name: say("card.like"), value: state.title }),
    },
    icon("heart"),
  );
  button.addEventListener("click", () => toggleLike(state.id, button, listener));
  return button;
}

/** @param {Card} card @param {(swatch: Swatch) => void} show */
function swatchRow(card, show) {
  const own = { item_id: card.item_id, title: card.title, colour: null, picture: card.picture };
  const all = [own, ...card.swatches].filter((one) => one.picture);
  if (all.length < 2) return null;
  /** @type {HTMLElement[]} */
  const buttons = all.slice(0, SHOWN_SWATCHES).map((swatch) => {
    const name = swatch.colour ?? swatch.title;
    const button = h(
      "button",
      {
        class: "swatch",
        type: "button",
        "aria-pressed": String(swatch.item_id === card.item_id),
        "aria-label": say("card.version", { title: name }),
        title: name,
      },
      picture(/** @type {string} */ (swatch.picture), "", { width: 160 }),
    );
    const choose = () => {
      for (const other of buttons) other.setAttribute("aria-pressed", String(other === button));
      show(swatch);
    };
    button.addEventListener("click", choose);
    button.addEventListener("pointerenter", (/** @type {PointerEvent} */ event) => {
      if (event.pointerType === "mouse" && button.getAttribute("aria-pressed") !== "true") choose();
    });
    return button;
  });
  const rest = all.length - buttons.length;
  const label = say("card.colours", { title: card.title });
  return h(
    "div",
    { class: "swatches", role: "group", "aria-label": label },
    buttons,
    rest > 0 ? h("span", { class: "swatch-more" }, `+${rest}`) : null,
  );
}
