"""Forecasts many series at once: a pool of models, weights and intervals from their back-test."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from modaloom.errors import ForecastError
from modaloom.forecasting.backtest import Rolled, answer, roll
from modaloom.forecasting.contract import Backtest, Forecast, Forecaster, SeriesSet, Values
from modaloom.forecasting.ensemble import chosen_weights, combined, equal_weights
from modaloom.forecasting.gaps import beyond_reckoning, filled, long_enough
from modaloom.forecasting.intervals import calibrated, uncalibrated
from modaloom.forecasting.metrics import coverage, naive_scale, pooled_mase
from modaloom.forecasting.pool import make_pool
from modaloom.types import BoolArray, Tell, silent


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
        ForecastError: there is nothing to forecast, an option is out of range, or a model's answer is of no use.
    """
    _check(series, season, horizon, level)
    pool = make_pool(models)
    absurd = beyond_reckoning(series)
    enough = long_enough(series.values, season) & ~absurd
    mean, lower, upper = (np.full((len(series.names), horizon), np.nan) for _ in range(3))
    weights, backtest = equal_weights(len(pool)), None
    if enough.any():
        past = series.rows(enough)
        positive = _positive(past.values)
        rolled = roll(past, pool, season=season, horizon=horizon, progress=progress)
        weights = weights if rolled is None else chosen_weights(rolled)
        whole = filled(past, season)
        said = []
        for number, model in enumerate(pool):
            progress("forecasting", number, len(pool))
            said.append(answer(model, whole, season, horizon))
        expected = _joined(np.stack(said), weights, positive)
        scale = np.nan_to_num(naive_scale(past.values, season))
        if rolled is None:
            width = uncalibrated(len(expected), horizon)
        else:
            width = calibrated(rolled, _joined(rolled.said, weights, positive), level, positive)
            backtest = _judged(rolled, enough, level, positive)
        mean[enough] = expected
        lower[enough], upper[enough] = width.interval(expected, scale, positive)
    names = tuple(model.name for model in pool)
    return Forecast(series.names, mean, lower, upper, level, names, weights, backtest, ~enough, absurd)


def _check(series: SeriesSet, season: int, horizon: int, level: float) -> None:
    if not len(series.names) or not series.length:
        raise ForecastError("there are no series to forecast")
    if season < 1 or horizon < 1:
        raise ForecastError(f"season {season} and horizon {horizon} must be at least 1")
    if not 0.0 < level < 1.0:
        raise ForecastError(f"the level {level} is not between 0 and 1", hint="Use for example 0.8")


def _positive(values: Values) -> BoolArray:
    """Which series never fell below zero, and so never will: (s,)."""
    result: BoolArray = np.nan_to_num(values).min(axis=1) >= 0
    return result


def _joined(said: Values, weights: Values, positive: BoolArray) -> Values:
    """Forecasts (..., m, s, h) joined by weights, none below zero where that cannot be: (..., s, h)."""
    joined = combined(said, weights)
    return np.where(positive[:, None], np.maximum(joined, 0.0), joined)


def _judged(rolled: Rolled, enough: BoolArray, level: float, positive: BoolArray) -> Backtest:
    """How the ensemble did at each origin, with weights and intervals from the other origins alone."""
    number = len(rolled.origins)
    means, lowers, uppers = (np.empty_like(rolled.actual) for _ in range(3))
    for at in range(number):
        others = rolled.without(at) if number > 1 else rolled
        weights = chosen_weights(others)
        means[at] = _joined(rolled.said[at], weights, positive)
        width = calibrated(others, _joined(others.said, weights, positive), level, positive)
        lowers[at], uppers[at] = width.interval(means[at], np.nan_to_num(rolled.scale[at]), positive)
    alone = [[pooled_mase(row) for row in rolled.series_mase(said)] for said in np.moveaxis(rolled.said, 1, 0)]
    ensemble = rolled.series_mase(means)
    return Backtest(
        origins=rolled.origins,
        horizon=rolled.horizon,
        mase=np.array(alone).T,
        ensemble_mase=np.array([pooled_mase(row) for row in ensemble]),
        series_mase=_spread(np.array([pooled_mase(row) for row in ensemble.T]), enough),
        coverage=coverage(rolled.actual, lowers, uppers) if number > 1 else float("nan"),
        mean=_spread(means[-1], enough),
        lower=_spread(lowers[-1], enough),
        upper=_spread(uppers[-1], enough),
    )


def _spread(rows: Values, places: BoolArray) -> Values:
    """Rows put where ``places`` (s,) is True, NaN elsewhere."""
    result = np.full((len(places), *rows.shape[1:]), np.nan)
    result[places] = rows
    return result
