"""Numbers as shops write them. The decimal sign is decided for a whole column, never for a single cell.

``1.299`` is a thousand in Milan and a little more than one in London, so a column is read in one of two notations:
``1,299.00`` (decimal point) or ``1.299,00`` (decimal comma). Cells that can be read in one of them only are evidence.
Where a column has several currencies, as merchant feeds do, each currency is decided by itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

import numpy as np
import polars as pl

from modaloom.data.cells import to_text
from modaloom.errors import ColumnError
from modaloom.types import BoolArray

Decimal = Literal[".", ","]
TOLERATED_CONTRADICTIONS = 0.05
"""Where at most this share of the evidence speaks for the other notation, those cells are bad, not the decision."""

_CODES = (
    "AED AFN ALL AMD ARS AUD AZN BAM BDT BGN BHD BND BOB BRL BWP BYN CAD CHF CLP CNY COP CRC CZK DKK DOP DZD EGP ETB "
    "EUR GBP GEL GHS GTQ HKD HNL HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KRW KWD KZT LAK LBP LKR MAD MDL "
    "MKD MMK MNT MOP MUR MXN MYR NAD NGN NIO NOK NPR NZD OMR PAB PEN PHP PKR PLN PYG QAR RON RSD RUB SAR SEK SGD THB "
    "TND TRY TTD TWD TZS UAH UGX USD UYU UZS VEF VND XAF XOF YER ZAR ZMW"
)
_SIGNS = {
    "€": "EUR", "EURO": "EUR", "EUROS": "EUR", "£": "GBP", "US$": "USD", "U$S": "USD", "$": "$", "DOLLAR": "$",
    "¥": "CNY", "￥": "CNY", "元": "CNY", "圆": "CNY", "RMB": "CNY", "人民币": "CNY", "CN¥": "CNY", "块": "CNY",
    "円": "JPY", "JP¥": "JPY", "日元": "JPY", "₹": "INR", "RS": "INR", "RS.": "INR", "RE": "INR", "₩": "KRW",
    "원": "KRW", "₽": "RUB", "РУБ": "RUB", "РУБ.": "RUB", "₺": "TRY", "TL": "TRY", "₫": "VND", "฿": "THB", "₪": "ILS",
    "₴": "UAH", "ZŁ": "PLN", "KČ": "CZK", "FT": "HUF", "KR": "KR", "KR.": "KR", ":-": "KR", "FR.": "CHF",
    "SFR.": "CHF", "R$": "BRL", "C$": "CAD", "CA$": "CAD", "A$": "AUD", "AU$": "AUD", "NZ$": "NZD", "HK$": "HKD",
    "港元": "HKD", "NT$": "TWD", "S$": "SGD", "MX$": "MXN", "RM": "MYR", "RP": "IDR", "₱": "PHP", "ЛВ": "BGN",
    "ЛВ.": "BGN", "LEI": "RON", "欧元": "EUR", "美元": "USD", "英镑": "GBP",
}  # fmt: skip
CURRENCIES: Final[dict[str, str]] = {code: code for code in _CODES.split()} | _SIGNS
"""What may stand before or after an amount, in capitals, and the currency that it means."""
CURRENCY_SIGNS: Final = {
    "EUR": "€", "USD": "$", "GBP": "£", "CNY": "¥", "JPY": "¥", "INR": "₹", "KRW": "₩", "RUB": "₽", "$": "$",
    "KR": "kr ", "PLN": "zł ", "TRY": "₺", "ILS": "₪", "UAH": "₴", "BRL": "R$", "THB": "฿", "VND": "₫",
}  # fmt: skip
"""What stands before a price on the page, by the currency."""
_AROUND = {"", "-", "起", "FROM", "AB", "起售", "*", "/件", "每件", "/PC"}
"""Words around an amount that change nothing: ``¥199起`` is the lowest price of an item, ``39,-`` has no cents."""

_AMOUNT = (
    r"^(?P<before>\D*?\p{L}\.|\D*?[,:]\s|\D*?)[\s\x{a0}]*"
    r"(?P<number>[.,]?\d(?:[\d.,\s\x{a0}\x{202f}\x{2009}'’]*\d)?(?:[eE][+-]?\d{1,4})?)"
    r"(?P<after>[.,]?\D*)$"
)
_BLANKS = r"[\s\x{a0}\x{202f}\x{2009}'’]"
PLAIN = r"^-?(?:\d+|\d+\.\d{1,2}|\d+\.\d{4,}|\d{4,}\.\d+|0\.\d+|\d+\.0)$"
"""Whole numbers, and numbers with a point that nobody can take for thousands."""


def _notation(decimal: str, thousands: str) -> str:
    """A pattern of the numbers that can be read with this decimal sign."""
    groups = (
        rf"[1-9]\d{{0,2}}(?:{thousands}\d{{3}})+|[1-9]\d?(?:{thousands}\d{{2}})+{thousands}\d{{3}}"  # 1,00,000: India
    )
    blanks = rf"[1-9]\d{{0,2}}(?:{_BLANKS}\d{{3}})+"
    return rf"^(?:(?:\d+|{groups}|{blanks})(?:{decimal}\d*)?|{decimal}\d+)(?:[eE][+-]?\d+)?$"


_READABLE: Final[dict[Decimal, str]] = {".": _notation(r"\.", ","), ",": _notation(",", r"\.")}


class Numbers(NamedTuple):
    """One column, or a batch of it."""

    values: pl.Series
    """Float64; null where a cell is empty or bad."""
    bad: BoolArray
    """Which cells were there but are no finite number in the column's notation."""
    currency: pl.Series | None
    """The currency that each cell names; None where none of them does."""


@dataclass(frozen=True, slots=True)
class _Evidence:
    """What the cells of one currency say about its notation."""

    currency: str | None
    points: int
    commas: int
    either: int
    """Cells that mean one thing with a decimal point and another with a decimal comma: ``1.299``."""
    example: dict[str, str]

    @property
    def clear(self) -> Decimal | None:
        """The notation that the evidence speaks for; None where it is silent or contradicts itself."""
        whole, fewer = self.points + self.commas, min(self.points, self.commas)
        if not whole or fewer > TOLERATED_CONTRADICTIONS * whole:
            return None
        return "." if self.points > self.commas else ","


class NumberColumn:
    """One column of numbers, read whole or batch by batch; what one batch decides holds for those that follow."""

    def __init__(
        self, column: str, decimal: Decimal | None = None, *, where: str = "the file", option: str = "decimal"
    ):
        """``decimal`` is what shop.toml says; ``where`` and ``option`` go into the question if it must be asked."""
        self.column = column
        self.decimal = decimal
        self._where, self._option = where, option
        self.decided: dict[str | None, Decimal] = {}
        """By currency; None for amounts without one."""

    def read(self, cells: pl.Series) -> Numbers:
        """The numbers of a batch.

        Raises:
            ColumnError: the notation cannot be decided, and reading the cells either way would be a guess.
        """
        if cells.dtype.is_numeric() or cells.dtype == pl.Boolean:
            numbers = cells.cast(pl.Float64)
            bad = (numbers.is_nan() | numbers.is_infinite()).fill_null(False)
            return Numbers(_where(~bad, numbers).rename(cells.name), bad.to_numpy(), None)
        text = to_text(cells)
        if self.decimal != "," and "," not in self.decided.values() and text.str.contains(PLAIN).all():
            if text.str.contains(".", literal=True).any():
                self.decided.setdefault(None, ".")
            return self._finite(text, text.cast(pl.Float64, strict=False), None)
        parts = text.str.extract_groups(_AMOUNT).struct
        number = parts.field("number")
        currency, negative, known = _currencies(parts.field("before"), parts.field("after"))
        number = _where(known, number)
        readable = {sign: number.str.contains(pattern).fill_null(False) for sign, pattern in _READABLE.items()}
        self._decide(text, number, currency, readable)
        comma = self._in_comma_notation(currency)
        plain = pl.coalesce(
            pl.when(comma & readable[","]).then(_plain(number, ",")),
            pl.when(~comma & readable["."]).then(_plain(number, ".")),
        )
        values = pl.select(plain).to_series().cast(pl.Float64, strict=False)
        values = _where(negative, -values).zip_with(negative, values)
        return self._finite(text, values, currency if currency.null_count() < len(currency) else None)

    def _finite(self, text: pl.Series, values: pl.Series, currency: pl.Series | None) -> Numbers:
        values = _where(values.is_finite().fill_null(False), values).rename(text.name)
        return Numbers(values, (text.is_not_null() & values.is_null()).to_numpy(), currency)

    def _in_comma_notation(self, currency: pl.Series) -> pl.Series:
        if self.decimal is not None:
            return pl.repeat(self.decimal == ",", len(currency), eager=True)
        names = [name for name, sign in self.decided.items() if sign == "," and name is not None]
        return currency.is_in(names).fill_null(self.decided.get(None) == ",")

    def _decide(
        self, text: pl.Series, number: pl.Series, currency: pl.Series, readable: dict[Decimal, pl.Series]
    ) -> None:
        """Settles the notation of every currency that is met for the first time with a point or comma."""
        if self.decimal is not None:
            return
        signed = number.str.contains("[.,]").fill_null(False)
        table = pl.DataFrame(
            {"text": text, "currency": currency, "point": readable["."], "comma": readable[","]}
        ).filter(signed & (readable["."] | readable[","]))
        every = []
        for (name,), rows in table.group_by(["currency"], maintain_order=True):
            one = _evidence(None if name is None else str(name), rows)
            every.append(one)
            if name not in self.decided and one.clear:
                self.decided[name] = one.clear
        signs = set(self.decided.values())
        for one in every:
            if one.currency in self.decided:
                continue
            if one.points + one.commas == 0 and len(signs) == 1:
                self.decided[one.currency] = next(iter(signs))
            else:
                raise self._question(one)

    def _question(self, one: _Evidence) -> ColumnError:
        """Asks what the column's cells mean."""
        hint = f'Say {self._option} = "," or {self._option} = "." in shop.toml for this file'
        of = f" ({one.currency})" if one.currency else ""
        if one.points and one.commas:
            what = (
                f"{self.column!r}{of} has numbers with a decimal point, such as {one.example['point']!r}, and with a"
                f" decimal comma, such as {one.example['comma']!r}"
            )
            return ColumnError(what, where=self._where, hint=hint + "; cells in the other notation are emptied then")
        what = (
            f"{self.column!r}{of} may have a decimal point or a decimal comma: {one.example['either']!r} can be read"
            " both ways, and no other cell tells which"
        )
        return ColumnError(what, where=self._where, hint=hint)


def _evidence(currency: str | None, rows: pl.DataFrame) -> _Evidence:
    point, comma = rows["point"], rows["comma"]
    masks = {"point": point & ~comma, "comma": comma & ~point, "either": point & comma}
    example = {name: str(rows["text"].filter(mask)[0]) for name, mask in masks.items() if mask.any()}
    counts = {name: int(mask.sum()) for name, mask in masks.items()}
    return _Evidence(currency, counts["point"], counts["comma"], counts["either"], example)


def _currencies(before: pl.Series, after: pl.Series) -> tuple[pl.Series, pl.Series, pl.Series]:
    """The currency that each amount names, whether it is negative, and whether all that surrounds it is known."""
    frame = pl.DataFrame({"before": before, "after": after})
    rows, unknown = [], "?"
    pairs = frame.unique(maintain_order=True)
    for left, right in pairs.iter_rows():
        minus = any(sign in (left or "") for sign in "-−")
        names = [_meaning(left or "", unknown), _meaning(right or "", unknown)]
        known = left is not None and unknown not in names
        named = [name for name in dict.fromkeys(names) if name]
        if len(named) == 2 and "$" in named:
            named.remove("$")  # $ 39 CAD
        rows.append((left, right, named[0] if known and named else None, minus, known and len(named) < 2))
    schema = {"before": pl.String, "after": pl.String, "currency": pl.String, "minus": pl.Boolean, "known": pl.Boolean}
    table = pl.DataFrame(rows, schema=schema, orient="row")
    joined = frame.join(table, on=["before", "after"], how="left", nulls_equal=True, maintain_order="left")
    return joined["currency"], joined["minus"].fill_null(False), joined["known"].fill_null(False)


def _meaning(around: str, unknown: str) -> str | None:
    """The currency that the letters on one side of an amount mean, None for none."""
    word = around.strip(" \t\xa0\u202f+−").upper()
    if word not in CURRENCIES:
        word = word.strip("-,. \xa0")  # "€, 39", "39,-", "- $ 5"
    if word in _AROUND:
        return None
    for tail in ("起", "起售"):
        word = word.removesuffix(tail)
    return None if word in _AROUND else CURRENCIES.get(word, unknown)


def _plain(number: pl.Series, decimal: Decimal) -> pl.Series:
    """Numbers in this notation as Python would write them."""
    bare = number.str.replace_all(_BLANKS, "").str.replace_all("." if decimal == "," else ",", "", literal=True)
    return bare.str.replace(",", ".", literal=True) if decimal == "," else bare


def _where(mask: pl.Series, values: pl.Series) -> pl.Series:
    """The values where the mask is set, null elsewhere."""
    return pl.select(pl.when(mask).then(values)).to_series()


def no_numbers(name: str, rows: int) -> Numbers:
    """A column that a table does not have."""
    return Numbers(pl.Series(name, [None] * rows, dtype=pl.Float64), np.zeros(rows, dtype=bool), None)
