"""The learned fusion as one part of the blend: candidates, exact scores at items, and items that came later."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import scipy.sparse as sp

from modaloom.models.towers import (
    ABSENT,
    SMALLEST,
    ItemTable,
    Past,
    Queries,
    UserTower,
    pad_histories,
    score_queries_at,
    without_modality,
)
from modaloom.numerics import GrowingRows, Moments, best_columns, moments_of
from modaloom.ranking.fast import Reach, fast_for
from modaloom.ranking.nearest import NEIGHBOURS, Neighbours, nearest_many, pays
from modaloom.ranking.retrieve import reference_items
from modaloom.ranking.single import FusionReference, FusionVoice
from modaloom.types import Event, FloatArray, Histories, IntArray

LARGEST_LOG = 60.0


def fusion_reference(table: ItemTable) -> FusionReference:
    """Takes it out of the whole table."""
    items = reference_items(len(table.keys))
    views = table.keys[items].reshape(len(items), -1, table.dim).transpose(1, 2, 0)
    return FusionReference(np.ascontiguousarray(views), np.ones(len(items), dtype=np.bool_))


class FusionIndex:
    """The learned fusion, asked for candidates: what it gives a shopper who had just one item, by item."""

    def __init__(self, table: ItemTable, tower: UserTower):
        self._table, self._tower = table, tower
        self._growing = {name: GrowingRows(getattr(table, name)) for name in ("keys", "weights")}
        self.neighbours = Neighbours(len(table.keys), self._nearest)

    def place(self, places: IntArray, keys: FloatArray, weights: FloatArray) -> ItemTable:
        """Takes in what the item tower gives for items (k,) that came or changed later; the table as it is now."""
        made = {"keys": keys, "weights": weights}
        rows = {name: self._growing[name].put(places, values) for name, values in made.items()}
        self._table = ItemTable(self._table.modalities, **rows)
        self.neighbours.forget(places, len(self._table.keys))
        self.__dict__.pop("_reference", None)
        return self._table

    @cached_property
    def _reference(self) -> FusionReference:
        """The items that stand for the whole catalogue."""
        return fusion_reference(self._table)

    def ask(self, histories: Histories) -> FusionAnswer:
        """See :class:`~modaloom.ranking.retrieve.Answer`."""
        past = pad_histories(histories)
        return FusionAnswer(self, self._table, past, self._queries(past))

    def voice(self, past: Past) -> FusionVoice | None:
        """What it says to a single shopper with this past; None where it is summed up in one query."""
        queries = self._queries(past)
        if queries.queries.shape[1] < past.items.shape[1]:
            return None
        return FusionVoice(self._table, self.neighbours, self.level, self._reference, past, queries)

    def _queries(self, past: Past) -> Queries:
        made = self._tower(np.take(self._table.keys, past.items, axis=0), past.mask, past.event, past.age_days)
        width = past.items.shape[1]
        if made.queries.shape[1] <= width:
            return made
        return made._replace(queries=made.queries[:, :width], log_weights=made.log_weights[:, :width])  # less padding

    def _alone(self, items: IntArray) -> FloatArray:
        """The query (s, D) of shoppers who had one item each, (s,)."""
        keys = self._table.keys[items][:, None, :]
        mask = np.ones((len(items), 1), dtype=bool)
        event = np.full((len(items), 1), int(Event.PURCHASE), dtype=np.int64)
        return self._tower(keys, mask, event, np.zeros((len(items), 1), dtype=np.float32)).queries[:, 0]

    @cached_property
    def level(self) -> float:
        """About the largest score that there is, so that exponentials stay finite."""
        some = reference_items(len(self._table.keys))
        return float((self._alone(some) * self._table.keys[some]).sum(axis=1).max(initial=0.0))

    def _nearest(self, items: IntArray) -> tuple[IntArray, FloatArray]:
        """The best items (s, k) after each item (s,), and exponentials of their scores."""
        if pays(items, len(self._table.keys)):
            columns, values = nearest_many(self._table.keys, self._alone, items, NEIGHBOURS, self._compared)
        else:
            columns, values = self._compared(items)
        return columns, np.exp(np.clip(values - self.level, -LARGEST_LOG, LARGEST_LOG)).astype(np.float32)

    def _compared(self, items: IntArray) -> tuple[IntArray, FloatArray]:
        """The best items (s, k) after each item (s,), and their scores."""
        scores = self._alone(items) @ self._table.keys.T
        columns = best_columns(scores, NEIGHBOURS)
        return columns, np.take_along_axis(scores, columns, axis=1)


class FusionAnswer:
    """What the learned fusion says of a batch of shoppers."""

    def __init__(self, index: FusionIndex, table: ItemTable, past: Past, queries: Queries):
        self._index, self._table, self._past, self._queries = index, table, past, queries

    def reach(self) -> Reach:
        """See :class:`~modaloom.ranking.retrieve.Answer`."""
        past, logs = self._past, self._queries.log_weights
        width = past.items.shape[1]
        if logs.shape[1] < width:  # the past was summed up in one query, which is asked of everything
            return self._best_of_everything()
        top = logs.max(axis=1, keepdims=True)
        after = self._index.neighbours.after(past.items, np.exp(logs - top)[:, :width] * past.mask)
        return Reach(*after, floor=SMALLEST, shift=np.float32(self._index.level) + top[:, 0])

    def _best_of_everything(self) -> Reach:
        scores = self._queries.queries[:, 0] @ self._table.keys.T
        columns = best_columns(scores, NEIGHBOURS)
        values = np.take_along_axis(scores, columns, axis=1)
        top = values.max(axis=1, keepdims=True)
        powers, bounds = np.exp(values - top), np.arange(len(scores) + 1) * columns.shape[1]
        best = sp.csr_matrix((powers.ravel(), columns.ravel(), bounds), shape=scores.shape)
        return Reach(best, sp.identity(scores.shape[1], np.float32, "csr"), floor=SMALLEST, shift=top[:, 0])

    def at(self, items: IntArray) -> FloatArray:
        """See :class:`~modaloom.ranking.retrieve.Answer`."""
        queries, logs, _ = self._queries
        fast = fast_for(len(queries))
        if fast is None:
            return score_queries_at(self._queries, self._table, items)
        logs = np.where(logs > ABSENT / 2, logs, np.float32(-np.inf))
        made: FloatArray = fast.log_sums(queries, logs, self._table.keys, items, (SMALLEST, True))
        made[~np.isfinite(logs).any(axis=1)] = 0.0
        return made

    def without_each(self, items: IntArray) -> dict[str, tuple[FloatArray, FloatArray]]:
        """The first shopper's raw scores (c,) with one modality's view after the other left out of the queries.

        Beside each the mean over the catalogue.
        """
        made, everything = {}, np.concatenate([items, reference_items(len(self._table.keys))])
        for name in self._table.modalities:
            cut = without_modality(self._queries, self._table, name)
            first = cut._replace(queries=cut.queries[:1], log_weights=cut.log_weights[:1])
            raw = score_queries_at(first, self._table, everything)[0]
            made[name] = raw[: len(items)], np.asarray(raw[len(items) :].mean())
        return made

    @cached_property
    def _moments(self) -> Moments:
        return moments_of(self.at(reference_items(len(self._table.keys))))

    def moments(self) -> Moments:
        """See :class:`~modaloom.ranking.retrieve.Answer`."""
        return self._moments
