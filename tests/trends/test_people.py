from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modaloom.bulletin.report import write_report
from modaloom.config import load_settings
from modaloom.counting.source import shop_source
from modaloom.data.shop import Shop
from modaloom.trends.people import may_show
from modaloom.trends.read import TrendOptions, read_trends

World = Callable[..., Shop]


@given(st.lists(st.integers(0, 200), max_size=12), st.integers(0, 100), st.integers(1, 50))
def test_nobody_can_be_had_by_subtraction(sizes: list[int], rest: int, k: int) -> None:
    shown = may_show(sizes, rest, k)
    assert all(size >= k for size, seen in zip(sizes, shown, strict=True) if seen)
    hidden = rest + sum(size for size, seen in zip(sizes, shown, strict=True) if not seen)
    assert hidden == 0 or hidden >= k or not shown.any()


def test_as_much_is_shown_as_may_be() -> None:
    assert may_show([100, 50, 30], 0, 20).all()
    assert may_show([100, 50, 19], 0, 20).tolist() == [True, False, False]  # 50 goes too: it would give away the 19
    assert may_show([100, 19, 18], 0, 20).tolist() == [True, False, False]  # the 37 hidden ones hide each other
    assert may_show([100, 50], 5, 20).tolist() == [True, False]


def regions(sizes: dict[str, int]) -> list[str]:
    return [name for name, size in sizes.items() for _ in range(size)]


def everything_written(shop: Shop, folder: Path, k: int) -> str:
    options = TrendOptions(k=k, forecasts=False)
    board = read_trends(shop_source(shop), options, settings=load_settings())
    write_report(board, folder, "en")
    return "".join(file.read_text(encoding="utf-8") for file in folder.glob("*.*"))


def test_a_small_group_is_nowhere(world: World, tmp_path: Path) -> None:
    sizes = {"Northland": 150, "Southland": 100, "Westland": 31, "Tinyland": 19}
    shop = world(attributes={"region": regions(sizes)})
    written = everything_written(shop, tmp_path / "out", 20)
    assert "Northland" in written
    assert "Tinyland" not in written
    assert "Westland" not in written  # all less the others would be Tinyland
    assert "Tinyland" in everything_written(shop, tmp_path / "open", 5)


@pytest.mark.parametrize("k", [20, 45])
def test_no_number_is_about_fewer_than_k(world: World, k: int) -> None:
    sizes = {"a": 120, "b": 90, "c": 60, "d": 30}
    shop = world(attributes={"region": regions(sizes)}, events=2_500)
    board = read_trends(shop_source(shop), TrendOptions(k=k, forecasts=False), settings=load_settings())
    assert all(trend.shoppers >= k for trend in board.trends)
    assert all(gap.trend_id in {trend.id for trend in board.trends} for gap in board.gaps)
    log, kind = shop.interactions, np.array(shop.items["attributes.category"].to_list())
    for trend in board.trends:
        shown = [one.value for one in trend.segments]
        assert all(one.shoppers >= k for one in trend.segments)
        if trend.dimension == "attribute.category" and shown:
            wanting = np.unique(log["user_num"].to_numpy()[kind[log["item_num"].to_numpy()] == trend.value])
            names = np.array(regions(sizes))[wanting]
            left = sum(1 for name in names if name not in shown)
            assert left == 0 or left >= k


def test_weeks_of_few_shoppers_are_blank(world: World) -> None:
    shop = world(events=1_200)  # about eleven a week
    board = read_trends(shop_source(shop), TrendOptions(k=20, forecasts=False), settings=load_settings())
    assert "thin" in board.overview.notes
    assert all(share is None for trend in board.trends for share in trend.series[:1])


def test_ages_come_in_bands(world: World) -> None:
    shop = world(attributes={"age": [str(16 + user % 50) for user in range(300)]})
    board = read_trends(shop_source(shop), TrendOptions(forecasts=False), settings=load_settings())
    bands = sorted({one.value for trend in board.trends for one in trend.segments})
    assert "25–34" in bands
    assert all(one != other for one, other in pairwise(bands))


def test_who_wants_it_most_stands_first(world: World) -> None:
    board = read_trends(shop_source(world()), TrendOptions(forecasts=False), settings=load_settings())
    for trend in board.trends:
        indices = [one.index for one in trend.segments]
        assert indices == sorted(indices, reverse=True)
