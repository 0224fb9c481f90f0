"""A board that has one of everything."""

from __future__ import annotations

import pytest

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
