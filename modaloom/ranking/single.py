"""One shopper at a time, quickly: candidates, exact scores and what each past item gave, from the same few products.

For a batch of shoppers :mod:`modaloom.ranking.retrieve` is the faster way; for one, most of its time would go
into building sparse matrices of one row. Both give the same scores. With so little to compute, what costs is the
number of steps, so that they are shared, in :mod:`modaloom.ranking.sums`, and modalities are left out together.
"""

from __future__ import annotations

from functools import cached_property
from typing import NamedTuple, Protocol

import numpy as np

from modaloom.models.towers import SMALLEST, ItemTable, Past, Queries
from modaloom.numerics import Moments, moments_of_few
from modaloom.ranking.fast import Level, Proposals
from modaloom.ranking.nearest import Neighbours
from modaloom.ranking.sums import Without, log_sums, log_sums_without, products, reference_sums, sparse_sums
from modaloom.types import BoolArray, FloatArray, IntArray

NOTHING = np.zeros(0, dtype=np.int64)
LEVEL = Level(1e-12)
"""How sums of likeness become scores."""


class Left(NamedTuple):
    """Raw scores of c items: whole in the first row, then without one past item after the other."""

    rows: FloatArray  # (1 + r, c)
    moments: Moments  # (1 + r, 1) each, or (1, 1) where they are the same in every row
    without: FloatArray  # raw (m, c) without one modality after the other; m is 0 where the part has no such views
    without_mean: FloatArray  # (m, 1) their means over the catalogue


class Voice(Protocol):
    """What one part of the blend says to one shopper."""

    def proposals(self) -> Proposals | None:
        """The items that it would propose; None where there are none, or they are the same for everybody."""
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


class ConstantVoice:
    """Scores (n,) that are the same for everybody."""

    def __init__(self, scores: FloatArray, moments: Moments):
        self._scores, self._moments = scores, moments

    def proposals(self) -> None:
        """See :class:`Voice`; what is said to everybody is proposed to everybody elsewhere."""

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


class SparseVoice:
    """A part whose raw score is a sum over past items: for each distinct one (t,) a row of a table, times a count."""

    def __init__(self, past: IntArray, proposals: Proposals, n_items: int):
        self._past, self._proposals, self._n = past, proposals, n_items

    def proposals(self) -> Proposals:
        """See :class:`Voice`."""
        return self._proposals

    def at(self, items: IntArray) -> FloatArray:
        """See :class:`Voice`."""
        made: FloatArray = self._sums(items, NOTHING)[0][0]
        return made

    def moments(self) -> Moments:
        """See :class:`Voice`; exact, the zeros counted."""
        return self._whole

    @cached_property
    def _whole(self) -> Moments:
        return self._sums(NOTHING, NOTHING)[1]

    def left_out(self, items: IntArray, past: IntArray) -> Left:
        """See :class:`Voice`."""
        return Left(*self._sums(items, past), *_no_views(len(items)))

    def _sums(self, items: IntArray, past: IntArray) -> tuple[FloatArray, Moments]:
        rows, counts, table, _, _ = self._proposals
        return sparse_sums((rows, counts), table, items, Without(self._past, past), self._n)


class KernelReference(NamedTuple):
    """The items that stand for the whole catalogue, in one modality."""

    vectors: FloatArray  # (d, q)
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
        self._own = vectors[self._items] * reference.sharpness
        self._shifts = np.log(self._weights) - reference.sharpness  # instead of taking one from each cosine

    def proposals(self) -> Proposals | None:
        """See :class:`Voice`."""
        if not len(self._items):
            return None
        return Proposals(self._neighbours.slots(self._items), self._weights, self._neighbours.table(), LEVEL.floor)

    def at(self, items: IntArray) -> FloatArray:
        """See :class:`Voice`."""
        made: FloatArray = self._raw(items, NOTHING, self._whole[1])[0]
        return made

    def moments(self) -> Moments:
        """See :class:`Voice`."""
        return self._whole[0]

    def left_out(self, items: IntArray, past: IntArray) -> Left:
        """See :class:`Voice`."""
        moments, middle = self._summary(past) if len(self._items) else self._whole
        return Left(self._raw(items, past, middle), moments, *_no_views(len(items)))

    def _raw(self, items: IntArray, past: IntArray, middle: FloatArray) -> FloatArray:
        """Scores (1 + r, c); what lacks the modality gets the ``middle`` (1 + r, 1)."""
        if not len(self._items):
            return np.zeros((1 + len(past), len(items)), dtype=np.float32)
        similar, there = products(self._own, np.take(self._vectors, items, axis=0)), self._present[items]
        raw = log_sums(similar, self._shifts, Without(self._items, past), LEVEL)
        return raw if there.all() else np.where(there, raw, middle)

    @cached_property
    def _reference_similar(self) -> FloatArray:
        similar: FloatArray = self._own @ self._reference.vectors
        return similar

    @cached_property
    def _whole(self) -> tuple[Moments, FloatArray]:
        if not len(self._items):
            nothing = np.zeros((1, 1), dtype=np.float32)
            return moments_of_few(nothing), nothing
        return self._summary(NOTHING)

    def _summary(self, past: IntArray) -> tuple[Moments, FloatArray]:
        """Moments, and what an item scores that lacks the modality (1 + r, 1)."""
        left = Without(self._items, past)
        return reference_sums(self._reference_similar, self._shifts, left, LEVEL, self._reference.present)


class FusionReference(NamedTuple):
    """Of the items that stand for the whole catalogue, what the learned fusion compares with."""

    views: FloatArray  # (m + 1, d, q) the keys by modality, the fused view last
    everything: BoolArray  # (q,) ones: nothing lacks the fusion


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
        self._table, self._neighbours, self._level, self._reference = table, neighbours, level, reference
        self._items, self._queries = past.items[0][used], queries.queries[0][used]
        self._logs = queries.log_weights[0][used]

    def proposals(self) -> Proposals | None:
        """See :class:`Voice`."""
        if not len(self._items):
            return None
        top = self._logs.max()
        rows, counts = self._neighbours.slots(self._items), np.exp(self._logs - top)
        return Proposals(rows, counts, self._neighbours.table(), SMALLEST, self._level + float(top))

    def at(self, items: IntArray) -> FloatArray:
        """See :class:`Voice`."""
        if not len(self._items):
            return np.zeros(len(items), dtype=np.float32)
        similar = products(self._queries, np.take(self._table.keys, items, axis=0))
        made: FloatArray = log_sums(similar, self._shifts, Without(self._items, NOTHING), self._from_top)[0]
        return made

    def moments(self) -> Moments:
        """See :class:`Voice`."""
        return self._whole

    @cached_property
    def _whole(self) -> Moments:
        if not len(self._items):
            return moments_of_few(np.zeros((1, len(self._reference.everything)), dtype=np.float32))
        return self._moments(NOTHING)

    def left_out(self, items: IntArray, past: IntArray) -> Left:
        """See :class:`Voice`. How much each modality counts for the shopper stays as with the whole past."""
        if not len(self._items):
            rows = np.zeros((1 + len(past), len(items)), dtype=np.float32)
            return Left(rows, self._whole, *_no_views(len(items)))
        m, d, _ = self._reference.views.shape
        views = self._by_view(self._table.keys[items].reshape(-1, m, d).transpose(1, 2, 0))
        similar: FloatArray = np.add.reduce(views, axis=0)
        similar += self._shifts[:, None]
        rows = log_sums(similar, np.zeros_like(self._logs), Without(self._items, past), self._from_top)
        without = log_sums_without(similar, views[:-1], self._from_top)
        reference = self._from_reference
        means = log_sums_without(reference.similar, reference.views[:-1], self._from_top)
        return Left(rows, self._moments(past), without, means.mean(axis=1, keepdims=True))

    def _by_view(self, views: FloatArray) -> FloatArray:
        """Products (m + 1, t, c) of the queries' views with views (m + 1, d, c)."""
        m, d, _ = views.shape
        made: FloatArray = self._queries.reshape(-1, m, d).transpose(1, 0, 2) @ views
        return made

    def _moments(self, past: IntArray) -> Moments:
        nothing, left = np.zeros_like(self._logs), Without(self._items, past)
        similar, present = self._from_reference.similar, self._reference.everything
        return reference_sums(similar, nothing, left, self._from_top, present)[0]

    @property
    def _from_top(self) -> Level:
        return Level(SMALLEST, self._from_reference.top)

    @cached_property
    def _shifts(self) -> FloatArray:
        """All products are taken less about the largest of them, so that their exponentials stay finite."""
        shifts: FloatArray = self._logs - self._from_reference.top
        return shifts

    @cached_property
    def _from_reference(self) -> Compared:
        views = self._by_view(self._reference.views)
        similar: FloatArray = np.add.reduce(views, axis=0)
        similar += self._logs[:, None]
        top = np.float32(similar.max())
        similar -= top
        return Compared(views, similar, top)


class Compared(NamedTuple):
    """Products of a shopper's queries (t,) with the reference items (q,)."""

    views: FloatArray  # (m + 1, t, q) view by view
    similar: FloatArray  # (t, q) their sums and the logs of the queries, less the largest
    top: np.float32  # the largest


def _no_views(count: int) -> tuple[FloatArray, FloatArray]:
    return np.zeros((0, count), dtype=np.float32), np.zeros((0, 1), dtype=np.float32)
