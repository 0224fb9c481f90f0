"""Turns the cells of a column into texts, numbers and times, and says which of them are wrong."""

from __future__ import annotations

import numpy as np
import polars as pl

from modaloom.types import BoolArray

_GUESSED_FORMATS = (
    "%Y-%m-%d", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M",
    "%Y/%m/%d", "%Y/%m/%d %H:%M:%S", "%Y/%m/%d %H:%M", "%Y%m%d",
)  # fmt: skip
_EPOCH = r"^(\d{9,13}(?:\.\d+)?)$"  # dates written as numbers (20200825) have 8 digits
_FRACTION = r"(\d:\d\d)[.,]\d+"
_OFFSET = r"\d:\d\d\s*(Z|[+-]\d\d:?\d\d)$"
_TIME_DIRECTIVES = ("%H", "%I", "%T", "%R", "%k", "%l", "%s", "%r", "%X", "%c", "%+")
FIRST_MS = 10**11
"""Numbers from here on are milliseconds since 1970: as seconds they would lie after the year 5000."""


def to_text(cells: pl.Series) -> pl.Series:
    """Cells as trimmed strings; empty ones become null, the parts of lists are joined with spaces."""
    if cells.dtype in (pl.List, pl.Array):
        cells = cells.cast(pl.List(pl.String)).list.join(" ", ignore_nulls=True)
    text = cells.cast(pl.String).str.strip_chars()
    return pl.select(pl.when(text == "").then(None).otherwise(text)).to_series().rename(cells.name)


def to_number(cells: pl.Series) -> tuple[pl.Series, BoolArray]:
    """Cells as Float64, and which were there but are not a finite number."""
    if cells.dtype.is_numeric() or cells.dtype == pl.Boolean:
        numbers = cells.cast(pl.Float64)
        bad = (numbers.is_nan() | numbers.is_infinite()).fill_null(False)
    else:
        text = to_text(cells)
        numbers = text.str.replace_all(r"[,\s$€£¥]", "").cast(pl.Float64, strict=False)
        numbers = pl.select(pl.when(numbers.is_finite()).then(numbers)).to_series()
        bad = text.is_not_null() & numbers.is_null()
    return pl.select(pl.when(~bad).then(numbers)).to_series().rename(cells.name), bad.to_numpy()


def to_time(cells: pl.Series, date_format: str | None) -> tuple[pl.Series, BoolArray]:
    """Cells as seconds since 1970 UTC (Int64), and which were there but are not a date."""
    if cells.dtype in (pl.Date, pl.Datetime):
        seconds = cells.cast(pl.Datetime("ms")).dt.epoch("s")
        return seconds.rename(cells.name), np.zeros(len(cells), dtype=bool)
    if date_format in ("s", "ms"):
        numbers, bad = to_number(cells)
        return _whole_seconds(numbers / (1000 if date_format == "ms" else 1), cells.name, bad)
    if date_format is None and cells.dtype.is_numeric():
        return _guess_epoch(cells)
    text = to_text(cells)
    if date_format is not None:
        return _seconds(_strptime(text, date_format), text)
    numbers = text.str.extract(_EPOCH).cast(pl.Float64)
    if numbers.null_count() == text.null_count():
        return _guess_epoch(numbers.rename(cells.name))
    dates, bad = _seconds(_parse_times(text), text)
    times, _ = _guess_epoch(numbers)
    return pl.select(pl.coalesce(dates, times)).to_series().rename(cells.name), bad & times.is_null().to_numpy()


def _seconds(parsed: pl.Series, text: pl.Series) -> tuple[pl.Series, BoolArray]:
    return parsed.dt.epoch("s").rename(text.name), (text.is_not_null() & parsed.is_null()).to_numpy()


def _guess_epoch(cells: pl.Series) -> tuple[pl.Series, BoolArray]:
    numbers, bad = to_number(cells)
    scaled = pl.select(pl.when(numbers.abs() >= FIRST_MS).then(numbers / 1000).otherwise(numbers)).to_series()
    return _whole_seconds(scaled, cells.name, bad)


def _whole_seconds(numbers: pl.Series, name: str, bad: BoolArray) -> tuple[pl.Series, BoolArray]:
    seconds = numbers.floor().cast(pl.Int64, strict=False)  # a number beyond 64 bits is no date
    return seconds.rename(name), bad | (numbers.is_not_null() & seconds.is_null()).to_numpy()


def _parse_times(text: pl.Series) -> pl.Series:
    offset = text.str.extract(_OFFSET)
    plain = text.str.replace(_FRACTION, "$1").str.replace(r"(\d:\d\d)\s*(Z|[+-]\d\d:?\d\d)$", "$1")
    parsed = pl.Series(text.name, [None] * len(text), dtype=pl.Datetime("ms"))
    for pattern in _GUESSED_FORMATS:
        parsed = pl.select(pl.coalesce(parsed, _strptime(plain, pattern))).to_series()
        if parsed.null_count() == text.null_count():
            break
    return parsed if offset.null_count() == len(offset) else parsed - _offsets(offset)


def _offsets(offset: pl.Series) -> pl.Series:
    """``+08:00`` as a duration; no offset and ``Z`` are UTC."""
    sign = pl.select(pl.when(offset.str.starts_with("-")).then(-1).otherwise(1)).to_series()
    hours = offset.str.extract(r"^[+-](\d\d)").cast(pl.Int64).fill_null(0)
    minutes = offset.str.extract(r"(\d\d)$").cast(pl.Int64, strict=False).fill_null(0)
    return ((hours * 3600 + minutes * 60) * sign * 1000).cast(pl.Duration("ms"))


def _strptime(text: pl.Series, pattern: str) -> pl.Series:
    """Naive UTC times; null where a cell does not follow the pattern."""
    if "%z" in pattern or "%+" in pattern:
        aware = text.str.strptime(pl.Datetime("ms", "UTC"), pattern, strict=False)
        return aware.dt.replace_time_zone(None)
    wanted = pl.Datetime("ms") if any(sign in pattern for sign in _TIME_DIRECTIVES) else pl.Date
    return text.str.strptime(wanted, pattern, strict=False).cast(pl.Datetime("ms"))
