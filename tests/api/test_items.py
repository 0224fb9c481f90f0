"""Items: reading, pictures, and the shop's changes."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

from PIL import Image

from tests.api.conftest import SHOP, Api, error_of
from tests.api.test_lists import ids, photo


def test_an_item(api: Api) -> None:
    answer = api.get("/v1/items/dress-red?language=zh").json()
    assert answer["item"]["title"] == "red dress"
    assert answer["sizes"] == ["S", "M", "L"]
    assert answer["pictures"] == ["/v1/items/dress-red/picture/0"]
    assert answer["item"]["swatches"][0]["picture"]


def test_facets_and_shop(api: Api) -> None:
    assert {"value": "dress", "label": "Dress", "count": 3} in api.get("/v1/facets").json()["facets"]["category"]
    assert api.get("/v1/shop").json()["demo"] is False


def test_a_new_item_is_listed_and_a_deleted_one_gone(api: Api) -> None:
    item = {"item_id": "hat", "title": "sun hat", "attributes": {"category": "hat"}, "price": 9}
    done = api.put("/v1/items", key=SHOP, json={"items": [item]}).json()
    assert done["items"] == 1
    assert ids(api.get("/v1/recommendations?category=hat")) == ["hat"]
    gone = api.delete("/v1/items/hat", key=SHOP).json()
    assert gone["version"] > done["version"]
    assert not ids(api.get("/v1/recommendations?category=hat"))
    error_of(api.delete("/v1/items/hat", key=SHOP), 404, "not_found")
    several = api.post("/v1/items/delete", key=SHOP, json={"item_ids": ["dress-red", "none"]}).json()
    assert several["items"] == 1


def test_an_update_keeps_the_pictures(api: Api) -> None:
    item = {"item_id": "dress-red", "title": "new title"}
    assert api.put("/v1/items", key=SHOP, json={"items": [item]}).status_code == 200
    answer = api.get("/v1/items/dress-red").json()
    assert answer["item"]["title"] == "new title"
    assert answer["pictures"]


def test_a_stock_feed_changes_nothing_else(api: Api) -> None:
    before = api.get("/v1/items/dress-red").json()
    feed = [{"item_id": "dress-red", "stock": 1}, {"item_id": "gone", "stock": 2}, {"item_id": "skirt-red", "stock": 5}]
    done = api.ask("PATCH", "/v1/items", key=SHOP, json={"items": feed}).json()
    assert done == {"version": 13, "items": 2, "changed": 1, "unknown": ["gone"]}
    assert api.get("/v1/items/dress-red").json() == {**before, "stock": 1}
    error_of(api.ask("PATCH", "/v1/items", key=SHOP, json={"items": [feed[0], feed[0]]}), 422, "invalid")
    error_of(api.ask("PATCH", "/v1/items", json={"items": feed}), 403, "forbidden")
    error_of(api.ask("PATCH", "/v1/items", key=SHOP, json={"items": [{"item_id": "a", "colour": "x"}]}), 422, "invalid")


def test_one_item_is_changed_in_part(api: Api) -> None:
    before = api.store.items(["dress-red"])["dress-red"]
    body = {"price": None, "attributes": {"colour": "pink", "sizes": None}, "titles": {"zh": "裙"}}
    assert api.ask("PATCH", "/v1/items/dress-red", key=SHOP, json=body).json() == {"version": 13, "items": 1}
    facts = {"category": "dress", "colour": "pink"}
    wanted = replace(before, price=None, attributes=facts, titles={"zh": "裙"})
    assert api.store.items(["dress-red"])["dress-red"] == wanted
    assert api.ask("PATCH", "/v1/items/dress-red", key=SHOP, json={}).json()["version"] == 13, "nothing changed"
    error_of(api.ask("PATCH", "/v1/items/none", key=SHOP, json={"stock": 1}), 404, "not_found")
    error_of(api.ask("PATCH", "/v1/items/dress-red", key=SHOP, json={"stock": -1}), 422, "invalid")


def test_a_batch_with_an_item_twice_is_refused(api: Api) -> None:
    item = {"item_id": "hat", "title": "hat"}
    error_of(api.put("/v1/items", key=SHOP, json={"items": [item, item]}), 422, "invalid")
    error_of(api.put("/v1/items", key=SHOP, json={"items": [item] * 1_001}), 422, "invalid")
    error_of(api.put("/v1/items", key=SHOP, json={"items": []}), 422, "invalid")


def test_a_picture_in_the_sizes_of_the_page(api: Api) -> None:
    path = "/v1/items/dress-red/picture/0"
    for width in (160, 320):
        answer = api.get(f"{path}?width={width}", key=None)
        assert answer.headers["content-type"] == "image/jpeg"
        with Image.open(io.BytesIO(answer.content)) as image:
            assert image.size == (width, width * 3 // 2)
    tag = answer.headers["etag"]
    again = api.get(f"{path}?width=320", key=None, headers={"If-None-Match": tag})
    assert again.status_code == 304
    assert not again.content
    error_of(api.get(f"{path}?width=321"), 422, "invalid")
    error_of(api.get("/v1/items/boots-red/picture/0"), 404, "not_found")
    error_of(api.get("/v1/items/dress-red/picture/1"), 404, "not_found")


def test_a_copy_is_made_once(api: Api) -> None:
    folder = api.service.settings.picture_cache_dir or api.service.live.settings.cache_dir / "resized"
    first = api.get("/v1/items/dress-red/picture/0").content
    (copy,) = folder.glob("*/*.jpg")
    copy.write_bytes(b"kept")
    assert api.get("/v1/items/dress-red/picture/0").content == b"kept" != first


def test_a_new_picture(api: Api) -> None:
    old = api.get("/v1/items/boots-red/picture/0")
    assert old.status_code == 404
    for kind in ({"files": {"file": photo()}}, {"content": photo(), "headers": {"Content-Type": "image/jpeg"}}):
        done = api.put("/v1/items/boots-red/picture", key=SHOP, **kind)
        assert done.status_code == 200, done.text
        assert done.json()["picture"] == "/v1/items/boots-red/picture/0"
    assert api.get("/v1/items/boots-red/picture/0").status_code == 200
    kept = list((api.service.media.folder / "items").iterdir())
    assert len(kept) == 1, "the picture that was replaced is gone"
    assert kept[0].stat().st_mode & 0o777 == 0o600
    error_of(api.put("/v1/items/none/picture", key=SHOP, files={"file": photo()}), 404, "not_found")
    error_of(api.put("/v1/items/boots-red/picture?number=5", key=SHOP, files={"file": photo()}), 422, "invalid")
    api.delete("/v1/items/boots-red", key=SHOP)
    assert not list((api.service.media.folder / "items").iterdir())


def test_the_shops_own_files_are_never_deleted(api: Api) -> None:
    file = Path(api.store.items(["dress-red"])["dress-red"].images[0])
    api.put("/v1/items/dress-red/picture", key=SHOP, files={"file": photo()})
    api.delete("/v1/items/dress-red", key=SHOP)
    assert file.exists()
