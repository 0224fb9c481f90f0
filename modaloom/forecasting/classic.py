"""Models that look at each series alone, computed for all series at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from modaloom.forecasting.contract import SeriesSet, Values

ALPHAS = (0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.7, 0.9)
"""Smoothing constants that are tried."""


def last_seasons(values: Values, season: int, number: int) -> Values:
    """The last seasons of (s, t), newest last, aligned with the steps to come: (s, number, season).

    Only whole seasons are there, so ``number`` may come out smaller.
    """
    number = min(number, values.shape[1] // season)
    result: Values = values[:, values.shape[1] - number * season :].reshape(len(values), number, season)
    return result


def repeated(profile: Values, horizon: int) -> Values:
    """A profile (s, season) that starts at the first step to come, as long as the horizon: (s, h)."""
    return np.tile(profile, (1, -(-horizon // profile.shape[1])))[:, :horizon]


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
class Theta:
    """Additive seasonal profile, and the theta method on what is left: smoothing with half of the trend.

    Source: Hyndman & Billah, "Unmasking the theta method", 2003.
    """

    name: str = "theta"

    def forecast(self, series: SeriesSet, *, season: int, horizon: int) -> Values:
        """Level, half a trend and the seasonal profile: (s, h)."""
        values = series.values
        profile = last_seasons(values, season, 4)
        profile = (profile - profile.mean(axis=2, keepdims=True)).mean(axis=1)
        past = np.arange(-values.shape[1], 0) % season
        plain = values - profile[:, past]
        level = smoothed_level(plain)
        steps = np.arange(values.shape[1]) - (values.shape[1] - 1) / 2
        slope = (plain * steps).sum(axis=1) / max((steps**2).sum(), 1.0)
        ahead = np.arange(1, horizon + 1)
        result: Values = level[:, None] + 0.5 * slope[:, None] * ahead + repeated(profile, horizon)
        return result


def smoothed_level(values: Values) -> Values:
    """The last level of (s, t) by exponential smoothing, the constant of each series chosen by its one-step errors."""
    best, chosen = np.full(len(values), np.inf), values.mean(axis=1)
    for alpha in ALPHAS:
        level, error = values[:, : max(values.shape[1] // 4, 1)].mean(axis=1), np.zeros(len(values))
        for step in range(values.shape[1]):
            gap = values[:, step] - level
            error += gap**2
            level = level + alpha * gap
        better = error < best
        best, chosen = np.where(better, error, best), np.where(better, level, chosen)
    return chosen
