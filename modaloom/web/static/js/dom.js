// Elements without markup in strings: what comes from the shop is only ever text.

const SVG = "http://www.w3.org/2000/svg";

/** @typedef {Node|string|null|undefined|false} Child */

/**
 * An element. Properties that begin with `on` are listeners; `class`, `aria-*` and the like are attributes;
 * `style` is a table of custom properties.
 * @param {string} tag
 * @param {Record<string, any>} [given]
 * @param {...(Child|Child[])} children
 * @returns {any}
 */
export function h(tag, given = {}, ...children) {
  return fill(document.createElement(tag), given, children);
}

/**
 * The same for drawings.
 * @param {string} tag
 * @param {Record<string, any>} [given]
 * @param {...(Child|Child[])} children
 * @returns {SVGElement}
 */
export function svg(tag, given = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), given, children);
}

/** @param {any} element @param {Record<string, any>} given @param {(Child|Child[])[]} children */
function fill(element, given, children) {
  for (const [name, value] of Object.entries(given)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "style") for (const [key, one] of Object.entries(value)) element.style.setProperty(key, one);
    else if (name === "value") element.value = value;
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.flat().filter((one) => one !== null && one !== undefined && one !== false));
  return element;
}

/** @param {string} name of a symbol in the page's sprite @param {string} [kind] */
export function icon(name, kind = "") {
  const drawing = svg("svg", { class: `icon ${kind}`.trim(), "aria-hidden": "true", focusable: "false" });
  drawing.append(svg("use", { href: `#i-${name}` }));
  return drawing;
}

const WIDTHS = [160, 320, 640, 1080];

/**
 * A picture of the shop in the width that the screen needs.
 * @param {string} url
 * @param {string} alt
 * @param {{sizes?: string, eager?: boolean, width?: number, lost?: () => Node|string}} [how] `lost` makes what stands
 *   in its place where it cannot be had
 */
export function picture(url, alt, { sizes = "", eager = false, width = 320, lost = () => icon("image", "lost") } = {}) {
  const image = h("img", {
    alt,
    width: 4 * 80,
    height: 5 * 80,
    decoding: "async",
    loading: eager ? "eager" : "lazy",
    fetchpriority: eager ? "high" : null,
    onerror: () => image.replaceWith(lost()),
  });
  if (sizes) {
    image.sizes = sizes;
    image.srcset = WIDTHS.slice(1)
      .map((one) => `${url}?width=${one} ${one}w`)
      .join(", ");
  }
  image.src = `${url}?width=${width}`;
  return image;
}

/** @param {string} id @returns {any} */
export function at(id) {
  const found = document.getElementById(id);
  if (!found) throw new Error(`no element ${id}`);
  return found;
}

/** @param {string} itemId */
export const itemAddress = (itemId) => `/item/${encodeURIComponent(itemId)}`;

/** Whether the reader wants things to stand still. */
export const still = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

/**
 * Calls once things have been quiet.
 * @template {any[]} A
 * @param {(...values: A) => void} call
 * @param {number} waitMs
 */
export function settled(call, waitMs) {
  let timer = 0;
  return (/** @type {A} */ ...values) => {
    clearTimeout(timer);
    timer = setTimeout(() => call(...values), waitMs);
  };
}
