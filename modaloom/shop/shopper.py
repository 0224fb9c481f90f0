"""One shopper, as the live shop knows them at this moment: what they did, what they said, what they set by hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter

import numpy as np

from modaloom.models.behaviour import event_weights
from modaloom.shop.catalogue import CATEGORY, UNKNOWN, Catalogue
from modaloom.shop.requests import Chip
from modaloom.storage.contract import Feedback
from modaloom.types import DAY_S, Event, FloatArray, Histories, IntArray, Interaction

NEVER = -1.0
"""A taste set to this hides what it speaks of."""
TASTE_STRENGTH = 1.5
"""What a taste of 1 adds to the score, in the units of the blend."""
DISLIKING = ("dislike", "hide")
"""Feedback after which an item is nothing of the shopper's past, and its other colours are not shown either."""
TOO_DEAR_COST = 1.0
"""What an item loses that costs as much as one of its category that was called too dear."""
DISLIKE_COST = 1.5
"""What an item loses that looks just like a disliked one."""
RECENT_DAYS = 30
"""Other colours of what was bought this lately are not shown either."""
MOST_CHIPS = 14
LEAST_LIFT = 0.08


@dataclass(frozen=True)
class Shopper:
    """Everything that may change a list for one shopper."""

    user_id: str | None
    past: Sequence[Interaction] = ()
    feedback: Sequence[Feedback] = ()
    taste: Mapping[str, float] = field(default_factory=dict)
    clicked: Sequence[str] = ()

    @property
    def known(self) -> bool:
        """Whether anything at all is known."""
        return bool(self.past or self.feedback or self.taste or self.clicked)

    def histories(self, catalogue: Catalogue, now: int) -> Histories:
        """The past as the ranker wants it: events, likes, and what was clicked in this session."""
        rows = [(event.item_id, event.event, event.timestamp) for event in self.past]
        rows += [(one.item_id, Event.LIKE, one.timestamp) for one in self.feedback if one.kind == "like"]
        rows += [(item_id, Event.VIEW, now) for item_id in self.clicked]
        disliked = {one.item_id for one in self.feedback if one.kind in DISLIKING}
        nums = catalogue.nums
        found = [
            (nums[item_id], int(event), timestamp if timestamp < now else now)
            for item_id, event, timestamp in rows
            if item_id in nums and item_id not in disliked
        ]
        found.sort(key=itemgetter(2))
        items, events, times = np.array(found, dtype=np.int64).reshape(-1, 3).T.copy()
        return Histories(
            user_nums=np.array([-1]),
            offsets=np.array([0, len(found)]),
            item_nums=items,
            events=events.astype(np.uint8),
            timestamps=times,
            now=now,
        )

    def bought(self, catalogue: Catalogue, targets: Sequence[Event]) -> frozenset[int]:
        """Numbers of the items that the shopper had."""
        wanted = set(targets)
        found = (event.item_id for event in self.past if event.event in wanted)
        return frozenset(catalogue.nums[item_id] for item_id in found if item_id in catalogue.nums)

    def hidden(self, catalogue: Catalogue, targets: Sequence[Event], now: int, *, hide_bought: bool) -> set[int]:
        """Numbers of the items that this shopper is not to see."""
        out: set[int] = set()
        for one in self.feedback:
            num = catalogue.nums.get(one.item_id)
            if num is not None and one.kind != "like":
                out.add(num)
                if one.kind in DISLIKING:
                    out |= set(catalogue.variants(num))
        for event in self.past if hide_bought else ():
            if event.event in targets and (num := catalogue.nums.get(event.item_id or "")) is not None:
                out.add(num)
                if now - event.timestamp < RECENT_DAYS * DAY_S:
                    out.update(catalogue.variants(num))
        return out

    def never(self, catalogue: Catalogue, nums: IntArray) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
        """Which of the items (c,) the shopper never wants to see, by what they set."""
        out = np.zeros(len(nums), dtype=bool)
        for key, weight in self.taste.items():
            if weight <= NEVER:
                out |= catalogue.matching(key)[nums]
        return out

    def bumps(self, catalogue: Catalogue, nums: IntArray, likeness: Callable[[int], FloatArray] | None) -> FloatArray:
        """What is added to the scores of items (c,) by hand-set tastes, dislikes and prices called too dear.

        ``likeness`` gives the cosine (c,) of the looks of the items with those of one item.
        """
        out = np.zeros(len(nums), dtype=np.float32)
        for key, weight in self.taste.items():
            out += np.where(catalogue.matching(key)[nums], np.float32(TASTE_STRENGTH * weight), np.float32(0.0))
        for one in self.feedback:
            num = catalogue.nums.get(one.item_id)
            if num is None:
                continue
            if one.kind == "dislike" and likeness is not None:
                out -= np.float32(DISLIKE_COST) * np.maximum(likeness(num), 0.0) ** 2
            elif one.kind == "too_dear":
                out -= np.float32(TOO_DEAR_COST) * (self._as_dear(catalogue, num, nums))
        return out

    @staticmethod
    def _as_dear(catalogue: Catalogue, num: int, nums: IntArray) -> FloatArray:
        """1 where an item (c,) of the same category costs as much as one item, or more."""
        dear = catalogue.price[nums] >= catalogue.price[num]
        category = catalogue.attributes.get(CATEGORY)
        if category is not None and category.rows[num] != UNKNOWN:
            dear &= category.rows[nums] == category.rows[num]
        made: FloatArray = np.asarray(dear, dtype=np.float32)
        return made


def chips_of(shopper: Shopper, catalogue: Catalogue, now: int, label: Callable[[str, str], str]) -> tuple[Chip, ...]:
    """A shopper's tastes: what their past holds more of than the catalogue does, and what they set by hand.

    Args:
        shopper: who.
        catalogue: what there is.
        now: seconds since 1970 UTC.
        label: what to call a value of an attribute.
    """
    learned = _learned(shopper, catalogue, now)
    keys = sorted(learned, key=lambda key: -learned[key])[:MOST_CHIPS]
    keys = [*(key for key in shopper.taste if key not in keys), *keys]
    chips = []
    for key in keys:
        name, _, value = key.partition("=")
        own = shopper.taste.get(key)
        weight = learned.get(key, 0.0) if own is None else own
        chips.append(Chip(key, label(name, value), round(weight, 3), round(learned.get(key, 0.0), 3), own is not None))
    return tuple(chips)


def _learned(shopper: Shopper, catalogue: Catalogue, now: int) -> dict[str, float]:
    """How much larger the share of each value is in the past than in the catalogue, from 0 to 1."""
    histories = shopper.histories(catalogue, now)
    weights = event_weights(histories.events)
    if not weights.sum():
        return {}
    found: dict[str, float] = {}
    for name, codes in catalogue.attributes.items():
        rows, alive = codes.rows, catalogue.alive
        usual = np.bincount(rows[alive & (rows != UNKNOWN)], minlength=len(codes.values)).astype(np.float64)
        own_codes = rows[histories.item_nums]
        there = own_codes != UNKNOWN
        if not there.any() or usual.sum() == 0:
            continue
        own = np.bincount(own_codes[there], weights[there], minlength=len(codes.values))
        lift = own / own.sum() - usual / usual.sum()
        found |= {f"{name}={codes.values[code]}": float(lift[code]) for code in np.flatnonzero(lift > LEAST_LIFT)}
    return found
