// Something that wants attention, as a sentence and a way to look closer.
import { number, say } from "./boot.js";
import { h, icon } from "./dom.js";
import { dateOf, nameOf, shareOf, sureOf, trendAddress } from "./trend_words.js";

const ART = { change: "trends", novelty: "arrivals", unmet: "terms", break: "alerts" };

/** @param {any} alert */
export function alertSentence({ kind, before, after, count }) {
  const told = { before: before === null ? "–" : shareOf(before), after: after === null ? "–" : shareOf(after), n: count === null ? "–" : number(count) };
  if (kind === "change") return say((after ?? 0) >= (before ?? 0) ? "alerts.change_up" : "alerts.change_down", told);
  return say(`alerts.${kind}`, told);
}

/** @param {any} alert @param {any} overview */
export function alertCard(alert, overview) {
  const name = nameOf(alert);
  const known = alert.subject.includes("=") && alert.kind !== "unmet";
  const href = known ? trendAddress(alert.subject) : `/trends/terms?text=${encodeURIComponent(alert.subject)}`;
  const newest = overview.period.steps.at(-1);
  return h(
    "li",
    { class: `alert${alert.urgent ? " urgent" : ""}` },
    h("span", { class: "alert-art", "aria-hidden": "true" }, icon(ART[/** @type {keyof typeof ART} */ (alert.kind)] ?? "alerts")),
    h(
      "div",
      {},
      h("p", { class: "eyebrow" }, say(`alert_kind.${alert.kind}`), alert.step !== newest ? ` · ${say("alerts.since", { step: dateOf(alert.step) })}` : ""),
      h("h3", {}, h("a", { href }, name)),
      h("p", {}, alertSentence(alert)),
      h("p", { class: "hint" }, sureOf(alert.confidence)),
    ),
  );
}
