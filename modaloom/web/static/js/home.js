// For you: the selection, what is new, what is trending.
import { get } from "./api.js";
import { boot, say } from "./boot.js";
import { startChrome } from "./chrome.js";
import { at } from "./dom.js";
import { loadFeedback } from "./feedback.js";
import { Filters } from "./filters.js";
import { CardList } from "./list.js";
import { clicked } from "./seen.js";

const SHELF = 12;
const FIRST = 17; // the large one takes four places

function greet() {
  const hour = new Date().getHours();
  const key = hour < 5 || hour >= 18 ? "evening" : hour < 12 ? "morning" : "day";
  at("greeting").textContent = say(`home.${key}`);
}

/** @param {string} place @param {Filters} [filters] @returns {import("./list.js").Fetcher} */
function fetcher(place, filters) {
  return (n, exclude) =>
    get("/v1/recommendations", {
      query: {
        place,
        n,
        exclude,
        language: boot.language,
        explore: place === "home" ? 0.05 : null,
        clicked: boot.known ? [] : clicked(),
        ...filters?.query(),
      },
    });
}

/** @param {import("./list.js").Listed} listed */
async function tell({ personal }) {
  at("lede").textContent = say(personal ? "home.lede_personal" : "home.lede_cold");
  if (personal || !boot.known) return;
  const { consents } = await get("/v1/users/me/consents").catch(() => ({ consents: [] }));
  const off = consents.some((/** @type {{purpose: string, granted: boolean}} */ one) => one.purpose === "personalise" && !one.granted);
  if (off) at("lede").textContent = say("home.lede_plain");
}

startChrome();
greet();
const filters = new Filters(at("filters"), () => forYou.load());
const forYou = new CardList(at("foryou"), fetcher("home", filters), { hero: true, more: true, n: FIRST, onLoad: tell });
forYou.load();
filters.load();
new CardList(at("new"), fetcher("new"), { kind: "shelf", n: SHELF, empty: () => null }).load();
new CardList(at("trending"), fetcher("trending"), { kind: "shelf", n: SHELF, empty: () => null }).load();
loadFeedback();
