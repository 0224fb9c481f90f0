"""Cells of a column as text: trimmed, with nothing in place of what means nothing, HTML stripped, ids spelt alike."""

from __future__ import annotations

import html
import json
import re
from typing import Final

import polars as pl

from modaloom.ids import ID_PATTERN, MAX_ID_LENGTH

NULL_WORDS: Final = (
    "NA", "N/A", "n/a", "#N/A", "NaN", "nan", "NULL", "null", "(null)", "None", "nil", "undefined",
    "-", "--", "—", "无", "暂无", "空",
)  # fmt: skip
"""Cells that say that nothing is there, written exactly so; ``null_words`` in shop.toml replaces them."""
LIST_SEPARATOR: Final = "\n"
"""Between the parts of a list that a nested record had in one cell."""
_TAGS = re.compile(r"<(?:style|script)\b.*?</(?:style|script)>|<!--.*?-->|<[^>]+>", re.IGNORECASE | re.DOTALL)
_WHOLE_FLOAT = r"^(-?\d+)\.0+$"


def to_text(cells: pl.Series) -> pl.Series:
    """Cells as trimmed strings; empty ones become null, the parts of lists are joined with spaces."""
    if cells.dtype == pl.String:
        text = cells
    elif cells.dtype in (pl.List, pl.Array) and not cells.dtype.inner.is_nested() and cells.dtype.inner != pl.Binary:  # type: ignore[attr-defined]
        text = cells.cast(pl.List(pl.String)).list.join(" ", ignore_nulls=True)
    elif cells.dtype.is_numeric() or cells.dtype in (
        pl.Boolean,
        pl.Date,
        pl.Datetime,
        pl.Categorical,
        pl.Enum,
        pl.Null,
    ):
        text = cells.cast(pl.String)
    else:
        text = pl.Series(cells.name, [_plain(cell) for cell in cells.to_list()], dtype=pl.String)
    text = text.str.strip_chars()
    return pl.select(pl.when(text != "").then(text)).to_series().rename(cells.name)


def _plain(cell: object) -> str | None:
    """A cell of a kind that tables rarely hold: bytes, durations, nested records."""
    match cell:
        case None:
            return None
        case bytes():
            return cell.decode("utf-8", errors="replace")
        case list():
            return " ".join(str(_plain(part)) for part in cell if part is not None)
        case dict():
            return json.dumps(cell, ensure_ascii=False, default=str)
        case _:
            return str(cell)


def is_null_word(text: pl.Series, words: tuple[str, ...]) -> pl.Series:
    """Which cells hold one of the words that stand for nothing."""
    return text.is_in(pl.Series(words, dtype=pl.String).implode()).fill_null(False)


def without_html(text: pl.Series) -> pl.Series:
    """Plain text: tags, styles and entities are gone, blanks are single."""
    plain = [None if cell is None else " ".join(html.unescape(_TAGS.sub(" ", cell)).split()) for cell in text]
    return to_text(pl.Series(text.name, plain, dtype=pl.String))


def to_id(cells: pl.Series, *, keep_fraction: bool = False) -> pl.Series:
    """Cells as ids: a whole number is spelt alike whether a tool wrote ``1003`` or ``1003.0``.

    Tools write whole numbers as ``1003.0`` where a column has gaps. ``keep_fraction`` leaves text as it is, for shops
    in which ``12.0`` and ``12.5`` are different things (:func:`fractions_matter`).
    """
    if cells.dtype.is_float():
        whole = cells.cast(pl.Int64, strict=False)
        exact = (whole.cast(pl.Float64) == cells.cast(pl.Float64)) & (cells.abs() < 2**53)
        text = cells.cast(pl.String)
        return pl.select(
            pl.when(exact & ~pl.lit(keep_fraction)).then(whole.cast(pl.String)).otherwise(text)
        ).to_series()
    text = to_text(cells)
    if keep_fraction or cells.dtype != pl.String or not text.str.ends_with(".0").any():
        return text
    return text.str.replace(_WHOLE_FLOAT, "$1")


def fractions_matter(ids: pl.Series) -> bool:
    """Whether a column of ids tells ``12.0`` from ``12``, or has numbers with real fractions, such as ``12.5``."""
    if not ids.str.contains(".", literal=True).any():
        return False
    whole = ids.filter(ids.str.contains(_WHOLE_FLOAT))
    return bool(
        ids.str.contains(r"^-?\d+\.\d*[1-9]\d*$").any()
        or whole.str.replace(_WHOLE_FLOAT, "$1").is_in(ids.implode()).any()
    )


def is_bad_id(ids: pl.Series) -> pl.Series:
    """Which ids break the rule of :mod:`modaloom.ids`; null is none of them."""
    long = ids.str.len_bytes() > MAX_ID_LENGTH
    if long.any():
        long = ids.str.len_chars() > MAX_ID_LENGTH
    return (long | ~ids.str.contains(ID_PATTERN)).fill_null(False)
