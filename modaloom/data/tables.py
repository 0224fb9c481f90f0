"""Reads tables of any size batch by batch, and turns their cells into numbers and times.

A bad row never stops the reading: it is counted and listed with its file and line, and skipped.
"""

from __future__ import annotations

import csv
import difflib
import gzip
import io
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np
import polars as pl

from modaloom.data.problems import Problems
from modaloom.data.schema import FileSpec, Format
from modaloom.errors import ColumnError, ShopError, ShopNotFoundError
from modaloom.types import BoolArray, IntArray

BATCH_ROWS = 200_000
PICTURE_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp"}
_SUFFIX_FORMATS: dict[str, Format] = {
    ".csv": "csv", ".tsv": "tsv", ".txt": "list", ".inter": "tsv", ".item": "tsv", ".user": "tsv",
    ".parquet": "parquet", ".jsonl": "jsonl", ".ndjson": "jsonl",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Batch:
    """Some rows of one file: the columns asked for, and the physical line of each row."""

    file: str
    frame: pl.DataFrame
    lines: IntArray


@dataclass
class Reading:
    """One table being read: where, which columns, and how many rows were seen and skipped."""

    root: Path
    spec: FileSpec
    columns: tuple[str, ...]
    problems: Problems
    rows: int = 0
    bad: int = 0
    bad_kinds: set[str] = field(default_factory=set)

    def skip(self, kind: str, file: str, line: int, detail: str) -> None:
        """Counts one bad row."""
        self.problems.add(kind, file, line, detail)
        self.bad += 1
        self.bad_kinds.add(kind)

    def skip_rows(self, kind: str, batch: Batch, bad: BoolArray, column: str | None = None) -> None:
        """Counts the rows of a batch that ``bad`` marks; quotes the cell of ``column``."""
        number = int(bad.sum())
        if not number:
            return
        self.note_rows(kind, batch, bad, column)
        self.bad += number
        self.bad_kinds.add(kind)

    def note_rows(self, kind: str, batch: Batch, marked: BoolArray, column: str | None = None) -> None:
        """Lists rows that are kept nevertheless, or that do not count as bad."""
        picks = np.flatnonzero(marked)
        listed = 0
        for row in picks.tolist():
            if not self.problems.wants_examples(kind):
                break
            cell = f"{column} = {batch.frame[column][row]!r}" if column else ""
            self.problems.add(kind, batch.file, int(batch.lines[row]), cell)
            listed += 1
        self.problems.count(kind, len(picks) - listed)

    def batches(self) -> Iterator[Batch]:
        """The rows, in file order, in batches of at most :data:`BATCH_ROWS`.

        Raises:
            ShopNotFoundError: no such file.
            ColumnError: a column is not in the file.
            ShopError: the file is empty or unreadable.
        """
        for file in self._files():
            for batch in _READERS[self._format(file)](self, file):
                self.rows += batch.frame.height
                yield batch

    def _format(self, file: Path) -> Format | str:
        if self.spec.format:
            return self.spec.format
        suffixes = [suffix.lower() for suffix in file.suffixes if suffix.lower() != ".gz"]
        suffix = suffixes[-1] if suffixes else ""
        if suffix in PICTURE_SUFFIXES:
            return "pictures"
        if suffix not in _SUFFIX_FORMATS:
            raise ShopError(
                f"cannot tell the format from the ending {suffix!r}", where=file, hint="Say format = ... in shop.toml"
            )
        return _SUFFIX_FORMATS[suffix]

    def _files(self) -> list[Path]:
        pattern = self.spec.file
        if any(sign in pattern for sign in "*?["):
            files = sorted(path for path in self.root.glob(pattern) if path.is_file())
            if files:
                return files
        elif (self.root / pattern).is_file():
            return [self.root / pattern]
        there = sorted(path.name for path in self.root.iterdir()) if self.root.is_dir() else []
        near = difflib.get_close_matches(Path(pattern).name, there, n=3) or there[:5]
        raise ShopNotFoundError(
            f"no such file: {pattern}",
            where=self.root,
            hint=f"The folder has: {', '.join(near)}" if near else "The folder is empty or missing",
        )

    def check_columns(self, file: Path, there: Sequence[str]) -> None:
        """Raises ColumnError for the columns that the file lacks, with the nearest that it has."""
        missing = [column for column in self.columns if column not in there]
        if not missing:
            return
        parts = []
        for column in missing:
            near = difflib.get_close_matches(column, there, n=1)
            parts.append(f"{column!r}" + (f" (did you mean {near[0]!r}?)" if near else ""))
        raise ColumnError(
            f"no column {', '.join(parts)}",
            where=file,
            hint=f"Its columns are: {', '.join(there)}. Correct the names in shop.toml",
        )


def _open_text(file: Path) -> IO[str]:
    raw: Any = gzip.open(file, "rb") if file.suffix.lower() == ".gz" else file.open("rb")
    return io.TextIOWrapper(raw, encoding="utf-8-sig", errors="replace", newline="")


def _delimited_rows(reading: Reading, file: Path, stream: IO[str]) -> Iterator[tuple[int, list[str]]]:
    """Line number and cells of each record."""
    spec = reading.spec
    for _ in range(spec.skip_lines):
        stream.readline()
    if reading._format(file) == "list" and spec.separator is None:
        for number, line in enumerate(stream, start=spec.skip_lines + 1):
            yield number, line.split()
        return
    separator = spec.separator or ("\t" if reading._format(file) == "tsv" else ",")
    csv.field_size_limit(min(sys.maxsize, 2**31 - 1))
    records = csv.reader(stream, delimiter=separator)
    while True:
        try:
            line = records.line_num + spec.skip_lines + 1
            yield line, next(records)
        except StopIteration:
            return
        except csv.Error as error:
            reading.skip("unreadable row", file.name, records.line_num + spec.skip_lines, str(error))


def _read_delimited(reading: Reading, file: Path) -> Iterator[Batch]:
    with _open_text(file) as stream:
        records = _delimited_rows(reading, file, stream)
        first = next(records, None)
        if first is None:
            raise ShopError("the file is empty", where=file, hint="Export it again")
        header = first[1]
        if reading.spec.typed_header:
            header = [cell.split(":")[0] for cell in header]
        pending = None
        if not reading.spec.header:
            pending, header = first, [f"column_{number + 1}" for number in range(len(header))]
        header = [cell.strip() for cell in header]
        reading.check_columns(file, header)
        places = [header.index(column) for column in reading.columns]
        yield from _gather(reading, file, records, places, len(header), pending)


def _gather(
    reading: Reading,
    file: Path,
    records: Iterator[tuple[int, list[str]]],
    places: list[int],
    width: int,
    pending: tuple[int, list[str]] | None,
) -> Iterator[Batch]:
    rows: list[list[str]] = []
    lines: list[int] = []
    source = records if pending is None else _chain(pending, records)
    for line, cells in source:
        if len(cells) != width:
            if any(cell.strip() for cell in cells):  # blank lines are not worth a word
                reading.rows += 1
                reading.skip("wrong number of fields", file.name, line, f"{len(cells)} instead of {width}")
            continue
        rows.append(cells)
        lines.append(line)
        if len(rows) == BATCH_ROWS:
            yield _string_batch(reading, file, rows, lines, places)
            rows, lines = [], []
    if rows:
        yield _string_batch(reading, file, rows, lines, places)


def _chain(first: tuple[int, list[str]], rest: Iterator[tuple[int, list[str]]]) -> Iterator[tuple[int, list[str]]]:
    yield first
    yield from rest


def _string_batch(reading: Reading, file: Path, rows: list[list[str]], lines: list[int], places: list[int]) -> Batch:
    by_column = list(zip(*rows, strict=True))
    frame = pl.DataFrame(
        {column: pl.Series(column, by_column[place], dtype=pl.String) for column, place in zip(reading.columns, places, strict=True)}
    )
    return Batch(file.name, frame, np.array(lines, dtype=np.int64))


def _read_parquet(reading: Reading, file: Path) -> Iterator[Batch]:
    try:
        schema = pl.read_parquet_schema(file)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise ShopError(f"this is not a readable Parquet file ({error})", where=file, hint="Export it again") from error
    reading.check_columns(file, list(schema))
    scan = pl.scan_parquet(file, low_memory=True).select(reading.columns)
    start = 0
    while True:
        frame = scan.slice(start, BATCH_ROWS).collect()
        if frame.height == 0:
            return
        yield Batch(file.name, frame, np.arange(start, start + frame.height, dtype=np.int64) + 1)
        start += frame.height


def _read_jsonl(reading: Reading, file: Path) -> Iterator[Batch]:
    cells: list[list[str | None]] = []
    lines: list[int] = []
    seen: set[str] = set()
    with _open_text(file) as stream:
        for line, text in enumerate(stream, start=1):
            if not text.strip():
                continue
            try:
                record = json.loads(text)
                if not isinstance(record, dict):
                    raise ValueError("not a JSON object")
            except ValueError as error:
                reading.rows += 1
                reading.skip("unreadable row", file.name, line, str(error))
                continue
            seen.update(record)
            cells.append([_as_text(record.get(column)) for column in reading.columns])
            lines.append(line)
            if len(cells) == BATCH_ROWS:
                reading.check_columns(file, sorted(seen))
                yield _json_batch(reading, file, cells, lines)
                cells, lines = [], []
    if not seen:
        raise ShopError("the file is empty", where=file, hint="Export it again")
    reading.check_columns(file, sorted(seen))
    if cells:
        yield _json_batch(reading, file, cells, lines)


def _json_batch(reading: Reading, file: Path, cells: list[list[str | None]], lines: list[int]) -> Batch:
    columns = zip(*cells, strict=True)
    frame = pl.DataFrame({name: pl.Series(name, list(values), dtype=pl.String) for name, values in zip(reading.columns, columns, strict=True)})
    return Batch(file.name, frame, np.array(lines, dtype=np.int64))


def _as_text(value: object) -> str | None:
    if value is None:
        return None
    if isinstance(value, list):
        return " ".join(str(part) for part in value)
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else str(value)


def _read_picture(reading: Reading, file: Path) -> Iterator[Batch]:
    """A picture is a row of its own: ``path`` below the root, ``name`` without ending, ``folder`` it lies in."""
    row = {"path": file.relative_to(reading.root).as_posix(), "name": file.stem, "folder": file.parent.name}
    reading.check_columns(file, list(row))
    yield Batch(file.name, pl.DataFrame([row]).select(reading.columns), np.zeros(1, dtype=np.int64))


_READERS = {
    "csv": _read_delimited, "tsv": _read_delimited, "list": _read_delimited,
    "parquet": _read_parquet, "jsonl": _read_jsonl, "pictures": _read_picture,
}  # fmt: skip


def to_text(cells: pl.Series) -> pl.Series:
    """Cells as trimmed strings; empty ones become null."""
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
        return cells.cast(pl.Datetime("ms")).dt.epoch("s").rename(cells.name), np.zeros(len(cells), dtype=bool)
    if date_format in ("s", "ms") or (cells.dtype.is_numeric() and date_format is None):
        numbers, bad = to_number(cells)
        return (numbers / (1000 if date_format == "ms" else 1)).cast(pl.Int64), bad
    text = to_text(cells)
    parsed = _parse_times(text, date_format)
    bad = text.is_not_null() & parsed.is_null()
    return parsed.dt.epoch("s").rename(cells.name), bad.to_numpy()


def _parse_times(text: pl.Series, date_format: str | None) -> pl.Series:
    formats = [date_format] if date_format else ["%Y-%m-%d", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M", "%Y/%m/%d"]
    plain = text if date_format else text.str.replace(r"(\.\d+)?(Z|[+]00:?00)?$", "")
    parsed = pl.Series(text.name, [None] * len(text), dtype=pl.Datetime("ms"))
    for pattern in formats:
        wanted = pl.Date if "%H" not in pattern else pl.Datetime("ms")
        attempt = plain.str.strptime(wanted, pattern, strict=False).cast(pl.Datetime("ms"))
        parsed = pl.select(pl.coalesce(parsed, attempt)).to_series()
        if parsed.null_count() == text.null_count():
            break
    return parsed
