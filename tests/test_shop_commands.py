"""``modaloom maps`` and ``modaloom init``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

Command = Callable[..., tuple[int, str, str]]


def test_maps_are_listed_and_printed(command: Command) -> None:
    code, out, _ = command("maps")
    assert code == 0
    assert "shopify" in out
    code, out, _ = command("maps", "shopify")
    assert code == 0
    assert 'item_id = ["Handle", "URL handle"]' in out
    assert command("maps", "nothing")[0] == 2


@pytest.fixture
def exports(tmp_path: Path) -> Path:
    rows = [f"{n};Hut {n};{n + 9},90;{n}" for n in range(9)]
    (tmp_path / "artikel.csv").write_text("\n".join(["Artikelnummer;Bezeichnung;Preis;Bestand", *rows]) + "\n")
    return tmp_path


def test_a_first_shop_and_five_items(exports: Path, command: Command) -> None:
    code, out, _ = command("init", exports)
    assert code == 0
    assert "Hut 4" in out
    assert "Hut 5" not in out
    assert "9 items, 0 users, 0 events" in out
    assert 'price = "Preis"' in (exports / "shop.toml").read_text(encoding="utf-8")
    code, _, err = command("init", exports)
    assert code == 2
    assert "--force" in err
    assert command("init", exports, "--force")[0] == 0
    assert command("check", exports)[0] == 0


def test_what_must_be_answered_first(exports: Path, command: Command) -> None:
    rows = [f"{n};Hut {n};{n + 1}.299;{n}" for n in range(9)]
    (exports / "artikel.csv").write_text("\n".join(["Artikelnummer;Bezeichnung;Preis;Bestand", *rows]) + "\n")
    code, out, _ = command("init", exports)
    assert code == 0
    assert "It cannot be read yet" in out
    assert "look at this: artikel.csv: say decimal" in out


def test_a_folder_without_tables(tmp_path: Path, command: Command) -> None:
    code, _, err = command("init", tmp_path)
    assert code == 2
    assert "no tables" in err
