"""A live shop answers from the store's present state: what comes, goes, is bought or said changes the next list."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from modaloom.config import load_settings
from modaloom.data.shop import load_shop
from modaloom.errors import NotFoundError, PictureError, QueryError
from modaloom.learning import LearnOptions, train_bundle
from modaloom.shop.live import Activity, LiveShop
from modaloom.shop.open import open_live_shop
from modaloom.shop.requests import Answer, Ask, Rules
from modaloom.storage.contract import Feedback, ShopUser
from modaloom.types import LANGUAGES, Event, Interaction

Open = Callable[[], LiveShop]


def ids(answer: Answer) -> list[str]:
    return [card.item_id for card in answer.cards]


def a_shopper(live: LiveShop) -> str:
    """Somebody with a past of several things."""
    return max(live.store.user_ids(), key=lambda user: len(live.store.history(user)))


def act(live: LiveShop, user: str, item: str, event: Event) -> None:
    live.store.add_interactions([Interaction(user, item, event, live.clock())])


def test_a_known_shopper_gets_a_list_of_their_own_with_reasons(live: LiveShop) -> None:
    user = a_shopper(live)
    answer, general = live.home(Ask(user_id=user, n=10)), live.home(Ask(n=10))
    assert answer.personal
    assert len(ids(answer)) == 10 == len(set(ids(answer)))
    assert ids(answer) != ids(general)
    assert not general.personal
    assert general.note == "cold"
    assert all(card.why and all(why.text for why in card.why) for card in answer.cards)
    past = {event.item_id for event in live.store.history(user)}
    told = {why.item_id for card in answer.cards for why in card.why if why.item_id}
    assert told
    assert told <= past, "a reason names what the shopper really had"
    assert ids(live.home(Ask(user_id="a newcomer", n=10))) == ids(general)
    assert not any(card.why for card in live.home(Ask(user_id=user, n=5, why=False)).cards)


def test_both_languages(live: LiveShop) -> None:
    user = a_shopper(live)
    chinese, english = (live.home(Ask(user_id=user, n=8, language=language)) for language in ("zh", "en"))
    assert ids(chinese) == ids(english)
    assert any("\u4e00" <= letter <= "\u9fff" for letter in chinese.cards[0].title + chinese.cards[0].why[0].text)
    categories = {card.category for card in chinese.cards} - {None}
    assert all(any("\u4e00" <= letter <= "\u9fff" for letter in str(name)) for name in categories if name != "Polo衫")
    with pytest.raises(QueryError, match="unknown language"):
        live.home(Ask(language="fr"))


def test_one_and_two_clicks_already_change_the_list(live: LiveShop) -> None:
    start = live.home(Ask(n=10))
    lists = [ids(start)]
    for clicks in (1, 2):
        clicked = tuple(ids(start)[-clicks:])
        answer = live.home(Ask(n=10, clicked=clicked))
        assert answer.personal
        assert any(why.item_id in clicked for card in answer.cards for why in card.why)
        lists.append(ids(answer))
    assert lists[0] != lists[1] != lists[2]


def test_what_was_just_bought_does_not_come_back(live: LiveShop) -> None:
    user, first = "somebody", live.home(Ask(user_id="somebody", n=5)).cards[0]
    act(live, user, first.item_id, Event.PURCHASE)
    everything = ids(live.home(Ask(user_id=user, n=56)))
    assert first.item_id not in everything
    assert not {swatch.item_id for swatch in first.swatches} & set(everything), "nor in another colour"
    again = ids(live.home(Ask(user_id=user, n=56, rules=Rules(hide_bought=False))))
    assert first.item_id in again or any(swatch.item_id in again for swatch in first.swatches)


def test_what_is_sold_out_or_deleted_is_gone_at_once(live: LiveShop, open_shop: Open) -> None:
    other = open_shop()  # another process on the same store
    first, second = ids(live.home(Ask(n=5)))[:2]
    item = live.store.items([first])[first]
    live.store.upsert_items([replace(item, stock=0)])
    live.store.delete_items([second])
    for shop in (live, other):
        listed = ids(shop.home(Ask(n=56)))
        assert first not in listed
        assert second not in listed
        assert second not in ids(shop.trending(Ask(n=56))) + ids(shop.search(Ask(n=56), text="shirt"))
        with pytest.raises(NotFoundError):
            shop.item(second, "en")
        with pytest.raises(NotFoundError):
            shop.similar(second, Ask())
        with pytest.raises(NotFoundError):
            shop.picture(second)
        assert shop.items([second, first], "en")[0].item_id == first
        assert not shop.item(first, "en").item.in_stock
    live.store.upsert_items([item])
    assert first in ids(live.home(Ask(n=56)))


def test_a_new_item_can_be_recommended_within_a_second(live: LiveShop) -> None:
    user = a_shopper(live)
    live.home(Ask(user_id=user))
    liked = next(event.item_id for event in reversed(live.store.history(user)) if event.event == Event.PURCHASE)
    twin = live.store.items([str(liked)])[str(liked)]
    live.settle()  # the encoders are loaded
    live.store.upsert_items([replace(twin, item_id="warm", group_id=None)])
    assert live.settle()
    other = {"group_id": None, "description": "Knitted by hand in the hills.", "descriptions": {}, "titles": {}}
    # told alike, it would be the same model
    live.store.upsert_items([replace(twin, item_id="brand-new", released_at=live.clock(), **other)])
    started = time.monotonic()
    while "brand-new" not in ids(live.similar("warm", Ask(n=10))):
        assert time.monotonic() - started < 1.0
        time.sleep(0.02)
    card = next(card for card in live.home(Ask(user_id=user, n=56)).cards if card.item_id == "brand-new")
    assert card.is_new
    assert live.explain("brand-new", Ask(user_id=user))
    assert live.item("brand-new", "en").attention
    assert "brand-new" in ids(live.new(Ask(user_id=user, n=20)))
    live.store.delete_items(["brand-new"])
    assert "brand-new" not in ids(live.home(Ask(user_id=user, n=56)))


def test_items_with_nothing_to_read_are_taken_in_too(live: LiveShop, tmp_path: Path) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"no picture")
    bare = replace(live.store.items([ids(live.home(Ask(n=1)))[0]]).popitem()[1], group_id=None, titles={}, title="")
    live.store.upsert_items(
        [
            replace(bare, item_id="bare", images=(), attributes={}, descriptions={}, description="", price=None),
            replace(bare, item_id="broken", images=(broken,)),
        ]
    )
    assert live.settle()
    assert {"bare", "broken"} <= set(ids(live.home(Ask(n=60, rules=Rules(in_stock=False)))))
    assert live.items(["bare"], "en")[0].title == "bare"


def test_every_rule_holds_in_every_list(live: LiveShop) -> None:
    rules = Rules(price_max=400.0, attributes={"audience": ("women", "unisex")})
    for answer in (
        live.home(Ask(n=30, rules=rules)),
        live.home(Ask(user_id=a_shopper(live), n=30, rules=rules)),
        live.trending(Ask(n=30, rules=rules)),
        live.search(Ask(n=30, rules=rules), text="cotton"),
        live.similar(ids(live.home(Ask(n=1)))[0], Ask(n=30, rules=rules)),
    ):
        assert answer.cards
        found = live.store.items(ids(answer))
        assert all(item.price is not None and item.price <= 400 for item in found.values())
        assert all(item.attributes["audience"] in ("women", "unisex") for item in found.values())
    none = live.home(Ask(rules=Rules(price_max=0.01)))
    assert none.cards == ()
    assert none.note == "none"
    assert live.home(Ask(n=200)).note == "few"
    with pytest.raises(QueryError, match="n must be"):
        live.home(Ask(n=0))


def test_colours_of_one_model_are_one_card(live: LiveShop) -> None:
    first, second = ids(live.home(Ask(n=2, diversity=0.0)))
    for item in live.store.items([first, second]).values():
        live.store.upsert_items([replace(item, group_id="one model")])
    cards = live.home(Ask(n=56, rules=Rules(in_stock=False))).cards
    shown = {card.item_id for card in cards}
    assert [[swatch.item_id for swatch in card.swatches] for card in cards if card.item_id == first] == [[second]]
    assert not any(swatch.item_id in shown for card in cards for swatch in card.swatches)


def test_boosting_and_burying(live: LiveShop) -> None:
    plain = live.home(Ask(n=10, diversity=0.0))
    last = plain.cards[-1].item_id
    up = live.home(Ask(n=10, diversity=0.0, rules=Rules(boost={f"item={last}": 9.0})))
    assert up.cards[0].item_id == last
    first = plain.cards[0].item_id
    down = live.home(Ask(n=10, diversity=0.0, rules=Rules(boost={f"item={first}": -9.0})))
    assert first not in ids(down)


@pytest.mark.parametrize("kind", ["dislike", "hide", "wrong_size", "too_dear"])
def test_what_a_shopper_says_changes_the_next_list_and_can_be_taken_back(live: LiveShop, kind: str) -> None:
    user = a_shopper(live)
    before = live.home(Ask(user_id=user, n=8, diversity=0.0))
    first = before.cards[0]
    live.store.set_feedback(Feedback(user, first.item_id, kind, live.clock()))
    after = ids(live.home(Ask(user_id=user, n=56, diversity=0.0)))
    assert first.item_id not in after
    if kind in ("dislike", "hide"):
        assert not {swatch.item_id for swatch in first.swatches} & set(after)
    live.store.remove_feedback(user, first.item_id, kind)
    assert ids(live.home(Ask(user_id=user, n=8, diversity=0.0))) == ids(before)


def test_a_like_brings_more_of_it(live: LiveShop) -> None:
    liked = ids(live.home(Ask(n=56)))[40]
    near = ids(live.similar(liked, Ask(n=8, diversity=0.0)))

    def place(listed: list[str]) -> float:
        return float(np.mean([listed.index(item) if item in listed else len(listed) for item in near]))

    before = place(ids(live.home(Ask(user_id="n", n=56, diversity=0.0))))
    live.store.set_feedback(Feedback("n", liked, "like", live.clock()))
    answer = live.home(Ask(user_id="n", n=56, diversity=0.0))
    assert place(ids(answer)) < before
    assert any(why.item_id == liked for card in answer.cards for why in card.why)


def test_tastes_set_by_hand(live: LiveShop) -> None:
    user = a_shopper(live)
    category = live.store.items([live.home(Ask(user_id=user)).cards[0].item_id]).popitem()[1].attributes["category"]
    live.store.upsert_users([ShopUser(user, taste={f"category={category}": -1.0, "audience=men": 1.0})])
    answer = live.home(Ask(user_id=user, n=56, rules=Rules(in_stock=False)))
    found = live.store.items(ids(answer))
    assert not any(item.attributes.get("category") == category for item in found.values())
    men = [card for card in answer.cards if found[card.item_id].attributes.get("audience") == "men"]
    assert men
    assert all(card.why[0].kind == "taste" for card in men)
    chips = {chip.key: chip for chip in live.profile(user, "en").chips}
    assert chips["audience=men"].by_hand
    assert chips["audience=men"].weight == 1.0
    assert not any(chip.by_hand for key, chip in chips.items() if key not in ("audience=men", f"category={category}"))


def test_personalisation_switched_off_is_off(live: LiveShop) -> None:
    user = a_shopper(live)
    live.store.upsert_users([ShopUser(user, personalise=False)])
    off, general = live.home(Ask(user_id=user, n=10)), live.home(Ask(n=10))
    assert ids(off) == ids(general)
    assert not off.personal
    assert ids(live.home(Ask(user_id=user, n=10, personal=False))) == ids(general)
    hidden = ids(general)[0]
    live.store.set_feedback(Feedback(user, hidden, "hide", live.clock()))
    assert hidden not in ids(live.home(Ask(user_id=user, n=10))), "what is hidden stays hidden all the same"


def test_search_by_words_and_photo(live: LiveShop, tmp_path: Path) -> None:
    answer = live.search(Ask(n=5), text="连衣裙")
    assert answer.cards
    assert answer.cards[0].why[0].kind == "words"
    item = next(card.item_id for card in live.home(Ask(n=56)).cards if card.picture)
    photo = live.picture(item)
    assert ids(live.search(Ask(n=3), photo=photo))[0] in {
        item,
        *(one.item_id for one in live.items([item], "en")[0].swatches),
    }
    assert live.search(Ask(n=3), photo=photo, text="cotton").cards
    with pytest.raises(QueryError):
        live.search(Ask(), text="  ")
    with pytest.raises(QueryError):
        live.search(Ask())
    (tmp_path / "no.jpg").write_bytes(b"no picture")
    with pytest.raises(PictureError):
        live.search(Ask(), photo=tmp_path / "no.jpg")


def test_similar_and_goes_with(live: LiveShop) -> None:
    item = ids(live.home(Ask(n=1)))[0]
    near, beside = live.similar(item, Ask(n=10)), live.goes_with(item, Ask(n=10))
    own = live.items([item], "en")[0]
    for answer in (near, beside):
        assert item not in ids(answer)
        assert not {swatch.item_id for swatch in own.swatches} & set(ids(answer))
    assert own.category not in {card.category for card in beside.cards}


def test_a_shop_where_nothing_was_bought_claims_nothing(sample_shop: Path, tmp_path: Path) -> None:
    shop = load_shop(sample_shop, settings=load_settings())
    bare = replace(shop, interactions=shop.interactions.clear(), users=shop.users.clear())
    options = LearnOptions(size="small", modalities=("attributes",))
    train_bundle(bare, tmp_path / "bundle", options, settings=load_settings())
    live = open_live_shop(tmp_path / "bundle", f"sqlite:///{tmp_path / 'shop.db'}", load_settings())
    try:
        home = live.home(Ask(n=20)).cards
        item, other = home[0].item_id, home[-1].item_id
        assert len(home) == 20
        assert {why.kind for card in home for why in card.why} <= {"new", "range"}
        assert live.search(Ask(n=3), text=home[0].title).cards
        assert live.similar(item, Ask(n=3)).cards
        for empty in (live.trending(Ask(n=3)), live.goes_with(item, Ask(n=3))):
            assert (empty.cards, empty.note) == ((), "none")
        live.store.upsert_users([ShopUser("visitor", declared=True)])
        act(live, "visitor", item, Event.VIEW)
        act(live, "visitor", other, Event.PURCHASE)
        live._trend = (-1e9, Activity({}, frozenset()))
        trending = {card.item_id: card.why[0].kind for card in live.trending(Ask(n=9)).cards}
        assert trending == {item: "viewed", other: "popular"}
        clicked = live.home(Ask(n=9, clicked=(item,))).cards
        assert {why.kind for card in clicked for why in card.why} <= {"modality", "item", "new", "range"}
    finally:
        live.close()
        live.store.close()


def test_trending_follows_what_is_going_on(live: LiveShop) -> None:
    quiet = ids(live.home(Ask(n=56)))[-1]
    for num in range(300):
        act(live, f"visitor{num}", quiet, Event.PURCHASE)
    before = ids(live.trending(Ask(n=3)))
    live._trend = (-1e9, Activity({}, frozenset()))
    assert ids(live.trending(Ask(n=3))) == before, "counted though nobody agreed"
    live.store.upsert_users([ShopUser(f"visitor{num}", declared=True) for num in range(300)])
    live._trend = (-1e9, Activity({}, frozenset()))  # what is kept for a minute
    assert ids(live.trending(Ask(n=3)))[0] == quiet
    assert live.trending(Ask(n=3)).cards[0].why[0].kind == "popular"


def test_what_is_shown_of_an_item_a_shopper_and_the_catalogue(live: LiveShop) -> None:
    user, item = a_shopper(live), next(card.item_id for card in live.home(Ask(n=56)).cards if card.picture)
    view = live.item(item, "zh")
    assert len(view.pictures) == 1
    assert view.description
    assert sum(view.attention.values()) == pytest.approx(1.0, abs=0.01)
    assert live.picture(item).is_file()
    with pytest.raises(NotFoundError):
        live.picture(item, 1)
    profile = live.profile(user, "zh")
    assert profile.chips
    assert profile.counts["events"] == len(live.store.history(user))
    assert sum(profile.modalities.values()) == pytest.approx(1.0, abs=0.01)
    told = {
        language: {**live.profile(user, language).attributes, **live.profile(user, language).shown}
        for language in LANGUAGES
    }
    colours = profile.attributes["colours"]
    assert colours in (told["zh"]["colours"], told["en"]["colours"]), "one of them is what was said"
    assert told["en"]["colours"].isascii()
    assert not told["zh"]["colours"].isascii()
    assert told["en"]["styles"].isascii()
    assert not told["zh"]["styles"].isascii()
    assert told["zh"]["size_top"] == told["en"]["size_top"]
    assert live.profile("nobody", "en").chips == ()
    assert live.profile("nobody", "en").modalities == {}
    facets = live.facets("zh")
    assert {"category", "audience", "size"} <= set(facets)
    alive = live.health().items
    assert sum(count for *_, count in facets["audience"]) <= alive == 56
    health = live.health()
    assert health.new_since_learning == 0
    assert health.waiting == 0
    assert list(health.bundles) == live.bundles()


def test_a_reason_changes_with_what_the_past_item_is_like(live: LiveShop) -> None:
    """Planted: a past item that is just like the candidate, and one that is not. Then the first becomes another."""
    shown = [card.item_id for card in live.home(Ask(n=56, diversity=0.0)).cards if card.picture]
    catalogue = live.store.items(shown)
    full = [item for item in shown if catalogue[item].titles and catalogue[item].attributes]
    cases = list(zip(full[:20], full[20:40], strict=False))

    def dress_up(name: str, like: str) -> None:
        live.store.upsert_items([replace(catalogue[like], item_id=name, group_id=None, stock=0)])

    def far_from(like: str) -> str:
        own = set(catalogue[like].attributes.items())
        return min(full, key=lambda item: len(own & set(catalogue[item].attributes.items())))

    def told(number: int, candidate: str) -> tuple[str, str]:
        named = next((why for why in live.explain(candidate, Ask(user_id=f"s{number}")) if why.item_id), None)
        return ("", "") if named is None else (str(named.item_id), named.subject)

    for number, (candidate, other) in enumerate(cases):
        dress_up(f"past-{number}", candidate)
        dress_up(f"other-{number}", other)
    assert live.settle()
    for number in range(len(cases)):
        act(live, f"s{number}", f"other-{number}", Event.PURCHASE)
        act(live, f"s{number}", f"past-{number}", Event.PURCHASE)
    before = [told(number, candidate) for number, (candidate, _) in enumerate(cases)]
    planted = [number for number, (item, _) in enumerate(before) if item == f"past-{number}"]
    assert len(planted) >= 0.8 * len(cases) >= 12, "the item that is alike is the reason"
    for number in planted:
        dress_up(f"past-{number}", far_from(cases[number][0]))
    assert live.settle()
    changed = [number for number in planted if told(number, cases[number][0]) != before[number]]
    assert len(changed) >= 0.8 * len(planted), f"{len(changed)} of {len(planted)}"
