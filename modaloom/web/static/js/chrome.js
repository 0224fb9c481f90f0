// What stands around every screen: language, light and dark, the demo's shoppers, the network.
import { ask, become, get } from "./api.js";
import { boot, say } from "./boot.js";
import { at, h } from "./dom.js";
import { forgetClicked } from "./seen.js";
import { toast } from "./toast.js";

const YEAR_S = 31_536_000;
const THEME = "modaloom_theme";
const PLACE = "modaloom.place";

/** @param {string} name @param {string} value */
function remember(name, value) {
  document.cookie = `${name}=${value}; path=/; max-age=${value ? YEAR_S : 0}; samesite=lax`;
}

/** The chosen theme; nothing where the device decides. */
export const theme = () => document.documentElement.dataset.theme ?? "";

/** @param {string} chosen `light`, `dark`, or nothing for the device's */
export function setTheme(chosen) {
  remember(THEME, chosen);
  if (chosen) document.documentElement.dataset.theme = chosen;
  else delete document.documentElement.dataset.theme;
}

/** @param {string} language */
export async function setLanguage(language) {
  remember("modaloom_language", language);
  const waits = [];
  if (boot.known) waits.push(ask("PATCH", "/v1/users/me/profile", { json: { language }, create: false }).catch(() => {}));
  if ("caches" in window) waits.push(caches.delete("modaloom-pages").catch(() => {}));
  await Promise.all(waits);
  const address = new URL(location.href);
  address.searchParams.delete("language");
  location.replace(address);
}

function lightAndDark() {
  at("theme").addEventListener("click", () => {
    const dark = theme() ? theme() === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    setTheme(dark ? "light" : "dark");
  });
}

function languageLink() {
  const link = document.getElementById("language");
  link?.addEventListener("click", (event) => {
    event.preventDefault();
    setLanguage(/** @type {HTMLAnchorElement} */ (link).hreflang);
  });
}

async function demoPlaces() {
  if (!boot.shop.demo) return;
  const { shoppers } = await get("/v1/demo/shoppers").catch(() => ({ shoppers: [] }));
  if (!shoppers.length) return;
  const now = boot.known ? (localStorage.getItem(PLACE) ?? "") : "";
  const select = h(
    "select",
    { class: "select small" },
    h("option", { value: "" }, say("demo.myself")),
    shoppers.map((/** @type {{user_id: string, label: string}} */ one) => h("option", { value: one.user_id }, one.label)),
  );
  select.value = now;
  if (select.selectedIndex < 0) select.value = "";
  select.addEventListener("change", async () => {
    try {
      await become(select.value || null);
    } catch {
      toast(say("said.failed"));
      return;
    }
    localStorage.setItem(PLACE, select.value);
    forgetClicked();
    location.reload();
  });
  at("demo").append(h("label", {}, h("span", {}, say("demo.label")), select));
}

function network() {
  const bar = at("offline-bar");
  const show = () => {
    bar.hidden = navigator.onLine;
  };
  addEventListener("offline", show);
  addEventListener("online", () => {
    show();
    toast(say("offline.back"));
  });
  show();
}

/** Forgets what this browser remembers of a shopper. */
export function forgetHere() {
  localStorage.removeItem(PLACE);
  localStorage.removeItem("modaloom.searches");
  forgetClicked();
  boot.known = false;
}

/** Starts what every screen has. */
export function startChrome() {
  lightAndDark();
  languageLink();
  demoPlaces();
  network();
  if ("serviceWorker" in navigator && isSecureContext) {
    navigator.serviceWorker.register(`/service-worker.js?version=${boot.version}`).catch(() => {});
  }
}
