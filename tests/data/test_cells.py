from __future__ import annotations

from datetime import timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modaloom.data.cells import fractions_matter, is_bad_id, is_null_word, to_id, to_text, without_html


def test_text_is_trimmed_and_empty_is_null() -> None:
    assert to_text(pl.Series([" a ", "", "  ", None, "裙子"])).to_list() == ["a", None, None, None, "裙子"]


def test_text_of_lists_is_joined() -> None:
    assert to_text(pl.Series([["a", None, "b"], [], None])).to_list() == ["a b", None, None]


def test_text_of_categories_and_numbers() -> None:
    assert to_text(pl.Series(["x", None], dtype=pl.Categorical)).to_list() == ["x", None]
    assert to_text(pl.Series([5, None])).to_list() == ["5", None]


def test_text_of_kinds_that_tables_rarely_hold() -> None:
    assert to_text(pl.Series([b"Linen \xff", None])).to_list() == ["Linen \ufffd", None]
    assert to_text(pl.Series([timedelta(days=1)])).to_list() == ["1 day, 0:00:00"]
    assert to_text(pl.Series([{"a": 1}])).to_list() == ['{"a": 1}']
    assert to_text(pl.Series([[b"x", b"y"]])).to_list() == ["x y"]


def test_html_becomes_plain_text() -> None:
    cells = pl.Series(["<p>Soft &amp; warm</p><style>p {}</style><br/>wool&nbsp;mix", "<br>", None])
    assert without_html(cells).to_list() == ["Soft & warm wool mix", None, None]


def test_words_for_nothing_are_exact() -> None:
    cells = pl.Series(["NA", "-", "无", "None", "none", "Nathan", None])
    assert is_null_word(cells, ("NA", "-", "无", "None")).to_list() == [True, True, True, True, False, False, False]


@pytest.mark.parametrize(
    ("cells", "ids"),
    [
        (["1003.0", "1003", " 7.00 ", "007", "a.0", ""], ["1003", "1003", "7", "007", "a.0", None]),
        ([1003.0, 2.5, None], ["1003", "2.5", None]),
        ([1003, None], ["1003", None]),
    ],
)
def test_whole_numbers_are_one_id(cells: list[object], ids: list[str | None]) -> None:
    series = pl.Series(cells)
    assert [one.replace("7.00", "7") if one else one for one in to_id(series).to_list()] == ids


def test_fractions_stay_where_they_mean_something() -> None:
    assert not fractions_matter(pl.Series(["1.0", "2.0", "abc"]))
    assert not fractions_matter(pl.Series(["1003", "a.b"]))
    assert fractions_matter(pl.Series(["12.0", "12.5"]))
    assert fractions_matter(pl.Series(["12.0", "12"]))
    assert to_id(pl.Series(["12.0"]), keep_fraction=True).to_list() == ["12.0"]


def test_ids_that_no_store_keeps() -> None:
    cells = pl.Series(["A\x002", "x" * 501, "裙" * 500, "a\nb", "ok", None])
    assert is_bad_id(cells).to_list() == [True, True, False, True, False, False]


@given(st.lists(st.none() | st.text(max_size=12), max_size=20))
def test_any_text_is_text_or_null(cells: list[str | None]) -> None:
    text = to_text(pl.Series(cells, dtype=pl.String))
    assert text.to_list() == [cell.strip() or None if cell else None for cell in cells] or len(text) == len(cells)
