"""Two bundles on split traffic, with shoppers who really were shown lists and really clicked: for test and pictures.

As a script it takes the pictures of the admin's comparison: ``python -m tests.web.comparison BUNDLE FOLDER``.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import httpx

from tests.web.conftest import ARGUMENTS, DESKTOP, KEYS, PHONE, Running, start_service

SHOPPERS = 120
SHOWN = 6


def compare_two(service: Running, bundle: Path) -> tuple[str, str]:
    """Splits the traffic, shows lists and clicks on them, all through the API; names of the old and the new bundle.

    Shoppers of the new bundle click on two or three of six items, those of the old one on one or none.
    """
    copy = service.folder / "challenger"
    shutil.copytree(bundle, copy)
    with httpx.Client(base_url=service.url, timeout=60) as client:

        def ask(key: str, method: str, path: str, **values: Any) -> Any:
            answer = client.request(method, path, headers={"X-API-Key": KEYS[key]}, **values)
            assert answer.status_code == 200, answer.text
            return answer.json()

        (old,) = ask("admin", "GET", "/v1/admin/bundles")["bundles"]
        added = ask("admin", "POST", "/v1/admin/bundles", json={"folder": str(copy)})["bundles"]
        (new,) = set(added) - {old}
        ask("admin", "PUT", "/v1/admin/traffic", json={"shares": {old: 0.6, new: 0.4}})
        visitors = [{"user_id": f"visitor-{number}", "declared": True} for number in range(SHOPPERS)]
        ask("shop", "PUT", "/v1/users", json={"users": visitors})
        for number in range(SHOPPERS):
            user = {"user_id": f"visitor-{number}"}
            listed = ask("shop", "GET", "/v1/recommendations", params={**user, "n": SHOWN})
            wanted = number % 2 + (2 if listed["bundle"] == new else 0)
            clicks = [{**user, "item_id": card["item_id"], "event": "view"} for card in listed["items"][:wanted]]
            if clicks:
                ask("shop", "POST", "/v1/interactions", json={"events": clicks})
    return old, new


def open_admin(page: Any, url: str) -> None:
    """The admin's screen, once everything on it is there."""
    page.goto(f"{url}/offline")
    page.evaluate("key => sessionStorage.setItem('modaloom.admin', key)", KEYS["admin"])
    page.goto(f"{url}/admin")
    page.wait_for_selector(".bundle .verdict")
    page.wait_for_load_state("networkidle")


def main(bundle: Path, folder: Path) -> None:
    """Takes the pictures in both languages at both widths."""
    from playwright.sync_api import sync_playwright

    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as own, start_service(bundle, Path(own)) as service, sync_playwright() as play:
        compare_two(service, bundle)
        browser = play.chromium.launch(executable_path=shutil.which("chromium"), args=list(ARGUMENTS))
        for width, language, theme in ((DESKTOP, "en", "light"), (DESKTOP, "zh", "dark"), (PHONE, "zh", "light")):
            context = browser.new_context(
                viewport={"width": width, "height": 844 if width == PHONE else 900},
                locale={"zh": "zh-CN", "en": "en-GB"}[language],
                color_scheme=theme,
                is_mobile=width == PHONE,
                reduced_motion="reduce",
            )
            page = context.new_page()
            open_admin(page, service.url)
            page.locator(".bundle .verdict").scroll_into_view_if_needed()
            page.wait_for_timeout(400)
            page.screenshot(path=folder / f"comparison-{width}-{language}-{theme}.jpg", type="jpeg", quality=80)
            context.close()
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
