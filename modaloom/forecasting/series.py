"""Reads series from CSV and Parquet, wide (a column for each series) or long (a row for each value).

Wide: the first column may hold dates or a running number; every other column is a series. Long: columns for name,
time and value, recognised by what they are usually called or named by the caller. Empty cells and ``nan`` are unknown.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from modaloom.data.numbers import Decimal, NumberColumn
from modaloom.errors import ColumnError, SeriesFileError
from modaloom.forecasting.contract import SeriesSet, Values

NAME_COLUMNS = ("name", "series", "unique_id", "series_id", "item_id", "id", "trend", "term")
TIME_COLUMNS = ("date", "ds", "week", "day", "time", "timestamp", "period", "index", "step", "t")
VALUE_COLUMNS = ("value", "y", "share", "count", "sales", "quantity", "target")
UNKNOWN = {"", "nan", "na", "n/a", "null", "none", "-", "?"}
DATE_FORMATS = ("%Y/%m/%d", "%d.%m.%Y", "%Y/%m/%d %H:%M:%S")
"""Beside everything that ISO 8601 allows."""
MAX_STEPS = 200_000
"""A grid of dates longer than this comes from a wrong date."""


@dataclass(frozen=True, slots=True)
class LongColumns:
    """What the columns of a long table are called."""

    name: str
    time: str
    value: str


@dataclass(frozen=True, slots=True)
class _Table:
    """Cells as text, and the line each row is on."""

    file: Path
    header: tuple[str, ...]
    columns: tuple[tuple[str, ...], ...]
    lines: tuple[int, ...]
    decimal: Decimal | None
    """The decimal sign where the caller names it; it is decided from all cells of the table otherwise."""

    def column(self, name: str) -> tuple[str, ...]:
        return self.columns[self.header.index(name)]

    def fail(self, what: str, row: int, column: str, hint: str | None = None) -> SeriesFileError:
        """An error that says where."""
        return SeriesFileError(what, where=f"{self.file}, line {self.lines[row]}, column {column!r}", hint=hint)


def read_series(
    file: Path,
    *,
    aux: Path | None = None,
    columns: LongColumns | None = None,
    decimal: Decimal | None = None,
) -> SeriesSet:
    """The series of a file, with a second signal from another file of the same layout.

    Args:
        file: CSV (comma, semicolon or tab) or Parquet, wide or long.
        aux: a file with a second signal; series are matched by name, steps by date where both have dates.
        columns: names of the columns of a long table; without, they are recognised.
        decimal: the decimal sign of the values; decided from the file when absent.

    Raises:
        SeriesFileError: says file, line and column, and what to do.
    """
    series = _read(file, columns, decimal)
    if aux is None:
        return series
    return replace(series, aux=_matched(series, _read(aux, columns, decimal), aux))


def _matched(series: SeriesSet, other: SeriesSet, file: Path) -> Values:
    """The other file's values in the order and on the steps of ``series``."""
    missing = [name for name in series.names if name not in other.names]
    if missing:
        shown = ", ".join(missing[:3]) + (" ..." if len(missing) > 3 else "")
        raise SeriesFileError(
            f"{len(missing)} series are missing: {shown}", where=file, hint="Both files need the same names"
        )
    place = {name: row for row, name in enumerate(other.names)}
    values = other.values[[place[name] for name in series.names]]
    offset = 0
    if series.start is not None and other.start is not None:
        if series.step_days != other.step_days:
            raise SeriesFileError(f"its steps are {other.step_days} days, not {series.step_days}", where=file)
        days = (series.start - other.start).days
        if days % series.step_days:
            raise SeriesFileError(f"its dates lie between those of the series ({other.start})", where=file)
        offset = days // series.step_days
    elif other.length != series.length:
        raise SeriesFileError(f"it has {other.length} steps, the series have {series.length}", where=file)
    result = np.full(series.values.shape, np.nan)
    first, last = max(offset, 0), min(offset + series.length, other.length)
    if first < last:
        result[:, first - offset : last - offset] = values[:, first:last]
    return result


def _read(file: Path, columns: LongColumns | None, decimal: Decimal | None) -> SeriesSet:
    table = _read_table(file, decimal)
    if not table.lines:
        raise SeriesFileError("the file has no rows", where=file)
    if columns is not None:
        for name in (columns.name, columns.time, columns.value):
            if name not in table.header:
                raise SeriesFileError(f"no column {name!r}", where=file, hint=f"It has: {', '.join(table.header)}")
        return _long(table, columns)
    found = _long_columns(table)
    return _long(table, found) if found else _wide(table)


def _long_columns(table: _Table) -> LongColumns | None:
    """The columns of a long table by their usual names, or None where the table is wide."""
    lower = {name.strip().lower(): name for name in table.header}
    picks = [
        next((lower[one] for one in known if one in lower), None)
        for known in (NAME_COLUMNS, TIME_COLUMNS, VALUE_COLUMNS)
    ]
    name, time, value = picks
    return LongColumns(name, time, value) if name and time and value else None


def _wide(table: _Table) -> SeriesSet:
    first = table.header[0]
    times = table.columns[0] if _is_time(first, table.columns[0]) else None
    names = table.header[1:] if times is not None else table.header
    if not names:
        raise SeriesFileError("there is a column of dates, but no series", where=table.file)
    body = table.columns[1:] if times is not None else table.columns
    values = _numbers(table, names, body)
    if times is None:
        return SeriesSet(tuple(names), values)
    steps, start, step_days = _grid(table, first, times)
    if len(set(steps)) != len(steps):
        row = next(row for row in range(1, len(steps)) if steps[row] in steps[:row])
        raise table.fail(f"{times[row]!r} comes twice", row, first, "One row for each step is needed")
    placed = np.full((len(names), max(steps) + 1), np.nan)
    placed[:, steps] = values
    return SeriesSet(tuple(names), placed, start=start, step_days=step_days)


def _long(table: _Table, columns: LongColumns) -> SeriesSet:
    labels = table.column(columns.name)
    empty = next((row for row, label in enumerate(labels) if not label.strip()), None)
    if empty is not None:
        raise table.fail("the name is empty", empty, columns.name)
    names = tuple(dict.fromkeys(label.strip() for label in labels))
    place = {name: row for row, name in enumerate(names)}
    rows = np.array([place[label.strip()] for label in labels])
    steps, start, step_days = _grid(table, columns.time, table.column(columns.time))
    values = np.full((len(names), max(steps) + 1), np.nan)
    keys = rows * values.shape[1] + np.array(steps)
    order = np.argsort(keys, kind="stable")
    twice = np.flatnonzero(np.diff(keys[order]) == 0)
    if len(twice):
        row = int(order[twice[0] + 1])
        raise table.fail(f"{labels[row]!r} has two values for one step", row, columns.time, "Add them up first")
    values[rows, steps] = _numbers(table, (columns.value,), (table.column(columns.value),))[0]
    return SeriesSet(names, values, start=start, step_days=step_days)


def _is_time(header: str, cells: tuple[str, ...]) -> bool:
    """Whether a first column tells the time: by its name, or by dates in it."""
    if header.strip().lower() in (*TIME_COLUMNS, ""):
        return True
    return _date(cells[0]) is not None and not cells[0].strip().isdecimal()


def _numbers(table: _Table, names: Sequence[str], columns: Sequence[tuple[str, ...]]) -> Values:
    """Values (columns, rows) of columns that are all written in one notation; NaN where a cell is unknown."""
    cells = pl.Series([cell.strip() for column in columns for cell in column], dtype=pl.String)
    lower = cells.str.to_lowercase()
    unknown = lower.is_in(list(UNKNOWN))
    where = str(table.file)
    reader = NumberColumn("value" if len(names) > 1 else names[0], table.decimal, where=where)
    try:
        numbers = reader.read(pl.select(pl.when(~unknown).then(cells)).to_series())
    except ColumnError as error:
        hint = "Say --decimal , or --decimal . on the command line"
        raise SeriesFileError(error.what, where=where, hint=hint) from error
    if numbers.bad.any():
        place = int(numbers.bad.argmax())
        column, row = divmod(place, len(columns[0]))
        infinite = lower[place].lstrip("+-") in ("inf", "infinity") or (
            "e" in lower[place] and lower[place][:1].isdigit()
        )
        what = "the value is infinite" if infinite else f"{cells[place]!r} is no number"
        raise table.fail(what, row, names[column], "Leave unknown cells empty")
    return numbers.values.fill_null(np.nan).to_numpy().reshape(len(columns), -1)


def _grid(table: _Table, column: str, cells: tuple[str, ...]) -> tuple[list[int], date | None, int]:
    """The step of each row, the first day and the days between steps; running numbers have no days."""
    days = [_date(cell) for cell in cells]
    if days[0] is None or all(cell.strip().isdecimal() and len(cell.strip()) < 8 for cell in cells):
        return _running(table, column, cells), None, 7
    for row, (day, cell) in enumerate(zip(days, cells, strict=True)):
        if day is None:
            raise table.fail(f"{cell!r} is no date", row, column, "Write dates as 2025-01-31")
    ordinals = np.array([day.toordinal() for day in days if day is not None])
    first = int(ordinals.min())
    apart = np.diff(np.unique(ordinals))
    if not len(apart):
        return [0] * len(cells), date.fromordinal(first), 7
    sizes, often = np.unique(apart, return_counts=True)
    step = int(sizes[often.argmax()])  # the usual distance; the shortest of those that are as usual
    offset = ordinals - first
    if (offset % step).any():
        row = int(np.flatnonzero(offset % step)[0])
        raise table.fail(
            f"{cells[row]!r} is not a whole number of steps of {step} days after {date.fromordinal(first)}",
            row,
            column,
            "Steps must be equally long; for months, leave the dates out and give --season 12",
        )
    if int(offset.max()) // step >= MAX_STEPS:
        row = int(offset.argmax())
        raise table.fail(f"{cells[row]!r} is {int(offset.max()) // step:,} steps after the first date", row, column)
    return [int(days) // step for days in offset], date.fromordinal(first), step


def _running(table: _Table, column: str, cells: tuple[str, ...]) -> list[int]:
    numbers = []
    for row, cell in enumerate(cells):
        try:
            numbers.append(int(float(cell)))
        except (ValueError, OverflowError):
            raise table.fail(f"{cell!r} is neither a date nor a number", row, column, "Write 2025-01-31") from None
    first = min(numbers)
    if max(numbers) - first >= MAX_STEPS:
        raise table.fail(f"{max(numbers)!r} is too far from {first!r}", numbers.index(max(numbers)), column)
    return [number - first for number in numbers]


@lru_cache(maxsize=100_000)  # a long table says each date once for every series
def _date(cell: str) -> date | None:
    text = cell.strip()
    try:
        return datetime.fromisoformat(text).date()
    except ValueError:
        pass
    for form in DATE_FORMATS:
        try:
            return datetime.strptime(text, form).date()
        except ValueError:
            continue
    return None


def _read_table(file: Path, decimal: Decimal | None) -> _Table:
    """All cells of a file as text."""
    if not file.is_file():
        raise SeriesFileError("no such file", where=file, hint="Give a CSV or Parquet file of series")
    if file.suffix.lower() == ".parquet":
        return _parquet(file, decimal)
    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise SeriesFileError(f"not UTF-8 text (byte {error.start})", where=file, hint="Save it as UTF-8") from error
    head = text.split("\n", 1)[0]
    separator = max(",;\t", key=head.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    try:
        header = tuple(name.strip() for name in next(reader, []))
        rows, lines = _rows(file, reader, header)
    except csv.Error as error:
        raise SeriesFileError(
            f"the cells cannot be told apart ({error})",
            where=f"{file}, line {reader.line_num}",
            hint="Close all quotes",
        ) from error
    return _Table(file, header, tuple(zip(*rows, strict=True)), tuple(lines), decimal)


def _rows(file: Path, reader: Any, header: tuple[str, ...]) -> tuple[list[list[str]], list[int]]:
    """Cells and line of each row; lines without anything in them are none."""
    if not header:
        raise SeriesFileError("the file is empty", where=file)
    doubles = [name for name, number in Counter(header).items() if number > 1]
    if doubles:
        raise SeriesFileError(f"two columns are called {doubles[0]!r}", where=f"{file}, line 1")
    rows: list[list[str]] = []
    lines: list[int] = []
    for row in reader:
        if not row or (len(row) == 1 < len(header) and not row[0].strip()):
            continue
        if len(row) != len(header):
            raise SeriesFileError(
                f"{len(row)} cells, the first line has {len(header)}", where=f"{file}, line {reader.line_num}"
            )
        rows.append(row)
        lines.append(reader.line_num)
    while rows and not any(cell.strip() for cell in rows[-1]):  # what a spreadsheet leaves at the end
        del rows[-1], lines[-1]
    return rows, lines


def _parquet(file: Path, decimal: Decimal | None) -> _Table:
    try:
        frame = pl.read_parquet(file)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise SeriesFileError("the file is damaged or no Parquet", where=file, hint="Export it again") from error
    columns = tuple(
        tuple("" if cell is None else str(cell) for cell in frame[name].to_list()) for name in frame.columns
    )
    return _Table(file, tuple(frame.columns), columns, tuple(range(1, frame.height + 1)), decimal or ".")
