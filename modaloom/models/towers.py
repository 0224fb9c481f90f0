"""The learned recommender in NumPy: a table of item keys, queries from a user tower, and their scores.

The tower itself is a function: the torch model while learning, an ONNX session when serving. Everything
around it is here, once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from modaloom.types import DAY_S, BoolArray, FloatArray, Histories, IntArray

ABSENT = -1e4
"""Log weight of a place in the past that is empty."""
SERVED_HISTORY = 50
"""Scores look at no more than this many of the newest events of a shopper."""
SMALLEST = 1e-30
Column = npt.NDArray[Any]
"""Whole numbers, as narrow as they come."""
CELLS_AT_ONCE = 4_000_000
"""Products of past items with the catalogue that are held at once."""


class Past(NamedTuple):
    """The pasts of b shoppers, oldest first, padded at the end."""

    items: IntArray  # (b, t) item numbers, 0 where padded
    mask: BoolArray  # (b, t)
    event: IntArray  # (b, t) codes of Event
    age_days: FloatArray  # (b, t)


class Queries(NamedTuple):
    """What a user tower gives for b shoppers."""

    queries: FloatArray  # (b, q, D)
    log_weights: FloatArray  # (b, q)
    view_weights: FloatArray  # (b, m + 1) how much each modality, and the fused view, counts for this shopper


class UserTower(Protocol):
    """Queries from the keys (b, t, D) of past items, their mask (b, t), event (b, t) and age in days (b, t)."""

    def __call__(self, keys: FloatArray, mask: BoolArray, event: IntArray, age_days: FloatArray) -> Queries:
        """Runs the tower."""
        ...


@dataclass(frozen=True)
class ItemTable:
    """What the item tower gives for the whole catalogue."""

    modalities: tuple[str, ...]
    keys: FloatArray  # (n, (m + 1) * d): one view per modality, then the fused view
    weights: FloatArray  # (n, m) attention over the modality tokens

    @property
    def dim(self) -> int:
        """Width d of one view."""
        return int(self.keys.shape[1]) // (len(self.modalities) + 1)

    def view(self, modality: str) -> slice:
        """Which columns of the keys belong to one modality."""
        place = self.modalities.index(modality)
        return slice(place * self.dim, (place + 1) * self.dim)


def gather_past(log: tuple[Column, Column, IntArray], span: tuple[IntArray, IntArray], now: IntArray) -> Past:
    """Stretches (starts, stops) of a log (items, events, timestamps) as padded rows, seen from ``now`` (b,)."""
    starts, stops = span
    width = max(int((stops - starts).max(initial=0)), 1)
    places = starts[:, None] + np.arange(width)
    mask = places < stops[:, None]
    places = np.where(mask, places, 0)
    items, events, times = (values[places] if len(values) else np.zeros_like(places) for values in log)
    age = np.where(times > 0, np.maximum(now[:, None] - times, 0) / DAY_S, 0.0)
    return Past(
        items=np.where(mask, items, 0).astype(np.int64, copy=False),
        mask=mask,
        event=np.where(mask, events, 0).astype(np.int64, copy=False),
        age_days=np.where(mask, age, 0.0).astype(np.float32),
    )


def pad_histories(histories: Histories, length: int = SERVED_HISTORY) -> Past:
    """The newest ``length`` events of each shopper."""
    stops = histories.offsets[1:]
    starts = np.maximum(histories.offsets[:-1], stops - length)
    log = histories.item_nums, histories.events, histories.timestamps
    return gather_past(log, (starts, stops), np.full(len(histories), histories.now, dtype=np.int64))


def past_queries(tower: UserTower, table: ItemTable, histories: Histories) -> Queries:
    """Queries of shoppers with these pasts."""
    past = pad_histories(histories)
    return tower(table.keys[past.items], past.mask, past.event, past.age_days)


def score_queries(queries: Queries, table: ItemTable) -> FloatArray:
    """Scores (b, n): ``logsumexp_q(query . key + log_weight)``; zero for an empty past."""
    out = np.zeros((len(queries.queries), len(table.keys)), dtype=np.float32)
    there = queries.log_weights > ABSENT / 2
    for group, bounds in groups_of(there.sum(axis=1), len(table.keys)):
        own = there[group]
        similar = queries.queries[group][own] @ table.keys.T
        similar += queries.log_weights[group][own][:, None]
        for row, part in enumerate(np.split(similar, bounds), start=group.start):
            if len(part):
                top = part.max()
                part -= top
                np.exp(part, out=part)
                out[row] = top + np.log(part.sum(axis=0) + SMALLEST)
    return out


def groups_of(lengths: IntArray, n_items: int) -> Iterator[tuple[slice, IntArray]]:
    """Consecutive shoppers with so many past items (b,), whose products with the catalogue are computed at once.

    One product of all of a group takes less than half the time of one for each shopper, who has too few past items to
    be worth the catalogue's way through the caches. Beside each group where its shoppers but the first begin.
    """
    most, bounds = max(CELLS_AT_ONCE // max(n_items, 1), 1), np.cumsum(lengths)
    start = 0
    while start < len(lengths):
        before = bounds[start] - lengths[start]
        stop = max(int(np.searchsorted(bounds, before + most, side="right")), start + 1)
        yield slice(start, stop), bounds[start : stop - 1] - before
        start = stop


def score_queries_at(queries: Queries, table: ItemTable, items: IntArray) -> FloatArray:
    """The same scores (b, c) at items (b, c) only, or at the same items (c,) for everybody."""
    keys = np.take(table.keys, items, axis=0)
    shoppers, count, dim = queries.queries.shape
    if items.ndim == 1:
        similar = (queries.queries.reshape(-1, dim) @ keys.T).reshape(shoppers, count, len(items))
    else:
        similar = np.matmul(queries.queries, keys.transpose(0, 2, 1))
    similar += queries.log_weights[:, :, None]
    top = similar.max(axis=(1, 2), keepdims=True)
    similar -= top
    np.exp(similar, out=similar)
    result: FloatArray = top[:, 0] + np.log(similar.sum(axis=1) + np.float32(SMALLEST))
    result[~(queries.log_weights > ABSENT / 2).any(axis=1)] = 0.0
    return result


def without_modality(queries: Queries, table: ItemTable, modality: str) -> Queries:
    """The same queries with one modality's view left out."""
    cut = queries.queries.copy()
    cut[..., table.view(modality)] = 0.0
    return queries._replace(queries=cut)
