"""Lists, their rules, searches and reasons."""

from __future__ import annotations

import asyncio
import io
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from modaloom.api.middleware.limits import Pool
from modaloom.shop.requests import Ask
from tests.api.conftest import SHOP, Api, error_of
from tests.api.tiny_shop import TinyShop


def ids(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [card["item_id"] for card in answer.json()["items"]]


def photo(size: tuple[int, int] = (300, 400), **values: Any) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", size, (200, 30, 30)).save(stream, "JPEG", **values)
    return stream.getvalue()


def test_a_list_has_the_documented_shape(api: Api) -> None:
    answer = api.get("/v1/recommendations?n=3").json()
    assert set(answer) == {"request_id", "bundle", "personal", "note", "items"}
    assert len(answer["items"]) == 3
    card = answer["items"][0]
    named = {"item_id", "title", "price", "category", "picture", "in_stock", "is_new", "score", "explored", "why"}
    assert set(card) == named | {"swatches"}
    assert card["why"][0]["text"] == "Many like it"


def test_rules_reach_the_shop(api: Api) -> None:
    assert "boots-blue" not in ids(api.get("/v1/recommendations?n=50"))
    assert "boots-blue" in ids(api.get("/v1/recommendations?n=50&in_stock=false"))
    assert ids(api.get("/v1/recommendations?category=dress&category=skirt&attr=colour:red")) == [
        "dress-red",
        "skirt-red",
    ]
    assert ids(api.get("/v1/recommendations?price_min=40&price_max=41")) == ["boots-green", "boots-red"]
    assert ids(api.get("/v1/recommendations?category=dress&exclude=dress-red&exclude=dress-blue")) == ["dress-green"]
    capped = ids(api.get("/v1/recommendations?n=50&category_cap=1"))
    assert len(capped) == len({one.split("-")[0] for one in capped}) == 4
    assert ids(api.get("/v1/recommendations?n=1&clicked=shirt-blue")) == ["shirt-blue"]
    assert not ids(api.get("/v1/recommendations?size=XXL"))


def test_boosts_and_bundles_are_for_the_shop(api: Api) -> None:
    assert ids(api.get("/v1/recommendations?n=1&boost=category=skirt:5", key=SHOP))[0].startswith("skirt")
    error_of(api.get("/v1/recommendations?boost=category=skirt:5"), 403, "forbidden")
    error_of(api.get("/v1/recommendations?bundle=tiny"), 403, "forbidden")


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("n=0", "n"),
        ("n=201", "n"),
        ("n=1&n=2", "n"),
        ("diversity=2", "diversity"),
        ("price_min=NaN", "price_min"),
        ("language=fr", "language"),
        ("place=attic", "place"),
        ("attr=colour", "attr"),
        ("categroy=dress", "categroy"),
        ("exclude=" + "x" * 501, "exclude.0"),
        ("&".join(["exclude=a"] * 501), "exclude"),
    ],
)
def test_a_wrong_query_is_named(api: Api, query: str, field: str) -> None:
    error = error_of(api.get(f"/v1/recommendations?{query}"), 422, "invalid")
    assert error["fields"][0]["field"] == field


def test_a_page_asks_only_about_its_own_shopper(api: Api) -> None:
    error_of(api.get("/v1/recommendations?user_id=u2"), 403, "forbidden")
    me = api.newcomer()
    assert api.get(f"/v1/recommendations?user_id={me}").status_code == 200
    error_of(api.get("/v1/recommendations?user_id=u2"), 403, "forbidden")
    assert api.get("/v1/recommendations?user_id=u2", key=SHOP).status_code == 200


def test_similar_and_goes_with(api: Api) -> None:
    assert ids(api.get("/v1/items/dress-red/similar?n=4&attr=category:dress")) == ["dress-blue", "dress-green"]
    assert "dress-red" not in ids(api.get("/v1/items/dress-red/goes-with"))
    error_of(api.get("/v1/items/none/similar"), 404, "not_found")


def test_an_id_may_hold_a_slash(api: Api) -> None:
    item = {"item_id": "a/b c", "title": "odd", "attributes": {"category": "dress"}}
    assert api.put("/v1/items", key=SHOP, json={"items": [item]}).status_code == 200
    assert api.get("/v1/items/a%2Fb%20c").json()["item"]["item_id"] == "a/b c"
    assert api.get("/v1/items/a%2Fb%20c/similar").status_code == 200


def test_search_in_words(api: Api) -> None:
    assert ids(api.get("/v1/search", params={"text": "red"})) == ["boots-red", "dress-red", "shirt-red", "skirt-red"]
    error_of(api.get("/v1/search"), 422, "invalid")
    error_of(api.get("/v1/search?text=%20"), 422, "bad_query")


def test_search_with_a_photo_leaves_no_file(api: Api, live: TinyShop, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[Path, tuple[int, int]]] = []
    searched = live.search

    def spy(ask: Ask, *, text: str | None = None, photo: Path | None = None) -> Any:
        assert photo is not None
        with Image.open(photo) as image:
            seen.append((photo, image.size))
        assert list(photo.parent.iterdir()) == [photo]
        return searched(ask, text=text, photo=photo)

    monkeypatch.setattr(live, "search", spy)
    fields = {"text": "red", "crop_x": "0.5", "crop_y": "0", "crop_w": "0.5", "crop_h": "0.5", "n": "2"}
    answer = api.post("/v1/search/photo", files={"file": ("x.gif", photo(), "image/gif")}, data=fields)
    assert ids(answer) == ["boots-red", "dress-red"]
    ((path, size),) = seen
    assert size == (150, 200)
    assert not path.exists()
    assert not path.parent.exists()
    assert not api.service.media.folder.exists()


def test_a_photo_takes_the_filters_that_words_take(api: Api) -> None:
    def found(**fields: object) -> list[str]:
        return ids(api.post("/v1/search/photo", files={"file": ("x.jpg", photo())}, data={"n": "50", **fields}))

    everything = found()
    assert found(category=["dress", "skirt"]) == [one for one in everything if one.startswith(("dress", "skirt"))]
    assert found(attr="colour:red", price_max="25") == ["dress-red", "skirt-red"]
    assert "dress-red" not in found(text="red", exclude=["dress-red"])
    assert "boots-blue" not in everything
    assert "boots-blue" in found(in_stock="false")
    twice = api.post("/v1/search/photo", files={"file": ("x.jpg", photo())}, data={"n": ["3", "4"]})
    error_of(twice, 422, "invalid")
    error_of(api.post("/v1/search/photo", files={"file": photo()}, data={"attr": "red"}), 422, "invalid")
    boosted = api.post("/v1/search/photo", files={"file": photo()}, data={"boost": "colour=red:1"})
    error_of(boosted, 403, "forbidden")


def test_a_photo_form_is_checked(api: Api) -> None:
    error_of(api.post("/v1/search/photo", data={"text": "x"}, files={"other": b"x"}), 422, "no_picture")
    error_of(api.post("/v1/search/photo", json={}), 415, "not_a_form")
    error_of(api.post("/v1/search/photo", files={"file": b"GIF89a..."}), 415, "not_a_picture")
    error_of(api.post("/v1/search/photo", files={"file": photo()}, data={"crop_w": "7"}), 422, "invalid")
    error_of(api.post("/v1/search/photo", files={"file": photo()}, data={"crop_w": "0.01"}), 422, "bad_crop")
    broken = {"Content-Type": "multipart/form-data"}
    error_of(api.post("/v1/search/photo", content=b"--x", headers=broken), 400, "bad_form")


def test_reasons(api: Api) -> None:
    answer = api.get("/v1/explanations?item_id=dress-red").json()
    assert answer["item_id"] == "dress-red"
    assert answer["why"][0]["picture"] == "/v1/items/dress-red/picture/0"
    error_of(api.get("/v1/explanations"), 422, "invalid")


def test_a_list_for_a_shopper_does_not_wait_for_what_takes_long(start: Callable[..., Api]) -> None:
    """One thread that trending keeps busy, and another for home."""
    api, going, free = start(threads=1), threading.Event(), threading.Event()
    api.service.pool = pool = Pool("slow", threads=1, waiting=0)
    busy = threading.Thread(target=lambda: asyncio.run(pool.run(lambda: (going.set(), free.wait(30)))))
    busy.start()
    try:
        assert going.wait(30)
        for place in ("home", "new"):
            assert api.get(f"/v1/recommendations?place={place}").status_code == 200
        error_of(api.get("/v1/recommendations?place=trending"), 503, "busy")
    finally:
        free.set()
        busy.join(30)
