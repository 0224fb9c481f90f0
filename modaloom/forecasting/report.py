"""Writes forecasts as JSON, as a table and as a chart."""

from __future__ import annotations

import csv
import io
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from modaloom.files import write_bytes, write_text
from modaloom.forecasting.contract import Forecast, SeriesSet, Values
from modaloom.forecasting.metrics import coverage, direction_accuracy, mase, pooled_mase, smape

MASE_DEFINITION = (
    "mean |error| over the horizon, divided by the mean |y_t - y_(t-season)| within the training part of the series; "
    "pooled: mean over the series that have one"
)


@dataclass(frozen=True, slots=True)
class Judgement:
    """Forecasts against what was held out."""

    steps: int
    mase: Values  # (s,)
    smape: Values  # (s,)
    pooled_mase: float
    coverage: float
    direction_accuracy: float


def judge(made: Forecast, past: SeriesSet, actual: Values, season: int) -> Judgement | None:
    """How forecasts did against actual values (s, k), as far as both reach; None where nothing was held out."""
    steps = min(actual.shape[1], made.mean.shape[1])
    if steps == 0:
        return None
    actual, mean = actual[:, :steps], made.mean[:, :steps]
    each = mase(actual, mean, past.values, season)
    return Judgement(
        steps,
        each,
        smape(actual, mean),
        pooled_mase(each),
        coverage(actual, made.lower[:, :steps], made.upper[:, :steps]),
        direction_accuracy(actual, mean, past.values, season) if past.length >= season else float("nan"),
    )


def to_dict(made: Forecast, past: SeriesSet, season: int, judged: Judgement | None) -> dict[str, Any]:
    """Everything, for JSON; unknown numbers are null. docs/forecasting.md explains the keys."""
    days = [past.day(past.length + step) for step in range(made.mean.shape[1])]
    weights = np.broadcast_to(made.weights, (len(made.names), len(made.models)))
    series = {}
    for row, name in enumerate(made.names):
        one: dict[str, Any] = {
            "abstained": bool(made.abstained[row]),
            "mean": _numbers(made.mean[row]),
            "lower": _numbers(made.lower[row]),
            "upper": _numbers(made.upper[row]),
            "backtest_mase": None if made.backtest is None else _number(made.backtest.series_mase[row]),
        }
        if judged is not None:
            one |= {"mase": _number(judged.mase[row]), "smape": _number(judged.smape[row])}
        series[name] = one
    result: dict[str, Any] = {
        "season": season,
        "horizon": made.mean.shape[1],
        "level": made.level,
        "train_steps": past.length,
        "dates": [None if day is None else day.isoformat() for day in days],
        "mase_definition": MASE_DEFINITION,
        "weights": {name: _number(weight) for name, weight in zip(made.models, weights.mean(axis=0), strict=True)},
        "backtest": _backtest(made),
        "series": series,
    }
    if judged is not None:
        result |= {
            "pooled_mase": _number(judged.pooled_mase),
            "coverage": _number(judged.coverage),
            "direction_accuracy": _number(judged.direction_accuracy),
            "judged_steps": judged.steps,
        }
    return result


def _backtest(made: Forecast) -> dict[str, Any] | None:
    test = made.backtest
    if test is None:
        return None
    return {
        "origins": list(test.origins),
        "horizon": test.horizon,
        "mase": {name: _numbers(test.mase[:, at]) for at, name in enumerate(made.models)},
        "ensemble_mase": _numbers(test.ensemble_mase),
        "pooled_mase": _number(test.pooled_mase),
        "coverage": _number(test.coverage),
    }


def to_csv(made: Forecast, past: SeriesSet) -> str:
    """One line for each series and step: name, step, date, mean, lower, upper; nothing for those that abstain."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("name", "step", "date", "mean", "lower", "upper"))
    for row, name in enumerate(made.names):
        if made.abstained[row]:
            continue
        for step in range(made.mean.shape[1]):
            day = past.day(past.length + step)
            cells = (repr(float(part[row, step])) for part in (made.mean, made.lower, made.upper))
            writer.writerow((name, step + 1, "" if day is None else day.isoformat(), *cells))
    return text.getvalue()


def write_chart(
    made: Forecast, past: SeriesSet, file: Path, *, actual: Values | None = None, most: int = 12, season: int = 52
) -> None:
    """Draws the first ``most`` series that have a forecast: past, back-test, forecast and band, as PNG.

    Raises:
        OSError: the file cannot be written.
    """
    from matplotlib.figure import Figure

    rows = np.flatnonzero(~made.abstained)[:most]
    columns = min(3, max(len(rows), 1))
    figure = Figure(figsize=(4.6 * columns, 2.5 * max(-(-len(rows) // columns), 1)), layout="constrained")
    first = max(past.length - 3 * season, 0)
    for place, row in enumerate(rows):
        axes = figure.add_subplot(-(-len(rows) // columns), columns, place + 1)
        axes.plot(np.arange(first, past.length), past.values[row, first:], color="#8a8f98", linewidth=0.9)
        ahead = past.length + np.arange(made.mean.shape[1])
        axes.fill_between(ahead, made.lower[row], made.upper[row], color="#c2552d", alpha=0.22, linewidth=0)
        axes.plot(ahead, made.mean[row], color="#c2552d", linewidth=1.6)
        if made.backtest is not None:
            behind = made.backtest.origins[-1] + np.arange(made.backtest.horizon)
            axes.plot(behind, made.backtest.mean[row], color="#2d6fc2", linewidth=1.1, linestyle="--")
        if actual is not None and actual.shape[1]:
            axes.plot(past.length + np.arange(actual.shape[1]), actual[row], color="#22262b", linewidth=0.9)
        axes.set_title(made.names[row], fontsize=9)
        axes.tick_params(labelsize=7)
        axes.spines[["top", "right"]].set_visible(False)
    drawn = io.BytesIO()
    figure.savefig(drawn, dpi=110, format="png")
    write_bytes(file, drawn.getvalue())


def write_csv(made: Forecast, past: SeriesSet, file: Path) -> None:
    """Writes :func:`to_csv` whole or not at all.

    Raises:
        OSError: the file cannot be written.
    """
    write_text(file, to_csv(made, past))


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _numbers(values: Values) -> list[float | None]:
    return [_number(value) for value in values.tolist()]
