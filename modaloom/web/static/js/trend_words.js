// Figures of the board in words: how much, how sure, since when. The same everywhere.
import { boot, locale, named, number, percent, readable, say } from "./boot.js";
import { h, icon } from "./dom.js";

const FLAT = 0.02;
const LARGE = 2;
const MOST_SURE = 0.995;
/** From this confidence on, these words. @type {[number, string][]} */
const SURE = [
  [0.97, "very"],
  [0.9, "quite"],
  [0.75, "rather"],
  [0.5, "little"],
];

/** @typedef {Record<string, string>} Names */

/** @param {{names: Names, value?: string, subject?: string}} thing */
export const nameOf = ({ names, value = "", subject = "" }) => readable(names[boot.language] ?? names.en ?? names.zh ?? (value || subject));

/** @param {string} dimension `colour`, or `attribute.material` */
export function dimensionName(dimension) {
  const [kind, ...rest] = dimension.split(".");
  return rest.length ? named("fact", rest.join(".")) : named("dimensions", kind);
}

/** The same in the middle of a sentence. @param {string} dimension */
export const dimensionInside = (dimension) => dimensionName(dimension).toLocaleLowerCase();

/** @param {string} iso day, with or without a time */
export function dateOf(iso) {
  const day = new Date(`${iso.slice(0, 10)}T00:00:00Z`);
  return Number.isNaN(day.getTime()) ? iso : new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeZone: "UTC" }).format(day);
}

/** A share: as many digits as it takes to tell it from nothing. @param {number} value */
export const shareOf = (value) => percent(value, value >= 0.0995 ? 0 : value >= 0.00995 ? 1 : 2);

/**
 * A change with its sign, or as a factor where it is large.
 * @param {number} value
 * @param {boolean} [factor]
 */
export const changeOf = (value, factor = value >= LARGE) =>
  factor
    ? `×${number(1 + value, { maximumFractionDigits: 1 })}`
    : number(value, { style: "percent", maximumFractionDigits: 0, signDisplay: "exceptZero" }).replace("-", "−");

/** The two ends of a change's interval, told as the change itself is. @param {{change: number|null, interval: [number, number]|null}} trend */
export const endsOf = ({ change, interval }) =>
  change === null || !interval ? null : { low: changeOf(interval[0], change >= LARGE), high: changeOf(interval[1], change >= LARGE) };

/** @param {{change: number|null, interval: [number, number]|null}} trend */
export function betweenOf(trend) {
  const ends = endsOf(trend);
  return ends ? say("card.between", ends) : "";
}

/** A change with its interval; nothing where it is not known. @param {{change: number|null, interval: [number, number]|null}} trend */
export const changeTold = (trend) => (trend.change === null ? "" : say("page.aside", { name: changeOf(trend.change), more: betweenOf(trend) }));

/** @param {number} confidence */
export function sureOf(confidence) {
  return say(`sure.${SURE.find(([from]) => confidence >= from)?.[1] ?? "none"}`);
}

/** Nothing is quite certain. @param {number} confidence */
export const surePercent = (confidence) => (confidence >= MOST_SURE ? say("sure.over", { value: percent(0.99) }) : percent(confidence));

/** A bar with words, or another text, beside it. @param {number} confidence @param {string} [text] */
export function sureBar(confidence, text) {
  const words = sureOf(confidence);
  return h(
    "span",
    { class: "sure", title: say("sure.label", { words, value: surePercent(confidence) }) },
    h("span", { class: "sure-track", "aria-hidden": "true" }, h("i", { style: { "--share": `${Math.round(confidence * 100)}%` } })),
    text ?? h("span", {}, words, h("span", { class: "unseen" }, ` ${surePercent(confidence)}`)),
  );
}

/** @param {string} verdict */
export const verdictMark = (verdict) => h("span", { class: `mark is-${verdict}` }, icon(verdict), say(`verdict.${verdict}`));

/** What is expected, with an arrow. @param {number|null} change @param {string|null} abstained */
export function outlookLine(change, abstained) {
  if (change === null) {
    return h("p", { class: "outlook is-unknown" }, icon("unknown"), h("span", {}, named("abstained", abstained ?? "sparse")));
  }
  const way = change > FLAT ? "up" : change < -FLAT ? "down" : "flat";
  const drawing = { up: "rising", down: "falling", flat: "stable" }[way];
  return h(
    "p",
    { class: `outlook is-${drawing}` },
    icon(drawing),
    h("span", {}, say(`card.forecast_${way}`, { change: changeOf(Math.abs(change)).replace("+", "") })),
  );
}

/** @param {string} id */
export const trendAddress = (id) => `/trends/${encodeURIComponent(id)}`;

/** What a step is called: a week by its first day, or a day. @param {{step_days: number}} period @param {string} name of a sentence */
export const inSteps = (period, name) => (period.step_days === 1 ? `${name}_days` : name);
