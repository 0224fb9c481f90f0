"""One shopper: what the past, what was said and what was set by hand do to a list."""

from __future__ import annotations

import numpy as np
import pytest

from modaloom.shop.catalogue import Catalogue
from modaloom.shop.shopper import DISLIKE_COST, TASTE_STRENGTH, TOO_DEAR_COST, Shopper, chips_of
from modaloom.storage.contract import Feedback
from modaloom.types import DAY_S, Event, Interaction, Item

NOW = 1_800_000_000
TARGETS = (Event.PURCHASE,)


@pytest.fixture
def catalogue() -> Catalogue:
    made = Catalogue([])
    for item_id, category, price, group in (
        ("dress", "dress", 10.0, "d"),
        ("dress-red", "dress", 12.0, "d"),
        ("gown", "dress", 90.0, None),
        ("skirt", "skirt", 50.0, None),
        ("boots", "boots", None, None),
    ):
        made.put(Item(item_id, title=item_id, attributes={"category": category}, price=price, group_id=group))
    return made


def did(item: str, event: Event = Event.PURCHASE, days_ago: float = 1.0) -> Interaction:
    return Interaction("u", item, event, NOW - int(days_ago * DAY_S))


def said(item: str, kind: str) -> Feedback:
    return Feedback("u", item, kind, NOW - 60)


def names(catalogue: Catalogue, nums: set[int]) -> set[str]:
    return {catalogue.ids[num] for num in nums}


def hidden(catalogue: Catalogue, shopper: Shopper, *, hide_bought: bool = True) -> set[str]:
    return names(catalogue, shopper.hidden(catalogue, TARGETS, NOW, hide_bought=hide_bought))


def everything(catalogue: Catalogue) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    return np.arange(len(catalogue))


def test_the_past_is_in_the_order_of_time_and_never_of_the_future(catalogue: Catalogue) -> None:
    shopper = Shopper(
        "u",
        past=[did("skirt", days_ago=1), did("gown", Event.VIEW, days_ago=-5), did("unknown")],
        feedback=[Feedback("u", "boots", "like", NOW - 9 * DAY_S)],
        clicked=["dress"],
    )
    made = shopper.histories(catalogue, NOW)
    assert [catalogue.ids[num] for num in made.item_nums] == ["boots", "skirt", "gown", "dress"]
    assert made.events.tolist() == [Event.LIKE, Event.PURCHASE, Event.VIEW, Event.VIEW]
    assert made.timestamps.max() == NOW
    assert len(Shopper(None).histories(catalogue, NOW).item_nums) == 0


@pytest.mark.parametrize(("kind", "speaks"), [("dislike", False), ("hide", False), ("too_dear", True)])
def test_what_is_disliked_speaks_for_nothing(catalogue: Catalogue, kind: str, speaks: bool) -> None:
    shopper = Shopper("u", past=[did("gown")], feedback=[said("gown", kind)])
    assert bool(len(shopper.histories(catalogue, NOW).item_nums)) is speaks


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("like", set()),
        ("dislike", {"dress", "dress-red"}),
        ("hide", {"dress", "dress-red"}),
        ("wrong_size", {"dress"}),
        ("too_dear", {"dress"}),
    ],
)
def test_what_was_said_hides(catalogue: Catalogue, kind: str, expected: set[str]) -> None:
    assert hidden(catalogue, Shopper("u", feedback=[said("dress", kind), said("unknown", kind)])) == expected


def test_what_was_bought_is_hidden_and_lately_its_other_colours(catalogue: Catalogue) -> None:
    assert hidden(catalogue, Shopper("u", past=[did("dress", days_ago=5)])) == {"dress", "dress-red"}
    assert hidden(catalogue, Shopper("u", past=[did("dress", days_ago=50)])) == {"dress"}
    assert hidden(catalogue, Shopper("u", past=[did("dress", days_ago=5)]), hide_bought=False) == set()
    assert hidden(catalogue, Shopper("u", past=[did("dress", Event.VIEW)])) == set()


def test_tastes_set_by_hand(catalogue: Catalogue) -> None:
    nums = everything(catalogue)
    shopper = Shopper("u", taste={"category=dress": -1.0, "category=skirt": 0.5, "item=boots": -0.99})
    assert shopper.never(catalogue, nums).tolist() == [True, True, True, False, False]
    bumps = shopper.bumps(catalogue, nums, None)
    assert bumps == pytest.approx([-TASTE_STRENGTH] * 3 + [TASTE_STRENGTH / 2, -0.99 * TASTE_STRENGTH])


def test_a_dislike_costs_what_looks_alike(catalogue: Catalogue) -> None:
    cosines = np.array([1.0, 0.5, -0.8, 0.0, 0.1], dtype=np.float32)
    bumps = Shopper("u", feedback=[said("dress", "dislike")]).bumps(catalogue, everything(catalogue), lambda _: cosines)
    assert bumps == pytest.approx(-DISLIKE_COST * np.array([1.0, 0.25, 0.0, 0.0, 0.01]), abs=1e-6)


def test_too_dear_costs_what_is_as_dear_in_its_category(catalogue: Catalogue) -> None:
    bumps = Shopper("u", feedback=[said("dress-red", "too_dear")]).bumps(catalogue, everything(catalogue), None)
    assert bumps.tolist() == [0.0, -TOO_DEAR_COST, -TOO_DEAR_COST, 0.0, 0.0]
    unpriced = Shopper("u", feedback=[said("boots", "too_dear")]).bumps(catalogue, everything(catalogue), None)
    assert not unpriced.any()


def test_chips_show_what_is_more_than_usual_and_what_was_set(catalogue: Catalogue) -> None:
    shopper = Shopper("u", past=[did("skirt"), did("skirt")], taste={"category=boots": -0.5, "category=skirt": 0.1})
    chips = {chip.key: chip for chip in chips_of(shopper, catalogue, NOW, lambda name, value: f"{name}/{value}")}
    assert list(chips) == ["category=boots", "category=skirt"]
    assert chips["category=skirt"].learned == pytest.approx(1 - 1 / 5)
    assert chips["category=skirt"].weight == 0.1
    assert chips["category=skirt"].by_hand
    assert chips["category=boots"].label == "category/boots"
    catalogue.remove("gown")
    (learned,) = chips_of(Shopper("u", past=[did("skirt")]), catalogue, NOW, lambda name, value: value)
    assert (learned.weight, learned.by_hand) == (0.75, False)
    assert chips_of(Shopper("u", past=[did("skirt", Event.RETURN)]), catalogue, NOW, lambda name, value: value) == ()


def test_known_is_whoever_did_or_said_anything() -> None:
    assert not Shopper("u").known
    for one in (
        Shopper("u", past=[did("x")]),
        Shopper("u", feedback=[said("x", "hide")]),
        Shopper("u", taste={"a=b": 0.1}),
        Shopper(None, clicked=["x"]),
    ):
        assert one.known
