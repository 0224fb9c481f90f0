// A frame on a photo that is moved and sized by touch, mouse and keyboard. All measures are shares of the sides.
import { number, say } from "./boot.js";
import { h, settled } from "./dom.js";
import { announce } from "./toast.js";

/** @typedef {{x: number, y: number, w: number, h: number}} Box */
/** @typedef {"nw"|"ne"|"sw"|"se"} Corner */

const LEAST = 0.12;
const STEP = 0.02;
/** @type {Corner[]} */
const CORNERS = ["nw", "ne", "sw", "se"];

export class Crop {
  /** @param {string} url @param {string} alt */
  constructor(url, alt) {
    /** @type {Box} */
    this.box = { x: 0.04, y: 0.04, w: 0.92, h: 0.92 };
    this.tell = settled(() => announce(this.words()), 400);
    this.image = h("img", { src: url, alt, draggable: "false" });
    this.frame = h(
      "div",
      { class: "crop-frame", tabindex: "0", role: "group", "aria-roledescription": say("search.frame"), "aria-label": "" },
      CORNERS.map((corner) => this.corner(corner)),
    );
    this.frame.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => this.key(event));
    this.drag(this.frame, (start, dx, dy) => this.move({ ...start, x: start.x + dx, y: start.y + dy }));
    this.element = h("div", { class: "crop" }, this.image, this.frame);
    this.show();
  }

  /** Whether the whole photo is meant. */
  get whole() {
    return this.box.w > 0.97 && this.box.h > 0.97;
  }

  /** @param {Corner} corner */
  corner(corner) {
    const handle = h("button", { type: "button", class: `crop-corner ${corner}`, "aria-label": say(`search.corner_${corner}`) });
    this.drag(handle, (start, dx, dy) => this.size(start, corner, dx, dy));
    handle.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
      const by = arrow(event);
      if (!by) return;
      event.preventDefault();
      event.stopPropagation();
      this.size(this.box, corner, by[0] * STEP, by[1] * STEP);
    });
    return handle;
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    const by = arrow(event);
    if (!by || event.target !== this.frame) return;
    event.preventDefault();
    const [dx, dy] = [by[0] * STEP, by[1] * STEP];
    if (event.shiftKey) this.size(this.box, "se", dx, dy);
    else this.move({ ...this.box, x: this.box.x + dx, y: this.box.y + dy });
  }

  /**
   * @param {HTMLElement} element
   * @param {(start: Box, dx: number, dy: number) => void} act
   */
  drag(element, act) {
    element.addEventListener("pointerdown", (down) => {
      if (down.button > 0) return;
      down.preventDefault();
      down.stopPropagation();
      element.focus({ preventScroll: true });
      element.setPointerCapture(down.pointerId);
      const start = { ...this.box };
      const around = this.image.getBoundingClientRect();
      const go = (/** @type {PointerEvent} */ now) =>
        act(start, (now.clientX - down.clientX) / around.width, (now.clientY - down.clientY) / around.height);
      const end = () => {
        element.removeEventListener("pointermove", go);
        element.removeEventListener("pointerup", end);
        element.removeEventListener("pointercancel", end);
      };
      element.addEventListener("pointermove", go);
      element.addEventListener("pointerup", end);
      element.addEventListener("pointercancel", end);
    });
  }

  /** @param {Box} box */
  move(box) {
    this.box = { ...box, x: within(box.x, 0, 1 - box.w), y: within(box.y, 0, 1 - box.h) };
    this.show();
  }

  /** @param {Box} start @param {Corner} corner @param {number} dx @param {number} dy */
  size(start, corner, dx, dy) {
    let { x, y } = start;
    let [right, bottom] = [start.x + start.w, start.y + start.h];
    if (corner.endsWith("w")) x = within(x + dx, 0, right - LEAST);
    else right = within(right + dx, x + LEAST, 1);
    if (corner.startsWith("n")) y = within(y + dy, 0, bottom - LEAST);
    else bottom = within(bottom + dy, y + LEAST, 1);
    this.box = { x, y, w: right - x, h: bottom - y };
    this.show();
  }

  show() {
    for (const [name, value] of Object.entries(this.box)) this.frame.style.setProperty(`--${name}`, `${value * 100}%`);
    this.frame.setAttribute("aria-label", this.words());
    if (this.element?.isConnected) this.tell();
  }

  words() {
    const shares = Object.entries(this.box).map(([name, value]) => [name, number(Math.round(value * 100))]);
    return say("search.frame_now", Object.fromEntries(shares));
  }
}

/** @param {number} value @param {number} low @param {number} high */
const within = (value, low, high) => Math.min(Math.max(value, low), Math.max(low, high));

/** @param {KeyboardEvent} event @returns {[number, number]|null} */
function arrow(event) {
  /** @type {Record<string, [number, number]>} */
  const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  return steps[event.key] ?? null;
}
