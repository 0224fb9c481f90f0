"""Training examples: a shopper's past, and what they took next."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl
import torch
from torch import Tensor

from modaloom.types import BoolArray, Histories, IntArray, Snapshot

DAY_S = 86_400


@dataclass(frozen=True)
class PastBatch:
    """The pasts of b shoppers, padded at the end."""

    items: Tensor  # (b, t) item numbers, 0 where padded
    mask: Tensor  # (b, t) bool
    event: Tensor  # (b, t) long
    age_days: Tensor  # (b, t)


def pad_histories(histories: Histories, length: int) -> PastBatch:
    """The newest ``length`` events of each shopper as a :class:`PastBatch`."""
    stops = histories.offsets[1:]
    starts = np.maximum(histories.offsets[:-1], stops - length)
    return _gather(
        (histories.item_nums, histories.events.astype(np.int64), histories.timestamps),
        (starts, stops),
        np.full(len(histories), histories.now, dtype=np.int64),
    )


def _gather(log: tuple[IntArray, IntArray, IntArray], span: tuple[IntArray, IntArray], now: IntArray) -> PastBatch:
    starts, stops = span
    width = max(int((stops - starts).max(initial=0)), 1)
    places = starts[:, None] + np.arange(width)
    mask = places < stops[:, None]
    places = np.where(mask, places, 0)
    items, events, times = (values[places] if len(values) else np.zeros_like(places) for values in log)
    age = np.where(times > 0, np.maximum(now[:, None] - times, 0) / DAY_S, 0.0)
    return PastBatch(
        items=torch.from_numpy(np.where(mask, items, 0)),
        mask=torch.from_numpy(mask),
        event=torch.from_numpy(np.where(mask, events, 0)),
        age_days=torch.from_numpy(np.where(mask, age, 0.0).astype(np.float32)),
    )


class Examples:
    """All (past, next item) pairs of a snapshot, drawn anew each epoch with recent ones first in line.

    The past ends a random number of days before the target, as it will when a list is shown for weeks.
    In a log without times, the past is everything else that the shopper had.
    """

    def __init__(self, snapshot: Snapshot, *, history_length: int, half_life_days: float, max_gap_days: int):
        self.history_length = history_length
        self.max_gap_days = max_gap_days
        past = snapshot.interactions.filter(pl.col("item_num").is_not_null()).sort("user_num", maintain_order=True)
        self._items = past["item_num"].to_numpy().astype(np.int64)
        self._events = past["event"].to_numpy().astype(np.int64)
        self._times = past["timestamp"].to_numpy().astype(np.int64)
        self._users = past["user_num"].to_numpy().astype(np.int64)
        self._first = np.searchsorted(self._users, self._users, side="left")
        self._after = np.searchsorted(self._users, self._users, side="right")
        self._timed = bool(self._times.any())
        is_target = np.isin(self._events, [int(event) for event in snapshot.target_events])
        self._chosen = np.flatnonzero(is_target & self._has_past())
        age = (snapshot.now - self._times[self._chosen]) / DAY_S
        self._odds = 0.5 ** (age / half_life_days) if self._timed else np.ones(len(self._chosen))

    def __len__(self) -> int:
        return len(self._chosen)

    def _has_past(self) -> BoolArray:
        if not self._timed:
            return (self._after - self._first) > 1
        return self._times > self._times[self._first]

    def epoch(
        self, rng: np.random.Generator, *, batch_size: int, limit: int, fold_of_user: IntArray | None = None
    ) -> Iterator[tuple[int, PastBatch, IntArray]]:
        """Fold, pasts, and the item numbers (b,) that followed; at most ``limit`` examples, one fold per batch."""
        number = min(limit, len(self._chosen))
        picks = rng.choice(self._chosen, number, replace=False, p=self._odds / self._odds.sum())
        folds = np.zeros(number, dtype=np.int64) if fold_of_user is None else fold_of_user[self._users[picks]]
        batches = []
        for fold in np.unique(folds).tolist():
            own = picks[folds == fold]
            batches += [(fold, own[start : start + batch_size]) for start in range(0, len(own), batch_size)]
        for place in rng.permutation(len(batches)).tolist():
            fold, rows = batches[place]
            yield fold, self._pasts(rows, rng), self._items[rows]

    def _pasts(self, rows: IntArray, rng: np.random.Generator) -> PastBatch:
        log = (self._items, self._events, self._times)
        if not self._timed:
            return self._rest(rows, rng)
        gap = rng.integers(0, self.max_gap_days + 1, len(rows)) * DAY_S
        now = np.maximum(self._times[rows] - gap, self._times[self._first[rows]] + 1)
        scale = int(self._times.max()) + 2
        keys = self._users * scale + self._times
        stops = np.searchsorted(keys, self._users[rows] * scale + now, side="left")
        starts = np.maximum(self._first[rows], stops - self.history_length)
        return _gather(log, (starts, stops), now)

    def _rest(self, rows: IntArray, rng: np.random.Generator) -> PastBatch:
        """Everything else that the shopper had, a random stretch of it if it is long."""
        room = np.maximum(self._after[rows] - self._first[rows] - self.history_length - 1, 0)
        starts = self._first[rows] + rng.integers(0, room + 1)
        stops = np.minimum(starts + self.history_length + 1, self._after[rows])
        past = _gather((self._items, self._events, self._times), (starts, stops), np.zeros(len(rows), dtype=np.int64))
        own = torch.from_numpy(self._items[rows])[:, None]
        return PastBatch(past.items, past.mask & (past.items != own), past.event, past.age_days)
