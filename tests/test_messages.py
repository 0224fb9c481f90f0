"""The catalogue of messages: the same in every language."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl
import pytest

from modaloom.errors import QueryError
from modaloom.messages import messages, trend_messages
from modaloom.messages.stated import StatedWords, words_in
from modaloom.shop.catalogue import sizes_of
from modaloom.trends.people import read_groupings
from modaloom.types import LANGUAGES, MODALITIES


def flat(table: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    out: dict[str, str] = {}
    for name, value in table.items():
        if isinstance(value, Mapping):
            out |= flat(value, f"{prefix}{name}.")
        else:
            out[prefix + name] = " ".join(value) if isinstance(value, list) else value
    return out


def test_every_language_has_the_same_messages_with_the_same_gaps() -> None:
    first, *others = (flat(messages(language)) for language in LANGUAGES)
    for other in others:
        assert set(other) == set(first)
        for name in first:
            assert sorted(re.findall(r"{\w+}", first[name])) == sorted(re.findall(r"{\w+}", other[name])), name
    assert all(text.strip() for text in first.values())


def test_trends_are_told_alike_in_every_language() -> None:
    first, *others = (flat(trend_messages(language)) for language in LANGUAGES)
    for other in others:
        assert set(other) == set(first)
        for name in first:
            assert sorted(re.findall(r"{\w+}", first[name])) == sorted(re.findall(r"{\w+}", other[name])), name
    assert all(text.strip() for text in first.values())
    assert not re.search(r"[\u4e00-\u9fff]", " ".join(flat(trend_messages("en")).values()))


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_modality_and_every_reason_can_be_told(language: str) -> None:
    say = messages(language)
    for modality in MODALITIES:
        assert say["modality"][modality]
        assert "Coat" in say["modality_item"][modality].format(item="Coat")
    assert {"item", "words", "meaning", "photo", "popular", "new", "repurchase"} <= set(say["reason"])
    assert len(say["columns"]) == 5


def test_chinese_is_chinese_and_english_is_not() -> None:
    assert re.search(r"[\u4e00-\u9fff]", messages("zh")["reason"]["new"])
    assert not re.search(r"[\u4e00-\u9fff]", " ".join(flat(messages("en")).values()))


@pytest.mark.parametrize("separator", [",", ";", "/", "|", "、", "，", "；", ", ", " / ", "；；"])
def test_a_list_is_split_however_people_write_it(separator: str) -> None:
    assert words_in(f" navy{separator}sky blue{separator}绿色{separator}") == ["navy", "sky blue", "绿色"]
    assert sizes_of({"sizes": separator.join("SML")}) == ("S", "M", "L")
    stated = pl.DataFrame({"attributes.styles": [f"retro{separator}beach", f"beach{separator}retro"]})
    groups = read_groupings(stated, np.ones(2, dtype=bool), 1, StatedWords({}))
    assert [group.values for group in groups] == [("retro", "beach")]


LABELS = {
    "zh": {"styles": {"rainy day": "雨天"}, "category": {"t_shirt": "T恤"}, "audience": {"women": "女装"}},
    "en": {"category": {"t_shirt": "T-shirt"}, "shade": {"navy": "the navy's"}},
}


@pytest.mark.parametrize(
    ("attribute", "told", "english", "chinese"),
    [
        ("colours", "藏青色、绿色", "navy, green", "藏青色、绿色"),
        ("颜色", "navy, Sky Blue", "navy, sky blue", "藏青色、天蓝色"),
        ("colours", "藏青 / sky；彩虹", "navy, sky blue, 彩虹", "藏青色、天蓝色、彩虹"),
        ("colours", "none", "none", "none"),
        ("colours", "", "", ""),
        ("styles", "雨天", "rainy day", "雨天"),
        ("styles", "Rainy day, T恤", "rainy day, T-shirt", "雨天、T恤"),
        ("styles", "navy", "the navy's", "navy"),
        ("styles", "black; or so", "black; or so", "black; or so"),
        ("gender", "women", "women", "women"),
    ],
)
def test_stated_words_are_told_in_either_language(attribute: str, told: str, english: str, chinese: str) -> None:
    stated = StatedWords(LABELS)
    assert stated.tell(attribute, told, "en") == english
    assert stated.tell(attribute, told, "zh") == chinese


def test_a_shop_names_its_own_values_before_others_do() -> None:
    stated = StatedWords({"zh": {"tone": {"red": "热烈"}, "colours": {"red": "中国红"}, "mood": {"red": "愤怒"}}})
    assert stated.tell("colours", "red, blue", "zh") == "中国红、蓝色"
    assert stated.tell("mood", "red", "zh") == "愤怒"
    assert stated.tell("styles", "愤怒", "en") == "red"


def test_who_states_the_same_in_another_language_is_in_the_same_group() -> None:
    stated = pl.DataFrame({"attributes.styles": ["雨天", "rainy day、办公", "Rainy Day", "雨天", None]})
    (group,) = read_groupings(stated, np.ones(5, dtype=bool), 1, StatedWords(LABELS))
    assert group.values == ("rainy day",)
    assert group.names == ({"zh": "雨天", "en": "rainy day"},)
    assert group.group.tolist() == [0, 0, 0, 0, -1]


def test_other_languages_are_refused() -> None:
    with pytest.raises(QueryError, match=r"unknown language 'fr'\. Choose zh or en"):
        messages("fr")
