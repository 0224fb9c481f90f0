"""Interactions and feedback."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from modaloom.api.middleware.limits import Pool
from modaloom.errors import StoreBusyError
from modaloom.types import Event
from tests.api.conftest import PAGE, SHOP, Api, error_of
from tests.api.test_lists import ids


def send(api: Api, *events: dict[str, Any], key: str = SHOP) -> Any:
    return api.post("/v1/interactions", key=key, json={"events": list(events)})


def test_events_change_the_next_list(api: Api) -> None:
    me = api.newcomer()
    before = api.get("/v1/recommendations?n=3").json()
    assert not before["personal"]
    done = send(api, {"event": "view", "item_id": "shirt-blue"}, {"event": "search", "query": "blue"}, key=PAGE)
    assert done.json() == {"added": 2, "repeated": 0, "unknown": 0}
    after = api.get("/v1/recommendations?n=3").json()
    assert after["personal"]
    assert after["items"][0]["item_id"] == "shirt-blue"
    (event,) = api.store.history(me)
    assert abs(event.timestamp - time.time()) < 60


def test_an_event_id_counts_once(api: Api) -> None:
    event = {"user_id": "u1", "event": "purchase", "item_id": "dress-red", "event_id": "order-1", "timestamp": 1_000}
    assert send(api, event, event).json() == {"added": 1, "repeated": 1, "unknown": 0}
    assert send(api, event).json() == {"added": 0, "repeated": 1, "unknown": 0}
    assert [one.timestamp for one in api.store.history("u1")] == [1_000]


def test_a_page_cannot_use_up_the_shops_event_ids(api: Api) -> None:
    api.newcomer()
    event = {"event": "cart", "item_id": "dress-red", "event_id": "order-1"}
    assert send(api, event, key=PAGE).json()["added"] == 1
    assert send(api, event, key=PAGE).json() == {"added": 0, "repeated": 1, "unknown": 0}
    assert send(api, {**event, "user_id": "u1"}).json() == {"added": 1, "repeated": 0, "unknown": 0}


def test_a_page_sends_for_its_shopper_only(api: Api) -> None:
    event = {"event": "view", "item_id": "dress-red"}
    error_of(send(api, event, key=PAGE), 401, "no_shopper")
    api.newcomer()
    error_of(send(api, event, {**event, "user_id": "u1"}, key=PAGE), 403, "forbidden")
    for kind in ("return", "purchase", "rating", "like"):  # what only the shop can know, or what has its own path
        error = error_of(send(api, {**event, "event": kind}, key=PAGE), 422, "invalid")
        assert "events.0.event" in error["message"]
    assert not api.store.interactions(purpose=None)


def test_a_pages_clock_is_not_believed(api: Api) -> None:
    me, now = api.newcomer(), time.time()
    for timestamp in (0, 4_000_000_000):
        assert send(api, {"event": "view", "item_id": "dress-red", "timestamp": timestamp}, key=PAGE).is_success
    times = [event.timestamp for event in api.store.history(me)]
    assert now - 8 * 86_400 < min(times)
    assert max(times) <= time.time()


@pytest.mark.parametrize(
    ("event", "field"),
    [
        ({"event": "view"}, "item_id"),
        ({"event": "search"}, "query"),
        ({"event": "search", "query": "  "}, "query"),
        ({"event": "rating", "item_id": "dress-red"}, "value"),
        ({"event": "view", "item_id": "dress-red", "timestamp": 4_000_000_000}, "timestamp"),
    ],
)
def test_a_faulty_event_spoils_its_batch(api: Api, event: dict[str, Any], field: str) -> None:
    good = {"user_id": "u1", "event": "view", "item_id": "dress-red"}
    error = error_of(send(api, good, {"user_id": "u1", **event}), 422, "invalid")
    assert f"events.1.{field}" in error["message"]
    assert not api.store.history("u1")


def test_all_kinds_are_kept(api: Api) -> None:
    for kind in Event:
        event = {"user_id": "u1", "event": kind.name.lower(), "item_id": "dress-red", "query": "red", "value": 1.0}
        assert send(api, event).json()["added"] == 1, kind


def test_a_batch_has_at_most_a_thousand(api: Api) -> None:
    event = {"user_id": "u1", "event": "view", "item_id": "dress-red"}
    assert send(api, *[event] * 1_000).json()["added"] == 1_000
    error_of(send(api, *[event] * 1_001), 422, "invalid")


def test_back_pressure(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    event = {"user_id": "u1", "event": "view", "item_id": "dress-red"}

    def busy(events: object) -> None:
        raise StoreBusyError("locked")

    with monkeypatch.context() as patch:
        patch.setattr(api.store, "add_interactions", busy)
        answer = send(api, event)
    error_of(answer, 503, "busy")
    assert answer.headers["retry-after"] == "1"
    full = Pool("full", threads=1, waiting=0)
    full._taken = 1
    monkeypatch.setattr(api.service, "ingest_pool", full)
    answer = send(api, event)
    error_of(answer, 503, "busy")
    assert answer.headers["retry-after"] == "1"
    full.close()


def test_a_full_disk_is_told_as_what_it_is(api: Api) -> None:
    """SQLite itself says so, once the file may not grow; with room again, the same events are taken."""
    event = {"user_id": "u1", "event": "view", "item_id": "dress-red"}
    session = api.store._writers.take()
    ((pages,),) = session.rows("PRAGMA page_count")
    session.rows(f"PRAGMA max_page_count = {pages}")
    api.store._writers.give(session)
    many = [event | {"user_id": f"newcomer-{number:0150d}"} for number in range(1_000)]
    error = error_of(send(api, *many), 503, "store_full")
    assert error["message"] == "the store's disk is full, nothing was kept"
    assert any('"StoreFullError"' in line for line in api.lines)
    session = api.store._writers.take()
    session.rows("PRAGMA max_page_count = 1000000")
    api.store._writers.give(session)
    assert send(api, *many).json() == {"added": 1_000, "repeated": 0, "unknown": 0}


def test_feedback_changes_the_next_list_and_can_be_undone(api: Api) -> None:
    me = api.newcomer()
    path = "/v1/users/me/feedback"
    plain = ids(api.get("/v1/recommendations?n=50"))
    assert api.put(f"{path}/{plain[0]}/hide").json()["kind"] == "hide"
    assert plain[0] not in ids(api.get("/v1/recommendations?n=50"))
    assert api.put(f"{path}/skirt-blue/like").is_success
    assert ids(api.get("/v1/recommendations?n=1")) == ["skirt-blue"]
    assert [(one["item_id"], one["kind"]) for one in api.get(path).json()["feedback"]] == [
        (plain[0], "hide"),
        ("skirt-blue", "like"),
    ]
    assert api.get(f"/v1/users/{me}/feedback", key=SHOP).json() == api.get(path).json()
    assert api.delete(f"{path}/{plain[0]}/hide").json() == {"removed": True}
    assert api.delete(f"{path}/skirt-blue/like").json() == {"removed": True}
    assert api.delete(f"{path}/skirt-blue/like").json() == {"removed": False}
    assert ids(api.get("/v1/recommendations?n=50")) == plain
    assert not api.store.history(me), "feedback is no event: taking it back leaves nothing"


def test_feedback_is_checked(api: Api) -> None:
    error_of(api.put("/v1/users/me/feedback/dress-red/like"), 401, "no_shopper")
    api.newcomer()
    error_of(api.put("/v1/users/me/feedback/none/like"), 404, "not_found")
    error_of(api.put("/v1/users/me/feedback/dress-red/adore"), 422, "invalid")
    error_of(api.put("/v1/users/u1/feedback/dress-red/like"), 403, "forbidden")
    error_of(api.get("/v1/users/u1/feedback"), 403, "forbidden")


def test_a_shop_speaks_for_its_customer(api: Api) -> None:
    assert api.put("/v1/users/u1/feedback/dress-red/too_dear", key=SHOP).is_success
    assert "dress-red" not in ids(api.get("/v1/recommendations?user_id=u1&n=50", key=SHOP))


def test_events_are_counted(start: Callable[..., Api]) -> None:
    api = start()
    event = {"user_id": "u1", "event": "view", "item_id": "dress-red", "event_id": "e"}
    send(api, event, event)
    assert api.service.metrics.snapshot().events == {"added": 1, "repeated": 1}


def test_what_a_page_makes_up_leaves_no_row(api: Api) -> None:
    """An id of no item would stay in the store for good, with whatever was typed into it."""
    api.newcomer()
    made_up = {"event": "view", "item_id": "my name is Ann"}
    answer = send(api, made_up, {"event": "view", "item_id": "dress-red"}, key=PAGE).json()
    assert answer == {"added": 1, "repeated": 0, "unknown": 1}
    assert "my name is Ann" not in api.store.item_numbers()
    assert send(api, {**made_up, "user_id": "u1"}).json()["unknown"] == 0, "the shop's events may come before its items"
