// Behind the counter: the catalogue, the service and the models. The key lives in this tab only.
import { ApiError, ask } from "./api.js";
import { say } from "./boot.js";
import { startChrome } from "./chrome.js";
import { at, h } from "./dom.js";
import { catalogue, service } from "./admin_health.js";
import { ADMIN_KEY, showDoor } from "./door.js";
import { models } from "./admin_models.js";
import { failure } from "./states.js";

const place = at("admin");

/**
 * Asks with the admin's key.
 * @param {string} method
 * @param {string} path
 * @param {import("./api.js").Asked} [asked]
 */
function asAdmin(method, path, asked = {}) {
  return ask(method, path, { ...asked, key: sessionStorage.getItem(ADMIN_KEY) ?? "", create: false });
}

/** @param {string} [fault] */
function door(fault = "") {
  const onKey = (/** @type {string} */ key) => {
    sessionStorage.setItem(ADMIN_KEY, key);
    enter();
  };
  showDoor(place, { label: say("admin.key"), hint: say("admin.key_sub"), fault, onKey, id: "admin-key" });
}

function leave() {
  sessionStorage.removeItem(ADMIN_KEY);
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
      sessionStorage.removeItem(ADMIN_KEY);
      door(say("admin.wrong"));
    } else place.replaceChildren(failure(error, enter));
  }
}

startChrome();
if (sessionStorage.getItem(ADMIN_KEY)) enter();
else door();
