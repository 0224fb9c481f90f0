"""One shopper at a time, quickly: candidates, exact scores and what each past item gave, from the same few products.

For a batch of shoppers :mod:`modaloom.ranking.retrieve` is the faster way; for one, most of its time would go
into building sparse matrices of one row. Both give the same scores.
"""

from __future__ import annotations

from functools import cached_property
from typing import NamedTuple, Protocol

import numpy as np

from modaloom.models.towers import SMALLEST, ItemTable, Past, Queries
from modaloom.numerics import EPSILON, Moments, moments_of
from modaloom.ranking.nearest import Neighbours
from modaloom.ranking.retrieve import Sums, moments_of_sums, reference_items, with_middle
from modaloom.types import BoolArray, FloatArray, IntArray


class Left(NamedTuple):
    """Raw scores of c items: whole in the first row, then without one past item after the other."""

    rows: FloatArray  # (1 + r, c)
    moments: Moments  # (1 + r, 1) each, or (1, 1) where they are the same in every row
    without_modality: dict[str, tuple[FloatArray, FloatArray]]  # raw (c,), and the mean over the catalogue


class Voice(Protocol):
    """What one part of the blend says to one shopper."""

    def near(self) -> tuple[IntArray, FloatArray]:
        """The items (k,) that it would propose, and roughly their raw scores (k,)."""
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


def summed(columns: IntArray, values: FloatArray) -> tuple[IntArray, FloatArray]:
    """Distinct columns, ascending, and the sums of their values."""
    distinct, inverse = np.unique(columns, return_inverse=True)
    return distinct, np.bincount(inverse, values, len(distinct)).astype(np.float32)


class ConstantVoice:
    """Scores (n,) that are the same for everybody."""

    def __init__(self, scores: FloatArray, moments: Moments):
        self._scores, self._moments = scores, moments

    def near(self) -> tuple[IntArray, FloatArray]:
        """See :class:`Voice`; what is said to everybody is proposed to everybody elsewhere."""
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.float32)

    def at(self, items: IntArray) -> FloatArray:
        """See :class:`Voice`."""
        return self._scores[items]

    def moments(self) -> Moments:
        """See :class:`Voice`."""
        return self._moments

    def left_out(self, items: IntArray, past: IntArray) -> Left:
        """See :class:`Voice`."""
        rows = np.repeat(self._scores[None, items], 1 + len(past), axis=0)
        return Left(rows, self._moments, {})


class Rows(NamedTuple):
    """Sparse rows (t, n), packed one after the other: row r is ``bounds[r]:bounds[r + 1]``."""

    bounds: IntArray
    columns: IntArray
    values: FloatArray


class SparseVoice:
    """A part whose raw score is a sum over past items: rows (t, n) of what each distinct past item (t,) adds."""

    def __init__(self, past: IntArray, rows: Rows, n_items: int):
        self._past, self._rows, self._n = past, rows, n_items
        self._columns, self._inverse = np.unique(rows.columns, return_inverse=True)
        self._sums: Sums = np.asarray(np.bincount(self._inverse, rows.values, len(self._columns)), dtype=np.float64)

    def near(self) -> tuple[IntArray, FloatArray]:
        """See :class:`Voice`."""
        return self._columns, self._sums.astype(np.float32)

    def at(self, items: IntArray) -> FloatArray:
        """See :class:`Voice`."""
        made: FloatArray = self._at(self._sums[None, :], items)[0]
        return made

    def moments(self) -> Moments:
        """See :class:`Voice`; exact, the zeros counted."""
        return self._moments(self._sums[None, :])

    def left_out(self, items: IntArray, past: IntArray) -> Left:
        """See :class:`Voice`."""
        sums = np.repeat(self._sums[None, :], 1 + len(past), axis=0)
        place = {item: row for row, item in enumerate(self._past.tolist())}
        for number, item in enumerate(past.tolist(), start=1):
            row = place.get(item)
            if row is not None:
                own = slice(self._rows.bounds[row], self._rows.bounds[row + 1])
                sums[number, self._inverse[own]] -= self._rows.values[own]
        sums[np.abs(sums) < EPSILON] = 0.0  # what is left of differences of equal numbers
        return Left(self._at(sums, items), self._moments(sums), {})

    def _at(self, sums: Sums, items: IntArray) -> FloatArray:
        if not len(self._columns):
            return np.zeros((len(sums), len(items)), dtype=np.float32)
        places = np.minimum(np.searchsorted(self._columns, items), len(self._columns) - 1)
        there = self._columns[places] == items
        made: FloatArray = np.where(there, sums[:, places], 0.0).astype(np.float32)
        return made

    def _moments(self, sums: Sums) -> Moments:
        return moments_of_sums(sums.sum(axis=1), (sums * sums).sum(axis=1), self._n)


class KernelReference(NamedTuple):
    """The items that stand for the whole catalogue, in one modality."""

    vectors: FloatArray  # (q, d)
    present: BoolArray  # (q,)
    sharpness: np.float32  # what differences of cosines are multiplied by


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
        self._own = vectors[self._items]

    def near(self) -> tuple[IntArray, FloatArray]:
        """See :class:`Voice`."""
        columns, values = self._neighbours.rows(self._items)
        distinct, sums = summed(columns.ravel(), (values * self._weights[:, None]).ravel())
        return distinct, np.log(sums + np.float32(1e-12))

    def at(self, items: IntArray) -> FloatArray:
        """See :class:`Voice`."""
        if not len(self._items):
            return np.zeros(len(items), dtype=np.float32)
        raw = np.log(self._weights @ self._powers(items) + np.float32(1e-12))
        return np.where(self._present[items], raw, self._whole[1])

    def moments(self) -> Moments:
        """See :class:`Voice`."""
        return self._whole[0]

    def left_out(self, items: IntArray, past: IntArray) -> Left:
        """See :class:`Voice`."""
        if not len(self._items):
            nothing = np.zeros((1 + len(past), len(items)), dtype=np.float32)
            return Left(nothing, self._whole[0], {})
        kept = np.concatenate(
            [self._weights[None, :], np.where(self._items != past[:, None], self._weights, np.float32(0.0))]
        )
        moments, middle = self._summary(self._log(kept, self._reference_powers))
        raw = self._log(kept, self._powers(items))
        return Left(np.where(self._present[items], raw, middle), moments, {})

    def _powers(self, items: IntArray) -> FloatArray:
        return self._powers_of(self._vectors[items])

    def _powers_of(self, vectors: FloatArray) -> FloatArray:
        similar = self._own @ vectors.T
        similar -= np.float32(1.0)
        similar *= self._reference.sharpness
        made: FloatArray = np.exp(similar, out=similar)
        return made

    @cached_property
    def _reference_powers(self) -> FloatArray:
        return self._powers_of(self._reference.vectors)

    def _log(self, kept: FloatArray, powers: FloatArray) -> FloatArray:
        made: FloatArray = np.log(kept @ powers + np.float32(1e-12))
        made[~kept.any(axis=1)] = 0.0
        return made

    @cached_property
    def _whole(self) -> tuple[Moments, np.float32]:
        if not len(self._items):
            return moments_of(np.zeros((1, 1), dtype=np.float32)), np.float32(0.0)
        moments, middle = self._summary(self._log(self._weights[None, :], self._reference_powers))
        return moments, middle[0, 0]

    def _summary(self, reference: FloatArray) -> tuple[Moments, FloatArray]:
        """Moments, and what an item scores that lacks the modality, of scores (r, ...) of the reference items."""
        filled, middle = with_middle(reference, self._reference.present)
        return moments_of(filled), middle


class FusionVoice:
    """The learned fusion with one query for each past event."""

    def __init__(
        self,
        table: ItemTable,
        neighbours: Neighbours,
        level: float,
        reference: FloatArray,
        past: Past,
        queries: Queries,
    ):
        used = past.mask[0]
        self._table, self._neighbours, self._level = table, neighbours, np.float32(level)
        self._reference_keys = reference
        self._items, self._queries = past.items[0][used], queries.queries[0][used]
        self._logs = queries.log_weights[0][used]
        self._reference = reference_items(len(table.keys))

    def near(self) -> tuple[IntArray, FloatArray]:
        """See :class:`Voice`."""
        if not len(self._items):
            return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.float32)
        top = self._logs.max()
        columns, values = self._neighbours.rows(self._items)
        distinct, sums = summed(columns.ravel(), (values * np.exp(self._logs - top)[:, None]).ravel())
        return distinct, np.log(sums + np.float32(SMALLEST)) + self._level + top

    def at(self, items: IntArray) -> FloatArray:
        """See :class:`Voice`."""
        return self._collapse(self._similar(items), items)

    def moments(self) -> Moments:
        """See :class:`Voice`."""
        return self._whole

    @cached_property
    def _whole(self) -> Moments:
        return moments_of(self._collapse(self._reference_similar, self._reference)[None, :])

    def left_out(self, items: IntArray, past: IntArray) -> Left:
        """See :class:`Voice`. How much each modality counts for the shopper stays as with the whole past."""
        kept = np.concatenate([np.ones((1, len(self._items)), dtype=bool), self._items != past[:, None]])
        similar, reference = self._similar(items), self._reference_similar
        moments = moments_of(self._kept(reference, kept, self._reference))
        without = {}
        if len(self._items):
            keys = self._table.keys
            for name in self._table.modalities:
                view = self._table.view(name)
                own = self._queries[:, view]
                raw = self._collapse(similar - own @ keys[items, view].T, items)
                mean = self._collapse(reference - own @ self._reference_keys[:, view].T, self._reference).mean()
                without[name] = raw, np.asarray(mean)
        return Left(self._kept(similar, kept, items), moments, without)

    def _similar(self, items: IntArray) -> FloatArray:
        return self._similar_to(self._table.keys[items])

    def _similar_to(self, keys: FloatArray) -> FloatArray:
        made: FloatArray = self._queries @ keys.T
        made += self._logs[:, None]
        return made

    @cached_property
    def _reference_similar(self) -> FloatArray:
        return self._similar_to(self._reference_keys)

    def _collapse(self, similar: FloatArray, items: IntArray) -> FloatArray:
        """Scores (c,) with the whole past."""
        made: FloatArray = self._kept(similar, np.ones((1, len(similar)), dtype=bool), items)[0]
        return made

    def _kept(self, similar: FloatArray, kept: BoolArray, items: IntArray) -> FloatArray:
        """Scores (r, c) with only the past events that each row of ``kept`` (r, t) marks."""
        bias = self._table.bias[items]
        if not len(similar):
            return np.repeat(bias[None, :], len(kept), axis=0)
        top = similar.max()
        made: FloatArray = top + np.log(kept.astype(np.float32) @ np.exp(similar - top) + np.float32(SMALLEST)) + bias
        made[~kept.any(axis=1)] = bias
        return made
