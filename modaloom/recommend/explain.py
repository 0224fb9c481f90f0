"""Why an item was recommended: what its score loses when something is left out.

Modalities and past items are left out one after the other, and the picked items are scored again, so that a
reason is a measurement and not a guess. Only what was picked is looked at: the cost does not grow with the
catalogue.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import NamedTuple

import numpy as np
import polars as pl

from modaloom.messages import inside, messages
from modaloom.ranking.personal import Contributions, Personal
from modaloom.ranking.ranker import Ranker
from modaloom.recommend.words import as_read
from modaloom.types import DAY_S, BoolArray, Histories, IntArray, Reason, Snapshot

LEAST_CONTRIBUTION = 0.05
"""Smaller drops, in units of the blended score, are no reason."""
NEW_DAYS = 60


class Said(NamedTuple):
    """A reason in words."""

    text: str
    reason: Reason
    item_id: str | None = None  # the past item that it names


def explain(ranker: Ranker, snapshot: Snapshot, histories: Histories, picks: IntArray) -> list[tuple[Reason, ...]]:
    """Reasons for each of the picked items of a single shopper, the weightiest first."""
    ids = snapshot.items["item_id"]
    targets = np.isin(histories.events, [int(event) for event in snapshot.target_events])
    had = frozenset(histories.item_nums[targets].tolist())  # to have looked at something is not to have had it
    return reasons_of(Personal(ranker, histories).contributions(picks), picks, had, new_items(snapshot)[picks], ids)


def reasons_of(
    made: Contributions, picks: IntArray, had: frozenset[int], fresh: BoolArray, ids: Sequence[str] | pl.Series
) -> list[tuple[Reason, ...]]:
    """The contributions that are large enough to be told, for each picked item (c,).

    Args:
        made: what gave them their scores.
        picks: item numbers (c,).
        had: numbers of the items that the shopper had before.
        fresh: which of the picked items (c,) are new.
        ids: item ids by number.
    """
    names = list(made.by_modality)
    drops = np.array(list(made.by_modality.values()), dtype=np.float32).reshape(len(names), len(picks)).T.tolist()
    past, nearest, most = _nearest(made, picks)
    scores, new = made.scores.tolist(), fresh.tolist()
    to_all = np.where(fresh, made.demand + made.newness, made.demand).tolist()  # to be new is not to sell well
    named = [str(ids[num]) for num in past]
    reasons = []
    for place, item in enumerate(picks.tolist()):
        found = [
            Reason("modality", modality, drop)
            for modality, drop in zip(names, drops[place], strict=True)
            if drop > LEAST_CONTRIBUTION
        ]
        if most[place] > LEAST_CONTRIBUTION:
            found.append(Reason("item", named[nearest[place]], most[place]))
        if item in had:
            weightiest = max((reason.contribution for reason in found), default=1.0)
            found.append(Reason("repurchase", str(ids[item]), weightiest))
        if to_all[place] > LEAST_CONTRIBUTION:
            found.append(Reason("new" if new[place] else "popular", "", to_all[place]))
        if not found and not past:  # nothing is known of the shopper: all of the score is for everybody
            found = [Reason("new" if new[place] else "popular", "", max(scores[place], 0.0))]
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


def new_items(snapshot: Snapshot) -> BoolArray:
    """Items (n,) that were never sold, and, where dates are known, were released in the last weeks."""
    sold = snapshot.ever_sold()
    released = snapshot.items["released_at"]
    if released.null_count() == snapshot.n_items:
        return ~sold
    recent: BoolArray = (released >= snapshot.now - NEW_DAYS * DAY_S).fill_null(False).to_numpy()
    return ~sold & recent


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
    return list(sentences.values()) or [Said(say["reason"]["popular"], Reason("popular", "", 0.0))]


def item_name(items: pl.DataFrame, num: int, language: str) -> str:
    """An item's title in one language, else in any, else its id."""
    names: tuple[str | None, ...] = items.select(f"title_{language}", "title", "item_id").row(num)
    return next(name for name in names if name)
