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
    SMALLEST,
    ItemTable,
    Past,
    Queries,
    UserTower,
    pad_histories,
    past_queries,
    score_queries,
    score_queries_at,
    without_modality,
)
from modaloom.numerics import EPSILON, Moments, moments_of, squashed_zscore
from modaloom.recommend.parts import Part
from modaloom.recommend.retrieve import (
    CELLS_AT_ONCE,
    NEIGHBOURS,
    Answer,
    General,
    Neighbours,
    Offer,
    available_threads,
    best_columns,
    block_size,
    candidates_of,
    in_general,
    in_threads,
    normalised,
    reference_items,
    reordered,
)
from modaloom.types import BoolArray, Event, FloatArray, Histories, IntArray

FUSION = "fusion"
BATCH = 128
DENSE_ITEMS = 20_000
"""Up to this many items everything is scored: some milliseconds a shopper, and nothing can be missed."""
NARROW = 0.25
"""When less than this share of the catalogue is allowed, all of that is scored."""
CANDIDATES = 100
"""How many items each part proposes at least."""
LARGEST_LOG = 60.0
Score = Callable[[Histories], FloatArray]


class Lists(NamedTuple):
    """The best items of b shoppers, best first."""

    items: IntArray  # (b, n), -1 where a list is shorter
    scores: FloatArray  # (b, n), minus infinity where a list is shorter


class FusionIndex:
    """The learned fusion, asked for candidates: what it gives a shopper who had just one item, by item."""

    def __init__(self, table: ItemTable, tower: UserTower):
        self._table, self._tower = table, tower
        self.neighbours = Neighbours(len(table.keys), self._nearest)

    def ask(self, histories: Histories) -> FusionAnswer:
        """See :class:`~modaloom.recommend.retrieve.Answer`."""
        past = pad_histories(histories)
        queries = self._tower(np.take(self._table.keys, past.items, axis=0), past.mask, past.event, past.age_days)
        return FusionAnswer(self, self._table, past, queries)

    def _alone(self, items: IntArray) -> FloatArray:
        """The query (s, D) of shoppers who had one item each, (s,)."""
        keys = self._table.keys[items][:, None, :]
        mask = np.ones((len(items), 1), dtype=bool)
        event = np.full((len(items), 1), int(Event.PURCHASE), dtype=np.int64)
        return self._tower(keys, mask, event, np.zeros((len(items), 1), dtype=np.float32)).queries[:, 0]

    @cached_property
    def level(self) -> float:
        """About the largest score that there is, so that exponentials stay finite."""
        some = reference_items(len(self._table.keys))
        return float((self._alone(some) * self._table.keys[some]).sum(axis=1).max(initial=0.0))

    def _nearest(self, items: IntArray) -> tuple[IntArray, FloatArray]:
        """The best items (s, k) after each item (s,), and exponentials of their scores."""
        scores = self._alone(items) @ self._table.keys.T
        scores += self._table.bias
        columns = best_columns(scores, NEIGHBOURS)
        values = np.take_along_axis(scores, columns, axis=1)
        return columns, np.exp(np.clip(values - self.level, -LARGEST_LOG, LARGEST_LOG)).astype(np.float32)


class FusionAnswer:
    """What the learned fusion says of a batch of shoppers."""

    def __init__(self, index: FusionIndex, table: ItemTable, past: Past, queries: Queries):
        self._index, self._table, self._past, self._queries = index, table, past, queries

    def nearby(self) -> sp.csr_matrix:
        """See :class:`~modaloom.recommend.retrieve.Answer`."""
        past, logs = self._past, self._queries.log_weights
        width = past.items.shape[1]
        if logs.shape[1] < width:  # the past was summed up in one query, which is asked of everything
            scores = self._queries.queries[:, 0] @ self._table.keys.T + self._table.bias
            columns = best_columns(scores, NEIGHBOURS)
            values = np.take_along_axis(scores, columns, axis=1)
            bounds = np.arange(len(scores) + 1) * columns.shape[1]
            return sp.csr_matrix((values.ravel(), columns.ravel(), bounds), shape=scores.shape)
        top = logs.max(axis=1, keepdims=True)
        near = self._index.neighbours.after(past.items, np.exp(logs - top)[:, :width] * past.mask)
        rows = np.repeat(np.arange(len(top)), np.diff(near.indptr))
        near.data = np.log(near.data + np.float32(SMALLEST)) + np.float32(self._index.level) + top[rows, 0]
        return near

    def at(self, items: IntArray) -> FloatArray:
        """See :class:`~modaloom.recommend.retrieve.Answer`."""
        return score_queries_at(self._queries, self._table, items)

    @cached_property
    def _moments(self) -> Moments:
        return moments_of(self.at(reference_items(len(self._table.keys))))

    def moments(self) -> Moments:
        """See :class:`~modaloom.recommend.retrieve.Answer`."""
        return self._moments


@dataclass
class Ranker:
    """Scores the catalogue for shoppers. What is zero or absent in ``weights`` is never computed."""

    weights: Mapping[str, float]
    parts: tuple[Part, ...] = ()
    table: ItemTable | None = None
    tower: UserTower | None = None
    _by_name: dict[str, Part] = field(init=False, repr=False)
    _index: FusionIndex | None = field(init=False, repr=False, default=None)

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

    def part(self, name: str) -> Part | None:
        """A part by its name."""
        return self._by_name.get(name)

    def score(self, histories: Histories) -> FloatArray:
        """Scores (b, n)."""
        blocks = [
            sum_up(self.raw(histories.take(start, min(start + BATCH, len(histories)))), self.weights)
            for start in range(0, len(histories), BATCH)
        ]
        return np.concatenate(blocks) if blocks else np.zeros((0, self.n_items), dtype=np.float32)

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
        offer, n = Offer(allowed, hidden), min(n, self.n_items)
        threads = threads or available_threads()
        everything = np.arange(self.n_items)
        if self.n_items <= DENSE_ITEMS or not self._can_be_asked():
            work, size = partial(self._list_of, self.score, everything), BATCH
        elif allowed is not None and allowed.ndim == 1 and allowed.sum() < NARROW * self.n_items:
            some = np.flatnonzero(allowed)
            work, size = partial(self._list_of, partial(self._score_at, items=some), some), block_size(len(some))
        else:
            self.prepare(histories, threads)
            k = max(CANDIDATES, 2 * n)
            general = self._general.first(k, offer.anybody())
            work, size = partial(self._list_candidates, general, k), block_size(self.n_items)
        order = np.argsort(histories.lengths(), kind="stable")  # pasts of one length need no padding
        blocks = [order[start : start + size] for start in range(0, len(order), size)]
        made = in_threads(lambda rows: work(reordered(histories, rows), offer.of(rows), n), blocks, threads)
        lists = Lists(np.full((len(order), n), -1, dtype=np.int64), np.full((len(order), n), -np.inf, dtype=np.float32))
        for rows, (items, scores) in zip(blocks, made, strict=True):
            lists.items[rows, : items.shape[1]], lists.scores[rows, : items.shape[1]] = items, scores
        return lists

    @cached_property
    def _general(self) -> General:
        return in_general(self.ask(Histories.from_lists([[]], now=0)), self.weights, self.n_items)

    def _can_be_asked(self) -> bool:
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
        candidates = candidates_of(answers, self.weights, general, offer.anybody(), k)
        possible = offer.at(candidates)
        candidates = np.maximum(candidates, 0)
        scores = np.where(possible, self._sum(answers, candidates), -np.inf)
        order = np.argsort(-scores, axis=1, kind="stable")[:, :n]  # candidates ascend, so equal scores do by number
        items = np.take_along_axis(np.where(possible, candidates, -1), order, axis=1)
        lists = Lists(items, np.take_along_axis(scores, order, axis=1))
        short = np.flatnonzero((possible.sum(axis=1) < n) | offer.narrow_rows(len(histories), NARROW))
        if not len(short):
            return lists
        room = (0, 0), (0, n - items.shape[1])
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
        blocks = [self._sum(answers, items[start : start + size]) for start in range(0, len(items), size)]
        return np.concatenate(blocks, axis=1)

    def _sum(self, answers: Mapping[str, Answer], items: IntArray) -> FloatArray:
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
        out: dict[str, Answer] = {}
        for name, weight in self.weights.items():
            if weight and name == FUSION:
                assert self._index is not None
                out[name] = self._index.ask(histories)
            elif weight:
                out[name] = self._by_name[name].ask(histories)
        return out

    def prepare(self, histories: Histories, threads: int) -> None:
        """Finds the neighbours of everything in these pasts that was never asked for."""
        for name, weight in self.weights.items():
            answering = self._index if name == FUSION else self._by_name.get(name)
            index = getattr(answering, "neighbours", None)
            if weight and isinstance(index, Neighbours):
                index.prepare(histories.item_nums, threads)

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
