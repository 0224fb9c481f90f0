// A demonstration's report: how far it is, and the pages that are ready.
import { say } from "./boot.js";
import { startChrome } from "./chrome.js";
import { at, h } from "./dom.js";

const EVERY_MS = 2_000;
const AT_WORK = ["waiting", "running"];

/**
 * @typedef {object} Step
 * @property {string} name
 * @property {string} file
 * @property {"waiting"|"running"|"ready"|"failed"} state
 * @property {number} done
 * @property {number} total
 * @property {string|null} error
 */

/** @param {Step} step */
function state(step) {
  if (step.state === "ready") return h("p", {}, h("a", { class: "button quiet", href: `/demo/${step.file}` }, say("demo.ready")));
  if (step.state === "failed") return h("p", { class: "note" }, say("demo.failed", { error: step.error ?? "" }));
  if (step.state === "waiting") return h("p", { class: "note" }, say("demo.waiting"));
  const { done, total } = step;
  if (!total) return h("p", { class: "note" }, say("demo.running"));
  const words = say("demo.running_of", { done, total });
  return h("p", { class: "note" }, h("progress", { max: total, value: done, "aria-label": words }), " ", words);
}

/** @param {Step} step */
function panel(step) {
  const title = h("h2", {}, say(`demo.${step.name}`));
  return h("section", { class: "panel", id: `step-${step.name}` }, title, h("p", {}, say(`demo.${step.name}_sub`)), state(step));
}

let before = "";

async function follow() {
  const answer = await fetch("/demo/progress.json", { cache: "no-store" }).catch(() => null);
  const text = answer?.ok ? await answer.text() : "";
  /** @type {Step[]} */
  const steps = text ? JSON.parse(text).steps : [];
  const working = !text || steps.some((step) => AT_WORK.includes(step.state));
  if (text && text !== before) {
    before = text;
    at("steps").replaceChildren(...steps.map(panel)); // only what changed, so that the focus stays where it is
    at("steps").setAttribute("aria-busy", String(working));
  }
  if (working) setTimeout(follow, EVERY_MS);
}

startChrome();
follow();
