// The public API, and nothing else. A shopper is made at the first deliberate act, not before.
import { boot } from "./boot.js";

/** What went wrong, as the API tells it. */
export class ApiError extends Error {
  /** @param {number} status @param {string} code @param {string} message @param {string} [requestId] */
  constructor(status, code, message, requestId = "") {
    super(message);
    this.status = status;
    this.code = code;
    this.requestId = requestId;
  }

  /** Whether no answer came at all. */
  get offline() {
    return this.status === 0;
  }
}

/** @typedef {Record<string, string|number|boolean|null|undefined|(string|number)[]>} Query */

/** @param {Query} query */
function queryText(query) {
  const pairs = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one !== null && one !== undefined && one !== "") pairs.append(name, String(one));
    }
  }
  const text = pairs.toString();
  return text ? `?${text}` : "";
}

/**
 * @typedef {object} Asked
 * @property {Query} [query]
 * @property {unknown} [json]
 * @property {FormData} [form]
 * @property {boolean} [create] whether an unknown shopper is made known for this
 * @property {string} [key] another key than the page's
 */

/**
 * Asks, and gives the JSON of the answer.
 * @param {string} method
 * @param {string} path
 * @param {Asked} [asked]
 * @returns {Promise<any>}
 */
export async function ask(method, path, asked = {}) {
  const { create = method !== "GET" } = asked;
  if (create && !boot.known && !asked.key) await becomeKnown();
  try {
    return await send(method, path, asked);
  } catch (error) {
    if (!(error instanceof ApiError) || !["no_shopper", "erased"].includes(error.code)) throw error;
    boot.known = false;
    if (!create) throw error;
    await becomeKnown();
    return send(method, path, asked);
  }
}

/** Longer than this nobody looks at a list that is still to come. */
const LONGEST_MS = 30_000;

/** @param {string} method @param {string} path @param {Asked} asked */
async function send(method, path, { query = {}, json, form, key = boot.key }) {
  /** @type {Record<string, string>} */
  const headers = { "X-API-Key": key };
  if (json !== undefined) headers["Content-Type"] = "application/json";
  const body = form ?? (json === undefined ? undefined : JSON.stringify(json));
  const patience = new AbortController();
  const timer = method === "GET" ? setTimeout(() => patience.abort(), LONGEST_MS) : 0;
  let answer, text;
  try {
    answer = await fetch(path + queryText(query), { method, headers, body, signal: patience.signal, credentials: "same-origin" });
    text = await answer.text();
  } catch {
    throw new ApiError(0, "offline", "no answer");
  } finally {
    clearTimeout(timer);
  }
  const told = text ? read(text) : {};
  if (answer.ok && told) return told;
  const { code = "unknown", message = "", request_id = "" } = told?.error ?? {};
  throw new ApiError(answer.status, code, message, request_id);
}

/** What an answer says; nothing where it is no JSON, as when something before the service answers in its place. @param {string} text */
function read(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** @type {Promise<void>|null} */
let becoming = null;

/** Makes an anonymous shopper; once, however many ask at the same time. */
function becomeKnown() {
  becoming ??= send("POST", "/v1/shoppers", { json: { language: boot.language } })
    .then(() => {
      boot.known = true;
    })
    .finally(() => {
      becoming = null;
    });
  return becoming;
}

/**
 * Takes the place of a demo shopper, or of a new one.
 * @param {string|null} userId
 */
export async function become(userId) {
  await send("POST", "/v1/shoppers", { json: userId ? { as: userId } : { language: boot.language } });
  boot.known = true;
}

/** @param {string} path @param {Asked} [asked] */
export const get = (path, asked) => ask("GET", path, asked);

/** @param {string} id */
export const part = (id) => encodeURIComponent(id);
