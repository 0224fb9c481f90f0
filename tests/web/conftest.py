"""A real service on a small real bundle, and a real browser that notes everything that goes wrong."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

KEYS = {scope: f"{scope}-key-for-the-page-tests" for scope in ("page", "shop", "admin")}
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
PHONE, DESKTOP = 390, 1440


@dataclass(frozen=True)
class Running:
    """The service as the tests know it."""

    url: str
    app: Any
    folder: Path

    @property
    def store(self) -> Any:
        return self.app.state.service.store

    @property
    def live(self) -> Any:
        return self.app.state.service.live


@contextmanager
def start_service(bundle: Path, folder: Path) -> Iterator[Running]:
    """The real service on a free port; the only place that knows how it is made."""
    import uvicorn

    from modaloom.api.app import create_app
    from modaloom.api.middleware.logs import JsonLog
    from modaloom.api.settings import load_serve_settings
    from modaloom.api.workers.listening import bind
    from modaloom.config import load_settings
    from modaloom.shop.open import open_live_shop

    live = open_live_shop(bundle, f"sqlite:///{folder / 'shop.db'}", load_settings(), today=True)
    users = [user for (user,) in _rows(live.store)][:2]
    settings = load_serve_settings(
        page_keys=(KEYS["page"],),
        shop_keys=(KEYS["shop"],),
        admin_keys=(KEYS["admin"],),
        media_dir=folder / "media",
        demo_shoppers={user: f"Shopper {n}" for n, user in enumerate(users)},
        currency="¥",
        page_size=12,
        trends_every_h=0,  # or it would put its own board in the place of the tests'
        newcomers_per_s=1_000,
        newcomers_burst=10_000,
        address_per_s=10_000,
        address_burst=100_000,
        shopper_per_s=10_000,
        shopper_burst=100_000,
    )
    lines: list[str] = []
    app = create_app(live, settings, log=JsonLog(lines.append))
    app.state.lines = lines
    listener = bind("127.0.0.1", 0)
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, ws="none", lifespan="on"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    deadline_s = time.monotonic() + 30
    while not server.started and time.monotonic() < deadline_s:
        time.sleep(0.02)
    try:
        yield Running(f"http://localhost:{listener.getsockname()[1]}", app, folder)
    finally:
        server.should_exit = True
        thread.join(20)
        listener.close()
        live.close()
        live.store.close()


def _rows(store: Any) -> list[tuple[str]]:
    """Shoppers with a past, those with the longest first."""
    counts: dict[str, int] = {}
    for number in range(80):
        user = f"U{number:05d}"
        counts[user] = len(store.history(user, limit=100))
    return [(user,) for user in sorted(counts, key=lambda user: -counts[user]) if counts[user]]


@pytest.fixture(scope="session")
def service(sample_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with start_service(sample_bundle, tmp_path_factory.mktemp("page")) as running:
        yield running


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        if os.environ.get("CI"):
            pytest.fail("no Chromium is installed, and CI must not leave the page untested")
        pytest.skip("no Chromium is installed")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=path, args=list(ARGUMENTS))
        yield running
        running.close()


def add_version(route: Any) -> None:
    """The list that was asked for, whose first piece with a picture is there in red as well."""
    listed = route.fetch().json()
    first, second = [card for card in listed["items"] if card["picture"]][:2]
    first["swatches"] = [{key: second[key] for key in ("item_id", "title", "picture")} | {"colour": "Red"}]
    route.fulfill(json=listed)


@dataclass
class Watched:
    """A page, and everything about it that should not have happened."""

    page: Any
    url: str
    noted: list[str] = field(default_factory=list)
    wanted: list[str] = field(default_factory=list)

    def wants(self, *words: str) -> None:
        """Faults whose notice holds one of these words are meant, whenever it arrives: the browser tells them late."""
        self.wanted.extend(words)

    @property
    def faults(self) -> list[str]:
        """What no test asked for."""
        return [fault for fault in self.noted if not any(word in fault for word in self.wanted)]

    def open(self, path: str = "/") -> Any:
        """Goes to a screen and waits until nothing is loading any more."""
        self.page.goto(self.url + path)
        self.page.wait_for_selector("main [aria-busy=true]", state="detached")
        self.page.wait_for_load_state("networkidle")
        return self.page

    def settle(self) -> None:
        """Waits until everything that is being asked for is there."""
        self.page.wait_for_timeout(100)
        self.page.wait_for_selector("main [aria-busy=true]", state="detached")

    def shopper(self) -> str | None:
        """Who the browser is, from the API."""
        told = self.ask("GET", "/v1/users/me/profile")
        return told.get("user_id")

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """What the API answers to this browser."""
        return self.page.evaluate(
            """async ([method, path, body, key]) => {
                const headers = {"X-API-Key": key, "Content-Type": "application/json"};
                const text = body === null ? undefined : JSON.stringify(body);
                const answer = await fetch(path, {method, headers, body: text});
                return answer.json();
            }""",
            [method, path, body, KEYS["page"]],
        )

    def look_as(self, user_id: str) -> None:
        """Takes a demo shopper's place."""
        self.page.goto(self.url + "/offline")
        self.ask("POST", "/v1/shoppers", {"as": user_id})


@pytest.fixture
def visit(service: Running, browser: Any) -> Iterator[Callable[..., Watched]]:
    """Opens a window of its own; what goes wrong in it is the test's failure unless it says otherwise."""
    opened: list[tuple[Any, Watched]] = []

    def begin(width: int = DESKTOP, language: str = "en", theme: str = "light", **options: Any) -> Watched:
        phone = width < 700
        context = browser.new_context(
            viewport={"width": width, "height": 844 if phone else 900},
            locale={"zh": "zh-CN", "en": "en-GB"}[language],
            color_scheme=theme,
            has_touch=phone,
            is_mobile=phone,
            reduced_motion="reduce",
            **options,
        )
        context.set_default_timeout(15_000)
        watched = Watched(context.new_page(), service.url)
        _watch(watched)
        opened.append((context, watched))
        return watched

    yield begin
    for context, _ in opened:
        context.close()
    assert not [fault for _, watched in opened for fault in watched.faults]


def _watch(watched: Watched) -> None:
    page, host, noted = watched.page, urlsplit(watched.url).netloc, watched.noted

    def on_console(message: Any) -> None:
        address = (message.location or {}).get("url", "")
        if message.type in ("error", "warning"):
            noted.append(f"console {message.type}: {message.text} {address}")

    def on_request(request: Any) -> None:
        parts = urlsplit(request.url)
        if parts.scheme in ("http", "https") and parts.netloc != host:
            noted.append(f"another host: {request.url}")

    def on_response(response: Any) -> None:
        if response.status >= 400:
            noted.append(f"{response.status}: {response.url}")

    def on_failed(request: Any) -> None:
        if request.failure != "net::ERR_ABORTED":  # the reader went on to another screen
            noted.append(f"failed: {request.url} {request.failure}")

    page.on("console", on_console)
    page.on("pageerror", lambda error: noted.append(f"script: {error}"))
    page.on("request", on_request)
    page.on("response", on_response)
    page.on("requestfailed", on_failed)
