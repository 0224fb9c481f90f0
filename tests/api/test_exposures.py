"""What was shown is written down behind the answers."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from modaloom.api.exposures import ExposureWriter
from modaloom.api.keys import Erasures
from modaloom.errors import StoreBusyError, StoreError
from modaloom.shop.requests import Answer, Card
from modaloom.storage.contract import Showing, Store
from modaloom.storage.open import open_store
from tests.api.conftest import Api


def answer(n: int = 3) -> Answer:
    cards = tuple(Card(f"i{k}", "t", 1.0, "c", None, True, False, 0.5, explored=k == 1) for k in range(n))
    return Answer(cards, "tiny", True)


@pytest.fixture
def counted() -> Counter[str]:
    return Counter()


@pytest.fixture
def make(store: Store, counted: Counter[str]) -> Iterator[Callable[..., ExposureWriter]]:
    made: list[ExposureWriter] = []

    def build(**values: object) -> ExposureWriter:
        def count(result: str, n: int) -> None:
            counted[result] += n

        writer = ExposureWriter(store, erasures=Erasures(store, b"x" * 32), count=count, flush_s=60, **values)  # type: ignore[arg-type]
        made.append(writer)
        return writer

    yield build
    for writer in made:
        writer.close()


def test_rows_say_what_was_shown_where(make: Callable[..., ExposureWriter], store: Store) -> None:
    writer = make()
    writer.add("r1", "u1", "home", answer())
    assert writer.waiting == 3
    writer.flush()
    rows = sorted(store.exposures("u1"), key=lambda row: row.rank)
    assert [(row.item_id, row.rank, row.explored) for row in rows] == [
        ("i0", 0, False),
        ("i1", 1, True),
        ("i2", 2, False),
    ]
    assert {(row.request_id, row.place, row.bundle) for row in rows} == {("r1", "home", "tiny")}
    assert abs(rows[0].timestamp - time.time()) < 10
    assert writer.waiting == 0


def test_closing_writes_everything(make: Callable[..., ExposureWriter], store: Store, counted: Counter[str]) -> None:
    writer = make()
    for number in range(2_000):
        writer.add(f"r{number}", "u1", "home", answer())
    writer.close()
    assert len(store.exposures("u1", limit=10_000)) == 6_000 == counted["written"]
    writer.add("late", "u1", "home", answer())
    assert counted["dropped"] == 3


def test_too_much_is_dropped_and_counted(make: Callable[..., ExposureWriter], counted: Counter[str]) -> None:
    writer = make(max_waiting=7)
    for number in range(4):
        writer.add(f"r{number}", "u1", "home", answer())
    assert writer.waiting == 6
    assert counted["dropped"] == 6


def test_a_busy_store_is_asked_again(
    make: Callable[..., ExposureWriter], store: Store, counted: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    writer, write, tries = make(), store.add_showings, []

    def busy(rows: list[Showing]) -> None:
        tries.append(len(rows))
        if len(tries) < 3:
            raise StoreBusyError("locked")
        write(rows)

    monkeypatch.setattr(store, "add_showings", busy)
    writer.add("r1", "u1", "home", answer())
    writer.flush()
    assert tries == [1, 1, 1]
    assert counted == {"written": 3}

    def broken(rows: list[Showing]) -> None:
        raise StoreError("gone")

    monkeypatch.setattr(store, "add_showings", broken)
    writer.add("r2", "u1", "home", answer())
    writer.flush()
    assert counted == {"written": 3, "dropped": 3}


def test_nothing_is_written_of_somebody_who_was_erased(
    make: Callable[..., ExposureWriter], store: Store, tmp_path: Path
) -> None:
    writer = make()
    writer.add("r1", "u1", "home", answer())
    writer.add("r2", "u2", "home", answer())
    with open_store(f"sqlite:///{tmp_path / 'shop.db'}") as elsewhere:
        Erasures(elsewhere, b"x" * 32).mark("u1")  # by another worker
    writer.add("r3", "u1", "home", answer(1))
    writer.flush()
    assert [row.request_id for row in store.exposures("u1")] == ["r3"], "what came after the erasure stays"
    assert len(store.exposures("u2")) == 3


def test_discarding(make: Callable[..., ExposureWriter], store: Store) -> None:
    writer = make()
    writer.add("r1", "u1", "home", answer())
    writer.add("r2", "u2", "home", answer())
    assert writer.discard("u1") == 3
    assert writer.waiting == 3
    writer.flush()
    assert not store.exposures("u1")
    assert store.exposures("u2")


def test_lists_are_noted_for_known_shoppers(api: Api) -> None:
    api.get("/v1/recommendations")
    me = api.newcomer()
    asked = api.get("/v1/recommendations?n=2&place=trending").json()
    api.get("/v1/items/dress-red/goes-with?n=1")
    api.get("/v1/search?text=red&n=1")
    api.service.exposures.flush()
    shown = api.store.exposures(me)
    assert Counter(row.place for row in shown) == {"trending": 2, "goes_with": 1, "search": 1}
    assert {row.request_id for row in shown if row.place == "trending"} == {asked["request_id"]}
    assert len(shown) == 4


def test_they_are_written_without_being_asked(api: Api) -> None:
    me = api.newcomer()
    api.get("/v1/recommendations?n=2")
    for _ in range(100):
        if len(api.store.exposures(me)) == 2:
            break
        time.sleep(0.05)
    assert len(api.store.exposures(me)) == 2
