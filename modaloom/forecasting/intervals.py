"""How far off the future may be: intervals from the errors of the back-test, so that they cover what they promise.

A series' interval is as wide as three things say: its own yardstick (what it changes from season to season), how far
off its own back-test was, and the height of the forecast, since counts scatter with the root of their size. Quantiles
of all earlier errors in that unit, signed and by step ahead, give the bounds (split conformal prediction).

Source: Vovk, Gammerman & Shafer, "Algorithmic Learning in a Random World", 2005; Stankeviciute, Alaa & van der
Schaar, "Conformal time-series forecasting", 2021.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from modaloom.forecasting.backtest import Rolled
from modaloom.forecasting.contract import Values
from modaloom.forecasting.metrics import mean_known
from modaloom.types import BoolArray

OWN = 0.4
"""How much the series' own errors say about its width, beside its yardstick."""
USUAL = 1.5
"""Yardsticks per mean error in an ordinary back-test, so that both speak of the same size."""
LEAST_HEIGHT = 0.2
"""A forecast below this share of its mean is as uncertain as one at it."""
NEIGHBOURS = 200
"""Errors that each step's quantiles are read from, at the least; those of the steps around it where there are fewer."""
WITHOUT_BACKTEST = 1.6
"""Yardsticks on either side where nothing can be looked back at."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """Bounds below and above, in the unit of each series."""

    low: Values  # (h,), zero or less
    high: Values  # (h,), zero or more
    own: Values  # (s,): mean error of each series in its back-test; NaN where there was none

    def interval(self, mean: Values, scale: Values, positive: BoolArray) -> tuple[Values, Values]:
        """Lower and upper bounds of forecasts (s, h).

        Args:
            mean: the forecasts.
            scale: (s,) yardsticks; zero for a series that never changes.
            positive: (s,) which series cannot fall below zero.
        """
        steps = np.minimum(np.arange(mean.shape[1]), len(self.low) - 1)
        beyond = np.sqrt(np.maximum((np.arange(mean.shape[1]) + 1) / len(self.low), 1.0))
        unit = _unit(mean, scale, self.own, positive) * beyond
        lower, upper = mean + unit * self.low[steps], mean + unit * self.high[steps]
        floor = np.where(positive, 0.0, -np.inf)[:, None]
        return np.maximum(lower, floor), np.maximum(upper, floor)


def calibrated(rolled: Rolled, forecasts: Values, level: float, positive: BoolArray) -> Calibration:
    """Bounds that would have held the share ``level`` of the back-test's actual values; forecasts (o, s, h)."""
    errors = rolled.actual - forecasts
    sizes = mean_known(np.abs(errors))  # (o, s)
    relative = np.empty_like(errors)
    for at in range(len(errors)):
        own = mean_known(np.delete(sizes, at, axis=0).T)
        unit = _unit(forecasts[at], np.nan_to_num(rolled.scale[at]), own, positive)
        relative[at] = np.where(unit > 0, errors[at] / np.where(unit > 0, unit, 1.0), np.nan)
    number = max(int(np.isfinite(sizes).sum()), 1)
    share = min(level * (1 + 1 / number), level + (1 - level) / 3)
    bounds = np.array([_quantiles(relative, step, share) for step in range(errors.shape[2])])
    return Calibration(np.minimum(bounds[:, 0], 0.0), np.maximum(bounds[:, 1], 0.0), mean_known(sizes.T))


def uncalibrated(series: int, horizon: int) -> Calibration:
    """Bounds for want of a back-test."""
    width = np.full(horizon, WITHOUT_BACKTEST)
    return Calibration(-width, width, np.full(series, np.nan))


def _unit(mean: Values, scale: Values, own: Values, positive: BoolArray) -> Values:
    """What the bounds are multiples of, (s, h)."""
    size = np.where(np.isfinite(own), (1 - OWN) * scale + OWN * USUAL * np.nan_to_num(own), scale)
    middle = mean.mean(axis=1, keepdims=True)
    usable = positive[:, None] & (middle > 0)
    height = np.where(usable, mean / np.where(usable, middle, 1.0), 1.0)
    result: Values = size[:, None] * np.sqrt(np.maximum(height, LEAST_HEIGHT))
    return result


def _quantiles(relative: Values, step: int, share: float) -> tuple[float, float]:
    """Lower and upper quantile of errors (o, s, h) around one step; zero where nothing is known."""
    around = 0
    while True:
        window = relative[:, :, max(step - around, 0) : step + around + 1]
        known = window[np.isfinite(window)]
        if len(known) >= NEIGHBOURS or around >= relative.shape[2]:
            break
        around = 2 * around + 1
    if not len(known):
        return 0.0, 0.0
    low, high = np.quantile(known, [(1 - share) / 2, (1 + share) / 2])
    return float(low), float(high)
