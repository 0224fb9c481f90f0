"""No cell of a sheet is a formula, and none is two cells, whatever was typed."""

from __future__ import annotations

import csv
import io

import pytest

from modaloom.bulletin.sheets import _cell, _sheet


@pytest.mark.parametrize(
    "typed", ["=1+1", "+1", "-1", "@SUM(A1)", "＝1+1", "＋1", "－1", "＠A1", "  =1", "\t=1", "\r=1", "\n=1", "\u3000=1"]
)
def test_a_formula_gets_an_apostrophe(typed: str) -> None:
    assert str(_cell(typed)).startswith("'")


@pytest.mark.parametrize("typed", ["红色", "a-b", "size = M", "", "1 + 1"])
def test_other_text_stays(typed: str) -> None:
    assert _cell(typed) == typed


def test_numbers_stay_numbers() -> None:
    assert [_cell(value) for value in (-1.5, 3, None)] == [-1.5, 3, None]


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n", "\u2028", "\x0b"])
def test_what_was_typed_is_one_cell(end: str) -> None:
    text = _sheet(["term"], [[f"dress{end}=HYPERLINK(1)"]])
    rows = list(csv.reader(io.StringIO(text, newline="")))
    assert len(text.splitlines()) == 2
    assert rows[1][0].startswith("dress ")
