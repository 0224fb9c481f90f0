// Everything that wants attention, the urgent first.
import { say } from "./boot.js";
import { h } from "./dom.js";
import { look, openDesk } from "./desk.js";
import { state } from "./states.js";
import { alertCard } from "./trend_alert.js";

const MOST = 200;

openDesk(async () => {
  const { alerts, overview } = await look("/v1/trends/alerts", { n: MOST });
  if (!alerts.length) return [state({ art: "check", title: say("alerts.none_title"), body: say("alerts.none_body") })];
  const parts = /** @type {[string, any[]][]} */ ([
    ["urgent", alerts.filter((/** @type {any} */ one) => one.urgent)],
    ["later", alerts.filter((/** @type {any} */ one) => !one.urgent)],
  ]);
  return parts
    .filter(([, listed]) => listed.length)
    .map(([name, listed]) =>
      h(
        "section",
        { class: "block-desk", "aria-labelledby": `h-${name}` },
        h("div", { class: "desk-section" }, h("h2", { id: `h-${name}` }, say(`alerts.${name}`))),
        h("ul", { class: "alert-list" }, listed.map((one) => alertCard(one, overview))),
      ),
    );
});
