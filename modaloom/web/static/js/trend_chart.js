// A chart that can be read with eyes, fingers, arrow keys or as a table. Drawn anew for every width.
import { percent, say } from "./boot.js";
import { h, svg } from "./dom.js";
import { months, ticks } from "./trend_scale.js";
import { bandOf, pathOf } from "./trend_spark.js";
import { dateOf } from "./trend_words.js";

/**
 * @typedef {object} Line
 * @property {string} name
 * @property {string} kind class of the line, which says how it looks
 * @property {number} from place of its first step
 * @property {(number|null)[]} values
 * @property {{lower: number[], upper: number[]}} [band]
 */

/**
 * @typedef {object} Drawn
 * @property {string} label what is shown, in a sentence
 * @property {string[]} steps first days of all steps, those ahead too
 * @property {string[]} [stepNames] what steps are called where they are no days
 * @property {Line[]} lines
 * @property {{place: number, text: string}[]} [marks] where a level changed
 * @property {number} [now] place of the first step ahead
 * @property {string} stepName what a step is
 * @property {boolean} [low] whether it is a low drawing
 */

const SPACE = { left: 46, right: 14, top: 20, bottom: 30 };
const MOVES = { ArrowLeft: -1, ArrowRight: 1, ArrowDown: -1, ArrowUp: 1, PageDown: -4, PageUp: 4 };

/** As many digits as the distance of the round shares asks for. @param {number} value @param {number} step */
const share = (value, step) => percent(value, Math.min(4, Math.max(0, Math.ceil(-Math.log10(step * 100) - 1e-9), step * 100 === 2.5 ? 1 : 0)));

/** @param {number|null|undefined} value */
const figure = (value) => (value === null || value === undefined ? say("chart.nothing") : percent(value, value < 0.00995 ? 3 : 2));

export class Chart {
  /** @param {Drawn} drawn */
  constructor(drawn) {
    this.drawn = drawn;
    this.place = drawn.now ? drawn.now - 1 : drawn.steps.length - 1;
    this.most = 1.06 * Math.max(...drawn.lines.flatMap((line) => [...line.values, ...(line.band?.upper ?? [])].map((one) => one ?? 0)), 1e-9);
    this.stage = h("div", { class: "chart-stage" });
    this.tip = h("div", { class: "chart-tip", "aria-hidden": "true", hidden: true });
    this.slider = h("div", {
      class: "chart-slider",
      role: "slider",
      tabindex: "0",
      "aria-label": `${drawn.label} ${say("trend.chart_hint")}`,
      "aria-valuemin": "0",
      "aria-valuemax": String(drawn.steps.length - 1),
    });
    this.plot = h("div", { class: `chart-plot${drawn.low ? " low" : ""}` }, this.stage, this.slider, this.tip);
    this.element = h("figure", { class: "chart" }, this.legend(), this.plot, this.table());
    this.listen();
    this.tell(false);
    new ResizeObserver(() => this.draw()).observe(this.plot);
  }

  /** @param {number} place */
  stepAt(place) {
    return this.drawn.stepNames?.[place] ?? dateOf(this.drawn.steps[place]);
  }

  /** What each line says at a step. @param {number} place @returns {[Line, string][]} */
  values(place) {
    return this.drawn.lines
      .filter((line) => place >= line.from && place < line.from + line.values.length)
      .map((line) => {
        const at = place - line.from;
        const told = figure(line.values[at]);
        if (!line.band) return [line, told];
        const more = say("chart.range", { low: figure(line.band.lower[at]), high: figure(line.band.upper[at]) });
        return [line, say("page.aside", { name: told, more })];
      });
  }

  draw() {
    const width = Math.max(this.plot.clientWidth, 200);
    const height = Math.max(this.plot.clientHeight, 120);
    const right = width - SPACE.right;
    const bottom = height - SPACE.bottom;
    const last = Math.max(this.drawn.steps.length - 1, 1);
    this.x = (/** @type {number} */ place) => SPACE.left + (place / last) * (right - SPACE.left);
    this.y = (/** @type {number} */ value) => bottom - Math.min(value / this.most, 1) * (bottom - SPACE.top);
    this.cursor = svg("g", { class: "cursor", visibility: "hidden" });
    const drawing = svg(
      "svg",
      { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": this.drawn.label },
      svg("desc", {}, this.drawn.lines.map((line) => line.name).join(", ")),
      this.axes(width, bottom, right),
      this.drawn.lines.map((line) => this.area(line)),
      this.drawn.lines.map((line) => svg("path", { class: `line ${line.kind}`, d: pathOf(line.values, (place) => this.x(line.from + place), this.y) })),
      (this.drawn.marks ?? []).map((mark) => this.mark(mark, bottom)),
      this.cursor,
    );
    this.bottom = bottom;
    this.width = width;
    this.stage.replaceChildren(drawing);
    if (!this.tip.hidden) this.tell(true);
  }

  /** @param {number} width @param {number} bottom @param {number} right */
  axes(width, bottom, right) {
    const levels = ticks(this.most, this.drawn.low ? 4 : 5);
    const step = levels[1] ?? this.most;
    const named = this.drawn.stepNames
      ? this.drawn.stepNames.map((text, place) => ({ place, text, year: false })).filter((_, place, all) => place % Math.ceil(all.length / Math.max(width / 60, 2)) === 0)
      : months(this.drawn.steps, right - SPACE.left);
    const { now } = this.drawn;
    return svg(
      "g",
      { class: "axes" },
      levels.map((value) => svg("line", { class: value ? "grid" : "ground", x1: SPACE.left, x2: right, y1: this.y(value), y2: this.y(value) })),
      levels.map((value) => svg("text", { x: SPACE.left - 8, y: this.y(value) + 4, class: "at-end" }, share(value, step))),
      named.map((one) => svg("text", { x: this.x(one.place), y: bottom + 20, class: one.year ? "at-middle year" : "at-middle" }, one.text)),
      now ? svg("line", { class: "today", x1: this.x(now - 0.5), x2: this.x(now - 0.5), y1: SPACE.top - 6, y2: bottom }) : null,
      now ? svg("text", { class: "at-middle year", x: this.x(now - 0.5), y: SPACE.top - 9 }, say("chart.now")) : null,
    );
  }

  /** @param {Line} line */
  area({ band, from, kind }) {
    return band ? svg("path", { class: `area ${kind}`, d: bandOf(band.lower, band.upper, (place) => this.x(from + place), this.y) }) : null;
  }

  /** A change of the level. @param {{place: number, text: string}} mark @param {number} bottom */
  mark({ place, text }, bottom) {
    const x = this.x(place);
    return svg(
      "g",
      { class: "jump" },
      svg("title", {}, text),
      svg("line", { x1: x, x2: x, y1: SPACE.top, y2: bottom }),
      svg("path", { d: `M${x} ${SPACE.top - 8}l6 8-6 8-6-8z` }),
    );
  }

  listen() {
    const point = (/** @type {PointerEvent} */ event) => {
      const box = this.plot.getBoundingClientRect();
      const last = this.drawn.steps.length - 1;
      const part = (event.clientX - box.left - SPACE.left) / (box.width - SPACE.left - SPACE.right);
      this.place = Math.min(last, Math.max(0, Math.round(part * last)));
      this.tell(true);
    };
    const hide = () => {
      this.tip.hidden = true;
      this.cursor?.setAttribute("visibility", "hidden");
    };
    this.slider.addEventListener("pointermove", point);
    this.slider.addEventListener("pointerdown", point);
    this.slider.addEventListener("pointerleave", (/** @type {PointerEvent} */ event) => {
      if (event.pointerType !== "touch") hide(); // a finger is lifted to read what stood below it
    });
    this.slider.addEventListener("blur", hide);
    this.slider.addEventListener("focus", () => this.tell(this.slider.matches(":focus-visible")));
    this.slider.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
      const last = this.drawn.steps.length - 1;
      const ends = { Home: 0, End: last };
      const next = ends[/** @type {keyof typeof ends} */ (event.key)] ?? this.place + (MOVES[/** @type {keyof typeof MOVES} */ (event.key)] ?? NaN);
      if (event.key === "Escape") hide();
      if (Number.isNaN(next)) return;
      event.preventDefault();
      this.place = Math.min(last, Math.max(0, next));
      this.tell(true);
    });
  }

  /** Says what stands at the step in focus. @param {boolean} visibly */
  tell(visibly) {
    const said = this.values(this.place);
    const mark = this.drawn.marks?.find((one) => one.place === this.place);
    const step = this.stepAt(this.place);
    this.slider.setAttribute("aria-valuenow", String(this.place));
    this.slider.setAttribute("aria-valuetext", [step, ...said.map(([line, text]) => `${line.name} ${text}`), mark?.text ?? ""].filter(Boolean).join("; "));
    if (!visibly || !this.x) return;
    this.tip.replaceChildren(
      h("p", {}, step),
      h("dl", {}, said.map(([line, text]) => [h("dt", {}, swatch(line.kind), line.name), h("dd", {}, text)]).flat()),
      mark ? h("p", { class: "hint" }, mark.text) : "",
    );
    this.tip.hidden = false;
    const x = this.x(this.place);
    const wide = this.tip.offsetWidth;
    const left = x + 14 + wide > this.width ? Math.max(0, x - 14 - wide) : x + 14;
    this.tip.style.setProperty("--tip-left", `${Math.min(left, Math.max(0, this.width - wide))}px`);
    const dots = this.drawn.lines
      .map((line) => [line, line.values[this.place - line.from]])
      .filter(([, value]) => typeof value === "number")
      .map(([line, value]) => svg("circle", { class: `dot ${/** @type {Line} */ (line).kind}`, cx: x, cy: this.y?.(/** @type {number} */ (value)) ?? 0, r: 4.5 }));
    this.cursor.replaceChildren(svg("line", { x1: x, x2: x, y1: SPACE.top, y2: this.bottom }), ...dots);
    this.cursor.setAttribute("visibility", "visible");
  }

  legend() {
    const entries = this.drawn.lines.map((line) => h("li", {}, swatch(line.kind, Boolean(line.band)), line.name));
    const mark = svg("svg", { class: "swatch-line", viewBox: "0 0 28 12", "aria-hidden": "true" }, svg("path", { class: "diamond", d: "M14 0l5 6-5 6-5-6z" }));
    if (this.drawn.marks?.length) entries.push(h("li", {}, mark, say("chart.jump_mark")));
    return h("ul", { class: "chart-legend" }, entries);
  }

  /** The same as figures; made when it is first opened. */
  table() {
    const place = h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": this.drawn.label });
    const box = h("details", { class: "chart-table" }, h("summary", {}, say("chart.table")), place);
    box.addEventListener("toggle", () => {
      if (box.open && !place.firstChild) place.append(this.rows());
    });
    return box;
  }

  rows() {
    const { lines, steps, stepName } = this.drawn;
    const head = [stepName, ...lines.map((line) => line.name)].map((text) => h("th", { scope: "col" }, text));
    const body = steps.map((_, place) => {
      const said = new Map(this.values(place));
      return h("tr", {}, h("th", { scope: "row" }, this.stepAt(place)), lines.map((line) => h("td", {}, said.get(line) ?? "")));
    });
    return h("table", {}, h("caption", { class: "unseen" }, this.drawn.label), h("thead", {}, h("tr", {}, head)), h("tbody", {}, body.reverse()));
  }
}

/** A short piece of a line, as the chart draws it. @param {string} kind @param {boolean} [banded] */
function swatch(kind, banded = false) {
  return svg(
    "svg",
    { class: "swatch-line", viewBox: "0 0 28 12", "aria-hidden": "true" },
    banded ? svg("path", { class: `area ${kind}`, d: "M0 0H28V12H0Z" }) : null,
    svg("path", { class: `line ${kind}`, d: "M1 6H27" }),
  );
}
