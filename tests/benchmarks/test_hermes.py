"""The forecasting benchmark: its figures mean what they say, and validating never reads the last year."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from modaloom.testing.forecasts import led, named

FOLDER = str(Path(__file__).parents[2] / "benchmarks")


def load(name: str) -> ModuleType:
    """A script as a module; its folder is no package."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(FOLDER)
        return __import__(name)


hermes: Any = load("hermes")
speed: Any = load("forecast_speed")


def test_the_table_ranks_every_model_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hermes, "PEERS", ())
    main, leader = led(12, 261)
    result = hermes.measured(named(main[:, :209], leader[:, :209]), main[:, 209:])
    assert set(result["models"]) == {"ensemble", *hermes.DEFAULT_POOL}
    assert result["models"][result["best_single"]]["mase"] == min(
        row["mase"] for name, row in result["models"].items() if name != "ensemble"
    )
    ours = result["models"]["ensemble"]
    assert ours["interval"][0] < ours["mase"] < ours["interval"][1]
    assert 0 < ours["coverage"] <= 1
    assert sum(row.get("weight", 0) for row in result["models"].values()) == pytest.approx(1, abs=1e-3)


def test_three_ways_by_hand() -> None:
    past = np.full((3, 52), 10.0)
    actual = np.repeat([[12.0], [10.1], [8.0]], 52, axis=1)
    assert hermes.three_ways(actual, actual, past) == 1.0
    assert hermes.three_ways(actual, np.full((3, 52), 10.0), past) == pytest.approx(1 / 3)


def test_validating_holds_out_an_earlier_year(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    main, leader = led(6, 261)
    main[:, 209:] = np.nan  # whoever reads it gets no figures
    for name, values in (("main", main), ("fashion_forward", leader)):
        lines = ["week," + ",".join(f"s{row}" for row in range(6))]
        cells = [["" if np.isnan(cell) else str(cell) for cell in column] for column in values.T]
        lines += [f"{step}," + ",".join(row) for step, row in enumerate(cells)]
        (tmp_path / f"f1_{name}_100_sequences.csv").write_text("\n".join(lines), encoding="utf-8")
    monkeypatch.setattr(hermes, "PEERS", ())
    monkeypatch.setattr(
        sys, "argv", ["hermes", "--data", str(tmp_path), "--validate", "--out", str(tmp_path / "o.json")]
    )
    hermes.main()
    assert "ensemble" in capsys.readouterr().out
    assert '"train_weeks": 157' in (tmp_path / "o.json").read_text(encoding="utf-8")


def test_the_made_up_series_are_forecast(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "speed.json"
    monkeypatch.setattr(sys, "argv", ["speed", "--series", "5", "--weeks", "209", "--out", str(out)])
    speed.main()
    assert '"series": 5' in out.read_text(encoding="utf-8")
