from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modaloom.data.numbering import Numbering
from modaloom.errors import QueryError


def test_numbers_follow_first_appearance() -> None:
    numbering = Numbering(["b", "a", "b"])
    assert numbering.ids() == ["b", "a"]
    assert len(numbering) == 2
    assert numbering.number(pl.Series(["a", "b", "x", None])).tolist() == [1, 0, -1, -1]
    assert len(numbering) == 2


def test_growing_adds_unknown_ids_but_not_null() -> None:
    numbering = Numbering(["a"])
    assert numbering.number(pl.Series(["x", None, "a", "x"]), grow=True).tolist() == [1, -1, 0, 1]
    assert numbering.ids() == ["a", "x"]


def test_all_null_and_empty_columns() -> None:
    assert Numbering(["a"]).number(pl.Series([None, None], dtype=pl.String)).tolist() == [-1, -1]
    assert Numbering().number(pl.Series([], dtype=pl.String), grow=True).tolist() == []


def test_unknown_ids_name_the_nearest() -> None:
    numbering = Numbering(["0108775015", "0108775044"])
    assert numbering.of(["0108775044"], "item").tolist() == [1]
    with pytest.raises(QueryError, match=r"unknown item 108775015\. Did you mean 0108775015"):
        numbering.of(["108775015"], "item")
    with pytest.raises(QueryError, match="knows 2 users"):
        numbering.of(["zzz"], "user")


@given(st.lists(st.lists(st.none() | st.text(max_size=3), max_size=8), max_size=5))
def test_batches_give_the_numbers_of_one_reading(batches: list[list[str | None]]) -> None:
    piecewise, at_once = Numbering(), Numbering()
    parts = [piecewise.number(pl.Series(batch, dtype=pl.String), grow=True).tolist() for batch in batches]
    flat = [cell for batch in batches for cell in batch]
    assert [num for part in parts for num in part] == at_once.number(
        pl.Series(flat, dtype=pl.String), grow=True
    ).tolist()
    ids = piecewise.ids()
    assert [None if num < 0 else ids[num] for part in parts for num in part] == flat
