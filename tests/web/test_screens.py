"""Every screen in both languages on a phone and on a desktop: whole, accessible, and from this host alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe

from modaloom.messages import page_messages
from tests.web.conftest import DESKTOP, KEYS, PHONE, Running, Watched

SCREENS = ("/", "/search", "/search?text=dress", "/item/M00003", "/wardrobe", "/me", "/admin", "/offline")
GRAVE = ("serious", "critical")
Visit = Callable[..., Watched]


def known(service: Running) -> str:
    """A shopper with a past, whose place a visitor may take."""
    return str(next(iter(service.app.state.service.settings.demo_shoppers)))


def enter(service: Running, visited: Watched) -> Any:
    """Becomes somebody who is known, also to the admin's screen."""
    visited.look_as(known(service))
    visited.page.evaluate("key => sessionStorage.setItem('modaloom.admin', key)", KEYS["admin"])
    return visited.page


@pytest.mark.parametrize("width", [PHONE, DESKTOP])
@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_screen(service: Running, visit: Visit, language: str, width: int) -> None:
    visited = visit(width, language, "light" if language == "en" else "dark")
    page = enter(service, visited)
    for path in SCREENS:
        visited.open(path)
        assert page.evaluate("document.documentElement.lang") == {"en": "en", "zh": "zh-Hans"}[language]
        assert page.locator("h1").count() == 1, path
        assert page.evaluate("document.documentElement.scrollWidth") <= width, f"{path} is too wide"
        found = Axe().run(page)
        grave = [one for one in found.response["violations"] if one["impact"] in GRAVE]
        told = [(one["id"], node["html"][:160]) for one in grave for node in one["nodes"][:3]]
        assert not told, path
        assert not visited.faults, path


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_table_of_routes_fits_on_a_phone(service: Running, visit: Visit, language: str) -> None:
    visited = visit(PHONE, language, "light")
    page = enter(service, visited)
    visited.open("/item/M00003")  # so that there is a long route to tell of
    visited.open("/admin")
    page.wait_for_selector(".routes tbody th")
    scrolled, wide = page.evaluate(
        "(box => [box.scrollWidth, box.clientWidth])(document.querySelector('.routes').parentElement)"
    )
    assert scrolled <= wide
    assert not visited.faults


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_open_sheets_are_accessible(service: Running, visit: Visit, theme: str) -> None:
    visited = visit(PHONE, "en", theme)
    page = enter(service, visited)
    visited.open("/")
    for opener in (".filter-bar button >> nth=0", "#foryou .card-tools [aria-haspopup] >> nth=0"):
        page.click(opener)
        page.wait_for_selector("dialog[open]")
        found = Axe().run(page)
        assert not [one["id"] for one in found.response["violations"] if one["impact"] in GRAVE], opener
        page.keyboard.press("Escape")
        page.wait_for_selector("dialog", state="detached")


def test_language_and_theme_are_remembered(visit: Visit) -> None:
    visited = visit(DESKTOP, "en")
    page = visited.open("/")
    with page.expect_navigation():
        page.click("#language")
    assert page.evaluate("document.documentElement.lang") == "zh-Hans"
    page.click("#theme")
    visited.open("/me")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    assert page.locator("h1").inner_text() == page_messages("zh")["me"]["title"]
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != "rgb(251, 250, 247)"


def test_what_cannot_be_found_is_told(visit: Visit) -> None:
    visited = visit(PHONE, "en")
    visited.wants("/v1/items/none-such")
    page = visited.open("/item/none-such")
    assert page.locator("h1").inner_text() == page_messages("en")["item"]["gone_title"]
    assert any("404" in fault for fault in visited.noted)


def test_nothing_found_has_a_way_on(visit: Visit) -> None:
    visited = visit(PHONE, "en")
    page = visited.open("/")
    page.route("**/v1/search?*", lambda route: route.fulfill(json={"items": [], "personal": False, "note": "none"}))
    visited.open("/search?text=qqqq")
    assert page.locator(".state .chip").count() == 4


def test_a_failure_can_be_tried_again(visit: Visit) -> None:
    visited = visit(PHONE, "en")
    visited.wants("/v1/recommendations")
    page = visited.page
    broken = {"error": {"code": "internal", "message": "x", "hint": None, "request_id": "abc"}}
    page.route("**/v1/recommendations?*", lambda route: route.fulfill(status=500, json=broken))
    visited.open("/")
    assert page.locator("#foryou .state").count() == 1
    page.unroute("**/v1/recommendations?*")
    page.click("#foryou .state button")
    page.wait_for_selector("#foryou [data-item]")


def test_without_network_there_is_still_a_page(visit: Visit) -> None:
    visited = visit(PHONE, "en")
    page = visited.open("/")
    page.evaluate("navigator.serviceWorker.ready.then(() => true)")
    visited.wants("net::ERR_INTERNET_DISCONNECTED")  # a file that the worker lacks would be an ERR_FAILED
    page.context.set_offline(True)
    try:
        page.wait_for_selector("#offline-bar:not([hidden])")
        page.goto(visited.url + "/wardrobe")
        assert page.locator("h1").inner_text() == page_messages("en")["offline"]["title"]
        page.wait_for_load_state("networkidle")
        assert page.evaluate("document.querySelector('#retry').href") == visited.url + "/wardrobe"
    finally:
        page.context.set_offline(False)
    page.wait_for_selector(f"h1 >> text={page_messages('en')['wardrobe']['title']}")  # by itself
