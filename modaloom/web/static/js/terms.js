// What shoppers type: new, rising, and what finds nothing; all spellings of a word together.
import { named, number, say } from "./boot.js";
import { h, icon, settled } from "./dom.js";
import { look, openDesk } from "./desk.js";
import { List } from "./trend_list.js";
import { chips, field, select } from "./trend_filters.js";
import { trendSpark } from "./trend_spark.js";
import { changeOf, dateOf, shareOf, sureOf } from "./trend_words.js";

const STATES = ["new", "rising", "falling", "steady"];
const UNANSWERED = "unanswered";
const ART = { new: "arrivals", rising: "rising", falling: "falling", steady: "stable" };
const WAIT_MS = 250;

const chosen = { state: "", language: "", text: new URLSearchParams(location.search).get("text") ?? "" };
const list = new List("terms", (more) =>
  look("/v1/trends/terms", {
    state: chosen.state === UNANSWERED ? "" : chosen.state,
    answered: chosen.state === UNANSWERED ? "false" : "",
    language: chosen.language,
    text: chosen.text,
    ...more,
  }),
  entry,
  { found: (n) => say("terms.found", { n }), none: [say("terms.none_title"), say("terms.none_body")] },
);

/** @param {any} term */
function entry(term) {
  const [, ...others] = term.spellings;
  const kind = { new: "rising", rising: "rising", falling: "falling", steady: "stable" }[/** @type {string} */ (term.state)] ?? "stable";
  const spark = { shares: term.series, level: [], mean: [], lower: [], upper: [] };
  const change = term.change === null ? "" : changeOf(term.change);
  const spoken = say("card.spark", { name: term.term, verdict: say(`term_state.${term.state}`), share: shareOf(term.share), change });
  const stock = { n: number(term.matches), stock: number(term.in_stock) };
  return h(
    "li",
    { class: `term is-${kind}${term.answered ? "" : " unmet"}` },
    h(
      "div",
      { class: "term-name" },
      h("h2", { lang: term.language === "zh" ? "zh-Hans" : term.language }, term.term),
      h("p", { class: "hint" }, named("language", term.language), " · ", say("terms.first", { date: dateOf(term.first_seen) })),
      others.length
        ? h("p", { class: "spellings" }, h("span", { class: "hint" }, `${say("terms.spellings")} `), others.map((/** @type {[string, number]} */ [text, n]) => h("span", { class: "spelling" }, text, h("small", {}, number(n)))))
        : null,
    ),
    h("div", { class: "term-curve" }, trendSpark(spark, spoken)),
    h(
      "div",
      { class: "term-figures" },
      h("p", { class: "figure-large" }, change || "–", h("small", {}, `${shareOf(term.share)} ${say("terms.share")}`)),
      h("p", { class: "hint" }, say("terms.searches", { n: number(term.searches), shoppers: number(term.shoppers) })),
    ),
    h(
      "div",
      { class: "term-state" },
      h("span", { class: `mark is-${kind}` }, iconOf(term.state), say(`term_state.${term.state}`)),
      term.state === "steady" ? null : h("span", { class: "hint" }, sureOf(term.confidence)),
      term.answered
        ? h("p", {}, h("a", { href: `/search?text=${encodeURIComponent(term.term)}`, "aria-label": say("page.named", { name: say("terms.open"), value: term.term }) }, say("terms.matches", stock)))
        : h("p", { class: "unmet-line" }, iconOf("none"), say("terms.none_match")),
    ),
  );
}

openDesk(async () => {
  const first = await list.load();
  const all = STATES.reduce((sum, name) => sum + (first.states[name] ?? 0), 0);
  const options = [
    ["", say("terms.all"), number(all)],
    [UNANSWERED, say("terms.unanswered"), number(first.unanswered)],
    ...STATES.map((name) => [name, say(`term_state.${name}`), number(first.states[name] ?? 0)]),
  ];
  const languages = [["", say("terms.any_language")], ...first.languages.map((/** @type {any} */ one) => [one.value, say("page.aside", { name: named("language", one.value), more: number(one.count) })])];
  const change = (/** @type {"state"|"language"|"text"} */ name) => (/** @type {string} */ value) => {
    chosen[name] = value;
    list.load();
  };
  return [
    h(
      "div",
      { class: "desk-filters" },
      chips(say("terms.state"), options, "", change("state")),
      field(say("terms.search"), chosen.text, settled(change("text"), WAIT_MS)),
      first.languages.length > 1 ? select(say("terms.language"), languages, "", change("language")) : null,
    ),
    list.element,
  ];
});

/** @param {string} name */
function iconOf(name) {
  return icon(ART[/** @type {keyof typeof ART} */ (name)] ?? "close");
}
