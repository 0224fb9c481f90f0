from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modaloom.counting.spelling import as_written, distance, fold, plain_term


@pytest.mark.parametrize(
    ("one", "other", "apart"),
    [("dress", "dress", 0), ("dress", "dres", 1), ("dress", "drses", 1), ("dress", "boots", 4), ("", "abc", 3)],
)
def test_slips_are_counted(one: str, other: str, apart: int) -> None:
    assert distance(one, other) == distance(other, one) == apart


@given(st.text("abc", max_size=6), st.text("abc", max_size=6))
def test_a_distance_is_no_more_than_the_longer_word(one: str, other: str) -> None:
    assert (distance(one, other) == 0) == (one == other)
    assert distance(one, other) <= max(len(one), len(other))


def test_slips_are_put_right_in_both_scripts() -> None:
    numbers = {"turtleneck": 200.0, "turtlenek": 5.0, "tutrleneck": 3.0, "连衣裙": 300.0, "连衣群": 6.0, "dress": 90.0}
    assert fold(numbers) == {"turtlenek": "turtleneck", "tutrleneck": "turtleneck", "连衣群": "连衣裙"}


def test_real_words_are_left_alone() -> None:
    numbers = {
        "dress": 900.0,
        "press": 4.0,
        "skirt": 500.0,
        "shirt": 20.0,
        "裙子": 500.0,
        "裤子": 3.0,
        "boot": 90.0,
        "boo": 1.0,
    }
    assert fold(numbers, {"press", "shirt"}) == {}
    assert fold({"linen": 100.0, "lineN": 90.0}) == {}  # both are frequent: neither is a slip


def test_chains_end_at_what_was_meant() -> None:
    numbers = {"cardigan": 1000.0, "cardigam": 100.0, "cardigams": 5.0}
    assert set(fold(numbers).values()) == {"cardigan"}


def test_widths_and_traditional_characters_are_one_spelling() -> None:
    assert plain_term("連衣裙") == "连衣裙"
    assert plain_term("Ｒｅｄ　DRESS") == "red dress"
    assert plain_term("羽絨服 女") == "羽绒服 女"


def test_words_are_told_as_they_are_written() -> None:
    assert as_written("canva", {"canvas": 20}) == "canvas"
    assert as_written("jean", {"jeans": 20, "jean": 2}) == "jeans"
    assert as_written("dress", {"dress": 20, "dresses": 2}) == "dress"
    assert as_written("裙子", {}) == "裙子"
