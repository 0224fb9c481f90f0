// Keeps the page's own files and one page for the time without network. Answers of the API are never kept.
const VERSION = new URL(self.location.href).searchParams.get("version") ?? "0";
const FILES = `modaloom-files-${VERSION}`;
const PAGES = "modaloom-pages";
const OFFLINE = "/offline";

self.addEventListener("install", (event) => {
  event.waitUntil(keepOffline().then(() => self.skipWaiting()));
});

self.addEventListener("activate", (event) => {
  event.waitUntil(
    caches
      .keys()
      .then((names) => Promise.all(names.filter((name) => name !== FILES && name !== PAGES).map((name) => caches.delete(name))))
      .then(() => self.clients.claim()),
  );
});

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== "GET" || url.origin !== self.location.origin) return;
  if (request.mode === "navigate") event.respondWith(page(request));
  else if (url.pathname.startsWith("/static/")) event.respondWith(file(request));
});

// With the files that it names: a reader may lose the network on the first page, whose files no worker has seen.
async function keepOffline() {
  const answer = await fetch(OFFLINE);
  if (!answer.ok) throw new Error(String(answer.status));
  const html = await answer.clone().text();
  const named = Array.from(html.matchAll(/(?:src|href)="(\/static\/[^"]+)"/g), ([, address]) => address);
  await (await caches.open(FILES)).addAll([...new Set(named)]);
  await (await caches.open(PAGES)).put(OFFLINE, answer);
}

async function page(request) {
  try {
    const answer = await fetch(request);
    if (!(await caches.match(OFFLINE))) keepOffline().catch(() => {});
    return answer;
  } catch {
    return (await caches.match(OFFLINE)) ?? Response.error();
  }
}

async function file(request) {
  const kept = await caches.match(request);
  if (kept) return kept;
  const answer = await fetch(request);
  if (answer.ok) (await caches.open(FILES)).put(request, answer.clone());
  return answer;
}
