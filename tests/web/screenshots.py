"""Takes the pictures of ``docs/screenshots`` from a running demo.

``python -m tests.web.screenshots URL FOLDER [KEY]``; the trend board's need a shop or admin key. ``page.jpg`` is three
of them side by side, for the README.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

from PIL import Image

from tests.web.conftest import ARGUMENTS, DESKTOP, PHONE

MENU = "#foryou .card-tools [aria-haspopup] >> nth=2"
SHOTS: tuple[tuple[str, str, int, str, str, str | None], ...] = (
    ("home", "/", DESKTOP, "en", "light", None),
    ("home", "/", DESKTOP, "zh", "dark", None),
    ("home", "/", PHONE, "zh", "light", None),
    ("menu", "/", PHONE, "en", "dark", MENU),
    ("filter", "/", DESKTOP, "zh", "light", ".filter-bar button >> nth=0"),
    ("item", "ITEM", DESKTOP, "zh", "dark", None),
    ("item", "ITEM", PHONE, "en", "dark", None),
    ("search", "/search", PHONE, "en", "light", None),
    ("photo", "PHOTO", DESKTOP, "en", "light", None),
    ("photo", "PHOTO", PHONE, "zh", "light", None),
    ("wardrobe", "/wardrobe", DESKTOP, "en", "light", None),
    ("me", "/me", DESKTOP, "en", "light", None),
    ("me", "/me", PHONE, "zh", "dark", None),
    ("trends", "/trends", DESKTOP, "en", "light", None),
    ("trends", "/trends", DESKTOP, "zh", "dark", None),
    ("trends", "/trends", PHONE, "en", "dark", None),
    ("trend", "TREND", DESKTOP, "en", "light", None),
    ("trend", "TREND", PHONE, "zh", "light", None),
    ("terms", "/trends/terms", DESKTOP, "zh", "light", None),
    ("terms", "/trends/terms", PHONE, "zh", "dark", None),
    ("gaps", "/trends/gaps", DESKTOP, "en", "dark", None),
    ("gaps", "/trends/gaps", PHONE, "en", "light", None),
    ("arrivals", "/trends/new", DESKTOP, "en", "light", None),
)
"""Name, screen, width, language, theme, and what is clicked."""
TALL = {"trends": 1_250, "trend": 1_300, "gaps": 1_100, "terms": 1_000}
"""Heights of screens of which more must be seen."""
JOINED = ("home-1440-en-light", "me-390-zh-dark", "search-390-en-light")
JOINED_PX, GAP_PX = 690, 14
BECOME = """async () => {
    const key = JSON.parse(document.getElementById("boot").textContent).key;
    const headers = {"X-API-Key": key, "Content-Type": "application/json"};
    const {shoppers} = await (await fetch("/v1/demo/shoppers", {headers})).json();
    const body = JSON.stringify({as: shoppers[0].user_id});
    await (await fetch("/v1/shoppers", {method: "POST", headers, body})).json();
    localStorage.setItem("modaloom.place", shoppers[0].user_id);
    const listed = await (await fetch("/v1/recommendations?n=12", {headers})).json();
    const pictured = listed.items.filter(one => one.picture && one.swatches.length);
    for (const one of pictured.slice(1, 4)) {
        const saved = JSON.stringify({item_id: one.item_id});
        await (await fetch("/v1/users/me/wardrobe", {method: "POST", headers, body: saved})).json();
    }
    return pictured[0].item_id;
}"""

PICTURED = """() => [...document.images].every(one => {
    const { width, top, left } = one.getBoundingClientRect();
    return one.complete || !width || top > innerHeight || left > innerWidth;
})"""
"""Whether every picture that can be seen is there; on a busy machine the network is idle before that."""


def main(url: str, folder: Path, key: str = "") -> None:
    """Takes all of them, those of the trend board only with a key."""
    from playwright.sync_api import sync_playwright

    folder.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=list(ARGUMENTS))
        for name, path, width, language, theme, click in SHOTS:
            if not key and (path == "TREND" or path.startswith("/trends")):
                continue
            context = browser.new_context(
                viewport={"width": width, "height": TALL.get(name, 844 if width == PHONE else 900)},
                locale={"zh": "zh-CN", "en": "en-GB"}[language],
                color_scheme=theme,
                has_touch=width == PHONE,
                is_mobile=width == PHONE,
                reduced_motion="reduce",
            )
            page = context.new_page()
            page.goto(f"{url}/offline")
            page.evaluate("key => sessionStorage.setItem('modaloom.desk', key)", key)
            _open(page, url, path, page.evaluate(BECOME))
            if click:
                page.click(click)
                page.wait_for_selector("dialog[open]")
            page.wait_for_function(PICTURED)
            page.wait_for_timeout(400)
            page.screenshot(path=folder / f"{name}-{width}-{language}-{theme}.jpg", type="jpeg", quality=80)
            context.close()
        browser.close()
    join(folder)


def join(folder: Path) -> None:
    """Some of the pictures beside each other, all of one height, as ``page.jpg``."""
    pictures = []
    for name in JOINED:
        with Image.open(folder / f"{name}.jpg") as image:
            pictures.append(
                image.resize((round(image.width * JOINED_PX / image.height), JOINED_PX), Image.Resampling.LANCZOS)
            )
    width = sum(picture.width for picture in pictures) + GAP_PX * (len(pictures) - 1)
    joined, left = Image.new("RGB", (width, JOINED_PX), "white"), 0
    for picture in pictures:
        joined.paste(picture, (left, 0))
        left += picture.width + GAP_PX
    joined.save(folder / "page.jpg", quality=84)


def _open(page: Any, url: str, path: str, item_id: str) -> None:
    if path == "PHOTO":
        photo = page.request.get(f"{url}/v1/items/{item_id}/picture/0?width=1080").body()
        page.goto(f"{url}/search")
        page.set_input_files("#photo-file", {"name": "photo.jpg", "mimeType": "image/jpeg", "buffer": photo})
        page.wait_for_selector("#results [data-item]")
        page.evaluate("scrollTo(0, 0)")
    elif path == "TREND":
        page.goto(f"{url}/trends?verdict=rising")
        page.locator(".mover a").first.click()
        page.wait_for_selector(".chart-stage svg")
    else:
        page.goto(url + (f"/item/{item_id}" if path == "ITEM" else path))
        page.wait_for_selector("main [aria-busy=true]", state="detached")
    page.wait_for_load_state("networkidle")


if __name__ == "__main__":
    main(sys.argv[1].rstrip("/"), Path(sys.argv[2]), *sys.argv[3:4])
