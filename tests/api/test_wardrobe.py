"""The wardrobe and its photos."""

from __future__ import annotations

import io

from PIL import Image

from modaloom.api.routes import wardrobe
from tests.api.conftest import SHOP, Api, error_of
from tests.api.test_lists import photo

PATH = "/v1/users/me/wardrobe"


def consent(api: Api, granted: bool) -> None:
    assert api.put("/v1/users/me/consents", json={"purpose": "photos", "granted": granted}).is_success


def with_place() -> bytes:
    """A photo that says where it was taken and lies on its side."""
    tags = Image.Exif()
    tags[0x0112] = 6
    tags[0x010F] = "SECRETCAMERA"
    tags.get_ifd(0x8825).update({1: "N", 2: (31.0, 14.0, 0.0), 3: "E", 4: (121.0, 28.0, 0.0)})
    return photo((300, 200), exif=tags, comment=b"SECRETCOMMENT")


def test_garments_of_the_shop_and_own_ones(api: Api) -> None:
    api.newcomer()
    first = api.post(PATH, json={"item_id": "skirt-green"}).json()
    assert first["card"]["title"] == "green skirt"
    assert api.post(PATH, json={"item_id": "skirt-green"}).json()["entry_id"] == first["entry_id"]
    own = api.post(PATH, json={"title": "grandma's coat", "attributes": {"colour": "grey"}}).json()
    assert own["card"] is None
    assert [one["title"] for one in api.get(PATH).json()["entries"]] == ["", "grandma's coat"]
    assert api.delete(f"{PATH}/{own['entry_id']}").json() == {"removed": True}
    assert api.delete(f"{PATH}/{own['entry_id']}").json() == {"removed": False}
    error_of(api.post(PATH, json={"item_id": "none"}), 404, "not_found")
    error_of(api.post(PATH, json={}), 422, "invalid")


def test_a_photo_needs_consent(api: Api) -> None:
    error_of(api.post(f"{PATH}/photo", files={"file": photo()}), 401, "no_shopper")
    api.newcomer()
    error_of(api.post(f"{PATH}/photo", files={"file": photo()}), 403, "no_consent")
    assert not api.service.media.folder.exists()
    consent(api, True)
    assert api.post(f"{PATH}/photo", files={"file": photo()}).is_success


def test_a_photo_is_kept_without_place_and_only_for_its_owner(api: Api) -> None:
    api.newcomer()
    consent(api, True)
    made = api.post(f"{PATH}/photo", files={"file": ("../../etc/x.jpg", with_place())}, data={"category": "coat"})
    entry = made.json()
    assert entry["attributes"] == {"category": "coat"}
    (file,) = api.service.media.folder.rglob("*.jpg")
    raw = file.read_bytes()
    assert b"SECRET" not in raw
    assert b"Exif" not in raw
    answer = api.get(entry["photo"])
    assert "no-store" in answer.headers["cache-control"]
    with Image.open(io.BytesIO(answer.content)) as image:
        assert image.size == (200, 300), "turned upright before the tag went"
        assert not image.getexif()
    error_of(api.get(entry["photo"], key=None), 401, "unauthorized")
    owner = dict(api.client.cookies)
    api.client.cookies.clear()
    api.newcomer()
    error_of(api.get(entry["photo"]), 403, "forbidden")
    error_of(api.get(f"{PATH}/{entry['entry_id']}/photo"), 404, "not_found")
    assert api.get(entry["photo"], key=SHOP).is_success
    api.client.cookies.clear()
    api.client.cookies.update(owner)
    assert api.delete(f"{PATH}/{entry['entry_id']}").json() == {"removed": True}
    assert not file.exists()


def test_taking_consent_back_deletes_the_photos(api: Api) -> None:
    api.newcomer()
    consent(api, True)
    api.post(f"{PATH}/photo", files={"file": photo()}, data={"title": "coat"})
    consent(api, False)
    assert not list(api.service.media.folder.rglob("*.jpg"))
    (entry,) = api.get(PATH).json()["entries"]
    assert entry["photo"] is None
    assert entry["title"] == "coat"


def test_a_refused_photo_leaves_nothing(api: Api) -> None:
    api.newcomer()
    consent(api, True)
    error_of(api.post(f"{PATH}/photo", files={"file": photo()[:500]}), 422, "bad_picture")
    error_of(api.post(f"{PATH}/photo", files={"file": photo()}, data={"size": "M"}), 422, "invalid")
    assert not list(api.service.media.folder.rglob("*.*"))
    assert not api.get(PATH).json()["entries"]


def test_a_wardrobe_is_not_bottomless(api: Api, monkeypatch: object) -> None:
    api.newcomer()
    monkeypatch.setattr(wardrobe, "MAX_ENTRIES", 2)  # type: ignore[attr-defined]
    for number in range(2):
        assert api.post(PATH, json={"title": f"coat {number}"}).is_success
    error_of(api.post(PATH, json={"title": "coat 2"}), 409, "full")
