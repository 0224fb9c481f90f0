from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from modaloom import cli
from modaloom.config import load_settings
from modaloom.shop.open import prepare_store
from modaloom.storage.open import open_store
from modaloom.trends.board import read_board
from modaloom.trends.kept import load_board


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Runs the command line and gives exit code, output and errors."""

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["modaloom", *(str(one) for one in arguments)])
        code = 0
        try:
            cli.main()
        except SystemExit as stopped:
            code = int(stopped.code or 0)
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run


def test_trends_of_a_shop(sample_shop: Path, tmp_path: Path, command: Callable[..., tuple[int, str, str]]) -> None:
    code, out, err = command("trends", sample_shop, "--k", 5, "--lang", "zh", "--out", tmp_path / "out")
    assert code == 0, err
    assert "需求与商品结构" in out
    assert max(len(line) for line in out.splitlines() if line.startswith(" ")) <= 80
    board = json.loads((tmp_path / "out" / "board.json").read_text(encoding="utf-8"))
    assert board["overview"]["k"] == 5


def test_one_dimension_in_english(sample_shop: Path, command: Callable[..., tuple[int, str, str]]) -> None:
    code, out, _ = command("trends", sample_shop, "--by", "material", "--horizon-weeks", 8, "--lang", "en")
    assert code == 0
    assert "104 weeks" in out
    assert "Category" not in out


def test_a_store_keeps_its_board(
    sample_bundle: Path, tmp_path: Path, command: Callable[..., tuple[int, str, str]]
) -> None:
    url = f"sqlite:///{tmp_path}/shop.db"
    with open_store(url) as store:
        prepare_store(store, sample_bundle, load_settings())
    code, out, err = command("trends", url, "--k", 5)
    assert code == 0, err
    assert f"kept in {url}" in out
    with open_store(url) as store:
        kept = load_board(store)
        assert kept is not None
        assert kept.overview.shop == "Modaloom sample"
        assert any(trend.names["zh"] != trend.names["en"] for trend in kept.trends)
        assert command("trends", url, "--by", "category")[0] == 0
        assert load_board(store) == kept  # a part of a board does not take the place of the whole
        assert read_board(kept.to_json()) == kept


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("nowhere",), "no such file or folder"),
        (("SHOP", "--by", "mood"), "Choose one of"),
        (("SHOP", "--lang", "fr"), "Choose zh or en"),
        (("mysql://shop",), "no kind of store"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    arguments: tuple[str, ...], words: str, sample_shop: Path, command: Callable[..., tuple[int, str, str]]
) -> None:
    code, _, err = command("trends", *(str(sample_shop) if one == "SHOP" else one for one in arguments))
    assert code == 2
    assert words in " ".join(err.split())
