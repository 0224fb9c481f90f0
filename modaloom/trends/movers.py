"""Every value of every dimension as a series of shares, judged together. Shapes: v values, t steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from modaloom.counting.catalogue import Dimension
from modaloom.counting.ledger import Ledger
from modaloom.trends.baseline import Baseline
from modaloom.trends.verdicts import FALSE_SHARE, Crowds, Fits, design, fit, q_values, stable_confidence
from modaloom.types import BoolArray

Values = npt.NDArray[np.float64]
STABLE_FROM = 0.9
CROWDS = 100
_DENSE_UP_TO = 30_000_000
QUARTER = 0.75
"""From the middle of the first quarter to the middle of the last, as a part of the whole period."""


@dataclass(frozen=True)
class Judged:
    """One dimension with its series and what they do."""

    dimension: Dimension
    counts: Values  # (v, t)
    totals: Values  # (t,)
    fits: Fits
    verdicts: tuple[str, ...]
    also: tuple[tuple[str, ...], ...]
    confidence: Values  # (v,)
    season_sure: BoolArray  # (v,)

    def shares(self) -> Values:
        """Shares (v, t); NaN where nothing happened in the dimension."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(self.totals > 0, self.counts / self.totals, np.nan)

    def change(self, row: int) -> tuple[float, tuple[float, float]]:
        """From the first to the last quarter, the season apart: factor less 1, and its 95 % interval."""
        trend, error = float(self.fits.trend[row]), float(self.fits.trend_error[row])
        low, high = (float(np.expm1((trend + sign * 1.96 * error) * QUARTER)) for sign in (-1, 1))
        return float(np.expm1(trend * QUARTER)), (low, high)


def judge_all(
    dimensions: Sequence[Dimension], ledger: Ledger, counts: sparse.csr_matrix, baseline: Baseline
) -> list[Judged]:
    """Fits and judges all values.

    The share of false reports is held dimension by dimension: four hundred words, most of which say nothing of
    fashion, must not drown what the forty categories say.
    """
    crowded = _Crowded(ledger)
    judged = []
    for dimension in dimensions:
        number = np.asarray((dimension.incidence @ counts).todense())
        totals = np.asarray(counts[dimension.known()].sum(axis=0)).ravel()
        expected = _expected(dimension, number, totals, baseline)
        fits = fit(number, expected, totals, ledger.step_days, crowded.of(dimension, totals))
        good = fits.judged
        both = q_values(np.concatenate([fits.trend_p[good], fits.season_p[good]]))
        trend_q, season_q = np.ones(len(good)), np.ones(len(good))
        trend_q[good], season_q[good] = both[: good.sum()], both[good.sum() :]
        judged.append(_judged(dimension, number, totals, fits, trend_q, season_q))
    return judged


def _dense(table: Values | sparse.csr_matrix) -> Values:
    return table if isinstance(table, np.ndarray) else np.asarray(table.todense())


class _Crowded:
    """The log divided by shoppers into :data:`CROWDS` crowds at random."""

    def __init__(self, ledger: Ledger):
        self._ledger = ledger
        # numbers of shoppers may follow the order in which they came, so they are shaken up first
        self._crowd = (ledger.user.astype(np.uint64) * np.uint64(2_654_435_761) >> np.uint64(7)) % np.uint64(CROWDS)
        self._crowd = self._crowd.astype(np.int64)
        columns, _ = design(ledger.n_steps, ledger.step_days)
        self._weighted = [self._by_crowd(column[ledger.step]) for column in columns.T]

    def _by_crowd(self, weights: Values) -> Values | sparse.csr_matrix:
        """Sums of one weight for each interest, (things, crowds); sparse where the whole table would be large."""
        shape = (self._ledger.n_things, CROWDS)
        if shape[0] * CROWDS > _DENSE_UP_TO:
            return sparse.csr_matrix((weights, (self._ledger.thing, self._crowd)), shape=shape)
        key = self._ledger.thing.astype(np.int64) * CROWDS + self._crowd
        return np.bincount(key, weights=weights, minlength=shape[0] * CROWDS).reshape(shape)

    def of(self, dimension: Dimension, totals: Values) -> Crowds:
        """One dimension's interests by crowd."""
        weighted = np.stack([_dense(dimension.incidence @ one) for one in self._weighted])
        known = dimension.known()[self._ledger.thing]
        key = self._crowd[known] * self._ledger.n_steps + self._ledger.step[known]
        by_step = np.bincount(key, minlength=CROWDS * self._ledger.n_steps).reshape(CROWDS, -1)
        return Crowds(weighted, by_step / np.maximum(totals, 1.0))


def _expected(dimension: Dimension, number: Values, totals: Values, baseline: Baseline) -> Values:
    """Interests that there would be if nothing moved: like for like, or a constant share."""
    if not baseline.like_for_like:
        constant: Values = number.sum(axis=1, keepdims=True) / max(totals.sum(), 1.0) * totals
        return constant
    known = sparse.csr_matrix(dimension.known()[None, :].astype(np.float64))
    whole = baseline.expected(known)[0]
    expected: Values = baseline.expected(dimension.incidence) * (totals / np.maximum(whole, 1e-9))
    return expected


def _judged(
    dimension: Dimension, number: Values, totals: Values, fits: Fits, trend_q: Values, season_q: Values
) -> Judged:
    stable = stable_confidence(fits)
    verdicts, also = [], []
    confidence = np.zeros(len(trend_q))
    for row in range(len(trend_q)):
        found = []
        if trend_q[row] <= FALSE_SHARE:
            found.append((abs(float(fits.trend[row])), "rising" if fits.trend[row] > 0 else "falling", trend_q[row]))
        if season_q[row] <= FALSE_SHARE:
            found.append((float(fits.swing[row]), "seasonal", season_q[row]))
        found.sort(reverse=True)  # the larger effect gives the name
        if found:
            confidence[row] = 1 - found[0][2]
        elif fits.judged[row] and stable[row] >= STABLE_FROM:
            found, confidence[row] = [(0.0, "stable", 0.0)], stable[row]
        verdicts.append(found[0][1] if found else "unknown")
        also.append(tuple(verdict for _, verdict, _ in found[1:]))
    sure = season_q <= FALSE_SHARE
    return Judged(dimension, number, totals, fits, tuple(verdicts), tuple(also), confidence, sure)
