// What a shopper saved and owns; own photos only with consent.
import { ApiError, ask, get, part } from "./api.js";
import { boot, price, say } from "./boot.js";
import { emptyFrame } from "./card.js";
import { startChrome } from "./chrome.js";
import { at, h, icon, itemAddress, picture } from "./dom.js";
import { smaller } from "./photo.js";
import { openSheet } from "./sheet.js";
import { button, failure, linkButton, state } from "./states.js";
import { toast } from "./toast.js";

/** @typedef {{entry_id: string, item_id: string|null, title: string, photo: string|null, timestamp: number,
 *   card: import("./card.js").Card|null}} Entry */

const place = at("wardrobe");
const SIZES = "(min-width: 1280px) 18vw, (min-width: 768px) 30vw, 46vw";

/** A photo that only its owner may see: it is fetched with the page's key, which a plain picture cannot send. */
/** @param {string} url @param {string} title */
function privatePhoto(url, title) {
  const image = h("img", { alt: title, width: 320, height: 400 });
  fetch(url, { headers: { "X-API-Key": boot.key }, credentials: "same-origin" })
    .then((answer) => (answer.ok ? answer.blob() : Promise.reject(new Error("no photo"))))
    .then((blob) => {
      image.addEventListener("load", () => URL.revokeObjectURL(image.src), { once: true });
      image.src = URL.createObjectURL(blob);
    })
    .catch(() => image.replaceWith(emptyFrame()));
  return image;
}

/** @param {Entry} entry */
function entryOf(entry) {
  const { card } = entry;
  const title = card?.title ?? (entry.title || say("wardrobe.gone"));
  const frame = h(card ? "a" : "div", {
    class: "card-picture",
    href: card ? itemAddress(card.item_id) : null,
    tabindex: card ? "-1" : null,
    "aria-hidden": card ? "true" : null,
  });
  if (entry.photo) frame.append(privatePhoto(entry.photo, title));
  else frame.append(card?.picture ? picture(card.picture, "", { sizes: SIZES, lost: emptyFrame }) : emptyFrame());
  const remove = h("button", { class: "round", type: "button", "aria-label": say("wardrobe.remove", { title }) }, icon("close"));
  const own = entry.item_id ? null : h("p", { class: "badges" }, h("span", { class: "badge strong" }, say("wardrobe.yours")));
  const line = h(
    "li",
    { "data-entry": entry.entry_id },
    h(
      "article",
      { class: "card" },
      frame,
      own,
      h("div", { class: "card-tools" }, remove),
      h(
        "div",
        { class: "card-body" },
        h("h2", { class: "card-title" }, card ? h("a", { href: itemAddress(card.item_id) }, title) : title),
        card && card.price !== null ? h("p", { class: "price" }, price(card.price)) : null,
        card ? h("p", {}, h("a", { class: "link hint", href: `${itemAddress(card.item_id)}#h-goes` }, say("act.goes_with"))) : null,
      ),
    ),
  );
  remove.addEventListener("click", () => drop(entry, line));
  return line;
}

/** @param {Entry} entry @param {HTMLElement} line */
async function drop(entry, line) {
  line.classList.add("leaving");
  try {
    await ask("DELETE", `/v1/users/me/wardrobe/${part(entry.entry_id)}`);
  } catch {
    line.classList.remove("leaving");
    toast(say("said.failed"));
    return;
  }
  const back = async () => {
    await ask("POST", "/v1/users/me/wardrobe", { json: { item_id: entry.item_id } }).catch(() => toast(say("said.failed")));
    load();
  };
  toast(say("said.removed"), entry.item_id ? { undo: back } : {});
  await load();
  place.querySelector("button")?.focus({ preventScroll: true });
}

function addButton() {
  const add = h(
    "button",
    { type: "button", class: "add-own", "aria-haspopup": "dialog" },
    icon("camera"),
    h("b", {}, say("wardrobe.add")),
    h("span", { class: "hint" }, say("wardrobe.add_sub")),
  );
  add.addEventListener("click", () => addOwn(add));
  return add;
}

/** Asks for consent where there is none, then for the garment. @param {HTMLElement} near */
async function addOwn(near) {
  const nothing = { consents: [] };
  const { consents } = boot.known ? await get("/v1/users/me/consents").catch(() => nothing) : nothing;
  const granted = consents.some((/** @type {{purpose: string, granted: boolean}} */ one) => one.purpose === "photos" && one.granted);
  if (granted) {
    addForm(near);
    return;
  }
  const yes = button(
    say("wardrobe.consent_yes"),
    async () => {
      try {
        await ask("PUT", "/v1/users/me/consents", { json: { purpose: "photos", granted: true } });
        sheet.close();
        addForm(near);
      } catch {
        toast(say("said.failed"));
      }
    },
    "solid",
  );
  const no = button(say("wardrobe.consent_no"), () => sheet.close());
  const sheet = openSheet("middle", {
    title: say("wardrobe.consent_title"),
    body: h("p", {}, say("wardrobe.consent_body")),
    foot: [no, yes],
    near,
  });
}

/** @param {HTMLElement} near */
function addForm(near) {
  /** @type {Blob|null} */
  let photo = null;
  const frame = h("div", { class: "pick-frame" }, icon("image"));
  const file = h("input", { type: "file", accept: "image/*", class: "unseen" });
  const name = h("input", { class: "input", maxlength: "200", placeholder: say("wardrobe.name_hint"), required: true });
  const fault = h("p", { class: "fault", role: "alert" });
  file.addEventListener("change", async () => {
    fault.textContent = "";
    try {
      photo = await smaller(file.files[0]);
      frame.replaceChildren(h("img", { src: URL.createObjectURL(photo), alt: "" }));
    } catch {
      photo = null;
      fault.textContent = say("search.not_a_picture");
    }
  });
  const form = h(
    "form",
    { class: "rows", novalidate: true },
    h("div", { class: "pick" }, frame, h("label", { class: "button quiet" }, file, icon("camera"), say("wardrobe.choose"))),
    h("label", { class: "field" }, h("span", {}, say("wardrobe.name")), name),
    fault,
    h("button", { class: "button solid", type: "submit" }, say("wardrobe.keep")),
  );
  form.addEventListener("submit", async (/** @type {Event} */ event) => {
    event.preventDefault();
    fault.textContent = !photo ? say("wardrobe.need_photo") : name.value.trim() ? "" : say("wardrobe.need_name");
    if (fault.textContent) return;
    const data = new FormData();
    data.set("file", /** @type {Blob} */ (photo), "photo.jpg");
    data.set("title", name.value.trim());
    data.set("language", boot.language);
    try {
      await ask("POST", "/v1/users/me/wardrobe/photo", { form: data });
    } catch (error) {
      const bad = error instanceof ApiError && error.code === "bad_picture";
      fault.textContent = say(bad ? "search.not_a_picture" : "said.failed");
      return;
    }
    sheet.close();
    toast(say("wardrobe.added"));
    load();
  });
  const sheet = openSheet("middle", { title: say("wardrobe.add_title"), body: form, near });
}

function empty() {
  return state({
    art: "wardrobe",
    title: say("wardrobe.empty_title"),
    body: say("wardrobe.empty_body"),
    extra: [
      h("div", { class: "photo-actions" }, linkButton(say("wardrobe.empty_go"), "/", "solid"), ownButton()),
    ],
  });
}

function ownButton() {
  const own = button(say("wardrobe.add"), () => addOwn(own));
  return own;
}

async function load() {
  try {
    /** @type {{entries: Entry[]}} */
    const { entries } = boot.known
      ? await get("/v1/users/me/wardrobe", { query: { language: boot.language } })
      : { entries: [] };
    const newest = [...entries].reverse();
    place.replaceChildren(
      entries.length ? h("ul", { class: "grid" }, h("li", {}, addButton()), newest.map(entryOf)) : empty(),
    );
  } catch (error) {
    if (error instanceof ApiError && error.status === 401) place.replaceChildren(empty());
    else place.replaceChildren(failure(error, load));
  }
  place.setAttribute("aria-busy", "false");
}

startChrome();
load();
