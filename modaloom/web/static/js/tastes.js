// Tastes with their weights; a slider from never to much more, and a way back to what was learned.
import { ask, get } from "./api.js";
import { boot, named, readable, say } from "./boot.js";
import { h, icon, settled } from "./dom.js";
import { state } from "./states.js";
import { announce, toast } from "./toast.js";

/** @typedef {{key: string, label: string, weight: number, learned: number, by_hand: boolean}} Chip */

const WAIT_MS = 450;

/** @param {number} weight from -1 to 1 */
function inWords(weight) {
  if (weight <= -0.95) return say("me.never");
  if (weight < -0.05) return say("me.less");
  if (weight <= 0.05) return say("me.neutral");
  return say(weight < 0.6 ? "me.more" : "me.most");
}

/**
 * Keeps a shopper's word on one taste; null takes it back.
 * @param {string} key
 * @param {number|null} weight
 * @returns {Promise<{chips: Chip[]}>}
 */
function setTaste(key, weight) {
  return ask("PATCH", "/v1/users/me/profile", { json: { taste: { [key]: weight } }, query: { language: boot.language } });
}

/**
 * @param {Chip} chip
 * @param {(profile: any) => void} onProfile
 */
function row(chip, onProfile) {
  const [attribute] = chip.key.split("=");
  const name = readable(chip.label);
  const output = h("output", { "aria-hidden": "true" });
  const range = h("input", {
    type: "range",
    min: "-100",
    max: "100",
    step: "5",
    value: String(Math.round(chip.weight * 100)),
    "aria-label": name,
  });
  const origin = h("small", {}, `${named("fact", attribute)} · ${say(chip.by_hand ? "me.by_hand" : "me.learned")}`);
  const reset = h("button", { type: "button", class: "tool", "aria-label": say("me.reset", { name }), title: say("me.reset", { name }) }, icon("reset"));
  reset.hidden = !chip.by_hand;
  const line = h(
    "li",
    { class: `taste${chip.by_hand ? " own" : ""}`, "data-taste": chip.key },
    h("div", { class: "taste-name" }, h("b", {}, name), origin),
    range,
    h("div", { class: "taste-end" }, output, reset),
  );
  const paint = () => {
    const weight = Number(range.value) / 100;
    const at = 50 + weight * 50;
    range.style.setProperty("--from", `${Math.min(50, at)}%`);
    range.style.setProperty("--to", `${Math.max(50, at)}%`);
    output.textContent = inWords(weight);
    range.setAttribute("aria-valuetext", inWords(weight));
  };
  const keep = settled(async () => {
    try {
      await setTaste(chip.key, Number(range.value) / 100);
      const told = say("page.named", { name, value: inWords(Number(range.value) / 100) });
      announce(say("page.joined", { name: told, more: say("said.kept") }));
    } catch {
      toast(say("said.failed"));
    }
  }, WAIT_MS);
  range.addEventListener("input", () => {
    line.classList.add("own");
    reset.hidden = false;
    origin.textContent = `${named("fact", attribute)} · ${say("me.by_hand")}`;
    paint();
    keep();
  });
  reset.addEventListener("click", async () => {
    try {
      onProfile(await setTaste(chip.key, null));
      toast(say("said.undone"));
    } catch {
      toast(say("said.failed"));
    }
  });
  paint();
  return line;
}

/**
 * Everything about tastes.
 * @param {Chip[]} chips
 * @param {(profile: any) => void} onProfile
 */
export function tastesPanel(chips, onProfile) {
  const list = chips.length
    ? [
        h("div", { class: "taste-scale", "aria-hidden": "true" }, h("div", {}, h("span", {}, say("me.never")), h("span", {}, say("me.most")))),
        h("ul", { class: "tastes" }, chips.map((chip) => row(chip, onProfile))),
      ]
    : [state({ art: "heart", title: say("me.no_taste_title"), body: say("me.no_taste_body"), compact: true, level: "h3" })];
  return h(
    "section",
    { class: "panel" },
    h("div", { class: "panel-head" }, h("h2", {}, say("me.taste")), h("p", { class: "hint" }, say("me.taste_sub"))),
    list,
    adder(chips, onProfile),
  );
}

/** @param {Chip[]} chips @param {(profile: any) => void} onProfile */
function adder(chips, onProfile) {
  const select = h("select", { class: "select" }, h("option", { value: "" }, say("me.add_taste_choose")));
  const known = new Set(chips.map((chip) => chip.key));
  get("/v1/facets", { query: { language: boot.language } })
    .then(({ facets }) => {
      for (const [name, values] of Object.entries(facets)) {
        if (name === "size") continue;
        const options = values
          .filter((/** @type {{value: string}} */ one) => !known.has(`${name}=${one.value}`))
          .map((/** @type {{value: string, label: string}} */ one) => h("option", { value: `${name}=${one.value}` }, readable(one.label)));
        if (options.length) select.append(h("optgroup", { label: named("fact", name) }, options));
      }
    })
    .catch(() => {});
  select.addEventListener("change", async () => {
    if (!select.value) return;
    try {
      onProfile(await setTaste(select.value, 0.5));
    } catch {
      toast(say("said.failed"));
    }
  });
  return h("label", { class: "field" }, h("span", {}, say("me.add_taste")), select);
}
