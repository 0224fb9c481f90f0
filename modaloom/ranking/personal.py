"""The whole blend for one shopper: a shortlist with scores, and what gave each of the picked items its score."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import NamedTuple

import numpy as np

from modaloom.models.behaviour import event_weights
from modaloom.models.towers import SERVED_HISTORY, Past, pad_histories
from modaloom.numerics import Moments, distinct
from modaloom.ranking.fast import MOST_PARTS, Alone, Proposals, alone, table_of
from modaloom.ranking.learned import FusionAnswer
from modaloom.ranking.ranker import FEW_ITEMS, NARROW, Ranker
from modaloom.ranking.retrieve import normalised
from modaloom.ranking.single import ConstantVoice, Left, Voice
from modaloom.ranking.sums import entries, weighted
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
    newness: FloatArray  # (c,) what is new, above the catalogue's mean


class Personal:
    """What the parts of a blend say to one shopper; each is asked once, whatever is then wanted of it."""

    def __init__(self, ranker: Ranker, histories: Histories):
        self.ranker, self.histories = ranker.for_one(histories), histories

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
    def _spoken(self) -> dict[str, Voice]:
        """What is not said to everybody."""
        return {name: voice for name, voice in self.voices.items() if not isinstance(voice, ConstantVoice)}

    @cached_property
    def _proposals(self) -> dict[str, Proposals]:
        """What is proposed, by part."""
        made = {name: voice.proposals() for name, voice in self._spoken.items()}
        return {name: own for name, own in made.items() if own is not None and len(own.rows)}

    def scores(self, items: IntArray) -> FloatArray:
        """The blend (c,) at items (c,)."""
        total: FloatArray = self.ranker.general.scores[items]
        for start in range(0, len(items) if self._spoken else 0, CELLS_AT_ONCE):
            part = slice(start, start + CELLS_AT_ONCE)
            total[part] += self._said_of(items[part], self._spoken)
        return total

    def _said_of(self, items: IntArray, voices: Iterable[str]) -> FloatArray:
        """What some parts say of items (c,), normalised and weighted."""
        total = np.zeros(len(items), dtype=np.float32)
        for name in voices:
            voice = self._spoken[name]
            total += weighted(voice.at(items)[None, :], voice.moments(), self.ranker.weights[name])[0]
        return total

    def shortlist(self, k: int, allowed: BoolArray, extra: IntArray) -> tuple[IntArray, FloatArray]:
        """Candidates and their scores (c,), by number: at least the best ``k`` that there are.

        Args:
            k: how many are wanted at least.
            allowed: items (n,) that may be listed.
            extra: items that are candidates whatever the parts say, such as those that came in since learning.
        """
        n, some = self.ranker.n_items, int(np.count_nonzero(allowed))
        if n > FEW_ITEMS and some >= min(NARROW * n, FEW_ITEMS):
            loops = alone() if len(self._proposals) <= MOST_PARTS else None
            if loops is None:
                found, scores = self._candidates(max(CANDIDATES, k), allowed, extra), None
            else:
                found, scores = self._quick_candidates(loops, max(CANDIDATES, k), allowed, extra)
            if len(found) >= min(k, some):
                return found, self.scores(found) if scores is None else scores
        found = np.flatnonzero(allowed)
        return found, self.scores(found)

    def _quick_candidates(
        self, loops: Alone, k: int, allowed: BoolArray, extra: IntArray
    ) -> tuple[IntArray, FloatArray]:
        """See :meth:`_candidates`, with their scores (c,)."""
        made, ranker = self._proposals, self.ranker
        rough = [name for name, own in made.items() if own.floor]
        said = [
            (ranker.weights[name], own, self._spoken[name].moments() if own.floor else None)
            for name, own in made.items()
        ]
        offer = ranker.general_best(allowed, k), extra, allowed
        found, scores = loops.candidates(said, ranker.general.scores, offer, k)
        order = found.argsort()
        found, scores = found[order], scores[order]
        scores += self._said_of(found, rough)
        return found, scores

    def _candidates(self, k: int, allowed: BoolArray, extra: IntArray) -> IntArray:
        """The items of which each part, or what is said to everybody, says most, and those that are candidates anyway.

        Of each part by what it says together with what is said in general.
        """
        proposals = [extra, self.ranker.general_best(allowed, k)]
        if self._proposals:
            proposals.append(self._best_of_each(k, allowed))
        found, _ = distinct(np.concatenate(proposals), len(allowed))
        permitted: IntArray = np.sort(found[allowed[found]])
        return permitted

    def _best_of_each(self, k: int, allowed: BoolArray) -> IntArray:
        near = [entries(made.rows, made.counts, made.table) for made in self._proposals.values()]
        items, inverse = distinct(np.concatenate([columns for columns, _, _ in near]), len(allowed))
        priority = np.full((len(near), len(items)), -np.inf, dtype=np.float32)
        start = 0
        for row, ((name, made), (columns, values, _)) in enumerate(zip(self._proposals.items(), near, strict=True)):
            own = inverse[start : start + len(columns)]
            raw = np.bincount(own, values, len(items)).astype(np.float32)
            if made.floor:
                raw = np.log(raw + np.float32(made.floor)) + np.float32(made.shift)
            priority[row, own] = 0.0
            priority[row] += np.float32(self.ranker.weights[name]) * normalised(raw, self._spoken[name].moments())[0]
            start += len(columns)
        priority += self.ranker.general.scores[items]
        priority[:, ~allowed[items]] = -np.inf
        least = np.full((len(near), 1), np.finfo(np.float32).min, dtype=np.float32)
        if len(items) > k:
            np.maximum(least, np.sort(priority, axis=1)[:, -k, None], out=least)  # with so many equal, no partition
        best: IntArray = items[(priority >= least).any(axis=0)]
        return best

    def contributions(self, picks: IntArray) -> Contributions:
        """Leaves out one thing after the other; ``picks`` are item numbers (c,)."""
        past, ranker = self._newest[:MAX_LEFT_OUT], self.ranker
        by_modality = {name: np.zeros(len(picks), dtype=np.float32) for name in ranker.modalities}
        total = np.zeros((1 + len(past), len(picks)), dtype=np.float32)
        to_all = {name: np.zeros(len(picks), dtype=np.float32) for name in ("demand", "newness")}
        for name, voice in self.voices.items():
            part, weight, left = ranker.part(name), ranker.weights[name], voice.left_out(picks, past)
            given = weighted(left.rows, left.moments, weight)
            total += given
            if (m := len(left.without)) and ranker.table is not None:  # what is done to all alike is taken away
                same = left.moments.spread[:1].repeat(m, axis=0), left.moments.flat[:1].repeat(m, axis=0)
                without = weighted(left.without, Moments(left.without_mean, *same), weight)
                for modality, own in zip(ranker.table.modalities, given[0] - without, strict=True):
                    by_modality[modality] += own
            if part is not None and part.modality is not None:
                by_modality[part.modality] += given[0]
            elif name in to_all:
                to_all[name] += given[0]
        by_item = dict(zip(past.tolist(), total[0] - total[1:], strict=True))
        return Contributions(total[0], by_modality, by_item, **to_all)

    @cached_property
    def _newest(self) -> IntArray:
        """The past items that speak for something, newest first."""
        items = self.histories.item_nums
        speaking = items[event_weights(self.histories.events) > 0]
        return np.array(list(dict.fromkeys(speaking[::-1][:SERVED_HISTORY].tolist())), dtype=np.int64)


class AnsweredVoice:
    """A part that has no quicker way to speak to a single shopper: it is asked as for a batch of one."""

    def __init__(self, ranker: Ranker, name: str, histories: Histories):
        self._ranker, self._name, self._histories = ranker, name, histories
        self._answer = ranker.answer(name, histories)

    def proposals(self) -> Proposals | None:
        """See :class:`~modaloom.ranking.single.Voice`."""
        reach = self._answer.reach()
        if reach is None:
            return None
        sums = (reach.past @ reach.table).tocsr()
        table, shift = table_of(sums.indptr, sums.indices, sums.data), 0.0 if reach.shift is None else reach.shift[0]
        return Proposals(np.zeros(1, np.int64), np.ones(1, np.float32), table, reach.floor, float(shift))

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
