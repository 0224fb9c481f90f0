"""Demand is foreseen from what the shop knew, also for what was never sold."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modaloom.data.splits import as_of
from modaloom.models.behaviour import decayed_counts
from modaloom.numerics import unit_rows
from modaloom.ranking.contract import HistoryBatch, NewItems
from modaloom.ranking.demand import (
    Demand,
    Doubles,
    Features,
    Newness,
    Scale,
    SnapshotKey,
    blocks_of,
    fit_poisson,
    item_features,
    release_positions,
    scale_of,
)
from modaloom.testing import checkerboard_world
from modaloom.types import (
    DAY_S,
    INTERACTION_COLUMNS,
    ITEM_COLUMNS,
    BoolArray,
    Event,
    Histories,
    IntArray,
    Snapshot,
    Tokens,
)

START = 1_600_000_000
DAYS, PER_DAY, ON_SALE_DAYS = 200, 2, 30
NOBODY = HistoryBatch(Histories.from_lists([[]], now=0))


def fashion_world(seed: int = 0) -> tuple[Snapshot, BoolArray, IntArray]:
    """Two items come out a day and sell for a month, those in fashion ten times as well.

    What is in fashion can be seen in the pictures. Gives the shop on its last day, what is in fashion (n,) and
    the age of each item in days (n,).
    """
    rng = np.random.default_rng(seed)
    n = DAYS * PER_DAY
    released_day = np.arange(n) // PER_DAY
    liked = rng.random(n) < 0.5
    centres = unit_rows(rng.standard_normal((2, 8)).astype(np.float32))
    vectors = unit_rows(centres[liked.astype(int)] + 0.2 * rng.standard_normal((n, 8)).astype(np.float32))
    sales = [
        (item, day)
        for item in range(n)
        for day in range(released_day[item] + 1, min(released_day[item] + ON_SALE_DAYS, DAYS - 1))
        for _ in range(rng.poisson(1.0 if liked[item] else 0.1))
    ]
    items, days = np.array(sorted(sales, key=lambda sale: sale[1])).T
    released = START + released_day * DAY_S
    columns: dict[str, Any] = {"item_id": [str(num) for num in range(n)], "released_at": released}
    snapshot = Snapshot(
        items=pl.DataFrame(
            [pl.Series(name, columns.get(name, [None] * n), dtype=kind) for name, kind in ITEM_COLUMNS.items()]
        ),
        users=pl.DataFrame({"user_id": [str(num) for num in range(50)]}),
        interactions=pl.DataFrame(
            {
                "user_num": rng.integers(0, 50, len(items)),
                "item_num": items,
                "event": np.full(len(items), int(Event.PURCHASE)),
                "value": np.full(len(items), np.nan),
                "timestamp": START + days * DAY_S,
            }
        ).select(pl.col(name).cast(kind) for name, kind in INTERACTION_COLUMNS.items()),
        tokens={"image": Tokens("image", "made/1", vectors, np.ones(n, dtype=bool))},
        catalogue=np.ones(n, dtype=bool),
        now=START + DAYS * DAY_S,
    )
    return snapshot, liked, DAYS - released_day


SHOP, LIKED, AGE_DAYS = fashion_world()


@pytest.fixture(scope="module")
def expected() -> Features:
    """Expected sales of the coming window, (n,)."""
    sales: Features = np.exp(Demand().fit(SHOP).score(NOBODY)[0].astype(np.float64))
    return sales


def test_new_items_are_told_apart_though_they_were_never_sold(expected: Features) -> None:
    sold = np.bincount(SHOP.targets()["item_num"].to_numpy(), minlength=SHOP.n_items)
    never = (sold == 0) & (AGE_DAYS <= 2)
    assert (never & LIKED).any()
    assert (never & ~LIKED).any()
    assert expected[never & LIKED].mean() > 3 * expected[never & ~LIKED].mean()
    assert expected[never & LIKED].min() > 10 * np.median(expected[AGE_DAYS > 60]), "the old sell no more"


def test_expectations_are_of_the_right_size(expected: Features) -> None:
    """A new item in fashion sells once a day while the window and its month last."""
    new = AGE_DAYS <= 2
    assert 12 < expected[new & LIKED].mean() < 45
    assert expected[AGE_DAYS > 60].max() < 2


def test_demand_is_the_same_for_everybody() -> None:
    scores = Demand().fit(SHOP).score(HistoryBatch(Histories.from_lists([[], [1], [2, 3]], now=0)))
    assert (scores == scores[0]).all()


def test_nothing_later_than_the_cut_is_read() -> None:
    cut = START + 150 * DAY_S
    early = as_of(SHOP, cut)
    late = SHOP.interactions.with_columns(
        item_num=pl.when(pl.col("timestamp") >= cut).then(0).otherwise(pl.col("item_num")).cast(pl.UInt32)
    )
    other = as_of(replace(SHOP, interactions=late), cut)
    assert (Demand().fit(early).score(NOBODY) == Demand().fit(other).score(NOBODY)).all()
    assert (item_features(early) == item_features(other)).all()


def test_remembered_features_change_nothing() -> None:
    seen: dict[tuple[int, int, int], Features] = {}
    first = Demand(cache=seen).fit(SHOP).score(NOBODY)
    assert len(seen) == 5  # four windows and the present
    remembered = dict(seen)
    second = Demand(cache=seen).fit(SHOP).score(NOBODY)
    assert (first == second).all()
    assert all(seen[key] is value for key, value in remembered.items()), "work was done again"


def test_without_times_counts_stand_in() -> None:
    board = checkerboard_world()[0]
    timeless = replace(board, interactions=board.interactions.with_columns(timestamp=pl.lit(0, dtype=pl.Int64)))
    scores = Demand().fit(timeless).score(NOBODY)[0]
    counts = np.bincount(timeless.targets()["item_num"].to_numpy(), minlength=timeless.n_items)
    assert scores == pytest.approx(np.log(counts + 0.1), rel=1e-5)


def test_too_few_sales_fall_back_to_recent_counts() -> None:
    few = replace(SHOP, interactions=SHOP.interactions.tail(20))
    scores = Demand().fit(few).score(NOBODY)[0]
    assert scores == pytest.approx(np.log(decayed_counts(few, 28.0) + 0.1), rel=1e-5)
    empty = replace(SHOP, interactions=SHOP.interactions.clear())
    assert np.ptp(Demand().fit(empty).score(NOBODY)) == 0


def test_a_shop_without_dates_and_content_still_has_demand() -> None:
    bare = replace(SHOP, items=SHOP.items.with_columns(released_at=pl.lit(None, dtype=pl.Int64)), tokens={})
    assert release_positions(bare) is None
    expected = Demand().fit(bare).score(NOBODY)[0]
    selling = (AGE_DAYS < 20) & (AGE_DAYS > 10) & LIKED
    assert expected[selling].mean() > expected[AGE_DAYS > 60].mean() + 1


def test_release_positions_go_from_old_to_new_and_take_ranks_for_want_of_dates() -> None:
    n = SHOP.n_items
    items = SHOP.items.with_columns(
        released_at=pl.lit(None, dtype=pl.Int64), release_rank=pl.Series([None, *map(float, range(n - 1))])
    )
    places = release_positions(replace(SHOP, items=items))
    assert places is not None
    assert places[0] == 0.5  # unknown: in the middle
    assert (np.diff(places[1:]) > 0).all()
    assert 0 < places.min() < places.max() <= 1


def fitted(rows: Doubles, counts: Doubles, ridge: float) -> tuple[Doubles, float]:
    """On features as they are."""
    width = rows.shape[1]
    return fit_poisson([(rows.astype(np.float32), counts)], Scale(np.zeros(width), np.ones(width)), ridge)


def test_features_are_scaled_over_all_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("modaloom.ranking.demand.ROWS_AT_ONCE", 7)
    rng = np.random.default_rng(0)
    tables = [rng.normal(3.0, 2.0, (size, 4)).astype(np.float32) for size in (20, 1, 9)]
    whole = np.concatenate(tables).astype(np.float64)
    scale = scale_of(tables)
    assert scale.mean == pytest.approx(whole.mean(axis=0))
    assert scale.spread == pytest.approx(whole.std(axis=0), abs=1e-5)
    made = np.concatenate([block for rows in tables for block in blocks_of(rows, scale)])
    assert made == pytest.approx((whole - scale.mean) / scale.spread)


def test_portions_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    rows = rng.standard_normal((100, 3)).astype(np.float32)
    counts = rng.poisson(np.exp(0.5 * rows[:, 0])).astype(float)
    plain = Scale(np.zeros(3), np.ones(3))
    whole = fit_poisson([(rows, counts)], plain, 1.0)
    monkeypatch.setattr("modaloom.ranking.demand.ROWS_AT_ONCE", 13)
    parted = fit_poisson([(rows[:40], counts[:40]), (rows[40:], counts[40:])], plain, 1.0)
    assert parted[0] == pytest.approx(whole[0])
    assert parted[1] == pytest.approx(whole[1])


def test_of_a_large_catalogue_fewer_cuts_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    kept: dict[SnapshotKey, Features] = {}
    usual = Demand().fit(SHOP).state()["scores"]
    monkeypatch.setattr("modaloom.ranking.demand.CACHED_NUMBERS", 1)
    made = Demand(cache=kept).fit(SHOP).state()["scores"]
    assert len(kept) == 1
    assert (made == usual).all()


def test_fit_poisson_recovers_known_weights() -> None:
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((6_000, 3))
    known, bias = np.array([0.8, -0.5, 0.0]), -1.0
    counts = rng.poisson(np.exp(rows @ known + bias)).astype(float)
    weights, offset = fitted(rows, counts, 1e-3)
    assert weights == pytest.approx(known, abs=0.05)
    assert offset == pytest.approx(bias, abs=0.05)


@given(st.integers(0, 10_000))
@settings(max_examples=20, deadline=None)
def test_fit_poisson_keeps_the_total_and_shrinks_with_the_ridge(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((200, 4))
    counts = rng.poisson(np.exp(0.5 * rows[:, 0])).astype(float)
    loose, bias = fitted(rows, counts, 0.1)
    tight, _ = fitted(rows, counts, 1e4)
    assert np.exp(rows @ loose + bias).sum() == pytest.approx(counts.sum(), rel=5e-3)  # it stops near enough
    assert np.linalg.norm(tight) < 0.2 * np.linalg.norm(loose) + 1e-6


@pytest.mark.parametrize("counts", [np.zeros(50), np.full(50, 1000.0), np.eye(50)[0] * 1e4])
def test_fit_poisson_survives_hard_counts(counts: Doubles) -> None:
    rows = np.random.default_rng(0).standard_normal((50, 2)) * 30
    weights, bias = fitted(rows, counts, 3.0)
    assert np.isfinite(weights).all()
    assert np.isfinite(bias)


class TestNewness:
    def test_the_newer_the_more_and_what_is_not_out_yet_is_in_the_middle(self) -> None:
        dates = pl.Series([SHOP.now - int(days * DAY_S) for days in range(SHOP.n_items)], dtype=pl.Int64)
        dates[4], dates[5] = None, SHOP.now + DAY_S
        offered = np.arange(SHOP.n_items) != 5
        shop = replace(SHOP, items=SHOP.items.with_columns(released_at=dates), catalogue=offered)
        scores = Newness().fit(shop).score(NOBODY)[0]
        known = np.delete(scores, [4, 5])
        assert (np.diff(known) < 0).all()
        assert scores[[4, 5]] == pytest.approx(known.mean())
        assert scores[0] - scores[1] > scores[20] - scores[21], "a day more is the less the older it is"

    def test_without_dates_nothing_is_new(self) -> None:
        bare = replace(SHOP, items=SHOP.items.with_columns(released_at=pl.lit(None, dtype=pl.Int64)))
        assert np.ptp(Newness().fit(bare).score(NOBODY)) == 0

    def test_what_came_later_is_the_newest_and_what_changed_stays(self) -> None:
        part, n = Newness().fit(SHOP), SHOP.n_items
        before = part.score(NOBODY)[0]
        part.add_items(NewItems(np.array([2, n]), {}, np.arange(2)))
        after = part.score(NOBODY)[0]
        np.testing.assert_array_equal(after[:n], before)
        assert after[n] >= before.max()
