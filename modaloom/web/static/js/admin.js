// Behind the counter: the catalogue, the service and the models. The key lives in this tab only.
import { ApiError, ask } from "./api.js";
import { say } from "./boot.js";
import { startChrome } from "./chrome.js";
import { at, h } from "./dom.js";
import { catalogue, service } from "./admin_health.js";
import { models } from "./admin_models.js";
import { failure } from "./states.js";

const KEY = "modaloom.admin";
const place = at("admin");

/**
 * Asks with the admin's key.
 * @param {string} method
 * @param {string} path
 * @param {import("./api.js").Asked} [asked]
 */
function asAdmin(method, path, asked = {}) {
  return ask(method, path, { ...asked, key: sessionStorage.getItem(KEY) ?? "", create: false });
}

/** @param {string} [fault] */
function door(fault = "") {
  const input = h("input", { class: "input", type: "password", autocomplete: "off", required: true, id: "admin-key" });
  const told = h("p", { class: "fault", role: "alert" }, fault);
  const form = h(
    "form",
    { class: "panel door" },
    h("label", { class: "field" }, h("span", {}, say("admin.key")), input),
    h("p", { class: "hint" }, say("admin.key_sub")),
    told,
    h("button", { class: "button solid", type: "submit" }, say("admin.enter")),
  );
  form.addEventListener("submit", (/** @type {Event} */ event) => {
    event.preventDefault();
    sessionStorage.setItem(KEY, input.value.trim());
    enter();
  });
  place.replaceChildren(form);
  if (fault) input.focus();
}

function leave() {
  sessionStorage.removeItem(KEY);
  location.reload();
}

async function enter() {
  try {
    const [health, bundles] = await Promise.all([asAdmin("GET", "/v1/admin/health"), asAdmin("GET", "/v1/admin/bundles")]);
    const out = h("button", { type: "button", class: "button quiet", onclick: leave }, say("admin.leave"));
    place.replaceChildren(
      h("div", { class: "admin" }, catalogue(health), service(asAdmin), models(asAdmin, health, bundles)),
      h("p", { class: "admin-leave" }, out),
    );
  } catch (error) {
    if (error instanceof ApiError && (error.status === 401 || error.status === 403)) {
      sessionStorage.removeItem(KEY);
      door(say("admin.wrong"));
    } else place.replaceChildren(failure(error, enter));
  }
}

startChrome();
if (sessionStorage.getItem(KEY)) enter();
else door();
