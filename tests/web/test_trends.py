"""The trend board in a browser: whole and accessible in both languages, honest where little is known, and usable."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe

from modaloom.messages import board_messages
from modaloom.trends.board import Board
from modaloom.trends.kept import BOARD_STATE, STAMP_STATE, save_board
from tests.web.conftest import DESKTOP, KEYS, PHONE, Running, Watched
from tests.web.plausible import LONG_EN, WEEKS, plausible_board

SCREENS = ("/trends", "/trends/terms", "/trends/gaps", "/trends/alerts", "/trends/new")
TRENDS = ("/trends/colour%3Dsage", "/trends/look%3Dlook-3", "/trends/colour%3Dcoral")
"""A rising one with everything, one with a very long name, and one of which too little is known."""
GRAVE = ("serious", "critical")
Visit = Callable[..., Watched]
SAID = board_messages("en")


@pytest.fixture(scope="module")
def board(service: Running) -> Iterator[Board]:
    ids = [one.item_id for one in service.store.item_changes(0, limit=60) if one.item]
    made = plausible_board(ids)
    save_board(service.store, made)
    yield made
    for key in (BOARD_STATE, STAMP_STATE):
        service.store.set_state(key, None)


def enter(visited: Watched, path: str, scope: str = "admin") -> Any:
    """Opens a screen with a key in the tab."""
    visited.page.goto(visited.url + "/offline")
    visited.page.evaluate("key => sessionStorage.setItem('modaloom.desk', key)", KEYS[scope])
    return visited.open(path)


def grave(page: Any) -> list[tuple[str, str]]:
    found = Axe().run(page)
    worst = [one for one in found.response["violations"] if one["impact"] in GRAVE]
    return [(one["id"], node["html"][:160]) for one in worst for node in one["nodes"][:3]]


@pytest.mark.parametrize(
    ("width", "language", "theme"),
    [(PHONE, "en", "light"), (DESKTOP, "en", "dark"), (PHONE, "zh", "dark"), (DESKTOP, "zh", "light")],
)
def test_every_screen(board: Board, visit: Visit, language: str, width: int, theme: str) -> None:
    visited = visit(width, language, theme)
    enter(visited, "/trends")
    for path in (*SCREENS, *TRENDS):
        page = visited.open(path)
        assert page.evaluate("document.documentElement.lang") == {"en": "en", "zh": "zh-Hans"}[language]
        assert page.locator("h1").count() == 1, path
        assert page.evaluate("document.documentElement.scrollWidth") <= width, f"{path} is too wide"
        assert "{" not in page.locator("main").inner_text(), f"a gap is not filled on {path}"
        assert not grave(page), path
        assert not visited.faults, path


def test_dates_are_the_readers_own_and_new_pieces_fit_when_enlarged(board: Board, visit: Visit) -> None:
    visited = visit(320, "en")  # a browser from Britain
    page = enter(visited, "/trends/new")
    assert re.search(r"\b\d{1,2} [A-Z][a-z]{2,3} \d{4}\b", page.locator("#tools").inner_text())
    assert page.evaluate("document.documentElement.scrollWidth") <= 320


def test_the_door(board: Board, visit: Visit) -> None:
    visited = visit(PHONE, "en")
    visited.wants("/v1/trends")  # the refusals
    page = visited.open("/trends")
    assert page.locator(".mover").count() == 0
    page.fill("#door-key", "a wrong key of somebody")
    page.keyboard.press("Enter")
    page.wait_for_selector(f"text={SAID['board']['wrong']}")
    page.fill("#door-key", KEYS["page"])
    page.keyboard.press("Enter")
    page.wait_for_selector(f"text={SAID['board']['wrong']}")
    page.fill("#door-key", KEYS["shop"])
    page.keyboard.press("Enter")
    page.wait_for_selector(".mover")
    assert page.get_by_role("button", name=SAID["board"]["remake"]).count() == 0, "only an admin may"
    page.reload()
    page.wait_for_selector(".mover")


def test_filters_and_their_address(board: Board, visit: Visit) -> None:
    visited = visit(DESKTOP, "en")
    page = enter(visited, "/trends")
    rising = [one for one in board.trends if "rising" in (one.verdict, *one.also)]
    counter = page.locator(".counter.is-rising")
    assert counter.locator("b").inner_text() == str(len(rising))
    counter.click()
    visited.settle()
    assert page.locator(".mover").count() == len(rising)
    assert page.locator(".counter.is-rising").get_attribute("aria-pressed") == "true"
    assert "verdict=rising" in page.url
    page.select_option(".desk-select >> nth=0 >> select", "colour")
    visited.settle()
    assert set(page.locator(".mover").evaluate_all("all => all.map(one => one.dataset.trend)")) == {
        one.id for one in rising if one.dimension == "colour"
    }
    page.reload()
    page.wait_for_selector(".mover")
    assert page.locator(".mover").count() == len([one for one in rising if one.dimension == "colour"])
    page.fill("input[type=search]", "no such thing")
    page.wait_for_selector(".state")
    page.click(".state a")
    page.wait_for_selector(".mover")
    assert "verdict" not in page.url


def test_a_group_of_shoppers(board: Board, visit: Visit) -> None:
    visited = visit(DESKTOP, "en")
    page = enter(visited, "/trends?verdict=rising&segment=age%3A25-34&order=index")
    assert page.locator(".mover .hint").first.inner_text().startswith("1"), "the most typical first"
    assert "25 to 34" in page.locator(".mover >> nth=0").inner_text()


def test_a_card_says_how_sure_it_is(board: Board, visit: Visit) -> None:
    page = enter(visit(DESKTOP, "en"), "/trends?text=sage")
    card = page.locator(".mover").inner_text()
    trend = board.trend("colour=sage")
    assert trend is not None
    assert trend.change is not None
    assert f"+{trend.change:.0%}" in card
    assert any(words in card for words in SAID["sure"].values())
    assert page.locator(".mover svg[role=img]").get_attribute("aria-label").startswith("Sage green: Rising")
    page.locator(".mover a").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/trends/colour%3Dsage")


def test_the_chart_by_keyboard_and_as_a_table(board: Board, visit: Visit) -> None:
    page = enter(visit(DESKTOP, "en"), "/trends/colour%3Dsage")
    slider = page.locator(".chart-slider").first
    assert slider.get_attribute("aria-valuenow") == str(WEEKS - 1)
    slider.focus()
    page.keyboard.press("ArrowRight")
    told = slider.get_attribute("aria-valuetext")
    assert slider.get_attribute("aria-valuenow") == str(WEEKS)
    assert SAID["chart"]["forecast"] in told
    assert page.locator(".chart-tip").first.is_visible()
    page.keyboard.press("End")
    assert slider.get_attribute("aria-valuenow") == str(WEEKS + board.overview.horizon - 1)
    page.keyboard.press("Home")
    assert SAID["chart"]["forecast"] not in slider.get_attribute("aria-valuetext")
    page.keyboard.press("Escape")
    assert not page.locator(".chart-tip").first.is_visible()
    page.locator("summary").first.click()
    page.wait_for_selector(".chart-table tbody tr")
    assert page.locator(".chart-table").first.locator("tbody tr").count() == WEEKS + board.overview.horizon
    assert not grave(page)


def test_the_chart_by_finger(board: Board, visit: Visit) -> None:
    page = enter(visit(PHONE, "zh"), "/trends/colour%3Dsage")
    plot = page.locator(".chart-plot").first
    plot.scroll_into_view_if_needed()
    box = plot.bounding_box()
    page.touchscreen.tap(box["x"] + box["width"] * 0.95, box["y"] + 60)
    tip = page.locator(".chart-tip").first
    assert board_messages("zh")["chart"]["forecast"] in tip.inner_text()
    inside = tip.bounding_box()
    assert inside["x"] >= 0
    assert inside["x"] + inside["width"] <= PHONE


def test_what_the_chart_draws(board: Board, visit: Visit) -> None:
    page = enter(visit(DESKTOP, "en"), "/trends/colour%3Dsage")
    drawing = page.locator(".chart-stage svg").first
    for kind in ("noise", "level", "ahead", "test"):
        assert len(drawing.locator(f"path.line.{kind}").get_attribute("d")) > 100, kind
    assert drawing.locator("path.area.ahead").count() == 1
    assert drawing.locator(".jump").count() == 1
    assert page.locator("path.line.setters").count() >= 1
    gaps = enter(visit(DESKTOP, "en"), "/trends/colour%3Dburgundy")
    assert gaps.locator(".chart-stage path.line.noise").first.get_attribute("d").count("M") == 3, (
        "unknown steps are gaps in the line"
    )


def test_too_little_is_said_to_be_too_little(board: Board, visit: Visit) -> None:
    page = enter(visit(DESKTOP, "en"), "/trends/colour%3Dcoral")
    text = page.locator("main").inner_text()
    assert SAID["verdict"]["unknown"] in text
    assert SAID["abstained"]["short"] in text
    assert SAID["trend"]["back_test_none"] in text
    assert page.locator("path.line.ahead").count() == 0


def test_names_are_text_and_never_markup(board: Board, visit: Visit) -> None:
    page = enter(visit(DESKTOP, "en"), "/trends/word%3D%3Cb%3Ecrochet%3C%2Fb%3E%20%26%20lace")
    assert page.locator("h1").inner_text() == "<b>crochet</b> & lace"
    page = enter(visit(PHONE, "en"), "/trends/look%3Dlook-3")
    assert page.locator("h1").inner_text() == LONG_EN


def download(page: Any, click: Callable[[], None]) -> tuple[str, bytes]:
    with page.expect_download() as waiting:
        click()
    return waiting.value.suggested_filename, Path(waiting.value.path()).read_bytes()


def test_files_are_downloaded(board: Board, visit: Visit) -> None:
    page = enter(visit(DESKTOP, "en"), "/trends/colour%3Dsage")
    begun = {"csv": b"\xef\xbb\xbfstep", "png": b"\x89PNG", "svg": b"<svg"}
    for name, start in begun.items():
        button = page.get_by_role("button", name=SAID["trend"][name])
        file, data = download(page, button.click)
        assert file == f"trend.{name}"
        assert data.startswith(start)
    for path, part in (("/trends", "trends"), ("/trends/terms", "terms"), ("/trends/gaps", "gaps")):
        page = enter(visit(DESKTOP, "en"), path)
        page.click("#tools [aria-haspopup]")
        assert not grave(page)
        file, data = download(page, page.locator("dialog button").first.click)
        assert file == f"trends-{part}.csv"
        assert len(list(csv.reader(io.StringIO(data.decode("utf-8-sig"))))) == len(getattr(board, part)) + 1


def test_terms_and_gaps(board: Board, visit: Visit) -> None:
    visited = visit(PHONE, "en")
    page = enter(visited, "/trends/terms")
    page.click(f".chip >> text={SAID['terms']['unanswered']}")
    visited.settle()
    assert page.locator(".term").count() == len([one for one in board.terms if not one.answered])
    assert "linnen jumpsuit" in page.locator(".term").first.inner_text(), "its spellings stand below it"
    page = enter(visited, "/trends/gaps")
    page.click(f".chip >> text={SAID['gap_state']['short']}")
    visited.settle()
    assert page.locator(".gap").count() == len([one for one in board.gaps if one.state == "short"])
    assert page.locator(".gap .pair.demand").count() == page.locator(".gap .pair.assortment").count() > 0
    assert SAID["advice"]["widen_now"] in page.locator(".gap").first.inner_text()


def test_alerts_and_new_pieces(board: Board, visit: Visit) -> None:
    visited = visit(DESKTOP, "en")
    page = enter(visited, "/trends/alerts")
    assert page.locator(".alert").count() == len(board.alerts)
    assert page.locator(".alert.urgent").count() == 2
    page.click(".alert >> nth=0 >> a")
    page.wait_for_selector(".trend-head, .term")
    page = enter(visited, "/trends/new")
    assert page.locator(".arrival").count() == len(board.arrivals)
    assert page.locator(".arrival-picture img").first.evaluate("one => one.complete && one.naturalWidth > 0")


def test_what_is_gone_is_told(board: Board, visit: Visit) -> None:
    visited = visit(PHONE, "en")
    visited.wants("/v1/trends/colour%3Dnone")
    page = enter(visited, "/trends/colour%3Dnone")
    assert page.locator("h1").inner_text() == SAID["trend"]["gone_title"]
    assert any("404" in fault for fault in visited.noted)


def test_a_failure_can_be_tried_again(board: Board, visit: Visit) -> None:
    visited = visit(PHONE, "en")
    visited.wants("/v1/trends/gaps")
    broken = {"error": {"code": "internal", "message": "x", "hint": None, "request_id": "abc"}}
    visited.page.route("**/v1/trends/gaps*", lambda route: route.fulfill(status=500, json=broken))
    page = enter(visited, "/trends/gaps")
    assert page.locator(".state").count() == 1
    page.unroute("**/v1/trends/gaps*")
    page.click(".state button")
    page.wait_for_selector(".gap")


@pytest.mark.parametrize("scope", ["admin", "shop"])
@pytest.mark.parametrize("language", ["en", "zh"])
def test_no_board_yet(service: Running, visit: Visit, language: str, scope: str) -> None:
    kept = {key: service.store.state(key) for key in (BOARD_STATE, STAMP_STATE)}
    for key in kept:
        service.store.set_state(key, None)
    try:
        visited, said = visit(PHONE, language), board_messages(language)["board"]
        page = enter(visited, "/trends", scope)
        text = page.locator("main").inner_text()
        assert said["none_title"] in text
        assert "modaloom trends" in text
        assert page.get_by_role("button", name=said["none_go"]).count() == (scope == "admin")
        assert not grave(page)
        running = {"made_at": None, "running": True, "error": None, "every_h": 24, "may_make": True}
        page.route("**/v1/trends/state", lambda route: route.fulfill(json=running))
        visited.open("/trends/terms")
        assert said["busy_title"] in page.locator("main").inner_text()
    finally:
        for key, value in kept.items():
            service.store.set_state(key, value)
