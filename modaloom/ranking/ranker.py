"""The blend at work: candidates from every part, exact scores, the best items of each user, and why.

Every road is the same one. All items are candidates in a small catalogue or under a narrow filter; one user is a batch
of one; an explanation scores the picked items again for versions of the history with one past item left out.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from modaloom.metrics import top_n
from modaloom.models.behaviour import event_weights
from modaloom.models.towers import SERVED_HISTORY, ItemTable
from modaloom.numerics import arcsinh_zscore
from modaloom.ranking import kernels
from modaloom.ranking.content import CELLS_AT_ONCE, NeighbourIndex, SimilarityPart
from modaloom.ranking.contract import (
    NO_ITEMS,
    SMALL_CATALOGUE,
    Candidates,
    HistoryBatch,
    ItemMask,
    Moments,
    NewItems,
    Part,
    moments_of,
    table_of,
)
from modaloom.ranking.fusion import FusionPart
from modaloom.threads import available_threads, in_threads
from modaloom.types import BoolArray, FloatArray, Histories, IntArray

MANY_USERS = 64
"""From so many users on, candidates are chosen in catalogues of more than :data:`SMALL_CATALOGUE` items."""
DENSE_ITEMS = 20_000
"""Up to this many items fewer users are scored on everything: some milliseconds each, and nothing can be missed."""
BATCH = 128
CANDIDATE_BATCH, CANDIDATE_PLACES = 1024, 8192
"""Users at once where nothing is as large as users x items, and places in their histories, padding included."""
NARROW = 0.25
"""When less than this share of the catalogue is allowed, all of that is scored."""
CANDIDATES_PER_PART = 50
"""Candidates of a batch for each part, chosen by all together; of 23,000 articles they miss .5 % of the first 20."""
CAREFUL_CANDIDATES = 200
"""The same in a catalogue of up to :data:`DENSE_ITEMS`, where scoring everything is the alternative."""
SHORTLIST_PER_PART = 100
"""Candidates of a single user by each part, whatever the others say."""
MAX_LEFT_OUT = 12
"""At most this many of the newest distinct past items are left out in turn."""
PART_SLOTS = 8
"""Parts that the compiled loop is made for; more are compiled for twice as many."""
NOBODY = Histories.from_lists([[]], now=0)
"""A user without a history."""
NO_TABLE = table_of(np.zeros(1), np.zeros(0), np.zeros(0))
_scratch = threading.local()


class Lists(NamedTuple):
    """The best items of b users, best first."""

    items: IntArray  # (b, n), -1 where a list is shorter
    scores: FloatArray  # (b, n), minus infinity where a list is shorter


class Contributions(NamedTuple):
    """What gave c picked items their scores, for a single user."""

    scores: FloatArray  # (c,)
    by_modality: Mapping[str, FloatArray]  # drop (c,) when a modality is left out
    by_item: Mapping[int, FloatArray]  # drop (c,) when a past item is left out, by item number
    demand: FloatArray  # (c,) what sells, above the catalogue's mean
    newness: FloatArray  # (c,) what is new, above the catalogue's mean


@dataclass
class Ranker:
    """Scores the catalogue for users. What is zero or absent in ``weights`` is never computed."""

    weights: Mapping[str, float]
    parts: tuple[Part, ...] = ()
    cold_start_weights: Mapping[str, float] = field(default_factory=dict)
    """Weights of the non-personalised parts for users without a history; the usual ones where it is empty. Beside
    personalised parts they also make up for what these get wrong, such as new items' small numbers."""
    _by_name: dict[str, Part] = field(init=False, repr=False)
    _last_best: tuple[BoolArray, int, IntArray, IntArray] | None = field(init=False, repr=False, default=None)

    def __post_init__(self) -> None:
        self._by_name = {part.name: part for part in self.parts}

    def part(self, name: str) -> Part | None:
        """A part by its name."""
        return self._by_name.get(name)

    @property
    def fusion(self) -> FusionPart | None:
        """The learned fusion, if there is one."""
        return next((part for part in self.parts if isinstance(part, FusionPart)), None)

    @property
    def closed_form(self) -> tuple[Part, ...]:
        """The parts that are kept as plain arrays: all but the learned fusion, whose towers are networks."""
        return tuple(part for part in self.parts if part is not self.fusion)

    @property
    def table(self) -> ItemTable | None:
        """Keys and attention of the items, where there is a learned fusion."""
        return None if self.fusion is None else self.fusion.table

    @property
    def modalities(self) -> tuple[str, ...]:
        """Modalities that any part reads, in the order of the weights."""
        fused = list(self.table.modalities) if self.table and any(p is self.fusion for p in self._weighted()) else []
        return tuple(dict.fromkeys(name for name in [*fused, *(p.modality for p in self._weighted())] if name))

    @property
    def n_items(self) -> int:
        """Number of items."""
        return self.parts[0].n_items

    def add_items(self, new: NewItems) -> None:
        """Takes in items that came or changed after learning."""
        for part in self.parts:
            part.add_items(new)
        for computed in ("global_scores", "_global_order", "cold_start"):
            self.__dict__.pop(computed, None)

    @cached_property
    def cold_start(self) -> Ranker:
        """The blend for users without a history."""
        return Ranker(self.cold_start_weights, self.parts) if self.cold_start_weights else self

    def for_history(self, histories: Histories) -> Ranker:
        """The blend for a single user."""
        return self if len(histories.item_nums) else self.cold_start

    def _by_history(self, histories: Histories) -> list[tuple[Ranker, IntArray]]:
        """Which blend answers which of the users."""
        warm = histories.lengths() > 0
        if self.cold_start is self or warm.all():
            return [(self, np.arange(len(warm)))]
        return [(self, np.flatnonzero(warm)), (self.cold_start, np.flatnonzero(~warm))]

    def _weighted(self) -> list[Part]:
        return [self._by_name[name] for name, weight in self.weights.items() if weight and name in self._by_name]

    def _personalised(self) -> list[Part]:
        return [part for part in self._weighted() if part.personalised]

    # --- scores ---

    def score(self, histories: Histories) -> FloatArray:
        """Scores (b, n)."""
        out = np.empty((len(histories), self.n_items), dtype=np.float32)
        for ranker, rows in self._by_history(histories):
            for start in range(0, len(rows), BATCH):
                some = rows[start : start + BATCH]
                out[some] = ranker.total(HistoryBatch(select_histories(histories, some)))
        return out

    def total(self, batch: HistoryBatch, items: IntArray | None = None) -> FloatArray:
        """The blend (b, c) of items (b, c) or (c,), or (b, n) of all of them."""
        general = self.global_scores
        general = general if items is None else general[items]
        total = np.array(np.broadcast_to(general, (len(batch), general.shape[-1])), dtype=np.float32)
        for part in self._personalised():
            scores = part.score(batch, items)
            moments = part.moments(batch) if items is not None else moments_of(scores)
            add_normalised(scores, moments, self.weights[part.name], total)
        return total

    def part_scores(self, histories: Histories) -> dict[str, FloatArray]:
        """Normalised scores (b, n) of every part that has a weight, before weighting."""
        batch, out = HistoryBatch(histories), {}
        for part in self._weighted():
            out[part.name] = np.zeros((len(batch), self.n_items), dtype=np.float32)
            scores = part.score(batch)
            add_normalised(scores, moments_of(scores), 1.0, out[part.name])
        return out

    @cached_property
    def global_scores(self) -> FloatArray:
        """The weighted sum (n,) of the parts that are not personalised."""
        batch, total = HistoryBatch(NOBODY), np.zeros((1, self.n_items), dtype=np.float32)
        for part in self._weighted():
            if not part.personalised:
                add_normalised(part.score(batch), part.moments(batch), self.weights[part.name], total)
        scores: FloatArray = total[0]
        return scores

    @cached_property
    def _global_order(self) -> IntArray:
        """Items (n,) by the non-personalised score, best first, equal ones by number; none without such parts."""
        general = any(not part.personalised for part in self._weighted())
        return np.argsort(-self.global_scores, kind="stable") if general else NO_ITEMS

    def _global_best(self, k: int, allowed: BoolArray | None) -> IntArray:
        """The best ``k`` allowed (n,) items by the non-personalised score; kept for the mask asked for last."""
        if allowed is None:
            return self._global_order[:k]
        last, order = self._last_best, self._global_order
        if last is None or last[0] is not allowed or last[1] < k or last[2] is not order:
            last = self._last_best = allowed, k, order, order[allowed[order]][:k]
        return last[3][:k]

    # --- lists for many users ---

    def recommend(
        self,
        histories: Histories,
        n: int,
        *,
        allowed: BoolArray | None = None,
        hidden: sp.csr_matrix | None = None,
        threads: int | None = None,
    ) -> Lists:
        """The best ``n`` items of each user: candidates from every part, scored by the whole blend.

        In a small catalogue, and for a narrow filter, everything that is allowed is scored.

        Args:
            histories: of b users.
            n: length of the lists.
            allowed: items that may be listed, (n_items,) or (b, n_items).
            hidden: items (b, n_items) that a user is not to see, as the nonzero cells of a sparse matrix.
            threads: how many blocks of users are worked on at once; all cores by default.
        """
        mask, n, threads = ItemMask(allowed, hidden), min(n, self.n_items), threads or available_threads()
        lists = _empty_lists(len(histories), n)
        for ranker, rows in self._by_history(histories):
            part = histories if len(rows) == len(histories) else select_histories(histories, rows)
            own = mask if len(rows) == len(histories) else mask.of_users(rows)
            lists.items[rows], lists.scores[rows] = ranker._recommend(part, n, own, threads)
        return lists

    def _recommend(self, histories: Histories, n: int, mask: ItemMask, threads: int) -> Lists:
        """See :meth:`recommend`; everybody by this blend."""
        allowed, lengths = mask.allowed, histories.lengths()
        some = None if allowed is None or allowed.ndim == 2 else np.flatnonzero(allowed)
        dense = DENSE_ITEMS if len(histories) < MANY_USERS else SMALL_CATALOGUE
        narrow = some is not None and len(some) < NARROW * self.n_items
        if self.n_items <= dense or narrow or not self._has_candidates:
            items = some if narrow else None
            size = block_size(self.n_items if items is None else len(items))
            work = lambda rows: self._best_of(select_histories(histories, rows), items, mask.of_users(rows), n)  # noqa: E731
        else:
            self.prepare(histories, threads)
            size = min(CANDIDATE_BATCH, -(-len(histories) // threads))
            work = lambda rows: self._best_candidates(select_histories(histories, rows), mask.of_users(rows), n)  # noqa: E731
        order = np.argsort(lengths, kind="stable")  # histories of one length need no padding
        blocks = blocks_of(order, np.minimum(lengths[order], SERVED_HISTORY), size)
        lists = _empty_lists(len(order), n)
        for rows, (found, scores) in zip(blocks, in_threads(work, blocks, threads), strict=True):
            lists.items[rows, : found.shape[1]], lists.scores[rows, : found.shape[1]] = found, scores
        return lists

    @cached_property
    def _has_candidates(self) -> bool:
        """Whether every personalised part can narrow down the catalogue; once, because it runs the user tower."""
        nobody = HistoryBatch(NOBODY)
        return all(part.candidates(nobody) is not None for part in self._personalised())

    def _best_of(self, histories: Histories, items: IntArray | None, mask: ItemMask, n: int) -> Lists:
        """The best of some items (c,), or of all, every one of them scored."""
        nums = np.arange(self.n_items) if items is None else items
        if not len(nums):
            return _empty_lists(len(histories), 0)
        scores = self.total(HistoryBatch(histories), items)
        lists = top_n(scores, n, mask.at(nums, len(histories)))
        found = np.take_along_axis(scores, np.maximum(lists, 0), axis=1)
        return Lists(np.where(lists >= 0, nums[lists], -1), np.where(lists >= 0, found, -np.inf).astype(np.float32))

    def _best_candidates(self, histories: Histories, mask: ItemMask, n: int) -> Lists:
        """The best of what the parts propose; where that is too little, the best of everything."""
        batch = HistoryBatch(histories)
        each = CAREFUL_CANDIDATES if self.n_items <= DENSE_ITEMS else CANDIDATES_PER_PART
        k = max(each * len(self._weighted()), 2 * n)
        seeds = self._global_best(k, mask.any_user())
        items, scores, counts = self._candidates(batch, seeds, mask, (k, 0))
        self._add_approximated(batch, items, scores)
        lists = _empty_lists(len(histories), n)
        kernels.top_n_rows(scores, items, lists)
        short = np.flatnonzero((counts < n) | mask.narrow_rows(len(histories), NARROW))
        for row in short.tolist():
            one = np.array([row])
            own = self._best_of(select_histories(histories, one), None, mask.of_users(one), n)
            lists.items[row], lists.scores[row] = own.items[0], own.scores[0]
        return lists

    def _candidates(
        self, batch: HistoryBatch, seeds: IntArray, mask: ItemMask, sizes: tuple[int, int]
    ) -> tuple[IntArray, FloatArray, IntArray]:
        """Candidates (b, K) of each user, -1 where fewer, what is known of their scores, and how many there are (b,).

        ``sizes`` is how many by all parts together, or by each part; see
        :func:`~modaloom.ranking.kernels.select_candidates`.
        """
        users, n = len(batch), self.n_items
        votes = [(part, own) for part in self._personalised() if (own := part.candidates(batch)) is not None]
        votes.sort(
            key=lambda pair: len(pair[1].table.values) / max(len(pair[1].table.bounds) - 1, 1)
        )  # short rows first
        starts = np.cumsum([0, *(len(own.rows) for _, own in votes)])
        history = (
            np.stack([own.offsets + start for (_, own), start in zip(votes, starts, strict=False)])
            if votes
            else np.zeros((0, users + 1), dtype=np.int64),
            np.concatenate([own.rows for _, own in votes] or [np.zeros(0, np.uint32)]),
            np.concatenate([own.counts for _, own in votes] or [np.zeros(0, np.float32)]).astype(np.float32),
        )
        slots = PART_SLOTS * max(-(-len(votes) // PART_SLOTS), 1)
        tables = [own.table for _, own in votes] + [NO_TABLE] * (slots - len(votes))
        parts = _part_parameters([(self.weights[part.name], own, part, batch) for part, own in votes], users)
        most = sizes[0] or min(n, len(seeds) + _reach(votes))
        out = np.full((users, most), -1, np.int64), np.zeros((users, most), np.float32), np.zeros(users, np.int64)
        state, mark = scratch_for(n, slots, users)
        kernels.select_candidates(
            history,
            tuple(tuple(column) for column in zip(*tables, strict=True)),
            parts,
            (self.global_scores, seeds),
            _packed_mask(mask, users),
            sizes,
            state,
            mark,
            out,
        )
        return out

    def _add_approximated(self, batch: HistoryBatch, items: IntArray, scores: FloatArray) -> None:
        """Adds to scores (b, c) at items (b, c) the exact scores of the parts that candidates only approximate."""
        for part in self._personalised():
            votes = part.candidates(batch)
            if votes is None or votes.eps:
                nums = np.maximum(items, 0)
                own = part.score(batch, nums if len(batch) > 1 else nums[0])  # one product for a single user
                add_normalised(own, part.moments(batch), self.weights[part.name], scores)

    # --- one user ---

    def shortlist(
        self, batch: HistoryBatch, k: int, allowed: BoolArray, extra: IntArray = NO_ITEMS
    ) -> tuple[IntArray, FloatArray]:
        """Candidates of a single user and their scores (c,), by number: at least the best ``k`` that there are.

        Args:
            batch: the user's history.
            k: how many are wanted at least.
            allowed: items (n,) that may be listed.
            extra: items that are candidates whatever the parts say: new ones, or those of a source without scores,
                such as what is trending or an editor's choice.
        """
        if (blend := self.for_history(batch.histories)) is not self:
            return blend.shortlist(batch, k, allowed, extra)
        n, some = self.n_items, int(np.count_nonzero(allowed))
        if n > SMALL_CATALOGUE and some >= min(NARROW * n, SMALL_CATALOGUE) and self._has_candidates:
            each = max(SHORTLIST_PER_PART, k)
            seeds = np.unique(np.concatenate([extra, self._global_best(each, allowed)]))
            items, scores, counts = self._candidates(batch, seeds, ItemMask(allowed), (0, each))
            if counts[0] >= min(k, some):
                order = items[0, : counts[0]].argsort()
                items, scores = items[:, order], np.ascontiguousarray(scores[:, order])
                self._add_approximated(batch, items, scores)
                return items[0], scores[0]
        found = np.flatnonzero(allowed)
        return found, self.total(batch, found)[0]

    def contributions(self, batch: HistoryBatch, picks: IntArray) -> Contributions:
        """What gave the picked items (c,) their scores, for a single user, by leaving out one thing after the other."""
        if (blend := self.for_history(batch.histories)) is not self:
            return blend.contributions(batch, picks)
        left_out = newest_items(batch.histories)[:MAX_LEFT_OUT]
        versions = batch.leave_one_out(left_out)
        by_modality = {name: np.zeros(len(picks), dtype=np.float32) for name in self.modalities}
        total = np.zeros((len(versions), len(picks)), dtype=np.float32)
        general = {name: np.zeros(len(picks), dtype=np.float32) for name in ("demand", "newness")}
        for part in self._weighted():
            weight, moments = self.weights[part.name], part.moments(versions)
            given = np.zeros_like(total)
            add_normalised(part.score(versions, picks), moments, weight, given)
            total += given
            for modality, (raw, mean) in part.scores_without(batch, picks).items():
                without = np.zeros((1, len(picks)), dtype=np.float32)
                add_normalised(raw, Moments(mean, moments.spread[:1]), weight, without)
                by_modality[modality] += given[0] - without[0]  # what is done to all items alike is taken away
            if part.modality is not None:
                by_modality[part.modality] += given[0]
            elif part.name in general:
                general[part.name] += given[0]
        by_item = dict(zip(left_out.tolist(), total[0] - total[1:], strict=True))
        return Contributions(total[0], by_modality, by_item, **general)

    # --- neighbours ---

    def prepare(self, histories: Histories, threads: int) -> None:
        """Finds the neighbours of everything in these histories that have none yet."""
        for index in self.neighbour_indices().values():
            index.prepare(histories.item_nums, threads)

    def neighbour_indices(self) -> dict[str, NeighbourIndex]:
        """What the parts with a weight keep of the neighbours of past items, by part."""
        return {part.name: part.neighbours for part in self._weighted() if isinstance(part, SimilarityPart)}


def newest_items(histories: Histories) -> IntArray:
    """The distinct items of a single user's history that count as positive, newest first."""
    positive = histories.item_nums[event_weights(histories.events) > 0]
    return np.array(list(dict.fromkeys(positive[::-1][:SERVED_HISTORY].tolist())), dtype=np.int64)


def add_normalised(scores: FloatArray, moments: Moments, weight: float, total: FloatArray) -> None:
    """Adds a part's raw scores (b, c), normalised and weighted, to the blend (b, c)."""
    scores = np.ascontiguousarray(scores, dtype=np.float32)
    kernels.add_arcsinh_zscore(scores, moments.mean, moments.spread, np.float32(weight), total)


def blend_raw(raw: Mapping[str, FloatArray], weights: Mapping[str, float]) -> FloatArray:
    """The weighted sum (b, n) of raw scores (b, n) by name, each normalised per row."""
    total: FloatArray = np.sum(
        [arcsinh_zscore(scores) * np.float32(weights[name]) for name, scores in raw.items()], axis=0
    )
    return total


def _empty_lists(users: int, n: int) -> Lists:
    return Lists(np.full((users, n), -1, dtype=np.int64), np.full((users, n), -np.inf, dtype=np.float32))


def _part_parameters(
    votes: Sequence[tuple[float, Candidates, Part, HistoryBatch]], users: int
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Weights (p,), eps (p,), and means and spreads (p, b) of the sums, where scores are logarithms of sums."""
    weights = np.array([weight for weight, *_ in votes], dtype=np.float32)
    eps = np.array([own.eps for _, own, *_ in votes], dtype=np.float32)
    means, spreads = np.zeros((2, len(votes), users), dtype=np.float32)
    for place, (_, own, part, batch) in enumerate(votes):
        if own.eps:
            moments = part.moments(batch)
            means[place] = moments.mean - (0.0 if own.shift is None else own.shift)
            spreads[place] = moments.spread
    return weights, eps, means, spreads


def _reach(votes: Sequence[tuple[Part, Candidates]]) -> int:
    """How many entries the rows of all past items have: at least as many as items can be reached."""
    return sum(int((own.table.bounds[own.rows + np.uint32(1)] - own.table.bounds[own.rows]).sum()) for _, own in votes)


def _packed_mask(mask: ItemMask, users: int) -> tuple[IntArray, npt.NDArray[np.uint32], BoolArray]:
    """Hidden items as packed rows, and allowed items as rows: for each user, for all, or none."""
    hidden, allowed = mask.hidden, mask.allowed
    if hidden is not None and not hidden.data.all():
        hidden = hidden.copy()
        hidden.eliminate_zeros()
    offsets = np.zeros(users + 1, np.int64) if hidden is None else hidden.indptr.astype(np.int64)
    items = np.zeros(0, np.uint32) if hidden is None else hidden.indices.astype(np.uint32)
    rows = np.zeros((0, 0), dtype=bool) if allowed is None else np.ascontiguousarray(np.atleast_2d(allowed))
    return offsets, items, rows


def scratch_for(n_items: int, parts: int, users: int) -> tuple[FloatArray, int]:
    """This thread's scratch (n, 1 + parts) of the candidates' loop, and the first of so many marks not used yet."""
    state, mark = getattr(_scratch, "state", None), getattr(_scratch, "mark", 0)
    if state is None or len(state) < n_items or state.shape[1] != 1 + parts:
        state = np.zeros((n_items + n_items // 4, 1 + parts), dtype=np.float32)
        mark = 0
    if mark + users >= 2**23:  # beyond, a mark in single precision is not itself any more
        state[:, 0] = 0.0
        mark = 0
    _scratch.state, _scratch.mark = state, mark + users
    return state, mark + 1


def blocks_of(order: IntArray, lengths: IntArray, size: int) -> list[IntArray]:
    """Users (b,) with histories of ascending lengths (b,) in blocks: at most ``size`` of them, fewer of long ones."""
    blocks, start = [], 0
    while start < len(order):
        longest = lengths[min(start + size, len(order)) - 1]
        stop = start + min(size, max(CANDIDATE_PLACES // max(int(longest), 1), MANY_USERS))
        blocks.append(order[start:stop])
        start = stop
    return blocks


def block_size(n_items: int) -> int:
    """How many users are scored at once, so that a dense block of them stays small."""
    return int(np.clip(CELLS_AT_ONCE // max(n_items, 1), 8, BATCH))


def select_histories(histories: Histories, rows: IntArray) -> Histories:
    """The histories of some users, in this order."""
    lengths = histories.lengths()[rows]
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    picks = np.arange(offsets[-1]) + np.repeat(histories.offsets[rows] - offsets[:-1], lengths)
    return Histories(
        user_nums=histories.user_nums[rows],
        offsets=offsets,
        item_nums=histories.item_nums[picks],
        events=histories.events[picks],
        timestamps=histories.timestamps[picks],
        now=histories.now,
    )
