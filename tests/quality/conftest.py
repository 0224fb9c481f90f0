"""Tiny shops with one planted fault each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from modaloom.config import Settings
from modaloom.data.shop import Shop, load_shop

MakeShop = Callable[..., Shop]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(cache_dir=tmp_path / "cache", threads=2)


@pytest.fixture
def make_shop(tmp_path: Path, settings: Settings) -> MakeShop:
    """A shop of the columns and rows given; every column but ``id`` is mapped as its name says."""

    def make(
        items: Sequence[str] = ("id", "a", "b", "c"),
        log: Sequence[str] = (),
        *,
        toml: str = "",
        attributes: Sequence[str] = (),
        language: str = "en",
    ) -> Shop:
        text = [f'name = "Tiny"\nlanguage = "{language}"']
        if items:
            (tmp_path / "items.csv").write_text("\n".join(items) + "\n", encoding="utf-8")
            text.append('[items]\nfile = "items.csv"\n[items.columns]\nitem_id = "id"')
            known = set(items[0].split(",")) & {"title", "description", "title_zh", "title_en", "price"}
            known |= set(items[0].split(",")) & {"description_zh", "released_at", "group_id"}
            text += [f'{column} = "{column}"' for column in sorted(known)]
            text.append("[items.attributes]\n" + "\n".join(f'{name} = "{name}"' for name in attributes))
            if "image" in items[0].split(","):
                text.append('[items.images]\ncolumn = "image"')
        if log:
            (tmp_path / "log.csv").write_text("\n".join(log) + "\n", encoding="utf-8")
            text.append('[interactions]\nfile = "log.csv"\n[interactions.columns]\nuser_id = "user"\nitem_id = "item"')
            text += [f'{theirs} = "{theirs}"' for theirs in ("event", "timestamp") if theirs in log[0].split(",")]
        (tmp_path / "shop.toml").write_text("\n".join(text) + "\n" + toml, encoding="utf-8")
        return load_shop(tmp_path, settings=settings)

    return make
