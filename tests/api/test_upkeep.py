"""What a service does by itself: retention once a day, and at most one rewriting of the file in ten minutes."""

from __future__ import annotations

from pathlib import Path

import pytest

from modaloom.api.upkeep import SCRUB_EVERY_S, Upkeep
from modaloom.errors import StoreFullError
from modaloom.storage.contract import Store
from modaloom.types import DAY_S, Event, Interaction
from tests.api.conftest import SHOP, Api


class Watched:
    """An upkeep with a clock of its own, and what it said."""

    def __init__(self, store: Store, **keep_days: int):
        self.now, self.said = 1_000_000_000.0, list[str]()
        self.upkeep = Upkeep(
            store, keep_days=keep_days.items(), log=lambda event, **_: self.said.append(event), clock=lambda: self.now
        )

    def run(self, *, after_s: float = 0) -> list[str]:
        self.now += after_s
        self.said.clear()
        self.upkeep.run_due()
        return list(self.said)


def test_visitors_cannot_keep_the_store_busy(store: Store) -> None:
    one, other = Watched(store), Watched(store)
    assert one.run() == []
    for _ in range(3):
        one.upkeep.want_scrub()
    assert one.run() == ["scrubbed"]
    assert one.run() == []
    one.upkeep.want_scrub()
    assert one.run(after_s=SCRUB_EVERY_S - 1) == []
    other.now = one.now
    assert other.run(after_s=2) == ["scrubbed"], "of two workers one does it"
    assert one.run(after_s=2) == []
    one.upkeep.want_scrub()
    one.said.clear()
    one.upkeep.finish()
    assert one.said == ["scrubbed"], "a service that ends does not leave it to the next one"


def test_what_cannot_be_overwritten_is_tried_again(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    watched = Watched(store)

    def full() -> None:
        raise StoreFullError("full")

    watched.upkeep.want_scrub()
    with monkeypatch.context() as patch:
        patch.setattr(store, "scrub", full)
        assert watched.run() == ["upkeep failed"]
    assert watched.run(after_s=SCRUB_EVERY_S) == ["scrubbed"]


def test_who_is_erased_while_the_file_is_written_is_not_left_out(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    watched = Watched(store)
    watched.upkeep.want_scrub()
    with monkeypatch.context() as patch:
        patch.setattr(store, "scrub", watched.upkeep.want_scrub)
        assert watched.run() == ["scrubbed"]
    assert watched.run(after_s=SCRUB_EVERY_S) == ["scrubbed"]
    assert watched.run(after_s=SCRUB_EVERY_S) == []


def test_old_records_go_once_a_day(store: Store) -> None:
    watched = Watched(store, searches=30)
    now = int(watched.now)
    for age in (1, 40):
        store.add_interactions([Interaction("u", None, Event.SEARCH, now - age * DAY_S, query=f"{age} days")])
        store.add_interactions([Interaction("u", "a", Event.VIEW, now - age * DAY_S)])
    assert watched.run() == ["swept"]
    kept = [(one.event, one.query) for _, one in store.interactions(purpose=None)]
    assert kept == [(Event.SEARCH, "1 days"), (Event.VIEW, None), (Event.VIEW, None)]
    assert watched.run() == ["scrubbed"], "and their bytes with them"
    assert watched.run(after_s=DAY_S - 1) == []
    assert watched.run(after_s=1) == ["swept"]


def test_erasing_does_not_wait_for_the_file_to_be_written_anew(
    api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.store.add_interactions([Interaction("u7", None, Event.SEARCH, 5, query="secret wish")])

    def never() -> None:
        raise AssertionError("in the request")

    with monkeypatch.context() as patch:
        patch.setattr(api.store, "scrub", never)
        assert api.delete("/v1/users/u7", key=SHOP).json()["erased"]["interaction"] == 1
    api.service.upkeep.run_due()
    assert not [file for file in tmp_path.glob("shop.db*") if b"secret wish" in file.read_bytes()]
