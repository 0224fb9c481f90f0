"""Reasons are measurements: what a score loses when something is left out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from modaloom.metrics import top_n
from modaloom.models.towers import SERVED_HISTORY
from modaloom.ranking.contract import HistoryBatch
from modaloom.ranking.ranker import MAX_LEFT_OUT, Ranker
from modaloom.shop.bundle import Bundle, load_bundle
from modaloom.shop.explain import LEAST_CONTRIBUTION, NEW_DAYS, Known, in_words, is_new, reasons_of, tells_sales
from modaloom.types import DAY_S, LANGUAGES, Event, Histories, Reason, Snapshot


def explain(ranker: Ranker, snapshot: Snapshot, histories: Histories, picks: np.ndarray) -> list[tuple[Reason, ...]]:
    """Reasons of picked items for a user of the log, as :mod:`modaloom.shop.recommender` asks for them."""
    targets = np.isin(histories.events, [int(event) for event in snapshot.target_events])
    released = snapshot.items["released_at"].fill_null(0).to_numpy()[picks]
    known = Known(
        had=frozenset(histories.item_nums[targets].tolist()),
        new=is_new(released, np.zeros(len(picks), dtype=bool), snapshot.now),
        sold=snapshot.ever_sold()[picks],
        sells=tells_sales(snapshot.target_events),
    )
    contributions = ranker.contributions(HistoryBatch(histories), picks)
    return reasons_of(contributions, picks, known, snapshot.items["item_id"])


@pytest.fixture(scope="module")
def bundle(sample_bundle: Path) -> Bundle:
    return load_bundle(sample_bundle)


@pytest.fixture(scope="module")
def shopper(bundle: Bundle) -> Histories:
    """Somebody with a past of several things."""
    counts = bundle.snapshot.targets()["user_num"].value_counts(sort=True)
    histories = bundle.snapshot.histories(counts["user_num"].to_numpy()[1:2])
    newest = slice(-SERVED_HISTORY, None)  # leaving one out must not bring in an older one
    return Histories(
        user_nums=histories.user_nums,
        offsets=np.array([0, len(histories.item_nums[newest])]),
        item_nums=histories.item_nums[newest],
        events=histories.events[newest],
        timestamps=histories.timestamps[newest],
        now=histories.now,
    )


def test_a_past_item_gave_what_rescoring_without_it_says(bundle: Bundle, shopper: Histories) -> None:
    ranker = bundle.ranker
    everything = np.arange(bundle.snapshot.n_items)
    made = ranker.contributions(HistoryBatch(shopper), everything)
    np.testing.assert_allclose(made.scores, ranker.total(HistoryBatch(shopper), everything)[0], atol=1e-4)
    drops = made.by_item
    assert 2 <= len(drops) <= MAX_LEFT_OUT
    for item, drop in drops.items():
        keep = [place for place, num in enumerate(shopper.item_nums.tolist()) if num != item]
        by_hand = Histories(
            user_nums=shopper.user_nums,
            offsets=np.array([0, len(keep)]),
            item_nums=shopper.item_nums[keep],
            events=shopper.events[keep],
            timestamps=shopper.timestamps[keep],
            now=shopper.now,
        )
        left = ranker.total(HistoryBatch(by_hand), everything)[0]
        drops_by_hand = made.scores - left
        np.testing.assert_allclose(
            drop, drops_by_hand, atol=0.2
        )  # the shopper's weights of modalities stay as they were
        assert np.corrcoef(drop, drops_by_hand)[0, 1] > 0.99
    assert max(np.abs(drop).max() for drop in drops.values()) > LEAST_CONTRIBUTION


def test_a_modality_gave_what_its_parts_gave(bundle: Bundle, shopper: Histories) -> None:
    """Without the fusion, leaving out a modality is leaving out its parts and nothing else."""
    parts = {name: 0.5 for name in ("demand", "image", "text", "linear") if bundle.ranker.part(name)}
    ranker = Ranker(parts, bundle.ranker.parts)
    everything = np.arange(bundle.snapshot.n_items)
    full = ranker.total(HistoryBatch(shopper), everything)
    drops = ranker.contributions(HistoryBatch(shopper), everything).by_modality
    modality_of = {"image": "image", "text": "text", "linear": "behaviour"}
    assert set(drops) == {modality_of[name] for name in parts if name != "demand"}
    for part, modality in modality_of.items():
        if part in parts:
            rest = Ranker({name: weight for name, weight in parts.items() if name != part}, bundle.ranker.parts)
            np.testing.assert_allclose(
                drops[modality], (full - rest.total(HistoryBatch(shopper), everything))[0], atol=1e-4
            )


def test_reasons_are_the_contributions_the_weightiest_first(bundle: Bundle, shopper: Histories) -> None:
    ranker, full = bundle.ranker, bundle.ranker.score(shopper)
    picks = top_n(full, 10, bundle.snapshot.may_be_shown(shopper))[0]
    made = ranker.contributions(HistoryBatch(shopper), picks)
    ids = bundle.snapshot.items["item_id"].to_list()
    found = explain(ranker, bundle.snapshot, shopper, picks)
    assert len(found) == 10
    for place, (item, reasons) in enumerate(zip(picks.tolist(), found, strict=True)):
        sizes = [reason.contribution for reason in reasons]
        assert sizes == sorted(sizes, reverse=True)
        assert all(size > LEAST_CONTRIBUTION for size in sizes)
        for reason in reasons:
            if reason.kind == "modality":
                assert reason.contribution == pytest.approx(float(made.by_modality[reason.subject][place]))
            if reason.kind == "item":
                drops = {ids[num]: float(drop[place]) for num, drop in made.by_item.items() if num != item}
                assert reason.contribution == pytest.approx(max(drops.values()))
                assert drops[reason.subject] == max(drops.values())
    assert {reason.kind for reasons in found for reason in reasons} >= {"modality", "item"}


def past_of(event: Event, snapshot: Snapshot) -> Histories:
    return Histories.from_lists([[3, 4]], now=snapshot.now, event=event)


def test_you_had_it_before_is_said_of_purchases_only(bundle: Bundle) -> None:
    """To have looked at something is not to have had it."""
    picks = np.array([3, 4, 5])
    for event, expected in ((Event.PURCHASE, {3, 4}), (Event.VIEW, set()), (Event.CART, set())):
        past = past_of(event, bundle.snapshot)
        found = explain(bundle.ranker, bundle.snapshot, past, picks)
        had = {
            item
            for item, reasons in zip(picks.tolist(), found, strict=True)
            if any(reason.kind == "repurchase" for reason in reasons)
        }
        assert had == expected, event
    wide = replace(bundle.snapshot, target_events=(Event.VIEW,))
    past = past_of(Event.VIEW, wide)
    found = explain(bundle.ranker, wide, past, picks)
    assert any(reason.kind == "repurchase" for reason in found[0]), "where views are the target, they count"


def test_an_empty_past_has_only_demand_to_tell(bundle: Bundle) -> None:
    nobody = Histories.from_lists([[]], now=bundle.snapshot.now)
    full = bundle.ranker.score(nobody)
    assert not bundle.ranker.contributions(HistoryBatch(nobody), np.arange(5)).by_item
    kinds = {
        reason.kind
        for reasons in explain(bundle.ranker, bundle.snapshot, nobody, np.argsort(-full[0])[:10])
        for reason in reasons
    }
    assert "item" not in kinds
    assert kinds & {"popular", "new"}


def test_without_demand_nothing_is_popular(bundle: Bundle, shopper: Histories) -> None:
    ranker = Ranker({"text": 1.0}, bundle.ranker.parts)
    full = ranker.score(shopper)
    found = explain(ranker, bundle.snapshot, shopper, np.argsort(-full[0])[:10])
    assert not {reason.kind for reasons in found for reason in reasons} & {"popular", "new"}


@pytest.mark.parametrize(
    ("released_days_ago", "came_later", "new"),
    [
        (0, False, True),
        (NEW_DAYS - 1, False, True),
        (NEW_DAYS, True, False),
        (-1, True, False),
        (None, True, True),
        (None, False, False),
        (100 * 365, True, False),  # before 1970
    ],
)
def test_one_definition_of_new(released_days_ago: int | None, came_later: bool, new: bool) -> None:
    now = 1_800_000_000
    released_at = 0 if released_days_ago is None else now - released_days_ago * DAY_S
    assert is_new(released_at, came_later, now) is new
    assert is_new(np.array([released_at]), np.array([came_later]), now).tolist() == [new]


def test_nothing_is_popular_that_nobody_bought(bundle: Bundle, shopper: Histories) -> None:
    picks = np.argsort(-bundle.ranker.score(shopper)[0])[:20]
    unsold = replace(bundle.snapshot, interactions=bundle.snapshot.interactions.clear(), sold=None)
    undated = replace(unsold, items=unsold.items.with_columns(released_at=None).cast({"released_at": int}))
    nobody = Histories.from_lists([[]], now=bundle.snapshot.now)
    for past in (shopper, nobody):
        told = {(one.kind, one.subject) for row in explain(bundle.ranker, undated, past, picks) for one in row}
        assert not {("popular", ""), ("new", ""), ("modality", "behaviour")} & told
    assert told == {("range", "")}
    liked = replace(bundle.snapshot, target_events=(Event.VIEW, Event.PURCHASE))
    looked = replace(liked, target_events=(Event.VIEW,))
    kinds = [
        {one.kind for row in explain(bundle.ranker, shop, nobody, picks) for one in row} for shop in (liked, looked)
    ]
    assert "viewed" not in kinds[0]
    assert "popular" not in kinds[1]


@pytest.mark.parametrize(
    ("reasons", "english"),
    [
        ([("modality", "image"), ("item", "M00003")], ["looks like “{title}”"]),
        (
            [("modality", "text"), ("modality", "image"), ("item", "M00003")],
            ["is described like “{title}”", "looks like what you choose"],
        ),
        ([("modality", "behaviour")], ["shoppers with your taste choose it"]),
        ([("item", "M00003"), ("popular", "")], ["because you chose “{title}”", "sells well now"]),
        ([("repurchase", "M00003"), ("new", ""), ("popular", "")], ["you had it before", "new in the shop"]),
        ([("photo", "")], ["looks like your photo"]),
        ([("words", "red dress")], ["matches “red dress”"]),
        ([("words", "羊毛 大衣 coat")], ["matches “羊毛、大衣 coat”"]),
        ([("meaning", "")], ["close in meaning to what you asked for"]),
        ([], ["in the shop's range"]),
        ([("viewed", "")], ["looked at lately"]),
    ],
)
def test_in_words(bundle: Bundle, reasons: list[tuple[str, str]], english: list[str]) -> None:
    given = [Reason(kind, subject, 1.0 - place / 10) for place, (kind, subject) in enumerate(reasons)]
    items = bundle.snapshot.items
    names = dict(zip(items["item_id"], items["title_en"], strict=True))
    title = names["M00003"]
    said = {language: in_words(given, names.__getitem__, language) for language in LANGUAGES}
    assert [one.text for one in said["en"]] == [line.format(title=title) for line in english]
    chinese = [one.text for one in said["zh"]]
    assert len(chinese) == len(english)
    assert all(any("\u4e00" <= letter <= "\u9fff" for letter in line) for line in chinese)


@pytest.mark.parametrize(
    ("language", "told"), [("en", "looks like “A ‘Sorrel’ jumper”"), ("zh", "样子像“A ‘Sorrel’ jumper”")]
)
def test_quotation_marks_inside_others_are_single(language: str, told: str) -> None:
    reasons = [Reason("modality", "image", 1.0), Reason("item", "M1", 0.5)]
    assert in_words(reasons, lambda _: "A “Sorrel” jumper", language)[0].text == told
