"""Reads files of every format batch by batch: raw columns, and the physical line of each row.

A row that cannot be read is skipped, counted and listed; a file that cannot be read is an error that names it.
"""

from __future__ import annotations

import csv
import zipfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np
import polars as pl

from modaloom.data import documents
from modaloom.data.documents import RawBatch, RecordBatches, json_records, open_text, read_json, read_xml, xml_records
from modaloom.data.records import column_of, parse_path
from modaloom.errors import ColumnError, MissingExtraError, ShopError

if TYPE_CHECKING:
    from modaloom.data.tables import Reading

MAX_LINES_PER_ROW = 1000
"""A quoted cell may hold line breaks; more than this is a quotation mark that nobody closed."""
PICTURE_COLUMNS = ("path", "name", "folder")


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


def _wanted_places(reading: Reading, file: Path, header: Sequence[str]) -> dict[str, int]:
    """The place of each column to be read.

    Raises:
        ColumnError: a column is missing, or there are two of its name.
    """
    raw = reading.present(file, header)
    counts = Counter(header)
    doubles = [name for name in raw if counts[name] > 1]
    if doubles:
        places = ", ".join(str(place + 1) for place, name in enumerate(header) if name == doubles[0])
        raise ColumnError(
            f"{counts[doubles[0]]} columns are called {doubles[0]!r} (the columns {places})",
            where=file,
            hint="Rename one of them, so that it is clear which is meant",
        )
    return {name: header.index(name) for name in raw}


def read_delimited(reading: Reading, file: Path) -> Iterator[RawBatch]:
    """CSV, TSV and lists of columns parted by blanks."""
    with open_text(file, reading.spec.encoding) as stream:
        records = _delimited_rows(reading, file, stream)
        header, pending = _header(reading, file, records)
        places = _wanted_places(reading, file, header)
        width = len(header)
        rows: list[list[str]] = []
        lines: list[int] = []
        for line, cells in records if pending is None else _chain(pending, records):
            if len(cells) != width:
                if any(cell.strip() for cell in cells):  # blank lines are not worth a word
                    taken = 1 + sum(cell.count("\n") for cell in cells)  # an unclosed quotation mark takes many
                    detail = f"{len(cells)} instead of {width}"
                    reading.skip("wrong number of fields", file.name, line, detail, lines=taken)
                continue
            rows.append(cells)
            lines.append(line)
            if len(rows) == documents.BATCH_ROWS:
                yield _string_batch(rows, lines, places)
                rows, lines = [], []
        if rows:
            yield _string_batch(rows, lines, places)


def _chain(first: tuple[int, list[str]], rest: Iterator[tuple[int, list[str]]]) -> Iterator[tuple[int, list[str]]]:
    yield first
    yield from rest


def _string_batch(rows: list[list[str]], lines: list[int], places: dict[str, int]) -> RawBatch:
    by_column = list(zip(*rows, strict=True))
    frame = pl.DataFrame({name: pl.Series(name, by_column[place], dtype=pl.String) for name, place in places.items()})
    return frame, np.array(lines, dtype=np.int64)


def read_xlsx(reading: Reading, file: Path) -> Iterator[RawBatch]:
    """A sheet of an Excel workbook.

    Raises:
        MissingExtraError: the package that reads workbooks is not installed.
    """
    rows = _sheet_rows(file, reading.spec.sheet, reading.spec.skip_lines)
    first = next(rows, None)
    if first is None:
        raise ShopError("the sheet is empty", where=file, hint="Say sheet = ... in shop.toml, or export it again")
    names = [str(cell).strip() if cell is not None else "" for cell in first[1]]
    header = names if reading.spec.header else [f"column_{place + 1}" for place in range(len(names))]
    places = _wanted_places(reading, file, header)
    rest = rows if reading.spec.header else _chain(first, rows)
    cells: list[list[Any]] = []
    lines: list[int] = []
    for line, row in rest:
        if all(cell is None for cell in row):
            continue
        cells.append([row[place] if place < len(row) else None for place in places.values()])
        lines.append(line)
        if len(cells) == documents.BATCH_ROWS:
            yield _typed_batch(cells, lines, list(places))
            cells, lines = [], []
    if cells:
        yield _typed_batch(cells, lines, list(places))


def _typed_batch(cells: list[list[Any]], lines: list[int], names: list[str]) -> RawBatch:
    frame = pl.DataFrame(
        [column_of(name, values) for name, values in zip(names, zip(*cells, strict=True), strict=True)]
    )
    return frame, np.array(lines, dtype=np.int64)


def _sheet_rows(file: Path, sheet: str | None, skip: int) -> Iterator[tuple[int, list[Any]]]:
    try:
        import openpyxl  # type: ignore[import-untyped]
    except ModuleNotFoundError as error:
        raise MissingExtraError("openpyxl", "xlsx", "reading Excel workbooks") from error
    try:
        book = openpyxl.load_workbook(file, read_only=True, data_only=True)
    except (zipfile.BadZipFile, KeyError, ValueError, OSError) as error:
        raise ShopError(f"this is not a readable workbook ({error})", where=file, hint="Export it again") from error
    try:
        if sheet is not None and sheet not in book.sheetnames:
            names = ", ".join(map(repr, book.sheetnames))
            raise ShopError(f"no sheet {sheet!r}", where=file, hint=f"It has: {names}")
        page = book[sheet] if sheet is not None else book.worksheets[0]
        for line, row in enumerate(page.iter_rows(values_only=True), start=1):
            if line > skip:
                yield line, list(row)
    finally:
        book.close()


def parquet_schema(file: Path) -> pl.Schema:
    """Names and kinds of a Parquet file's columns."""
    try:
        return pl.Schema(pl.read_parquet_schema(file))
    except (pl.exceptions.PolarsError, OSError) as error:
        raise ShopError(f"this is not a readable Parquet file ({error})", where=file, hint="Export it again") from error


def read_parquet(reading: Reading, file: Path) -> Iterator[RawBatch]:
    """Parquet; columns of records and lists are taken apart like JSON."""
    schema = parquet_schema(file)
    flat = [name for name in reading.raw_columns if name in schema]
    nested = [name for name in reading.raw_columns if name not in schema and parse_path(name)[0].name in schema]
    if not nested:
        flat = reading.present(file, list(schema))
    roots = list(dict.fromkeys([*flat, *(parse_path(name)[0].name for name in nested)]))
    scan = pl.scan_parquet(file, low_memory=True).select(roots)
    start, records = 0, RecordBatches(reading, file) if nested else None
    while True:
        frame = scan.slice(start, documents.BATCH_ROWS).collect()
        if frame.height == 0:
            return
        lines = np.arange(start, start + frame.height, dtype=np.int64) + 1
        start += frame.height
        if records is None:
            yield frame, lines
        else:
            yield from records.read(zip(lines.tolist(), frame.iter_rows(named=True), strict=True))


def picture_batch(reading: Reading, files: list[Path]) -> RawBatch:
    """Pictures as rows: ``path`` below the root, ``name`` without its ending, ``folder`` it lies in."""
    rows = [(file.relative_to(reading.root).as_posix(), file.stem, file.parent.name) for file in files]
    frame = pl.DataFrame(rows, schema=dict.fromkeys(PICTURE_COLUMNS, pl.String), orient="row")
    wanted = reading.present(files[0], frame.columns)
    return frame.select(wanted), np.zeros(len(files), dtype=np.int64)


def header_of(reading: Reading, file: Path) -> list[str]:
    """All columns of a file, those that ``shop.toml`` does not name included; nested ones as dotted paths."""
    match reading.format_of(file):
        case "pictures":
            return list(PICTURE_COLUMNS)
        case "parquet":
            return list(parquet_schema(file))
        case "json" | "jsonl" | "xml":
            records = (xml_records if reading.format_of(file) == "xml" else json_records)(reading, file)
            names: dict[str, None] = {}
            for number, (_, record) in enumerate(records):
                if isinstance(record, dict):
                    names.update(dict.fromkeys(record))
                if number >= 100:
                    break
            return list(names)
        case "xlsx":
            first = next(_sheet_rows(file, reading.spec.sheet, reading.spec.skip_lines), (0, []))
            return [str(cell).strip() for cell in first[1] if cell is not None]
        case _:
            with open_text(file, reading.spec.encoding) as stream:
                return _header(reading, file, _delimited_rows(reading, file, stream))[0]


READERS = {
    "csv": read_delimited, "tsv": read_delimited, "list": read_delimited, "parquet": read_parquet,
    "jsonl": read_json, "json": read_json, "xml": read_xml, "xlsx": read_xlsx,
}  # fmt: skip
