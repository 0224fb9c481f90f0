// One trend: what it did, what it will do and how good such forecasts were, who is behind it, and what shows it.
import { ApiError } from "./api.js";
import { boot, named, number, percent, say } from "./boot.js";
import { at, h, icon, itemAddress, picture } from "./dom.js";
import { download, look, openDesk } from "./desk.js";
import { linkButton, state } from "./states.js";
import { alertCard } from "./trend_alert.js";
import { Chart } from "./trend_chart.js";
import { backTest, crowd, drivers, segments } from "./trend_behind.js";
import { changeOf, changeTold, dimensionInside, dimensionName, endsOf, inSteps, nameOf, outlookLine, shareOf, sureBar, sureOf, surePercent, verdictMark } from "./trend_words.js";

const id = at("desk").dataset.trend;
const address = `/v1/trends/${encodeURIComponent(id)}`;

/** What it does, in one sentence. @param {any} trend */
function verdictSentence(trend) {
  const seasonal = trend.peak ? "seasonal" : "season";
  const kind = trend.verdict === "seasonal" ? seasonal : trend.verdict;
  return say(`trend.says_${kind}`, { name: nameOf(trend), change: changeTold(trend), month: trend.peak ? say(`months.${trend.peak}`) : "" });
}

/** @param {any} trend */
function sentences(trend) {
  return [
    verdictSentence(trend),
    ...trend.also.map((/** @type {string} */ verdict) => say("trend.also", { verdict: say(`verdict.${verdict}`) })),
    trend.swing ? say("trend.swing", { times: number(trend.swing, { maximumFractionDigits: 1 }) }) : "",
    trend.novel ? say("trend.novel") : "",
    trend.seen ? say("trend.seen", { n: number(trend.seen) }) : "",
  ].filter(Boolean);
}

/** @param {any} overview @param {any} trend */
function head({ period }, trend) {
  const exports = /** @type {[string, string][]} */ ([["csv", "series.csv"], ["png", "chart.png"], ["svg", "chart.svg"]]);
  return h(
    "header",
    { class: "trend-head" },
    h(
      "div",
      {},
      h("p", { class: "eyebrow" }, dimensionName(trend.dimension)),
      h("h1", {}, nameOf(trend)),
      h("p", { class: "trend-marks" }, verdictMark(trend.verdict), trend.also.map(verdictMark)),
      h("p", { class: "lede" }, sentences(trend).join(boot.language === "zh" ? "" : " ")),
    ),
    h(
      "div",
      { class: "desk-buttons", role: "group", "aria-label": say("trend.export") },
      exports.map(([name, file]) =>
        h("button", { type: "button", class: `button quiet${name === "svg" ? " only-wide" : ""}`, onclick: () => download(`${address}/${file}`, { language: boot.language }) }, icon("download"), say(`trend.${name}`)),
      ),
    ),
    figures(period, trend),
  );
}

/** @param {any} period @param {any} trend */
function figures(period, trend) {
  const { outlook } = trend;
  const cell = (/** @type {string} */ name, /** @type {string} */ value, /** @type {Node|string} */ sub) =>
    h("div", { class: "key" }, h("dt", {}, say(`trend.${name}`)), h("dd", {}, h("b", {}, value), h("span", { class: "hint" }, sub)));
  const ahead = outlook?.change ?? null;
  const ends = endsOf(trend);
  return h(
    "dl",
    { class: `keys is-${trend.verdict}` },
    cell("now", shareOf(trend.share), say(`trend.${inSteps(period, "now_sub")}`, { dimension: dimensionInside(trend.dimension) })),
    cell(
      "change",
      trend.change === null ? "–" : changeOf(trend.change),
      ends ? say("trend.change_sub", ends) : say("verdict.unknown"),
    ),
    cell("confidence", sureOf(trend.confidence), h("span", {}, sureBar(trend.confidence, surePercent(trend.confidence)), say("trend.confidence_sub"))),
    ahead === null
      ? cell("outlook", "–", outlookLine(null, outlook?.abstained ?? null))
      : cell("outlook", changeOf(ahead), say(`trend.${inSteps(period, "outlook_sub")}`, { n: outlook.steps.length })),
    cell("size", say("trend.size_value", { n: number(trend.shoppers) }), say("trend.size_sub", { events: number(trend.events), items: number(trend.items) })),
  );
}

/** History, level, forecast with its band, and what was forecast in the newest test. @param {any} overview @param {any} trend */
function chartOf({ period, level }, trend) {
  const { outlook } = trend;
  const ahead = outlook?.steps ?? [];
  const steps = [...period.steps, ...ahead];
  const test = outlook?.back_test;
  const placeOf = (/** @type {string} */ step) => Math.max(0, steps.indexOf(step));
  const lines = [{ name: say("chart.series"), kind: "noise", from: 0, values: trend.series }];
  if (trend.level.length) lines.push({ name: say("chart.level"), kind: "level", from: 0, values: trend.level });
  if (test?.steps.length) lines.push({ name: say("chart.back_test"), kind: "test", from: placeOf(test.steps[0]), values: test.mean });
  if (ahead.length) {
    const name = say("page.joined", { name: say("chart.forecast"), more: say("chart.band", { level: percent(outlook.level ?? level) }) });
    lines.push(/** @type {any} */ ({ name, kind: "ahead", from: placeOf(ahead[0]), values: outlook.mean, band: outlook }));
  }
  return new Chart({
    label: say("chart.label", { name: nameOf(trend), start: period.start, end: steps.at(-1), says: verdictSentence(trend) }),
    steps,
    lines,
    now: ahead.length ? period.steps.length : undefined,
    marks: trend.change_points.map((/** @type {any} */ one) => ({
      place: placeOf(one.step),
      text: say("chart.jump", { before: shareOf(one.before), after: shareOf(one.after) }),
    })),
    stepName: say(period.step_days === 1 ? "chart.step_day" : "chart.step"),
  }).element;
}

/** @param {any[]} items */
function pieces(items) {
  const list = items.map((card) =>
    h(
      "li",
      {},
      h(
        "a",
        { class: "piece", href: itemAddress(card.item_id) },
        card.picture ? picture(card.picture, "", { sizes: "(min-width: 768px) 14vw, 30vw" }) : h("span", { class: "no-piece" }, icon("image")),
        h("span", {}, card.title),
      ),
    ),
  );
  return panel("items", items.length ? h("ul", { class: "pieces" }, list) : h("p", { class: "soft" }, say("trend.items_none")), "wide");
}

/** @param {string} name @param {Node|Node[]} body @param {string} [kind] */
const panel = (name, body, kind = "") => h("section", { class: `panel ${kind}`.trim() }, h("h2", {}, say(`trend.${name}`)), body);

openDesk(async () => {
  let told;
  try {
    told = await look(address, { language: boot.language });
  } catch (error) {
    if (!(error instanceof ApiError) || error.status !== 404) throw error;
    const back = linkButton(say("trend.back"), "/trends", "solid");
    return [state({ art: "trends", title: say("trend.gone_title"), body: say("trend.gone_body"), extra: [back], level: "h1" })];
  }
  const { overview, trend, items, gap, alerts } = told;
  document.title = `${nameOf(trend)} · ${boot.shop.name}`;
  const { outlook } = trend;
  const abstained = !outlook || outlook.abstained ? h("p", { class: "note" }, named("abstained", outlook?.abstained ?? "sparse")) : null;
  return [
    head(overview, trend),
    alerts.length ? h("ul", { class: "alert-strip" }, alerts.map((/** @type {any} */ one) => alertCard(one, overview))) : h("span", { hidden: true }),
    h(
      "div",
      { class: "trend-body" },
      panel("chart", [abstained, chartOf(overview, trend), h("p", { class: "hint only-pointer" }, say("trend.chart_hint"))].filter((one) => one !== null), "wide"),
      h("div", { class: "trend-column" }, panel("back_test", backTest(outlook, overview)), panel("segments", segments(overview, trend))),
      h(
        "div",
        { class: "trend-column" },
        gap ? panel("gap", gapPanel(gap)) : null,
        panel("drivers", drivers(trend)),
        trend.crowd ? panel("crowd", crowd(overview, trend)) : null,
      ),
      pieces(items),
    ),
  ];
});

/** @param {any} gap */
function gapPanel(gap) {
  const text = say("trend.gap_value", { demand: shareOf(gap.demand), assortment: shareOf(gap.assortment) });
  return [
    h("p", { class: "trend-marks" }, h("span", { class: `mark gap-${gap.state}` }, say(`gap_state.${gap.state}`)), text),
    h("p", {}, say("gaps.ratio", { ratio: number(gap.ratio, { maximumFractionDigits: 1 }) })),
    h("p", { class: "lede" }, named("advice", gap.advice)),
    linkButton(say("nav.gaps"), `/trends/gaps?text=${encodeURIComponent(nameOf(gap))}`, "quiet"),
  ];
}
