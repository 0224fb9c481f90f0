// From steps and shares to places in a drawing, and the round numbers beside it.
import { locale } from "./boot.js";

const MONTH_PX = 46;

/**
 * A round distance of which about so many fit.
 * @param {number} most
 * @param {number} wanted
 */
export function tick(most, wanted) {
  const rough = most / wanted;
  const size = 10 ** Math.floor(Math.log10(rough));
  return (/** @type {number} */ ([1, 2, 2.5, 5, 10].find((factor) => factor * size >= rough)) ?? 10) * size;
}

/** Round shares from nothing to the top. @param {number} most @param {number} wanted */
export function ticks(most, wanted) {
  const step = tick(most, wanted);
  return Array.from({ length: Math.floor(most / step + 1e-9) + 1 }, (_, place) => place * step);
}

/** @param {string} iso */
const parts = (iso) => ({ year: iso.slice(0, 4), month: iso.slice(5, 7) });

/** @param {string} iso @param {Intl.DateTimeFormatOptions} how */
const told = (iso, how) => new Intl.DateTimeFormat(locale, { ...how, timeZone: "UTC" }).format(new Date(`${iso}T00:00:00Z`));

/**
 * Months to name below a drawing, as many as there is room for; January is named by its year.
 * @param {string[]} steps first days, oldest first
 * @param {number} width in pixels
 * @returns {{place: number, text: string, year: boolean}[]}
 */
export function months(steps, width) {
  const starts = steps
    .map((iso, place) => ({ place, iso, ...parts(iso) }))
    .filter((one, place) => place > 0 && one.month !== parts(steps[place - 1]).month);
  if (starts.length < 2) return steps.length ? [{ place: 0, text: told(steps[0], { month: "short", day: "numeric" }), year: false }] : [];
  const room = Math.max(Math.floor(width / MONTH_PX), 2);
  const every = [1, 2, 3, 6, 12, 24, 60].find((one) => starts.length / one <= room) ?? 120;
  return starts
    .filter((one) => (Number(one.year) * 12 + Number(one.month) - 1) % every === 0)
    .map((one) => {
      const year = one.month === "01";
      return { place: one.place, text: told(one.iso, year ? { year: "numeric" } : { month: "short" }), year };
    });
}
