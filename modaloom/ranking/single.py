"""One shopper at a time, quickly: candidates, exact scores and what each past item gave, from the same few products.

For a batch of shoppers :mod:`modaloom.ranking.retrieve` is the faster way; for one, most of its time would go
into building sparse matrices of one row. Both give the same scores. With so little to compute, what costs is the
number of NumPy calls, so that nothing is sorted where a table of places does, and modalities are left out together.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import NamedTuple, Protocol

import numpy as np

from modaloom.models.towers import SMALLEST, ItemTable, Past, Queries
from modaloom.numerics import EPSILON, Moments, distinct, moments_of_few, places_among
from modaloom.ranking.nearest import Neighbours
from modaloom.ranking.retrieve import Sums, moments_of_sums, with_middle
from modaloom.types import BoolArray, FloatArray, IntArray

LARGEST_POWER = np.float32(80.0)
"""Exponents are cut here, so that sums of them stay finite."""


class Left(NamedTuple):
    """Raw scores of c items: whole in the first row, then without one past item after the other."""

    rows: FloatArray  # (1 + r, c)
    moments: Moments  # (1 + r, 1) each, or (1, 1) where they are the same in every row
    without: FloatArray  # raw (m, c) without one modality after the other; m is 0 where the part has no such views
    without_mean: FloatArray  # (m, 1) their means over the catalogue


class Voice(Protocol):
    """What one part of the blend says to one shopper."""

    def near(self) -> tuple[IntArray, FloatArray]:
        """The items (e,) that it would propose, some of them several times, and what each place adds (e,)."""
        ...

    def told(self, sums: Sums) -> FloatArray:
        """Roughly the raw scores (c,) of items whose places in :meth:`near` add up to these sums (c,)."""
        ...

    def at(self, items: IntArray) -> FloatArray:
        """Exact raw scores (c,)."""
        ...

    def moments(self) -> Moments:
        """Mean and spread over the catalogue."""
        ...

    def left_out(self, items: IntArray, past: IntArray) -> Left:
        """Raw scores of items (c,), whole and without each of some past items (r,)."""
        ...


NOTHING = np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.float32)


class ConstantVoice:
    """Scores (n,) that are the same for everybody."""

    def __init__(self, scores: FloatArray, moments: Moments):
        self._scores, self._moments = scores, moments

    def near(self) -> tuple[IntArray, FloatArray]:
        """See :class:`Voice`; what is said to everybody is proposed to everybody elsewhere."""
        return NOTHING

    def told(self, sums: Sums) -> FloatArray:
        """See :class:`Voice`."""
        return sums.astype(np.float32)

    def at(self, items: IntArray) -> FloatArray:
        """See :class:`Voice`."""
        return self._scores[items]

    def moments(self) -> Moments:
        """See :class:`Voice`."""
        return self._moments

    def left_out(self, items: IntArray, past: IntArray) -> Left:
        """See :class:`Voice`."""
        rows = np.repeat(self._scores[None, items], 1 + len(past), axis=0)
        return Left(rows, self._moments, *_no_views(len(items)))


class Rows(NamedTuple):
    """Sparse rows (t, n), packed one after the other: row r is ``bounds[r]:bounds[r + 1]``."""

    bounds: IntArray
    columns: IntArray
    values: FloatArray


class SparseVoice:
    """A part whose raw score is a sum over past items: rows (t, n) of what each distinct past item (t,) adds."""

    def __init__(self, past: IntArray, rows: Rows, n_items: int):
        self._past, self._rows, self._n = past, rows, n_items
        self._columns, self._inverse = distinct(rows.columns, n_items)
        self._sums: Sums = np.bincount(self._inverse, rows.values, len(self._columns)).astype(np.float64, copy=False)

    def near(self) -> tuple[IntArray, FloatArray]:
        """See :class:`Voice`."""
        return self._columns, self._sums.astype(np.float32)

    def told(self, sums: Sums) -> FloatArray:
        """See :class:`Voice`."""
        return sums.astype(np.float32)

    def at(self, items: IntArray) -> FloatArray:
        """See :class:`Voice`."""
        return self._at(items)[0].astype(np.float32)

    def moments(self) -> Moments:
        """See :class:`Voice`; exact, the zeros counted."""
        return self._whole

    @cached_property
    def _whole(self) -> Moments:
        total, square = self._totals
        return moments_of_sums(np.array([total]), np.array([square]), self._n)

    @cached_property
    def _totals(self) -> tuple[float, float]:
        """The sum of all scores, and of their squares."""
        return float(self._sums.sum()), float(self._sums @ self._sums)

    def left_out(self, items: IntArray, past: IntArray) -> Left:
        """See :class:`Voice`."""
        base, places, there = self._at(items)
        rows = np.repeat(base[None, :], 1 + len(past), axis=0)
        total, square = (np.full(1 + len(past), whole) for whole in self._totals)
        row_of = {item: row for row, item in enumerate(self._past.tolist())}
        found = [(number, row_of[item]) for number, item in enumerate(past.tolist(), start=1) if item in row_of]
        if found and len(self._columns):
            numbers, own = np.array(found, dtype=np.int64).T
            given = np.zeros((len(self._past), len(self._columns)))
            owner = np.repeat(np.arange(len(self._past)), np.diff(self._rows.bounds))
            given[owner, self._inverse] = self._rows.values
            given = given[own]
            total[numbers] -= given.sum(axis=1)
            square[numbers] -= (given * (2.0 * self._sums - given)).sum(axis=1)
            rows[numbers] -= np.where(there, given[:, places], 0.0)
            rows[np.abs(rows) < EPSILON] = 0.0  # what is left of differences of equal numbers
            square[np.abs(square) < EPSILON] = 0.0
        return Left(rows.astype(np.float32), moments_of_sums(total, square, self._n), *_no_views(len(items)))

    def _at(self, items: IntArray) -> tuple[Sums, IntArray, BoolArray]:
        """Scores (c,), and where the items are among the columns, if there."""
        if not len(self._columns):
            nowhere = np.zeros(len(items), dtype=np.int64)
            return np.zeros(len(items)), nowhere, nowhere > 0
        places, there = places_among(self._columns, items, self._n)
        return np.where(there, self._sums[places], 0.0), places, there


class KernelReference(NamedTuple):
    """The items that stand for the whole catalogue, in one modality."""

    vectors: FloatArray  # (q, d)
    present: BoolArray  # (q,)
    sharpness: np.float32  # what differences of cosines are multiplied by

    @property
    def whole(self) -> bool:
        """Whether none of them lacks the modality."""
        return bool(self.present.all())


class KernelVoice:
    """Likeness to single past items (t,), of vectors (n, d) of one modality."""

    def __init__(
        self,
        vectors: FloatArray,
        present: BoolArray,
        neighbours: Neighbours,
        past: Past,
        weights: FloatArray,
        reference: KernelReference,
    ):
        used = weights > 0
        self._vectors, self._present, self._neighbours, self._reference = vectors, present, neighbours, reference
        self._items, self._weights = past.items[0][used], weights[used]
        self._own = vectors[self._items] * reference.sharpness
        self._scaled = self._weights * np.exp(-reference.sharpness)  # instead of taking one from each cosine

    def near(self) -> tuple[IntArray, FloatArray]:
        """See :class:`Voice`."""
        columns, values = self._neighbours.rows(self._items)
        return columns.ravel(), (values * self._weights[:, None]).ravel()

    def told(self, sums: Sums) -> FloatArray:
        """See :class:`Voice`."""
        made = sums.astype(np.float32)
        made += np.float32(1e-12)
        return np.log(made, out=made)

    def at(self, items: IntArray) -> FloatArray:
        """See :class:`Voice`."""
        if not len(self._items):
            return np.zeros(len(items), dtype=np.float32)
        raw = self._log(self._scaled, self._powers(np.take(self._vectors, items, axis=0)))
        there = self._present[items]
        return raw if there.all() else np.where(there, raw, self._whole[1]()[0, 0])

    def moments(self) -> Moments:
        """See :class:`Voice`."""
        return self._whole[0]

    def left_out(self, items: IntArray, past: IntArray) -> Left:
        """See :class:`Voice`."""
        if not len(self._items):
            nothing = np.zeros((1 + len(past), len(items)), dtype=np.float32)
            return Left(nothing, self._whole[0], *_no_views(len(items)))
        kept = kept_without(self._items, past) * self._scaled
        moments, middle = self._summary(self._logs(kept, self._reference_powers))
        raw, there = self._logs(kept, self._powers(self._vectors[items])), self._present[items]
        return Left(raw if there.all() else np.where(there, raw, middle()), moments, *_no_views(len(items)))

    def _powers(self, vectors: FloatArray) -> FloatArray:
        """Exponentials (t, c) of likeness."""
        similar = products(self._own, vectors)
        made: FloatArray = np.exp(similar, out=similar)
        return made

    @cached_property
    def _reference_powers(self) -> FloatArray:
        return self._powers(self._reference.vectors)

    def _log(self, kept: FloatArray, powers: FloatArray) -> FloatArray:
        made: FloatArray = kept @ powers
        made += np.float32(1e-12)
        np.log(made, out=made)
        return made

    def _logs(self, kept: FloatArray, powers: FloatArray) -> FloatArray:
        """The same for rows of what is kept, of which one may be empty."""
        made = self._log(kept, powers)
        made[~kept.any(axis=1)] = 0.0
        return made

    @cached_property
    def _whole(self) -> tuple[Moments, Callable[[], FloatArray]]:
        if not len(self._items):
            nothing = np.zeros((1, 1), dtype=np.float32)
            return moments_of_few(nothing), lambda: nothing
        return self._summary(self._log(self._scaled[None, :], self._reference_powers))

    def _summary(self, reference: FloatArray) -> tuple[Moments, Callable[[], FloatArray]]:
        """Moments, and what an item scores that lacks the modality, of scores (r, ...) of the reference items."""

        def middle() -> FloatArray:
            return with_middle(reference, self._reference.present)[1]

        whole = self._reference.whole
        return moments_of_few(reference if whole else with_middle(reference, self._reference.present)[0]), middle


class FusionReference(NamedTuple):
    """Of the items that stand for the whole catalogue, what the learned fusion compares with."""

    keys: FloatArray  # (q, D)
    views: FloatArray  # (m, d, q) the keys by modality, without the fused view
    bias: FloatArray  # (q,)


class FusionVoice:
    """The learned fusion with one query for each past event."""

    def __init__(
        self,
        table: ItemTable,
        neighbours: Neighbours,
        level: float,
        reference: FusionReference,
        past: Past,
        queries: Queries,
    ):
        used = past.mask[0]
        self._table, self._neighbours, self._level, self._reference = table, neighbours, np.float32(level), reference
        self._items, self._queries = past.items[0][used], queries.queries[0][used]
        self._logs = queries.log_weights[0][used]

    def near(self) -> tuple[IntArray, FloatArray]:
        """See :class:`Voice`."""
        if not len(self._items):
            return NOTHING
        columns, values = self._neighbours.rows(self._items)
        return columns.ravel(), (values * np.exp(self._logs - self._logs.max())[:, None]).ravel()

    def told(self, sums: Sums) -> FloatArray:
        """See :class:`Voice`."""
        made: FloatArray = np.log(sums.astype(np.float32) + np.float32(SMALLEST))
        made += self._level + (self._logs.max() if len(self._logs) else np.float32(0.0))
        return made

    def at(self, items: IntArray) -> FloatArray:
        """See :class:`Voice`."""
        if not len(self._items):
            return np.zeros(len(items), dtype=np.float32)
        bias = self._table.bias[items]
        every = np.ones(len(self._items), dtype=np.float32)
        keys = np.take(self._table.keys, items, axis=0)
        return self._log_sum(every @ _powers(self._similar(keys)), bias)

    def moments(self) -> Moments:
        """See :class:`Voice`."""
        return self._whole

    @cached_property
    def _whole(self) -> Moments:
        if not len(self._items):
            return moments_of_few(np.zeros((1, len(self._reference.bias)), dtype=np.float32))
        sums = np.ones((1, len(self._items)), dtype=np.float32) @ self._reference_powers
        return moments_of_few(self._log_sum(sums, self._reference.bias))

    def left_out(self, items: IntArray, past: IntArray) -> Left:
        """See :class:`Voice`. How much each modality counts for the shopper stays as with the whole past."""
        bias, reference = self._table.bias[items], self._reference
        if not len(self._items):
            rows = np.zeros((1 + len(past), len(items)), dtype=np.float32)
            return Left(rows, self._whole, *_no_views(len(items)))
        keys = self._table.keys[items]
        kept = kept_without(self._items, past)
        gone = ~kept.any(axis=1)
        similar = self._similar(keys)
        rows = self._log_sum(kept @ _powers(similar.copy()), bias)
        whole = self._log_sum(kept @ self._reference_powers, reference.bias)
        rows[gone], whole[gone] = 0.0, 0.0  # without any past it says nothing
        m, d = reference.views.shape[:2]
        own = self._queries[:, : m * d].reshape(-1, m, d).transpose(1, 0, 2)  # (m, t, d)
        views = keys[:, : m * d].reshape(-1, m, d).transpose(1, 2, 0)
        without = self._log_sum(_powers(similar - own @ views).sum(axis=1), bias)
        means = self._log_sum(_powers(self._reference_similar - own @ reference.views).sum(axis=1), reference.bias)
        return Left(rows, moments_of_few(whole), without, means.mean(axis=1, keepdims=True))

    def _similar(self, keys: FloatArray) -> FloatArray:
        """Products (t, c) with keys (c, D), less what is about the largest of them."""
        made = products(self._queries, keys)
        made += (self._logs - self._top)[:, None]
        return made

    @cached_property
    def _top(self) -> np.float32:
        return self._from_reference[0]

    @cached_property
    def _reference_similar(self) -> FloatArray:
        return self._from_reference[1]

    @cached_property
    def _from_reference(self) -> tuple[np.float32, FloatArray]:
        """The largest product with the reference's keys, and all of them (t, q) less that."""
        made = products(self._queries, self._reference.keys)
        made += self._logs[:, None]
        top = np.float32(made.max())
        made -= top
        return top, made

    @cached_property
    def _reference_powers(self) -> FloatArray:
        return _powers(self._reference_similar.copy())

    def _log_sum(self, sums: FloatArray, bias: FloatArray) -> FloatArray:
        """Scores (..., c) from sums of exponentials, and the bias (c,) of each item."""
        made: FloatArray = np.log(sums + np.float32(SMALLEST))
        made += self._top
        made += bias
        return made


def _powers(similar: FloatArray) -> FloatArray:
    """Exponentials, in place."""
    np.minimum(similar, LARGEST_POWER, out=similar)
    made: FloatArray = np.exp(similar, out=similar)
    return made


def products(few: FloatArray, many: FloatArray) -> FloatArray:
    """Products (t, c) of a few rows (t, d) with many (c, d): this way round takes a third of the time."""
    made: FloatArray = (many @ few.T).T
    return made


def kept_without(own: IntArray, past: IntArray) -> FloatArray:
    """Ones (1 + r, t) for past events (t,) of items ``own``; zero where a row leaves its item (r,) out."""
    kept = np.ones((1 + len(past), len(own)), dtype=np.float32)
    kept[1:] = own != past[:, None]
    return kept


def _no_views(count: int) -> tuple[FloatArray, FloatArray]:
    return np.zeros((0, count), dtype=np.float32), np.zeros((0, 1), dtype=np.float32)
