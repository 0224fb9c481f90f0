"""One bundle at work on the catalogue as it is now: scores, rules, variety and reasons for one shopper at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from modaloom.config import Settings
from modaloom.errors import QueryError
from modaloom.messages import messages
from modaloom.ranking.content import ContentKernel
from modaloom.ranking.contract import HistoryBatch
from modaloom.ranking.fusion import FUSION
from modaloom.ranking.ranker import blend_raw
from modaloom.shop.bundle import Bundle
from modaloom.shop.cards import CardMaker
from modaloom.shop.catalogue import CATEGORY, UNKNOWN, Catalogue
from modaloom.shop.content import ContentReader
from modaloom.shop.explain import Known, reasons_of, tells_sales
from modaloom.shop.ingest import Placing
from modaloom.shop.requests import Ask, Card, Rules, Why
from modaloom.shop.rerank import Shortlist, Taste, rerank
from modaloom.shop.shopper import Shopper
from modaloom.shop.words import longest, word_scores
from modaloom.types import BoolArray, Event, FloatArray, Histories, IntArray, Reason

PHOTO_WEIGHTS = {"image": 1.0, FUSION: 0.3, "demand": 0.1}
"""A photo asks for what looks like it; demand only settles ties."""
TEXT_WEIGHTS = {"words": 1.0, "text": 1.0, FUSION: 0.3, "demand": 0.1}
SIMILAR_WEIGHTS = {"image": 1.0, "text": 0.6, "attributes": 0.5, FUSION: 0.4, "linear": 0.3}
GOES_WITH_WEIGHTS = {"linear": 1.0, FUSION: 0.6, "demand": 0.2, "text": 0.1}
SHORTLIST = 5
"""Candidates per place of the list, so that rules and variety have something to choose from."""
LEAST_SHORTLIST = 90
MOST_EXTRA = 300
"""So many of the items that came in last are candidates for everybody."""
LEAST_TASTE = 0.05


@dataclass(frozen=True)
class Scores:
    """Candidates and what they score, with the reason that goes for all of them, if there is one."""

    nums: IntArray  # (c,)
    values: FloatArray  # (c,)
    reasons: Mapping[int, tuple[Reason, ...]] | None = None
    """By item number; None where reasons are measured on the shopper's past."""


class Guide:
    """A bundle, its catalogue as it is now, and lists from it. One request at a time works in it; others wait."""

    def __init__(self, name: str, bundle: Bundle, settings: Settings):
        self.name = name
        self.bundle = bundle
        self.ranker = bundle.ranker
        self.reader = ContentReader(bundle, settings)
        self.catalogue = Catalogue(bundle.snapshot.items["item_id"].to_list())
        self.lock = threading.RLock()
        self.placing = Placing(self.catalogue, self.reader, self.lock, bundle)
        self._sold = bundle.snapshot.ever_sold()
        self._rng = np.random.default_rng()
        labels = bundle.config["shop"].get("labels", {})
        self.cards = CardMaker(self.catalogue, labels)

    @property
    def targets(self) -> tuple[Event, ...]:
        """Events that count as having had an item."""
        return self.bundle.snapshot.target_events

    @property
    def sells(self) -> bool:
        """Whether those events say that something was bought, and not only looked at or liked."""
        return tells_sales(self.targets)

    def for_shopper(self, ask: Ask, shopper: Shopper, now: int, *, only_new: bool = False) -> list[Card]:
        """For you: the whole blend over the shopper's past; among new items only, if so wanted."""
        with self.lock:
            histories = shopper.histories(self.catalogue, now)
            allowed = self.catalogue.allowed(ask.rules)
            if only_new:
                allowed = allowed & self.cards.new(np.arange(len(self.catalogue)), now)
            extra = np.array(self.catalogue.arrived[-MOST_EXTRA:], dtype=np.int64)
            boosted = [np.flatnonzero(self.catalogue.matching(key))[:MOST_EXTRA] for key in self._wanted(ask, shopper)]
            extra = np.concatenate([extra, *boosted]) if boosted else extra
            wanted = max(SHORTLIST * ask.n, LEAST_SHORTLIST)
            batch = HistoryBatch(histories)
            nums, values = self.ranker.shortlist(batch, wanted, allowed, extra)
            return self._finish(Scores(nums, values), ask, shopper, batch)

    def rehearse(self, now: int) -> None:
        """Draws up lists that nobody sees, so that whatever is loaded or compiled once is so before somebody waits."""
        for clicked in ((), self.catalogue.ids[:2]):
            self.for_shopper(Ask(), Shopper(None, clicked=clicked), now)

    def similar(self, num: int, ask: Ask, shopper: Shopper, now: int) -> list[Card]:
        """What is like one item, other colours of it left out."""
        with self.lock:
            scores = self._around(num, SIMILAR_WEIGHTS, now)
            mask = self.catalogue.allowed(ask.rules) & (self.catalogue.group != self.catalogue.group[num])
            mask &= np.isfinite(scores)
            return self._finish(self._best(scores, mask, ask, "similar"), ask, shopper, self._batch(shopper, now))

    def goes_with(self, num: int, ask: Ask, shopper: Shopper, now: int) -> list[Card]:
        """What others had together with an item, of other categories; nothing where no log was learned from."""
        with self.lock:
            if not (self._has("linear") or self._has(FUSION)):
                return []
            scores = self._around(num, GOES_WITH_WEIGHTS, now)
            mask = self.catalogue.allowed(ask.rules) & (self.catalogue.group != self.catalogue.group[num])
            category = self.catalogue.attributes.get(CATEGORY)
            mask &= np.isfinite(scores)
            if category is not None and category.rows[num] != UNKNOWN:
                mask &= category.rows != category.rows[num]
            if ask.rules.category_cap is None:
                ask = replace(ask, rules=replace(ask.rules, category_cap=max(ask.n // 4, 1)))
            return self._finish(self._best(scores, mask, ask, "goes_with"), ask, shopper, self._batch(shopper, now))

    def listed(
        self, values: FloatArray, reason_of: Callable[[int], Reason], ask: Ask, shopper: Shopper, now: int
    ) -> list[Card]:
        """A list by scores (n,) that are given, such as what sells now; minus infinity where an item is out."""
        with self.lock:
            mask = self.catalogue.allowed(ask.rules) & np.isfinite(values)
            scores = self._best(values, mask, ask, None)
            scores = replace(scores, reasons={int(num): (reason_of(int(num)),) for num in scores.nums})
            return self._finish(scores, ask, shopper, self._batch(shopper, now))

    def search(self, ask: Ask, shopper: Shopper, now: int, *, text: str | None, photo: Path | None) -> list[Card]:
        """What words say and mean, and what a photo looks like.

        Raises:
            QueryError: nothing was asked for, or the bundle cannot read it.
            PictureError: the photo cannot be opened.
        """
        text = (text or "").strip()
        if photo is None and not text:
            raise QueryError("nothing to look for", hint="Give words or a photo")
        vectors = {}
        if photo is not None:
            vectors["image"] = self.reader.vector("image", photo)  # slow, so before anybody has to wait for it
        if text and self.reader.reads("text"):
            vectors["text"] = self.reader.vector("text", text)
        with self.lock:
            totals: list[FloatArray] = []
            said: list[list[str]] = []
            if photo is not None:
                totals.append(blend_raw(self.reader.scores("image", vectors["image"]), PHOTO_WEIGHTS)[0])
            if text:
                by_words, said = word_scores(self.placing.words(), text)
                raw = self.reader.scores("text", vectors["text"]) if "text" in vectors else self.reader.demand()
                if by_words.any():
                    raw = {"words": by_words[None, :], **raw}
                if set(raw) - {"demand"}:
                    totals.append(blend_raw(raw, TEXT_WEIGHTS)[0])
            if not totals:  # no item says this, and no encoder tells what it means
                return []
            total = np.sum(totals, axis=0)
            found = self._best(total, self.catalogue.allowed(ask.rules), ask, None)
            reasons = {int(num): _search_reasons(int(num), said, photo is not None) for num in found.nums}
            ask = replace(ask, rules=replace(ask.rules, hide_bought=False), diversity=min(ask.diversity, 0.1))
            return self._finish(replace(found, reasons=reasons), ask, shopper, self._batch(shopper, now))

    def explain(self, num: int, ask: Ask, shopper: Shopper, now: int) -> tuple[Why, ...]:
        """Why an item would be shown to a shopper."""
        with self.lock:
            histories = shopper.histories(self.catalogue, now)
            picks = np.array([num], dtype=np.int64)
            scores = Scores(picks, np.zeros(1, dtype=np.float32))
            (card,) = self._cards(scores, ask, shopper, HistoryBatch(histories), set())
            return card.why

    def attention(self, num: int) -> dict[str, float]:
        """What the model looks at in an item: share by modality; for whoever holds the lock."""
        table = self.ranker.table
        if table is None:
            return {}
        weights = table.weights[num]
        total = float(weights.sum())
        return (
            {name: round(float(weight) / total, 4) for name, weight in zip(table.modalities, weights, strict=True)}
            if total
            else {}
        )

    def never_sold(self) -> BoolArray:
        """Items (n,) without a sale when the bundle learned; for whoever holds the lock."""
        return self._fresh(np.arange(len(self.catalogue)))

    def expected(self) -> FloatArray:
        """What each item (n,) is expected to sell, in logarithms; for whoever holds the lock."""
        demand = self.reader.demand().get("demand")
        return np.zeros(len(self.catalogue), dtype=np.float32) if demand is None else demand[0]

    def modality_shares(self, shopper: Shopper, now: int, *, n: int = 20) -> dict[str, float]:
        """How much each modality decides the first items of a shopper's list, by leaving it out."""
        with self.lock:
            histories = shopper.histories(self.catalogue, now)
            if not len(histories.item_nums):
                return {}
            batch = HistoryBatch(histories)
            nums, values = self.ranker.shortlist(batch, n, self.catalogue.allowed(Rules()))
            if not len(nums):  # everything is sold out
                return {}
            made = self.ranker.contributions(batch, nums[np.argsort(-values)[:n]])
        shares = {name: float(np.maximum(drop, 0.0).mean()) for name, drop in made.by_modality.items()}
        total = sum(shares.values())
        return {name: round(share / total, 4) for name, share in shares.items()} if total > 0 else {}

    def _batch(self, shopper: Shopper, now: int) -> HistoryBatch:
        return HistoryBatch(shopper.histories(self.catalogue, now))

    def _wanted(self, ask: Ask, shopper: Shopper) -> list[str]:
        boosts = [key for key, weight in ask.rules.boost.items() if weight > 0]
        return boosts + [key for key, weight in shopper.taste.items() if weight > 0]

    def _around(self, num: int, weights: Mapping[str, float], now: int) -> FloatArray:
        """Scores (n,) for somebody who likes one item; minus infinity where nothing in the bundle tells items apart."""
        own = {name: weight for name, weight in weights.items() if self._has(name)}
        if not set(own) - {"demand"}:
            return np.full(len(self.catalogue), -np.inf, dtype=np.float32)
        histories = Histories.from_lists([[num]], now=now, event=Event.LIKE)
        made: FloatArray = replace(self.ranker, weights=own).score(histories)[0]
        return made

    def _has(self, name: str) -> bool:
        return self.ranker.part(name) is not None

    def _best(self, values: FloatArray, mask: BoolArray, ask: Ask, kind: str | None) -> Scores:
        """The best of what is allowed, enough for rules and variety to choose from."""
        nums = np.flatnonzero(mask)
        wanted = max(SHORTLIST * ask.n, LEAST_SHORTLIST)
        if len(nums) > wanted:
            nums = nums[np.argpartition(-values[nums], wanted)[:wanted]]
        reasons = None if kind is None else {int(num): (Reason(kind, "", float(values[num])),) for num in nums}
        return Scores(nums, values[nums], reasons)

    def _finish(self, scores: Scores, ask: Ask, shopper: Shopper, batch: HistoryBatch) -> list[Card]:
        """Takes out what this shopper is not to see, varies the list, and says why."""
        catalogue, nums = self.catalogue, scores.nums
        hidden = shopper.hidden(catalogue, self.targets, batch.histories.now, hide_bought=ask.rules.hide_bought)
        keep = ~shopper.never(catalogue, nums)
        if hidden and len(nums):
            keep &= ~np.isin(nums, np.fromiter(hidden, np.int64, len(hidden)))
        nums, values = nums[keep], scores.values[keep]
        values = values + shopper.bumps(catalogue, nums, self._likeness(nums))
        for key, weight in ask.rules.boost.items():
            values = values + np.where(catalogue.matching(key)[nums], np.float32(weight), np.float32(0.0))
        order = np.argsort(-values, kind="stable")
        nums, values = nums[order], values[order]
        category = catalogue.attributes.get(CATEGORY)
        shortlist = Shortlist(
            scores=values,
            groups=catalogue.group[nums],
            categories=lambda: np.full(len(nums), UNKNOWN, np.int32) if category is None else category.rows[nums],
            looks=None if self._looking is None else lambda places: self._looks(nums[places]),
            fresh=lambda: self._fresh(nums),
        )
        taste = Taste(ask.n, ask.diversity, ask.rules.category_cap, ask.explore)
        chosen, explored = rerank(shortlist, taste, self._rng)
        return self._cards(
            replace(scores, nums=nums[chosen], values=values[chosen]),
            ask,
            shopper,
            batch,
            {int(nums[place]) for place in explored},
        )

    def _cards(self, scores: Scores, ask: Ask, shopper: Shopper, batch: HistoryBatch, explored: set[int]) -> list[Card]:
        why: Sequence[tuple[Reason, ...]] = [()] * len(scores.nums)
        if ask.why and len(scores.nums):
            why = self._reasons(scores, shopper, batch)
        now, cards = batch.histories.now, []
        for num, value, reasons in zip(scores.nums.tolist(), scores.values.tolist(), why, strict=True):
            told = self.cards.told(reasons, ask.language) if ask.why else []
            if num in explored:
                told = [Why(messages(ask.language)["reason"]["explore"], "explore", "", None, 0.0), *told[:1]]
            cards.append(self.cards.card(num, value, ask.language, now, explored=num in explored, why=tuple(told)))
        return cards

    def _reasons(self, scores: Scores, shopper: Shopper, batch: HistoryBatch) -> list[tuple[Reason, ...]]:
        """Given reasons, else measured ones; a taste that was set by hand comes before others."""
        catalogue, nums = self.catalogue, scores.nums
        if scores.reasons is not None:
            return [scores.reasons[int(num)] for num in nums]
        made = self.ranker.contributions(batch, nums)
        had, new = shopper.bought(catalogue, self.targets), self.cards.new(nums, batch.histories.now)
        found = reasons_of(made, nums, Known(had, new, ~self._fresh(nums), self.sells), catalogue.ids)
        for key, weight in shopper.taste.items():
            if weight > LEAST_TASTE:
                speaks = catalogue.matching(key)[nums]
                reason = Reason("taste", key, weight)
                found = [(reason, *own) if hit else own for hit, own in zip(speaks.tolist(), found, strict=True)]
        return found

    def _fresh(self, nums: IntArray) -> BoolArray:
        """Which items (c,) were never sold when the bundle learned."""
        known = nums < len(self._sold)
        fresh: BoolArray = ~known | ~self._sold[np.minimum(nums, len(self._sold) - 1)]
        return fresh

    @property
    def _looking(self) -> ContentKernel | None:
        """What tells how alike items are."""
        kernels = (self.ranker.part(name) for name in ("image", "text"))
        return next((kernel for kernel in kernels if isinstance(kernel, ContentKernel)), None)

    def _looks(self, nums: IntArray) -> FloatArray:
        assert self._looking is not None
        return self._looking.vectors(nums)

    def _likeness(self, nums: IntArray) -> Callable[[int], FloatArray] | None:
        if self._looking is None:
            return None

        def to(num: int) -> FloatArray:
            made: FloatArray = self._looks(nums) @ self._looks(np.array([num]))[0]
            return made

        return to


def _search_reasons(num: int, said: Sequence[Sequence[str]], photo: bool) -> tuple[Reason, ...]:
    reasons = [Reason("photo", "", 1.0)] if photo else []
    if said:
        words = " ".join(longest(said[num]))
        reasons.append(Reason("words", words, 1.0) if words else Reason("meaning", "", 0.5))
    return tuple(reasons)
