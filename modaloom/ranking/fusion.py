"""The learned fusion as one part of the blend: queries from the user tower, keys from the item tower."""

from __future__ import annotations

from functools import cached_property
from typing import Self

import numpy as np

from modaloom.models.towers import ABSENT, ItemTable, Past, Queries, UserTower
from modaloom.numerics import GrowingRows, best_columns
from modaloom.ranking import kernels
from modaloom.ranking.content import (
    N_NEIGHBOURS,
    NeighbourIndex,
    PackedQueries,
    SimilarityPart,
    search_ann,
    use_ann,
)
from modaloom.ranking.contract import Candidates, HistoryBatch, NewItems, State, reference_items, table_of
from modaloom.types import Event, FloatArray, Histories, IntArray, Snapshot

FUSION = "fusion"
LARGEST_LOG = 60.0
SUMMARY = -1
"""Past item of a query that sums up the whole history."""


class FusionPart(SimilarityPart):
    """Scores of the learned fusion: ``logsumexp_q(query . key + log weight)``; zero for an empty history."""

    name = FUSION
    eps = 1e-30, True

    def __init__(self, table: ItemTable, tower: UserTower):
        self.tower = tower
        self._set_table(table)

    def _set_table(self, table: ItemTable) -> None:
        self._modalities = table.modalities
        self._growing = {"keys": GrowingRows(table.keys), "weights": GrowingRows(table.weights)}
        self._take_rows()
        self.neighbours = NeighbourIndex(len(table.keys), self._nearest)

    def _take_rows(self) -> None:
        self._keys = self._growing["keys"].rows
        self._present = np.ones(len(self._keys), dtype=np.bool_)
        self.table = ItemTable(self._modalities, self._keys, self._growing["weights"].rows)

    def fit(self, snapshot: Snapshot) -> Self:
        """Nothing: :mod:`modaloom.training` learns the towers."""
        return self

    def _queries(self, batch: HistoryBatch) -> PackedQueries:
        return pack_queries(self._run_tower(batch.past), batch.past, batch)

    def _queries_of(self, batch: HistoryBatch) -> PackedQueries:
        packed = super()._queries_of(batch)
        if batch.whole is batch or not (packed.items == SUMMARY).any():
            return packed
        # A summary cannot leave an item out after the fact: the tower summarises each version of the history.
        past, kept = batch.past, batch.keep(batch.past.items[0])
        versions = Past(
            np.repeat(past.items, len(batch), axis=0),
            past.mask & kept,
            np.repeat(past.event, len(batch), axis=0),
            np.repeat(past.age_days, len(batch), axis=0),
        )
        return pack_queries(self._run_tower(versions), versions, HistoryBatch(batch.histories))

    def _run_tower(self, past: Past) -> Queries:
        return self.tower(np.take(self._keys, past.items, axis=0), past.mask, past.event, past.age_days)

    def candidates(self, batch: HistoryBatch) -> Candidates:
        """See :class:`~modaloom.ranking.contract.Part`."""
        packed = self.queries(batch)
        if (packed.items == SUMMARY).any():
            return self._best_of_all(packed)
        lengths = np.diff(packed.offsets)
        top = np.zeros(len(lengths), dtype=np.float32)
        filled = lengths > 0
        if filled.any():
            top[filled] = np.maximum.reduceat(packed.log_weights, packed.offsets[:-1][filled])
        rows, table = self.neighbours.rows_of(packed.items)
        counts = np.exp(packed.log_weights - np.repeat(top, lengths))
        shift = np.float32(self._level) + top
        return Candidates(packed.offsets, rows, counts, packed.items, table, self.eps[0], shift)

    def _best_of_all(self, packed: PackedQueries) -> Candidates:
        """The best items under queries that sum up the whole history, whose neighbours are not known in advance."""
        scores = packed.vectors @ self._keys.T
        columns = best_columns(scores, N_NEIGHBOURS)
        values = np.take_along_axis(scores, columns, axis=1)
        top = values.max(axis=1, initial=-np.inf).astype(np.float32)
        count, k = columns.shape
        table = table_of(np.arange(count + 1) * k, columns.ravel(), np.exp(values - top[:, None]).ravel())
        shift = np.zeros(len(packed.offsets) - 1, dtype=np.float32)
        shift[np.diff(packed.offsets) > 0] = top
        ones = np.ones(count, dtype=np.float32)
        return Candidates(
            packed.offsets, np.arange(count, dtype=np.uint32), ones, packed.items, table, self.eps[0], shift
        )

    def scores_without(self, batch: HistoryBatch, items: IntArray) -> dict[str, tuple[FloatArray, FloatArray]]:
        """See :class:`~modaloom.ranking.contract.Part`. How much each modality counts for the user stays as it is."""
        packed, (reference, _) = self.queries(batch), self._reference
        if not len(packed.vectors):
            return {}
        own, others = (self._by_view(packed, keys) for keys in (self._keys[items], reference))
        out = {}
        for place, modality in enumerate(self._modalities):
            raw, mean = (
                self._collapse(packed, np.ascontiguousarray(views.sum(axis=0) - views[place]))
                for views in (own, others)
            )
            out[modality] = raw, mean.mean(axis=1)
        return out

    def _by_view(self, packed: PackedQueries, keys: FloatArray) -> FloatArray:
        """Products (m + 1, e, c) of queries with keys (c, D), one view after the other."""
        views = len(self._modalities) + 1
        queries, keys = (rows.reshape(len(rows), views, -1).transpose(1, 0, 2) for rows in (packed.vectors, keys))
        return queries @ keys.transpose(0, 2, 1)

    def _collapse(self, packed: PackedQueries, products: FloatArray) -> FloatArray:
        """Scores (b, c) from products (e, c) of packed queries."""
        out = np.zeros((len(packed.offsets) - 1, products.shape[1]), dtype=np.float32)
        kernels.log_sum_exp(products, packed.log_weights, packed.offsets, packed.keep[:1], self.eps, out)
        return out

    def score_past(self, keys: FloatArray, past: Past) -> FloatArray:
        """Scores (b, n) of users whose past items have keys (b, t, D) of their own, such as what a photo shows."""
        return self.score_queries(self.tower(keys, past.mask, past.event, past.age_days))

    def score_queries(self, queries: Queries) -> FloatArray:
        """Scores (b, n) of what a user tower gave."""
        return self._log_sum_exp(pack_queries(queries), self._keys)

    def _queries_of_single_items(self, items: IntArray) -> FloatArray:
        """The query (s, D) of users who had one item each, (s,)."""
        keys = self._keys[items][:, None, :]
        mask = np.ones((len(items), 1), dtype=bool)
        event = np.full((len(items), 1), int(Event.PURCHASE), dtype=np.int64)
        return self.tower(keys, mask, event, np.zeros((len(items), 1), dtype=np.float32)).queries[:, 0]

    @cached_property
    def _level(self) -> float:
        """About the largest score that there is, so that exponentials stay finite."""
        some = reference_items(len(self._keys))
        return float((self._queries_of_single_items(some) * self._keys[some]).sum(axis=1).max(initial=0.0))

    def _nearest(self, items: IntArray) -> tuple[IntArray, FloatArray]:
        """The best items (s, k) after each item (s,), and exponentials of their scores."""
        if use_ann(len(items), len(self._keys)):
            columns, values = search_ann(
                self._keys, self._queries_of_single_items, items, N_NEIGHBOURS, self._nearest_exact
            )
        else:
            columns, values = self._nearest_exact(items)
        return columns, np.exp(np.clip(values - self._level, -LARGEST_LOG, LARGEST_LOG)).astype(np.float32)

    def _nearest_exact(self, items: IntArray) -> tuple[IntArray, FloatArray]:
        """The best items (s, k) after each item (s,), and their scores."""
        scores = self._queries_of_single_items(items) @ self._keys.T
        columns = best_columns(scores, N_NEIGHBOURS)
        return columns, np.take_along_axis(scores, columns, axis=1)

    def add_items(self, new: NewItems) -> None:
        """See :class:`~modaloom.ranking.contract.Part`; without keys an item is there and scores nothing."""
        for name, rows in (("keys", new.keys), ("weights", new.attention)):
            growing = self._growing[name]
            growing.put(
                new.nums, np.zeros((len(new.nums), growing.rows.shape[1]), np.float32) if rows is None else rows
            )
        self._take_rows()
        self._items_changed(new.nums)

    def state(self) -> State:
        """See :class:`~modaloom.ranking.contract.Part`; keys are rounded to 16 bits."""
        return {"keys": self._keys.astype(np.float16), "weights": self.table.weights}

    def restore(self, state: State) -> Self:
        """See :class:`~modaloom.ranking.contract.Part`."""
        self._set_table(ItemTable(self._modalities, state["keys"].astype(np.float32), state["weights"]))
        return self


def pack_queries(queries: Queries, past: Past | None = None, batch: HistoryBatch | None = None) -> PackedQueries:
    """A user tower's queries (b, q, D) without what is padded; one query for each past event, or a summary."""
    there = queries.log_weights > ABSENT / 2
    if past is None or queries.queries.shape[1] < past.items.shape[1]:
        items = np.full(int(there.sum()), SUMMARY, dtype=np.int64)
    else:
        there = there[:, : past.items.shape[1]]
        items = past.items[there]
    return PackedQueries(
        vectors=np.ascontiguousarray(queries.queries[:, : there.shape[1]][there]),
        log_weights=queries.log_weights[:, : there.shape[1]][there],
        offsets=np.concatenate([[0], np.cumsum(there.sum(axis=1))]),
        items=items,
        keep=np.ones((1, len(items)), dtype=np.bool_) if batch is None else batch.keep(items),
    )


def score_histories(table: ItemTable, tower: UserTower, histories: Histories) -> FloatArray:
    """Scores (b, n) of the fusion alone for users with these histories."""
    return FusionPart(table, tower).score(HistoryBatch(histories))
