from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import polars as pl

from modaloom.config import load_settings
from modaloom.counting.source import shop_source
from modaloom.data.shop import Shop
from modaloom.trends.read import TrendOptions, read_trends

World = Callable[..., Shop]


def test_who_is_early_is_found_from_the_past_alone(world: World) -> None:
    """Sixty shoppers want rising things half a year before the others do, all the time."""
    shop = world(events=30_000, users=400)
    log = shop.interactions
    rng = np.random.default_rng(5)
    early = (log["user_num"] < 60).to_numpy()
    item = log["item_num"].to_numpy().copy()
    turned = early & (rng.random(len(item)) < 0.35)
    item[turned] = 12 * rng.integers(0, 5, int(turned.sum()))  # item 0, 12, 24 ... are of the category that rises
    ahead = replace(shop, interactions=log.with_columns(item_num=pl.Series(item, dtype=pl.UInt32)))
    board = read_trends(shop_source(ahead), TrendOptions(by="category", forecasts=False), settings=load_settings())
    rising = board.trend("attribute.category=rising")
    assert rising is not None
    assert rising.crowd is not None
    assert rising.crowd.sure
    assert (rising.crowd.ahead or 0) > 0.3
    assert rising.crowd.setters[0] is None  # before there is a past to judge by, nobody is called a trendsetter
    assert rising.crowd.shoppers >= 20


def test_where_nobody_is_early_nothing_is_claimed(world: World) -> None:
    board = read_trends(shop_source(world(events=20_000)), TrendOptions(forecasts=False), settings=load_settings())
    crowds = [trend.crowd for trend in board.trends if trend.crowd is not None]
    assert crowds
    assert not [crowd for crowd in crowds if crowd.sure]


def test_a_short_log_has_no_trendsetters(world: World) -> None:
    board = read_trends(shop_source(world(days=300)), TrendOptions(forecasts=False), settings=load_settings())
    assert all(trend.crowd is None for trend in board.trends)
