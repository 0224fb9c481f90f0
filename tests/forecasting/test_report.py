"""What is written: JSON that can be read back, a table, a chart."""

from __future__ import annotations

import csv
import io
import json
from datetime import date
from pathlib import Path

import numpy as np
from PIL import Image

from modaloom.forecasting.contract import SeriesSet
from modaloom.forecasting.forecast import forecast
from modaloom.forecasting.metrics import mase
from modaloom.forecasting.report import judge, to_csv, to_dict, write_chart, write_csv
from modaloom.testing.forecasts import seasonal


def dated(short: bool = True) -> tuple[SeriesSet, np.ndarray]:
    """Two series and what was held out; the second one is too short."""
    whole = seasonal(2, 150, 0.1)
    if short:
        whole[1, :60] = np.nan
    return SeriesSet(("[a]", "b"), whole[:, :130], start=date(2020, 1, 6)), whole[:, 130:]


def test_json_holds_everything_and_no_nan() -> None:
    past, actual = dated()
    made = forecast(past, horizon=26)
    judged = judge(made, past, actual, 52)
    assert judged is not None
    content = json.loads(json.dumps(to_dict(made, past, 52, judged), allow_nan=False))
    assert content["series"]["b"]["abstained"] is True
    assert content["series"]["b"]["mean"] == [None] * 26
    assert content["dates"][0] == "2022-07-04"
    assert content["judged_steps"] == 20
    np.testing.assert_allclose(content["series"]["[a]"]["mean"], made.mean[0])
    expected = mase(actual, made.mean[:, :20], past.values, 52)[0]
    assert content["series"]["[a]"]["mase"] == content["pooled_mase"] == expected
    assert set(content["weights"]) == set(made.models)
    assert content["backtest"]["origins"] == list(made.backtest.origins if made.backtest else ())
    assert "seasonal" in content["mase_definition"] or "season" in content["mase_definition"]


def test_nothing_held_out_is_nothing_judged() -> None:
    past, actual = dated()
    made = forecast(past, horizon=4)
    assert judge(made, past, actual[:, :0], 52) is None
    content = to_dict(made, past, 52, None)
    assert "pooled_mase" not in content
    assert "mase" not in content["series"]["[a]"]


def test_nothing_long_enough_has_no_back_test() -> None:
    past, _ = dated()
    short = past.until(60)
    made = forecast(short, horizon=4)
    assert to_dict(made, short, 52, judge(made, short, past.values[:, 60:], 52))["backtest"] is None


def test_the_table_has_a_row_for_each_series_and_step(tmp_path: Path) -> None:
    past, _ = dated()
    made = forecast(past, horizon=3)
    rows = list(csv.DictReader(io.StringIO(to_csv(made, past))))
    assert [(row["name"], row["step"]) for row in rows] == [("[a]", "1"), ("[a]", "2"), ("[a]", "3")]
    assert float(rows[2]["upper"]) == made.upper[0, 2]
    write_csv(made, past, tmp_path / "new" / "f.csv")
    assert (tmp_path / "new" / "f.csv").read_text(encoding="utf-8") == to_csv(made, past)


def test_a_chart_is_a_picture(tmp_path: Path) -> None:
    past, actual = dated(short=False)
    made = forecast(past, horizon=26)
    write_chart(made, past, tmp_path / "charts" / "f.png", actual=actual)
    with Image.open(tmp_path / "charts" / "f.png") as picture:
        assert picture.format == "PNG"
        assert picture.width > picture.height
        assert len(set(picture.convert("L").resize((80, 40)).tobytes())) > 10
    nothing = forecast(past.until(60), horizon=4)
    write_chart(nothing, past.until(60), tmp_path / "empty.png")
    assert (tmp_path / "empty.png").is_file()
