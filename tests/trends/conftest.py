"""A board that has one of everything, and a small world whose trends are known."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from modaloom.data.problems import Problems
from modaloom.data.schema import ShopSpec
from modaloom.data.shop import Shop
from modaloom.trends.board import (
    Alert,
    Arrival,
    BackTest,
    Board,
    ChangePoint,
    Crowd,
    Driver,
    Gap,
    Outlook,
    Overview,
    Period,
    Segment,
    Term,
    Trend,
)
from modaloom.types import DAY_S, INTERACTION_COLUMNS, ITEM_COLUMNS, Event

NAMES = {"zh": "红色", "en": "red"}


@pytest.fixture
def full_board() -> Board:
    """One trend, term, gap, alert and arrival, with every field filled."""
    steps = ("2025-01-06", "2025-01-13", "2025-01-20")
    overview = Overview(
        shop="Shop", made_at="2025-01-26T12:00:00", period=Period(steps, 7, "2025-01-06", "2025-01-26"),
        events={"view": 900, "purchase": 100}, traffic=(300, 300, 400), shoppers=80, items=12, k=20, hidden=3,
        verdicts={"rising": 1}, horizon=2, level=0.8, notes=("short",),
    )  # fmt: skip
    test = BackTest(0.8, 0.79, 0.12, 2, 3, steps[1:], (0.2, 0.3), (0.1, 0.2), (0.3, 0.4))
    trend = Trend(
        id="colour=red", dimension="colour", value="red", names=NAMES, verdict="rising", confidence=0.99, share=0.3,
        change=0.5, interval=(0.2, 0.9), series=(0.1, None, 0.3), level=(0.1, 0.2, 0.3), events=100, shoppers=40,
        items=5, peak="01", swing=1.5, seen=2, novel=True,
        outlook=Outlook(("2025-01-27",), (0.3,), (0.2,), (0.4,), 0.8, 0.1, {"ets": 1.0}, test),
        change_points=(ChangePoint(steps[1], 0.1, 0.3, 0.9),), drivers=(Driver("price=low", NAMES, 0.6),),
        examples=("M1", "M2"), segments=(Segment("age", "30", NAMES, 25, 0.4, 133.0, None),),
        crowd=Crowd(20, (0.2, None, 0.4), (0.1, 0.1, 0.2), 0.4, 0.2, 0.69, True),
    )  # fmt: skip
    term = Term(
        "红色", "zh", (("红色", 9), ("紅色", 2)), 11, 20, "new", 0.9, 0.1, None, (None, 0.1, 0.2), 0, 0, False, steps[1]
    )
    gap = Gap("colour=red", "colour", "red", NAMES, "short", 0.3, (0.25, 0.35), 0.1, 5, 3.0, 0.2, None, "rising", "buy")
    alert = Alert("unmet", "红色", {"zh": "红色", "en": "红色"}, steps[2], True, 0.95, count=11)
    arrival = Arrival("M9", NAMES, "2025-01-20", ("M1",), (0.01,), (0.0,), (0.02,), 0.9)
    return Board(overview, (trend,), (term,), (gap,), (alert,), (arrival,))


START_S = 1_704_067_200  # Monday, 2024-01-01
KINDS = ("rising", "falling", "seasonal", *(f"plain{letter}" for letter in "abcdefghi"))
"""Categories of the small world; the first three do what they are called."""


def weight(kind: str, day: int, days: int) -> float:
    """How much a category is wanted on a day."""
    if kind in ("rising", "falling"):
        return float(4.0 ** ((day / days - 0.5) * (1 if kind == "rising" else -1)))
    return float(np.exp(0.8 * np.cos(2 * np.pi * day / 365.25))) if kind == "seasonal" else 1.0


def make_world(
    *,
    days: int = 735,
    busier: float = 1.0,
    users: int = 300,
    events: int = 9_000,
    seed: int = 0,
    attributes: dict[str, list[str]] | None = None,
) -> Shop:
    """Sixty pieces without pictures in twelve categories; whoever comes wants a category by its weight on that day."""
    rng = np.random.default_rng(seed)
    kinds = [KINDS[place % len(KINDS)] for place in range(60)]
    when = np.sort((days * rng.random(events) ** (1 / busier)).astype(np.int64))
    chance = np.array([[weight(kind, day, days) for kind in KINDS] for day in range(days)])
    chance /= chance.sum(axis=1, keepdims=True)
    kind = (rng.random(events)[:, None] > np.cumsum(chance[when], axis=1)).sum(axis=1)
    item = kind + len(KINDS) * rng.integers(0, 5, events)
    event = rng.choice([int(Event.VIEW), int(Event.PURCHASE)], events, p=[0.8, 0.2])
    stamp = START_S + when * DAY_S + rng.integers(0, DAY_S, events)
    stamp[-1] = START_S + days * DAY_S - 1
    items = _items(kinds)
    log = pl.DataFrame(
        {
            "user_num": rng.integers(0, users, events), "item_num": item, "event": event,
            "value": np.full(events, np.nan), "timestamp": np.sort(stamp),
        },
        schema=INTERACTION_COLUMNS,
    )  # fmt: skip
    facts = attributes or {"gender": ["female" if user % 2 else "male" for user in range(users)]}
    columns = {f"attributes.{name}": values for name, values in facts.items()}
    people = pl.DataFrame({"user_id": [f"U{user}" for user in range(users)], **columns})
    return shop_of(items, people, log)


def _items(kinds: list[str]) -> pl.DataFrame:
    rows = [
        {"item_id": f"I{place:02d}", "title": f"{one} piece {place}", "attributes.category": one, "price": 10.0 + place}
        for place, one in enumerate(kinds)
    ]
    return pl.DataFrame(rows, schema={**ITEM_COLUMNS, "attributes.category": pl.String()})


def shop_of(items: pl.DataFrame, users: pl.DataFrame, log: pl.DataFrame) -> Shop:
    """A shop in memory."""
    return Shop(
        name="Small world", root=Path(), language="en", items=items, users=users, interactions=log, features={},
        target_events=(Event.PURCHASE,), exclude_seen=True, problems=Problems(), spec=ShopSpec(name="Small world"),
    )  # fmt: skip


@pytest.fixture(scope="session")
def world() -> Callable[..., Shop]:
    """Makes small worlds."""
    return make_world
