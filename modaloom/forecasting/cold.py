"""What to expect of something that has no past: the shape of its nearest neighbours, at its own height."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from modaloom.errors import ForecastError
from modaloom.forecasting.contract import SeriesSet, Values
from modaloom.forecasting.gaps import filled
from modaloom.forecasting.shapes import last_seasons, repeated
from modaloom.numerics import EPSILON


@dataclass(frozen=True, slots=True)
class ColdForecast:
    """A curve with a band, from neighbours alone."""

    mean: Values  # (h,)
    lower: Values  # (h,)
    upper: Values  # (h,)
    neighbours: float
    """How many neighbours it really rests on: 1 / sum of squared weights."""


def cold_forecast(
    series: SeriesSet,
    weights: Values,
    *,
    season: int = 52,
    horizon: int = 26,
    size: float | None = None,
    level: float = 0.8,
    align: Literal["calendar", "launch"] = "calendar",
) -> ColdForecast:
    """The expected curve of a newcomer, (h,), from its neighbours' series.

    Args:
        series: the neighbours' series.
        weights: (s,) how alike each neighbour is, 0 for no neighbour; the scale does not matter.
        season: steps after which things repeat.
        horizon: steps to forecast.
        size: the newcomer's mean over the horizon where it is known; the neighbours' own otherwise.
        level: share of the neighbours, by weight, that the band holds.
        align: ``calendar`` takes the neighbours' last season as the shape of what comes; ``launch`` takes their first
            steps from their first value above zero on.

    Raises:
        ForecastError: no neighbour has a weight and a usable past.
    """
    weights = np.asarray(weights, dtype=np.float64)
    if weights.shape != (len(series.names),) or not np.isfinite(weights).all() or (weights < 0).any():
        raise ForecastError(f"{len(series.names)} weights of zero or more are needed, one for each series")
    whole = filled(series, season).values
    curves = _seasonal(whole, season, horizon) if align == "calendar" else _first_steps(series.values, horizon)
    heights = np.nanmean(np.where(np.isnan(curves), 0.0, curves), axis=1) if curves.size else np.zeros(len(curves))
    usable = (weights > 0) & np.isfinite(curves).all(axis=1) & (heights > EPSILON)
    if not usable.any():
        raise ForecastError("no neighbour has a past to learn from", hint="Give more neighbours, or a shorter horizon")
    shares = weights[usable] / weights[usable].sum()
    shapes = curves[usable] / heights[usable, None]
    typical = float(np.exp(shares @ np.log(heights[usable])))  # heights differ by factors, not by amounts
    # A known size leaves the shape in doubt; an unknown one leaves both.
    spread = shapes * size if size is not None else curves[usable]
    mean = (shares @ shapes) * (typical if size is None else size)
    lower = np.minimum(_quantile(spread, shares, (1 - level) / 2), mean)
    upper = np.maximum(_quantile(spread, shares, (1 + level) / 2), mean)
    return ColdForecast(mean, lower, upper, float(1.0 / (shares**2).sum()))


def _seasonal(values: Values, season: int, horizon: int) -> Values:
    """The mean of the last two seasons as the next steps; NaN where there is not one season."""
    if values.shape[1] < season:
        return np.full((len(values), horizon), np.nan)
    return repeated(last_seasons(values, season, 2).mean(axis=1), horizon)


def _first_steps(values: Values, horizon: int) -> Values:
    """The first steps of each series from its first value above zero on; NaN where it is too young."""
    curves = np.full((len(values), horizon), np.nan)
    for row, line in enumerate(values):
        sold = np.nan_to_num(line) > 0
        first = int(sold.argmax())
        if sold.any() and len(line) - first >= horizon:
            curves[row] = np.nan_to_num(line[first : first + horizon])
    return curves


def _quantile(curves: Values, shares: Values, share: float) -> Values:
    """Weighted quantile over curves (k, h): (h,)."""
    order = np.argsort(curves, axis=0)
    heights = np.take_along_axis(curves, order, axis=0)
    below = np.cumsum(shares[order], axis=0) - 0.5 * shares[order]
    return np.array([np.interp(share, below[:, step], heights[:, step]) for step in range(curves.shape[1])])
