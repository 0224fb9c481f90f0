// Taking everything along, and being forgotten.
import { ask, get } from "./api.js";
import { number, say } from "./boot.js";
import { forgetHere } from "./chrome.js";
import { at, h, icon } from "./dom.js";
import { openSheet } from "./sheet.js";
import { button, linkButton, state } from "./states.js";
import { toast } from "./toast.js";

/** What a shopper can do with everything that is kept. */
export function dataPanel() {
  const save = h("button", { type: "button", class: "button" }, icon("download"), say("me.download"));
  save.addEventListener("click", download);
  const erase = h("button", { type: "button", class: "button danger", id: "erase" }, icon("trash"), say("me.erase"));
  erase.addEventListener("click", () => confirmErase(erase));
  return h(
    "section",
    { class: "panel" },
    h("h2", {}, say("me.data")),
    h("div", { class: "choice" }, h("p", { class: "hint" }, say("me.download_sub")), save),
    h("div", { class: "choice" }, h("p", { class: "hint" }, say("me.erase_sub")), erase),
  );
}

async function download() {
  try {
    const everything = await get("/v1/users/me/export");
    const url = URL.createObjectURL(new Blob([JSON.stringify(everything, null, 2)], { type: "application/json" }));
    const link = h("a", { href: url, download: "modaloom.json" });
    link.click();
    setTimeout(() => URL.revokeObjectURL(url), 10_000);
  } catch {
    toast(say("said.failed"));
  }
}

/** @param {HTMLElement} near */
function confirmErase(near) {
  const word = say("me.erase_word");
  const input = h("input", { class: "input", autocomplete: "off", autocapitalize: "off", spellcheck: "false", id: "erase-word" });
  const go = button(say("me.erase_go"), () => erase(sheet), "solid danger");
  go.disabled = true;
  input.addEventListener("input", () => {
    go.disabled = input.value.trim().toLowerCase() !== word;
  });
  input.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
    if (event.key === "Enter" && !go.disabled) go.click();
  });
  const sheet = openSheet("middle", {
    title: say("me.erase_title"),
    near,
    body: [
      h("p", {}, say("me.erase_body")),
      h("label", { class: "field" }, h("span", {}, say("me.erase_type", { word })), input),
    ],
    foot: [button(say("page.cancel"), () => sheet.close()), go],
  });
  input.focus();
}

/** @param {HTMLDialogElement} sheet */
async function erase(sheet) {
  let erased;
  try {
    ({ erased } = await ask("DELETE", "/v1/users/me", { create: false }));
  } catch {
    toast(say("said.failed"));
    return;
  }
  sheet.close();
  forgetHere();
  const rows = Object.values(erased).reduce((sum, one) => sum + one, 0);
  const greeting = at("me-title").closest(".greeting");
  greeting.hidden = true;
  const farewell = state({
    art: "check",
    title: say("me.farewell"),
    body: say("me.farewell_body", { n: number(rows) }),
    extra: [linkButton(say("me.farewell_go"), "/", "solid")],
    level: "h1",
  });
  farewell.classList.add("state-page");
  farewell.id = "farewell";
  at("me").replaceWith(farewell);
  const title = farewell.querySelector("h1");
  title.tabIndex = -1;
  title.focus();
  scrollTo(0, 0);
}
