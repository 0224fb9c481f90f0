"""Parts whose score is a sum of sparse rows, one for each past item: repurchases, variants, and item-item weights."""

from __future__ import annotations

import threading
from abc import abstractmethod
from functools import cached_property
from typing import Self

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from modaloom.data.doubles import group_numbers
from modaloom.models.behaviour import history_weights
from modaloom.models.sparse_linear import SparseLinear, content_neighbours
from modaloom.numerics import GrowingRows
from modaloom.ranking import kernels
from modaloom.ranking.contract import (
    NO_ITEMS,
    Candidates,
    HistoryBatch,
    Moments,
    NewItems,
    Part,
    State,
    Table,
    table_of,
)
from modaloom.types import Fingerprint, FloatArray, IntArray, Snapshot

SHRINKAGE_SALES = 5.0
"""So many sales of an item tell as much of who wants it as its content neighbours' sales do."""
ContentNeighbours = dict[tuple[Fingerprint, ...], sp.csc_matrix | None]
"""Content neighbours of all items, by the tokens that they were found in."""
_scratch = threading.local()


class SparsePart(Part):
    """Base of the parts whose raw score is a sum over past items: for each distinct one a row of a table."""

    @abstractmethod
    def _entries(self, batch: HistoryBatch) -> Candidates:
        """Which rows each user's past items stand for, and what they count."""

    def candidates(self, batch: HistoryBatch) -> Candidates:
        """See :class:`~modaloom.ranking.contract.Part`; their sums are the raw scores."""
        return batch.whole.memo(self, "entries", lambda: self._entries(batch.whole))

    def score(self, batch: HistoryBatch, items: IntArray | None = None) -> FloatArray:
        """See :class:`~modaloom.ranking.contract.Part`."""
        scores, moments = self._scores(batch, np.arange(self.n_items) if items is None else items)
        batch.memo(self, "moments", lambda: moments)
        return scores

    def moments(self, batch: HistoryBatch) -> Moments:
        """See :class:`~modaloom.ranking.contract.Part`; exact, the zeros counted."""
        return batch.memo(self, "moments", lambda: self._scores(batch, NO_ITEMS)[1])

    def _scores(self, batch: HistoryBatch, items: IntArray) -> tuple[FloatArray, Moments]:
        """Scores (b, c) at items (b, c) or (c,), and the moments."""
        entries = self.candidates(batch)
        out = np.empty((len(batch), items.shape[-1]), np.float32), *np.empty((2, len(batch)), np.float32)
        history = entries.offsets, entries.rows, entries.counts, entries.items
        rows = np.ascontiguousarray(items if items.ndim == 2 else items[None, :])
        kernels.sparse_scores(history, entries.table, batch.left_out, rows, zeros(self.n_items), out)
        return out[0], Moments(*out[1:])


def zeros(n_items: int) -> npt.NDArray[np.float64]:
    """This thread's scratch of n zeros in double precision, to be left as zeros."""
    line = getattr(_scratch, "line", None)
    if line is None or len(line) < n_items:
        line = _scratch.line = np.zeros(n_items + n_items // 4, dtype=np.float64)
    return line[:n_items]


class Repurchase(SparsePart):
    """What the user had before, less the older it is."""

    name = "repurchase"
    modality: str | None = "behaviour"

    def __init__(self, *, half_life_days: float = 45.0):
        self.half_life_days = half_life_days
        self._n_items = 0

    def fit(self, snapshot: Snapshot) -> Self:
        """Needs the size of the catalogue only: the history comes with the request."""
        self._n_items = snapshot.n_items
        return self

    @property
    def n_items(self) -> int:
        """See :class:`~modaloom.ranking.contract.Part`."""
        return self._n_items

    def _entries(self, batch: HistoryBatch) -> Candidates:
        offsets, items, counts = batch.distinct(self._n_items, history_weights(batch.histories, self.half_life_days))
        rows = np.arange(len(items) + 1)
        table = table_of(rows, items, np.ones(len(items)))
        return Candidates(offsets, rows[:-1].astype(np.uint32), counts, items, table)

    def add_items(self, new: NewItems) -> None:
        """See :class:`~modaloom.ranking.contract.Part`."""
        self._n_items = max(self._n_items, int(new.nums.max(initial=-1)) + 1)

    def state(self) -> State:
        """See :class:`~modaloom.ranking.contract.Part`."""
        return {"n_items": np.array(self._n_items), "half_life_days": np.array(self.half_life_days)}

    def restore(self, state: State) -> Self:
        """See :class:`~modaloom.ranking.contract.Part`."""
        self._n_items, self.half_life_days = int(state["n_items"]), float(state["half_life_days"])
        return self


class Variants(SparsePart):
    """Other variants (colours, prints) of what the user had."""

    name = "variants"
    modality: str | None = "attributes"

    def __init__(self, *, half_life_days: float = 60.0):
        self.half_life_days = half_life_days
        self._set_groups(np.zeros(0, dtype=np.int64))

    def fit(self, snapshot: Snapshot) -> Self:
        """Reads which items are variants of each other."""
        return self._set_groups(group_numbers(snapshot))

    @property
    def n_items(self) -> int:
        """See :class:`~modaloom.ranking.contract.Part`."""
        return len(self._groups)

    def _entries(self, batch: HistoryBatch) -> Candidates:
        offsets, items, counts = batch.distinct(self.n_items, history_weights(batch.histories, self.half_life_days))
        members, starts = self._members
        distinct, rows = np.unique(items, return_inverse=True)
        groups = self._groups[distinct]
        lengths = starts[groups + 1] - starts[groups]
        bounds = np.concatenate([[0], np.cumsum(lengths)])
        columns = members[np.arange(bounds[-1]) + np.repeat(starts[groups] - bounds[:-1], lengths)]
        values = columns != np.repeat(distinct, lengths)  # an item is no variant of itself
        return Candidates(offsets, rows.astype(np.uint32), counts, items, table_of(bounds, columns, values))

    @cached_property
    def _members(self) -> tuple[IntArray, IntArray]:
        """Items (n,) by their groups, and where each group begins, with the end behind the last."""
        counts = np.bincount(self._groups)
        return np.argsort(self._groups, kind="stable"), np.concatenate([[0], np.cumsum(counts)])

    def _set_groups(self, groups: IntArray) -> Self:
        self._groups = groups
        self.__dict__.pop("_members", None)
        return self

    def add_items(self, new: NewItems) -> None:
        """See :class:`~modaloom.ranking.contract.Part`."""
        self._set_groups(GrowingRows(self._groups).put(new.nums, new.groups))

    def state(self) -> State:
        """See :class:`~modaloom.ranking.contract.Part`."""
        return {"groups": self._groups, "half_life_days": np.array(self.half_life_days)}

    def restore(self, state: State) -> Self:
        """See :class:`~modaloom.ranking.contract.Part`."""
        self.half_life_days = float(state["half_life_days"])
        return self._set_groups(state["groups"])


class Linear(SparsePart):
    """Item-item weights in closed form: what others with the same history had. Content is left to the kernels.

    The weights of an item with few sales are shrunk to those of its content neighbours: otherwise it would score lowest
    of all here, whatever anybody had, for want of sales and not of taste.

    ``cache`` keeps content neighbours, so that fitting several cuts of one log finds them once.
    """

    name = "linear"
    modality: str | None = "behaviour"

    def __init__(self, *, cache: ContentNeighbours | None = None) -> None:
        self._cache = cache if cache is not None else {}
        self.weights = sp.csr_matrix((0, 0), dtype=np.float32)

    def fit(self, snapshot: Snapshot) -> Self:
        """Solves for the weights; see :class:`~modaloom.models.sparse_linear.SparseLinear`."""
        key = tuple(tokens.fingerprint for _, tokens in sorted(snapshot.tokens.items()))
        if key not in self._cache:
            self._cache.clear()
            self._cache[key] = content_neighbours(snapshot)
        return self._set_weights(SparseLinear(shrinkage_sales=SHRINKAGE_SALES).fit(snapshot, self._cache[key]))

    @property
    def n_items(self) -> int:
        """See :class:`~modaloom.ranking.contract.Part`."""
        return int(self.weights.shape[0])

    def _entries(self, batch: HistoryBatch) -> Candidates:
        offsets, items, counts = batch.distinct(self.n_items, history_weights(batch.histories))
        return Candidates(offsets, items.astype(np.uint32), np.minimum(counts, np.float32(1.0)), items, self._table)

    @cached_property
    def _table(self) -> Table:
        return table_of(self.weights.indptr, self.weights.indices, self.weights.data)

    def _set_weights(self, weights: sp.csr_matrix) -> Self:
        self.weights = weights
        self.__dict__.pop("_table", None)
        return self

    def add_items(self, new: NewItems) -> None:
        """See :class:`~modaloom.ranking.contract.Part`; a new item gets the mean weights of its content neighbours."""
        known = self.n_items
        n = max(known, int(new.nums.max(initial=-1)) + 1)
        if n == known:
            return
        weights = sp.hstack([self.weights, self.weights @ _neighbour_means(new, known, n)], "csr", np.float32)
        weights.resize(n, n)
        self._set_weights(weights)

    def state(self) -> State:
        """See :class:`~modaloom.ranking.contract.Part`."""
        return {name: getattr(self.weights, name) for name in ("indptr", "indices", "data")}

    def restore(self, state: State) -> Self:
        """See :class:`~modaloom.ranking.contract.Part`."""
        size = len(state["indptr"]) - 1
        return self._set_weights(sp.csr_matrix((state["data"], state["indices"], state["indptr"]), shape=(size, size)))


def _neighbour_means(new: NewItems, known: int, n: int) -> sp.csr_matrix:
    """Matrix (known, n - known) that averages weights over the content neighbours of each new item."""
    added = new.nums >= known
    if new.neighbours is None or not added.any():
        return sp.csr_matrix((known, n - known), dtype=np.float32)
    near = new.neighbours[added]
    usable = (near >= 0) & (near < known)
    rows, at = np.nonzero(usable)
    shares = (1.0 / usable.sum(axis=1)[rows]).astype(np.float32)
    return sp.csr_matrix((shares, (near[rows, at], new.nums[added][rows] - known)), shape=(known, n - known))
