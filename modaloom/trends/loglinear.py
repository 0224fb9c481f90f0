"""The model behind the verdicts as a forecaster: trend and season of a share, no surer than the counts allow.

Trend and season of every series are shrunk by how sure they are, so that a noisy one keeps its mean; and the trend is
damped, since nothing rises for ever.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from modaloom.forecasting.contract import SeriesSet
from modaloom.trends.verdicts import YEAR_DAYS, regress

Values = npt.NDArray[np.float64]
SEASONS_NEEDED = 1.2
"""Years; a forecast may lean on a season that a verdict would not claim yet, since it is shrunk."""
DAMPING_DAYS = 270.0
"""After so many days the trend goes on at a third of its pace."""


@dataclass(frozen=True)
class LogLinear:
    """Forecasts shares from a log-linear model of the interests behind them."""

    traffic: tuple[tuple[float, ...], ...]
    """Interests in each series' whole dimension at every step: by name in ``names``."""
    names: tuple[str, ...]

    @property
    def name(self) -> str:
        """What it is called in a table of weights."""
        return "loglinear"

    def forecast(self, series: SeriesSet, *, season: int, horizon: int) -> Values:
        """The next ``horizon`` shares of every series, (s, h)."""
        length = series.length
        place = {name: row for row, name in enumerate(self.names)}
        totals = np.array([self.traffic[place[name]][:length] for name in series.names], dtype=np.float64)
        totals = np.where(np.isfinite(series.values), np.maximum(totals, 1.0), 0.0)
        counts = np.nan_to_num(series.values) * totals
        expected = totals * (counts.sum(axis=1) / np.maximum(totals.sum(axis=1), 1.0))[:, None]
        columns = _columns(length, horizon, series.step_days)
        beta, covariance, mean = regress(columns[:length], counts, expected, totals)
        variance = np.maximum(mean * (1 - mean / np.maximum(totals, 1)), 1e-9)
        chi = np.where(totals > 0, (counts - mean) ** 2 / variance, 0.0).sum(axis=1)
        spread = np.maximum(chi / max(length - columns.shape[1], 1), 1.0)
        error = covariance[:, range(columns.shape[1]), range(columns.shape[1])] * spread[:, None]
        kept = beta.copy()
        kept[:, 1] *= _kept(beta[:, 1:2] ** 2, error[:, 1:2])
        if columns.shape[1] > 2:
            for pair in (slice(2, 4), slice(4, 6)):
                kept[:, pair] *= _kept(beta[:, pair] ** 2, error[:, pair])[:, None]
        # a shrunk trend turns about the middle of the log, and the level there stays
        said = np.exp(kept @ columns[length:].T)
        share = counts.sum(axis=1) / np.maximum(totals.sum(axis=1), 1.0)
        result: Values = np.minimum(said * share[:, None], 1.0)
        return result


def _kept(squares: Values, variances: Values) -> Values:
    """Which part of effects stays: the more of their square is more than noise, the more, (s,)."""
    size, noise = squares.sum(axis=1), variances.sum(axis=1)
    part: Values = np.maximum(1 - noise / np.maximum(size, 1e-12), 0.0)
    return part


def _columns(length: int, horizon: int, step_days: int) -> Values:
    """Level, damped trend, and the year's waves for the past and the future, (t + h, p)."""
    step = np.arange(length + horizon)
    pace = np.ones(length + horizon) / length
    ahead = (step[length:] - length + 1) * step_days
    pace[length:] *= np.exp(-ahead / DAMPING_DAYS)
    columns = [np.ones(length + horizon), np.cumsum(pace) - 0.5]
    if length * step_days >= SEASONS_NEEDED * YEAR_DAYS:
        angle = 2 * np.pi * step * step_days / YEAR_DAYS
        columns += [np.cos(angle), np.sin(angle), np.cos(2 * angle), np.sin(2 * angle)]
    return np.stack(columns, axis=1)
