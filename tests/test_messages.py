"""The catalogue of messages: the same in every language."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import pytest

from modaloom.errors import QueryError
from modaloom.messages import colours_in, messages, trend_messages
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


@pytest.mark.parametrize(
    ("told", "english", "chinese"),
    [
        ("藏青色、绿色", "navy, green", "藏青色、绿色"),
        ("navy, Sky Blue", "navy, sky blue", "藏青色、天蓝色"),
        ("藏青 / sky;彩虹", "navy, sky blue, 彩虹", "藏青色、天蓝色、彩虹"),
        ("none", "none", "none"),
        ("", "", ""),
    ],
)
def test_colours_are_told_in_either_language(told: str, english: str, chinese: str) -> None:
    assert colours_in(told, "en") == english
    assert colours_in(told, "zh") == chinese


def test_other_languages_are_refused() -> None:
    with pytest.raises(QueryError, match=r"unknown language 'fr'\. Choose zh or en"):
        messages("fr")
