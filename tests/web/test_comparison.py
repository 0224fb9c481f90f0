"""The admin compares two bundles on traffic that was really split, shown and clicked on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from modaloom.messages import page_messages
from tests.web.comparison import compare_two, open_admin
from tests.web.conftest import DESKTOP, PHONE, Running, start_service

Compared = tuple[Running, str, str]


@pytest.fixture(scope="module")
def compared(sample_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Compared]:
    with start_service(sample_bundle, tmp_path_factory.mktemp("compared")) as service:
        yield service, *compare_two(service, sample_bundle)


@pytest.mark.parametrize("width", [PHONE, DESKTOP])
@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_better_bundle_is_told(compared: Compared, browser: Any, width: int, language: str) -> None:
    service, old, new = compared
    context = browser.new_context(
        viewport={"width": width, "height": 900},
        locale={"zh": "zh-CN", "en": "en-GB"}[language],
        reduced_motion="reduce",
    )
    faults: list[str] = []
    page = context.new_page()
    page.on("console", lambda said: faults.append(said.text) if said.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: faults.append(str(error)))
    try:
        open_admin(page, service.url)
        row = page.locator(".bundle", has=page.locator(".verdict"))
        assert row.count() == 1
        assert row.locator("h3").inner_text() == new
        assert "better" in row.get_attribute("class")
        told = row.inner_text()
        assert row.locator(".verdict").inner_text().lower() == page_messages(language)["admin"]["better"]
        answer = page.evaluate(
            """async against => {
                const headers = {"X-API-Key": sessionStorage.getItem("modaloom.admin")};
                return (await fetch(`/v1/admin/comparison?against=${against}`, {headers})).json();
            }""",
            old,
        )
        (found,) = answer["comparison"]
        assert sum(found["shoppers"]) == 120
        assert found["rate"][0] > found["rate"][1] > 0
        assert 0 < found["low"] < found["difference"] < found["high"]
        assert str(min(found["shoppers"])) in told
        wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 0, "nothing sticks out to the side"
        assert page.get_by_role("button", name=page_messages(language)["admin"]["remove"]).count() == 0, "both answer"
        assert not faults
    finally:
        context.close()
