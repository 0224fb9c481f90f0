"""What a series does, and how sure that is: a log-linear model of counts with a trend and a season, and tests that
ask whether the effect is *larger than what matters*, not only whether it is there.

Shapes: v values, t steps, p coefficients.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import ncx2, norm
from scipy.stats import t as student

from modaloom.types import BoolArray, IntArray

Values = npt.NDArray[np.float64]
YEAR_DAYS = 365.25
SEASONS_NEEDED = 1.9
"""Years of log from which on a season can be told from a trend."""
TREND_THAT_MATTERS = float(np.log(1.2))
"""From the first to the last step; what rises by less is not called rising."""
SEASON_THAT_MATTERS = float(np.log(1.35))
"""Peak over trough."""
LEAST_EVENTS = 60
"""With fewer interests a series is not judged at all."""
FALSE_SHARE = 0.05
"""Of everything that is reported in a dimension, so much may be false (false discovery rate)."""
QUIET = float(np.log(1.6))
"""A series is called stable where trend and season are surely smaller than this."""
SURE = 1.2816
"""One-sided 90 %."""
_ROUNDS = 25


@dataclass(frozen=True)
class Fits:
    """The model of every value, and its tests."""

    trend: Values  # (v,) logarithm of last over first step, season apart
    trend_error: Values  # (v,) its standard error
    swing: Values  # (v,) logarithm of the season's peak over its trough; 0 where no season is looked for
    swing_error: Values  # (v,)
    peak: IntArray  # (v,) step of the year, 0 .. steps in a year - 1, at which the season is highest
    level: Values  # (v, t) fitted shares
    dispersion: Values  # (v,) variance over that of independent shoppers
    trend_p: Values  # (v,) that the trend is no larger than what matters
    season_p: Values  # (v,)
    judged: BoolArray  # (v,) enough events
    seasonal: bool
    """Whether the log is long enough to look for seasons."""


def design(n_steps: int, step_days: int) -> tuple[Values, bool]:
    """Columns (t, p): level, trend from -1/2 to 1/2, and two harmonics of the year where the log is long enough."""
    place = (np.arange(n_steps) + 0.5) / n_steps - 0.5
    columns = [np.ones(n_steps), place]
    seasonal = n_steps * step_days >= SEASONS_NEEDED * YEAR_DAYS
    if seasonal:
        angle = 2 * np.pi * np.arange(n_steps) * step_days / YEAR_DAYS
        columns += [np.cos(angle), np.sin(angle), np.cos(2 * angle), np.sin(2 * angle)]
    return np.stack(columns, axis=1), seasonal


@dataclass(frozen=True)
class Crowds:
    """A log divided at random by shoppers: shoppers, not events, are what is independent.

    Each crowd's interests, weighted by every column of the model, (p, v, c), and its part of the dimension's interests
    at every step, (c, t).
    """

    weighted: Values
    part: Values

    def spread(self, columns: Values, mean: Values) -> Values:
        """How much the fit's scores differ by whom they come from, (v, p, p)."""
        scores = np.stack([
            self.weighted[place] - (mean * columns[:, place]) @ self.part.T for place in range(columns.shape[1])
        ], axis=2)  # (v, c, p)  # fmt: skip
        scores -= scores.mean(axis=1, keepdims=True)
        number = self.part.shape[0]
        result: Values = np.einsum("vcp,vcq->vpq", scores, scores) * number / max(number - 1, 1)
        return result


def fit(counts: Values, expected: Values, totals: Values, step_days: int, crowds: Crowds | None = None) -> Fits:
    """Fits every value.

    Args:
        counts: interests, (v, t).
        expected: interests that would be there if nothing moved, (v, t): totals times a constant share, or what the
            pieces on offer would bring.
        totals: interests in the whole dimension, (t,) or (v, t).
        step_days: length of a step.
        crowds: the same interests by shoppers; without them all interests are taken to be independent.

    Where one shopper's interests hang together the errors are those of clustered data.

    *Source:* Liang & Zeger, "Longitudinal data analysis using generalized linear models", 1986.
    """
    columns, seasonal = design(counts.shape[1], step_days)
    totals = np.broadcast_to(totals, counts.shape)
    judged = (counts.sum(axis=1) >= LEAST_EVENTS) & ((expected > 0).sum(axis=1) >= 12)
    beta, covariance, mean = regress(columns, counts, expected, totals)
    variance = mean * np.maximum(1 - mean / np.maximum(totals, 1), 0.05)
    there = (expected > 1e-9) & (totals > 0)
    pearson = np.where(there, (counts - mean) ** 2 / np.maximum(variance, 1e-9), 0.0).sum(axis=1)
    freedom = np.maximum(there.sum(axis=1) - columns.shape[1], 1)
    # a mean of few events leaves Pearson's statistic noisy, so the dispersion leans on the others'
    own = pearson / freedom
    typical = float(np.median(own[judged])) if judged.any() else 1.0
    dispersion = np.maximum(1.0, (own * freedom + typical * 20) / (freedom + 20))
    scattered = covariance * dispersion[:, None, None]
    if crowds is not None:
        clustered = covariance @ crowds.spread(columns, mean) @ covariance
        wider = np.einsum("vpp->vp", clustered) > np.einsum("vpp->vp", scattered)
        for place in range(columns.shape[1]):
            scattered[wider[:, place], place, place] = clustered[wider[:, place], place, place]
        typical_spread = np.einsum("vpp->vp", scattered)[:, 1] / np.maximum(covariance[:, 1, 1], 1e-12)
        dispersion = np.maximum(dispersion, typical_spread)
    error = np.sqrt(np.maximum(scattered[:, 1, 1], 1e-12))
    trend_p = _beyond(beta[:, 1], error, TREND_THAT_MATTERS, freedom)
    swing, swing_error, peak, season_p = _season(beta, scattered, step_days, seasonal)
    level = np.where(totals > 0, mean / np.maximum(totals, 1), np.nan)
    for p_values in (trend_p, season_p):
        p_values[~judged] = 1.0
    return Fits(beta[:, 1], error, swing, swing_error, peak, level, dispersion, trend_p, season_p, judged, seasonal)


def regress(columns: Values, counts: Values, expected: Values, totals: Values) -> tuple[Values, Values, Values]:
    """Coefficients (v, p), covariance (v, p, p) and mean (v, t) of log-linear models with binomial variance.

    Newton's method with a little ridge on everything but the level, which keeps series with empty stretches finite.
    """
    v, p = len(counts), columns.shape[1]
    offset = np.log(np.maximum(expected, 1e-9))
    there = (expected > 1e-9).astype(np.float64)
    ridge = np.diag([1e-6, *[0.05] * (p - 1)])
    beta = np.zeros((v, p))
    beta[:, 0] = np.log(np.maximum(counts.sum(axis=1), 0.5) / np.maximum(expected.sum(axis=1), 1e-9))
    outer = columns[:, :, None] * columns[:, None, :]
    for _ in range(_ROUNDS):
        mean = np.exp(np.clip(beta @ columns.T + offset, -30, 30)) * there
        mean = np.minimum(mean, np.maximum(totals, 1) * 0.98)
        room = np.maximum(1 - mean / np.maximum(totals, 1), 0.02)
        weight = mean / room
        score = np.einsum("vt,tp->vp", (counts - mean) * there / room, columns) - beta @ ridge
        information = np.einsum("vt,tpq->vpq", weight, outer) + ridge
        step = np.clip(np.linalg.solve(information, score[:, :, None])[:, :, 0], -2, 2)
        beta += step
        if np.abs(step).max(initial=0.0) < 1e-7:
            break
    return beta, np.linalg.inv(information), mean


def _beyond(effect: Values, error: Values, matters: float, freedom: IntArray) -> Values:
    """Probability of an effect at least this far from 0 if the true one is no larger than ``matters``.

    Source: McCarthy & Smyth, "Testing significance relative to a fold-change threshold is a TREAT", 2009.
    """
    far = np.abs(effect)
    p_values: Values = student.sf((far - matters) / error, freedom) + student.sf((far + matters) / error, freedom)
    clipped: Values = np.minimum(p_values, 1.0)
    return clipped


def _season(
    beta: Values, covariance: Values, step_days: int, seasonal: bool
) -> tuple[Values, Values, IntArray, Values]:
    """Swing, its error, peak and p-value of the yearly wave: one peak a year; the second harmonic only shapes it."""
    v = len(beta)
    if not seasonal:
        return np.zeros(v), np.zeros(v), np.zeros(v, dtype=np.int64), np.ones(v)
    steps = round(YEAR_DAYS / step_days)
    angle = 2 * np.pi * np.arange(steps) * step_days / YEAR_DAYS
    wave = np.stack([np.cos(angle), np.sin(angle), np.cos(2 * angle), np.sin(2 * angle)])
    curve = beta[:, 2:6] @ wave
    amplitude = np.hypot(beta[:, 2], beta[:, 3])
    spread = np.maximum((covariance[:, 2, 2] + covariance[:, 3, 3]) / 2, 1e-12)
    matters = SEASON_THAT_MATTERS / 2
    p_values: Values = ncx2.sf(amplitude**2 / spread, 2, matters**2 / spread)
    return 2 * amplitude, 2 * np.sqrt(spread), curve.argmax(axis=1), np.nan_to_num(p_values, nan=1.0)


def q_values(p_values: Values) -> Values:
    """Each test's false discovery rate: the share of false ones among all that are at least as sure.

    Source: Benjamini & Hochberg, "Controlling the false discovery rate", 1995.
    """
    order = np.argsort(p_values)
    n = len(p_values)
    scaled = p_values[order] * n / np.arange(1, n + 1)
    result = np.empty(n)
    result[order] = np.minimum.accumulate(scaled[::-1])[::-1]
    clipped: Values = np.minimum(result, 1.0)
    return clipped


def stable_confidence(fits: Fits) -> Values:
    """How sure it is that neither trend nor season is larger than :data:`QUIET`, (v,)."""
    trend = norm.cdf((QUIET - np.abs(fits.trend)) / fits.trend_error)
    if not fits.seasonal:
        return np.asarray(trend)
    season = norm.cdf((QUIET - fits.swing) / np.maximum(fits.swing_error, 1e-9))
    return np.asarray(np.minimum(trend, season))
