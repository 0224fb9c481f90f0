"""A live shop on the small bundle, with a store of its own for each test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from modaloom.config import load_settings
from modaloom.shop.live import LiveShop
from modaloom.shop.open import open_live_shop


@pytest.fixture
def open_shop(sample_bundle: Path, tmp_path: Path) -> Iterator[Callable[[], LiveShop]]:
    """Opens the live shop of this test's store; called again, it is another process's view of the same store."""
    opened: list[LiveShop] = []

    def open_one() -> LiveShop:
        live = open_live_shop(sample_bundle, f"sqlite:///{tmp_path / 'shop.db'}", load_settings(), today=True)
        opened.append(live)
        return live

    yield open_one
    for live in opened:
        live.close()
        live.store.close()


@pytest.fixture
def live(open_shop: Callable[[], LiveShop]) -> LiveShop:
    return open_shop()
