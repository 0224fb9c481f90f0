"""Candidates first, scores second: what each part of the blend says of a batch of shoppers without the whole catalogue.

A part answers a batch with an :class:`Answer`. It proposes its own best items, tells its exact raw scores of any
items, and tells the mean and spread of its raw scores over the catalogue, so that parts stay comparable. Nothing
here is as large as shoppers x items when the catalogue is large.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from modaloom.numerics import EPSILON, Moments, moments_of
from modaloom.ranking.fast import Fast, Reach
from modaloom.ranking.nearest import CELLS_AT_ONCE
from modaloom.types import BoolArray, FloatArray, Histories, IntArray

REFERENCE_ITEMS = 512
"""Mean and spread of a part that has no closed form are taken over this many items of a large catalogue."""
WHOLE_REFERENCE = 2_000
"""Up to this many items, they are taken over all of them."""

Sums = npt.NDArray[np.float64]


class Answer(Protocol):
    """What one part says of one batch of shoppers."""

    def reach(self) -> Reach | None:
        """Raw scores of the items that it would propose; None where it says the same to everybody."""
        ...

    def at(self, items: IntArray) -> FloatArray:
        """Exact raw scores (b, c) of items (b, c), or of the same items (c,) for everybody."""
        ...

    def moments(self) -> Moments:
        """Mean and spread over the catalogue."""
        ...


@dataclass(frozen=True)
class Offer:
    """What may be listed for b shoppers."""

    allowed: BoolArray | None  # (n,) or (b, n)
    hidden: sp.csr_matrix | None  # (b, n), nonzero where a shopper is not to see an item

    def anybody(self) -> BoolArray | None:
        """Items (n,) that may be listed for somebody; None for all."""
        if self.allowed is None or self.allowed.ndim == 1:
            return self.allowed
        return np.asarray(self.allowed.any(axis=0))

    def narrow_rows(self, shoppers: int, share: float) -> BoolArray:
        """Which of the shoppers (b,) have a filter of their own that leaves less than this share of the items."""
        if self.allowed is None or self.allowed.ndim == 1:
            return np.zeros(shoppers, dtype=bool)
        return np.asarray(self.allowed.mean(axis=1) < share)

    def of(self, rows: IntArray) -> Offer:
        """The same for some of the shoppers."""
        own = self.allowed is not None and self.allowed.ndim == 2
        return Offer(
            self.allowed[rows] if own and self.allowed is not None else self.allowed,
            None if self.hidden is None else self.hidden[rows],
        )

    def at(self, items: IntArray) -> BoolArray:
        """Which of the items (b, c) may be listed; none where padded with -1."""
        may = items >= 0
        if self.allowed is not None:
            own = self.allowed.ndim == 2
            may &= np.take_along_axis(self.allowed, items, axis=1) if own else self.allowed[items]
        if self.hidden is not None:
            may &= values_at(self.hidden, items) == 0
        return may

    def of_items(self, items: IntArray, shoppers: int) -> BoolArray:
        """Which of the same items (c,) may be listed for each of the shoppers, (b, c)."""
        may = np.ones((shoppers, len(items)), dtype=bool)
        if self.allowed is not None:
            may &= self.allowed[..., items]
        if self.hidden is not None:
            may &= self.hidden[:, items].toarray() == 0
        return may


class General(NamedTuple):
    """What is said of every item to everybody, and the items of which the best is said."""

    scores: FloatArray  # (n,)
    best: IntArray  # (k,) best first; empty where nothing is said to everybody

    def first(self, k: int, allowed: BoolArray | None) -> General:
        """The same with the best ``k`` allowed (n,) items only."""
        best = self.best if allowed is None else self.best[allowed[self.best]]
        return General(self.scores, best[:k])


def in_general(answers: Mapping[str, Answer], weights: Mapping[str, float], n_items: int) -> General:
    """Sums up the parts that say the same to everybody; of equal items those in front come first."""
    total, everything, said = np.zeros(n_items, dtype=np.float32), np.arange(n_items), False
    for name, answer in answers.items():
        if answer.reach() is None:
            total += np.float32(weights[name]) * normalised(answer.at(everything)[:1], answer.moments())[0]
            said = True
    return General(total, np.argsort(-total, kind="stable") if said else np.zeros(0, dtype=np.int64))


def candidates_of(
    answers: Mapping[str, Answer],
    reaches: Mapping[str, Reach],
    weights: Mapping[str, float],
    general: General,
    offer: Offer,
    k: int,
) -> IntArray:
    """Candidates (b, c): at least ``k`` of which all parts together say most, as far as they tell; -1 where fewer.

    What a part does not propose counts as what it says of everything else. Rows ascend.
    """
    shoppers, parts = len(next(iter(answers.values())).moments().mean), []
    for name, reach in reaches.items():
        matrix = near(reach)
        parts.append((matrix, priorities(matrix, answers[name].moments(), weights[name], not reach.floor)))
    proposals = [best_of_rows(*_sum_of(parts, general, offer), k)] if parts else []
    if len(general.best) or not parts:
        proposals.append(np.broadcast_to(general.best[:k], (shoppers, len(general.best[:k]))))
    return union(proposals)


def quick_candidates(
    fast: Fast,
    answers: Mapping[str, Answer],
    reaches: Mapping[str, Reach],
    weights: Mapping[str, float],
    general: General,
    offer: Offer,
    k: int,
) -> tuple[IntArray, FloatArray]:
    """The same by the compiled loops, without those that may not be listed, and with their scores (b, c)."""
    said = [(weights[name], reach, answers[name].moments() if reach.floor else None) for name, reach in reaches.items()]
    items, scores = fast.candidates(said, (general.scores, general.best[:k]), (offer.hidden, offer.allowed), k)
    there = np.maximum(items, 0)
    for name, reach in reaches.items():
        if reach.floor:
            fast.add_normalised(answers[name].at(there), answers[name].moments(), weights[name], scores)
    return items, scores


def near(reach: Reach) -> sp.csr_matrix:
    """Raw scores (b, n) of what a past reaches."""
    made = (reach.past @ reach.table).tocsr()
    if reach.floor:
        rows = np.repeat(np.arange(made.shape[0]), np.diff(made.indptr))
        made.data = np.log(made.data + np.float32(reach.floor))
        if reach.shift is not None:
            made.data += reach.shift[rows]
    return made


def priorities(matrix: sp.csr_matrix, moments: Moments, weight: float, exact: bool) -> FloatArray:
    """How much more a part says of its entries, normalised and weighted, than of everything else.

    Of everything else it says zero if it is ``exact``, and the least that it says of an entry otherwise.
    """
    lengths = np.diff(matrix.indptr)
    rows = np.repeat(np.arange(len(lengths)), lengths)
    made = np.float32(weight) * normalised(matrix.data, Moments(*(part[rows, 0] for part in moments)))
    if exact:
        rest = np.float32(weight) * normalised(np.zeros((len(lengths), 1), dtype=np.float32), moments)[:, 0]
    else:
        rest = np.full(len(lengths), np.inf, dtype=np.float32)
        np.minimum.at(rest, rows, made)
    difference: FloatArray = made - rest[rows]
    return difference


def _sum_of(
    parts: Sequence[tuple[sp.csr_matrix, FloatArray]], general: General, offer: Offer
) -> tuple[sp.csr_matrix, FloatArray]:
    """Everything that any part proposes (b, n), and what all of them and everybody's scores say of it."""
    total = sum(sp.csr_matrix((said, matrix.indices, matrix.indptr), shape=matrix.shape) for matrix, said in parts)
    total = sp.csr_matrix(total)
    rows = np.repeat(np.arange(total.shape[0]), np.diff(total.indptr))
    priority = total.data + general.scores[total.indices]
    if offer.allowed is not None:
        may = offer.allowed[total.indices] if offer.allowed.ndim == 1 else offer.allowed[rows, total.indices]
        priority[~may] = -np.inf
    if offer.hidden is not None:
        had, n = offer.hidden.tocoo(), total.shape[1]
        unseen = (had.row * np.int64(n) + had.col)[had.data != 0]
        priority[np.isin(rows * np.int64(n) + total.indices, unseen)] = -np.inf
    return total, priority


def block_size(n_items: int) -> int:
    """How many shoppers are answered at once, so that a dense block of them stays small."""
    return int(np.clip(CELLS_AT_ONCE // max(n_items, 1), 8, 128))


def normalised(scores: FloatArray, moments: Moments) -> FloatArray:
    """:func:`~modaloom.numerics.squashed_zscore` of scores (b, c), by the moments of the whole catalogue."""
    made = scores - moments.mean
    made /= moments.spread + np.float32(EPSILON)
    made = squashed(made)
    if moments.flat.any():
        made[np.broadcast_to(moments.flat, made.shape)] = 0.0
    return made


def moments_of_sums(total: Sums, square: Sums, n: int) -> Moments:
    """Moments of rows of n numbers, most of them zero, from the sums (b,) of the numbers and of their squares."""
    mean = total / n
    spread = np.sqrt(np.maximum(square / n - mean**2, 0.0))
    flat = spread < np.maximum(EPSILON, 1e-7 * np.abs(mean))
    return Moments(mean[:, None].astype(np.float32), spread[:, None].astype(np.float32), flat[:, None])


def with_middle(scores: FloatArray, present: BoolArray) -> tuple[FloatArray, FloatArray]:
    """Scores (b, n) with something fair where an item lacks the modality (n,), and that number (b, 1).

    It lies between the lowest score and the mean: to be unknown is neither a merit nor the worst.
    """
    lowest = scores.min(axis=1, keepdims=True, initial=0.0, where=present)
    middle: FloatArray = (lowest + scores.mean(axis=1, keepdims=True)) / 2
    return np.where(present, scores, middle), middle


def squashed(values: FloatArray) -> FloatArray:
    """The arcsinh of each value; by logarithms, which NumPy computes many at once."""
    size = np.abs(values)
    size += np.sqrt(size * size + np.float32(1.0))
    np.log(size, out=size)
    return np.copysign(size, values)


@lru_cache(maxsize=8)
def reference_items(n_items: int, most: int = REFERENCE_ITEMS) -> IntArray:
    """The items that moments are taken over: all of them, or a fixed even sample."""
    if n_items <= max(most, WHOLE_REFERENCE):
        return np.arange(n_items, dtype=np.int64)
    return np.sort(np.random.default_rng(0).permutation(n_items)[:most]).astype(np.int64)


class ConstantAnswer:
    """Scores (n,) that are the same for everybody."""

    def __init__(self, scores: FloatArray, shoppers: int):
        self._scores, self._shoppers = scores, shoppers

    def reach(self) -> None:
        """See :class:`Answer`."""

    def at(self, items: IntArray) -> FloatArray:
        """See :class:`Answer`."""
        return np.broadcast_to(self._scores[items], (self._shoppers, items.shape[-1]))

    def moments(self) -> Moments:
        """See :class:`Answer`."""
        return self._moments

    @cached_property
    def _moments(self) -> Moments:
        mean, spread, flat = moments_of(self._scores[None, :])
        many = self._shoppers
        return Moments(mean.repeat(many, axis=0), spread.repeat(many, axis=0), flat.repeat(many, axis=0))


class SparseAnswer:
    """Raw scores (b, n) that are zero nearly everywhere: what is said of s items, times a table (s, n) of theirs."""

    def __init__(self, past: sp.csr_matrix, table: sp.csr_matrix | None = None):
        self._past, self._table = past, table

    @cached_property
    def _matrix(self) -> sp.csr_matrix:
        return self._past if self._table is None else (self._past @ self._table).tocsr()

    def reach(self) -> Reach:
        """See :class:`Answer`."""
        table = self._table
        return Reach(self._past, sp.identity(self._past.shape[1], np.float32, "csr") if table is None else table)

    def at(self, items: IntArray) -> FloatArray:
        """See :class:`Answer`."""
        return values_at(self._matrix, items)

    def moments(self) -> Moments:
        """See :class:`Answer`; exact, the zeros counted."""
        return self._moments

    @cached_property
    def _moments(self) -> Moments:
        values, starts = self._matrix.data.astype(np.float64), self._matrix.indptr
        return moments_of_sums(sum_of_rows(values, starts), sum_of_rows(values * values, starts), self._matrix.shape[1])


def best_of_rows(matrix: sp.csr_matrix, priority: FloatArray, k: int) -> IntArray:
    """Columns (b, k) of the entries of each row that have the highest finite priority, -1 where there are fewer."""
    lengths = np.diff(matrix.indptr)
    rows = np.repeat(np.arange(len(lengths)), lengths)
    width = int(lengths.max(initial=0))
    least = np.full(len(lengths), np.finfo(np.float32).min, dtype=np.float32)
    if width > k:
        padded = np.full((len(lengths), width), -np.inf, dtype=np.float32)
        padded[np.arange(width) < lengths[:, None]] = priority
        padded.sort(axis=1)  # with many equal values faster than a partition
        least = np.maximum(padded[:, -k], least)
    kept = np.flatnonzero(priority >= least[rows])
    owner = rows[kept]
    counts = np.bincount(owner, minlength=len(lengths))
    if counts.max(initial=0) > k:  # of those that are equal to the least there is room for the first only
        level = priority[kept] == least[owner]
        room = k - np.bincount(owner[~level], minlength=len(lengths))
        fits = ~level
        fits[level] = _within(owner[level], len(lengths)) < room[owner[level]]
        kept, owner = kept[fits], owner[fits]
    made = np.full((len(lengths), max(int(np.minimum(counts, k).max(initial=0)), 1)), -1, dtype=np.int64)
    made[owner, _within(owner, len(lengths))] = matrix.indices[kept]
    return made


def _within(owner: IntArray, rows: int) -> IntArray:
    """Which place an entry has in its row, for the rows (e,) of entries in order."""
    counts = np.bincount(owner, minlength=rows)
    return np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)


def values_at(matrix: sp.csr_matrix, items: IntArray) -> FloatArray:
    """Values (b, c) of a sparse matrix (b, n) at items (b, c), or (c,) for every row; any where padded with -1."""
    out = np.empty((matrix.shape[0], items.shape[-1]), dtype=np.float32)
    size = max(CELLS_AT_ONCE // max(matrix.shape[1], 1), 1)
    for start in range(0, matrix.shape[0], size):
        dense = matrix[start : start + size].toarray() if size < matrix.shape[0] else matrix.toarray()
        own = items if items.ndim == 1 else items[start : start + size]
        out[start : start + size] = dense[:, own] if own.ndim == 1 else np.take_along_axis(dense, own, axis=1)
    return out


def sum_of_rows(values: npt.NDArray[np.float64], starts: IntArray) -> npt.NDArray[np.float64]:
    """Sums (b,) of packed rows that begin at ``starts`` (b + 1,)."""
    sums = np.concatenate([[0.0], np.cumsum(values)])
    made: npt.NDArray[np.float64] = sums[starts[1:]] - sums[starts[:-1]]
    return made


def union(proposals: Sequence[IntArray]) -> IntArray:
    """Each row's distinct items (b, c) of several proposals, ascending; -1 in front where there are fewer."""
    items = np.sort(np.concatenate(proposals, axis=1).astype(np.int32), axis=1)
    items[:, 1:][items[:, 1:] == items[:, :-1]] = -1
    items.sort(axis=1)
    width = int((items >= 0).sum(axis=1).max(initial=1))
    return items[:, -max(width, 1) :].astype(np.int64)


def reordered(histories: Histories, rows: IntArray) -> Histories:
    """The pasts of some shoppers in another order."""
    lengths = histories.lengths()[rows]
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    picks = np.arange(offsets[-1]) + np.repeat(histories.offsets[rows] - offsets[:-1], lengths)
    return Histories(
        user_nums=histories.user_nums[rows],
        offsets=offsets,
        item_nums=histories.item_nums[picks],
        events=histories.events[picks],
        timestamps=histories.timestamps[picks],
        now=histories.now,
    )


def available_threads() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
