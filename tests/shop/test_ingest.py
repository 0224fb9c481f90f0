"""Items that come in while others ask: what was deleted stays away, one that cannot be read stops nobody."""

from __future__ import annotations

import itertools
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from modaloom.config import load_settings
from modaloom.errors import NotFoundError
from modaloom.shop.bundle import load_bundle
from modaloom.shop.content import ContentReader
from modaloom.shop.ingest import AT_ONCE, Placing, content_of
from modaloom.shop.live import LiveShop
from modaloom.shop.recommender import Guide
from modaloom.shop.requests import Ask
from modaloom.shop.shopper import Shopper
from modaloom.storage.contract import ItemChange
from modaloom.types import Event, Interaction, Item, Reason, Tokens

NOW = 1_800_000_000


class SlowReader(ContentReader):
    """Reads when it is let, and fails on items whose title says so."""

    def __init__(self, reader: ContentReader):
        super().__init__(reader.bundle, reader.settings)
        self.reading, self.go_on = threading.Event(), threading.Event()
        self.go_on.set()
        self.asked: list[list[str]] = []

    def tokens(self, items: Sequence[Item]) -> dict[str, Tokens]:
        self.asked.append([item.item_id for item in items])
        self.reading.set()
        assert self.go_on.wait(20)
        if any(item.title == "broken" for item in items):
            raise ValueError("cannot be read")
        return super().tokens(items)


@pytest.fixture
def guide(sample_bundle: Path) -> Iterator[Guide]:
    made = Guide("g", load_bundle(sample_bundle), load_settings())
    made.placing.stop()
    made.reader = SlowReader(made.reader)
    made.placing = Placing(made.catalogue, made.reader, made.lock, made.bundle)
    yield made
    made.reader.go_on.set()
    made.placing.stop()


def slow(guide: Guide) -> SlowReader:
    assert isinstance(guide.reader, SlowReader)
    return guide.reader


def dress(item_id: str, **changes: object) -> Item:
    fields = {"title": "a red silk dress", "attributes": {"category": "dress"}, "price": 50.0, "stock": 3, **changes}
    return Item(item_id=item_id, **fields)  # type: ignore[arg-type]


def come(*items: Item) -> list[ItemChange]:
    return [ItemChange(number, item.item_id, item) for number, item in enumerate(items, start=1)]


def listed(guide: Guide) -> list[str]:
    with guide.lock:
        values = np.zeros(len(guide.catalogue), dtype=np.float32)
        return [
            card.item_id
            for card in guide.listed(values, lambda _: Reason("range", "", 0.0), Ask(n=200), Shopper(None), NOW)
        ]


def test_what_is_deleted_while_it_is_read_does_not_come_back(guide: Guide) -> None:
    reader = slow(guide)
    reader.go_on.clear()
    guide.placing.apply(come(dress("gone"), dress("stays")))
    assert reader.reading.wait(20)
    guide.placing.apply([ItemChange(3, "gone", None)])
    reader.go_on.set()
    assert guide.placing.settle(20)
    assert listed(guide) == ["stays"]
    assert "gone" not in guide.catalogue.nums


def test_what_changes_while_it_is_read_ends_as_it_was_said_last(guide: Guide) -> None:
    reader = slow(guide)
    reader.go_on.clear()
    guide.placing.apply(come(dress("a", title="first"), dress("b")))
    assert reader.reading.wait(20)
    guide.placing.apply(come(dress("a", title="second", price=70.0)))
    reader.go_on.set()
    assert guide.placing.settle(20)
    num = guide.catalogue.nums["a"]
    assert guide.catalogue.titles["en"][num] == "second"
    assert guide.catalogue.price[num] == 70.0
    assert [ids for ids in reader.asked if "a" in ids] == [["a", "b"], ["a"]]


def test_one_that_cannot_be_read_is_alone_without(guide: Guide, caplog: pytest.LogCaptureFixture) -> None:
    kernel = guide.ranker.part("text")
    guide.placing.apply(come(dress("one"), dress("bad", title="broken"), dress("two")))
    assert guide.placing.settle(30)
    assert set(listed(guide)) == {"one", "bad", "two"}
    assert kernel is not None
    has = {name: bool(kernel.vectors(np.array([guide.catalogue.nums[name]])).any()) for name in ("one", "bad", "two")}  # type: ignore[attr-defined]
    assert has == {"one": True, "bad": False, "two": True}
    assert [record.getMessage() for record in caplog.records] == [
        "item 'bad' cannot be read and is placed by its facts alone: cannot be read"
    ]
    guide.placing.apply(come(dress("later")))
    assert guide.placing.settle(20)
    assert "later" in listed(guide)


def test_prices_and_stock_hold_before_anything_is_read(guide: Guide) -> None:
    snapshot = guide.bundle.snapshot
    known = dress(snapshot.items["item_id"][0], price=1.5, title="new words")
    slow(guide).go_on.clear()
    guide.placing.apply(come(known))
    assert guide.catalogue.price[0] == 1.5
    guide.placing.apply(come(replace(known, stock=0)))
    assert known.item_id not in listed(guide)
    assert guide.placing.waiting() == 1
    assert not guide.placing.settle(0.01)


def test_many_are_read_some_at_a_time(guide: Guide) -> None:
    guide.placing.apply(come(*(dress(f"n{number}") for number in range(2 * AT_ONCE + 1))))
    assert guide.placing.settle(30)
    assert [len(ids) for ids in slow(guide).asked] == [AT_ONCE, AT_ONCE, 1]
    assert len(listed(guide)) == 2 * AT_ONCE + 1
    assert len(guide.placing.words()) == len(guide.catalogue) == guide.ranker.n_items


def test_the_order_in_which_items_come_changes_no_list(sample_bundle: Path) -> None:
    """Two processes on one store number new items differently where one of them looks later."""
    items = [
        dress(f"n{number}", title=f"{colour} silk dress") for number, colour in enumerate(("red", "blue", "green"))
    ]
    past = [Interaction("u", "n1", Event.PURCHASE, NOW - 86_400)]
    lists = []
    for order in (items, items[::-1]):
        made = Guide("g", load_bundle(sample_bundle), load_settings())
        try:
            made.placing.apply(come(*order))
            assert made.placing.settle(30)
            cards = made.for_shopper(Ask(n=3), Shopper("u", past), NOW)
            lists.append([(card.item_id, pytest.approx(card.score, abs=2e-3)) for card in cards])
        finally:
            made.placing.stop()
    assert lists[0] == lists[1]
    assert {item for item, _ in lists[0]} == {"n0", "n2"}


@pytest.mark.parametrize(
    "change",
    [
        {"title": "x"},
        {"description": "x"},
        {"attributes": {"category": "skirt"}},
        {"images": (Path("x.jpg"),)},
        {"group_id": "g"},
        {"titles": {"zh": "x"}},
        {"descriptions": {"en": "x"}},
    ],
)
def test_whatever_is_read_is_content(change: dict[str, object]) -> None:
    assert content_of(dress("a")) != content_of(dress("a", **change))


def test_price_and_stock_are_no_content() -> None:
    assert content_of(dress("a")) == content_of(dress("b", price=1.0, stock=0, released_at=5))


def test_nobody_sees_an_item_that_is_half_placed(live: LiveShop) -> None:
    """In the catalogue already and in the scores not yet: whoever asks then must wait."""
    ranker, inside = live.fleet.main.ranker, threading.Event()
    add_items = ranker.add_items

    def slowly(*arguments: Any) -> None:
        inside.set()
        time.sleep(0.3)
        add_items(*arguments)

    ranker.add_items = slowly  # type: ignore[method-assign]
    live.store.upsert_items([dress("new")])
    live.refresh()
    assert inside.wait(30)
    asks: list[Callable[[], object]] = [
        lambda: live.item("new", "en"),
        lambda: live.trending(Ask(n=30)),
        lambda: live.similar("new", Ask(n=3)),
        lambda: live.explain("new", Ask(clicked=("new",))),
    ]
    with ThreadPoolExecutor(len(asks)) as pool:
        for answer in [pool.submit(ask) for ask in asks]:
            assert answer.result()


def test_asking_goes_well_while_items_come_and_go(live: LiveShop) -> None:
    """No answer may see an item in one array that is not in the next yet."""
    assert live.settle()
    model = next(change.item for change in live.store.item_changes(0) if change.item and change.item.images)
    faults: list[BaseException] = []
    latest = ["none yet"]
    end = threading.Event()

    def ask(call: Callable[[str], object]) -> None:
        number = 0
        while not end.is_set() and not faults:
            number += 1
            try:
                call(latest[number % len(latest)])
            except NotFoundError:
                pass
            except BaseException as error:
                faults.append(error)

    calls: list[Callable[[str], object]] = [
        lambda _: live.trending(Ask(n=30)),
        lambda item: (live.item(item, "en"), live.picture(item)),
        lambda item: (live.items([item, model.item_id], "zh"), live.facets("en")),
        lambda item: live.similar(item, Ask(n=5, clicked=(item,))),
        lambda _: (live.profile("u", "en"), live.health()),
    ]
    live.store.add_interactions([Interaction("u", f"n{turn}-1", Event.VIEW, NOW - 9) for turn in range(20)])
    threads = [threading.Thread(target=ask, args=(call,)) for call in calls]
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        for thread in threads:
            thread.start()
        began = time.monotonic()
        for turn in itertools.count():
            if time.monotonic() - began > 3 or faults:
                break
            latest[:] = [f"n{turn}-{number}" for number in range(6)]
            attributes = {**model.attributes, f"fact{turn % 5}": "x"}
            live.store.upsert_items(
                [replace(model, item_id=one, group_id=f"g{turn}", attributes=attributes) for one in latest]
            )
            time.sleep(0.2)  # long enough that they are placed while nothing else changes
            live.store.delete_items(latest[::2])
    finally:
        end.set()
        for thread in threads:
            thread.join(20)
        sys.setswitchinterval(before)
    assert not faults, repr(faults[0])
