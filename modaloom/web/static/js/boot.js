// What the server wrote into the page: the public key, the language, and every sentence.

/**
 * @typedef {object} Boot
 * @property {string} key
 * @property {"zh"|"en"} language
 * @property {string} version
 * @property {boolean} known
 * @property {{name: string, currency: string, page_size: number, demo: boolean}} shop
 * @property {Record<string, Record<string, string>>} messages
 */

const element = /** @type {HTMLElement} */ (document.getElementById("boot"));

/** @type {Boot} */
export const boot = JSON.parse(element.textContent ?? "{}");

/**
 * A sentence of the catalogue with its gaps filled.
 * @param {string} key such as `home.title`
 * @param {Record<string, string|number>} [values]
 * @returns {string}
 */
export function say(key, values = {}) {
  const [table, name] = key.split(".");
  const text = boot.messages[table]?.[name] ?? key;
  return text.replace(/\{(\w+)\}/g, (gap, word) => (word in values ? String(values[word]) : gap));
}

/**
 * The name of something that the shop may call as it likes; without a sentence for it, its own name.
 * @param {string} table
 * @param {string} name
 */
export function named(table, name) {
  return boot.messages[table]?.[name] ?? readable(name);
}

/**
 * A value as the shop wrote it, readable: `t_shirt` becomes `T shirt`.
 * @param {string} value
 */
export function readable(value) {
  const text = value.replaceAll("_", " ");
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** How figures and dates are written: as in the reader's own country where the browser says so and it has the page's language. */
export const locale = navigator.languages.find((one) => one.split("-")[0] === boot.language) ?? (boot.language === "zh" ? "zh-CN" : "en");

/** @param {number} value @param {Intl.NumberFormatOptions} [options] */
export function number(value, options = {}) {
  return new Intl.NumberFormat(locale, options).format(value);
}

/** @param {number} value from 0 to 1 @param {number} [digits] */
export function percent(value, digits = 0) {
  return number(value, { style: "percent", minimumFractionDigits: digits, maximumFractionDigits: digits });
}

/** @param {number} value */
export function price(value) {
  const digits = Number.isInteger(value) ? 0 : 2;
  const { currency } = boot.shop;
  const gap = /[a-z]$/i.test(currency) ? "\u00a0" : "";
  return currency + gap + number(value, { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

/** @param {number} seconds since 1970 UTC */
export function day(seconds) {
  return new Intl.DateTimeFormat(locale, { dateStyle: "medium" }).format(new Date(seconds * 1000));
}
