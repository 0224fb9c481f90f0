"""Words as words, in both languages."""

from __future__ import annotations

import polars as pl
import pytest

from modaloom.shop.words import longest, terms, word_scores


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A red dress for me", ["red", "dress"]),
        ("the Dresses", ["dress"]),
        ("watches and brushes", ["watch", "brush"]),
        ("Shoes, BLOUSES & boxes!", ["shoe", "blouse", "box"]),
        ("accessories", ["accessory"]),
        ("t-shirts", ["t-shirt"]),
        ("ＲＥＤ red", ["red"]),  # full width is the same letter
        ("我想找一件红色的连衣裙", ["红色", "连衣", "衣裙", "连衣裙"]),
        ("黑色 sneakers", ["sneaker", "黑色"]),
        ("", []),
        ("the of 的 !?", []),
        ("上班穿的衬衫", ["上班", "衬衫"]),
        ("我想买一款适合夏天穿的裙子", ["夏天", "裙子"]),
        ("I'm looking for something like this, to wear to a wedding please", ["wedding"]),
    ],
)
def test_terms(text: str, expected: list[str]) -> None:
    assert terms(text) == expected


def catalogue(*titles: str) -> pl.DataFrame:
    return pl.DataFrame({"item_id": [str(num) for num in range(len(titles))], "title": titles})


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("dresses", "A summer dress"),
        ("dress", "Summer dresses"),
        ("accessories", "Leather accessory"),
        ("accessory", "Fine accessories"),
        ("jersey", "Two jerseys"),
        ("jeans", "Blue Jeans"),
        ("watch", "Two watches"),
        ("连衣裙", "碎花连衣裙"),
        ("C++", "c++ shirt"),
    ],
)
def test_singular_and_plural_find_each_other(text: str, title: str) -> None:
    scores, said = word_scores(catalogue("nothing", title, "something else"), text)
    assert scores[1] > 0
    assert scores[0] == scores[2] == 0
    assert said[1]


def test_a_word_inside_another_english_word_is_not_found() -> None:
    scores, said = word_scores(catalogue("dressing gown", "cap"), "dress")
    assert not scores.any()
    assert said == [[], []]


def test_rare_words_count_more_and_words_of_every_item_count_nothing() -> None:
    items = catalogue("red linen shirt", "red shirt", "blue shirt", "red hat shirt")
    scores, said = word_scores(items, "red linen shirt")
    assert scores.argmax() == 0
    assert scores[0] - scores[1] > scores[1] > 0, "linen is rarer than red"
    assert scores[2] == 0, "every item says shirt"
    assert said[0] == ["red", "linen"]


def test_attributes_and_every_language_are_read() -> None:
    items = pl.DataFrame(
        {
            "item_id": ["a", "b"],
            "title_zh": ["红色连衣裙", None],
            "title_en": [None, None],
            "attributes.material": [None, "Silk"],
        },
        schema={"item_id": pl.String, "title_zh": pl.String, "title_en": pl.String, "attributes.material": pl.String},
    )
    assert word_scores(items, "silk")[1] == [[], ["silk"]]
    assert word_scores(items, "连衣裙")[0][0] > 0
    assert word_scores(items, "a b")[1] == [[], []], "ids are no words"


def test_parts_of_longer_chinese_words_are_not_told() -> None:
    assert longest(["红色", "连衣", "衣裙", "连衣裙"]) == ["红色", "连衣裙"]
    assert longest(["shirt", "t-shirt"]) == ["shirt", "t-shirt"], "English words stand on their own"
    assert longest([]) == []
