"""Items as cards in two languages."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from modaloom.messages import messages
from modaloom.shop.cards import SHOWN_SWATCHES, CardMaker
from modaloom.shop.catalogue import Catalogue
from modaloom.shop.explain import NEW_DAYS
from modaloom.types import DAY_S, Item, Reason

NOW = 1_800_000_000
LABELS = {"zh": {"category": {"dress": "连衣裙"}, "colour": {"red": "红色"}}, "en": {"category": {"dress": "Dresses"}}}


@pytest.fixture
def cards() -> CardMaker:
    catalogue = Catalogue(["known"])
    facts = {"category": "dress", "colour": "red"}
    for item in (
        Item("known", titles={"zh": "一条裙子"}, attributes=facts, price=9.999, stock=0, group_id="g"),
        Item("plain", title="A dress", attributes={"category": "dress"}, group_id="g", images=(Path("a.jpg"),)),
        Item("bare"),
    ):
        catalogue.put(item)
    return CardMaker(catalogue, LABELS)


def test_a_card_says_what_the_item_is(cards: CardMaker) -> None:
    card = cards.card(0, 1.23456, "zh", NOW)
    assert (card.item_id, card.title, card.price, card.category) == ("known", "一条裙子", 10.0, "连衣裙")
    assert (card.picture, card.in_stock, card.score) == (None, False, 1.2346)
    (swatch,) = card.swatches
    picture = "/v1/items/plain/picture/0"
    assert (swatch.item_id, swatch.title, swatch.colour, swatch.picture) == ("plain", "A dress", None, picture)
    (other,) = cards.card(1, 0.0, "zh", NOW).swatches
    assert other.colour == "红色"
    assert cards.card(1, 0.0, "en", NOW).swatches[0].colour == "red", "the shop's own word where it has no other"


def test_titles_fall_back_on_other_words(cards: CardMaker) -> None:
    assert cards.title(0, "en") == "一条裙子"
    assert cards.title(2, "en") == "bare"
    assert cards.name("never there", "en") == "never there"
    assert cards.card(2, 0.0, "en", NOW).price is None
    assert cards.card(2, 0.0, "en", NOW).category is None
    assert cards.card(2, 0.0, "en", NOW).in_stock, "who does not count has some"


def test_swatches_have_an_end(cards: CardMaker) -> None:
    for number in range(2 * SHOWN_SWATCHES):
        cards.catalogue.put(Item(f"more{number}", group_id="g"))
    assert len(cards.card(0, 0.0, "en", NOW).swatches) == SHOWN_SWATCHES


@pytest.mark.parametrize(
    ("item_id", "released_days_ago", "new"),
    [
        ("known", 1, True),
        ("known", NEW_DAYS - 1, True),
        ("known", NEW_DAYS + 1, False),
        ("known", -1, False),
        ("known", None, False),
        ("plain", None, True),  # came in after learning
        ("plain", 100 * 365, False),  # before 1970
    ],
)
def test_what_is_new(cards: CardMaker, item_id: str, released_days_ago: int | None, new: bool) -> None:
    released_at = None if released_days_ago is None else NOW - released_days_ago * DAY_S
    num = cards.catalogue.put(Item(item_id, released_at=released_at))
    assert cards.card(num, 0.0, "en", NOW).is_new is new
    assert cards.new(np.array([num]), NOW).tolist() == [new]


def test_a_taste_is_told_first_and_alone_where_there_is_nothing_else(cards: CardMaker) -> None:
    say = messages("zh")["reason"]
    taste, photo = Reason("taste", "category=dress", 0.5), Reason("photo", "", 3.0)
    told = cards.told([photo, taste], "zh")
    assert [why.kind for why in told] == ["taste", "photo"]
    assert told[0].text == say["taste"].format(words="连衣裙")
    assert [why.kind for why in cards.told([taste], "zh")] == ["taste"]
    assert [why.kind for why in cards.told([], "en")] == ["range"]


def test_a_past_item_is_named_in_the_shoppers_language(cards: CardMaker) -> None:
    (why,) = cards.told([Reason("item", "known", 0.51239)], "en")
    assert why.item_id == "known"
    assert "一条裙子" in why.text
    assert why.contribution == 0.5124
    (gone,) = cards.told([Reason("item", "gone", 1.0)], "en")
    assert "gone" in gone.text
