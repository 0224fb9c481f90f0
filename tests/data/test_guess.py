"""``modaloom init`` on folders of exports: how many of the columns that matter are mapped right without an edit."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from modaloom.config import Settings
from modaloom.data.guess import guess_shop
from modaloom.data.schema import ShopSpec, read_spec
from modaloom.data.shop import load_shop
from modaloom.errors import ShopNotFoundError

sys.path.insert(0, str(Path(__file__).parent))
from plain_shops import PLAIN
from vendor_files import VENDORS, differences


def mapped(spec: ShopSpec) -> dict[str, str]:
    """Columns by ``section.our_name``; alternatives count by their first."""
    found: dict[str, Any] = {}
    for section in ("items", "users", "interactions"):
        table = getattr(spec, section)
        if table is None:
            continue
        named = {**getattr(table, "attributes", {})}
        if hasattr(table, "columns"):
            named |= table.columns.model_dump(exclude_none=True)
        if hasattr(table, "user_id"):
            named["user_id"] = table.user_id
        if getattr(table, "images", None):
            named["image"] = (table.images.columns or ("",))[0]
        variants = getattr(table, "variants", None)
        if variants:
            named |= {"by": variants.by or "", "options": variants.options[0][0] if variants.options else ""}
        found |= {f"{section}.{name}": column for name, column in named.items()}
    return found


def right(wanted: Mapping[str, str], found: Mapping[str, str]) -> list[str]:
    """Names that are mapped to the column that they should be."""
    return [name for name, column in wanted.items() if column in found.get(name, "").split(" | ")]


FOLDERS = {**{name: (vendor.write, vendor.columns) for name, vendor in VENDORS.items()}, **PLAIN}


@pytest.mark.parametrize("name", FOLDERS)
def test_columns_that_matter_are_found(name: str, tmp_path: Path, settings: Settings) -> None:
    write, wanted = FOLDERS[name]
    write(tmp_path)
    guess = guess_shop(tmp_path)
    (tmp_path / "shop.toml").write_text(guess.text, encoding="utf-8")
    found = mapped(read_spec(tmp_path / "shop.toml"))
    hits = right(wanted, found)
    print(f"{name}: {len(hits)} of {len(wanted)} columns, {len(guess.uncertain)} asked about")
    missed = {one: (column, found.get(one)) for one, column in wanted.items() if one not in hits}
    assert len(hits) >= 0.9 * len(wanted), missed
    shop = load_shop(tmp_path, settings=settings)
    assert shop.n_items
    if name in VENDORS:
        assert guess.maps
        assert not differences(VENDORS[name].truth, shop)


def test_what_is_uncertain_is_commented_and_asked(tmp_path: Path) -> None:
    rows = [f"{n},Hat {n},{n}.299,0{n % 9 + 1}/0{n % 9 + 1}/2024" for n in range(1, 10)]
    (tmp_path / "hats.csv").write_text("\n".join(["id,name,price,release_date", *rows]))
    rows = [f"u{n},{n},2024-03-0{n},{word}" for n, word in enumerate(("view", "frob", "checkout_step"), start=1)]
    (tmp_path / "log.csv").write_text("\n".join(["user,item,when,what", *rows]))
    guess = guess_shop(tmp_path)
    assert '# decimal = ","' in guess.text
    assert "# date_format" in guess.text
    assert '# frob = "view"   # ?' in guess.text
    assert '# checkout_step = "view"   # ?' in guess.text
    assert any("'frob'" in question for question in guess.uncertain)
    assert any("decimal" in question for question in guess.uncertain)


def test_folders_without_tables(tmp_path: Path) -> None:
    with pytest.raises(ShopNotFoundError, match="no such folder"):
        guess_shop(tmp_path / "nowhere")
    (tmp_path / "a.jpg").write_bytes(b"")
    with pytest.raises(ShopNotFoundError, match="no tables"):
        guess_shop(tmp_path)


def test_daily_files_are_one_table(tmp_path: Path) -> None:
    for day in ("20240101", "20240102"):
        (tmp_path / f"orders_{day}.csv").write_text(f"user_id,item_id,timestamp\nu,{day},2024-01-01\n")
    assert 'file = "orders_*.csv"' in guess_shop(tmp_path).text
