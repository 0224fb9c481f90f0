from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modaloom.config import load_settings
from modaloom.counting.source import shop_source
from modaloom.data.shop import Shop
from modaloom.trends.gaps import wilson
from modaloom.trends.read import TrendOptions, read_trends

World = Callable[..., Shop]


@given(st.floats(0, 1), st.floats(1, 1e6))
def test_an_interval_holds_its_share(share: float, number: float) -> None:
    low, high = wilson(share, number)
    assert 0 <= low <= share + 1e-9
    assert share - 1e-9 <= high <= 1


def test_an_interval_against_the_literature() -> None:
    assert wilson(0.1, 100) == pytest.approx((0.0552, 0.1744), abs=2e-4)


def test_demand_beside_assortment(world: World) -> None:
    """Four of five plain pieces are sold out, and one plain category is stocked six times over."""
    shop = world()
    kinds = shop.items["attributes.category"].to_list()
    stock = [0 if kind == "plaina" and place % 5 else 9 for place, kind in enumerate(kinds)]
    more = pl.concat([shop.items.filter(pl.col("attributes.category") == "plainb")] * 6)
    more = more.with_columns(item_id=pl.concat_str(pl.lit("more"), pl.int_range(more.height)))
    items = pl.concat([shop.items.with_columns(stock=pl.Series(stock, dtype=pl.Int64)), more])
    options = TrendOptions(by="category", forecasts=False)
    board = read_trends(shop_source(replace(shop, items=items)), options, settings=load_settings())
    gaps = {gap.value: gap for gap in board.gaps}
    assert gaps["plaina"].state == "short"
    assert gaps["plaina"].items == 1
    assert gaps["plainb"].state == "long"
    assert gaps["plainb"].advice == "narrow"
    assert all(gap.interval[0] <= gap.demand <= gap.interval[1] for gap in board.gaps)
    assert sum(gap.assortment for gap in board.gaps) == pytest.approx(1)
    assert gaps["plaina"].trend_id == board.gaps[0].trend_id or gaps["plaina"].ratio > 2
