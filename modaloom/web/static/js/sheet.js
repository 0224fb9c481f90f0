// Dialogs: from the side, in the middle, or as a menu at a button. On a phone all of them rise from below.
import { say } from "./boot.js";
import { h, icon } from "./dom.js";

/**
 * Opens a dialog, which closes on Escape, on its cross and on a click beside it.
 * @param {"side"|"middle"|"menu"} kind
 * @param {{title: string, body: Node|Node[], foot?: Node[], near?: HTMLElement, plain?: boolean}} what
 * @returns {HTMLDialogElement}
 */
export function openSheet(kind, { title, body, foot, near, plain = false }) {
  const sheet = h("dialog", { class: `sheet ${kind}`, "aria-label": title });
  if (!plain) {
    const close = h("button", { class: "tool", type: "button", "aria-label": say("page.close") }, icon("close"));
    close.addEventListener("click", () => sheet.close());
    sheet.append(h("div", { class: "sheet-head" }, h("h2", {}, title), close));
  }
  sheet.append(...(plain ? [body].flat() : [h("div", { class: "sheet-body" }, body)]));
  if (foot) sheet.append(h("div", { class: "sheet-foot" }, foot));
  sheet.addEventListener("click", (/** @type {MouseEvent} */ event) => {
    if (event.target === sheet && outside(sheet, event)) sheet.close();
  });
  sheet.addEventListener("close", () => {
    sheet.remove();
    if (near?.isConnected) near.focus({ preventScroll: true });
  });
  document.body.append(sheet);
  sheet.showModal();
  if (kind === "menu" && near) place(sheet, near);
  return sheet;
}

/** @param {HTMLElement} sheet @param {MouseEvent} event */
function outside(sheet, event) {
  const box = sheet.getBoundingClientRect();
  return (
    event.clientX < box.left || event.clientX > box.right || event.clientY < box.top || event.clientY > box.bottom
  );
}

/** @param {HTMLElement} sheet @param {HTMLElement} near */
function place(sheet, near) {
  const from = near.getBoundingClientRect();
  const box = sheet.getBoundingClientRect();
  const left = Math.max(12, Math.min(from.right - box.width, innerWidth - box.width - 12));
  const below = from.bottom + 4 + box.height < innerHeight;
  const top = below ? from.bottom + 4 : Math.max(12, from.top - 4 - box.height);
  sheet.style.setProperty("--menu-left", `${left}px`);
  sheet.style.setProperty("--menu-top", `${top}px`);
}

/**
 * Moves the focus through a menu with the arrow keys.
 * @param {HTMLElement} menu
 */
export function arrowKeys(menu) {
  menu.addEventListener("keydown", (event) => {
    const buttons = /** @type {HTMLElement[]} */ ([...menu.querySelectorAll("button")]);
    const now = buttons.indexOf(/** @type {HTMLElement} */ (document.activeElement));
    const steps = { ArrowDown: now + 1, ArrowUp: now - 1, Home: 0, End: buttons.length - 1 };
    const next = steps[/** @type {keyof typeof steps} */ (event.key)];
    if (next === undefined) return;
    event.preventDefault();
    buttons[(next + buttons.length) % buttons.length].focus();
  });
}
