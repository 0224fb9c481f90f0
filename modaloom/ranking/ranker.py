"""The whole recommender as one scorer: learned fusion and closed-form parts, blended."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

from modaloom.metrics import top_n
from modaloom.models.towers import (
    SERVED_HISTORY,
    ItemTable,
    Past,
    Queries,
    UserTower,
    past_queries,
    score_queries,
    without_modality,
)
from modaloom.numerics import EPSILON, moments_of, squashed_zscore
from modaloom.ranking.fast import MANY_SHOPPERS, MOST_PARTS, fast_for
from modaloom.ranking.learned import FusionIndex
from modaloom.ranking.nearest import CELLS_AT_ONCE, Neighbours, in_threads
from modaloom.ranking.parts import Arrivals, Part
from modaloom.ranking.retrieve import (
    Answer,
    General,
    Offer,
    available_threads,
    block_size,
    candidates_of,
    in_general,
    normalised,
    quick_candidates,
    reordered,
)
from modaloom.ranking.single import FusionVoice
from modaloom.types import BoolArray, FloatArray, Histories, IntArray

FUSION = "fusion"
BATCH = 128
FAST_BATCH, FAST_PLACES = 1024, 8192
"""Shoppers at once where nothing is as large as shoppers x items, and places in their pasts, padding included."""
DENSE_ITEMS = 20_000
"""Up to this many items a few shoppers are scored on everything: some milliseconds each, and nothing can be missed."""
NARROW = 0.25
"""When less than this share of the catalogue is allowed, all of that is scored."""
FEW_ITEMS = 2_000
"""Up to this many items all are scored for everybody, and for a single shopper up to so many allowed ones."""
CANDIDATES = 50
"""How many items are scored for each part at least; of 23,000 articles these miss .5 % of the first 20."""
CAREFUL_CANDIDATES = 200
"""The same in a catalogue of up to :data:`DENSE_ITEMS`, where scoring everything is the alternative."""
Score = Callable[[Histories], FloatArray]


class Lists(NamedTuple):
    """The best items of b shoppers, best first."""

    items: IntArray  # (b, n), -1 where a list is shorter
    scores: FloatArray  # (b, n), minus infinity where a list is shorter


@dataclass
class Ranker:
    """Scores the catalogue for shoppers. What is zero or absent in ``weights`` is never computed."""

    weights: Mapping[str, float]
    parts: tuple[Part, ...] = ()
    table: ItemTable | None = None
    tower: UserTower | None = None
    strangers: Mapping[str, float] = field(default_factory=dict)
    """What parts that say the same to everybody weigh for somebody without a past; as for others where it is empty.
    Beside parts that know a shopper they also make up for what these get wrong, such as new items' small numbers."""
    _by_name: dict[str, Part] = field(init=False, repr=False)
    _index: FusionIndex | None = field(init=False, repr=False, default=None)
    _last_general: tuple[BoolArray, int, General] | None = field(init=False, repr=False, default=None)

    def __post_init__(self) -> None:
        self._by_name = {part.name: part for part in self.parts}
        if self.table is not None and self.tower is not None:
            self._index = FusionIndex(self.table, self.tower)

    @property
    def modalities(self) -> tuple[str, ...]:
        """Modalities that any part speaks for, in the order of the weights."""
        named = [self._by_name[name].modality for name in self.weights if name in self._by_name]
        fused = list(self.table.modalities) if self.table and self.weights.get(FUSION) else []
        return tuple(dict.fromkeys(name for name in [*fused, *named] if name))

    def place(self, arrivals: Arrivals, keys: tuple[FloatArray, FloatArray] | None) -> None:
        """Takes in items that came or changed after learning.

        Args:
            arrivals: what they are like.
            keys: what the item tower makes of them; None where there is no learned fusion.
        """
        for part in self.parts:
            part.place(arrivals)
        if self._index is not None and keys is not None:
            self.table = self._index.place(arrivals.places, *keys)
        self.__dict__.pop("general", None)
        self.__dict__.pop("for_strangers", None)

    def part(self, name: str) -> Part | None:
        """A part by its name."""
        return self._by_name.get(name)

    @cached_property
    def for_strangers(self) -> Ranker:
        """The blend for somebody without a past."""
        return Ranker(self.strangers, self.parts) if self.strangers else self

    def for_one(self, histories: Histories) -> Ranker:
        """The blend for a single shopper."""
        return self if len(histories.item_nums) else self.for_strangers

    def _shares(self, histories: Histories) -> list[tuple[Ranker, IntArray]]:
        """Which blend answers which of the shoppers."""
        known = histories.lengths() > 0
        if self.for_strangers is self or known.all():
            return [(self, np.arange(len(known)))]
        return [(self, np.flatnonzero(known)), (self.for_strangers, np.flatnonzero(~known))]

    def score(self, histories: Histories) -> FloatArray:
        """Scores (b, n)."""
        out = np.empty((len(histories), self.n_items), dtype=np.float32)
        for ranker, rows in self._shares(histories):
            for start in range(0, len(rows), BATCH):
                some = rows[start : start + BATCH]
                out[some] = sum_up(ranker.raw(reordered(histories, some)), ranker.weights)
        return out

    @property
    def n_items(self) -> int:
        """Number of items."""
        if self.table is not None:
            return len(self.table.keys)
        return int(self.parts[0].score(Histories.from_lists([[]], now=0)).shape[1])

    def raw(self, histories: Histories) -> dict[str, FloatArray]:
        """Raw scores (b, n) of every part that has a weight."""
        out: dict[str, FloatArray] = {}
        for name, weight in self.weights.items():
            if not weight:
                continue
            if name == FUSION:
                assert self.table is not None
                out[name] = score_queries(self._queries(histories), self.table)
            else:
                out[name] = self._by_name[name].score(histories)
        return out

    def _queries(self, histories: Histories) -> Queries:
        assert self.table is not None
        assert self.tower is not None
        return past_queries(self.tower, self.table, histories)

    def recommend(
        self,
        histories: Histories,
        n: int,
        *,
        allowed: BoolArray | None = None,
        hidden: sp.csr_matrix | None = None,
        threads: int | None = None,
    ) -> Lists:
        """The best ``n`` items of each shopper: candidates from every part, scored by the whole blend.

        In a small catalogue, and for a narrow filter, everything that is allowed is scored.

        Args:
            histories: pasts of b shoppers.
            n: length of the lists.
            allowed: items that may be listed, (n_items,) or (b, n_items).
            hidden: items (b, n_items) that a shopper is not to see, as the nonzero cells of a sparse matrix.
            threads: how many blocks of shoppers are worked on at once; all cores by default.
        """
        offer, n, threads = Offer(allowed, hidden), min(n, self.n_items), threads or available_threads()
        shares = self._shares(histories)
        if len(shares) == 1:
            return self._lists(histories, n, offer, threads)
        lists = _no_lists(len(histories), n)
        for ranker, rows in shares:
            lists.items[rows], lists.scores[rows] = ranker._lists(
                reordered(histories, rows), n, offer.of(rows), threads
            )
        return lists

    def _lists(self, histories: Histories, n: int, offer: Offer, threads: int) -> Lists:
        """See :meth:`recommend`; everybody by this blend."""
        allowed, lengths = offer.allowed, histories.lengths()
        everything = np.arange(self.n_items)
        dense = DENSE_ITEMS if len(histories) < MANY_SHOPPERS else FEW_ITEMS
        if self.n_items <= dense or not self.can_be_asked():
            work, size = partial(self._list_of, self.score, everything), BATCH
        elif allowed is not None and allowed.ndim == 1 and allowed.sum() < NARROW * self.n_items:
            some = np.flatnonzero(allowed)
            work, size = partial(self._list_of, partial(self._score_at, items=some), some), block_size(len(some))
        else:
            self.prepare(histories, threads)
            each = CAREFUL_CANDIDATES if self.n_items <= DENSE_ITEMS else CANDIDATES
            k = max(each * sum(1 for weight in self.weights.values() if weight), 2 * n)
            general = self.general.first(k, offer.anybody())
            fast = fast_for(len(histories)) is not None
            size = min(FAST_BATCH, -(-len(histories) // threads)) if fast else block_size(self.n_items)
            work = partial(self._list_candidates, general, k)
        order = np.argsort(lengths, kind="stable")  # pasts of one length need no padding
        blocks = blocks_of(order, np.minimum(lengths[order], SERVED_HISTORY), size)
        made = in_threads(lambda rows: work(reordered(histories, rows), offer.of(rows), n), blocks, threads)
        lists = _no_lists(len(order), n)
        for rows, (items, scores) in zip(blocks, made, strict=True):
            lists.items[rows, : items.shape[1]], lists.scores[rows, : items.shape[1]] = items, scores
        return lists

    @cached_property
    def general(self) -> General:
        """What is said to everybody, and the items of which the best is said."""
        return in_general(self.ask(Histories.from_lists([[]], now=0)), self.weights, self.n_items)

    def general_best(self, allowed: BoolArray, k: int) -> IntArray:
        """The best ``k`` allowed items by what is said to everybody; kept for the mask (n,) asked for last."""
        last = self._last_general
        if last is None or last[0] is not allowed or last[1] < k or last[2].scores is not self.general.scores:
            last = (allowed, k, self.general.first(k, allowed))
            self._last_general = last
        return last[2].best[:k]

    def fusion_voice(self, past: Past) -> FusionVoice | None:
        """What the learned fusion says to a single shopper; None where it sums the past up in one query."""
        assert self._index is not None
        return self._index.voice(past)

    def can_be_asked(self) -> bool:
        """Whether every part with a weight can tell candidates from the rest."""
        used = [name for name, weight in self.weights.items() if weight]
        return all(self._index is not None if name == FUSION else hasattr(self._by_name[name], "ask") for name in used)

    def _list_of(self, score: Score, items: IntArray, histories: Histories, offer: Offer, n: int) -> Lists:
        """The best of some items (c,), all of them scored."""
        if not len(items):
            return Lists(np.zeros((len(histories), 0), dtype=np.int64), np.zeros((len(histories), 0), dtype=np.float32))
        scores = score(histories)
        lists = top_n(scores, n, offer.of_items(items, len(histories)))
        found = np.take_along_axis(scores, np.maximum(lists, 0), axis=1)
        return Lists(np.where(lists >= 0, items[lists], -1), np.where(lists >= 0, found, -np.inf).astype(np.float32))

    def _list_candidates(self, general: General, k: int, histories: Histories, offer: Offer, n: int) -> Lists:
        """The best of what the parts propose; where that is too little, the best of everything."""
        answers = self.ask(histories)
        reaches = {name: reach for name, answer in answers.items() if (reach := answer.reach()) is not None}
        fast = fast_for(len(histories))
        if fast is not None and 0 < len(reaches) <= MOST_PARTS:
            candidates, scores = quick_candidates(fast, answers, reaches, self.weights, general, offer, k)
            possible = candidates >= 0
            lists = Lists(*fast.best(scores, possible, candidates, n))
        else:
            candidates = candidates_of(answers, reaches, self.weights, general, offer, k)
            possible = offer.at(candidates)
            candidates = np.maximum(candidates, 0)
            lists = first_of(self.total(answers, candidates), possible, candidates, n)
        short = np.flatnonzero((possible.sum(axis=1) < n) | offer.narrow_rows(len(histories), NARROW))
        if not len(short):
            return lists
        room = (0, 0), (0, n - lists.items.shape[1])
        full = Lists(np.pad(lists.items, room), np.pad(lists.scores, room))
        for row in short:
            one = np.array([row])
            score = partial(self._score_at, items=np.arange(self.n_items))
            own = self._list_of(score, np.arange(self.n_items), reordered(histories, one), offer.of(one), n)
            full.items[row], full.scores[row] = own.items[0], own.scores[0]
        return full

    def _score_at(self, histories: Histories, items: IntArray) -> FloatArray:
        """Scores (b, c) at the same items (c,) for everybody."""
        answers = self.ask(histories)
        size = max(CELLS_AT_ONCE // (len(histories) * SERVED_HISTORY), 1)
        blocks = [self.total(answers, items[start : start + size]) for start in range(0, len(items), size)]
        return np.concatenate(blocks, axis=1)

    def total(self, answers: Mapping[str, Answer], items: IntArray) -> FloatArray:
        """The blend (b, c) at items (b, c) or (c,)."""
        total = None
        for name, answer in answers.items():
            part = normalised(answer.at(items), answer.moments())
            part *= np.float32(self.weights[name])
            total = part if total is None else total + part
        assert total is not None, "a blend has at least one part with a weight"
        return total

    def ask(self, histories: Histories) -> dict[str, Answer]:
        """What every part that has a weight says of these shoppers, without the whole catalogue."""
        return {name: self.answer(name, histories) for name, weight in self.weights.items() if weight}

    def answer(self, name: str, histories: Histories) -> Answer:
        """What one part says of these shoppers."""
        if name == FUSION:
            assert self._index is not None
            return self._index.ask(histories)
        return self._by_name[name].ask(histories)

    def prepare(self, histories: Histories, threads: int) -> None:
        """Finds the neighbours of everything in these pasts that was never asked for."""
        for index in self.neighbours().values():
            index.prepare(histories.item_nums, threads)

    def neighbours(self) -> dict[str, Neighbours]:
        """What the parts with a weight keep of the neighbours of past items, by part."""
        found = {}
        for name, weight in self.weights.items():
            answering = self._index if name == FUSION else self._by_name.get(name)
            index = getattr(answering, "neighbours", None)
            if weight and isinstance(index, Neighbours):
                found[name] = index
        return found

    def without(self, histories: Histories, modality: str) -> FloatArray:
        """Scores (b, n) with everything that speaks for one modality left out; see :meth:`without_each`."""
        return self.without_each(histories, (modality,))[modality]

    def without_each(self, histories: Histories, modalities: Sequence[str]) -> dict[str, FloatArray]:
        """Scores (b, n) with one modality after the other left out.

        The normalisation stays that of the full scores, so that the difference is what the modality gave.
        """
        raw = self.raw(histories)
        normal = {name: np.float32(self.weights[name]) * squashed_zscore(scores) for name, scores in raw.items()}
        return {modality: self._left(histories, modality, raw, normal) for modality in modalities}

    def _left(
        self, histories: Histories, modality: str, raw: Mapping[str, FloatArray], normal: Mapping[str, FloatArray]
    ) -> FloatArray:
        total = np.zeros(next(iter(raw.values())).shape, dtype=np.float32)
        for name, scores in raw.items():
            if name == FUSION and self.table is not None and modality in self.table.modalities:
                left = score_queries(without_modality(self._queries(histories), self.table, modality), self.table)
                total += np.float32(self.weights[name]) * normalise_like(left, scores)
            elif name == FUSION or self._by_name[name].modality != modality:
                total += normal[name]
        return total


def _no_lists(shoppers: int, n: int) -> Lists:
    return Lists(np.full((shoppers, n), -1, dtype=np.int64), np.full((shoppers, n), -np.inf, dtype=np.float32))


def blocks_of(order: IntArray, lengths: IntArray, size: int) -> list[IntArray]:
    """Shoppers (b,) with pasts of ascending lengths (b,) in blocks: at most ``size`` of them, fewer of long pasts."""
    blocks, start = [], 0
    while start < len(order):
        longest = lengths[min(start + size, len(order)) - 1]
        stop = start + min(size, max(FAST_PLACES // max(int(longest), 1), MANY_SHOPPERS))
        blocks.append(order[start:stop])
        start = stop
    return blocks


def first_of(scores: FloatArray, possible: BoolArray, items: IntArray, n: int) -> Lists:
    """The best ``n`` possible ones of items (b, c) with scores (b, c); items ascend, and so do those of equal score."""
    scores = np.where(possible, scores, -np.inf)
    order = np.argsort(-scores, axis=1, kind="stable")[:, :n]
    best = np.take_along_axis(np.where(possible, items, -1), order, axis=1)
    return Lists(best, np.take_along_axis(scores, order, axis=1))


def normalise_like(scores: FloatArray, reference: FloatArray) -> FloatArray:
    """:func:`~modaloom.numerics.squashed_zscore` of scores, centred by row but in the reference's spread.

    Where the reference says nothing (for a shopper without a past, say), this says nothing either.
    """
    _, spread, flat = moments_of(reference)
    centred = scores - scores.mean(axis=1, keepdims=True)
    result: FloatArray = np.where(flat, 0.0, np.arcsinh(centred / (spread + EPSILON))).astype(np.float32)
    return result


def sum_up(raw: Mapping[str, FloatArray], weights: Mapping[str, float]) -> FloatArray:
    """The weighted sum (b, n) of the parts, each normalised per shopper."""
    total: FloatArray | None = None
    for name, scores in raw.items():
        part = squashed_zscore(scores) * np.float32(weights[name])
        total = part if total is None else total + part
    assert total is not None
    return total
