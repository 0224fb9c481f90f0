// A list of cards: loads, grows, and changes below what is being looked at when a shopper says something.
import { boot, say } from "./boot.js";
import { cardEntry } from "./card.js";
import { h } from "./dom.js";
import { bones, button, failure, smallFailure, state } from "./states.js";
import { announce } from "./toast.js";

/** @typedef {{items: import("./card.js").Card[], personal: boolean, note: string|null}} Listed */
/** @typedef {(n: number, exclude: string[]) => Promise<Listed>} Fetcher */

const MAX_EXCLUDED = 500;

export class CardList {
  /**
   * @param {HTMLElement} place
   * @param {Fetcher} fetcher
   * @param {{kind?: "grid"|"shelf", n?: number, hero?: boolean, more?: boolean, empty?: () => HTMLElement|null,
   *   onLoad?: (listed: Listed) => void}} [how]
   */
  constructor(place, fetcher, { kind = "grid", n = boot.shop.page_size, hero = false, more = false, empty, onLoad } = {}) {
    this.place = place;
    this.fetcher = fetcher;
    this.kind = kind;
    this.n = n;
    this.hero = hero;
    this.more = more;
    this.empty = empty;
    this.onLoad = onLoad;
    this.turn = 0;
    /** @type {Set<string>} */
    this.gone = new Set();
    /** Other versions of what is shown, by its id: the same sweater must not come back in another colour.
     * @type {Map<string, string[]>} */
    this.versions = new Map();
    /** @type {HTMLElement} */
    this.list = h("ul");
  }

  /** Ids that stand in the list now. @returns {string[]} */
  get shown() {
    return this.entries.map((entry) => entry.dataset.item ?? "");
  }

  /** What the next request is to leave out. @param {string[]} [shown] */
  known(shown = this.shown) {
    const ids = [...shown, ...this.gone];
    return [...new Set([...ids, ...ids.flatMap((id) => this.versions.get(id) ?? [])])].slice(0, MAX_EXCLUDED);
  }

  /** @returns {HTMLElement[]} */
  get entries() {
    return /** @type {HTMLElement[]} */ ([...this.list.querySelectorAll(":scope > [data-item]")]);
  }

  /** Shows the list anew. */
  async load() {
    const turn = ++this.turn;
    this.gone.clear();
    this.place.setAttribute("aria-busy", "true");
    const waiting = h("ul", { class: this.classes }, bones(Math.min(this.n, this.kind === "shelf" ? 6 : 8)));
    if (!this.place.querySelector(".card-skeleton")) this.place.replaceChildren(waiting);
    try {
      const listed = await this.fetcher(this.n, []);
      if (turn !== this.turn) return;
      this.show(listed);
    } catch (error) {
      if (turn !== this.turn) return;
      const again = () => this.load();
      this.place.replaceChildren(this.kind === "shelf" ? smallFailure(again) : failure(error, again));
    }
    if (turn === this.turn) this.place.setAttribute("aria-busy", "false");
  }

  get classes() {
    return this.kind === "shelf" ? "shelf" : `grid${this.hero ? " grid-hero" : ""}`;
  }

  /** @param {Listed} listed */
  show(listed) {
    this.onLoad?.(listed);
    if (!listed.items.length) {
      const nothing = this.empty ? this.empty() : nothingFits();
      this.place.replaceChildren(...(nothing ? [nothing] : []));
      if (!nothing) this.place.closest(".block")?.setAttribute("hidden", "");
      return;
    }
    const named = this.kind === "shelf" ? { tabindex: "0", role: "list" } : {};
    const label = this.place.closest("[aria-labelledby]")?.getAttribute("aria-labelledby");
    this.list = h("ul", { class: this.classes, ...named, "aria-labelledby": this.kind === "shelf" ? label : null });
    this.list.append(...listed.items.map((card, place) => this.entry(card, place)));
    this.place.replaceChildren(this.list);
    if (this.more) this.place.append(this.foot(listed.items.length < this.n));
  }

  /** @param {import("./card.js").Card} card @param {number} place */
  entry(card, place) {
    const first = this.hero && place === 0;
    this.versions.set(card.item_id, card.swatches.map((swatch) => swatch.item_id));
    return cardEntry(card, {
      eager: this.kind === "grid" && place < 4,
      large: first,
      badge: first ? say("home.best") : "",
      listener: {
        onGone: (itemId) => this.replaceGone(itemId),
        onChange: () => this.renewBelow(),
      },
    });
  }

  /** @param {boolean} ended */
  foot(ended) {
    if (ended) return h("div", { class: "list-foot" }, h("p", {}, say("home.end")));
    const foot = h("div", { class: "list-foot" });
    const more = button(say("page.more"), () => this.grow(foot, more));
    foot.append(more);
    return foot;
  }

  /** @param {HTMLElement} foot @param {HTMLElement} more */
  async grow(foot, more) {
    more.setAttribute("aria-busy", "true");
    const turn = this.turn;
    try {
      const listed = await this.fetcher(this.n, this.known());
      if (turn !== this.turn) return;
      const entries = listed.items.map((card) => this.entry(card, this.entries.length + 1));
      for (const entry of entries) entry.classList.add("entering");
      this.list.append(...entries);
      foot.replaceWith(this.foot(listed.items.length < this.n));
      entries[0]?.querySelector(".card-title a")?.focus({ preventScroll: true });
      announce(say("page.listed", { n: this.entries.length }));
    } catch (error) {
      foot.replaceChildren(failure(error, () => this.grow(foot, more)));
    }
  }

  /**
   * Fills the place of a card that went, and renews what comes after what is on the screen.
   * @param {string} itemId
   * @returns {() => void} takes the filler away again
   */
  replaceGone(itemId) {
    this.gone.add(itemId);
    /** @type {HTMLElement|null} */
    let filler = null;
    this.fetcher(1, this.known()).then(
      ({ items }) => {
        const [card] = items;
        if (!card || !this.gone.has(itemId) || this.shown.includes(card.item_id)) return;
        filler = this.entry(card, 1);
        filler.classList.add("entering");
        this.list.append(filler);
        this.renewBelow();
      },
      () => {},
    );
    return () => {
      this.gone.delete(itemId);
      filler?.remove();
    };
  }

  /** Asks again for the cards that nobody has seen yet: what was just said changes them. */
  async renewBelow() {
    if (this.kind !== "grid") return;
    const turn = this.turn;
    const unseen = this.entries.filter((entry) => entry.getBoundingClientRect().top > innerHeight);
    if (!unseen.length) return;
    const seen = this.shown.filter((id) => !unseen.some((entry) => entry.dataset.item === id));
    try {
      const { items } = await this.fetcher(unseen.length, this.known(seen));
      if (turn !== this.turn) return;
      unseen.forEach((entry, place) => {
        const card = items[place];
        if (card && entry.isConnected && entry.dataset.item !== card.item_id) entry.replaceWith(this.entry(card, 1));
      });
    } catch {
      return; // the old cards are still good
    }
  }
}

function nothingFits() {
  return state({ art: "filter", title: say("home.none_title"), body: say("home.none_body") });
}
