"""Models that look at each series alone, computed for all series at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from modaloom.forecasting.contract import SeriesSet, Values
from modaloom.forecasting.shapes import (
    LEAST_SHAPE,
    last_seasons,
    lifted,
    past_shape,
    repeated,
    season_shape,
    take_apart,
)

ALPHAS = (0.02, 0.04, 0.06, 0.1, 0.15, 0.25, 0.4, 0.7)
"""Smoothing constants of the level that are tried."""
ETS_KINDS = (
    *((alpha, 0.0, 1.0) for alpha in ALPHAS),
    *((alpha, beta, damping) for alpha in ALPHAS[1:] for beta in (0.05, 0.2) for damping in (0.97, 1.0)),
)


@dataclass(frozen=True)
class SeasonalNaive:
    """As it was one season ago."""

    name: str = "seasonal-naive"

    def forecast(self, series: SeriesSet, *, season: int, horizon: int) -> Values:
        """The last season, repeated: (s, h)."""
        return repeated(last_seasons(series.values, season, 1)[:, -1], horizon)


@dataclass(frozen=True)
class SeasonalMean:
    """As it was on average in the last seasons."""

    name: str = "seasonal-mean"
    seasons: int = 3

    def forecast(self, series: SeriesSet, *, season: int, horizon: int) -> Values:
        """The mean of the last seasons, repeated: (s, h)."""
        return repeated(last_seasons(series.values, season, self.seasons).mean(axis=1), horizon)


@dataclass(frozen=True)
class Shape:
    """The recent level times the shape of the season, nothing else: the base that the global models start from."""

    name: str = "shape"

    def forecast(self, series: SeriesSet, *, season: int, horizon: int) -> Values:
        """Level and shape: (s, h)."""
        values, lift = lifted(series.values)
        return take_apart(values, season).ahead(horizon) - lift


@dataclass(frozen=True)
class Theta:
    """The theta method on series freed from their season: a smoothed level that moves on with half of the trend.

    Source: Hyndman & Billah, "Unmasking the theta method", 2003.
    """

    name: str = "theta"

    def forecast(self, series: SeriesSet, *, season: int, horizon: int) -> Values:
        """Level, half a trend and the shape of the season: (s, h)."""
        values, lift = lifted(series.values)
        shape = season_shape(values, season)
        plain = freed(values, shape)
        level = smoothed_states(plain, [(alpha, 0.0, 1.0) for alpha in ALPHAS])[0]
        clock = np.arange(plain.shape[1]) - (plain.shape[1] - 1) / 2
        slope = plain @ clock / max(float(clock @ clock), 1.0)
        ahead = level[:, None] + 0.5 * slope[:, None] * np.arange(1, horizon + 1)
        return bounded(ahead, plain) * repeated(shape, horizon) - lift


@dataclass(frozen=True)
class Ets:
    """Exponential smoothing on series freed from their season, with no trend, a damped or a whole one.

    Constants and trend are those of the least absolute errors one step ahead.

    Source: Hyndman et al., "Forecasting with Exponential Smoothing", 2008: (A,N,A), (A,Ad,A) and (A,A,A) here.
    """

    name: str = "ets"

    def forecast(self, series: SeriesSet, *, season: int, horizon: int) -> Values:
        """Level, trend and the shape of the season: (s, h)."""
        values, lift = lifted(series.values)
        shape = season_shape(values, season)
        plain = freed(values, shape)
        level, trend, damping = smoothed_states(plain, ETS_KINDS)
        steps = np.cumsum(damping[:, None] ** np.arange(1, horizon + 1), axis=1)
        ahead = level[:, None] + trend[:, None] * steps
        return bounded(ahead, plain) * repeated(shape, horizon) - lift


def freed(values: Values, shape: Values) -> Values:
    """Values (s, t) without the season."""
    result: Values = values / np.maximum(past_shape(shape, values.shape[1]), LEAST_SHAPE)
    return result


def bounded(ahead: Values, past: Values) -> Values:
    """Forecasts (s, h) of what is never negative, and never twice beyond all that was seen."""
    return np.clip(ahead, 0.0, 2 * past.max(axis=1, keepdims=True))


def smoothed_states(values: Values, kinds: Sequence[tuple[float, float, float]]) -> tuple[Values, Values, Values]:
    """Last level and trend of values (s, t), and the trend's damping, by the best kind for each series: (s,) each.

    Kinds are (smoothing of the level, of the trend, damping); without smoothing of the trend there is none. The
    best has the least absolute errors one step ahead, half of the weight on the newest third.
    """
    alpha, beta, damping = (np.array(part)[:, None] for part in zip(*kinds, strict=True))
    warm = max(values.shape[1] // 4, 1)
    level = np.tile(values[:, :warm].mean(axis=1), (len(kinds), 1))
    trend = np.zeros_like(level)
    errors = np.zeros_like(level)
    for step in range(values.shape[1]):
        expected = level + damping * trend
        gap = values[:, step] - expected
        if step >= warm:
            errors += np.abs(gap) * (2.0 if step >= values.shape[1] * 2 // 3 else 1.0)
        level = expected + alpha * gap
        trend = damping * trend + alpha * beta * gap
    best = errors.argmin(axis=0)
    chosen = np.arange(values.shape[0])
    return level[best, chosen], trend[best, chosen], damping[best, 0]
