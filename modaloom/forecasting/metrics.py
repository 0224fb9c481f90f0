"""How good forecasts are. Actual values that are unknown (NaN) count nowhere.

Shapes: s series, t steps of history, h horizon.
"""

from __future__ import annotations

import numpy as np

from modaloom.forecasting.contract import Values

ROUNDING = 1e-9
"""Differences below this share of the largest value are rounding."""


def mean_known(values: Values) -> Values:
    """Mean over the last axis of what is not NaN; NaN where nothing is known."""
    known = ~np.isnan(values)
    total = np.where(known, values, 0.0).sum(axis=-1)
    number = known.sum(axis=-1)
    result: Values = np.where(number > 0, total / np.maximum(number, 1), np.nan)
    return result


def naive_scale(train: Values, season: int) -> Values:
    """Mean ``|y_t - y_{t-season}|`` over the training part (s, t), the yardstick of MASE: (s,).

    NaN where it is zero but for rounding, or nothing is a season apart: such a series has no MASE.
    """
    if train.shape[1] <= season:
        return np.full(len(train), np.nan)
    scale = mean_known(np.abs(train[:, season:] - train[:, :-season]))
    size = np.where(np.isnan(train), 0.0, np.abs(train)).max(axis=1)
    result: Values = np.where(scale > ROUNDING * size, scale, np.nan)
    return result


def mase(actual: Values, forecast: Values, train: Values, season: int) -> Values:
    """Mean absolute scaled error of each series, (s,).

    The mean ``|error|`` over the horizon, divided by :func:`naive_scale` of the training part: 1 is as good as the
    seasonal naive forecast was, on average, within the training part.

    Source: Hyndman & Koehler, "Another look at measures of forecast accuracy", 2006.
    """
    result: Values = mean_known(np.abs(actual - forecast)) / naive_scale(train, season)
    return result


def pooled_mase(values: Values) -> float:
    """The mean over series of their own MASE, without those that have none.

    This is how HERMES pools (David, Bellot & Le Corff, 2022; ``evaluate`` in their code): a mean of ratios, not a
    ratio of means, so that a rare trend counts as much as a frequent one.
    """
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else float("nan")


def smape(actual: Values, forecast: Values) -> Values:
    """Symmetric mean absolute percentage error of each series, (s,), from 0 to 2; 0 where both are zero."""
    size = np.abs(actual) + np.abs(forecast)
    return mean_known(np.where(size > 0, 2 * np.abs(actual - forecast) / np.where(size > 0, size, 1.0), size))


def direction_accuracy(actual: Values, forecast: Values, train: Values, season: int) -> float:
    """Share of the series whose level is foreseen to move the right way.

    The level is the mean over the horizon; it moves up or down from the mean of the same steps one season before,
    so that the season itself is no movement. Series whose level did not move at all count nowhere.
    """
    before = np.stack([train[:, -season + step % season] for step in range(actual.shape[1])], axis=1)
    known = np.where(np.isnan(actual), np.nan, 0.0)
    happened = mean_known(actual) - mean_known(before + known)
    said = mean_known(forecast + known) - mean_known(before + known)
    moved = np.isfinite(happened) & np.isfinite(said) & (happened != 0)
    return float((np.sign(happened) == np.sign(said))[moved].mean()) if moved.any() else float("nan")


def coverage(actual: Values, lower: Values, upper: Values) -> float:
    """Share of the known actual values that lie within their interval."""
    known = ~np.isnan(actual) & ~np.isnan(lower) & ~np.isnan(upper)
    slack = ROUNDING * np.abs(actual)
    inside = (actual >= lower - slack) & (actual <= upper + slack)
    return float(inside[known].mean()) if known.any() else float("nan")
