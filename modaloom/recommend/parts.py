"""The parts of the blend beside the learned fusion: small, closed-form, each with one idea.

A part gives raw scores (b, n); the blend makes them comparable. ``modality`` says which modality a part
speaks for, so that leaving a modality out leaves its parts out too.
"""

from __future__ import annotations

from typing import Any, Protocol, Self

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from modaloom.models.behaviour import history_matrix, history_weights
from modaloom.models.linear import Ease
from modaloom.types import FloatArray, Histories, IntArray, Snapshot

State = dict[str, npt.NDArray[Any]]
MAX_HISTORY = 50
"""Kernels look at no more than this many of the newest events of a shopper."""


class Part(Protocol):
    """One ingredient of the blend; a :class:`~modaloom.types.Scorer` that can be kept in a bundle."""

    name: str
    modality: str | None

    def fit(self, snapshot: Snapshot) -> Self:
        """Learns from the past."""
        ...

    def score(self, histories: Histories) -> FloatArray:
        """Raw scores (b, n)."""
        ...

    def state(self) -> State:
        """Everything learned, as plain arrays."""
        ...

    def restore(self, state: State) -> Self:
        """Takes over what :meth:`state` gave."""
        ...


class ContentKernel:
    """Items that are like *one* of the things the shopper had, in one modality.

    The score is ``log sum_j w_j exp(cos_j / temperature)`` over past items j. Unlike the mean of the past,
    it keeps several tastes apart. The snapshot's tokens must be whitened unit vectors.
    """

    TEMPERATURE = 0.12
    AGE_SCALE_DAYS = 7.0

    def __init__(self, modality: str):
        self.name = modality
        self.modality: str | None = modality
        self._vectors: FloatArray = np.zeros((0, 0), dtype=np.float32)

    def fit(self, snapshot: Snapshot) -> Self:
        """Takes over the modality's vectors."""
        self._vectors = snapshot.tokens[self.name].vectors
        return self

    def score(self, histories: Histories) -> FloatArray:
        """Raw scores (b, n); zero for shoppers and items without the modality."""
        out = np.zeros((len(histories), len(self._vectors)), dtype=np.float32)
        present = np.abs(self._vectors).sum(axis=1) > 0
        by_event = history_weights(histories)
        age_days = np.where(histories.timestamps > 0, np.maximum(histories.now - histories.timestamps, 0) / 86_400, 0.0)
        weights = by_event / (1.0 + age_days / self.AGE_SCALE_DAYS) ** 0.7
        for row in range(len(histories)):
            span = slice(
                max(histories.offsets[row], histories.offsets[row + 1] - MAX_HISTORY), histories.offsets[row + 1]
            )
            items, own = histories.item_nums[span], weights[span]
            used = present[items] & (own > 0)
            if used.any():
                similar = np.exp((self._vectors[items[used]] @ self._vectors.T - 1.0) / self.TEMPERATURE)
                out[row] = np.log(own[used].astype(np.float32) @ similar + 1e-12)
        lowest = out.min(axis=1, keepdims=True, initial=0.0, where=present)
        return np.where(present, out, (lowest + out.mean(axis=1, keepdims=True)) / 2).astype(np.float32)

    def score_vector(self, vector: FloatArray) -> FloatArray:
        """Raw scores (n,) of likeness to one whitened vector (d,), as if it were the only past item."""
        return (self._vectors @ vector - 1.0) / np.float32(self.TEMPERATURE)

    def state(self) -> State:
        """Everything learned, as plain arrays."""
        return {"vectors": self._vectors.astype(np.float16)}

    def restore(self, state: State) -> Self:
        """Takes over what :meth:`state` gave."""
        self._vectors = state["vectors"].astype(np.float32)
        return self


class Repurchase:
    """What the shopper had before, less the older it is."""

    name = "repurchase"
    modality: str | None = "behaviour"

    def __init__(self, *, half_life_days: float = 45.0):
        self.half_life_days = half_life_days
        self._n_items = 0

    def fit(self, snapshot: Snapshot) -> Self:
        """Needs to know the catalogue's size only: the past comes with the question."""
        self._n_items = snapshot.n_items
        return self

    def score(self, histories: Histories) -> FloatArray:
        """Raw scores (b, n)."""
        return np.asarray(history_matrix(histories, self._n_items, self.half_life_days).todense(), dtype=np.float32)

    def state(self) -> State:
        """Everything learned, as plain arrays."""
        return {"n_items": np.array(self._n_items), "half_life_days": np.array(self.half_life_days)}

    def restore(self, state: State) -> Self:
        """Takes over what :meth:`state` gave."""
        self._n_items, self.half_life_days = int(state["n_items"]), float(state["half_life_days"])
        return self


class Variants:
    """Other colours and prints of a model that the shopper had."""

    name = "variants"
    modality: str | None = "attributes"

    def __init__(self, *, half_life_days: float = 60.0):
        self.half_life_days = half_life_days
        self._groups: IntArray = np.zeros(0, dtype=np.int64)

    def fit(self, snapshot: Snapshot) -> Self:
        """Reads which items share a model."""
        self._groups = group_numbers(snapshot)
        return self

    def score(self, histories: Histories) -> FloatArray:
        """Raw scores (b, n)."""
        n = len(self._groups)
        own = history_matrix(histories, n, self.half_life_days)
        width = int(self._groups.max(initial=0)) + 1
        member = sp.csr_matrix((np.ones(n, dtype=np.float32), (np.arange(n), self._groups)), shape=(n, width))
        together = (own @ member) @ member.T - own
        return np.maximum(np.asarray(together.todense(), dtype=np.float32), 0.0)

    def state(self) -> State:
        """Everything learned, as plain arrays."""
        return {"groups": self._groups, "half_life_days": np.array(self.half_life_days)}

    def restore(self, state: State) -> Self:
        """Takes over what :meth:`state` gave."""
        self._groups, self.half_life_days = state["groups"], float(state["half_life_days"])
        return self


def group_numbers(snapshot: Snapshot) -> IntArray:
    """Number of each item's model (n,); an item without a group is a group of its own."""
    known = snapshot.items["group_id"]
    nums = known.rank("dense").fill_null(0).to_numpy().astype(np.int64)
    alone = nums == 0
    nums[alone] = nums.max(initial=0) + 1 + np.arange(int(alone.sum()))
    return nums


class Linear(Ease):
    """What others with the same past had, in closed form."""

    name = "linear"
    modality: str | None = "behaviour"
