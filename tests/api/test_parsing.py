"""Bodies of JSON: parsed like any parser would, in bounded time, whatever is in them."""

from __future__ import annotations

import json
import random
import threading
import time
from typing import Any

import orjson
import pytest
from fastapi.exceptions import RequestValidationError
from hypothesis import example, given
from hypothesis import strategies as st

from modaloom.api.middleware.errors import MAX_FAULTS, Refused
from modaloom.api.schemas import outline, parsing
from modaloom.api.schemas.asks import EventsIn, ItemIdsIn, ItemsIn, ProfilePatch, ShopperIn, TrafficIn
from modaloom.api.schemas.outline import outline_of
from modaloom.api.schemas.parsing import BodyParser
from modaloom.errors import QueryError

TEXTS = st.text(st.sampled_from('ab"\\{}[],: \n红'), max_size=12)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=25,
)


def counted(content: Any) -> tuple[int, int]:
    """Marks (commas, colons, opening brackets) and depth of a value as JSON."""
    if isinstance(content, dict | list):
        inner = [counted(one) for one in (content.values() if isinstance(content, dict) else content)]
        marks = 1 + max(len(inner) - 1, 0) + (len(inner) if isinstance(content, dict) else 0)
        return marks + sum(one[0] for one in inner), 1 + max((one[1] for one in inner), default=0)
    return 0, 0


@given(JSON, st.integers(1, 40))
@example({'\\\\"': ['"', "\\"]}, 1)
def test_an_outline_is_what_a_parser_finds(content: Any, piece: int) -> None:
    text = json.dumps(content, ensure_ascii=False).encode()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(outline, "PIECE", piece)
        found = outline_of(text, max_members=10_000)
    assert (found.members, found.depth) == counted(content)


@given(st.lists(JSON, max_size=6), st.integers(1, 40))
def test_rows_are_found(rows: list[Any], piece: int) -> None:
    text = json.dumps({"items": rows}, ensure_ascii=False).encode()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(outline, "PIECE", piece)
        found = outline_of(text, max_members=10_000).rows()
    assert found is not None
    assert [json.loads(text[start:end]) for start, end in found if text[start:end]] == rows


@given(JSON)
def test_other_forms_have_no_rows(content: Any) -> None:
    text = json.dumps({"items": [], "more": {"a": content}}).encode()
    assert outline_of(text, max_members=10_000).rows() is None


def test_too_many_members_are_not_looked_through() -> None:
    with pytest.raises(QueryError, match="more than 1,000 values"):
        outline_of(b"[" + b"1," * 2_000 + b"1]", max_members=1_000)
    with pytest.raises(Refused) as caught:
        BodyParser(ItemIdsIn).parse(b"[" + b"[]," * 300_000 + b"1]", max_members=20_000)
    assert caught.value.status_code == 413


def events(n: int, **more: Any) -> dict[str, Any]:
    return {
        "events": [
            {"item_id": f'红 \\"{number}', "event": "view", "session_id": "s" * 90, **more} for number in range(n)
        ]
    }


def test_a_large_body_is_parsed_as_a_small_one_is() -> None:
    text = orjson.dumps(events(1_000))
    assert len(text) > parsing.LOT_BYTES
    parsed = BodyParser(EventsIn).parse(text, max_members=20_000)
    assert parsed == EventsIn.model_validate(orjson.loads(text))
    spaced = json.dumps(events(1_000), indent=3).encode()
    assert BodyParser(EventsIn).parse(spaced, max_members=20_000) == parsed


@pytest.mark.parametrize("spoil", [b",", b"]", b"}", b"nan", b'"'])
def test_a_large_body_that_is_no_json(spoil: bytes) -> None:
    text = orjson.dumps(events(1_000))
    for at in (len(text) // 2, len(text) - 3, 12):
        edge = text.index(b"},", at - 12) + 2 if at < len(text) - 3 else at
        with pytest.raises((Refused, RequestValidationError)) as caught:
            BodyParser(EventsIn).parse(text[:edge] + spoil + text[edge:], max_members=20_000)
        assert getattr(caught.value, "status_code", 422) in (400, 422)
        with pytest.raises(orjson.JSONDecodeError):
            orjson.loads(text[:edge] + spoil + text[edge:])


def faults_of(kind: Any, content: Any) -> list[Any]:
    with pytest.raises(RequestValidationError) as caught:
        BodyParser(kind).parse(orjson.dumps(content), max_members=100_000)
    return list(caught.value.errors())


def test_faults_are_named_by_their_place_and_few() -> None:
    body = events(900)
    body["events"][700]["event"] = "adore"
    (fault,) = faults_of(EventsIn, body)
    assert fault["loc"] == ("body", "events", 700, "event")
    assert len(faults_of(EventsIn, events(900, colour="x"))) == MAX_FAULTS
    assert [one["loc"] for one in faults_of(EventsIn, events(1_001))] == [("body", "events")]
    assert len(faults_of(EventsIn, {**events(1_000), "more": 1})) <= 2


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        (EventsIn, {f"k{number}": 1 for number in range(20_000)}),
        (ProfilePatch, {"taste": {f"k{number}": "x" for number in range(20_000)}}),
        (ItemsIn, {"items": [{"item_id": "a", "attributes": {f"k{number}": 1 for number in range(20_000)}}]}),
        (ItemsIn, {"items": [{"item_id": "a", "titles": {f"k{number}": 1 for number in range(20_000)}}]}),
        (TrafficIn, {"shares": {f"k{number}": "x" for number in range(20_000)}}),
        (ItemIdsIn, {"item_ids": [1] * 20_000}),
    ],
)
def test_thousands_of_faults_are_one(kind: Any, content: Any) -> None:
    assert len(faults_of(kind, content)) <= MAX_FAULTS


def test_what_may_be_missing() -> None:
    assert BodyParser(ShopperIn | None).parse(b"null", max_members=100) is None
    assert BodyParser(ShopperIn | None).parse(b'{"language": "zh"}', max_members=100).language == "zh"


def longest_pause(work: Any) -> float:
    """How long another thread had to wait for the interpreter at most, in seconds."""
    pauses, done = [0.0], threading.Event()

    def watch() -> None:
        last = time.perf_counter()
        while not done.is_set():
            time.sleep(0.001)
            now = time.perf_counter()
            pauses.append(now - last)
            last = now

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        work()
    finally:
        done.set()
        watcher.join()
    return max(pauses)


def test_eight_megabytes_hold_nobody_up() -> None:
    source = random.Random(1)
    attributes = {f"a{number}": "红" * source.randrange(4, 16) for number in range(90)}
    rows = [{"item_id": f"i{number}", "description": "x" * 5_000, "attributes": attributes} for number in range(900)]
    text = orjson.dumps({"items": rows})
    assert 6e6 < len(text) < 8.4e6
    parser = BodyParser(ItemsIn)
    shortest = min(longest_pause(lambda: parser.parse(text, max_members=200_000)) for _ in range(3))
    assert shortest < 0.05, "one call of a parser holds the interpreter until it is done"
