"""A small board that was really read."""

from __future__ import annotations

from pathlib import Path

import pytest

from modaloom.config import load_settings
from modaloom.counting.source import shop_source
from modaloom.data.shop import load_shop
from modaloom.trends.board import Board
from modaloom.trends.read import TrendOptions, read_trends


@pytest.fixture(scope="session")
def board(sample_shop: Path) -> Board:
    """The board of the built-in shop in small."""
    shop = load_shop(sample_shop)
    return read_trends(shop_source(shop), TrendOptions(k=5), settings=load_settings())
