// Demand beside the assortment, value by value, with what to do about it.
import { named, number, say } from "./boot.js";
import { h, icon, settled } from "./dom.js";
import { look, openDesk } from "./desk.js";
import { chips, field, selectDimension } from "./trend_filters.js";
import { List } from "./trend_list.js";
import { dimensionName, nameOf, shareOf, trendAddress, verdictMark } from "./trend_words.js";

const STATES = ["short", "long", "balanced"];
const WAIT_MS = 250;

const chosen = { state: "", dimension: "", text: new URLSearchParams(location.search).get("text") ?? "" };
const list = new List("gaps", (more) => look("/v1/trends/gaps", { ...chosen, ...more }), entry, {
  found: (n) => say("gaps.found", { n }),
  none: [say("gaps.none_title"), say("gaps.none_body")],
});

/** @param {any} gap */
function entry(gap) {
  const name = nameOf(gap);
  const most = Math.max(gap.interval[1], gap.assortment, 1e-9);
  const label = say("gaps.bars", { name, demand: shareOf(gap.demand), low: shareOf(gap.interval[0]), high: shareOf(gap.interval[1]), assortment: shareOf(gap.assortment) });
  const more = [
    gap.searches === null ? null : `${say("gaps.searches")} ${shareOf(gap.searches)}`,
    gap.purchases === null ? null : `${say("gaps.purchases")} ${shareOf(gap.purchases)}`,
    say("gaps.pieces", { n: number(gap.items) }),
  ];
  return h(
    "li",
    { class: `gap gap-${gap.state}` },
    h("div", { class: "gap-name" }, h("p", { class: "eyebrow" }, dimensionName(gap.dimension)), h("h2", {}, h("a", { href: trendAddress(gap.trend_id) }, name)), verdictMark(gap.verdict)),
    h(
      "div",
      { class: "gap-bars", role: "img", "aria-label": label },
      pairBar("demand", gap.demand / most, shareOf(gap.demand), gap.interval.map((/** @type {number} */ one) => one / most)),
      pairBar("assortment", gap.assortment / most, shareOf(gap.assortment)),
    ),
    h(
      "div",
      { class: "gap-advice" },
      h("p", {}, h("span", { class: `mark gap-${gap.state}` }, icon(gap.state === "short" ? "rising" : gap.state === "long" ? "falling" : "check"), say(`gap_state.${gap.state}`)), say("gaps.ratio", { ratio: number(gap.ratio, { maximumFractionDigits: 1 }) })),
      h("p", { class: "advice" }, named("advice", gap.advice)),
      h("p", { class: "hint" }, more.filter(Boolean).join(" · ")),
    ),
  );
}

/** @param {"demand"|"assortment"} name @param {number} share @param {string} value @param {number[]} [whisker] */
function pairBar(name, share, value, whisker) {
  const css = (/** @type {number} */ part) => `${Math.round(1000 * Math.min(Math.max(part, 0), 1)) / 10}%`;
  return h(
    "div",
    { class: `pair ${name}` },
    h("span", { class: "pair-name" }, say(`gaps.${name}`)),
    h(
      "span",
      { class: "pair-track" },
      h("i", { style: { "--share": css(share) } }),
      whisker ? h("b", { class: "whisker", style: { "--from": css(whisker[0]), "--to": css(whisker[1]) } }) : null,
    ),
    h("span", { class: "pair-value" }, value),
  );
}

openDesk(async () => {
  const first = await list.load();
  const all = STATES.reduce((sum, name) => sum + (first.states[name] ?? 0), 0);
  const options = [["", say("trends.all"), number(all)], ...STATES.map((name) => [name, say(`gap_state.${name}`), number(first.states[name] ?? 0)])];
  const change = (/** @type {"state"|"dimension"|"text"} */ name) => (/** @type {string} */ value) => {
    chosen[name] = value;
    list.load();
  };
  return [
    h("ul", { class: "gap-key", "aria-hidden": "true" }, STATES.map((name) => h("li", {}, h("span", { class: `mark gap-${name}` }, say(`gap_state.${name}`)), say(`gap_sub.${name}`)))),
    h(
      "div",
      { class: "desk-filters" },
      chips(say("terms.state"), options, "", change("state")),
      field(say("gaps.search"), chosen.text, settled(change("text"), WAIT_MS)),
      selectDimension(first.dimensions, "", change("dimension")),
    ),
    list.element,
  ];
});
