"""How long 1,000 series of five years take: the default pool with its back-test, two cores, one process.

The series are made up, with seasons, trends and noise like those of fashion trends, and a second signal each. Prints
a table and writes results/forecast_speed.json.

    python benchmarks/forecast_speed.py [--series 100 1000] [--weeks 261] [--horizon 52]
"""

from __future__ import annotations

import argparse
import os
import resource
import time
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from modaloom.files import write_json
from modaloom.forecasting.contract import SeriesSet
from modaloom.forecasting.forecast import forecast

RESULTS = Path(__file__).parent / "results" / "forecast_speed.json"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--series", type=int, nargs="+", default=[100, 1_000])
    parser.add_argument("--weeks", type=int, default=261)
    parser.add_argument("--horizon", type=int, default=52)
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    rows = [measured(number, options.weeks, options.horizon) for number in options.series]
    table = Table("series", "s", "series/s", "peak MB", "back-test MASE", "coverage")
    for row in rows:
        cells = [f"{row['seconds']:.1f}", f"{row['series'] / row['seconds']:.0f}", f"{row['peak_mb']:,}"]
        table.add_row(f"{row['series']:,}", *cells, f"{row['backtest']:.3f}", f"{row['coverage']:.3f}")
    Console().print(table)
    what = {"weeks": options.weeks, "horizon": options.horizon, "cores": os.cpu_count(), "rows": rows}
    write_json(options.out, what)


def measured(number: int, weeks: int, horizon: int) -> dict[str, Any]:
    """Wall-clock seconds of one call, and the peak of memory so far."""
    series = made_up(number, weeks)
    start = time.perf_counter()
    made = forecast(series, season=52, horizon=horizon)
    seconds = time.perf_counter() - start
    assert made.backtest is not None
    return {
        "series": number,
        "seconds": seconds,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "backtest": made.backtest.pooled_mase,
        "coverage": made.backtest.coverage,
    }


def made_up(number: int, weeks: int) -> SeriesSet:
    """Series of shares: a level that wanders, one of a few seasons, and noise."""
    rng = np.random.default_rng(0)
    at = np.arange(weeks) / 52
    styles = rng.uniform(0, 1, 12)[rng.integers(0, 12, number), None]
    wander = np.cumsum(0.03 * rng.standard_normal((number, weeks)), axis=1)
    level = rng.lognormal(-4, 1, (number, 1))
    season = 1 + rng.uniform(0, 0.6, (number, 1)) * np.sin(2 * np.pi * (at + styles))
    main = level * np.exp(wander + 0.2 * rng.standard_normal((number, weeks))) * season
    ahead = np.concatenate([wander[:, 13:], np.repeat(wander[:, -1:], 13, axis=1)], axis=1)
    second = level * np.exp(ahead + 0.3 * rng.standard_normal((number, weeks))) * season
    return SeriesSet(tuple(f"series {row}" for row in range(number)), main, second)


if __name__ == "__main__":
    main()
