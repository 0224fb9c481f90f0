// What was looked at in this session: it makes the next list better, also for somebody who is not known.
import { ask } from "./api.js";
import { boot } from "./boot.js";

const KEY = "modaloom.clicked";
const KEPT = 20;

/** Items looked at in this tab, oldest first. @returns {string[]} */
export function clicked() {
  try {
    return JSON.parse(sessionStorage.getItem(KEY) ?? "[]");
  } catch {
    return [];
  }
}

/** Forgets them. */
export function forgetClicked() {
  sessionStorage.removeItem(KEY);
}

/**
 * Notes a look at an item: with the shop for who is known, else only in this tab.
 * @param {string} itemId
 */
export function noteView(itemId) {
  const kept = [...clicked().filter((id) => id !== itemId), itemId].slice(-KEPT);
  sessionStorage.setItem(KEY, JSON.stringify(kept));
  note({ event: "view", item_id: itemId });
}

/** @param {string} query */
export function noteSearch(query) {
  note({ event: "search", query });
}

/** @param {Record<string, string>} event */
function note(event) {
  if (!boot.known) return;
  const events = [{ ...event, event_id: crypto.randomUUID?.() ?? `${Date.now()}-${Math.random()}` }];
  ask("POST", "/v1/interactions", { json: { events }, create: false }).catch(() => {});
}
