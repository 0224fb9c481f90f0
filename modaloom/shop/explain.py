"""Why an item was recommended: what its score loses when something is left out.

Modalities and past items are left out one after the other, and the picked items are scored again, so that a
reason is a measurement and not a guess. Only what was picked is looked at: the cost does not grow with the
catalogue.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import NamedTuple, overload

import numpy as np
import polars as pl

from modaloom.messages import inside, messages
from modaloom.ranking.ranker import Contributions
from modaloom.shop.words import as_read
from modaloom.types import DAY_S, BoolArray, Event, IntArray, Reason

LEAST_CONTRIBUTION = 0.05
"""Smaller drops, in units of the blended score, are no reason."""
NEW_DAYS = 60
RANGE = "range"
"""The kind of reason that claims nothing: the item is there. It is told where nothing else would be true."""


class Said(NamedTuple):
    """A reason in words."""

    text: str
    reason: Reason
    item_id: str | None = None  # the past item that it names


class Known(NamedTuple):
    """What decides which reasons would be true of c picked items."""

    had: frozenset[int]  # numbers of the items that the shopper had before
    new: BoolArray  # (c,)
    sold: BoolArray  # (c,) whether it has a target event: else it is not popular, and nobody chose it with others
    sells: bool = True  # whether target events are sales, see :func:`tells_sales`


def reasons_of(
    made: Contributions, picks: IntArray, known: Known, ids: Sequence[str] | pl.Series
) -> list[tuple[Reason, ...]]:
    """The contributions that are large enough to be told and true, for each picked item (c,).

    Args:
        made: what gave them their scores.
        picks: item numbers (c,).
        known: what is known of them.
        ids: item ids by number.
    """
    names = list(made.by_modality)
    drops = np.array(list(made.by_modality.values()), dtype=np.float32).reshape(len(names), len(picks)).T.tolist()
    past, nearest, most = _nearest(made, picks)
    had, scores, new, sold = known.had, made.scores.tolist(), known.new.tolist(), known.sold.tolist()
    to_all = np.where(known.new, made.demand + made.newness, made.demand).tolist()  # to be new is not to sell well
    named, popular = [str(ids[num]) for num in past], "popular" if known.sells else "viewed"
    reasons = []
    for place, item in enumerate(picks.tolist()):
        found = [
            Reason("modality", modality, drop)
            for modality, drop in zip(names, drops[place], strict=True)
            if drop > LEAST_CONTRIBUTION and (modality != "behaviour" or sold[place])
        ]
        if most[place] > LEAST_CONTRIBUTION:
            found.append(Reason("item", named[nearest[place]], most[place]))
        if item in had:
            weightiest = max((reason.contribution for reason in found), default=1.0)
            found.append(Reason("repurchase", str(ids[item]), weightiest))
        kind = "new" if new[place] else popular if sold[place] else RANGE
        if to_all[place] > LEAST_CONTRIBUTION and kind != RANGE:
            found.append(Reason(kind, "", to_all[place]))
        if not found and not past:  # nothing is known of the shopper: all of the score is for everybody
            found = [Reason(kind, "", max(scores[place], 0.0))]
        found.sort(key=_contribution, reverse=True)
        reasons.append(tuple(found))
    return reasons


_contribution = attrgetter("contribution")


def _nearest(made: Contributions, picks: IntArray) -> tuple[list[int], list[int], list[float]]:
    """Past items, and for each picked item (c,) which of them gave it most, itself left aside, and how much."""
    past = list(made.by_item)
    if not past:
        return past, [0] * len(picks), [-np.inf] * len(picks)
    drops = np.array(list(made.by_item.values()), dtype=np.float32)
    drops[np.array(past)[:, None] == picks] = -np.inf
    nearest = drops.argmax(axis=0)
    return past, nearest.tolist(), drops[nearest, np.arange(len(picks))].tolist()


@overload
def is_new(released_at: int, came_later: bool, now: int) -> bool: ...
@overload
def is_new(released_at: IntArray, came_later: BoolArray, now: int) -> BoolArray: ...
def is_new(released_at: int | IntArray, came_later: bool | BoolArray, now: int) -> bool | BoolArray:
    """Whether an item, or each of many (c,), is new: on the page, among the new ones and in reasons alike.

    It is where it was released in the last :data:`NEW_DAYS` days, whether or not it sold since; of an item without
    a date, where it came in after the bundle was learned.

    Args:
        released_at: seconds since 1970 UTC; 0 where no date is known.
        came_later: whether it came in after learning.
        now: seconds since 1970 UTC.
    """
    age_s = now - released_at
    released_lately = (released_at != 0) & (age_s >= 0) & (age_s < NEW_DAYS * DAY_S)
    return released_lately | (came_later & (released_at == 0))


def tells_sales(targets: Sequence[Event]) -> bool:
    """Whether any of a shop's target events means that somebody has the item."""
    return Event.PURCHASE in targets or Event.RATING in targets


def in_words(reasons: Sequence[Reason], name_of: Callable[[str], str], language: str, *, most: int = 2) -> list[Said]:
    """The weightiest reasons as sentences; a modality is told together with the past item it comes from.

    Args:
        reasons: the weightiest first.
        name_of: an item's title by its id.
        language: of the sentences.
        most: how many.
    """
    say = messages(language)
    kinds = [reason.kind for reason in reasons]
    past = reasons[kinds.index("item")] if "item" in kinds else None
    by_modality = "modality" in kinds
    told = False  # which past item it comes from
    sentences: dict[str, Said] = {}
    for reason in reasons:
        kind, subject, _ = reason
        item_id = None
        if kind == "modality":
            if past is not None and not told:
                told, item_id = True, past.subject
                text = say["modality_item"][subject].format(item=inside(name_of(item_id)))
            else:
                text = say["modality"][subject]
        elif kind == "item":
            if by_modality:
                continue
            item_id = subject
            text = say["reason"]["item"].format(item=inside(name_of(item_id)))
        elif kind == "words":
            text = say["reason"]["words"].format(words=as_read(subject))
        else:
            text = say["reason"][kind]
        if text not in sentences:
            sentences[text] = Said(text, reason, item_id)
            if len(sentences) == most:
                break
    return list(sentences.values()) or [Said(say["reason"][RANGE], Reason(RANGE, "", 0.0))]
