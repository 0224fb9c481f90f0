// Small drawings of figures over time, and of an interval.
import { say } from "./boot.js";
import { svg } from "./dom.js";

const WIDTH = 240;
const HEIGHT = 48;
const INSET = 3;

/**
 * A line through the last values; gaps where there was none.
 * @param {(number|null)[]} values
 * @param {string} label
 * @param {string} now
 */
export function sparkline(values, label, now) {
  const known = /** @type {number[]} */ (values.filter((one) => one !== null));
  const most = Math.max(...known, 0.001);
  const step = (WIDTH - 2 * INSET) / Math.max(values.length - 1, 1);
  const points = values
    .map((value, place) => (value === null ? null : [INSET + place * step, HEIGHT - INSET - (value / most) * (HEIGHT - 2 * INSET)]))
    .filter((point) => point !== null);
  const drawing = svg("svg", {
    class: "spark",
    viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
    preserveAspectRatio: "none",
    role: "img",
    "aria-label": say("admin.trend", { name: label, value: now }),
  });
  if (points.length > 1) {
    const path = points.map(([x, y], place) => `${place ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`).join("");
    const [first, last] = [points[0], points[points.length - 1]];
    drawing.append(
      svg("path", { class: "spark-area", d: `${path}L${last[0].toFixed(1)} ${HEIGHT}L${first[0].toFixed(1)} ${HEIGHT}Z` }),
      svg("path", { class: "spark-line", d: path }),
    );
  }
  return drawing;
}

/**
 * A difference with its interval, around zero.
 * @param {{low: number, difference: number, high: number}} value
 * @param {number} most largest value that must fit
 * @param {string} label
 */
export function interval({ low, difference, high }, most, label) {
  const at = (/** @type {number} */ value) => 120 + (value / (most || 1)) * 110;
  return svg(
    "svg",
    { class: "interval", viewBox: "0 0 240 28", role: "img", "aria-label": label },
    svg("line", { class: "zero", x1: 120, x2: 120, y1: 2, y2: 26 }),
    svg("line", { class: "span", x1: at(low), x2: at(high), y1: 14, y2: 14 }),
    svg("line", { class: "span", x1: at(low), x2: at(low), y1: 9, y2: 19 }),
    svg("line", { class: "span", x1: at(high), x2: at(high), y1: 9, y2: 19 }),
    svg("circle", { class: "point", cx: at(difference), cy: 14, r: 4.5 }),
  );
}
