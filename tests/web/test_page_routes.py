"""The page's own routes: shells in the right language, static files that may be kept for good."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from modaloom.api.middleware.errors import install
from modaloom.api.middleware.limits import TokenBucket
from modaloom.api.routes import page
from modaloom.api.settings import load_serve_settings
from modaloom.messages import board_messages, page_messages

KEY = "page-key-</script>"
DESK = (*page.DESK.values(), "/trends/colour%3Dred%2Fpink")
"""Screens of the shop's people, who read other sentences."""


@pytest.fixture
def client() -> Iterator[TestClient]:
    """The routes with as much of a service as they touch."""
    app = FastAPI()
    install(app)
    app.include_router(page.router)
    app.state.service = SimpleNamespace(
        settings=load_serve_settings(shop_name="Loom & Co"),
        keys=SimpleNamespace(page_key=KEY),
        tokens=SimpleNamespace(read=lambda token: token if token == "good" else None),
        addresses=TokenBucket(1_000, 1_000),
    )
    with TestClient(app) as opened:
        yield opened


def boot_of(html: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="boot">(.*?)</script>', html, re.DOTALL)
    assert found
    boot: dict[str, Any] = json.loads(found[1])
    return boot


@pytest.mark.parametrize("path", ["/", "/search", "/item/M%2F1", "/wardrobe", "/me", "/admin", "/offline", *DESK])
@pytest.mark.parametrize("language", ["zh", "en"])
def test_shells_are_in_the_language_that_is_asked_for(client: TestClient, path: str, language: str) -> None:
    answer = client.get(path, headers={"Accept-Language": f"fr, {language}-XX;q=0.8"})
    assert answer.status_code == 200
    assert f'<html lang="{ {"zh": "zh-Hans", "en": "en"}[language] }"' in answer.text
    assert page_messages(language)["page"]["skip"] in answer.text
    assert "Loom &amp; Co" in answer.text
    assert boot_of(answer.text)["messages"] == (board_messages if path in DESK else page_messages)(language)
    assert answer.headers["cache-control"] == "private, no-cache"


def test_a_choice_beats_the_browser_and_is_remembered(client: TestClient) -> None:
    answer = client.get("/?language=zh", headers={"Accept-Language": "en"})
    assert answer.headers["content-language"] == "zh"
    assert client.get("/me", headers={"Accept-Language": "en"}).headers["content-language"] == "zh"
    assert client.get("/me?language=xx").headers["content-language"] == "zh"


def test_the_theme_stands_in_the_shell(client: TestClient) -> None:
    client.cookies.set("modaloom_theme", "dark")
    assert 'data-theme="dark"' in client.get("/").text
    client.cookies.set("modaloom_theme", '"><script>')
    assert "data-theme" not in client.get("/").text.split("<head>")[0]


def test_nothing_breaks_out_of_the_shell(client: TestClient) -> None:
    evil = '"><script>alert(1)</script>'
    text = client.get("/search", params={"text": evil}).text + client.get(f"/item/{evil}").text
    assert "<script>alert" not in text
    assert boot_of(text)["key"] == KEY


def test_the_page_knows_whether_somebody_is_known(client: TestClient) -> None:
    assert boot_of(client.get("/").text)["known"] is False
    client.cookies.set("modaloom_shopper", "good")
    assert boot_of(client.get("/").text)["known"] is True


def test_every_file_of_a_shell_is_there_and_may_be_kept(client: TestClient) -> None:
    for path in ("/", "/search", "/item/1", "/wardrobe", "/me", "/admin", "/offline", *DESK):
        addresses = re.findall(r'(?:src|href)="(/static/[^"]+)"', client.get(path).text)
        assert len(addresses) > 10
        for address in addresses:
            answer = client.get(address)
            assert answer.status_code == 200, address
            assert "immutable" in answer.headers["cache-control"]
    old = client.get("/static/before/js/home.js")
    assert old.status_code == 200
    assert old.headers["cache-control"] == "no-cache"


def test_modules_find_what_they_import() -> None:
    for name, asset in page.assets().items():
        for imported in page.IMPORTED.findall(asset.data.decode()) if name.endswith(".js") else ():
            assert f"js/{imported.removeprefix('./')}" in page.assets(), f"{name} imports {imported}"


def test_files_are_sent_packed_to_who_can_read_it(client: TestClient) -> None:
    address = f"/static/{page.version()}/js/home.js"
    packed = client.get(address, headers={"Accept-Encoding": "gzip"})
    plain = client.get(address, headers={"Accept-Encoding": "identity"})
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.content == plain.content == gzip.decompress(page.assets()["js/home.js"].packed)


def test_what_is_no_file_is_not_found(client: TestClient) -> None:
    for name in ("none.js", "../../../cli.py", "%2e%2e/templates/base.html"):
        assert client.get(f"/static/{page.version()}/{name}").status_code == 404


def test_the_shops_people_have_their_own_ways_to_go(client: TestClient) -> None:
    for path in DESK:
        text = client.get(path).text
        assert [one for one in page.DESK.values() if f'href="{one}"' not in text] == [], path
        assert 'href="/wardrobe"' not in text
    assert 'aria-current="page">Search terms' in client.get("/trends/terms", headers={"Accept-Language": "en"}).text
    assert 'data-trend="colour=red/pink"' in client.get(DESK[-1]).text
    assert "<script>alert" not in client.get('/trends/x="><script>alert(1)</script>').text
    assert "/trends" not in client.get("/").text, "no way to the board for shoppers"


def test_worker_and_manifest(client: TestClient) -> None:
    worker = client.get("/service-worker.js")
    assert worker.headers["cache-control"] == "no-cache"
    assert "javascript" in worker.headers["content-type"]
    manifest = client.get("/manifest.webmanifest").json()
    assert manifest["name"] == "Loom & Co"
    assert client.get(manifest["icons"][0]["src"]).headers["content-type"].startswith("image/svg")


def test_a_demonstration_shows_its_report(client: TestClient, tmp_path: Path) -> None:
    report = tmp_path / "report"
    (report / "trends").mkdir(parents=True)
    (report / "evaluation.html").write_text("<title>figures</title>", encoding="utf-8")
    (report / "trends" / "report.html").write_text("<title>trends</title>", encoding="utf-8")
    (report / "report.log").write_text("no page", encoding="utf-8")
    (tmp_path / "secret.html").write_text("outside", encoding="utf-8")
    assert client.get("/demo").status_code == 404, "a real shop has none"
    assert client.get("/demo/evaluation.html").status_code == 404
    assert 'href="/demo"' not in client.get("/").text
    service: Any = client.app.state.service  # type: ignore[attr-defined]
    service.settings = load_serve_settings(demo_report=report)
    assert 'href="/demo"' in client.get("/").text
    for language in ("en", "zh"):
        shell = client.get("/demo", headers={"Accept-Language": language})
        assert page_messages(language)["demo"]["report_lede"] in shell.text
    answer = client.get("/demo/evaluation.html")
    assert answer.text == "<title>figures</title>"
    assert "script-src" not in answer.headers["content-security-policy"]
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    assert client.get("/demo/trends/report.html").text == "<title>trends</title>"
    for name in ("later.html", "report.log", "%2e%2e/secret.html", "..%2fsecret.html", "%2fetc%2fpasswd", "a%00.html"):
        assert client.get(f"/demo/{name}").status_code == 404, name
