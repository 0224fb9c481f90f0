// A trend in a hand's breadth: what was, what it is without noise, and what is expected with its band.
import { svg } from "./dom.js";

const WIDTH = 240;
const HEIGHT = 72;
const INSET = 4;

/** @typedef {{shares: (number|null)[], level: (number|null)[], mean: number[], lower: number[], upper: number[]}} Spark */

/**
 * A path with gaps where nothing is known.
 * @param {(number|null)[]} values
 * @param {(place: number) => number} x
 * @param {(value: number) => number} y
 */
export function pathOf(values, x, y) {
  let pen = "M";
  let path = "";
  values.forEach((value, place) => {
    if (value === null) pen = "M";
    else {
      path += `${pen}${x(place).toFixed(1)} ${y(value).toFixed(1)}${pen === "M" ? "h0" : ""}`; // alone, it is a dot
      pen = "L";
    }
  });
  return path;
}

/**
 * The area between two lines.
 * @param {number[]} lower
 * @param {number[]} upper
 * @param {(place: number) => number} x
 * @param {(value: number) => number} y
 */
export function bandOf(lower, upper, x, y) {
  const there = upper.map((value, place) => `${x(place).toFixed(1)} ${y(value).toFixed(1)}`);
  const back = lower.map((value, place) => `${x(place).toFixed(1)} ${y(value).toFixed(1)}`).reverse();
  return `M${[...there, ...back].join("L")}Z`;
}

/** @param {Spark} spark @param {string} label */
export function trendSpark({ shares, level, mean, lower, upper }, label) {
  const known = /** @type {number[]} */ ([...shares, ...level, ...upper].filter((one) => one !== null));
  const most = Math.max(...known, 1e-9);
  const n = Math.max(shares.length + mean.length, 2);
  const x = (/** @type {number} */ place) => INSET + (place / (n - 1)) * (WIDTH - 2 * INSET);
  const y = (/** @type {number} */ value) => HEIGHT - INSET - (value / most) * (HEIGHT - 2 * INSET);
  const ahead = (/** @type {number} */ place) => x(shares.length + place);
  return svg(
    "svg",
    { class: "trend-spark", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img", "aria-label": label },
    mean.length ? svg("path", { class: "band", d: bandOf(lower, upper, ahead, y) }) : null,
    svg("path", { class: "noise", d: pathOf(shares, x, y) }),
    level.length ? svg("path", { class: "level", d: pathOf(level, x, y) }) : null,
    mean.length ? svg("path", { class: "ahead", d: pathOf(mean, ahead, y) }) : null,
  );
}
