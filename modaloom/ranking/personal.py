"""The whole blend for one shopper: a shortlist with scores, and what gave each of the picked items its score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np

from modaloom.models.behaviour import event_weights
from modaloom.models.towers import SERVED_HISTORY, Past, pad_histories
from modaloom.numerics import Moments, distinct
from modaloom.ranking.learned import FusionAnswer
from modaloom.ranking.ranker import FEW_ITEMS, NARROW, Ranker
from modaloom.ranking.retrieve import Sums, near, normalised
from modaloom.ranking.single import NOTHING, ConstantVoice, Left, Voice
from modaloom.types import BoolArray, FloatArray, Histories, IntArray

CANDIDATES = 100
"""How many items each part proposes at least."""
MAX_LEFT_OUT = 12
"""At most this many of the newest distinct past items are left out in turn."""
CELLS_AT_ONCE = 20_000
"""Items that are scored in one go: the products with the past stay in the cache."""


class Contributions(NamedTuple):
    """What gave c picked items their scores, for a single shopper."""

    scores: FloatArray  # (c,)
    by_modality: Mapping[str, FloatArray]  # drop (c,) when a modality is left out
    by_item: Mapping[int, FloatArray]  # drop (c,) when a past item is left out, by item number
    demand: FloatArray  # (c,) what sells, above the catalogue's mean


class Personal:
    """What the parts of a blend say to one shopper; each is asked once, whatever is then wanted of it."""

    def __init__(self, ranker: Ranker, histories: Histories):
        self.ranker, self.histories = ranker, histories

    @cached_property
    def voices(self) -> dict[str, Voice]:
        """By part, those with a weight."""
        return {name: self._voice(name) for name, weight in self.ranker.weights.items() if weight}

    @cached_property
    def _past(self) -> Past:
        return pad_histories(self.histories)

    def _voice(self, name: str) -> Voice:
        part = self.ranker.part(name)
        own = self.ranker.fusion_voice(self._past) if part is None else part.voice(self.histories, self._past)
        return AnsweredVoice(self.ranker, name, self.histories) if own is None else own

    @cached_property
    def _spoken(self) -> tuple[list[Voice], FloatArray, Moments]:
        """What is not said to everybody: p voices, their weights (p, 1), and their moments (p, 1) each."""
        named = [(name, voice) for name, voice in self.voices.items() if not isinstance(voice, ConstantVoice)]
        weights = np.array([[self.ranker.weights[name]] for name, _ in named], dtype=np.float32).reshape(-1, 1)
        return [voice for _, voice in named], weights, stacked([voice.moments() for _, voice in named])

    def scores(self, items: IntArray) -> FloatArray:
        """The blend (c,) at items (c,)."""
        total: FloatArray = self.ranker.general.scores[items]
        voices, weights, moments = self._spoken
        for start in range(0, len(items) if voices else 0, CELLS_AT_ONCE):
            some = items[start : start + CELLS_AT_ONCE]
            raw = np.stack([voice.at(some) for voice in voices])
            total[start : start + CELLS_AT_ONCE] += weights[:, 0] @ normalised(raw, moments)
        return total

    def shortlist(self, k: int, allowed: BoolArray, extra: IntArray) -> tuple[IntArray, FloatArray]:
        """Candidates and their scores (c,), by number: at least the best ``k`` that there are.

        Args:
            k: how many are wanted at least.
            allowed: items (n,) that may be listed.
            extra: items that are candidates whatever the parts say, such as those that came in since learning.
        """
        n, some = self.ranker.n_items, int(np.count_nonzero(allowed))
        if n <= FEW_ITEMS or some < min(NARROW * n, FEW_ITEMS):
            found = np.flatnonzero(allowed)
        else:
            found = self._candidates(max(CANDIDATES, k), allowed, extra)
            if len(found) < k <= some:
                found = np.flatnonzero(allowed)
        return found, self.scores(found)

    def _candidates(self, k: int, allowed: BoolArray, extra: IntArray) -> IntArray:
        """The best ``k`` of each part, by what it says together with what is said in general."""
        n, (voices, weights, moments) = len(allowed), self._spoken
        proposals = [extra, self.ranker.general_best(allowed, k)]
        near = [voice.near() for voice in voices]
        if any(len(columns) for columns, _ in near):
            items, inverse = distinct(np.concatenate([columns for columns, _ in near]), n)
            raw = np.empty((len(voices), len(items)), dtype=np.float32)
            priority = np.full(raw.shape, -np.inf, dtype=np.float32)
            start = 0
            for row, (voice, (columns, values)) in enumerate(zip(voices, near, strict=True)):
                own = inverse[start : start + len(columns)]
                raw[row] = voice.told(np.bincount(own, values, len(items)).astype(np.float64, copy=False))
                priority[row, own] = 0.0
                start += len(columns)
            priority += weights * normalised(raw, moments) + self.ranker.general.scores[items]
            priority[:, ~allowed[items]] = -np.inf
            least = np.full((len(voices), 1), np.finfo(np.float32).min, dtype=np.float32)
            if len(items) > k:
                np.maximum(least, np.sort(priority, axis=1)[:, -k, None], out=least)  # with so many equal, no partition
            proposals.append(items[(priority >= least).any(axis=0)])
        found, _ = distinct(np.concatenate(proposals), n)
        permitted: IntArray = np.sort(found[allowed[found]])
        return permitted

    def contributions(self, picks: IntArray) -> Contributions:
        """Leaves out one thing after the other; ``picks`` are item numbers (c,)."""
        past, names = self._newest_items(), list(self.voices)
        lefts = [voice.left_out(picks, past) for voice in self.voices.values()]
        by_modality = {name: np.zeros(len(picks), dtype=np.float32) for name in self.ranker.modalities}
        demand = np.zeros(len(picks), dtype=np.float32)
        if not lefts:
            return Contributions(demand, by_modality, dict.fromkeys(past.tolist(), demand), demand)
        weights = np.array([self.ranker.weights[name] for name in names], dtype=np.float32)
        rows = np.stack([left.rows for left in lefts])
        given = normalised(rows, stacked([left.moments for left in lefts], rows=1 + len(past)))
        given *= weights[:, None, None]
        total = given.sum(axis=0)
        for name, weight, left, own in zip(names, weights, lefts, given[:, 0], strict=True):
            part = self.ranker.part(name)
            if len(left.without) and self.ranker.table is not None:  # what is done to all alike is taken away
                moments = Moments(left.without_mean, left.moments.spread[:1], left.moments.flat[:1])
                drops = own - weight * normalised(left.without, moments)
                for modality, drop in zip(self.ranker.table.modalities, drops, strict=True):
                    by_modality[modality] += drop
            if part is not None and part.modality is not None:
                by_modality[part.modality] += own
            elif name == "demand":
                demand += own
        by_item = {item: total[0] - total[1 + row] for row, item in enumerate(past.tolist())}
        return Contributions(total[0], by_modality, by_item, demand)

    def _newest_items(self) -> IntArray:
        """The past items that speak for something, newest first."""
        items = self.histories.item_nums
        speaking = items[event_weights(self.histories.events) > 0]
        return np.array(list(dict.fromkeys(speaking[::-1][:SERVED_HISTORY].tolist()))[:MAX_LEFT_OUT], dtype=np.int64)


class AnsweredVoice:
    """A part that has no quicker way to speak to a single shopper: it is asked as for a batch of one."""

    def __init__(self, ranker: Ranker, name: str, histories: Histories):
        self._ranker, self._name, self._histories = ranker, name, histories
        self._answer = ranker.answer(name, histories)

    def near(self) -> tuple[IntArray, FloatArray]:
        """See :class:`~modaloom.ranking.single.Voice`."""
        reach = self._answer.reach()
        if reach is None:
            return NOTHING
        matrix = near(reach)
        return matrix.indices.astype(np.int64), matrix.data

    def told(self, sums: Sums) -> FloatArray:
        """See :class:`~modaloom.ranking.single.Voice`."""
        return sums.astype(np.float32)

    def at(self, items: IntArray) -> FloatArray:
        """See :class:`~modaloom.ranking.single.Voice`."""
        made: FloatArray = self._answer.at(items)[0]
        return made

    def moments(self) -> Moments:
        """See :class:`~modaloom.ranking.single.Voice`."""
        return self._answer.moments()

    def left_out(self, items: IntArray, past: IntArray) -> Left:
        """See :class:`~modaloom.ranking.single.Voice`."""
        answer = self._ranker.answer(self._name, with_each_left_out(self._histories, past))
        without = answer.without_each(items) if isinstance(answer, FusionAnswer) else {}
        raw = [scores for scores, _ in without.values()]
        means = np.array([[mean] for _, mean in without.values()], dtype=np.float32)
        views = np.array(raw, dtype=np.float32).reshape(len(raw), len(items)), means.reshape(len(raw), 1)
        return Left(answer.at(items), answer.moments(), *views)


def stacked(moments: Sequence[Moments], rows: int | None = None) -> Moments:
    """Moments of p parts, (1, 1) each, as (p, 1); with ``rows``, those of (r, 1) or (1, 1) as (p, r, 1)."""
    shape = (len(moments), 1) if rows is None else (len(moments), rows, 1)
    made = Moments(np.empty(shape, np.float32), np.empty(shape, np.float32), np.empty(shape, np.bool_))
    for row, own in enumerate(moments):
        for kept, part in zip(made, own, strict=True):
            kept[row] = part if rows else part[0]
    return made


def with_each_left_out(histories: Histories, items: IntArray) -> Histories:
    """The past of a single shopper, and below it the same without one item (r,) after the other."""
    keeps = [np.ones(len(histories.item_nums), dtype=bool), *(histories.item_nums != item for item in items.tolist())]
    picks = np.concatenate([np.flatnonzero(keep) for keep in keeps])
    return Histories(
        user_nums=np.repeat(histories.user_nums, len(keeps)),
        offsets=np.concatenate([[0], np.cumsum([int(keep.sum()) for keep in keeps])]).astype(np.int64),
        item_nums=histories.item_nums[picks],
        events=histories.events[picks],
        timestamps=histories.timestamps[picks],
        now=histories.now,
    )
