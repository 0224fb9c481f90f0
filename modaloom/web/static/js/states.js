// What stands where a list would: while it loads, when it is empty, when it fails, when there is no network.
import { ApiError } from "./api.js";
import { say } from "./boot.js";
import { h, icon } from "./dom.js";

/**
 * Cards that are still to come.
 * @param {number} n
 */
export function bones(n) {
  return Array.from({ length: n }, () =>
    h(
      "li",
      { class: "card-skeleton", "aria-hidden": "true" },
      h("div", { class: "bone bone-picture" }),
      h("div", { class: "bone bone-line" }),
      h("div", { class: "bone bone-line short" }),
    ),
  );
}

/**
 * A state with a picture, a title, a sentence and what to do next.
 * @param {{art: string, title: string, body?: string, extra?: (Node|null)[], compact?: boolean, level?: string}} what
 */
export function state({ art, title, body = "", extra = [], compact = false, level = "h2" }) {
  return h(
    "div",
    { class: `state${compact ? " compact" : ""}` },
    h("div", { class: "state-art", "aria-hidden": "true" }, icon(art)),
    h(level, {}, title),
    body && h("p", {}, body),
    extra,
  );
}

/** @param {string} label @param {() => void} act @param {string} [kind] */
export function button(label, act, kind = "") {
  return h("button", { type: "button", class: `button ${kind}`.trim(), onclick: act }, label);
}

/** @param {string} label @param {string} href @param {string} [kind] */
export function linkButton(label, href, kind = "") {
  return h("a", { class: `button ${kind}`.trim(), href }, label);
}

/**
 * A failure in one line, for what stands beside something larger.
 * @param {() => void} again
 */
export function smallFailure(again) {
  return h("p", { class: "small-failure soft" }, say("error.title"), button(say("error.retry"), () => again(), "quiet"));
}

/**
 * What to show for a failure, with another try.
 * @param {unknown} error
 * @param {() => void} again
 */
export function failure(error, again) {
  const told = error instanceof ApiError ? error : null;
  if (!told) console.warn(error);
  const retry = button(say("error.retry"), () => again()); // without the event of the click
  if (told?.offline) {
    return state({ art: "cloud", title: say("offline.title"), body: say("offline.body"), extra: [retry], compact: true });
  }
  const busy = told && (told.status === 429 || told.status === 503);
  const code = told?.requestId && !busy ? h("code", {}, say("error.code", { id: told.requestId })) : null;
  const body = busy ? say("error.busy") : say("error.body");
  return state({ art: "reset", title: say("error.title"), body, extra: [retry, code], compact: true });
}
