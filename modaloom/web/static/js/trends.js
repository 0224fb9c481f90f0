// The board from above: what rises, falls, comes and goes, or holds, each with how sure that is.
import { boot, named, number, say } from "./boot.js";
import { h, icon, settled } from "./dom.js";
import { look, openDesk } from "./desk.js";
import { alertCard } from "./trend_alert.js";
import { trendCard } from "./trend_card.js";
import { field, select, selectDimension } from "./trend_filters.js";
import { button, failure, linkButton, state } from "./states.js";
import { dateOf, inSteps } from "./trend_words.js";

/** @type {(keyof typeof FIRST)[]} */
const VERDICTS = ["rising", "falling", "seasonal", "stable", "unknown"];
const ORDERS = ["telling", "rising", "falling", "share", "sure", "forecast"];
const NARROW = matchMedia("(max-width: 767px)").matches;
const FIRST = { rising: NARROW ? 4 : 6, falling: NARROW ? 4 : 6, seasonal: 3, stable: NARROW ? 2 : 3, unknown: NARROW ? 2 : 3 };
const PAGE = 24;
const ALERTS = 3;
const WAIT_MS = 250;

/** What the address asks for; nothing that no list can answer. */
function asked() {
  const { verdict = "", dimension = "", segment = "", text = "", order = "" } = Object.fromEntries(new URLSearchParams(location.search));
  const known = /** @type {string[]} */ ([...ORDERS, "index"]);
  return {
    verdict: /** @type {string[]} */ (VERDICTS).includes(verdict) ? verdict : "",
    dimension,
    segment: segment.includes(":") ? segment : "",
    text: text.slice(0, 100),
    order: known.includes(order) ? order : "telling",
  };
}

/** What is chosen, as it stands in the address. */
const chosen = asked();
const box = h("div", { class: "movers", id: "movers" });
const counters = h("ul", { class: "counters", "aria-label": say("trends.verdicts") });
let turn = 0;

/** @param {Record<string, string|number>} [more] */
const query = (more = {}) => ({
  language: boot.language,
  dimension: chosen.dimension,
  segment: chosen.segment,
  text: chosen.text,
  verdict: chosen.verdict,
  order: chosen.order,
  ...more,
});

/** Remembers the choice in the address, so that it can be sent to somebody. */
function note() {
  const kept = Object.entries(chosen).filter(([name, value]) => value && !(name === "order" && value === "telling"));
  const text = new URLSearchParams(kept).toString();
  history.replaceState(null, "", text ? `?${text}` : location.pathname);
}

async function show() {
  const mine = ++turn;
  note();
  box.setAttribute("aria-busy", "true");
  try {
    const shown = chosen.verdict || chosen.text ? await oneList() : await sections();
    if (mine === turn) box.replaceChildren(...shown);
  } catch (error) {
    if (mine === turn) box.replaceChildren(failure(error, show));
  }
  if (mine === turn) box.setAttribute("aria-busy", "false");
}

/** A section for each verdict, with its first cards. */
async function sections() {
  const answers = await Promise.all(VERDICTS.map((verdict) => look("/v1/trends", query({ verdict, n: FIRST[verdict] }))));
  count(answers[0]);
  const made = VERDICTS.map((verdict, place) => {
    const { trends, total } = answers[place];
    if (!trends.length) return null;
    return h(
      "section",
      { class: "block-desk", "aria-labelledby": `h-${verdict}` },
      h(
        "div",
        { class: "desk-section" },
        h("h2", { id: `h-${verdict}`, class: `is-${verdict}` }, icon(verdict), say(`verdict.${verdict}`)),
        h("p", { class: "block-sub" }, say(`verdict_sub.${verdict}`)),
        total > trends.length ? button(say("trends.see_all", { n: number(total) }), () => choose("verdict", verdict), "quiet") : null,
      ),
      h("ul", { class: "desk-grid" }, trends.map(trendCard)),
    );
  }).filter((one) => one !== null);
  return made.length ? made : [nothing()];
}

/** All that pass the filters, page by page. */
async function oneList() {
  const answer = await look("/v1/trends", query({ n: PAGE }));
  count(answer);
  if (!answer.trends.length) return [nothing()];
  const list = h("ul", { class: "desk-grid" }, answer.trends.map(trendCard));
  const more = button("", async () => {
    const next = await look("/v1/trends", query({ n: PAGE, offset: list.children.length }));
    const first = next.trends.map(trendCard);
    list.append(...first);
    first[0]?.querySelector("a")?.focus({ preventScroll: true });
    rest(answer.total);
  });
  const rest = (/** @type {number} */ total) => {
    const left = total - list.children.length;
    more.hidden = left <= 0;
    more.textContent = say("trends.more", { n: number(left) });
  };
  rest(answer.total);
  return [h("p", { class: "hint", role: "status" }, say("trends.found", { n: number(answer.total) })), list, h("p", { class: "desk-more" }, more)];
}

function nothing() {
  const clear = linkButton(say("trends.clear"), "/trends");
  return state({ art: "filter", title: say("trends.none_title"), body: say("trends.none_body"), extra: [clear], compact: true });
}

/** How many of each verdict there are; a press shows only those. @param {any} answer */
function count({ verdicts }) {
  counters.replaceChildren(
    ...VERDICTS.map((verdict) =>
      h(
        "li",
        {},
        h(
          "button",
          {
            type: "button",
            class: `counter is-${verdict}`,
            "aria-pressed": String(chosen.verdict === verdict),
            onclick: () => choose("verdict", chosen.verdict === verdict ? "" : verdict),
          },
          h("span", { class: "counter-name" }, icon(verdict), say(`verdict.${verdict}`)),
          h("b", {}, number(verdicts[verdict] ?? 0)),
        ),
      ),
    ),
  );
}

/** @param {string} name @param {string} value */
function choose(name, value) {
  const had = document.activeElement?.closest(".counter");
  chosen[/** @type {keyof typeof chosen} */ (name)] = value;
  show().then(() => {
    if (had) /** @type {HTMLElement|null} */ (counters.querySelector("[aria-pressed=true]") ?? counters.querySelector("button"))?.focus({ preventScroll: true });
  });
}

/** @param {any} answer */
function filters({ dimensions, segments }) {
  const groups = [
    ["", say("trends.everybody")],
    ...segments.map((/** @type {any} */ one) => [`${one.kind}:${one.value}`, say("page.named", { name: named("kinds", one.kind), value: one.names[boot.language] ?? one.value })]),
  ];
  const orders = ORDERS.map((name) => [name, say(`order.${name}`)]);
  return h(
    "form",
    { class: "desk-filters", role: "search", onsubmit: (/** @type {Event} */ event) => event.preventDefault() },
    field(say("trends.search"), chosen.text, settled((/** @type {string} */ text) => choose("text", text), WAIT_MS)),
    selectDimension(dimensions, chosen.dimension, (value) => choose("dimension", value)),
    segments.length ? select(say("trends.segment"), groups, chosen.segment, (value) => {
      chosen.order = value ? "index" : "telling";
      choose("segment", value);
    }) : null,
    select(say("trends.order"), chosen.order === "index" ? [["index", say("order.index")], ...orders] : orders, chosen.order, (value) => choose("order", value)),
  );
}

/** @param {any} overview */
function period({ period: told, events, shoppers, items, k, hidden, like_for_like: like }) {
  const span = { n: number(told.steps.length), start: dateOf(told.start), end: dateOf(told.end) };
  const all = Object.values(events).reduce((sum, one) => sum + Number(one), 0);
  return h(
    "div",
    { class: "desk-period" },
    h("p", {}, say(`trends.${inSteps(told, "period")}`, span), " · ", say("trends.read", { events: number(all), shoppers: number(shoppers), items: number(items) })),
    h("p", { class: "hint" }, say("trends.privacy", { k: number(k), hidden: number(hidden) }), like ? ` ${say("trends.like_for_like")}` : ""),
  );
}

/** @param {any} overview */
const notes = ({ notes: keys, k }) => keys.map((/** @type {string} */ key) => h("p", { class: "note" }, named("notes", key).replace("{k}", number(k))));

openDesk(async () => {
  const [answer, { alerts }] = await Promise.all([look("/v1/trends", { n: 1 }), look("/v1/trends/alerts", { n: 60 })]);
  count(answer);
  await show();
  return [
    period(answer.overview),
    ...notes(answer.overview),
    counters,
    alerts.length ? strip(alerts, answer.overview) : h("span", { hidden: true }),
    filters(answer),
    box,
  ];
});

/** @param {any[]} alerts @param {any} overview */
function strip(alerts, overview) {
  return h(
    "section",
    { class: "strip", "aria-labelledby": "h-watch" },
    h(
      "div",
      { class: "desk-section" },
      h("h2", { id: "h-watch" }, say("trends.watch")),
      alerts.length > ALERTS ? h("a", { class: "button quiet", href: "/trends/alerts" }, say("trends.watch_all", { n: number(alerts.length) })) : null,
    ),
    h("ul", { class: "alert-strip" }, alerts.slice(0, ALERTS).map((one) => alertCard(one, overview))),
  );
}
