"""The parts of the blend beside the learned fusion: small, closed-form, each with one idea.

A part gives raw scores (b, n); the blend makes them comparable. ``modality`` says which modality a part
speaks for, so that leaving a modality out leaves its parts out too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol, Self

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from modaloom.data.doubles import group_numbers
from modaloom.models.behaviour import event_weights, history_matrix, history_weights
from modaloom.models.towers import Past, groups_of, pad_histories
from modaloom.numerics import GrowingRows, Moments, best_columns, moments_of, summed
from modaloom.ranking.fast import Proposals, Reach, fast_for, table_of
from modaloom.ranking.nearest import NEIGHBOURS, Neighbours, nearest_many, pays
from modaloom.ranking.retrieve import Answer, SparseAnswer, reference_items, with_middle
from modaloom.ranking.single import KernelReference, KernelVoice, SparseVoice, Voice
from modaloom.ranking.sums import packed
from modaloom.types import BoolArray, FloatArray, Histories, IntArray, Snapshot, Tokens

State = dict[str, npt.NDArray[Any]]
MAX_HISTORY = 50
"""Kernels look at no more than this many of the newest events of a shopper."""


@dataclass(frozen=True)
class Arrivals:
    """What k items are like that came, or changed, after learning."""

    places: IntArray  # (k,) their numbers; new ones lie behind the last number so far, without gaps
    tokens: Mapping[str, Tokens]  # whitened unit vectors by modality, (k, d)
    groups: IntArray  # (k,) numbers of their models, as :func:`~modaloom.data.doubles.group_numbers` gives them
    like: IntArray | None = None  # (k, j) numbers of the items that are most like each of them, -1 where fewer


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

    def ask(self, histories: Histories) -> Answer:
        """What it says of these shoppers, without the whole catalogue."""
        ...

    def voice(self, histories: Histories, past: Past) -> Voice:
        """What it says to a single shopper; ``past`` is the same past, padded."""
        ...

    def place(self, arrivals: Arrivals) -> None:
        """Takes in items that came or changed after learning."""
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
        self._take(np.zeros((0, 0), dtype=np.float32))

    def _take(self, vectors: FloatArray) -> Self:
        self._vectors, self._growing = vectors, GrowingRows(vectors)
        self._present: BoolArray = np.abs(vectors).sum(axis=1) > 0
        self.neighbours = Neighbours(len(vectors), self._nearest)
        self.__dict__.pop("reference", None)
        return self

    @cached_property
    def reference(self) -> KernelReference:
        """The items that stand for the whole catalogue."""
        items = reference_items(len(self._vectors))
        vectors = np.ascontiguousarray(self._vectors[items].T)
        return KernelReference(vectors, self._present[items], np.float32(1.0 / self.TEMPERATURE))

    def fit(self, snapshot: Snapshot) -> Self:
        """Takes over the modality's vectors."""
        return self._take(snapshot.tokens[self.name].vectors)

    def score(self, histories: Histories) -> FloatArray:
        """Raw scores (b, n); zero for shoppers and items without the modality."""
        out = np.zeros((len(histories), len(self._vectors)), dtype=np.float32)
        past = pad_histories(histories, MAX_HISTORY)
        weights = self._weights(past)
        used = weights > 0
        for group, bounds in groups_of(used.sum(axis=1), len(self._vectors)):
            own = used[group]
            similar = self._vectors[past.items[group][own]] @ self._vectors.T
            similar -= np.float32(1.0)
            similar /= np.float32(self.TEMPERATURE)
            np.exp(similar, out=similar)
            parts = zip(np.split(weights[group][own], bounds), np.split(similar, bounds), strict=True)
            for row, (counts, part) in enumerate(parts, start=group.start):
                if len(part):
                    out[row] = np.log(counts @ part + 1e-12)
        return with_middle(out, self._present)[0].astype(np.float32)

    def ask(self, histories: Histories) -> Answer:
        """See :class:`~modaloom.ranking.retrieve.Answer`."""
        past = pad_histories(histories, MAX_HISTORY)
        return KernelAnswer(self, past.items, self._weights(past))

    def _weights(self, past: Past) -> FloatArray:
        """How much each past event (b, t) counts; nothing where padded, or where the item lacks the modality."""
        weights = event_weights(past.event.astype(np.uint8)) / (1.0 + past.age_days / self.AGE_SCALE_DAYS) ** 0.7
        return (weights * (past.mask & self._present[past.items])).astype(np.float32)

    def voice(self, histories: Histories, past: Past) -> Voice:
        """See :class:`Part`."""
        own = self._weights(past)[0]
        return KernelVoice(self._vectors, self._present, self.neighbours, past, own, self.reference)

    def likeness(self, items: IntArray, weights: FloatArray, others: IntArray) -> FloatArray:
        """Scores (b, c) of ``others`` (b, c) or (c,) after items (b, t) with weights (b, t); zero where those are."""
        own = np.take(self._vectors, items, axis=0)
        if (fast := fast_for(len(items))) is not None:
            own /= np.float32(self.TEMPERATURE)
            with np.errstate(divide="ignore"):  # what does not count has a log of minus infinity
                logs = np.log(weights) - np.float32(1.0 / self.TEMPERATURE)
            return fast.log_sums(own, logs, self._vectors, others, (1e-12, False))
        vectors = np.take(self._vectors, others, axis=0)
        if others.ndim == 1:
            similar = (own.reshape(-1, own.shape[2]) @ vectors.T).reshape(*items.shape, len(others))
        else:
            similar = np.matmul(own, vectors.transpose(0, 2, 1))
        similar -= np.float32(1.0)
        similar /= np.float32(self.TEMPERATURE)
        np.exp(similar, out=similar)
        made: FloatArray = np.log(np.matmul(weights[:, None, :], similar)[:, 0] + np.float32(1e-12))
        made[~weights.any(axis=1)] = 0.0
        return made

    def rows(self, items: IntArray) -> FloatArray:
        """Whitened unit vectors (c, d) of items (c,); zero where an item lacks the modality."""
        return self._vectors[items]

    def has(self, items: IntArray) -> BoolArray:
        """Which items have the modality."""
        there: BoolArray = self._present[items]
        return there

    def _nearest(self, items: IntArray) -> tuple[IntArray, FloatArray]:
        """The most similar items (s, k) of each item (s,), and their kernel values."""
        if pays(items, len(self._vectors)):
            columns, values = nearest_many(self._vectors, self.rows, items, NEIGHBOURS, self._compared)
        else:
            columns, values = self._compared(items)
        return columns, np.exp((values - 1.0) / self.TEMPERATURE).astype(np.float32)

    def _compared(self, items: IntArray) -> tuple[IntArray, FloatArray]:
        """The most similar items (s, k) of each item (s,), and their cosines."""
        similar = self._vectors[items] @ self._vectors.T
        similar[:, ~self._present] = -1.0
        columns = best_columns(similar, NEIGHBOURS)
        return columns, np.take_along_axis(similar, columns, axis=1)

    def place(self, arrivals: Arrivals) -> None:
        """See :class:`Part`."""
        tokens, places = arrivals.tokens.get(self.name), arrivals.places
        made = np.zeros((len(places), self._vectors.shape[1]), dtype=np.float32) if tokens is None else tokens.vectors
        self._vectors = self._growing.put(places, made)
        present = np.zeros(len(self._vectors), dtype=bool)
        present[: len(self._present)] = self._present
        present[places] = np.abs(made).sum(axis=1) > 0
        self._present = present
        self.__dict__.pop("reference", None)
        self.neighbours.forget(places, len(present))

    def score_vector(self, vector: FloatArray) -> FloatArray:
        """Raw scores (n,) of likeness to one whitened vector (d,), as if it were the only past item."""
        return (self._vectors @ vector - 1.0) / np.float32(self.TEMPERATURE)

    def state(self) -> State:
        """Everything learned, as plain arrays."""
        return {"vectors": self._vectors.astype(np.float16)}

    def restore(self, state: State) -> Self:
        """Takes over what :meth:`state` gave."""
        return self._take(state["vectors"].astype(np.float32))


class KernelAnswer:
    """What a content kernel says of shoppers with past items (b, t) of these weights (b, t), zero where padded."""

    def __init__(self, kernel: ContentKernel, items: IntArray, weights: FloatArray):
        self._kernel, self._items, self._weights = kernel, items, weights

    @cached_property
    def _summary(self) -> tuple[FloatArray, Moments]:
        """What an item scores that lacks the modality (b, 1), and the moments."""
        kernel = self._kernel
        reference = reference_items(kernel.neighbours.n_items)
        scores, present = kernel.likeness(self._items, self._weights, reference), kernel.has(reference)
        filled, middle = with_middle(scores, present)
        return middle, moments_of(filled)

    def reach(self) -> Reach:
        """See :class:`~modaloom.ranking.retrieve.Answer`."""
        return Reach(*self._kernel.neighbours.after(self._items, self._weights), floor=1e-12)

    def at(self, items: IntArray) -> FloatArray:
        """See :class:`~modaloom.ranking.retrieve.Answer`."""
        scores = self._kernel.likeness(self._items, self._weights, items)
        return np.where(self._kernel.has(items), scores, self._summary[0])

    def moments(self) -> Moments:
        """See :class:`~modaloom.ranking.retrieve.Answer`."""
        return self._summary[1]


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

    def ask(self, histories: Histories) -> Answer:
        """See :class:`~modaloom.ranking.retrieve.Answer`."""
        return SparseAnswer(history_matrix(histories, self._n_items, self.half_life_days))

    def voice(self, histories: Histories, past: Past) -> Voice:
        """See :class:`Part`."""
        items, counts = had(histories, self._n_items, self.half_life_days)
        rows = np.arange(len(items) + 1)
        return SparseVoice(
            items, Proposals(rows[:-1], counts, table_of(rows, items, np.ones_like(counts))), self._n_items
        )

    def place(self, arrivals: Arrivals) -> None:
        """See :class:`Part`."""
        self._n_items = max(self._n_items, int(arrivals.places.max(initial=-1)) + 1)

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
        self._take(np.zeros(0, dtype=np.int64))

    def fit(self, snapshot: Snapshot) -> Self:
        """Reads which items share a model."""
        return self._take(group_numbers(snapshot))

    def score(self, histories: Histories) -> FloatArray:
        """Raw scores (b, n)."""
        return np.asarray(self._siblings(histories).todense(), dtype=np.float32)

    def ask(self, histories: Histories) -> Answer:
        """See :class:`~modaloom.ranking.retrieve.Answer`."""
        return SparseAnswer(self._siblings(histories))

    def voice(self, histories: Histories, past: Past) -> Voice:
        """See :class:`Part`."""
        n = len(self._groups)
        items, counts = had(histories, n, self.half_life_days)
        members, starts = self._members
        groups = self._groups[items]
        picks, bounds = packed(starts[groups], starts[groups + 1])
        columns, owner = members[picks], np.repeat(np.arange(len(items)), np.diff(bounds))
        others = columns != items[owner]  # not the item itself
        columns, owner = columns[others], owner[others]
        rows = np.arange(len(items) + 1)
        table = table_of(np.searchsorted(owner, rows), columns, np.ones(len(columns), dtype=np.float32))
        return SparseVoice(items, Proposals(rows[:-1], counts, table), n)

    @cached_property
    def _members(self) -> tuple[IntArray, IntArray]:
        """Items (n,) by their models, and where each model begins, with the end behind the last."""
        counts = np.bincount(self._groups)
        return np.argsort(self._groups, kind="stable"), np.concatenate([[0], np.cumsum(counts)])

    def _siblings(self, histories: Histories) -> sp.csr_matrix:
        """How much of each item's model (b, n) the shopper had, the item itself left out."""
        member = self._member
        own = history_matrix(histories, member.shape[0], self.half_life_days)
        together = ((own @ member) @ member.T - own).tocsr()
        together.data = np.maximum(together.data, np.float32(0.0))
        return together

    def _take(self, groups: IntArray) -> Self:
        n, width = len(groups), int(groups.max(initial=0)) + 1
        self._groups = groups
        self.__dict__.pop("_members", None)
        self._member = sp.csr_matrix((np.ones(n, dtype=np.float32), (np.arange(n), groups)), shape=(n, width))
        return self

    def place(self, arrivals: Arrivals) -> None:
        """See :class:`Part`."""
        self._take(GrowingRows(self._groups).put(arrivals.places, arrivals.groups))

    def state(self) -> State:
        """Everything learned, as plain arrays."""
        return {"groups": self._groups, "half_life_days": np.array(self.half_life_days)}

    def restore(self, state: State) -> Self:
        """Takes over what :meth:`state` gave."""
        self.half_life_days = float(state["half_life_days"])
        return self._take(state["groups"])


def had(histories: Histories, n_items: int, half_life_days: float | None) -> tuple[IntArray, FloatArray]:
    """The different items (t,) of a single shopper's past, and what each of them counts."""
    return summed(histories.item_nums, history_weights(histories, half_life_days), n_items)
