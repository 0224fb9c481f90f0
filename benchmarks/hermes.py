"""Forecasts of fashion trends on HERMES' 100 public series, beside other people's models, in one run.

The last 52 of 261 weeks are held out. All choices are made by rolling origins within the first 209 weeks; with
--validate the last 52 of these are held out instead, which is what to use while changing anything. Prints a table and
writes results/hermes.json.

    python benchmarks/hermes.py --data PATH [--validate]
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from modaloom.files import write_json
from modaloom.forecasting.contract import Forecast, SeriesSet, Values
from modaloom.forecasting.forecast import forecast
from modaloom.forecasting.metrics import coverage, direction_accuracy, mase, naive_scale, pooled_mase
from modaloom.forecasting.pool import DEFAULT_POOL, make
from modaloom.forecasting.series import read_series

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "hermes.json"
SEASON, HORIZON, LEVEL = 52, 52, 0.8
PEERS = ("statsforecast:AutoETS", "statsforecast:AutoTheta", "statsforecast:AutoCES")
PUBLISHED = {"HERMES (published)": 0.737, "TBATS (published)": 0.745}
"""David, Bellot & Le Corff, 2022, on the same 100 series and weeks."""
SHIFT = 0.05
"""Relative change of the yearly mean from which their accuracy calls a trend rising or falling."""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="Folder with the weekly series.")
    parser.add_argument("--validate", action="store_true", help="Hold out weeks 158 to 209 and never read the last 52.")
    parser.add_argument("--out", type=Path, default=None, help="By default results/hermes.json; none with --validate.")
    options = parser.parse_args()
    series = read_series(
        options.data / "f1_main_100_sequences.csv", aux=options.data / "f1_fashion_forward_100_sequences.csv"
    )
    series = series.until(series.length - HORIZON) if options.validate else series
    past, actual = series.until(series.length - HORIZON), series.values[:, -HORIZON:]
    result = measured(past, actual)
    show(result)
    out = options.out or (None if options.validate else RESULTS)
    if out is not None:
        write_json(out, result)


def measured(past: SeriesSet, actual: Values) -> dict[str, Any]:
    """Every model's figures on the weeks that were held out."""
    start = time.perf_counter()
    made = forecast(past, season=SEASON, horizon=HORIZON, level=LEVEL)
    seconds = time.perf_counter() - start
    rows = {
        "ensemble": {**figures(past, actual, made.mean), **interval_figures(past, actual, made), "seconds": seconds}
    }
    assert made.backtest is not None
    rows["ensemble"]["backtest"] = made.backtest.pooled_mase
    behind = dict(zip(made.models, made.backtest.mase.mean(axis=0), strict=True))
    for name in (*DEFAULT_POOL, *PEERS):
        start = time.perf_counter()
        said = make(name).forecast(past, season=SEASON, horizon=HORIZON)
        rows[name] = {**figures(past, actual, said), "seconds": time.perf_counter() - start}
        if name in behind:
            rows[name] |= {"backtest": float(behind[name]), "weight": float(made.weights[0, made.models.index(name)])}
    best = min((row["mase"], name) for name, row in rows.items() if name != "ensemble")[1]
    return {
        "series": len(past.names),
        "train_weeks": past.length,
        "held_out_weeks": HORIZON,
        "best_single": best,
        "published": PUBLISHED,
        "models": rows,
    }


def figures(past: SeriesSet, actual: Values, mean: Values) -> dict[str, Any]:
    """MASE with a bootstrap interval over series, and two ways to say whether the direction is right."""
    each = mase(actual, mean, past.values, SEASON)
    rng = np.random.default_rng(0)
    draws = each[rng.integers(0, len(each), (2_000, len(each)))].mean(axis=1)
    return {
        "mase": pooled_mase(each),
        "interval": [float(value) for value in np.quantile(draws, [0.025, 0.975])],
        "direction": direction_accuracy(actual, mean, past.values, SEASON),
        "three_ways": three_ways(actual, mean, past.values),
    }


def interval_figures(past: SeriesSet, actual: Values, made: Forecast) -> dict[str, float]:
    """Coverage of the intervals, and their mean width in yardsticks of MASE."""
    width = (made.upper - made.lower).mean(axis=1) / naive_scale(past.values, SEASON)
    return {"coverage": coverage(actual, made.lower, made.upper), "width": float(np.nanmean(width))}


def three_ways(actual: Values, mean: Values, past: Values) -> float:
    """The accuracy of HERMES' own code: yearly means that rise, fall or stay, by a threshold."""
    before = past[:, -SEASON:].mean(axis=1)
    known = before > 0
    happened = (actual.mean(axis=1) - before)[known] / before[known]
    said = (mean.mean(axis=1) - before)[known] / before[known]
    label = [np.sign(change) * (np.abs(change) > SHIFT) for change in (happened, said)]
    return float((label[0] == label[1]).mean())


def show(result: dict[str, Any]) -> None:
    table = Table("model", "MASE", "95 %", "direction", "three ways", "coverage", "weight", "back-test", "s")
    for name, row in sorted(result["models"].items(), key=lambda pair: pair[1]["mase"]):
        low, high = row["interval"]
        optional = [f"{row[key]:.3f}" if key in row else "" for key in ("coverage", "weight", "backtest")]
        cells = [f"{row['mase']:.4f}", f"{low:.3f}-{high:.3f}", f"{row['direction']:.2f}", f"{row['three_ways']:.2f}"]
        table.add_row(name, *cells, *optional, f"{row['seconds']:.1f}")
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
