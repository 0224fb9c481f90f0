"""The learned recommender in NumPy: a table of item keys, padded histories, and queries from a user tower.

The tower itself is a function: the torch model while learning, an ONNX session when serving. Scores are computed by
:class:`~modaloom.ranking.fusion.FusionPart`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from modaloom.types import DAY_S, BoolArray, FloatArray, Histories, IntArray

ABSENT = -1e4
"""Log weight of a place in the past that is empty."""
SERVED_HISTORY = 50
"""Scores look at no more than this many of the newest events of a shopper."""
Column = npt.NDArray[Any]
"""Whole numbers, as narrow as they come."""


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
