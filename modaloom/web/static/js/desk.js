// What every screen of the trend board has: the door, whether there is a board, its age, and files to take along.
import { ApiError, ask } from "./api.js";
import { boot, say } from "./boot.js";
import { startChrome } from "./chrome.js";
import { at, h, icon } from "./dom.js";
import { ADMIN_KEY, DESK_KEY, showDoor } from "./door.js";
import { openSheet } from "./sheet.js";
import { button, failure, state } from "./states.js";
import { toast } from "./toast.js";
import { dateOf } from "./trend_words.js";

const LOOK_AGAIN_MS = 4_000;
const place = at("desk");

const key = () => sessionStorage.getItem(DESK_KEY) ?? sessionStorage.getItem(ADMIN_KEY) ?? "";

/**
 * Asks with the key that opened the door.
 * @param {string} path
 * @param {import("./api.js").Query} [query]
 */
export const look = (path, query = {}) => ask("GET", path, { query, key: key(), create: false });

/** @typedef {{made_at: string|null, running: boolean, error: string|null, every_h: number, may_make: boolean}} BoardState */

/** @type {() => Promise<Node[]>} */
let screen;

/**
 * Opens a screen: the door where there is no key, what to do where there is no board, or what the screen shows.
 * @param {() => Promise<Node[]>} show
 */
export function openDesk(show) {
  screen = show;
  startChrome();
  if (key()) enter();
  else door();
}

function door(fault = "") {
  const onKey = (/** @type {string} */ given) => {
    sessionStorage.setItem(DESK_KEY, given);
    enter();
  };
  showDoor(place, { label: say("door.key"), hint: say("door.key_sub"), fault, onKey });
  place.setAttribute("aria-busy", "false");
}

async function enter() {
  try {
    /** @type {BoardState} */
    const now = await look("/v1/trends/state");
    if (now.may_make) sessionStorage.setItem(ADMIN_KEY, key());
    if (now.made_at) {
      const shown = await screen();
      tools(now);
      place.replaceChildren(...shown);
    } else nothingYet(now);
  } catch (error) {
    if (error instanceof ApiError && (error.status === 401 || error.status === 403)) {
      sessionStorage.removeItem(DESK_KEY);
      sessionStorage.removeItem(ADMIN_KEY);
      return door(say("board.wrong"));
    }
    place.replaceChildren(failure(error, enter));
  }
  place.setAttribute("aria-busy", "false");
}

/** How old the board is, a new one, and files. @param {BoardState} now */
function tools(now) {
  const box = document.getElementById("tools");
  if (!box) return;
  const told = now.running ? say("board.making") : say("board.made", { date: dateOf(now.made_at ?? "") });
  const files = h("button", { type: "button", class: "button quiet", "aria-haspopup": "dialog" }, icon("download"), say("board.export"));
  files.addEventListener("click", () => exportMenu(files));
  box.replaceChildren(
    h("p", { class: "hint", role: "status" }, told, now.error && !now.running ? h("span", { class: "fault" }, ` ${say("board.failed", { why: now.error })}`) : null),
    h("div", { class: "desk-buttons" }, now.may_make && !now.running ? button(say("board.remake"), remake, "quiet") : null, files),
  );
  if (now.running) setTimeout(enter, LOOK_AGAIN_MS);
}

/** @param {HTMLElement} near */
function exportMenu(near) {
  const screenPart = document.body.className.replace("screen-", "");
  const entries = /** @type {[string, string, import("./api.js").Query][]} */ ([
    ["csv", "/v1/trends/export", { format: "csv", part: screenPart }],
    ["json", "/v1/trends/export", { format: "json" }],
    ["report", "/v1/trends/report.html", { language: boot.language }],
    ["report_md", "/v1/trends/report.md", { language: boot.language }],
  ]);
  const menu = openSheet("menu", {
    title: say("board.export"),
    near,
    plain: true,
    body: entries.map(([name, path, query]) =>
      h("button", { type: "button", onclick: () => (menu.close(), download(path, query)) }, icon("download"), say(`board.${name}`)),
    ),
  });
}

/** @param {BoardState} now */
function nothingYet(now) {
  if (now.running) {
    place.replaceChildren(state({ art: "trends", title: say("board.busy_title"), body: say("board.busy_body") }));
    setTimeout(enter, LOOK_AGAIN_MS);
    return;
  }
  const by = now.may_make ? button(say("board.none_go"), remake, "solid") : h("p", { class: "hint" }, say("board.none_key"));
  const how = h("p", {}, say("board.none_how"), " ", h("code", {}, "modaloom trends STORE"));
  place.replaceChildren(
    state({
      art: "trends",
      title: say("board.none_title"),
      body: say("board.none_body"),
      extra: [
        now.every_h ? h("p", {}, say("board.none_auto", { n: now.every_h })) : null,
        how,
        now.error ? h("p", { class: "fault" }, say("board.failed", { why: now.error })) : null,
        by,
      ],
    }),
  );
}

async function remake() {
  try {
    await ask("POST", "/v1/admin/trends", { key: key(), create: false });
    toast(say("board.begun"));
  } catch {
    toast(say("said.failed"));
  }
  enter();
}

/**
 * Fetches a file with the key and hands it to the browser.
 * @param {string} path
 * @param {import("./api.js").Query} [query]
 */
export async function download(path, query = {}) {
  const pairs = new URLSearchParams(Object.entries(query).map(([name, value]) => [name, String(value)]));
  const answer = await fetch(`${path}?${pairs}`, { headers: { "X-API-Key": key() } }).catch(() => null);
  if (!answer?.ok) return toast(say("said.failed"));
  const name = /filename="([^"]+)"/.exec(answer.headers.get("content-disposition") ?? "")?.[1] ?? "trends";
  const url = URL.createObjectURL(await answer.blob());
  h("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
