// What stands behind a trend: how good its forecasts were, what drives it, who goes for it, who was early.
import { boot, named, number, percent, say } from "./boot.js";
import { h } from "./dom.js";
import { Chart } from "./trend_chart.js";
import { changeOf, nameOf, shareOf, trendAddress } from "./trend_words.js";
import { button } from "./states.js";
import { bar } from "./why.js";

const MOST_INDEX = 200;
const FIRST_GROUPS = 8;
const LEAST_STEPS = 4;

/** @param {any} outlook @param {any} overview */
export function backTest(outlook, overview) {
  const test = outlook?.back_test;
  if (!test) return h("p", { class: "soft" }, say("trend.back_test_none"));
  const cell = (/** @type {string} */ name, /** @type {string} */ value, /** @type {string} */ sub) =>
    h("div", { class: "key" }, h("dt", {}, say(`trend.${name}`)), h("dd", {}, h("b", {}, value), h("span", { class: "hint" }, sub)));
  const models = Object.entries(outlook.models).sort((one, other) => Number(other[1]) - Number(one[1]));
  const most = Math.max(...models.map(([, weight]) => Number(weight)), 0.01);
  return [
    h("p", { class: "hint" }, say("trend.back_test_sub", { n: number(test.origins) })),
    h(
      "dl",
      { class: "keys small" },
      cell("error", percent(test.error, 1), say("trend.error_sub")),
      cell("covered", percent(test.covered), say("trend.covered_sub", { level: percent(outlook.level ?? overview.level) })),
      cell("mase", number(test.mase, { maximumFractionDigits: 2, minimumFractionDigits: 2 }), say("trend.mase_sub")),
    ),
    models.length ? h("h3", {}, say("trend.models")) : null,
    h("ul", { class: "bars" }, models.map(([name, weight]) => bar({ name: named("model", name), value: percent(Number(weight)), share: Number(weight) / most }))),
  ].filter((one) => one !== null);
}

/** @param {any} trend */
export function drivers(trend) {
  if (!trend.drivers.length) return h("p", { class: "soft" }, say("trend.drivers_none"));
  const most = Math.max(...trend.drivers.map((/** @type {any} */ one) => Math.abs(one.part)), 0.01);
  return [
    h("p", { class: "hint" }, say("trend.drivers_sub")),
    h(
      "ul",
      { class: "bars drivers" },
      trend.drivers.map((/** @type {any} */ one) => {
        const entry = bar({ name: h("a", { href: trendAddress(one.trend_id) }, nameOf({ names: one.names, subject: one.trend_id })), value: changeOf(one.part), share: Math.abs(one.part) / most });
        entry.classList.toggle("against", one.part < 0);
        return entry;
      }),
    ),
  ];
}

/** How far a group is from everybody, for its size: a few shoppers differ by chance. @param {{index: number, shoppers: number}} group */
const telling = ({ index, shoppers }) => Math.abs(Math.log(Math.max(index, 1) / 100)) * Math.sqrt(shoppers);

/** @param {any} overview @param {any} trend */
export function segments({ k }, trend) {
  if (!trend.segments.length) return h("p", { class: "soft" }, say("trend.segments_none", { k: number(k) }));
  const head = ["group", "index", "share", "moved", "shoppers"].map((name) => h("th", { scope: "col" }, say(`trend.${name}`)));
  const ordered = [...trend.segments].sort((one, other) => telling(other) - telling(one));
  const rows = ordered.map((/** @type {any} */ one, place) =>
    h(
      "tr",
      { hidden: place >= FIRST_GROUPS },
      h("th", { scope: "row" }, h("small", {}, named("kinds", one.kind)), one.names[boot.language] ?? one.value),
      h("td", { class: "index-cell" }, indexBar(one.index), h("span", {}, number(Math.round(one.index)))),
      h("td", {}, shareOf(one.share)),
      h("td", {}, one.change === null ? "–" : changeOf(one.change)),
      h("td", {}, number(one.shoppers)),
    ),
  );
  const all = button(say("trend.segments_all", { n: number(rows.length) }), () => {
    for (const row of rows) row.hidden = false;
    all.remove();
  }, "quiet");
  return [
    h("p", { class: "hint" }, say("trend.segments_sub", { k: number(k) })),
    h(
      "div",
      { class: "scroll", tabindex: "0", role: "region", "aria-label": say("trend.segments") },
      h("table", { class: "segments" }, h("caption", { class: "unseen" }, say("trend.segments")), h("thead", {}, h("tr", {}, head)), h("tbody", {}, rows)),
    ),
    ...(rows.length > FIRST_GROUPS ? [all] : []),
  ];
}

/** A bar from 100 to the index. @param {number} index */
function indexBar(index) {
  const end = Math.min(Math.max(index, 0), MOST_INDEX) / MOST_INDEX;
  const [from, to] = end < 0.5 ? [end, 0.5] : [0.5, end];
  return h("span", { class: `index-bar ${index < 100 ? "under" : "over"}`, "aria-hidden": "true" }, h("i", { style: { "--from": `${100 * from}%`, "--to": `${100 * to}%` } }));
}

/** Trendsetters beside everybody else. @param {any} overview @param {any} trend */
export function crowd({ period }, { crowd: told, names }) {
  const way = !told.sure || told.ahead === null ? "level" : told.ahead > 0 ? "ahead" : "behind";
  const text = say(`trend.crowd_${way}`, { setters: shareOf(told.setters_now), mainstream: shareOf(told.mainstream_now) });
  const words = [h("p", {}, text), h("p", { class: "hint" }, say("trend.crowd_sub", { n: number(told.shoppers) }))];
  const known = told.setters.filter((/** @type {number|null} */ one) => one !== null).length;
  if (known < LEAST_STEPS) return words;
  const first = told.setters.findIndex((/** @type {number|null} */ one) => one !== null);
  const chart = new Chart({
    label: say("chart.label", { name: nameOf({ names }), start: period.steps[first], end: period.end, says: text }),
    steps: period.steps.slice(first),
    lines: [
      { name: say("trend.mainstream"), kind: "level", from: 0, values: told.mainstream.slice(first) },
      { name: say("trend.setters"), kind: "setters", from: 0, values: told.setters.slice(first) },
    ],
    stepName: say(period.step_days === 1 ? "chart.step_day" : "chart.step"),
    low: true,
  });
  return [...words, chart.element];
}
