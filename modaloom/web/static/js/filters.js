// Filters: a row of what is chosen, and a sheet with everything that can be chosen.
import { get } from "./api.js";
import { boot, named, number, percent, price, readable, say } from "./boot.js";
import { h, icon } from "./dom.js";
import { openSheet } from "./sheet.js";
import { button } from "./states.js";

/** @typedef {{value: string, label: string, count: number}} Facet */

const QUICK = 12;
const FOLDED = 14;
const DIVERSITY = 0.3;
const ORDER = ["category", "colour", "color", "size", "material", "season", "audience"];

const LETTERS = ["XXS", "XS", "S", "M", "L", "XL", "XXL", "3XL", "4XL"];

/** Sizes from small to large: letters, then numbers, then words. @param {Facet[]} sizes */
function inOrder(sizes) {
  const rank = (/** @type {string} */ value) => {
    const letter = LETTERS.indexOf(value.toUpperCase());
    return letter >= 0 ? letter : Number.isNaN(Number(value)) ? 1e9 : 100 + Number(value);
  };
  return [...sizes].sort((one, other) => rank(one.value) - rank(other.value));
}

export class Filters {
  /**
   * @param {HTMLElement} bar
   * @param {() => void} onChange
   */
  constructor(bar, onChange) {
    this.bar = bar;
    this.onChange = onChange;
    /** @type {Record<string, Facet[]>} */
    this.facets = {};
    this.clear();
    this.show();
  }

  clear() {
    /** @type {Record<string, Set<string>>} */
    this.chosen = {};
    this.low = "";
    this.high = "";
    this.inStock = true;
    this.diversity = DIVERSITY;
  }

  async load() {
    try {
      this.facets = (await get("/v1/facets", { query: { language: boot.language } })).facets;
      this.show();
    } catch {
      return; // without facets there are no filters, and the list says what is wrong
    }
  }

  /** As the API wants them. */
  query() {
    const { category = new Set(), size = new Set(), ...others } = this.chosen;
    return {
      category: [...category],
      size: [...size],
      attr: Object.entries(others).flatMap(([name, values]) => [...values].map((value) => `${name}:${value}`)),
      price_min: this.low,
      price_max: this.high,
      in_stock: this.inStock ? null : "false",
      diversity: this.diversity === DIVERSITY ? null : this.diversity,
    };
  }

  get names() {
    const known = Object.keys(this.facets).filter((name) => this.facets[name].length > 1);
    return [...ORDER.filter((name) => known.includes(name)), ...known.filter((name) => !ORDER.includes(name))];
  }

  changed() {
    this.show();
    this.onChange();
  }

  /** The row: the button, what is chosen, and the largest categories. */
  show() {
    const open = h("button", { type: "button", class: "chip", "aria-haspopup": "dialog" }, icon("filter"), say("filter.open"));
    open.addEventListener("click", () => this.open(open));
    const active = this.active();
    if (active.length) open.append(h("small", {}, String(active.length)));
    this.bar.replaceChildren(open, h("span", { class: "divider", "aria-hidden": "true" }), ...active);
    const category = this.chosen.category ?? new Set();
    for (const facet of (this.facets.category ?? []).slice(0, QUICK)) {
      if (category.has(facet.value)) continue;
      const chip = h("button", { type: "button", class: "chip", "aria-pressed": "false" }, readable(facet.label));
      chip.addEventListener("click", () => {
        this.chosen.category = new Set([...category, facet.value]);
        this.changed();
      });
      this.bar.append(chip);
    }
  }

  /** Chips of what is chosen, each of which takes its choice back. */
  active() {
    const chips = [];
    const chip = (/** @type {string} */ label, /** @type {() => void} */ drop) => {
      const made = h(
        "button",
        { type: "button", class: "chip on", "aria-label": say("filter.remove", { name: label }) },
        label,
        icon("close"),
      );
      made.addEventListener("click", () => {
        drop();
        this.changed();
      });
      return made;
    };
    for (const [name, values] of Object.entries(this.chosen)) {
      for (const value of values) {
        const label = this.facets[name]?.find((facet) => facet.value === value)?.label ?? value;
        chips.push(chip(readable(label), () => values.delete(value)));
      }
    }
    if (this.low) chips.push(chip(say("filter.over", { price: price(Number(this.low)) }), () => (this.low = "")));
    if (this.high) chips.push(chip(say("filter.up_to", { price: price(Number(this.high)) }), () => (this.high = "")));
    if (!this.inStock) chips.push(chip(say("filter.any_stock"), () => (this.inStock = true)));
    if (this.diversity !== DIVERSITY) {
      const label = `${say("filter.diversity")} ${percent(this.diversity)}`;
      chips.push(chip(label, () => (this.diversity = DIVERSITY)));
    }
    return chips;
  }

  /** @param {HTMLElement} near */
  open(near) {
    const before = JSON.stringify(this.query());
    const apply = button(say("filter.apply"), () => sheet.close(), "solid");
    const clear = button(say("filter.clear"), () => {
      this.clear();
      sheet.close();
    });
    const sheet = openSheet("side", {
      title: say("filter.title"),
      near,
      body: [this.dial(), ...this.names.map((name) => this.group(name)), this.prices(), this.stock()],
      foot: [clear, apply],
    });
    sheet.addEventListener("close", () => {
      this.show();
      if (JSON.stringify(this.query()) !== before) this.onChange();
      this.bar.querySelector("button")?.focus({ preventScroll: true });
    });
  }

  /** @param {string} name */
  group(name) {
    const values = name === "size" ? inOrder(this.facets[name]) : this.facets[name];
    const chips = values.map((facet) => {
      const box = h("input", { type: "checkbox", class: "unseen" });
      box.checked = this.chosen[name]?.has(facet.value) ?? false;
      box.addEventListener("change", () => {
        const set = (this.chosen[name] ??= new Set());
        if (box.checked) set.add(facet.value);
        else set.delete(facet.value);
        if (!set.size) delete this.chosen[name];
      });
      return h("label", { class: "chip" }, box, readable(facet.label), h("small", {}, number(facet.count)));
    });
    const group = h("fieldset", { class: "filter-group" }, h("legend", {}, named("filter", name)));
    const box = h("div", { class: "filter-values" }, chips.slice(0, FOLDED));
    if (chips.length > FOLDED) {
      const rest = h("button", { type: "button", class: "chip" }, say("page.aside", { name: say("filter.show_all"), more: number(chips.length) }));
      rest.addEventListener("click", () => {
        rest.replaceWith(...chips.slice(FOLDED));
        chips[FOLDED].querySelector("input").focus();
      });
      box.append(rest);
    }
    group.append(box);
    return group;
  }

  prices() {
    const field = (/** @type {"low"|"high"} */ name, /** @type {string} */ label) => {
      const input = h("input", { class: "input", type: "number", min: "0", step: "any", inputmode: "decimal", value: this[name] });
      input.addEventListener("input", () => (this[name] = input.validity.valid ? input.value : ""));
      return h("label", { class: "field" }, h("span", {}, boot.shop.currency ? say("page.aside", { name: label, more: boot.shop.currency }) : label), input);
    };
    return h(
      "fieldset",
      { class: "filter-group" },
      h("legend", {}, say("filter.price")),
      h("div", { class: "filter-prices" }, field("low", say("filter.price_min")), field("high", say("filter.price_max"))),
    );
  }

  stock() {
    const box = h("input", { type: "checkbox", role: "switch" });
    box.checked = this.inStock;
    box.addEventListener("change", () => (this.inStock = box.checked));
    return h("label", { class: "switch" }, say("filter.in_stock"), box);
  }

  dial() {
    const range = h("input", { type: "range", min: "0", max: "100", step: "10", value: String(this.diversity * 100), id: "diversity" });
    const paint = () => range.style.setProperty("--fill", `${range.value}%`);
    range.addEventListener("input", () => {
      this.diversity = Number(range.value) / 100;
      paint();
    });
    paint();
    return h(
      "div",
      { class: "filter-group" },
      h("label", { class: "filter-name", for: "diversity" }, say("filter.diversity")),
      range,
      h("div", { class: "dial-ends", "aria-hidden": "true" }, h("span", {}, say("filter.diversity_low")), h("span", {}, say("filter.diversity_high"))),
    );
  }
}
