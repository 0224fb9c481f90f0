"""``modaloom forecast``, from the command line to what it writes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from modaloom.testing.forecasts import seasonal

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Twenty-two weekly series of three years, one of them short."""
    values = seasonal(22, 157, 0.1)
    values[1, :80] = np.nan
    lines = ["week," + ",".join(f"[s{row}]" for row in range(22))]
    lines += [
        f"{step}," + ",".join("" if np.isnan(x) else repr(float(x)) for x in values[:, step]) for step in range(157)
    ]
    file = tmp_path / "series.csv"
    file.write_text("\n".join(lines), encoding="utf-8")
    return file


def test_everything_that_it_writes(table: Path, tmp_path: Path, command: Command) -> None:
    out = [tmp_path / name for name in ("f.json", "f.csv", "f.png")]
    options = ["--json", out[0], "--csv", out[1], "--png", out[2]]
    code, shown, _ = command("forecast", table, "--horizon", "20", "--train-end", "137", "--aux", table, *options)
    assert code == 0
    assert "[s0]" in shown
    assert "1 series are shorter than two seasons" in shown
    assert "and 2 more" in shown
    assert "held out, 20 steps: pooled MASE" in shown
    content = json.loads(out[0].read_text(encoding="utf-8"))
    assert content["train_steps"] == 137
    assert content["pooled_mase"] < 1
    assert 0.5 < content["coverage"] <= 1
    assert len(out[1].read_text(encoding="utf-8").splitlines()) == 1 + 21 * 20
    assert out[2].stat().st_size > 10_000


def test_what_is_held_out_changes_nothing(table: Path, tmp_path: Path, command: Command) -> None:
    lines = table.read_text(encoding="utf-8").splitlines()
    other = tmp_path / "other.csv"
    other.write_text("\n".join([*lines[:138], *(f"{step}," + ",".join(["9e9"] * 22) for step in range(137, 157))]))
    found = []
    for file in (table, other):
        assert command("forecast", file, "--train-end", "137", "--horizon", "9", "--json", tmp_path / "f.json")[0] == 0
        found.append(json.loads((tmp_path / "f.json").read_text(encoding="utf-8")))
    for name, one in found[0]["series"].items():
        assert one["mean"] == found[1]["series"][name]["mean"]
        assert one["upper"] == found[1]["series"][name]["upper"]


def test_without_anything_held_out(table: Path, command: Command) -> None:
    code, shown, _ = command("forecast", table, "--horizon", "4", "--models", "theta,ets", "--level", "0.9")
    assert code == 0
    assert "held out" not in shown
    assert "90% interval" in " ".join(shown.split())
    assert "attention" not in shown


def test_a_long_table_with_names_of_its_own(tmp_path: Path, command: Command) -> None:
    values = seasonal(2, 40, 0.1, 7)
    rows = [f"{'ab'[row]},{step},{values[row, step]}" for row in range(2) for step in range(40)]
    (tmp_path / "long.csv").write_text("\n".join(["who,when,what", *rows]), encoding="utf-8")
    arguments = ["forecast", tmp_path / "long.csv", "--season", "7", "--horizon", "7"]
    assert command(*arguments, "--columns", "who,when,what")[0] == 0
    code, _, err = command(*arguments, "--columns", "who,when")
    assert code == 2
    assert "--columns name,time,value" in err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--train-end", "158"), "beyond the 157 steps"),
        (("--models", "no-such"), "unknown model"),
        (("--level", "2"), "not between 0 and 1"),
        (("--aux", "none.csv"), "no such file"),
    ],
)
def test_failures_are_one_line(table: Path, arguments: tuple[str, str], says: str, command: Command) -> None:
    code, _, err = command("forecast", table, *arguments)
    assert code == 2
    assert says in err
    assert len(err.strip().splitlines()) == 1
