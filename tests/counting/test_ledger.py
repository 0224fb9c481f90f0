from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modaloom.counting.ledger import MOST_A_DAY, plain_query, read_ledger
from modaloom.errors import ShopError
from modaloom.types import Event

MONDAY_S, DAY_S = 1_704_067_200, 86_400
Row = tuple[int, int | None, Event, int, str | None]


def log_of(rows: list[Row]) -> pl.DataFrame:
    schema = {
        "user_num": pl.UInt32,
        "item_num": pl.UInt32,
        "event": pl.UInt8,
        "timestamp": pl.Int64,
        "query": pl.String,
    }
    plain = [(user, item, int(event), when, query) for user, item, event, when, query in rows]
    return pl.DataFrame(plain, schema=schema, orient="row")


def filler(weeks: int = 20) -> list[Row]:
    """Somebody looks at item 0 every day."""
    return [(0, 0, Event.VIEW, MONDAY_S + day * DAY_S, None) for day in range(7 * weeks)]


def test_a_look_a_cart_and_a_purchase_of_one_day_are_one_interest() -> None:
    when = MONDAY_S + 3_600
    visit: list[Row] = [(1, 1, kind, when, None) for kind in (Event.VIEW, Event.CART, Event.PURCHASE)]
    again: list[Row] = [(1, 1, Event.VIEW, when + DAY_S, None)]
    ledger = read_ledger([log_of(sorted([*filler(), *visit, *again], key=lambda row: row[3]))], 2)
    mine = (ledger.user == 1) & (ledger.thing == 1)
    assert mine.sum() == 2
    assert ledger.bought[mine].sum() == 1
    assert ledger.events == {"view": 142, "cart": 1, "purchase": 1}


def test_one_shopper_weighs_no_more_than_a_long_day() -> None:
    things = 3 * MOST_A_DAY
    busy: list[Row] = [(1, 1 + num, Event.VIEW, MONDAY_S + num, None) for num in range(things)]
    bought: list[Row] = [(1, things, Event.PURCHASE, MONDAY_S + 80_000, None)]
    ledger = read_ledger([log_of(sorted([*filler(), *busy, *bought], key=lambda row: row[3]))], 1 + things)
    assert (ledger.user == 1).sum() == MOST_A_DAY
    assert ledger.thing[ledger.bought].tolist() == [things], "what was bought counts before what was looked at"
    assert (ledger.user == 0).sum() == 140


def test_opinions_and_returns_are_no_interest() -> None:
    extra: list[Row] = [(1, 1, kind, MONDAY_S, None) for kind in (Event.DISLIKE, Event.RETURN, Event.RATING)]
    ledger = read_ledger([log_of([*extra, *filler()])], 2)
    assert not (ledger.thing == 1).any()


def test_a_log_of_ratings_alone_is_read_too() -> None:
    rated: list[Row] = [(user, item, Event.RATING, when, None) for user, item, _, when, _ in filler()]
    assert len(read_ledger([log_of(rated)], 1)) == 140


def test_queries_are_things_in_one_spelling() -> None:
    asked: list[Row] = [
        (user, None, Event.SEARCH, MONDAY_S, text)
        for user, text in enumerate(("Red  Dress", "ｒｅｄ dress", "红裙"), start=1)
    ]
    ledger = read_ledger([log_of([*asked, *filler()])], 1)
    assert ledger.queries == ("red dress", "红裙")
    assert ledger.n_things == 3
    assert plain_query("  Ｔ恤 ") == "t恤"


def test_only_whole_weeks_that_begin_on_mondays() -> None:
    rows = [row for row in filler(21) if row[3] >= MONDAY_S + 3 * DAY_S][:-2]
    ledger = read_ledger([log_of(rows)], 1)
    assert ledger.day(0).isoformat() == "2024-01-08"
    assert ledger.n_steps == 19
    assert np.array_equal(ledger.counts().toarray(), np.full((1, 19), 7.0))


@settings(max_examples=25)
@given(st.integers(1, 60), st.integers(0, 5))
def test_batches_of_any_size_say_the_same(size: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows: list[Row] = [
        (int(rng.integers(9)), int(rng.integers(5)), Event.VIEW, MONDAY_S + int(rng.integers(100 * DAY_S)), None)
        for _ in range(200)
    ]
    log = log_of(sorted([*rows, *filler()], key=lambda row: row[3]))
    parts = [log[start : start + size] for start in range(0, log.height, size)]
    whole, pieces = read_ledger([log], 5), read_ledger(parts, 5)
    assert (whole.counts() != pieces.counts()).nnz == 0
    assert np.array_equal(whole.active(), pieces.active())


def test_a_log_without_times_or_too_short_is_refused() -> None:
    with pytest.raises(ShopError, match="no event with a time"):
        read_ledger([log_of([(0, 0, Event.VIEW, 0, None)])], 1)
    with pytest.raises(ShopError, match="2 whole weeks"):
        read_ledger([log_of(filler(2))], 1)
