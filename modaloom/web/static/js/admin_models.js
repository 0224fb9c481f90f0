// The bundles that answer, their share of the shoppers, and how they compare.
import { ApiError } from "./api.js";
import { day, number, percent, say } from "./boot.js";
import { h } from "./dom.js";
import { interval } from "./sparkline.js";
import { button } from "./states.js";
import { toast } from "./toast.js";

const DAYS = 28;

/**
 * @param {import("./admin_health.js").AsAdmin} asAdmin
 * @param {any} health
 * @param {{bundles: string[], traffic: Record<string, number>}} loaded
 */
export function models(asAdmin, health, loaded) {
  const box = h("section", { class: "panel wide" });
  const show = (/** @type {{bundles: string[], traffic: Record<string, number>}} */ now) => {
    box.replaceChildren(
      h("h2", {}, say("admin.models")),
      traffic(asAdmin, health, now, show),
      loader(asAdmin, show),
      comparison(asAdmin, now),
    );
  };
  show(loaded);
  return box;
}

/**
 * @param {import("./admin_health.js").AsAdmin} asAdmin
 * @param {any} health
 * @param {{bundles: string[], traffic: Record<string, number>}} loaded
 * @param {(now: any) => void} show
 */
function traffic(asAdmin, health, loaded, show) {
  const inputs = new Map();
  const rows = loaded.bundles.map((name) => {
    const input = h("input", { class: "input share", type: "number", min: "0", max: "100", step: "1", "aria-label": say("admin.share", { name }) });
    input.value = String(Math.round((loaded.traffic[name] ?? 0) * 100));
    inputs.set(name, input);
    const known = health.bundles[name] ?? {};
    const figures = Object.entries(known.validation ?? {})
      .filter(([, value]) => typeof value === "number" && value <= 1)
      .map(([metric, value]) => `${metric} ${number(/** @type {number} */ (value), { maximumFractionDigits: 3 })}`)
      .join(" · ");
    return h(
      "li",
      { class: "bundle" },
      h("div", {}, h("h3", {}, name), h("p", { class: "hint" }, [known.learned_at ? say("admin.learned", { date: day(known.learned_at) }) : "", figures].filter(Boolean).join(" · "))),
      h("div", { class: "share-box" }, input, h("span", { "aria-hidden": "true" }, "%"), loaded.traffic[name] ? null : remover(asAdmin, name, show)),
    );
  });
  const fault = h("p", { class: "fault", role: "alert" });
  const save = button(say("admin.save"), async () => {
    const shares = Object.fromEntries([...inputs].map(([name, input]) => [name, Number(input.value) / 100]));
    const sum = Object.values(shares).reduce((total, one) => total + one, 0);
    fault.textContent = Math.abs(sum - 1) > 0.001 ? say("admin.sum") : "";
    if (fault.textContent) return;
    try {
      show(await asAdmin("PUT", "/v1/admin/traffic", { json: { shares } }));
      toast(say("admin.saved"));
    } catch (error) {
      fault.textContent = error instanceof ApiError ? error.message : say("said.failed");
    }
  });
  return h("div", { class: "rows" }, h("h3", {}, say("admin.traffic")), h("ul", { class: "bundles" }, rows), fault, save);
}

/** @param {import("./admin_health.js").AsAdmin} asAdmin @param {string} name @param {(now: any) => void} show */
function remover(asAdmin, name, show) {
  const out = button(
    say("admin.remove"),
    async () => {
      try {
        show(await asAdmin("DELETE", `/v1/admin/bundles/${encodeURIComponent(name)}`));
        toast(say("admin.removed"));
      } catch (error) {
        toast(error instanceof ApiError ? error.message : say("said.failed"));
      }
    },
    "quiet",
  );
  out.setAttribute("aria-label", say("admin.remove_name", { name }));
  return out;
}

/** @param {import("./admin_health.js").AsAdmin} asAdmin @param {(now: any) => void} show */
function loader(asAdmin, show) {
  const input = h("input", { class: "input", required: true, autocomplete: "off" });
  const fault = h("p", { class: "fault", role: "alert" });
  const form = h(
    "form",
    { class: "load-bundle" },
    h("label", { class: "field" }, h("span", {}, say("page.named", { name: say("admin.add"), value: say("admin.folder") })), input),
    h("button", { type: "submit", class: "button" }, say("admin.load")),
    fault,
  );
  form.addEventListener("submit", async (/** @type {Event} */ event) => {
    event.preventDefault();
    try {
      show(await asAdmin("POST", "/v1/admin/bundles", { json: { folder: input.value.trim() } }));
      toast(say("admin.loaded"));
    } catch (error) {
      fault.textContent = error instanceof ApiError ? error.message : say("said.failed");
    }
  });
  return form;
}

/** @param {import("./admin_health.js").AsAdmin} asAdmin @param {{bundles: string[], traffic: Record<string, number>}} loaded */
function comparison(asAdmin, { bundles, traffic: shares }) {
  const box = h("div", { class: "rows" });
  const against = [...bundles].sort((one, other) => (shares[other] ?? 0) - (shares[one] ?? 0))[0] ?? "";
  const none = () => box.replaceChildren(h("h3", {}, say("admin.comparison")), h("p", { class: "soft" }, say("admin.comparison_none")));
  none();
  if (bundles.length < 2) return box;
  asAdmin("GET", "/v1/admin/comparison", { query: { against, days: DAYS } })
    .then(({ comparison: rows }) => {
      if (!rows.length) return;
      const most = Math.max(...rows.flatMap((/** @type {any} */ row) => [Math.abs(row.low), Math.abs(row.high)]));
      box.replaceChildren(
        h("h3", {}, say("admin.comparison")),
        h("p", { class: "hint" }, say("admin.comparison_sub", { name: against })),
        h("ul", { class: "bundles" }, rows.map((/** @type {any} */ row) => compared(row, most))),
      );
    })
    .catch(none);
  return box;
}

/** @param {any} row @param {number} most */
function compared(row, most) {
  const points = (/** @type {number} */ value) => number(value * 100, { maximumFractionDigits: 2, signDisplay: "exceptZero" });
  const verdict = row.low > 0 ? "better" : row.high < 0 ? "worse" : "open";
  const label = say("admin.interval", { name: row.bundle, difference: points(row.difference), low: points(row.low), high: points(row.high) });
  const shoppers = row.shoppers.map((/** @type {number} */ n) => number(n)).join(" / ");
  const figures = [
    `${say("admin.rate")} ${percent(row.rate[0], 2)} / ${percent(row.rate[1], 2)}`,
    say("page.aside", { name: `${say("admin.difference")} ${points(row.difference)}`, more: `${points(row.low)} … ${points(row.high)}` }),
    `${say("admin.shoppers")} ${shoppers}`,
  ];
  return h(
    "li",
    { class: `bundle ${verdict}` },
    h("div", {}, h("h3", {}, row.bundle), h("p", { class: "hint" }, figures.join(" · "))),
    interval(row, most, label),
    h("b", { class: "verdict" }, say(`admin.${verdict}`)),
  );
}
