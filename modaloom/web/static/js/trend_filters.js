// Fields above the board's lists.
import { number, say } from "./boot.js";
import { h, icon } from "./dom.js";
import { dimensionName } from "./trend_words.js";

/**
 * A field to find something by name.
 * @param {string} label
 * @param {string} value
 * @param {(text: string) => void} onText
 */
export function field(label, value, onText) {
  const input = h("input", { type: "search", class: "input", value, maxlength: "100", autocomplete: "off", placeholder: label, "aria-label": label });
  input.addEventListener("input", () => onText(input.value.trim()));
  return h("div", { class: "desk-search" }, icon("search"), input);
}

/**
 * One of several, with a visible name.
 * @param {string} label
 * @param {string[][]} options value and text
 * @param {string} value
 * @param {(value: string) => void} onChange
 */
export function select(label, options, value, onChange) {
  const box = h("select", { class: "select" }, options.map(([one, text]) => h("option", { value: one }, text)));
  box.value = value;
  if (box.selectedIndex < 0) box.selectedIndex = 0;
  box.addEventListener("change", () => onChange(box.value));
  return h("label", { class: "desk-select" }, h("span", {}, label), box);
}

/**
 * One of the kinds of thing that a list has, each with how many there are, or all.
 * @param {{value: string, count: number}[]} dimensions
 * @param {string} value
 * @param {(value: string) => void} onChange
 */
export function selectDimension(dimensions, value, onChange) {
  const kinds = dimensions.map((one) => [one.value, say("page.aside", { name: dimensionName(one.value), more: number(one.count) })]);
  return select(say("trends.dimension"), [["", say("trends.all")], ...kinds], value, onChange);
}

/**
 * Chips of which one is pressed.
 * @param {string} label
 * @param {string[][]} options value, text and number
 * @param {string} value
 * @param {(value: string) => void} onChange
 */
export function chips(label, options, value, onChange) {
  const row = h("div", { class: "desk-chips", role: "group", "aria-label": label });
  const made = options.map(([one, text, count]) => {
    const chip = h("button", { type: "button", class: "chip", "aria-pressed": String(one === value) }, text, count ? h("small", {}, count) : null);
    chip.addEventListener("click", () => {
      for (const other of made) other.setAttribute("aria-pressed", String(other === chip));
      onChange(one);
    });
    return chip;
  });
  row.append(...made);
  return row;
}
