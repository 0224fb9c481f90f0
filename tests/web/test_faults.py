"""What the page shows when something is missing: the service, an answer, a picture, a piece, the words of a search."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from modaloom.messages import page_messages
from tests.web.conftest import DESKTOP, KEYS, PHONE, Running, Watched, add_version

Visit = Callable[..., Watched]
SAY = page_messages("en")
BROKEN = {"error": {"code": "internal", "message": "x", "hint": None, "request_id": "abc"}}
GATEWAY = "<html><body>Service Unavailable</body></html>"
"""What a proxy says in the service's place."""
NARROW = 320
"""The width of a desktop window that is enlarged four times, which every page must bear (WCAG 1.4.10)."""
UNSEEN = "() => [...document.images].filter(one => one.complete && !one.naturalWidth && one.src).length"
"""How many pictures the browser shows as broken."""


def start(visit: Visit, service: Running, wanted: str, width: int = PHONE) -> tuple[Watched, Any]:
    """A demo shopper's window, where what holds the word is meant to fail."""
    visited = visit(width, service_workers="block")
    visited.wants(wanted, "blocked by Playwright")
    visited.look_as(next(iter(service.app.state.service.settings.demo_shoppers)))
    return visited, visited.page


def test_a_gateway_that_answers_for_the_service(service: Running, visit: Visit) -> None:
    visited, page = start(visit, service, "/v1/recommendations")
    page.route(
        "**/v1/recommendations?*", lambda route: route.fulfill(status=503, content_type="text/html", body=GATEWAY)
    )
    visited.open("/")
    assert SAY["error"]["busy"] in page.locator("#foryou").inner_text()
    assert page.locator(".state").count() == 1, "the shelves tell it in a line"
    assert page.locator(".small-failure").count() == 2
    page.unroute_all()
    page.click("#new .button")
    page.wait_for_selector("#new [data-item]")


def test_a_service_that_never_answers(service: Running, visit: Visit) -> None:
    visited, page = start(visit, service, "/v1/users/me/wardrobe")
    page.clock.install()
    page.route("**/v1/users/me/wardrobe?*", lambda _: None)
    page.goto(visited.url + "/wardrobe")
    page.wait_for_selector(".card-skeleton")
    page.clock.fast_forward(29_000)
    assert page.locator(".state").count() == 0
    page.clock.fast_forward(2_000)
    page.wait_for_selector(f".state >> text={SAY['offline']['title']}")


def test_a_piece_that_does_not_load(service: Running, visit: Visit) -> None:
    visited, page = start(visit, service, "/v1/items/", DESKTOP)
    page.route("**/v1/items/*", lambda route: route.fulfill(status=500, json=BROKEN))
    visited.open("/item/M00003")
    told = page.locator(".state")
    assert "abc" in told.inner_text()
    assert told.bounding_box()["width"] > DESKTOP * 0.8, "not the half that pictures stand in"
    assert page.locator("h2:visible").all_inner_texts() == [SAY["error"]["title"]]
    page.unroute_all()
    told.locator("button").click()
    page.wait_for_selector("#similar [data-item]")


def test_a_profile_that_does_not_load(service: Running, visit: Visit) -> None:
    visited, page = start(visit, service, "/v1/users/me/profile")
    page.route("**/v1/users/me/profile?*", lambda route: route.abort())
    visited.open("/me")  # waits until nothing says that it is busy
    assert page.locator(".state h2").inner_text() == SAY["offline"]["title"]
    page.unroute_all()
    page.click(".state button")
    page.wait_for_selector(".tastes")


@pytest.mark.parametrize("path", ["/", "/item/M00003"])
def test_pictures_that_do_not_load(service: Running, visit: Visit, path: str) -> None:
    visited, page = start(visit, service, "/picture/", DESKTOP)
    page.route("**/picture/*", lambda route: route.abort())
    page.route("**/v1/recommendations?place=home*", add_version)
    visited.open(path)
    page.wait_for_selector(".no-picture")
    if path == "/":
        page.wait_for_selector(".swatch .lost")
    assert page.evaluate(UNSEEN) == 0


@pytest.mark.parametrize("language", ["en", "zh"])
def test_words_that_no_piece_has(visit: Visit, language: str) -> None:
    visited, say = visit(PHONE, language), page_messages(language)["search"]
    page = visited.open("/search?text=qqqqzzzz")
    assert page.locator("h2#found").inner_text() == "“qqqqzzzz”"
    assert page.locator(f"main .hint >> text={say['nearest']}").is_visible()
    visited.open("/search?text=cotton")
    assert page.locator("#results [data-item]").count()
    assert not page.locator(f"main .hint >> text={say['nearest']}").is_visible()


def test_every_screen_fits_when_it_is_enlarged(service: Running, visit: Visit) -> None:
    visited = visit(NARROW)
    page = visited.page
    page.goto(visited.url + "/offline")
    page.evaluate("key => sessionStorage.setItem('modaloom.admin', key)", KEYS["admin"])
    for path in ("/", "/search?text=cotton", "/item/M00003", "/wardrobe", "/me", "/admin", "/trends"):
        visited.open(path)
        assert page.evaluate("document.documentElement.scrollWidth") <= NARROW, path


def test_a_saved_piece_is_offered_to_be_taken_out(visit: Visit) -> None:
    visited = visit(DESKTOP)
    page = visited.open("/")
    menu = page.locator("#foryou .card-tools [aria-haspopup] >> nth=1")
    menu.click()
    page.click(f"dialog >> text={SAY['act']['save']}")
    page.wait_for_selector(f".toast >> text={SAY['said']['save']}")
    menu.click()
    page.click(f"dialog >> text={SAY['act']['unsave']}")
    page.wait_for_selector(f".toast >> text={SAY['said']['removed']}")
    assert visited.ask("GET", "/v1/users/me/wardrobe?language=en")["entries"] == []


def test_what_was_stated_is_told_in_the_language_of_the_page(service: Running, visit: Visit) -> None:
    for language in ("en", "zh"):
        visited = visit(PHONE, language)
        visited.look_as(next(iter(service.app.state.service.settings.demo_shoppers)))
        page, say = visited.open("/me"), page_messages(language)["fact"]
        for name in ("colours", "styles"):
            told = page.locator(f".counts div:has(dt:text-is('{say[name]}')) dd").inner_text().strip()
            assert told
            assert told.isascii() == (language == "en"), told
