// New pieces: what to expect of them, and the older pieces that say so.
import { boot, number, percent, say } from "./boot.js";
import { h, icon, itemAddress, picture } from "./dom.js";
import { look, openDesk } from "./desk.js";
import { state } from "./states.js";
import { trendSpark } from "./trend_spark.js";
import { dateOf, inSteps, nameOf, shareOf } from "./trend_words.js";

const MOST = 60;

/** @param {any} told @param {any} overview */
function entry({ arrival, card, neighbours }, { period }) {
  const title = card?.title ?? nameOf(arrival);
  const most = Math.max(...arrival.mean, 0);
  const week = arrival.mean.indexOf(most) + 1;
  const spoken = say("page.named", { name: title, value: say(`arrivals.${inSteps(period, "curve")}`, { most: shareOf(most) }) });
  const image = card?.picture ? picture(card.picture, "", { sizes: "(min-width: 900px) 12vw, 30vw" }) : h("span", { class: "no-piece" }, icon("image"));
  return h(
    "li",
    { class: "arrival" },
    h("a", { class: "arrival-picture", href: itemAddress(arrival.item_id), tabindex: "-1", "aria-hidden": "true" }, image),
    h(
      "div",
      { class: "arrival-body" },
      h("p", { class: "eyebrow" }, say("arrivals.released", { date: dateOf(arrival.released) })),
      h("h2", {}, h("a", { href: itemAddress(arrival.item_id) }, title)),
      h("p", { class: "arrival-rank" }, say("arrivals.rank", { share: percent(arrival.rank) })),
      trendSpark({ shares: [], level: [], mean: arrival.mean, lower: arrival.lower, upper: arrival.upper }, spoken),
      h("p", { class: "hint" }, say(`arrivals.${inSteps(period, "peak")}`, { share: shareOf(most), n: number(week) })),
      neighbours.length
        ? h("div", { class: "arrival-like" }, h("span", { class: "hint" }, say("arrivals.like")), neighbours.map(neighbour))
        : null,
    ),
  );
}

/** @param {{item_id: string, title: string, picture: string|null}} one */
function neighbour({ item_id: id, title, picture: url }) {
  return h("a", { href: itemAddress(id), "aria-label": title, title }, url ? picture(url, "", { width: 160 }) : icon("image"));
}

openDesk(async () => {
  const { arrivals, overview } = await look("/v1/trends/arrivals", { n: MOST, language: boot.language });
  if (!arrivals.length) return [state({ art: "arrivals", title: say("arrivals.none_title"), body: say("arrivals.none_body") })];
  return [h("ul", { class: "arrivals" }, arrivals.map((/** @type {any} */ one) => entry(one, overview)))];
});
