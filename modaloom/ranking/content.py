"""Parts that score by similarity to single past items: a log-sum-exp over them, which keeps several tastes apart.

The score of an item is ``log sum_t w_t exp(q_t . key)``: a smooth maximum over past items t, where the mean of the past
would land between them, near what nobody wants. Content kernels are here; the learned fusion is in
:mod:`modaloom.ranking.fusion`.
"""

from __future__ import annotations

import threading
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from modaloom.models.behaviour import event_weights
from modaloom.numerics import GrowingRows, best_columns
from modaloom.ranking import kernels
from modaloom.ranking.contract import (
    Candidates,
    HistoryBatch,
    Moments,
    NewItems,
    Part,
    State,
    Table,
    reference_items,
    summarise,
    table_of,
)
from modaloom.threads import in_threads
from modaloom.types import BoolArray, FloatArray, IntArray, Snapshot

N_NEIGHBOURS = 64
"""How many items each single past item proposes as candidates."""
CELLS_AT_ONCE = 4_000_000
"""Dense numbers that one block may need."""
ANN_QUERIES, ANN_ITEMS = 2_000, 20_000
"""From so many queries and items on, building an inverted file costs less than comparing everything."""
ANN_PROBES = 32
ANN_CELLS_PER_ROOT = 4
ANN_TRAINING_ROWS = 50_000
ANN_QUERIES_AT_ONCE = 4_096
NO_ROWS = table_of(np.zeros(1), np.zeros(0), np.zeros(0))
Search = Callable[[IntArray], tuple[IntArray, FloatArray]]
"""Neighbours (s, k) of items (s,), and their scores."""


class PackedQueries(NamedTuple):
    """Queries of b users, one behind the other; of v versions of one user's history where items are left out."""

    vectors: FloatArray  # (e, d)
    log_weights: FloatArray  # (e,)
    offsets: IntArray  # (b + 1,)
    items: IntArray  # (e,) the past item that each query comes from
    keep: BoolArray  # (v, e) which count in which version

    def blocks(self, width: int) -> Iterator[tuple[slice, slice]]:
        """Consecutive users, and their queries, whose products with ``width`` items are held at once."""
        most, start = max(CELLS_AT_ONCE // max(width, 1), 1), 0
        while start < len(self.offsets) - 1:
            stop = int(np.searchsorted(self.offsets, self.offsets[start] + most, side="right")) - 1
            stop = min(max(stop, start + 1), len(self.offsets) - 1)
            yield slice(start, stop), slice(int(self.offsets[start]), int(self.offsets[stop]))
            start = stop


class SimilarityPart(Part):
    """Base of the parts whose score is a log-sum-exp of products of queries with item keys."""

    eps: tuple[float, bool]
    """What keeps the logarithm finite, and whether it is relative to the user's largest exponent."""
    _keys: FloatArray  # (n, d)
    _present: BoolArray  # (n,) items that have the modality
    neighbours: NeighbourIndex

    @abstractmethod
    def _queries(self, batch: HistoryBatch) -> PackedQueries:
        """Queries of the users' past items."""

    @property
    def n_items(self) -> int:
        """See :class:`~modaloom.ranking.contract.Part`."""
        return len(self._keys)

    def queries(self, batch: HistoryBatch) -> PackedQueries:
        """Queries of the users' past items, computed once for a batch; versions share those of the whole history."""
        return batch.memo(self, "queries", lambda: self._queries_of(batch))

    def _queries_of(self, batch: HistoryBatch) -> PackedQueries:
        if batch.whole is batch:
            return self._queries(batch)
        packed = self.queries(batch.whole)
        return packed._replace(keep=batch.keep(packed.items))

    def score(self, batch: HistoryBatch, items: IntArray | None = None) -> FloatArray:
        """See :class:`~modaloom.ranking.contract.Part`; items without the modality get the imputed score."""
        packed = self.queries(batch)
        if items is not None and items.ndim == 2:
            scores = np.empty(items.shape, dtype=np.float32)
            items = np.ascontiguousarray(items)
            kernels.log_sum_exp_at(*packed[:3], self._keys, items, self.eps, scores)
        else:
            scores = self._log_sum_exp(packed, self._keys if items is None else self._keys[items])
        missing = ~(self._present if items is None else self._present[items])
        if missing.any():
            summary = summarise(scores, self._present) if items is None else self._summary(batch)
            scores = np.where(missing, summary[2][:, None], scores)
        return scores

    def moments(self, batch: HistoryBatch) -> Moments:
        """See :class:`~modaloom.ranking.contract.Part`."""
        return Moments(*self._summary(batch)[:2])

    def _log_sum_exp(self, packed: PackedQueries, keys: FloatArray) -> FloatArray:
        """Scores (b, c) of keys (c, d) for all users, or versions."""
        versions, users = len(packed.keep), len(packed.offsets) - 1
        out = np.zeros((users * versions, len(keys)), dtype=np.float32)
        for some, entries in packed.blocks(len(keys)):
            products = packed.vectors[entries] @ keys.T
            offsets = packed.offsets[some.start : some.stop + 1] - entries.start
            rows = slice(some.start * versions, some.stop * versions)
            kept = np.ascontiguousarray(packed.keep[:, entries])
            kernels.log_sum_exp(products, packed.log_weights[entries], offsets, kept, self.eps, out[rows])
        return out

    def _summary(self, batch: HistoryBatch) -> FloatArray:
        """Mean, spread and imputed score of each row, (3, b), over the reference items."""
        return batch.memo(self, "summary", lambda: self._summarise(batch))

    def _summarise(self, batch: HistoryBatch) -> FloatArray:
        packed, (keys, present) = self.queries(batch), self._reference
        if len(batch.histories) == 1:  # versions of one history share the products
            products = batch.whole.memo(packed.vectors, "reference", lambda: packed.vectors @ keys.T)
            scores = np.zeros((len(batch), len(keys)), dtype=np.float32)
            kernels.log_sum_exp(products, packed.log_weights, packed.offsets, packed.keep, self.eps, scores)
        else:
            scores = self._log_sum_exp(packed, keys)
        return summarise(scores, present)

    @cached_property
    def _reference(self) -> tuple[FloatArray, BoolArray]:
        """Keys (q, d) of the items that stand for the whole catalogue, and which of them have the modality."""
        items = reference_items(len(self._keys))
        return np.ascontiguousarray(self._keys[items]), self._present[items]

    def _items_changed(self, nums: IntArray) -> None:
        self.__dict__.pop("_reference", None)
        self.neighbours.invalidate(nums, len(self._keys))


class ContentKernel(SimilarityPart):
    """Similarity to *one* of the things the user had, in one modality.

    The score is ``log sum_t w_t exp((cos_t - 1) / temperature)`` over past items t.
    """

    TEMPERATURE = 0.12
    AGE_SCALE_DAYS = 7.0
    eps = 1e-12, False

    def __init__(self, modality: str):
        self.name = modality
        self.modality: str | None = modality
        self._set_vectors(np.zeros((0, 0), dtype=np.float32))

    def fit(self, snapshot: Snapshot) -> Self:
        """Takes over the modality's vectors."""
        return self._set_vectors(snapshot.tokens[self.name].vectors)

    def _set_vectors(self, vectors: FloatArray) -> Self:
        self._growing = GrowingRows(np.ascontiguousarray(vectors, dtype=np.float32))
        self._keys = self._growing.rows
        self._present = np.abs(self._keys).sum(axis=1) > 0
        self.neighbours = NeighbourIndex(len(vectors), self._nearest)
        self.__dict__.pop("_reference", None)
        return self

    def _queries(self, batch: HistoryBatch) -> PackedQueries:
        past, sharpness = batch.past, np.float32(1.0 / self.TEMPERATURE)
        weights = event_weights(past.event.astype(np.uint8)) / (1.0 + past.age_days / self.AGE_SCALE_DAYS) ** 0.7
        weights *= past.mask & self._present[past.items]
        used = weights > 0
        items = past.items[used]
        return PackedQueries(
            vectors=self._keys[items] * sharpness,
            log_weights=np.log(weights[used]).astype(np.float32) - sharpness,
            offsets=np.concatenate([[0], np.cumsum(used.sum(axis=1))]),
            items=items,
            keep=batch.keep(items),
        )

    def candidates(self, batch: HistoryBatch) -> Candidates:
        """See :class:`~modaloom.ranking.contract.Part`."""
        packed = self.queries(batch)
        rows, table = self.neighbours.rows_of(packed.items)
        counts = np.exp(packed.log_weights + np.float32(1.0 / self.TEMPERATURE))
        return Candidates(packed.offsets, rows, counts, packed.items, table, eps=self.eps[0])

    def vectors(self, items: IntArray) -> FloatArray:
        """Whitened unit vectors (c, d) of items (c,); zero where an item lacks the modality."""
        return self._keys[items]

    def score_vector(self, vector: FloatArray) -> FloatArray:
        """Raw scores (n,) of similarity to one whitened vector (d,), as if it were the only past item."""
        return (self._keys @ vector - 1.0) / np.float32(self.TEMPERATURE)

    def _nearest(self, items: IntArray) -> tuple[IntArray, FloatArray]:
        """The most similar items (s, k) of each item (s,), and their kernel values."""
        if use_ann(len(items), len(self._keys)):
            columns, cosines = search_ann(self._keys, self.vectors, items, N_NEIGHBOURS, self._nearest_exact)
        else:
            columns, cosines = self._nearest_exact(items)
        return columns, np.exp((cosines - 1.0) / self.TEMPERATURE).astype(np.float32)

    def _nearest_exact(self, items: IntArray) -> tuple[IntArray, FloatArray]:
        """The most similar items (s, k) of each item (s,), and their cosines."""
        similar = self._keys[items] @ self._keys.T
        similar[:, ~self._present] = -1.0
        columns = best_columns(similar, N_NEIGHBOURS)
        return columns, np.take_along_axis(similar, columns, axis=1)

    def add_items(self, new: NewItems) -> None:
        """See :class:`~modaloom.ranking.contract.Part`."""
        tokens = new.tokens.get(self.name)
        rows = np.zeros((len(new.nums), self._keys.shape[1]), np.float32) if tokens is None else tokens.vectors
        self._keys = self._growing.put(new.nums, rows)
        present = np.zeros(len(self._keys), dtype=bool)
        present[: len(self._present)] = self._present
        present[new.nums] = np.abs(rows).sum(axis=1) > 0
        self._present = present
        self._items_changed(new.nums)

    def state(self) -> State:
        """See :class:`~modaloom.ranking.contract.Part`; rounded to 16 bits."""
        return {"vectors": self._keys.astype(np.float16)}

    def restore(self, state: State) -> Self:
        """See :class:`~modaloom.ranking.contract.Part`."""
        return self._set_vectors(state["vectors"].astype(np.float32))


class NeighbourIndex:
    """The nearest items of each single past item with weights: found when first needed, then kept.

    Args:
        n_items: how many items there are.
        search: neighbours (s, k) and weights (s, k) of items (s,).
    """

    def __init__(self, n_items: int, search: Search):
        self.n_items, self._search = n_items, search
        self._slot = np.full(n_items, -1, dtype=np.int64)  # the table row of each item
        self._valid: BoolArray = np.zeros(n_items, dtype=bool)
        self._columns = GrowingRows(np.zeros((0, 0), dtype=np.uint32))
        self._weights = GrowingRows(np.zeros((0, 0), dtype=np.float32))
        self._table: tuple[Any, Table] = None, NO_ROWS
        self._lock = threading.RLock()

    def prepare(self, items: IntArray, threads: int = 1) -> None:
        """Finds the neighbours of those items that have none yet, in blocks."""
        if self._valid[items].all():
            return
        with self._lock:
            wanted = np.unique(items)
            new = wanted[~self._valid[wanted]]
            if not len(new):
                return
            columns, weights = self._find(new, threads)
            if columns.shape[1] != self._columns.rows.shape[1]:  # a small catalogue has grown: rows are wider now
                self._clear(columns.shape[1])
                if len(new) < len(wanted):
                    new = wanted
                    columns, weights = self._find(new, threads)
            unplaced = new[self._slot[new] < 0]
            self._slot[unplaced] = len(self._columns.rows) + np.arange(len(unplaced))
            self._columns.put(self._slot[new], columns.astype(np.uint32))
            self._weights.put(self._slot[new], weights)
            self._valid[new] = True

    def _find(self, items: IntArray, threads: int) -> tuple[IntArray, FloatArray]:
        size = len(items) if use_ann(len(items), self.n_items) else max(CELLS_AT_ONCE // max(self.n_items, 1), 1)
        blocks = [items[start : start + size] for start in range(0, len(items), size)]
        columns, weights = zip(*in_threads(self._search, blocks, threads), strict=True)
        return np.concatenate(columns), np.concatenate(weights)

    def rows_of(self, items: IntArray) -> tuple[npt.NDArray[np.uint32], Table]:
        """The table of all neighbours known so far, and which of its rows belong to past items (t,)."""
        with self._lock:  # or rows that another thread finds meanwhile are in one array and not in the next
            self.prepare(items)
            columns, weights = self._columns.rows, self._weights.rows
            if self._table[0] is not columns:
                count, k = columns.shape
                self._table = columns, table_of(np.arange(count + 1) * k, columns.ravel(), weights.ravel())
            return self._slot[items].astype(np.uint32), self._table[1]

    def invalidate(self, items: IntArray, n_items: int) -> None:
        """Items that have changed, or are new: their neighbours are found anew when next needed."""
        with self._lock:
            more = max(n_items - self.n_items, 0)
            self._slot = np.concatenate([self._slot, np.full(more, -1, dtype=np.int64)])
            valid = np.concatenate([self._valid, np.zeros(more, dtype=bool)])
            valid[items] = False
            self._valid = valid
            self.n_items += more

    def state(self) -> dict[str, npt.NDArray[Any]]:
        """What was found so far."""
        slot = np.where(self._valid, self._slot, -1)
        return {"slot": slot, "columns": self._columns.rows, "weights": self._weights.rows}

    def restore(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        """Takes over what :meth:`state` gave."""
        with self._lock:
            self._slot = state["slot"].copy()
            self._columns = GrowingRows(state["columns"].astype(np.uint32))
            self._weights = GrowingRows(state["weights"])
            self._valid = self._slot >= 0

    def _clear(self, k: int) -> None:
        self._slot[:] = -1
        self._valid[:] = False
        self._columns = GrowingRows(np.zeros((0, k), dtype=np.uint32))
        self._weights = GrowingRows(np.zeros((0, k), dtype=np.float32))


def use_ann(n_queries: int, n_items: int) -> bool:
    """Whether approximate search pays: building its index takes time."""
    return n_queries >= ANN_QUERIES and n_items >= ANN_ITEMS


def search_ann(
    keys: FloatArray, queries_of: Callable[[IntArray], FloatArray], items: IntArray, k: int, exact: Search
) -> tuple[IntArray, FloatArray]:
    """The ``k`` best columns (s, k) of ``queries @ keys.T`` for items (s,), and those scores, by an inverted file.

    About one neighbour in fifty is missed, in a hundredth of the time of comparing everything.

    Args:
        keys: (n, d).
        queries_of: queries (s, d) of items (s,).
        items: which (s,).
        k: how many.
        exact: compares everything; used where cells hold too few, and without FAISS.

    Source: Sivic & Zisserman, "Video Google", 2003 (inverted files); Johnson et al., FAISS, 2017.
    """
    try:
        import faiss
    except ImportError:
        return exact(items)
    cells, dim = int(ANN_CELLS_PER_ROOT * np.sqrt(len(keys))), keys.shape[1]
    quantiser = faiss.IndexFlatIP(dim)
    index = faiss.IndexIVFFlat(quantiser, dim, cells, faiss.METRIC_INNER_PRODUCT)
    index.cp.niter, index.cp.max_points_per_centroid = 8, max(ANN_TRAINING_ROWS // cells, 39)
    rows = np.random.default_rng(0).permutation(len(keys))[:ANN_TRAINING_ROWS]
    index.train(np.ascontiguousarray(keys[rows], dtype=np.float32))
    for start in range(0, len(keys), ANN_TRAINING_ROWS):
        index.add(np.ascontiguousarray(keys[start : start + ANN_TRAINING_ROWS], dtype=np.float32))
    index.nprobe = min(ANN_PROBES, cells)
    columns = np.empty((len(items), k), dtype=np.int64)
    values = np.empty((len(items), k), dtype=np.float32)
    for start in range(0, len(items), ANN_QUERIES_AT_ONCE):
        part = slice(start, start + ANN_QUERIES_AT_ONCE)
        values[part], columns[part] = index.search(np.ascontiguousarray(queries_of(items[part])), k)
    short = np.flatnonzero((columns < 0).any(axis=1))  # too few in the cells that were looked at
    if len(short):
        columns[short], values[short] = exact(items[short])
    return columns, values
