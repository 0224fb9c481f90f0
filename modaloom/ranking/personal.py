"""The whole blend for one shopper: a shortlist with scores, and what gave each of the picked items its score."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import NamedTuple

import numpy as np

from modaloom.models.behaviour import event_weights
from modaloom.models.towers import SERVED_HISTORY, Past, pad_histories
from modaloom.numerics import Moments
from modaloom.ranking.learned import FusionAnswer
from modaloom.ranking.ranker import FEW_ITEMS, FUSION, NARROW, Ranker
from modaloom.ranking.retrieve import near, normalised
from modaloom.ranking.single import ConstantVoice, Left, Voice
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

    def scores(self, items: IntArray) -> FloatArray:
        """The blend (c,) at items (c,)."""
        total = np.zeros(len(items), dtype=np.float32)
        general = self.ranker.general.scores
        for start in range(0, len(items), CELLS_AT_ONCE):
            some = items[start : start + CELLS_AT_ONCE]
            block = general[some]
            for name, voice in self.voices.items():
                if not isinstance(voice, ConstantVoice):
                    weight = np.float32(self.ranker.weights[name])
                    block = block + weight * normalised(voice.at(some), voice.moments())[0]
            total[start : start + CELLS_AT_ONCE] = block
        return total

    def shortlist(self, k: int, allowed: BoolArray, extra: IntArray) -> tuple[IntArray, FloatArray]:
        """Candidates and their scores (c,), in no order: at least the best ``k`` that there are.

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
        general = self.ranker.general
        proposals = [extra, self.ranker.general_best(allowed, k)]
        for name, voice in self.voices.items():
            items, raw = voice.near()
            if len(items) > k:
                weight = np.float32(self.ranker.weights[name])
                priority = weight * normalised(raw, voice.moments())[0] + general.scores[items]
                priority[~allowed[items]] = -np.inf
                items = items[np.argpartition(-priority, k)[:k]]
            proposals.append(items)
        found = np.unique(np.concatenate(proposals))
        permitted: IntArray = found[allowed[found]]
        return permitted

    def contributions(self, picks: IntArray) -> Contributions:
        """Leaves out one thing after the other; ``picks`` are item numbers (c,)."""
        past = self._newest_items()
        total = np.zeros((1 + len(past), len(picks)), dtype=np.float32)
        by_modality = {name: np.zeros(len(picks), dtype=np.float32) for name in self.ranker.modalities}
        demand = np.zeros(len(picks), dtype=np.float32)
        for name, voice in self.voices.items():
            weight, part = np.float32(self.ranker.weights[name]), self.ranker.part(name)
            left = voice.left_out(picks, past)
            given = weight * normalised(left.rows, left.moments)
            total += given
            for modality, (raw, mean) in left.without_modality.items():
                # the mean is its own, so that what leaving out does to all items alike is taken away
                own = Moments(mean, left.moments.spread[:1], left.moments.flat[:1])
                by_modality[modality] += given[0] - weight * normalised(raw[None, :], own)[0]
            if part is not None and part.modality is not None:
                by_modality[part.modality] += given[0]
            elif name == "demand":
                demand += given[0]
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
            return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.float32)
        matrix = near(reach)
        return matrix.indices.astype(np.int64), matrix.data

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
        without = {}
        if self._name == FUSION and isinstance(answer, FusionAnswer):
            without = answer.without_each(items)
        return Left(answer.at(items), answer.moments(), without)


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
