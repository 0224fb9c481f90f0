"""Lists of one bundle: boosts, caps, exploring, given scores and what the model looks at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from modaloom.config import load_settings
from modaloom.data.shop import items_of
from modaloom.errors import QueryError
from modaloom.ranking.ranker import Ranker
from modaloom.shop.bundle import load_bundle
from modaloom.shop.recommender import Guide
from modaloom.shop.requests import Ask, Rules
from modaloom.shop.shopper import Shopper
from modaloom.storage.contract import ItemChange
from modaloom.types import Reason

NOBODY = Shopper(None)


@pytest.fixture(scope="module")
def guide(sample_bundle: Path) -> Iterator[Guide]:
    bundle = load_bundle(sample_bundle)
    made = Guide("g", bundle, load_settings())
    items = items_of(bundle.snapshot.items, bundle.pictures_root)
    made.placing.apply([ItemChange(num, item.item_id, item) for num, item in enumerate(items, start=1)])
    assert not made.placing.waiting(), "what the bundle knows is not read again"
    yield made
    made.placing.stop()


def now_of(guide: Guide) -> int:
    return guide.bundle.snapshot.now


def ids(guide: Guide, ask: Ask, shopper: Shopper = NOBODY) -> list[str]:
    return [card.item_id for card in guide.for_shopper(ask, shopper, now_of(guide))]


def everything(**rules: object) -> Ask:
    return Ask(n=200, diversity=0.0, why=False, rules=Rules(**rules))  # type: ignore[arg-type]


def test_boosting_raises_and_burying_lowers(guide: Guide) -> None:
    usual = ids(guide, everything())
    last, first = usual[-1], usual[0]
    assert ids(guide, everything(boost={f"item={last}": 50.0}))[0] == last
    assert ids(guide, everything(boost={f"item={first}": -50.0}))[-1] == first
    category = guide.catalogue.value("category", guide.catalogue.nums[last])
    boosted = ids(guide, everything(boost={f"category={category}": 50.0}))
    there = [guide.catalogue.value("category", guide.catalogue.nums[item]) == category for item in boosted]
    assert there == sorted(there, reverse=True), "all of them come first"


def test_one_card_a_model(guide: Guide) -> None:
    groups = [int(guide.catalogue.group[guide.catalogue.nums[item]]) for item in ids(guide, everything())]
    assert len(set(groups)) == len(groups)


def test_a_cap_holds_where_there_is_enough_else(guide: Guide) -> None:
    listed = ids(guide, Ask(n=8, rules=Rules(category_cap=2)))
    counts = Counter(guide.catalogue.value("category", guide.catalogue.nums[item]) for item in listed)
    assert len(listed) == 8
    assert max(counts.values()) <= 2


def test_given_scores_are_followed_and_endless_ones_left_out(guide: Guide) -> None:
    order = np.random.default_rng(0).permutation(len(guide.catalogue)).astype(np.float32)
    order[3] = -np.inf
    cards = guide.listed(order, lambda _: Reason("popular", "", 1.0), everything(), NOBODY, now_of(guide))
    scores = [order[guide.catalogue.nums[card.item_id]] for card in cards]
    assert scores == sorted(scores, reverse=True)
    assert guide.catalogue.ids[3] not in {card.item_id for card in cards}


def test_exploring_shows_what_little_is_known_of_and_says_so(guide: Guide, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guide, "_sold", guide._sold & (np.arange(len(guide.catalogue)) % 3 > 0))
    fresh = guide.never_sold()
    assert 0 < fresh.sum() < len(fresh)
    cards = guide.for_shopper(Ask(n=10, explore=0.3), NOBODY, now_of(guide))
    explored = [card for card in cards if card.explored]
    assert 1 <= len(explored) <= 3
    assert not cards[0].explored
    for card in explored:
        assert fresh[guide.catalogue.nums[card.item_id]]
        assert card.why[0].kind == "explore"
    assert not any(card.explored for card in guide.for_shopper(Ask(n=10), NOBODY, now_of(guide)))


def test_what_the_model_looks_at_sums_to_one(guide: Guide) -> None:
    table = guide.ranker.table
    assert table is not None
    for num in range(5):
        shares = guide.attention(num)
        assert set(shares) == set(table.modalities)
        assert sum(shares.values()) == pytest.approx(1.0, abs=1e-3)


def test_where_nothing_tells_items_apart_nothing_is_similar(guide: Guide, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a shop of bare ids whose blend is what sells."""
    demand = guide.ranker.part("demand")
    assert demand is not None
    monkeypatch.setattr(guide, "ranker", Ranker({"demand": 1.0}, (demand,)))
    assert guide.similar(0, Ask(), NOBODY, now_of(guide)) == []
    assert guide.goes_with(0, Ask(), NOBODY, now_of(guide)) == []


def test_words_that_nobody_says_find_nothing(guide: Guide, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a shop that brought its own vectors, so that no encoder tells what the words mean."""
    monkeypatch.setitem(guide.bundle.config["encoders"], "text", "shop:text")
    assert guide.search(Ask(), NOBODY, now_of(guide), text="xylophone", photo=None) == []
    assert guide.search(Ask(), NOBODY, now_of(guide), text="dress", photo=None)
    for nothing in (None, "", " \n"):
        with pytest.raises(QueryError, match="Give words or a photo"):
            guide.search(Ask(), NOBODY, now_of(guide), text=nothing, photo=None)


def test_where_everything_is_sold_out_no_modality_decides(sample_bundle: Path) -> None:
    bundle = load_bundle(sample_bundle)
    made = Guide("empty", bundle, load_settings())  # no item has come in
    clicked = Shopper(None, clicked=made.catalogue.ids[:2])
    assert made.modality_shares(clicked, bundle.snapshot.now) == {}
    made.placing.stop()


def test_a_new_list_has_new_things_only(guide: Guide) -> None:
    cards = guide.for_shopper(everything(), NOBODY, now_of(guide), only_new=True)
    assert all(card.is_new for card in cards)
    later = now_of(guide) + 400 * 86_400
    assert guide.for_shopper(everything(), NOBODY, later, only_new=True) == []
