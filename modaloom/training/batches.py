"""Training examples: a shopper's past, and what they took next."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from modaloom.models.behaviour import most_taught, shopper_weights
from modaloom.models.towers import Column, Past, gather_past
from modaloom.types import DAY_S, BoolArray, FloatArray, IntArray, Snapshot

NEGATIVES_SLACK_DAYS = 10


class PastBatch(NamedTuple):
    """A :class:`~modaloom.models.towers.Past` as tensors."""

    items: Tensor  # (b, t) item numbers, 0 where padded
    mask: Tensor  # (b, t) bool
    event: Tensor  # (b, t) long
    age_days: Tensor  # (b, t)


def to_batch(past: Past) -> PastBatch:
    """Shares the memory of the arrays."""
    return PastBatch(*(torch.from_numpy(values) for values in past))


class Batch(NamedTuple):
    """Some examples and what they are told apart from."""

    fold: int  # of the shoppers, see CrossFit
    past: PastBatch
    positives: IntArray  # (b,) what followed
    negatives: IntArray  # (k,) what others took at about the same time
    log_q: FloatArray  # (k,) logarithm of how likely each negative was to be drawn


class Examples:
    """All (past, next item) pairs of a snapshot, drawn anew each epoch with recent ones first in line.

    The past ends a random number of days before the target, as it will when a list is shown for weeks.
    In a log without times, the past is everything else that the shopper had. Negatives are what others took at
    about the same time, so that learning is about who likes what, not about what sells or what is new. Examples of a
    shopper with very many count less: a few bulk buyers do not teach everybody's taste.
    """

    def __init__(self, snapshot: Snapshot, *, history_length: int, half_life_days: float, max_gap_days: int):
        self.history_length = history_length
        self.max_gap_days = max_gap_days
        columns = "user_num", "item_num", "event", "timestamp"  # as narrow as they come: the log may be long
        past = snapshot.interactions.select(columns).drop_nulls("item_num").sort("user_num", maintain_order=True)
        self._users, self._items, self._events, self._times = (past[name].to_numpy() for name in columns)
        everybody = np.arange(snapshot.n_users + 1, dtype=np.uint32)
        self._bounds = np.searchsorted(self._users, everybody)  # between which each shopper's events lie
        self._timed = bool(self._times.any())
        self._scale = int(self._times.max(initial=0)) + 2
        self._keys = self._moments(self._users, self._times)
        is_target = np.isin(self._events, [int(event) for event in snapshot.target_events])
        order = np.argsort(self._times, kind="stable")
        order = order[is_target[order]]
        self._pool_items, self._pool_times = self._items[order], self._times[order]
        self._chosen = np.flatnonzero(is_target & self._has_past())
        age = (snapshot.now - self._times[self._chosen]) / DAY_S
        self._odds = shopper_weights(self._users[self._chosen], most_taught(len(self._chosen)))
        if self._timed:  # what is a thousand half-lives old must be no less possible than what is not drawn yet
            self._odds = np.maximum(self._odds * 0.5 ** (age / half_life_days), np.finfo(np.float64).tiny)

    def __len__(self) -> int:
        return len(self._chosen)

    def _has_past(self) -> BoolArray:
        if not self._timed:  # then the past is what else they had, and there must be something else
            varied = np.zeros(len(self._bounds) - 1, dtype=bool)
            varied[self._users[self._items != self._items[self._bounds[self._users]]]] = True
            there: BoolArray = varied[self._users]
        else:
            there = self._times > self._times[self._bounds[self._users]]
        return there

    def _moments(self, users: Column, times: IntArray) -> IntArray:
        """Numbers that grow by user, then by time."""
        moments: IntArray = users.astype(np.int64) * self._scale
        moments += times
        return moments

    def epoch(
        self,
        rng: np.random.Generator,
        *,
        batch_size: int,
        negatives: int,
        limit: int,
        fold_of_user: IntArray | None = None,
    ) -> Iterator[Batch]:
        """At most ``limit`` examples; each batch is of one fold of shoppers and of one stretch of time."""
        number = min(limit, len(self._chosen))
        picks = rng.choice(self._chosen, number, replace=False, p=self._odds / self._odds.sum())
        picks = picks[np.argsort(self._times[picks], kind="stable")]
        folds = np.zeros(number, dtype=np.int64) if fold_of_user is None else fold_of_user[self._users[picks]]
        batches = []
        for fold in np.unique(folds).tolist():
            own = picks[folds == fold]
            batches += [(fold, own[start : start + batch_size]) for start in range(0, len(own), batch_size)]
        for place in rng.permutation(len(batches)).tolist():
            fold, rows = batches[place]
            others, log_q = self._contemporaries(rows, negatives, rng)
            yield Batch(fold, self._pasts(rows, rng), self._items[rows].astype(np.int64), others, log_q)

    def _contemporaries(self, rows: IntArray, number: int, rng: np.random.Generator) -> tuple[IntArray, FloatArray]:
        """What others took at about the same time, and the logarithm of how likely each was to be drawn."""
        times = self._times[rows]
        slack = NEGATIVES_SLACK_DAYS * DAY_S
        low, high = np.searchsorted(self._pool_times, [times.min() - slack, times.max() + slack])
        pool = self._pool_items[low : max(high, low + 1)]
        drawn = rng.choice(pool, number, replace=True)
        values, counts = np.unique(pool, return_counts=True)
        log_q = np.log(counts[np.searchsorted(values, drawn)] / len(pool))
        return drawn.astype(np.int64), log_q.astype(np.float32)

    def _pasts(self, rows: IntArray, rng: np.random.Generator) -> PastBatch:
        log, users = (self._items, self._events, self._times), self._users[rows]
        first, after = self._bounds[users], self._bounds[users + 1]
        if not self._timed:
            return self._rest(rows, (first, after), rng)
        gap = rng.integers(0, self.max_gap_days + 1, len(rows)) * DAY_S
        now = np.maximum(self._times[rows] - gap, self._times[first] + 1)
        stops = np.searchsorted(self._keys, self._moments(users, now), side="left")
        starts = np.maximum(first, stops - self.history_length)
        return to_batch(gather_past(log, (starts, stops), now))

    def _rest(self, rows: IntArray, bounds: tuple[IntArray, IntArray], rng: np.random.Generator) -> PastBatch:
        """Everything else that the shopper had, a random stretch of it if it is long."""
        first, after = bounds
        room = np.maximum(after - first - self.history_length - 1, 0)
        starts = first + rng.integers(0, room + 1)
        stops = np.minimum(starts + self.history_length + 1, after)
        past = gather_past(
            (self._items, self._events, self._times), (starts, stops), np.zeros(len(rows), dtype=np.int64)
        )
        own = self._items[rows][:, None]
        other = past.mask & (past.items != own)
        return to_batch(past._replace(items=np.where(other, past.items, 0), mask=other))
