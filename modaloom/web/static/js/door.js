// The door of the shop's own screens: asks for a key, and keeps it in this tab only.
import { h } from "./dom.js";
import { say } from "./boot.js";

/** Where the admin's key lies, and the key that was given for the trend board. */
export const ADMIN_KEY = "modaloom.admin";
export const DESK_KEY = "modaloom.desk";

/**
 * Shows the door in a place.
 * @param {HTMLElement} place
 * @param {{label: string, hint: string, fault?: string, onKey: (key: string) => void, id?: string}} how
 */
export function showDoor(place, { label, hint, fault = "", onKey, id = "door-key" }) {
  const input = h("input", { class: "input", type: "password", autocomplete: "off", required: true, id });
  const told = h("p", { class: "fault", role: "alert" }, fault);
  const enter = h("button", { class: "button solid", type: "submit" }, say("admin.enter"));
  const form = h(
    "form",
    { class: "panel door" },
    h("label", { class: "field" }, h("span", {}, label), input),
    h("p", { class: "hint" }, hint),
    told,
    enter,
  );
  form.addEventListener("submit", (/** @type {Event} */ event) => {
    event.preventDefault();
    // Whatever the answer is, it draws the place anew: a key typed meanwhile would be lost.
    input.disabled = enter.disabled = true;
    told.textContent = "";
    onKey(input.value.trim());
  });
  place.replaceChildren(form);
  if (fault) input.focus();
}
