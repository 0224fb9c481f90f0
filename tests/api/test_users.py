"""Shoppers: tokens, profile, consents, export, and that erasing leaves nothing behind."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

from modaloom.api.service import COOKIE
from tests.api.conftest import PAGE, SHOP, Api, error_of
from tests.api.test_lists import ids, photo


def test_a_newcomer_gets_a_cookie(api: Api) -> None:
    made = api.post("/v1/shoppers")
    told = made.json()
    cookie = made.headers["set-cookie"]
    assert told["user_id"].startswith("anon-")
    assert told["token"] in cookie
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert "Secure" not in cookie
    assert api.get("/v1/users/me/profile").json()["user_id"] == told["user_id"]
    api.client.cookies.clear()
    error_of(api.get("/v1/users/me/profile"), 401, "no_shopper")
    header = {"X-Shopper-Token": told["token"]}
    assert api.get("/v1/users/me/profile", headers=header).json()["user_id"] == told["user_id"]


def test_the_cookie_is_for_https_where_it_came_over_https(start: Callable[..., Api]) -> None:
    api = start(secure_cookies=True)
    assert "Secure" in api.post("/v1/shoppers").headers["set-cookie"]


def test_a_changed_token_is_refused(api: Api) -> None:
    token = api.post("/v1/shoppers").json()["token"]
    api.client.cookies.clear()
    body, _, signature = token.partition(".")
    for wrong in (f"{body}.{signature[:-2]}AA", f"{body[:-4]}AAAA.{signature}", "x", "é", "." * 5_000):
        headers = {"X-Shopper-Token": wrong.encode("utf-8")}
        error_of(api.get("/v1/users/me/profile", headers=headers), 401, "bad_token")  # type: ignore[arg-type]
    stale = {"Cookie": f"{COOKIE}={body}.wrong"}
    assert api.get("/v1/recommendations", headers=stale).status_code == 200, "a stale cookie is a newcomer's"


def test_language_is_kept(api: Api) -> None:
    api.post("/v1/shoppers", json={"language": "zh"})
    assert api.get("/v1/users/me/profile").json()["language"] == "zh"


def test_demo_shoppers(start: Callable[..., Api]) -> None:
    error_of(start().post("/v1/shoppers", json={"as": "u1"}), 403, "forbidden")
    api = start(demo_shoppers={"u1": "Mei, loves green"})
    assert api.get("/v1/demo/shoppers").json() == {"shoppers": [{"user_id": "u1", "label": "Mei, loves green"}]}
    assert api.get("/v1/shop").json()["demo"] is True
    assert api.post("/v1/shoppers", json={"as": "u1"}).json()["user_id"] == "u1"
    assert api.get("/v1/users/me/profile").json()["user_id"] == "u1"
    error_of(api.post("/v1/shoppers", json={"as": "u2"}), 403, "forbidden")


def test_a_token_for_a_signed_in_customer(api: Api) -> None:
    told = api.post("/v1/users/customer 7/token", key=SHOP).json()
    assert told["user_id"] == "customer 7"
    error_of(api.post("/v1/users/me/token", key=SHOP), 422, "invalid")
    answer = api.get("/v1/users/me/profile", headers={"X-Shopper-Token": told["token"]})
    assert answer.json()["user_id"] == "customer 7"


def test_users_in_bulk_keep_what_shoppers_said(api: Api) -> None:
    api.put("/v1/users/u1/consents", key=SHOP, json={"purpose": "personalise", "granted": False})
    users = [{"user_id": "u1", "attributes": {"size": "M"}}, {"user_id": "u2", "language": "zh", "taste": {"a=b": 1}}]
    assert api.put("/v1/users", key=SHOP, json={"users": users}).json() == {"users": 2}
    user = api.store.user("u1")
    assert user is not None
    assert user.attributes == {"size": "M"}
    assert user.personalise is False
    error_of(api.put("/v1/users", key=SHOP, json={"users": [{"user_id": "me"}]}), 422, "invalid")


def test_a_profile_is_changed_piece_by_piece(api: Api) -> None:
    api.newcomer()
    path = "/v1/users/me/profile"
    api.ask("PATCH", path, json={"taste": {"colour=red": 0.5, "colour=blue": -1}, "attributes": {"size": "M"}})
    answer = api.ask("PATCH", path, json={"taste": {"colour=blue": None}, "language": "zh"}).json()
    assert [(chip["key"], chip["weight"]) for chip in answer["chips"]] == [("colour=red", 0.5)]
    assert answer["attributes"] == {"size": "M"}
    assert answer["language"] == "zh"
    assert api.ask("PATCH", path, json={"language": None}).json()["language"] is None
    error_of(api.ask("PATCH", path, json={"taste": {"colour=red": 2}}), 422, "invalid")
    error_of(api.ask("PATCH", path, json={"user_id": "u2"}), 422, "invalid")
    for page in range(2):
        taste = {f"colour={page}-{number}": 0.1 for number in range(200)}
        assert api.ask("PATCH", path, json={"taste": taste}).is_success
    error_of(api.ask("PATCH", path, json={"taste": {f"a={n}": 0.1 for n in range(200)}}), 409, "full")


def test_switching_personalisation_off(api: Api) -> None:
    api.newcomer()
    api.post("/v1/interactions", json={"events": [{"event": "view", "item_id": "skirt-red"}]})
    assert api.get("/v1/recommendations").json()["personal"]
    answer = api.ask("PATCH", "/v1/users/me/profile", json={"personalise": False}).json()
    assert answer["personalise"] is False
    assert not api.get("/v1/recommendations").json()["personal"]
    said = api.get("/v1/users/me/consents").json()
    assert said["consents"][0] == {**said["history"][0], "purpose": "personalise", "granted": False, "basis": "word"}
    api.put("/v1/users/me/consents", json={"purpose": "personalise", "granted": True})
    assert api.get("/v1/recommendations").json()["personal"]


def test_whom_the_shop_declares_may_be_learned_from_until_they_say_no(api: Api) -> None:
    def research() -> tuple[bool, str]:
        said = api.get("/v1/users/u7/consents", key=SHOP).json()["consents"]
        return next((one["granted"], one["basis"]) for one in said if one["purpose"] == "research")

    assert research() == (False, "default")
    error_of(api.put("/v1/users", json={"users": [{"user_id": "u7", "declared": True}]}), 403, "forbidden")
    api.put("/v1/users", key=SHOP, json={"users": [{"user_id": "u7", "declared": True}]})
    assert research() == (True, "shop")
    api.put("/v1/users", key=SHOP, json={"users": [{"user_id": "u7", "language": "zh"}]})
    assert research() == (True, "shop")
    api.put("/v1/users/u7/consents", key=SHOP, json={"purpose": "research", "granted": False})
    assert research() == (False, "word")


def test_consents_are_remembered(api: Api) -> None:
    api.newcomer()
    start = api.get("/v1/users/me/consents").json()
    assert {one["purpose"]: one["granted"] for one in start["consents"]} == {
        "personalise": True,
        "photos": False,
        "research": False,
    }
    assert {one["basis"] for one in start["consents"]} == {"default"}
    for granted in (True, False):
        api.put("/v1/users/me/consents", json={"purpose": "research", "granted": granted})
    assert [one["granted"] for one in api.get("/v1/users/me/consents").json()["history"]] == [True, False]
    error_of(api.put("/v1/users/me/consents", json={"purpose": "spam", "granted": True}), 422, "invalid")


def live_in(api: Api) -> str:
    """Somebody who did everything that can be done."""
    me = api.newcomer()
    api.put("/v1/users/me/consents", json={"purpose": "photos", "granted": True})
    assert api.post("/v1/users/me/wardrobe/photo", files={"file": photo()}, data={"title": "my own"}).is_success
    api.post("/v1/users/me/wardrobe", json={"item_id": "skirt-green"})
    api.put("/v1/users/me/feedback/dress-red/like")
    api.ask("PATCH", "/v1/users/me/profile", json={"taste": {"colour=red": 0.5}, "language": "en"})
    api.post("/v1/interactions", json={"events": [{"event": "search", "query": "secret wish"}]})
    api.get("/v1/recommendations")
    return me


def test_export_gives_everything(api: Api) -> None:
    me = live_in(api)
    answer = api.get("/v1/users/me/export")
    assert answer.headers["content-disposition"].startswith("attachment")
    told = answer.json()
    assert "secret wish" in answer.text
    assert told["user_id"] == me
    assert len(told["exposures"]) == 11
    assert told["photos"] == [told["wardrobe"][0]["photo"]]
    assert told["photos"][0].startswith("wardrobe/")


def test_erasing_leaves_nothing(api: Api, tmp_path: Path) -> None:
    me = live_in(api)
    token = str(api.client.cookies[COOKIE])
    api.get("/v1/recommendations")  # its exposures are still to be written
    answer = api.delete("/v1/users/me")
    assert answer.json()["erased"]["photos"] == 1
    assert answer.json()["erased"]["wardrobe"] == 2
    assert 'modaloom_shopper=""' in answer.headers["set-cookie"]
    assert COOKIE not in api.client.cookies
    api.service.exposures.flush()
    api.service.upkeep.run_due()
    assert not list((api.service.media.folder / "wardrobe").iterdir())
    for file in tmp_path.glob("shop.db*"):
        assert me.encode() not in file.read_bytes(), file.name
        assert b"secret wish" not in file.read_bytes(), file.name
    assert me not in "".join(api.lines)
    with sqlite3.connect(tmp_path / "shop.db") as opened:
        assert me not in "\n".join(opened.iterdump())
    headers = {"X-Shopper-Token": token}
    for method, path in (("GET", "/v1/users/me/profile"), ("GET", "/v1/recommendations")):
        error_of(api.ask(method, path, headers=headers), 401, "erased")
    event = {"events": [{"event": "view", "item_id": "dress-red"}]}
    error_of(api.post("/v1/interactions", json=event, headers=headers), 401, "erased")
    assert api.store.user(me) is None


def test_a_customer_may_come_back_after_erasure(api: Api) -> None:
    api.post("/v1/users/u1/token", key=SHOP)
    assert api.delete("/v1/users/u1", key=SHOP).is_success
    token = api.post("/v1/users/u1/token", key=SHOP).json()["token"]
    assert api.get("/v1/users/me/profile", headers={"X-Shopper-Token": token}).is_success


def test_a_page_cannot_reach_others(api: Api) -> None:
    live_in(api)
    for method, path in (
        ("GET", "/v1/users/u1/profile"),
        ("PATCH", "/v1/users/u1/profile"),
        ("GET", "/v1/users/u1/consents"),
        ("GET", "/v1/users/u1/export"),
        ("GET", "/v1/users/u1/wardrobe"),
        ("DELETE", "/v1/users/u1"),
    ):
        error_of(api.ask(method, path, key=PAGE, json={} if method == "PATCH" else None), 403, "forbidden")


def test_two_shoppers_see_different_lists(api: Api) -> None:
    first = api.newcomer()
    api.post("/v1/interactions", json={"events": [{"event": "view", "item_id": "skirt-red"}]})
    liked = ids(api.get("/v1/recommendations?n=1"))
    api.client.cookies.clear()
    assert api.newcomer() != first
    assert ids(api.get("/v1/recommendations?n=1")) != liked == ["skirt-red"]


def test_an_id_with_a_slash_is_one_segment(api: Api) -> None:
    """What is about a part of a shopper is never taken for another shopper, and says so."""
    for user in ("u7", "u7/wardrobe", "a/b%c", "/", "a/profile"):
        address = f"/v1/users/{quote(user, safe='')}"
        api.put("/v1/users", key=SHOP, json={"users": [{"user_id": user, "attributes": {"size": "M"}}]})
        assert api.get(f"{address}/profile", key=SHOP).json()["user_id"] == user
        assert api.get(f"{address}/export", key=SHOP).json()["user"]["attributes"] == {"size": "M"}
    assert api.put("/v1/users/a%2Fb%25c/feedback/dress-red/like", key=SHOP).is_success
    refused = api.delete("/v1/users/u7/wardrobe", key=SHOP)
    error_of(refused, 405, "method_not_allowed")
    assert api.store.user("u7/wardrobe") is not None
    assert api.delete("/v1/users/u7%2fwardrobe", key=SHOP).json()["erased"]["shopper"] == 1
    assert api.store.user("u7/wardrobe") is None
    assert api.store.user("u7") is not None
    error_of(api.get("/v1/users/a/b/profile", key=SHOP), 404, "not_found")
