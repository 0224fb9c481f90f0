"""Reads tables of any size batch by batch, and turns their cells into numbers and times.

A bad row never stops the reading: it is counted and listed with its file and line, and skipped.
"""

from __future__ import annotations

import codecs
import csv
import difflib
import gzip
import io
import json
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np
import polars as pl

from modaloom.data.cells import to_text
from modaloom.data.problems import Problems
from modaloom.data.schema import FileSpec, Format
from modaloom.errors import ColumnError, ShopError, ShopNotFoundError
from modaloom.types import BoolArray, IntArray

BATCH_ROWS = 200_000
MAX_LINES_PER_ROW = 1000
"""A quoted cell may hold line breaks; more than this is a quotation mark that nobody closed."""
SEPARATORS = (";", "\t", "|", ",")
"""What may stand between cells; named where the first line has one of these instead of the one expected."""
PICTURE_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp"}
_PICTURE_COLUMNS = ("path", "name", "folder")
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
    counts: Counter[str] = field(default_factory=Counter)
    """Rows by kind of problem in this reading alone; ``problems`` may hold those of earlier readings."""
    garbled: int = 0
    """Rows with letters that could not be decoded; they are kept."""

    def skip(self, kind: str, file: str, line: int, detail: str, *, lines: int = 1) -> None:
        """Counts one bad row, or as many as its ``lines``, which the reader took for one row."""
        self.problems.add(kind, file, line, detail)
        self.problems.count(kind, lines - 1)
        self.counts[kind] += lines
        self.rows += lines
        self.bad += lines
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
        if len(picks):
            self.counts[kind] += len(picks)
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
        files = self.files()
        pictures = [file for file in files if self.format_of(file) == "pictures"]
        for file in files:
            if self.format_of(file) == "pictures":
                continue
            try:
                for batch in _READERS[self.format_of(file)](self, file):
                    yield self._counted(batch)
            except (EOFError, OSError, zlib.error, csv.Error, pl.exceptions.ComputeError) as error:
                raise ShopError(f"the file is damaged ({error})", where=file, hint="Export it again") from error
        for start in range(0, len(pictures), BATCH_ROWS):
            yield self._counted(_picture_batch(self, pictures[start : start + BATCH_ROWS]))

    def _counted(self, batch: Batch) -> Batch:
        self.rows += batch.frame.height
        return batch

    @property
    def raw_columns(self) -> tuple[str, ...]:
        """The columns that must be in the file itself: those asked for, and those that others are cut from."""
        made = {name for extract in self.spec.extract for name in extract.names}
        sources = [extract.column for extract in self.spec.extract]
        return tuple(dict.fromkeys([*(name for name in self.columns if name not in made), *sources]))

    def finish(self, file: str, frame: pl.DataFrame, lines: IntArray) -> Batch:
        """A batch of the columns asked for, with those that are cut out of others; lists damaged letters."""
        for extract in self.spec.extract:
            groups = to_text(frame[extract.column]).str.extract_groups(extract.pattern)
            frame = frame.with_columns(groups.struct.unnest())
        batch = Batch(file, frame.select(self.columns), lines)
        garbled = np.zeros(frame.height, dtype=bool)
        for column in self.columns:
            if frame[column].dtype == pl.String:
                broken = frame[column].str.contains("\ufffd", literal=True).fill_null(False).to_numpy()
                if broken.any():
                    self.note_rows("letters not readable", batch, broken, column)
                    garbled |= broken
        self.garbled += int(garbled.sum())
        return batch

    def format_of(self, file: Path) -> Format | Literal["pictures"]:
        """How a file is written, from shop.toml or else from its ending."""
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

    def files(self) -> list[Path]:
        """The files that the table consists of; at least one."""
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
        missing = [column for column in self.raw_columns if column not in there]
        if not missing:
            return
        _refuse_misread(file, there, missing, self.spec.encoding)
        parts = []
        for column in missing:
            near = difflib.get_close_matches(column, there, n=1)
            parts.append(f"{column!r}" + (f" (did you mean {near[0]!r}?)" if near else ""))
        raise ColumnError(
            f"no column {', '.join(parts)}",
            where=file,
            hint=f"Its columns are: {', '.join(there)}. Correct the names in shop.toml",
        )


def _refuse_misread(file: Path, there: Sequence[str], missing: Sequence[str], encoding: str) -> None:
    """Raises ShopError where columns are missing because the first line was cut or decoded wrongly."""
    if any(not letter.isprintable() or letter == "\ufffd" for name in there for letter in name):
        raise ShopError(
            f"the first line is no text in {encoding}",
            where=file,
            hint="Save it as CSV in UTF-8, or say encoding in shop.toml (gb18030 for a Chinese Excel, or utf-16)",
        )
    for separator in SEPARATORS:
        if len(there) == 1 and set(missing) & {cell.strip() for cell in there[0].split(separator)}:
            raise ColumnError(
                f"the cells are separated by {separator!r}",
                where=file,
                hint=f"Say separator = {json.dumps(separator)} for this file in shop.toml",
            )


def _open_text(file: Path, encoding: str) -> IO[str]:
    if codecs.lookup(encoding).name == "utf-8":
        encoding = "utf-8-sig"  # Excel begins its files with a mark
    raw: Any = (gzip.open if file.suffix.lower() == ".gz" else open)(file, "rb")
    return io.TextIOWrapper(raw, encoding=encoding, errors="replace", newline="")


def _delimited_rows(reading: Reading, file: Path, stream: IO[str]) -> Iterator[tuple[int, list[str]]]:
    """Line number and cells of each record."""
    spec = reading.spec
    for _ in range(spec.skip_lines):
        stream.readline()
    if reading.format_of(file) == "list" and spec.separator is None:
        for number, text in enumerate(stream, start=spec.skip_lines + 1):
            yield number, text.split()
        return
    separator = spec.separator or ("\t" if reading.format_of(file) == "tsv" else ",")
    csv.field_size_limit(2**31 - 1)
    records = csv.reader(stream, delimiter=separator, quoting=csv.QUOTE_MINIMAL if spec.quoted else csv.QUOTE_NONE)
    line = spec.skip_lines + 1
    for cells in records:
        following = records.line_num + spec.skip_lines + 1
        if following - line > MAX_LINES_PER_ROW:
            detail = "a quotation mark is opened here and never closed"
            reading.skip("unclosed quotation mark", file.name, line, detail, lines=following - line)
        else:
            yield line, cells
        line = following


def _read_delimited(reading: Reading, file: Path) -> Iterator[Batch]:
    with _open_text(file, reading.spec.encoding) as stream:
        records = _delimited_rows(reading, file, stream)
        header, pending = _header(reading, file, records)
        reading.check_columns(file, header)
        places = [header.index(column) for column in reading.raw_columns]
        yield from _gather(reading, file, records, places, len(header), pending)


def _header(
    reading: Reading, file: Path, records: Iterator[tuple[int, list[str]]]
) -> tuple[list[str], tuple[int, list[str]] | None]:
    """Names of the columns, and the first record where it is a row already."""
    first = next(records, None)
    if first is None:
        raise ShopError("the file is empty", where=file, hint="Export it again")
    if not reading.spec.header:
        return [f"column_{number + 1}" for number in range(len(first[1]))], first
    cells = [cell.split(":")[0] for cell in first[1]] if reading.spec.typed_header else first[1]
    return [cell.strip() for cell in cells], None


def columns_of(spec: FileSpec, root: Path) -> list[str]:
    """All columns of a table's first file, those that ``shop.toml`` does not name included.

    Raises:
        ShopNotFoundError: no such file.
        ShopError: the file is empty or unreadable.
    """
    reading = Reading(root, spec, (), Problems())
    file = reading.files()[0]
    match reading.format_of(file):
        case "pictures":
            return list(_PICTURE_COLUMNS)
        case "parquet":
            return list(_parquet_schema(file))
        case "jsonl":
            with _open_text(file, spec.encoding) as stream:
                record = json.loads(next((line for line in stream if line.strip()), "{}"))
                return list(record) if isinstance(record, dict) else []
        case _:
            with _open_text(file, spec.encoding) as stream:
                return _header(reading, file, _delimited_rows(reading, file, stream))[0]


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
                lines_taken = 1 + sum(cell.count("\n") for cell in cells)  # an unclosed quotation mark takes many
                detail = f"{len(cells)} instead of {width}"
                reading.skip("wrong number of fields", file.name, line, detail, lines=lines_taken)
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
    named = zip(reading.raw_columns, places, strict=True)
    frame = pl.DataFrame({name: pl.Series(name, by_column[place], dtype=pl.String) for name, place in named})
    return reading.finish(file.name, frame, np.array(lines, dtype=np.int64))


def _parquet_schema(file: Path) -> pl.Schema:
    try:
        return pl.Schema(pl.read_parquet_schema(file))
    except (pl.exceptions.PolarsError, OSError) as error:
        raise ShopError(f"this is not a readable Parquet file ({error})", where=file, hint="Export it again") from error


def _read_parquet(reading: Reading, file: Path) -> Iterator[Batch]:
    reading.check_columns(file, list(_parquet_schema(file)))
    scan = pl.scan_parquet(file, low_memory=True).select(reading.raw_columns)
    start = 0
    while True:
        frame = scan.slice(start, BATCH_ROWS).collect()
        if frame.height == 0:
            return
        yield reading.finish(file.name, frame, np.arange(start, start + frame.height, dtype=np.int64) + 1)
        start += frame.height


def _read_jsonl(reading: Reading, file: Path) -> Iterator[Batch]:
    cells: list[list[str | None]] = []
    lines: list[int] = []
    seen: set[str] = set()
    with _open_text(file, reading.spec.encoding) as stream:
        for line, text in enumerate(stream, start=1):
            if not text.strip():
                continue
            try:
                record = json.loads(text)
                if not isinstance(record, dict):
                    raise ValueError("not a JSON object")
            except ValueError as error:
                reading.skip("unreadable row", file.name, line, str(error))
                continue
            seen.update(record)
            cells.append([_as_text(record.get(column)) for column in reading.raw_columns])
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
    named = zip(reading.raw_columns, zip(*cells, strict=True), strict=True)
    frame = pl.DataFrame({name: pl.Series(name, list(values), dtype=pl.String) for name, values in named})
    return reading.finish(file.name, frame, np.array(lines, dtype=np.int64))


def _as_text(value: object) -> str | None:
    if value is None:
        return None
    if isinstance(value, list):
        return " ".join(str(part) for part in value)
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else str(value)


def _picture_batch(reading: Reading, files: list[Path]) -> Batch:
    """Pictures as rows: ``path`` below the root, ``name`` without its ending, ``folder`` it lies in."""
    rows = [(file.relative_to(reading.root).as_posix(), file.stem, file.parent.name) for file in files]
    frame = pl.DataFrame(rows, schema=dict.fromkeys(_PICTURE_COLUMNS, pl.String), orient="row")
    reading.check_columns(files[0], frame.columns)
    return reading.finish(reading.spec.file, frame.select(reading.raw_columns), np.zeros(len(files), dtype=np.int64))


_READERS = {
    "csv": _read_delimited, "tsv": _read_delimited, "list": _read_delimited,
    "parquet": _read_parquet, "jsonl": _read_jsonl,
}  # fmt: skip
