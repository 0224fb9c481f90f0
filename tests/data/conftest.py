"""Tiny shops written to disk: every test reads real files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from modaloom.config import Settings
from modaloom.data.shop import Shop, load_shop

CATALOGUE = """
[items]
file = "items.csv"
[items.columns]
item_id = "id"
title = "name"
"""
LOG = """
[interactions]
file = "log.csv"
[interactions.columns]
user_id = "user"
item_id = "item"
timestamp = "time"
"""
ITEMS = "id,name\na,red dress\nb,blue jeans\nc,white shirt\n"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(cache_dir=tmp_path / "cache", threads=2)


@pytest.fixture
def write_shop(tmp_path: Path) -> Callable[..., Path]:
    """Writes a shop.toml and its files; returns the folder."""

    def write(toml: str, **files: str | bytes) -> Path:
        (tmp_path / "shop.toml").write_text('name = "Tiny"\n' + toml, encoding="utf-8")
        for name, content in files.items():
            data = content.encode() if isinstance(content, str) else content
            (tmp_path / name.replace("__", ".")).write_bytes(data)
        return tmp_path

    return write


@pytest.fixture
def log_shop(write_shop: Callable[..., Path], settings: Settings) -> Callable[[str], Shop]:
    """A shop of the items a, b and c with the log rows given."""

    def load(rows: str, extra: str = "") -> Shop:
        folder = write_shop(extra + CATALOGUE + LOG, items__csv=ITEMS, log__csv="user,item,time\n" + rows)
        return load_shop(folder, settings=settings)

    return load
