"""What a shopper does on the page, from the click to what the next list and the store say."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from modaloom.messages import page_messages
from tests.web.conftest import DESKTOP, KEYS, PHONE, Running, Watched, add_version

Visit = Callable[..., Watched]
SAY = page_messages("en")
CARDS = "#foryou [data-item]"
NOTE_FORMS = """
    window.sent = [];
    const send = window.fetch;
    window.fetch = (address, how) => {
        if (how?.body instanceof FormData) window.sent.push([...how.body.keys()]);
        return send(address, how);
    };
"""
"""The fields of the forms that the page sends, which Chromium does not tell."""


def shown(page: Any) -> list[str]:
    """Ids of the cards of the selection."""
    ids: list[str] = page.locator(CARDS).evaluate_all("all => all.map(one => one.dataset.item)")
    return ids


def picture_of(service: Running, page: Any) -> bytes:
    """The picture of the first card that has one, as a photo in a file."""
    item_id = next(card.item_id for card in service.live.items(shown(page), "en") if card.picture)
    made = BytesIO()
    Image.open(service.live.picture(item_id)).convert("RGB").save(made, "JPEG")
    return made.getvalue()


def test_nothing_is_kept_before_a_shopper_says_something(visit: Visit) -> None:
    visited = visit(PHONE)
    page = visited.open("/")
    page.click(f"{CARDS} .card-title a >> nth=0")
    page.wait_for_selector(".product h1")
    visited.settle()
    assert not [one for one in page.context.cookies() if one["name"] == "modaloom_shopper"]
    page.click(".product-acts .round >> nth=0")
    page.wait_for_selector(".toast")
    assert [one["httpOnly"] for one in page.context.cookies() if one["name"] == "modaloom_shopper"] == [True]


def test_a_like_is_kept_and_can_be_taken_back(visit: Visit) -> None:
    visited = visit(DESKTOP)
    page = visited.open("/")
    first = shown(page)[0]
    heart = page.locator(f"{CARDS} [data-like] >> nth=0")
    heart.click()
    page.wait_for_selector(".toast")
    assert heart.get_attribute("aria-pressed") == "true"
    visited.open("/")
    assert [one["item_id"] for one in visited.ask("GET", "/v1/users/me/feedback")["feedback"]] == [first]
    liked = page.locator(f'[data-like="{first}"]')
    if liked.count():
        assert liked.first.get_attribute("aria-pressed") == "true"
        liked.first.click()
        page.wait_for_selector(".toast")
        assert visited.ask("GET", "/v1/users/me/feedback")["feedback"] == []


@pytest.mark.parametrize("width", [PHONE, DESKTOP])
@pytest.mark.parametrize("kind", ["dislike", "hide"])
def test_what_is_refused_goes_at_once_and_stays_away(visit: Visit, kind: str, width: int) -> None:
    visited = visit(width)
    page = visited.open("/")
    before = shown(page)
    page.click(f"{CARDS} [aria-haspopup] >> nth=1")
    page.click(f"dialog.menu button:has-text('{SAY['act'][kind]}')")
    page.wait_for_selector(".toast button")
    assert before[1] not in shown(page)
    visited.settle()
    visited.open("/")
    after = shown(page)
    assert before[1] not in after
    assert after != before


def test_undo_brings_a_refused_card_back(visit: Visit) -> None:
    visited = visit(DESKTOP)
    page = visited.open("/")
    before = shown(page)
    page.click(f"{CARDS} [aria-haspopup] >> nth=1")
    page.click(f"dialog.menu button:has-text('{SAY['act']['hide']}')")
    page.click(".toast button")
    page.wait_for_selector(f'[data-item="{before[1]}"]')
    visited.settle()
    assert visited.ask("GET", "/v1/users/me/feedback")["feedback"] == []
    assert shown(page)[1] == before[1]


def test_a_filter_holds_and_more_goes_on(visit: Visit) -> None:
    visited = visit(DESKTOP)
    page = visited.open("/")
    page.click(".filter-bar button:has-text('Filter')")
    page.fill("dialog input[type=number] >> nth=1", "400")
    page.click(f"dialog button:has-text('{SAY['filter']['apply']}')")
    page.wait_for_selector(".filter-bar .chip.on")
    visited.settle()
    prices = page.locator("#foryou .price").evaluate_all("all => all.map(one => Number(one.textContent.slice(1)))")
    assert prices
    assert max(prices) <= 400
    before = shown(page)
    if page.locator("#foryou .list-foot button").count():
        page.click("#foryou .list-foot button")
        visited.settle()
        assert len(set(shown(page))) == len(shown(page)) > len(before)
    page.click(".filter-bar .chip.on")
    page.wait_for_selector(".filter-bar .chip.on", state="detached")


def test_a_swatch_shows_the_other_version(visit: Visit) -> None:
    visited = visit(DESKTOP)
    visited.page.route("**/v1/recommendations?place=home*", add_version)
    page = visited.open("/")
    card = page.locator(".card", has=page.locator(".swatch[aria-pressed=true]")).first
    before = card.locator(".card-title a").get_attribute("href")
    card.locator(".swatch[aria-pressed=false]").first.click()
    assert card.locator(".card-title a").get_attribute("href") != before
    assert card.locator(".card-picture").get_attribute("href") == card.locator(".card-title a").get_attribute("href")


def test_a_reason_is_told_once_opened_or_not(service: Running, visit: Visit) -> None:
    visited = visit(DESKTOP)
    visited.look_as(next(iter(service.app.state.service.settings.demo_shoppers)))
    page = visited.open("/")
    large, small = (page.locator(f"{CARDS} .why >> nth={place}") for place in (0, 1))
    assert large.locator(".why-line span").inner_text() == SAY["why"]["title"], "the first card's stands open"
    reason = small.locator(".why-line span").inner_text()
    small.locator(".why-line").click()
    told = small.inner_text()
    assert SAY["why"]["title"] in told
    assert told.count(reason.removeprefix(SAY["card"]["why"]).strip()) == 1
    small.locator(".why-line").click()
    assert small.locator(".why-line span").inner_text() == reason


def test_search_by_words_photo_and_keyboard(service: Running, visit: Visit) -> None:
    visited = visit(DESKTOP)
    visited.page.add_init_script(NOTE_FORMS)
    photo = picture_of(service, visited.open("/"))
    page = visited.open("/search")
    page.fill("#text", "dress")
    page.keyboard.press("Enter")
    page.wait_for_selector("#results [data-item]")
    assert "text=dress" in page.url
    page.fill("#text", "")
    page.set_input_files("#photo-file", {"name": "a.jpg", "mimeType": "image/jpeg", "buffer": photo})
    page.wait_for_selector(".crop-frame")
    page.wait_for_selector("#results [data-item]")
    before = page.locator(".crop-frame").get_attribute("aria-label")
    page.focus(".crop-frame")
    for key in ("Shift+ArrowLeft", "Shift+ArrowUp", "ArrowRight"):
        page.keyboard.press(key)
    assert page.locator(".crop-frame").get_attribute("aria-label") != before
    with page.expect_response("**/v1/search/photo") as answered:
        page.click(f"button:has-text('{SAY['search']['search_photo']}')")
    assert answered.value.ok
    whole, framed = page.evaluate("window.sent")
    assert set(framed) >= {"file", "crop_x", "crop_y", "crop_w", "crop_h"}
    assert "file" in whole
    page.wait_for_selector("#results [data-item]")
    with page.expect_response("**/v1/search/photo") as filtered:
        page.locator("#filters .chip[aria-pressed]").first.click()
    kinds = {card["category"] for card in filtered.value.json()["items"]}
    assert len(kinds) == 1, "the photo's list follows the filters"
    assert "category" in page.evaluate("window.sent").pop()


def test_the_frame_moves_by_touch(service: Running, visit: Visit) -> None:
    visited = visit(PHONE)
    photo = picture_of(service, visited.open("/"))
    page = visited.open("/search")
    page.set_input_files("#photo-file", {"name": "a.jpg", "mimeType": "image/jpeg", "buffer": photo})
    corner = page.locator(".crop-corner.se")
    corner.scroll_into_view_if_needed()
    box = corner.bounding_box()
    before = page.locator(".crop-frame").bounding_box()["width"]
    page.mouse.move(box["x"] + 22, box["y"] + 22)
    page.mouse.down()
    page.mouse.move(box["x"] - 40, box["y"] - 60, steps=4)
    page.mouse.up()
    assert page.locator(".crop-frame").bounding_box()["width"] < before - 40


def test_a_file_that_is_no_picture_is_refused_kindly(visit: Visit) -> None:
    page = visit(PHONE).open("/search")
    page.set_input_files("#photo-file", {"name": "a.jpg", "mimeType": "image/jpeg", "buffer": b"no picture at all"})
    page.wait_for_selector(".toast")
    assert page.locator(".toast").inner_text() == SAY["search"]["not_a_picture"]


def test_a_taste_that_is_set_to_never_empties_the_list_of_it(service: Running, visit: Visit) -> None:
    visited = visit(DESKTOP)
    page = visited.open("/me")
    page.locator(".panel select").last.select_option("material=cotton")
    row = page.locator('[data-taste="material=cotton"]')
    slider = row.locator("input[type=range]")
    slider.focus()
    with page.expect_response("**/v1/users/me/profile*") as answered:
        page.keyboard.press("Home")
    assert answered.value.ok
    assert slider.get_attribute("aria-valuetext") == SAY["me"]["never"]
    visited.open("/")
    items = service.store.items(shown(page))
    assert items
    assert all(item.attributes.get("material") != "cotton" for item in items.values())
    visited.open("/me")
    assert row.locator("input").input_value() == "-100"
    row.locator("button").click()
    page.wait_for_selector('[data-taste="material=cotton"]', state="detached")


def test_personalisation_can_be_switched_off(service: Running, visit: Visit) -> None:
    visited = visit(PHONE)
    visited.look_as(next(iter(service.app.state.service.settings.demo_shoppers)))
    page = visited.open("/me")
    page.click("[data-consent=personalise]")
    page.wait_for_selector(".toast")
    visited.open("/")
    assert page.locator("#lede").inner_text() == SAY["home"]["lede_plain"]
    visited.open("/me")
    assert not page.is_checked("[data-consent=personalise]")
    page.click("[data-consent=personalise]")
    page.wait_for_selector(".toast")


def test_the_wardrobe_asks_before_it_keeps_a_photo(service: Running, visit: Visit) -> None:
    visited = visit(PHONE)
    photo = picture_of(service, visited.open("/"))
    page = visited.open("/wardrobe")
    page.click(f"button:has-text('{SAY['wardrobe']['add']}')")
    page.wait_for_selector(f"dialog:has-text('{SAY['wardrobe']['consent_title']}')")
    page.click(f"button:has-text('{SAY['wardrobe']['consent_yes']}')")
    page.set_input_files("dialog input[type=file]", {"name": "a.jpg", "mimeType": "image/jpeg", "buffer": photo})
    page.wait_for_selector(".pick-frame img")
    page.fill("dialog input.input", "My coat")
    page.click(f"button:has-text('{SAY['wardrobe']['keep']}')")
    page.wait_for_selector("[data-entry]")
    page.wait_for_selector('[data-entry] img[src^="blob:"]')
    assert [path for path in (service.folder / "media").rglob("*") if path.is_file()]
    page.click("[data-entry] .card-tools button")
    page.wait_for_selector("[data-entry]", state="detached")
    assert not [path for path in (service.folder / "media").rglob("*") if path.is_file()]


def test_erasing_leaves_nothing_behind(service: Running, visit: Visit) -> None:
    visited = visit(DESKTOP)
    page = visited.open("/")
    page.click(f"{CARDS} [data-like] >> nth=0")
    page.wait_for_selector(".toast")
    visited.open("/search?text=silk")
    user = visited.shopper()
    assert user
    visited.open("/me")
    with page.expect_download() as saved:
        page.click(f"button:has-text('{SAY['me']['download']}')")
    assert user in json.dumps(json.loads(Path(saved.value.path()).read_text()))
    page.click("#erase")
    go = page.locator(f"dialog button:has-text('{SAY['me']['erase_go']}')")
    assert go.is_disabled()
    page.fill("#erase-word", SAY["me"]["erase_word"])
    go.click()
    page.wait_for_selector("#farewell")
    assert not [one for one in page.context.cookies() if one["name"] == "modaloom_shopper"]
    assert service.store.user(user) is None
    assert not service.store.history(user, limit=10)
    assert not service.store.feedback(user)
    service.store.scrub()  # which the service does by itself within ten minutes
    left = [path for path in service.folder.rglob("*") if path.is_file() and user.encode() in path.read_bytes()]
    assert not left
    assert not [line for line in service.app.state.lines if user in line]
    assert page.evaluate("Object.keys(localStorage).length + Object.keys(sessionStorage).length") == 0


def test_the_admin_needs_the_key(visit: Visit) -> None:
    visited = visit(DESKTOP)
    page = visited.open("/admin")
    visited.wants("/v1/admin/")  # the page asks for several things at once, and each is refused
    page.fill("#admin-key", KEYS["page"])
    page.keyboard.press("Enter")
    page.wait_for_selector(f"text={SAY['admin']['wrong']}")
    page.fill("#admin-key", KEYS["admin"])
    page.keyboard.press("Enter")
    page.wait_for_selector(".figure")
    page.wait_for_selector(".trend svg")
    page.fill(".share", "40")
    page.click(f"button:has-text('{SAY['admin']['save']}')")
    page.wait_for_selector(f"text={SAY['admin']['sum']}")


def test_a_bundle_comes_and_goes(visit: Visit, sample_bundle: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(sample_bundle, tmp_path / "passing"))
    visited = visit(DESKTOP)
    visited.wants("comparison")  # nothing was shown yet
    page = visited.open("/admin")
    page.fill("#admin-key", KEYS["admin"])
    page.keyboard.press("Enter")
    page.fill(".load-bundle input", str(folder))
    page.keyboard.press("Enter")
    row = page.locator(".bundle", has=page.locator("h3", has_text="passing"))
    row.wait_for()
    row.get_by_role("button", name=SAY["admin"]["remove"]).click()
    page.wait_for_selector(f"text={SAY['admin']['removed']}")
    assert row.count() == 0
    assert page.locator(".bundle").count() == 1, "the one that answers cannot be taken out"
    assert page.get_by_role("button", name=SAY["admin"]["remove"]).count() == 0
    assert folder.is_dir()


def test_everything_can_be_reached_with_the_keyboard(visit: Visit) -> None:
    visited = visit(DESKTOP)
    page = visited.open("/")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("location.hash") == "#main"
    page.focus(f"{CARDS} [aria-haspopup] >> nth=0")
    page.keyboard.press("Enter")
    page.wait_for_selector("dialog.menu[open]")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    assert page.evaluate("document.activeElement.textContent") == SAY["act"]["similar"]
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.getAttribute('aria-haspopup')") == "dialog"
