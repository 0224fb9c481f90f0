// Reasons: a line, and the contributions behind it as bars.
import { named, number, percent, say } from "./boot.js";
import { h, icon, itemAddress, picture } from "./dom.js";

/**
 * @typedef {object} Why
 * @property {string} text
 * @property {string} kind
 * @property {string} subject
 * @property {string|null} item_id
 * @property {string|null} picture
 * @property {number} contribution
 */

let made = 0;

/**
 * One line that opens to the bars; null where there is no reason.
 * @param {Why[]} why
 * @param {boolean} [opened] whether it stands open
 */
export function whyLine(why, opened = false) {
  if (!why.length) return null;
  const id = `why-${++made}`;
  const [first] = why;
  const pictured = why.find((one) => one.picture);
  const more = h("div", { class: "why-more", id, hidden: true });
  const told = h("span");
  const line = h(
    "button",
    { class: "why-line", type: "button", "aria-expanded": "false", "aria-controls": id },
    pictured ? thumbnail(pictured) : null,
    told,
    icon("down"),
  );
  const set = (/** @type {boolean} */ open) => {
    line.setAttribute("aria-expanded", String(open));
    more.hidden = !open;
    if (open && !more.firstChild) more.append(whyBars(why));
    // the bars begin with the first reason: once they are there, the line is their heading
    told.replaceChildren(...(open ? [say("why.title")] : [h("b", { class: "unseen" }, `${say("card.why")} `), sentence(first.text)]));
  };
  line.addEventListener("click", () => set(line.getAttribute("aria-expanded") !== "true"));
  set(opened);
  return h("div", { class: "why" }, line, more);
}

/** @param {Why} why */
function thumbnail(why) {
  return picture(/** @type {string} */ (why.picture), "", { width: 160, lost: () => "" });
}

/** A clause as a sentence. @param {string} text */
function sentence(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/**
 * The contributions, the largest first.
 * @param {Why[]} why
 */
export function whyBars(why) {
  const most = Math.max(...why.map((one) => one.contribution), 0.01);
  return h(
    "ul",
    { class: "bars", "aria-label": say("why.title") },
    why.map((one) => {
      const text = sentence(one.text);
      return bar({
        name: one.item_id ? h("a", { href: itemAddress(one.item_id) }, text) : text,
        value: number(one.contribution, { maximumFractionDigits: 1, minimumFractionDigits: 1 }),
        share: Math.max(0.02, one.contribution / most),
        image: one.picture ? thumbnail(one) : null,
      });
    }),
  );
}

/**
 * Shares of modalities as a small chart; the names and figures are its text.
 * @param {Record<string, number>} shares
 * @param {string} label
 */
export function shareChart(shares, label) {
  const rows = Object.entries(shares).sort((one, other) => other[1] - one[1]);
  const most = Math.max(...rows.map(([, share]) => share), 0.01);
  return h(
    "ul",
    { class: "bars wide", "aria-label": label },
    rows.map(([name, share]) => bar({ name: named("modality", name), value: percent(share), share: share / most })),
  );
}

/**
 * @param {{name: Node|string, value: string, share: number, image?: Node|null}} what
 */
export function bar({ name, value, share, image = null }) {
  return h(
    "li",
    { class: "bar" },
    image,
    h("span", { class: "bar-name" }, name),
    h("span", { class: "bar-value" }, value),
    h("span", { class: "bar-track", "aria-hidden": "true" }, h("i", { style: { "--share": percentCss(share) } })),
  );
}

/** @param {number} share */
const percentCss = (share) => `${Math.round(share * 1000) / 10}%`;
