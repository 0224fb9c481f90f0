"""Forecasts many series at once: a pool of models, weights and intervals from their back-test."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from modaloom.errors import ForecastError
from modaloom.forecasting.backtest import Rolled, roll
from modaloom.forecasting.contract import Backtest, Forecast, Forecaster, SeriesSet, Tell, Values, silent
from modaloom.forecasting.ensemble import chosen_weights, combined, equal_weights
from modaloom.forecasting.gaps import filled, long_enough
from modaloom.forecasting.intervals import interval_widths
from modaloom.forecasting.metrics import coverage, naive_scale, pooled_mase
from modaloom.forecasting.pool import make_pool
from modaloom.types import BoolArray


def forecast(
    series: SeriesSet,
    *,
    season: int = 52,
    horizon: int = 26,
    level: float = 0.8,
    models: Sequence[str | Forecaster] | None = None,
    progress: Tell = silent,
) -> Forecast:
    """What every series is expected to do next, with intervals and a back-test.

    Args:
        series: the past; nothing else is seen.
        season: steps after which things repeat: 52 for weeks, 7 for days.
        horizon: steps to forecast.
        level: share of the future values that should lie inside the interval.
        models: names or forecasters; the default pool for None.
        progress: is told what is being done.

    Raises:
        ForecastError: there is nothing to forecast, or an option is out of range.
    """
    _check(series, season, horizon, level)
    pool = make_pool(models)
    enough = long_enough(series.values, season)
    past = series.rows(enough)
    mean, lower, upper = (np.full((len(series.names), horizon), np.nan) for _ in range(3))
    weights, backtest = equal_weights(len(pool)), None
    if enough.any():
        rolled = roll(past, pool, season=season, horizon=horizon, progress=progress)
        weights = weights if rolled is None else chosen_weights(rolled)
        whole = filled(past, season)
        said = np.stack([model.forecast(whole, season=season, horizon=horizon) for model in pool])
        mean[enough] = combined(said, weights)
        scale = _scale(past.values, season)
        below, above = _widths(rolled, weights, level, horizon)
        lower[enough] = mean[enough] + scale[:, None] * below
        upper[enough] = mean[enough] + scale[:, None] * above
        if rolled is not None:
            backtest = _judged(rolled, enough, level)
    return Forecast(
        series.names, mean, lower, upper, level, tuple(model.name for model in pool), weights, backtest, ~enough
    )


def _check(series: SeriesSet, season: int, horizon: int, level: float) -> None:
    if not len(series.names) or not series.length:
        raise ForecastError("there are no series to forecast")
    if season < 1 or horizon < 1:
        raise ForecastError(f"season {season} and horizon {horizon} must be at least 1")
    if not 0.0 < level < 1.0:
        raise ForecastError(f"level {level} is not between 0 and 1")


def _scale(values: Values, season: int) -> Values:
    """What makes errors of several series comparable; zero for a series that never changes: (s,)."""
    return np.nan_to_num(naive_scale(values, season))


def _widths(rolled: Rolled | None, weights: Values, level: float, horizon: int) -> tuple[Values, Values]:
    if rolled is None:
        return np.full(horizon, -1.6), np.full(horizon, 1.6)
    errors = rolled.actual - combined(rolled.said, weights)
    return interval_widths(errors, rolled.scale, level, horizon)


def _judged(rolled: Rolled, enough: BoolArray, level: float) -> Backtest:
    """How the ensemble did at each origin, with weights and intervals from the other origins alone."""
    number = len(rolled.origins)
    means, lowers, uppers = (np.empty_like(rolled.actual) for _ in range(3))
    for at in range(number):
        others = rolled.without(at) if number > 1 else rolled
        weights = chosen_weights(others)
        means[at] = combined(rolled.said[at], weights)
        below, above = _widths(others, weights, level, rolled.horizon)
        scale = np.nan_to_num(rolled.scale[at])[:, None]
        lowers[at], uppers[at] = means[at] + scale * below, means[at] + scale * above
    mase = np.stack(
        [[pooled_mase(row) for row in rolled.series_mase(rolled.said[:, m])] for m in range(rolled.said.shape[1])],
        axis=1,
    )
    ensemble = rolled.series_mase(means)
    covered = coverage(rolled.actual, lowers, uppers) if number > 1 else float("nan")

    def spread(rows: Values) -> Values:
        result = np.full((len(enough), *rows.shape[1:]), np.nan)
        result[enough] = rows
        return result

    return Backtest(
        rolled.origins,
        rolled.horizon,
        mase,
        np.array([pooled_mase(row) for row in ensemble]),
        spread(np.array([pooled_mase(row) for row in ensemble.T])),
        covered,
        spread(means[-1]),
        spread(lowers[-1]),
        spread(uppers[-1]),
    )
