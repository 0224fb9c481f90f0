// What Modaloom knows about a shopper, and everything that they can do about it.
import { ApiError, ask, get } from "./api.js";
import { boot, named, number, readable, say } from "./boot.js";
import { setLanguage, setTheme, startChrome, theme } from "./chrome.js";
import { at, h, icon } from "./dom.js";
import { dataPanel } from "./erase.js";
import { linkButton, failure, state } from "./states.js";
import { tastesPanel } from "./tastes.js";
import { toast } from "./toast.js";
import { shareChart } from "./why.js";

const place = at("me");

/** @typedef {{personalise: boolean, chips: import("./tastes.js").Chip[], modalities: Record<string, number>,
 *   attributes: Record<string, string>, shown: Record<string, string>, counts: Record<string, number>}} Profile */
/** @typedef {Record<string, {granted: boolean, basis: string}>} Consents */

/** @param {string} title @param {string} sub @param {...(Node|null)} children */
function panel(title, sub, ...children) {
  return h("section", { class: "panel" }, h("div", { class: "panel-head" }, h("h2", {}, title), sub && h("p", { class: "hint" }, sub)), children);
}

/** @param {Profile} profile */
function looksAt({ modalities }) {
  const known = Object.keys(modalities).length > 0;
  return panel(
    say("me.looks_at"),
    say("me.looks_at_sub"),
    known ? shareChart(modalities, say("me.looks_at")) : h("p", { class: "soft" }, say("me.looks_at_none")),
  );
}

/** A fact as it can be read; of what was owned before, how many. @param {string} name @param {string} value */
function shown(name, value) {
  if (name === "wardrobe") return number(value.split(/\s+/).length);
  return name === "gender" ? named("gender", value) : readable(value);
}

/** @param {Profile} profile */
function told({ attributes, shown: inOurs }) {
  const rows = Object.entries(attributes).filter(([name]) => name !== "language");
  if (!rows.length) return null;
  return panel(
    say("me.told"),
    say("me.told_sub"),
    h(
      "dl",
      { class: "counts" },
      rows.map(([name, value]) => {
        const label = named("fact", name);
        const drop = h("button", { type: "button", class: "tool", "aria-label": say("me.forget", { name: label }) }, icon("close"));
        drop.addEventListener("click", async () => {
          try {
            show(await patch({ attributes: { [name]: null } }), await consents());
            toast(say("said.removed"));
          } catch {
            toast(say("said.failed"));
          }
        });
        return h("div", {}, h("dt", {}, label), h("dd", {}, shown(name, inOurs[name] ?? value), drop));
      }),
    ),
  );
}

/** @param {Profile} profile */
function kept({ counts }) {
  const rows = Object.entries(counts).map(([name, n]) =>
    h("div", {}, h("dt", {}, named("me", name)), h("dd", {}, number(n))),
  );
  return panel(say("me.counts"), "", h("dl", { class: "counts" }, rows));
}

/**
 * @param {string} purpose
 * @param {Consents} granted
 */
function consent(purpose, granted) {
  const box = h("input", { type: "checkbox", role: "switch", "data-consent": purpose });
  const why = granted[purpose].basis === "shop" ? "research_sub_shop" : `${purpose}_sub`;
  box.checked = granted[purpose].granted;
  box.addEventListener("change", async () => {
    const on = box.checked;
    if (purpose === "photos" && !on && !confirm(say("me.photos_confirm"))) {
      box.checked = true;
      return;
    }
    try {
      await ask("PUT", "/v1/users/me/consents", { json: { purpose, granted: on } });
      toast(say("said.kept"));
    } catch {
      box.checked = !on;
      toast(say("said.failed"));
    }
  });
  return h("label", { class: "switch" }, h("span", {}, named("me", purpose)), box, h("span", { class: "hint" }, named("me", why)));
}

/** @param {Consents} granted */
function consentsPanel(granted) {
  const rows = ["personalise", "photos", "research"].map((purpose) => consent(purpose, granted));
  return panel(say("me.consent"), "", h("div", { class: "rows" }, rows));
}

function settingsPanel() {
  /** @type {[string, string][]} */
  const languages = [
    ["en", "English"],
    ["zh", "中文"],
  ];
  const language = choice(say("me.language"), languages, boot.language, setLanguage);
  const looks = choice(
    say("theme.label"),
    [
      ["", say("theme.auto")],
      ["light", say("theme.light")],
      ["dark", say("theme.dark")],
    ],
    theme(),
    setTheme,
  );
  return panel(say("me.settings"), "", h("div", { class: "pair" }, language, looks));
}

/**
 * @param {string} label
 * @param {[string, string][]} options
 * @param {string} now
 * @param {(value: string) => void} choose
 */
function choice(label, options, now, choose) {
  const select = h(
    "select",
    { class: "select" },
    options.map(([value, text]) => h("option", { value }, text)),
  );
  select.value = now;
  select.addEventListener("change", () => choose(select.value));
  return h("label", { class: "field" }, h("span", {}, label), select);
}

/** @param {unknown} json @returns {Promise<Profile>} */
function patch(json) {
  return ask("PATCH", "/v1/users/me/profile", { json, query: { language: boot.language } });
}

/** @returns {Promise<Consents>} */
async function consents() {
  const told = await get("/v1/users/me/consents");
  return Object.fromEntries(told.consents.map((/** @type {{purpose: string}} */ one) => [one.purpose, one]));
}

/** @param {Profile} profile @param {Consents} granted */
function show(profile, granted) {
  const again = (/** @type {Profile} */ changed) => show(changed, granted);
  place.replaceChildren(
    h("div", { class: "me-column" }, tastesPanel(profile.chips, again), looksAt(profile), kept(profile)),
    h("div", { class: "me-column" }, consentsPanel(granted), settingsPanel(), told(profile), dataPanel()),
  );
  place.setAttribute("aria-busy", "false");
}

function nobody() {
  place.replaceChildren(
    h(
      "div",
      { class: "me-column" },
      state({ art: "me", title: say("me.nobody_title"), body: say("me.nobody_body"), extra: [linkButton(say("me.nobody_go"), "/", "solid")] }),
    ),
    h("div", { class: "me-column" }, settingsPanel(), tastesPanel([], (profile) => load(profile))),
  );
  place.setAttribute("aria-busy", "false");
}

/** @param {Profile} [ready] */
async function load(ready) {
  if (!boot.known) {
    nobody();
    return;
  }
  try {
    const [profile, granted] = await Promise.all([
      ready ?? get("/v1/users/me/profile", { query: { language: boot.language } }),
      consents(),
    ]);
    show(profile, granted);
  } catch (error) {
    if (error instanceof ApiError && error.status === 401) nobody();
    else place.replaceChildren(failure(error, load));
    place.setAttribute("aria-busy", "false");
  }
}

startChrome();
load();
