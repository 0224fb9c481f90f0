// What just happened, in a line that goes again; said aloud by screen readers.
import { say } from "./boot.js";
import { at, h } from "./dom.js";

const SHOWN_MS = 6000;

/**
 * Says something, perhaps with a way back.
 * @param {string} text
 * @param {{undo?: () => void}} [how]
 */
export function toast(text, { undo } = {}) {
  const place = at("toasts");
  place.replaceChildren();
  const line = h("div", { class: "toast" }, h("span", {}, text));
  const go = () => line.remove();
  let timer = setTimeout(go, SHOWN_MS);
  const hold = () => clearTimeout(timer);
  const release = () => {
    clearTimeout(timer);
    timer = setTimeout(go, SHOWN_MS / 2);
  };
  if (undo) {
    const back = h("button", { type: "button" }, say("page.undo"));
    back.addEventListener("click", () => {
      hold();
      go();
      undo();
    });
    line.append(back);
  }
  for (const [name, call] of /** @type {[string, () => void][]} */ ([
    ["pointerenter", hold],
    ["focusin", hold],
    ["pointerleave", release],
    ["focusout", release],
  ]))
    line.addEventListener(name, call);
  place.append(line);
}

/** Says something to screen readers only. @param {string} text */
export function announce(text) {
  at("live").textContent = text;
}
