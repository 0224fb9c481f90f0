"""Why an item was recommended: what its score loses when something is left out.

Modalities and past items are left out one after the other, and the picked items are scored again, so that a
reason is a measurement and not a guess. Only what was picked is looked at: the cost does not grow with the
catalogue.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import polars as pl

from modaloom.messages import messages
from modaloom.ranking.personal import Contributions, Personal
from modaloom.ranking.ranker import Ranker
from modaloom.types import BoolArray, Histories, IntArray, Reason, Snapshot

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
    reasons = []
    for place, item in enumerate(picks.tolist()):
        found = [
            Reason("modality", modality, float(drop[place]))
            for modality, drop in made.by_modality.items()
            if drop[place] > LEAST_CONTRIBUTION
        ]
        past = {num: float(drop[place]) for num, drop in made.by_item.items() if num != item}
        if past:
            nearest = max(past, key=lambda num: past[num])
            if past[nearest] > LEAST_CONTRIBUTION:
                found.append(Reason("item", str(ids[nearest]), past[nearest]))
        if item in had:
            found.append(
                Reason("repurchase", str(ids[item]), max((reason.contribution for reason in found), default=1.0))
            )
        if made.demand[place] > LEAST_CONTRIBUTION:
            found.append(Reason("new" if fresh[place] else "popular", "", float(made.demand[place])))
        if not found and not made.by_item:  # nothing is known of the shopper: all of the score is for everybody
            found = [Reason("new" if fresh[place] else "popular", "", max(float(made.scores[place]), 0.0))]
        reasons.append(tuple(sorted(found, key=lambda reason: -reason.contribution)))
    return reasons


def new_items(snapshot: Snapshot) -> BoolArray:
    """Items (n,) that were never sold, and, where dates are known, were released in the last weeks."""
    sold = np.zeros(snapshot.n_items, dtype=bool)
    sold[snapshot.targets()["item_num"].to_numpy()] = True
    released = snapshot.items["released_at"]
    if released.null_count() == snapshot.n_items:
        return ~sold
    recent: BoolArray = (released >= snapshot.now - NEW_DAYS * 86_400).fill_null(False).to_numpy()
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
    past = next((reason for reason in reasons if reason.kind == "item"), None)
    told = False  # which past item it comes from
    sentences: list[Said] = []
    for reason in reasons:
        if reason.kind == "modality":
            if past is not None and not told:
                told = True
                text = say["modality_item"][reason.subject].format(item=name_of(past.subject))
                sentences.append(Said(text, reason, past.subject))
            else:
                sentences.append(Said(say["modality"][reason.subject], reason))
        elif reason.kind == "item":
            if not any(other.kind == "modality" for other in reasons):
                text = say["reason"]["item"].format(item=name_of(reason.subject))
                sentences.append(Said(text, reason, reason.subject))
        elif reason.kind == "words":
            sentences.append(Said(say["reason"]["words"].format(words=reason.subject), reason))
        else:
            sentences.append(Said(say["reason"][reason.kind], reason))
    unlike = list({said.text: said for said in reversed(sentences)}.values())[::-1]
    return unlike[:most] or [Said(say["reason"]["popular"], Reason("popular", "", 0.0))]


def item_name(snapshot: Snapshot, item_id: str, language: str) -> str:
    """An item's title in one language, else in any, else its id."""
    row = snapshot.items.filter(pl.col("item_id") == item_id).select(f"title_{language}", "title").row(0)
    return row[0] or row[1] or item_id
