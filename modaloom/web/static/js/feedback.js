// What a shopper says of a garment. It shows at once, the next list is another one, and it can be taken back.
import { ask, get, part } from "./api.js";
import { boot, price, say } from "./boot.js";
import { h, icon, itemAddress, picture, still } from "./dom.js";
import { arrowKeys, openSheet } from "./sheet.js";
import { toast } from "./toast.js";

/** @type {Set<string>} */
const liked = new Set();
/** @type {Map<string, string>} item id to entry id */
const saved = new Map();

/** Reads what was liked and saved before; nothing where nobody is known. */
export async function loadFeedback() {
  if (!boot.known) return;
  try {
    const [said, kept] = await Promise.all([get("/v1/users/me/feedback"), get("/v1/users/me/wardrobe")]);
    for (const one of said.feedback) if (one.kind === "like") liked.add(one.item_id);
    for (const one of kept.entries) if (one.item_id) saved.set(one.item_id, one.entry_id);
  } catch {
    return; // hearts stay empty; whatever else fails says so itself
  }
  for (const button of document.querySelectorAll("[data-like]")) showLike(/** @type {HTMLElement} */ (button));
}

/** @param {string} itemId */
export const isLiked = (itemId) => liked.has(itemId);
/** @param {string} itemId */
export const isSaved = (itemId) => saved.has(itemId);

/** @param {HTMLElement} button */
function showLike(button) {
  button.setAttribute("aria-pressed", String(liked.has(button.dataset.like ?? "")));
}

/** @param {string} itemId @param {string} kind */
const address = (itemId, kind) => `/v1/users/me/feedback/${part(itemId)}/${kind}`;

/**
 * Likes, or takes a like back.
 * @param {string} itemId
 * @param {HTMLElement} button
 * @param {import("./card.js").Listener} listener
 */
export async function toggleLike(itemId, button, listener) {
  const on = !liked.has(itemId);
  const set = (/** @type {boolean} */ state) => {
    if (state) liked.add(itemId);
    else liked.delete(itemId);
    button.dataset.like = itemId;
    showLike(button);
  };
  set(on);
  try {
    await ask(on ? "PUT" : "DELETE", address(itemId, "like"));
    toast(say(on ? "said.like" : "said.unlike"), { undo: () => toggleLike(itemId, button, listener) });
    listener.onChange?.();
  } catch {
    set(!on);
    toast(say("said.failed"));
  }
}

/**
 * Says why a garment is not wanted: its entry goes at once, and comes back if that is taken back.
 * @param {string} itemId
 * @param {string} kind
 * @param {HTMLElement} entry
 * @param {import("./card.js").Listener} listener
 */
async function refuse(itemId, kind, entry, listener) {
  const place = document.createComment("");
  const next = /** @type {HTMLElement|null} */ (entry.nextElementSibling ?? entry.previousElementSibling);
  entry.classList.add("leaving");
  await new Promise((done) => setTimeout(done, still() ? 0 : 220));
  entry.replaceWith(place);
  const back = () => {
    entry.classList.remove("leaving");
    place.replaceWith(entry);
  };
  try {
    await ask("PUT", address(itemId, kind));
  } catch {
    back();
    toast(say("said.failed"));
    return;
  }
  const unfill = listener.onGone?.(itemId);
  next?.querySelector("a[href]:not([tabindex])")?.focus({ preventScroll: true });
  toast(say(`said.${kind}`), {
    undo: async () => {
      unfill?.();
      back();
      await ask("DELETE", address(itemId, kind)).catch(() => toast(say("said.failed")));
      listener.onChange?.();
    },
  });
}

/**
 * Saves a garment to the wardrobe, or removes it again.
 * @param {string} itemId
 * @param {boolean} on
 * @returns {Promise<boolean>} whether it is there now
 */
export async function keep(itemId, on = true) {
  try {
    if (on) {
      const entry = await ask("POST", "/v1/users/me/wardrobe", { json: { item_id: itemId }, query: { language: boot.language } });
      saved.set(itemId, entry.entry_id);
      toast(say("said.save"), { undo: () => keep(itemId, false) });
    } else {
      await ask("DELETE", `/v1/users/me/wardrobe/${part(saved.get(itemId) ?? "")}`);
      saved.delete(itemId);
      toast(say("said.removed"), { undo: () => keep(itemId, true) });
    }
  } catch {
    toast(say("said.failed"));
  }
  const there = saved.has(itemId);
  document.dispatchEvent(new CustomEvent("modaloom:saved", { detail: { itemId, there } }));
  return there;
}

/** Kinds of refusal, with their icons. @type {[string, string][]} */
const REFUSALS = [
  ["dislike", "thumb-down"],
  ["wrong_size", "ruler"],
  ["too_dear", "tag"],
  ["hide", "hide"],
];

/**
 * The menu of a card.
 * @param {{card: import("./card.js").Card, id: string, near: HTMLElement, entry: HTMLElement,
 *   listener: import("./card.js").Listener}} what
 */
export function openMenu({ card, id, near, entry, listener }) {
  const line = (/** @type {string} */ label, /** @type {string} */ art, /** @type {() => void} */ act) => {
    const button = h("button", { type: "button" }, icon(art), label);
    button.addEventListener("click", () => {
      sheet.close();
      act();
    });
    return button;
  };
  const heart = /** @type {HTMLElement} */ (entry.querySelector("[data-like]"));
  const there = saved.has(id);
  const sheet = openSheet("menu", {
    title: say("card.menu", { title: card.title }),
    near,
    plain: true,
    body: [
      h(
        "div",
        { class: "menu-head" },
        card.picture ? picture(card.picture, "", { width: 160 }) : null,
        h("div", {}, h("p", {}, card.title), card.price === null ? null : h("p", { class: "price" }, price(card.price))),
      ),
      line(say(liked.has(id) ? "act.unlike" : "act.like"), "heart", () => toggleLike(id, heart, listener)),
      line(say(there ? "act.unsave" : "act.save"), there ? "close" : "wardrobe", () => keep(id, !there)),
      line(say("act.similar"), "similar", () => location.assign(`${itemAddress(id)}#h-similar`)),
      line(say("act.goes_with"), "pair", () => location.assign(`${itemAddress(id)}#h-goes`)),
      h("hr"),
      ...REFUSALS.map(([kind, art]) => line(say(`act.${kind}`), art, () => refuse(id, kind, entry, listener))),
    ],
  });
  arrowKeys(sheet);
}
