from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import polars as pl

from modaloom.config import load_settings
from modaloom.counting.source import shop_source
from modaloom.data.shop import Shop
from modaloom.trends.read import TrendOptions, read_trends


def test_what_carries_a_rise_is_named(world: Callable[..., Shop]) -> None:
    """Half of the rising pieces are of linen: linen rises because they do, and nothing else carries it."""
    shop = world(events=16_000)
    kinds = shop.items["attributes.category"].to_list()
    fabric = ["linen" if kind == "rising" or (kind == "plaina" and place % 2) else "wool" if place % 3 else "silk"
              for place, kind in enumerate(kinds)]  # fmt: skip
    items = shop.items.with_columns(pl.Series("attributes.fabric", fabric))
    told = replace(shop, items=items)
    board = read_trends(shop_source(told), TrendOptions(forecasts=False), settings=load_settings())
    linen = board.trend("attribute.fabric=linen")
    assert linen is not None
    assert linen.verdict == "rising"
    assert linen.drivers[0].trend_id == "attribute.category=rising"
    assert linen.drivers[0].part > 0.7
    assert not [one for trend in board.trends if trend.verdict in ("stable", "unknown") for one in trend.drivers]


def test_a_jump_is_an_alert(world: Callable[..., Shop]) -> None:
    """One plain category is wanted three times as much for the last ten weeks."""
    shop = world(events=20_000)
    log = shop.interactions
    rng = np.random.default_rng(1)
    late = (log["timestamp"] > log["timestamp"].max() - 70 * 86_400).to_numpy()  # type: ignore[operator]
    item = log["item_num"].to_numpy().copy()
    turned = late & (rng.random(len(item)) < 0.2)
    item[turned] = 3 + 12 * rng.integers(0, 5, int(turned.sum()))
    jumped = replace(shop, interactions=log.with_columns(item_num=pl.Series(item, dtype=pl.UInt32)))
    board = read_trends(shop_source(jumped), TrendOptions(by="category"), settings=load_settings())
    alerts = [alert for alert in board.alerts if alert.subject == "attribute.category=plaina"]
    assert {"change", "break"} & {alert.kind for alert in alerts}
    change = next(one for one in alerts if one.kind in ("change", "break"))
    assert (change.after or 0) > 1.5 * (change.before or 1)
    assert alerts[0].step >= board.overview.period.steps[-14]
