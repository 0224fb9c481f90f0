from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from modaloom.config import load_settings
from modaloom.counting.source import shop_source
from modaloom.data.shop import Shop
from modaloom.errors import QueryError, ShopError
from modaloom.trends.board import Board, read_board
from modaloom.trends.read import TrendOptions, read_trends

World = Callable[..., Shop]
PLAIN = [f"plain{letter}" for letter in "abcdefghi"]
MOVING = {"rising", "falling", "seasonal"}


def board_of(shop: Shop, **options: object) -> Board:
    return read_trends(shop_source(shop), TrendOptions(**options), settings=load_settings())  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def board(world: World) -> Board:
    return board_of(world())


def test_what_moves_is_found_and_named(board: Board) -> None:
    verdicts = {trend.value: trend.verdict for trend in board.trends if trend.dimension == "attribute.category"}
    assert [verdicts[kind] for kind in ("rising", "falling", "seasonal")] == ["rising", "falling", "seasonal"]
    assert not {verdicts[kind] for kind in PLAIN} & MOVING
    seasonal = board.trend("attribute.category=seasonal")
    assert seasonal is not None
    assert seasonal.peak in ("12", "01")
    assert 3.5 < (seasonal.swing or 0) < 7  # planted: e to the 1.6, about 5


def test_too_few_shoppers_are_a_board_that_says_nothing_of_them(world: World) -> None:
    board = board_of(world(), k=100_000)
    assert not board.trends
    assert board.overview.k == 100_000
    assert board.overview.hidden > 0


def test_the_change_is_that_of_the_world(board: Board) -> None:
    rising = board.trend("attribute.category=rising")
    assert rising is not None
    assert rising.interval is not None
    low, high = rising.interval
    assert low < 4**0.75 - 1 < high + 0.5
    assert rising.confidence > 0.99


def test_shares_of_a_dimension_add_up_to_one(board: Board) -> None:
    series = [trend.series for trend in board.trends if trend.dimension == "attribute.category"]
    for step in range(len(board.overview.period.steps)):
        shares = [line[step] for line in series]
        if None not in shares:
            assert sum(share for share in shares if share is not None) == pytest.approx(1, abs=1e-4)


def test_more_visitors_are_no_trend(world: World) -> None:
    """A world that gets busier all the time, with a tenth of the traffic in its first third, says the same."""
    shop = world(busier=2.0, events=16_000, users=900)
    found = {trend.value: trend.verdict for trend in board_of(shop, by="category", forecasts=False).trends}
    assert found["rising"] == "rising"
    assert found["falling"] == "falling"
    assert not {found[kind] for kind in PLAIN} & MOVING


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_shuffled_calendar_is_quiet(world: World, seed: int) -> None:
    shop = world()
    order = np.random.default_rng(seed).permutation(shop.interactions.height)
    log = shop.interactions.with_columns(pl.col("timestamp").gather(pl.Series(order))).sort("timestamp")
    quiet = board_of(replace(shop, interactions=log), forecasts=False)
    assert not [trend.id for trend in quiet.trends if trend.verdict in MOVING]
    assert not [alert for alert in quiet.alerts if alert.kind == "change"]


def test_putting_more_on_the_shelf_is_no_trend_where_pieces_stay(world: World) -> None:
    """Three of five pieces come out in the second year, each as wanted as any other: their category does not rise."""
    shop = world(events=16_000)
    late = [place for place in range(60) if shop.items["attributes.category"][place] == "plaina"][:3]
    middle = int(shop.interactions["timestamp"].max() or 0) - 365 * 86_400  # type: ignore[arg-type]
    log = shop.interactions.filter(~(pl.col("item_num").is_in(late) & (pl.col("timestamp") < middle)))
    released = [middle if place in late else 1_600_000_000 for place in range(60)]
    items = shop.items.with_columns(released_at=pl.Series(released, dtype=pl.Int64))
    board = board_of(replace(shop, interactions=log, items=items), by="category", forecasts=False)
    assert board.overview.like_for_like
    plain = board.trend("attribute.category=plaina")
    assert plain is not None
    assert not {plain.verdict, *plain.also} & MOVING
    shares = [share or 0.0 for share in plain.series]
    assert sum(shares[-26:]) > 1.5 * sum(shares[:26])  # though its share as it is does rise


def test_forecasts_come_with_a_back_test(board: Board) -> None:
    trend = board.trend("attribute.category=seasonal")
    assert trend is not None
    assert trend.outlook is not None
    assert trend.outlook.abstained is None
    assert len(trend.outlook.mean) == board.overview.horizon == 26
    bounds = zip(trend.outlook.lower, trend.outlook.mean, trend.outlook.upper, strict=True)
    assert all(low <= mean <= high for low, mean, high in bounds)
    assert trend.outlook.back_test is not None


def test_a_short_log_is_told_honestly(world: World) -> None:
    short = board_of(world(days=200, events=4_000))
    assert "short" in short.overview.notes
    assert all(trend.outlook is not None and trend.outlook.abstained == "short" for trend in short.trends)
    assert not [trend for trend in short.trends if trend.verdict == "seasonal"]
    with pytest.raises(ShopError, match="whole weeks"):
        board_of(world(days=40, events=500))


def test_days_as_steps(world: World) -> None:
    daily = board_of(world(days=200, events=4_000), daily=True, horizon_weeks=2)
    assert daily.overview.period.step_days == 1
    assert daily.overview.horizon == 14
    assert len(daily.overview.period.steps) == 200


def test_one_dimension_only(world: World, board: Board) -> None:
    narrow = board_of(world(), by="category", forecasts=False)
    assert {trend.dimension for trend in narrow.trends} == {"attribute.category"}
    with pytest.raises(QueryError, match="Choose one of category"):
        board_of(world(), by="cut")


def test_options_out_of_range_are_refused() -> None:
    for wrong in ({"k": 0}, {"horizon_weeks": 0}, {"level": 1.0}):
        with pytest.raises(QueryError):
            TrendOptions(**wrong)  # type: ignore[arg-type]


def test_the_whole_board_survives_json(board: Board) -> None:
    assert read_board(board.to_json()) == board


def test_examples_are_of_the_value(board: Board, world: World) -> None:
    kinds = dict(world().items.select("item_id", "attributes.category").iter_rows())
    for trend in board.trends:
        if trend.dimension == "attribute.category":
            assert trend.examples
            assert {kinds[item_id] for item_id in trend.examples} == {trend.value}
