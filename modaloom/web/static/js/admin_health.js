// Figures of the catalogue and of the running service.
import { named, number, percent, say } from "./boot.js";
import { h } from "./dom.js";
import { sparkline } from "./sparkline.js";
import { bar } from "./why.js";

const EVERY_MS = 3_000;
const KEPT = 60;

/** @typedef {(method: string, path: string, asked?: import("./api.js").Asked) => Promise<any>} AsAdmin */

/** @param {string} label @param {number} value @param {string} [of] */
function figure(label, value, of = "") {
  return h("div", { class: "figure" }, h("dt", {}, label), h("dd", {}, number(value), of && h("small", {}, of)));
}

/** @param {any} health */
export function catalogue(health) {
  const all = Math.max(health.items, 1);
  const without = Object.entries(health.without).map(([name, n]) =>
    bar({ name: named("modality", name), value: `${number(n)} · ${percent(n / all, 1)}`, share: n / all }),
  );
  return h(
    "section",
    { class: "panel" },
    h("h2", {}, say("admin.catalogue")),
    h(
      "dl",
      { class: "figures" },
      figure(say("admin.items"), health.items),
      figure(say("admin.in_stock"), health.in_stock, percent(health.in_stock / all)),
      figure(say("admin.new_items"), health.new_since_learning),
      figure(say("admin.never_sold"), health.never_sold),
      figure(say("admin.waiting"), health.waiting),
    ),
    h("h3", {}, say("admin.without")),
    h("ul", { class: "bars wide", "aria-label": say("admin.without") }, without),
  );
}

/** Figures that are drawn: name of the sentence, how to read it, digits. @type {[string, (told: any) => number|null, number][]} */
const TRENDS = [
  ["requests", (told) => told.requests_per_s, 1],
  ["p50", (told) => told.latency_ms.p50, 1],
  ["p99", (told) => told.latency_ms.p99, 1],
  ["errors", (told) => told.errors_per_s, 2],
  ["events", (told) => told.events_per_s, 1],
  ["memory", (told) => told.memory_mb, 0],
];

/** @param {AsAdmin} asAdmin */
export function service(asAdmin) {
  /** @type {Record<string, (number|null)[]>} */
  const past = Object.fromEntries(TRENDS.map(([name]) => [name, []]));
  const tiles = h("div", { class: "trends" });
  const routes = h("tbody");
  const look = async () => {
    if (!tiles.isConnected && past.requests.length) return;
    setTimeout(look, EVERY_MS);
    if (document.hidden) return;
    const told = await asAdmin("GET", "/v1/admin/metrics").catch(() => null);
    if (!told) return;
    tiles.replaceChildren(...TRENDS.map((trend) => tile(trend, told, past)));
    routes.replaceChildren(...told.routes.slice(0, 8).map(routeRow));
  };
  look();
  return h(
    "section",
    { class: "panel wide" },
    h("div", { class: "panel-head" }, h("h2", {}, say("admin.service")), h("p", { class: "hint" }, say("admin.live"))),
    tiles,
    h(
      "div",
      { class: "scroll", tabindex: "0", role: "region", "aria-label": say("admin.routes") },
      h(
        "table",
        { class: "routes" },
        h("caption", { class: "unseen" }, say("admin.routes")),
        h("thead", {}, h("tr", {}, [say("admin.route"), say("admin.per_s"), say("admin.p50"), say("admin.p99")].map((text) => h("th", { scope: "col" }, text)))),
        routes,
      ),
    ),
  );
}

/** @param {[string, (told: any) => number|null, number]} trend @param {any} told @param {Record<string, (number|null)[]>} past */
function tile([name, read, digits], told, past) {
  const value = read(told);
  past[name].push(value);
  past[name] = past[name].slice(-KEPT);
  const shown = value === null ? "–" : number(value, { maximumFractionDigits: digits, minimumFractionDigits: digits });
  const label = named("admin", name);
  return h("div", { class: "trend" }, h("p", { class: "hint" }, label), h("p", { class: "trend-value" }, shown), sparkline(past[name], label, shown));
}

/** @param {{route: string, requests_per_s: number, p50: number|null, p99: number|null}} route */
function routeRow(route) {
  const cell = (/** @type {number|null} */ value) =>
    h("td", {}, value === null ? "–" : number(value, { maximumFractionDigits: 1, minimumFractionDigits: 1 }));
  const parts = route.route.split(/(?<=[/_])/).flatMap((part) => [part, h("wbr")]);
  return h("tr", {}, h("th", { scope: "row" }, parts), cell(route.requests_per_s), cell(route.p50), cell(route.p99));
}
