"""What would be there if nobody's taste moved: every piece with its own constant pull for as long as it is on offer.

Without this a value "rises" whenever the shop puts more such pieces on its shelves. Shapes: t steps.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy import sparse

from modaloom.counting.ledger import Ledger
from modaloom.types import DAY_S, IntArray

Values = npt.NDArray[np.float64]
AGES_WEEKS = (1, 2, 4, 8, 16, 26, 52)
"""Where one stage of a piece's life ends and the next begins."""
STAYING_SHARE = 0.5
"""Pieces stay long where this much of the interest at the end is in what was there before the middle."""
_ROUNDS = 30
_SETTLED = 1e-3
_PRIOR = 0.5
_BLOCK = 20_000


@dataclass(frozen=True)
class Baseline:
    """Expected interests, thing by thing."""

    pull: Values  # (things,)
    ages: npt.NDArray[np.int8]  # (things, t) stage of its life; the number of stages where it is not on offer yet
    stage: Values  # (stages,) pull at each stage of life over that of an old piece
    whole: Values  # (t,) sum of the pulls on offer
    totals: Values  # (t,)
    staying: float
    """Share of the last quarter's interest that is in what was on offer before the middle."""

    @property
    def like_for_like(self) -> bool:
        """Whether pieces stay long enough to be compared with themselves."""
        return self.staying >= STAYING_SHARE

    def blocks(self) -> Iterator[tuple[slice, Values]]:
        """Expected interests (things of the block, t), block by block."""
        for start in range(0, len(self.pull), _BLOCK):
            block = slice(start, min(start + _BLOCK, len(self.pull)))
            factor = np.append(self.stage, 0.0)[self.ages[block]]
            yield block, self.pull[block, None] * factor * (self.totals / np.maximum(self.whole, 1e-12))

    def expected(self, incidence: sparse.csr_matrix) -> Values:
        """Expected interests by value, (v, t), for values that hold the things of an incidence matrix (v, things)."""
        columns = incidence.tocsc()
        result = np.zeros((incidence.shape[0], len(self.totals)))
        for block, expected in self.blocks():
            result += columns[:, block] @ expected
        return result


def make_baseline(ledger: Ledger, items: pl.DataFrame, counts: sparse.csr_matrix) -> Baseline:
    """Pull of every thing and the course of a piece's life, fitted to a log by proportional fitting.

    Args:
        ledger: the log.
        items: the item table.
        counts: interests by thing and step.
    """
    totals = np.asarray(counts.sum(axis=0)).ravel()
    first = _first_steps(ledger, items, counts)
    number = np.asarray(counts.sum(axis=1)).ravel()
    stage = np.ones(len(AGES_WEEKS) + 1)
    pull = (number + _PRIOR) / max(number.sum(), 1.0)
    observed = _by_stage(counts, first, ledger.step_days)
    base = Baseline(
        pull, _ages(first, ledger.n_steps, ledger.step_days), stage, totals, totals, _staying(ledger, counts, first)
    )
    for _ in range(_ROUNDS):
        before, base = base, _balanced(base, number, observed)
        if np.abs(base.stage - before.stage).max() < _SETTLED:
            break
    return base


def _balanced(base: Baseline, number: Values, observed: Values) -> Baseline:
    """One round: pulls and stages corrected by observed over expected."""
    factors, whole = np.append(base.stage, 0.0), np.zeros(len(base.totals))
    for start in range(0, len(base.pull), _BLOCK):
        whole += base.pull[start : start + _BLOCK] @ factors[base.ages[start : start + _BLOCK]]
    base = replace(base, whole=whole)
    pull, by_stage = base.pull.copy(), np.zeros(len(factors))
    for block, expected in base.blocks():
        pull[block] *= (number[block] + _PRIOR) / (expected.sum(axis=1) + _PRIOR)
        by_stage += np.bincount(base.ages[block].ravel(), weights=expected.ravel(), minlength=len(factors))
    stage = base.stage * (observed + 20) / (by_stage[:-1] + 20)
    return replace(base, pull=pull, stage=stage / stage[-1])


def _first_steps(ledger: Ledger, items: pl.DataFrame, counts: sparse.csr_matrix) -> IntArray:
    """Step from which each thing can be wanted: its release, or the first sign of interest, whichever is earlier.

    What has no release date and is wanted early is taken to be old.
    """
    n_steps, step_days = ledger.n_steps, ledger.step_days
    seen = np.full(ledger.n_things, n_steps, dtype=np.int64)
    there = np.diff(counts.indptr) > 0
    seen[there] = np.minimum.reduceat(counts.indices, counts.indptr[:-1][there])
    old = -round(2 * 366 / step_days)
    first = np.where(seen <= max(8 * 7 // step_days, 1), old, seen)
    first[ledger.n_items :] = old  # words can be typed at any time
    if "released_at" in items.columns:
        released = items["released_at"].cast(pl.Int64)
        day = (released // DAY_S).fill_null(0).to_numpy()
        known = released.is_not_null().to_numpy()
        step = (day - ledger.first_day) // step_days
        first[: len(step)][known] = np.minimum(step, np.where(there[: len(step)], seen[: len(step)], step))[known]
    return first


def _ages(first: IntArray, n_steps: int, step_days: int) -> npt.NDArray[np.int8]:
    """Stage of life by thing and step; the number of stages where it is not on offer yet."""
    weeks = (np.arange(n_steps) - first[:, None]) * step_days / 7
    stage = np.searchsorted(np.array(AGES_WEEKS, dtype=np.float64), weeks, side="right")
    stage[weeks < 0] = len(AGES_WEEKS) + 1
    return stage.astype(np.int8)


def _by_stage(counts: sparse.csr_matrix, first: IntArray, step_days: int) -> Values:
    """Observed interests by stage of life."""
    entries = counts.tocoo()
    weeks = (entries.col - first[entries.row]) * step_days / 7
    stage = np.searchsorted(np.array(AGES_WEEKS, dtype=np.float64), weeks, side="right")
    return np.bincount(stage, weights=entries.data, minlength=len(AGES_WEEKS) + 1).astype(np.float64)


def _staying(ledger: Ledger, counts: sparse.csr_matrix, first: IntArray) -> float:
    last = counts[: ledger.n_items, ledger.n_steps - max(ledger.n_steps // 4, 1) :]
    number = np.asarray(last.sum(axis=1)).ravel()
    return float(number[first[: ledger.n_items] < ledger.n_steps // 2].sum() / max(number.sum(), 1.0))
