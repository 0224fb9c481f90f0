"""Log lines say what happened, and nothing of whom."""

from __future__ import annotations

import errno
import json
import logging
import sqlite3

import pytest

from modaloom.api.middleware.logs import JsonHandler, JsonLog, causes_of
from modaloom.errors import MissingExtraError, ModaloomError, StoreBusyError, StoreError
from modaloom.shop.requests import Ask
from tests.api.conftest import PAGE, Api, error_of
from tests.api.test_lists import photo
from tests.api.tiny_shop import TinyShop
from tests.test_errors import KINDS


def test_a_line_for_each_request(api: Api) -> None:
    answer = api.get("/v1/items/dress-red/similar?n=2")
    (line,) = [line for line in api.log if line["event"] == "request"]
    assert line["request_id"] == answer.headers["x-request-id"] == answer.json()["request_id"]
    assert line["route"] == "/v1/items/{item_id}/similar"
    assert (line["method"], line["status"], line["caller"], line["code"]) == ("GET", 200, "page", None)
    assert line["bytes"] == len(answer.content)
    assert line["ms"] > 0
    api.get("/v1/items/none")
    assert (api.log[-1]["status"], api.log[-1]["code"]) == (404, "not_found")


def test_nothing_personal_in_any_line(api: Api) -> None:
    told = api.post("/v1/shoppers").json()
    secrets = [told["user_id"], told["token"], PAGE, "dress-red", "wishes", "testclient", "my-own-id"]
    api.get("/v1/search", params={"text": "wishes"})
    api.put("/v1/users/me/feedback/dress-red/like")
    api.get(f"/v1/users/{told['user_id']}/profile")
    api.get("/v1/users/my-own-id/profile")
    api.get("/v1/nothing/my-own-id")
    api.post("/v1/search/photo", files={"file": ("my-own-id.jpg", photo())})
    api.post("/v1/interactions", json={"events": [{"event": "my-own-id"}]})
    api.ask("GET", "/v1/shop", headers={"X-Request-ID": "my-own-id"})
    api.ask("MY-OWN-ID", "/v1/shop")
    api.delete("/v1/users/me")
    text = "".join(api.lines)
    assert len(api.lines) == 12  # with one that somebody was erased
    assert not [secret for secret in secrets if secret.lower() in text.lower()]


def test_a_failure_tells_its_place_but_not_its_words(api: Api, live: TinyShop, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(ask: Ask) -> None:
        raise KeyError("Tom's secret")

    monkeypatch.setattr(live, "home", broken)
    error = error_of(api.get("/v1/recommendations"), 500, "internal")
    assert "Tom" not in str(error)
    (failure,) = [line for line in api.log if line["event"] == "failure"]
    assert failure["error"] == "KeyError"
    assert "test_logs.py" in failure["frames"][-1]
    assert failure["request_id"] == error["request_id"]
    assert "Tom" not in "".join(api.lines)


def test_a_failing_store_is_a_503(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(ask: Ask) -> None:
        raise StoreError("disk of Tom is full", where="/somewhere")

    monkeypatch.setattr(api.service.live, "home", broken)
    answer = api.get("/v1/recommendations")
    error = error_of(answer, 503, "store_failed")
    assert answer.headers["retry-after"]
    (failure,) = [line for line in map(json.loads, api.lines) if line["event"] == "failure"]
    assert (failure["error"], failure["request_id"]) == ("StoreError", error["request_id"])
    assert "Tom" not in str(error)
    assert "/somewhere" not in str(error)


@pytest.mark.parametrize("kind", KINDS)
def test_what_nobody_outside_can_mend_is_logged(
    kind: type[ModaloomError], api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every error that is answered with 500 or 503, but for a busy store, which comes and goes."""

    def broken(ask: Ask) -> None:
        raise kind("package", "extra", "This") if kind is MissingExtraError else kind("no")  # type: ignore[call-arg]

    monkeypatch.setattr(api.service.live, "home", broken)
    status = api.get("/v1/recommendations").status_code
    logged = [line["error"] for line in map(json.loads, api.lines) if line["event"] == "failure"]
    assert logged == ([kind.__name__] if status >= 500 and kind is not StoreBusyError else [])


def test_the_servers_own_records_are_lines_too() -> None:
    lines: list[str] = []
    logger = logging.getLogger("test-of-the-json-log")
    logger.addHandler(JsonHandler(JsonLog(lines.append)))
    logger.warning("hello %s", "there")
    try:
        raise ValueError("Tom's secret")
    except ValueError:
        logger.exception("Exception in ASGI application")
    assert '"message":"hello there"' in lines[0]
    assert '"error":"ValueError"' in lines[1]
    assert "Tom" not in lines[1]


def test_a_reader_that_went_away_stops_nothing() -> None:
    def gone(text: str) -> None:
        raise BrokenPipeError

    JsonLog(gone).line("request")


def test_a_failure_says_what_it_came_of_and_no_word_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    lines: list[str] = []
    try:
        try:
            raise OSError(errno.ENOSPC, "of Ann's wishes")
        except OSError as error:
            raise StoreError("the store failed") from error
    except StoreError as failure:
        JsonLog(lines.append).failure(failure)
    (line,) = map(json.loads, lines)
    assert (line["error"], line["causes"]) == ("StoreError", ["OSError ENOSPC"])
    assert "Ann" not in lines[0]
    with sqlite3.connect(":memory:") as connection, pytest.raises(sqlite3.Error) as caught:
        connection.execute("SELECT * FROM nowhere")
    fault = StoreError("failed")
    fault.__cause__ = caught.value
    assert causes_of(fault) == ["OperationalError SQLITE_ERROR"]
