// One trend in a list: its name, a piece that shows it, the curve, how much, how sure, and what is expected.
import { boot, number, say } from "./boot.js";
import { h, icon, picture } from "./dom.js";
import { trendSpark } from "./trend_spark.js";
import { betweenOf, changeOf, changeTold, dimensionInside, dimensionName, nameOf, outlookLine, shareOf, sureBar, trendAddress, verdictMark } from "./trend_words.js";

/** @param {any} trend */
export function trendCard(trend) {
  const name = nameOf(trend);
  const dimension = dimensionName(trend.dimension);
  const spoken = say("card.spark", { name, verdict: say(`verdict.${trend.verdict}`), share: shareOf(trend.share), change: changeTold(trend) });
  return h(
    "li",
    { class: `mover is-${trend.verdict}`, "data-trend": trend.id },
    h(
      "div",
      { class: "mover-head" },
      h(
        "div",
        { class: "mover-name" },
        h("p", { class: "eyebrow" }, dimension, trend.novel ? h("span", { class: "badge strong" }, say("card.novel")) : null),
        h("h3", {}, h("a", { href: trendAddress(trend.id) }, name)),
      ),
      pictures(trend.examples),
    ),
    trendSpark(trend.spark, spoken),
    h(
      "div",
      { class: "mover-figures" },
      h("p", { class: "figure-large", title: say("card.change") }, trend.change === null ? "–" : changeOf(trend.change), h("small", {}, betweenOf(trend))),
      h("p", { class: "figure-side", title: say("card.share_label") }, shareOf(trend.share), h("small", {}, say("card.share", { dimension: dimensionInside(trend.dimension) }))),
    ),
    h("div", { class: "mover-foot" }, h("div", { class: "mover-sure" }, h("span", { class: "marks" }, [trend.verdict, ...trend.also].map(verdictMark)), sureBar(trend.confidence)), outlookLine(trend.forecast, trend.abstained)),
    trend.segment ? h("p", { class: "hint" }, say("card.index", { index: number(Math.round(trend.segment.index)), name: trend.segment.names[boot.language] ?? trend.segment.value })) : null,
    trend.seen ? h("p", { class: "hint seen" }, icon("camera"), say("card.seen", { n: number(trend.seen) })) : null,
  );
}

/** @param {{picture: string|null, title: string}[]} examples */
function pictures(examples) {
  const known = examples.filter((one) => one.picture);
  if (!known.length) return null;
  const images = known.slice(0, 3).map((one) => picture(/** @type {string} */ (one.picture), "", { width: 160, lost: () => "" }));
  return h("div", { class: "mover-pictures", "aria-hidden": "true" }, images);
}
