"""Why an item was recommended: what its score loses when something is left out.

Modalities and past items are left out one after the other, and the whole ranking is computed again, so
that a reason is a measurement and not a guess.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from modaloom.messages import messages
from modaloom.models.behaviour import event_weights
from modaloom.models.towers import SERVED_HISTORY
from modaloom.numerics import squashed_zscore
from modaloom.recommend.ranker import Ranker
from modaloom.types import BoolArray, FloatArray, Histories, IntArray, Reason, Snapshot

MAX_LEFT_OUT = 12
"""At most this many of the newest distinct past items are left out in turn."""
LEAST_CONTRIBUTION = 0.05
"""Smaller drops, in units of the blended score, are no reason."""
NEW_DAYS = 60


def modality_contributions(ranker: Ranker, histories: Histories, full: FloatArray) -> dict[str, FloatArray]:
    """Drop (b, n) of every score when one modality is left out, by modality."""
    without = ranker.without_each(histories, ranker.modalities)
    return {modality: full - left for modality, left in without.items()}


def item_contributions(ranker: Ranker, histories: Histories, full: FloatArray) -> dict[int, FloatArray]:
    """Drop (n,) of every score when one past item of a single shopper is left out, by item number."""
    items, positive = histories.item_nums, event_weights(histories.events) > 0
    distinct = list(dict.fromkeys(items[positive][::-1][:SERVED_HISTORY].tolist()))[:MAX_LEFT_OUT]
    if len(distinct) < 1:
        return {}
    without = [leave_out(histories, item) for item in distinct]
    scores = np.concatenate([ranker.score(history) for history in without])
    return {item: full[0] - row for item, row in zip(distinct, scores, strict=True)}


def leave_out(histories: Histories, item: int) -> Histories:
    """The past of a single shopper without any event on one item."""
    keep = histories.item_nums != item
    return Histories(
        user_nums=histories.user_nums,
        offsets=np.array([0, int(keep.sum())], dtype=np.int64),
        item_nums=histories.item_nums[keep],
        events=histories.events[keep],
        timestamps=histories.timestamps[keep],
        now=histories.now,
    )


def explain(
    ranker: Ranker, snapshot: Snapshot, histories: Histories, scores: FloatArray, picks: IntArray
) -> list[tuple[Reason, ...]]:
    """Reasons for each of the picked items of a single shopper, the weightiest first."""
    by_modality = modality_contributions(ranker, histories, scores)
    by_item = item_contributions(ranker, histories, scores)
    demand = _demand(ranker, len(scores[0]))
    fresh = new_items(snapshot)
    ids = snapshot.items["item_id"]
    targets = np.isin(histories.events, [int(event) for event in snapshot.target_events])
    had = set(histories.item_nums[targets].tolist())  # to have looked at something is not to have had it
    reasons = []
    for item in picks.tolist():
        found = [
            Reason("modality", modality, float(drop[0, item]))
            for modality, drop in by_modality.items()
            if drop[0, item] > LEAST_CONTRIBUTION
        ]
        past = {num: float(drop[item]) for num, drop in by_item.items() if num != item}
        if past:
            nearest = max(past, key=lambda num: past[num])
            if past[nearest] > LEAST_CONTRIBUTION:
                found.append(Reason("item", str(ids[nearest]), past[nearest]))
        if item in had:
            found.append(
                Reason("repurchase", str(ids[item]), max((reason.contribution for reason in found), default=1.0))
            )
        if demand[item] > LEAST_CONTRIBUTION:
            found.append(Reason("new" if fresh[item] else "popular", "", float(demand[item])))
        reasons.append(tuple(sorted(found, key=lambda reason: -reason.contribution)))
    return reasons


def _demand(ranker: Ranker, n_items: int) -> FloatArray:
    """What the demand part gives each item (n,) above the catalogue's mean."""
    part, weight = ranker.part("demand"), ranker.weights.get("demand", 0.0)
    if part is None or not weight:
        return np.zeros(n_items, dtype=np.float32)
    scores = part.score(Histories.from_lists([[]], now=0))
    result: FloatArray = weight * squashed_zscore(scores)[0]
    return result


def new_items(snapshot: Snapshot) -> BoolArray:
    """Items (n,) that were never sold, and, where dates are known, were released in the last weeks."""
    sold = np.zeros(snapshot.n_items, dtype=bool)
    sold[snapshot.targets()["item_num"].to_numpy()] = True
    released = snapshot.items["released_at"]
    if released.null_count() == snapshot.n_items:
        return ~sold
    recent: BoolArray = (released >= snapshot.now - NEW_DAYS * 86_400).fill_null(False).to_numpy()
    return ~sold & recent


def in_words(reasons: Sequence[Reason], snapshot: Snapshot, language: str, *, most: int = 2) -> list[str]:
    """The weightiest reasons as sentences; a modality is told together with the past item it comes from."""
    say = messages(language)
    past = next((reason for reason in reasons if reason.kind == "item"), None)
    told = False  # which past item it comes from
    sentences: list[str] = []
    for reason in reasons:
        if reason.kind == "modality":
            if past is not None and not told:
                told = True
                name = item_name(snapshot, past.subject, language)
                sentences.append(say["modality_item"][reason.subject].format(item=name))
            else:
                sentences.append(say["modality"][reason.subject])
        elif reason.kind == "item":
            if not any(other.kind == "modality" for other in reasons):
                sentences.append(say["reason"]["item"].format(item=item_name(snapshot, reason.subject, language)))
        elif reason.kind == "words":
            sentences.append(say["reason"]["words"].format(words=reason.subject))
        else:
            sentences.append(say["reason"][reason.kind])
    return list(dict.fromkeys(sentences))[:most] or [say["reason"]["popular"]]


def item_name(snapshot: Snapshot, item_id: str, language: str) -> str:
    """An item's title in one language, else in any, else its id."""
    row = snapshot.items.filter(pl.col("item_id") == item_id).select(f"title_{language}", "title").row(0)
    return row[0] or row[1] or item_id
