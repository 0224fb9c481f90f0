// The page for the time without network, shown at the address that could not be reached: tries again by itself.
import { startChrome } from "./chrome.js";
import { at } from "./dom.js";

const EVERY_MS = 4_000; // a network that says it is back often carries nothing yet, and a service may be away by itself

async function tryAgain() {
  if (!navigator.onLine) return;
  const answer = await fetch(location.href, { method: "HEAD", cache: "no-store" }).catch(() => null);
  if (answer?.ok) location.reload();
}

startChrome();
if (location.pathname !== "/offline") {
  at("retry").setAttribute("href", location.href);
  addEventListener("online", tryAgain);
  setInterval(tryAgain, EVERY_MS);
}
