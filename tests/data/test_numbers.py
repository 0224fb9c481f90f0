from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modaloom.config import Settings
from modaloom.data.numbers import Decimal, NumberColumn
from modaloom.data.shop import load_shop
from modaloom.errors import ColumnError


def read(cells: list[str | None], decimal: Decimal | None = None) -> list[float | None]:
    """The values of a column; every cell that was there and could not be read must be marked as bad."""
    values, bad, _ = NumberColumn("price", decimal).read(pl.Series(cells, dtype=pl.String))
    assert bad.tolist() == [
        bool(cell and cell.strip()) and value is None for cell, value in zip(cells, values, strict=True)
    ]
    return values.to_list()


@pytest.mark.parametrize(
    ("cells", "values"),
    [
        (["39,90", "1.299,00", "1 299,00", "19,5", "1.299"], [39.9, 1299, 1299, 19.5, 1299]),
        (["39.90", "1,299.00", "1'299.00", "19.5", "1,299"], [39.9, 1299, 1299, 19.5, 1299]),
        (["0,125", "12,345"], [0.125, 12.345]),
        (["1.234.567", "12,345"], [1234567, 12.345]),
        (["1,00,000", "99.5"], [100000, 99.5]),
        (["1\u202f299,00", "1\u00a0299,00"], [1299, 1299]),
        (["5", "-3", "1e3", None, " "], [5, -3, 1000, None, None]),
    ],
)
def test_a_notation_holds_for_the_whole_column(cells: list[str | None], values: list[float | None]) -> None:
    assert read(cells) == values


@pytest.mark.parametrize(
    ("cell", "value", "currency"),
    [
        ("105.29 USD", 105.29, "USD"), ("€ 39.95", 39.95, "EUR"), ("￥199", 199, "CNY"), ("199元", 199, "CNY"),
        ("Rs. 1299", 1299, "INR"), ("Rs.500", 500, "INR"), ("49 kr.", 49, "KR"), ("-€5", -5, "EUR"), ("39,-", 39, None),
        ("¥199起", 199, "CNY"), ("$39 CAD", 39, "CAD"), ("− 3", -3, None),
    ],
)  # fmt: skip
def test_currencies_before_and_after(cell: str, value: float, currency: str | None) -> None:
    numbers = NumberColumn("price").read(pl.Series([cell]))
    assert numbers.values.to_list() == [value]
    assert (numbers.currency[0] if numbers.currency is not None else None) == currency


@pytest.mark.parametrize(
    "cell", ["abc", "nan", "inf", "12x", "--", "3 4", "39-49", "1,299,00", "10 %", "EUR 5 USD", "1e400", "2020-01-01"]
)
def test_what_is_no_number_is_bad(cell: str) -> None:
    assert read([cell, "5.25", None, ""]) == [None, 5.25, None, None]


def test_each_currency_has_its_own_notation() -> None:
    numbers = NumberColumn("price").read(pl.Series(["105.29 USD", "1.299,00 EUR", "EUR 39,95", "1,299 USD"]))
    assert numbers.values.to_list() == [105.29, 1299, 39.95, 1299]
    assert numbers.currency is not None
    assert numbers.currency.to_list() == ["USD", "EUR", "EUR", "USD"]


@pytest.mark.parametrize(
    "cells", [["1.299", "2.499", "3"], ["1,299"], ["39,95", "39.95"], ["1,299 USD", "39,9", "39.9"]]
)
def test_what_cannot_be_decided_is_asked(cells: list[str | None]) -> None:
    with pytest.raises(ColumnError, match=r"'price'.* decimal comma.*Say decimal = \",\" or decimal = \"\.\""):
        read(cells)


def test_an_answer_in_shop_toml_is_taken() -> None:
    assert read(["1.299", "39,95", "39.95"], ",") == [1299, 39.95, None]
    assert read(["1.299", "39,95", "39.95"], ".") == [1.299, None, 39.95]


def test_few_contradictions_are_bad_cells() -> None:
    assert read(["9.95"] * 40 + ["9,95"]) == [9.95] * 40 + [None]


def test_what_one_batch_decides_holds_for_the_next() -> None:
    column = NumberColumn("price")
    assert column.read(pl.Series(["9,95"])).values.to_list() == [9.95]
    assert column.read(pl.Series(["1.299", "5"])).values.to_list() == [1299, 5]
    column = NumberColumn("price")
    assert column.read(pl.Series(["9.95"])).values.to_list() == [9.95]
    assert column.read(pl.Series(["1,299", "9,95"])).values.to_list() == [1299, None]


def test_real_numbers_and_truths() -> None:
    values, bad, _ = NumberColumn("x").read(pl.Series([1.0, float("nan"), float("inf"), None]))
    assert values.to_list() == [1.0, None, None, None]
    assert bad.tolist() == [False, True, True, False]
    assert NumberColumn("x").read(pl.Series([True, None])).values.to_list() == [1.0, None]


def written(value: float, decimal: str, thousands: str, tail: str) -> str:
    text = f"{value:,.2f}".replace(",", "t").replace(".", decimal).replace("t", thousands)
    return text + tail


@given(
    st.lists(st.integers(0, 10**9).map(lambda cents: cents / 100), min_size=1, max_size=12),
    st.sampled_from([(",", "."), (",", " "), (",", ""), (".", ","), (".", "'"), (".", "")]),
    st.sampled_from(["", " EUR", "€", " zł"]),
)
def test_what_is_written_in_one_notation_is_read(values: list[float], signs: tuple[str, str], tail: str) -> None:
    assert read([written(value, *signs, tail) for value in values]) == pytest.approx(values)


@given(st.lists(st.none() | st.text("0123456789.,-+eE €$ 元x'", max_size=9), max_size=8))
def test_any_text_is_read_bad_or_asked_about(cells: list[str | None]) -> None:
    with contextlib.suppress(ColumnError):
        read(cells)


def test_shops_with_a_decimal_comma(write_shop: Callable[..., Path], settings: Settings) -> None:
    toml = '[items]\nfile="a.csv"\nseparator=";"\n[items.columns]\nitem_id="id"\nprice="p"\nstock="n"\n'
    table = "id;p;n\na;39,90;1\nb;1.299,00;1e30\nc;49,90 €;3\n"
    shop = load_shop(write_shop(toml, a__csv=table), settings=settings)
    assert shop.items["price"].to_list() == [39.9, 1299.0, 49.9]
    assert shop.items["stock"].to_list() == [1, None, 3]
    assert [str(problem) for problem in shop.problems.of("bad stock")] == ["a.csv:3: bad stock: n = '1e30'"]
    asked = "id;p;n\na;1.299;1\nb;2.499;2\n"
    with pytest.raises(ColumnError, match=r"a\.csv: 'p' may have a decimal point or a decimal comma: '1\.299'"):
        load_shop(write_shop(toml, a__csv=asked), settings=settings)
    answered = toml.replace("separator", 'decimal=","\nseparator')
    assert load_shop(write_shop(answered, a__csv=asked), settings=settings).items["price"].to_list() == [1299, 2499]
