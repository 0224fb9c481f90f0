"""Reads files of every format batch by batch: raw columns, and the physical line of each row.

A row that cannot be read is skipped, counted and listed; a file that cannot be read is an error that names it.
"""

from __future__ import annotations

import csv
import io
import itertools
import zipfile
from collections import Counter
from collections.abc import Generator, Iterator, Sequence
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
BLOCK_LETTERS = 1 << 23
"""Of plain text that is read at once."""
PICTURE_COLUMNS = ("path", "name", "folder")


def _separator(reading: Reading, file: Path) -> str | None:
    """What parts the cells; None for blanks."""
    kind = reading.format_of(file)
    if reading.spec.separator is not None or kind != "list":
        return reading.spec.separator or ("\t" if kind == "tsv" else ",")
    return None


def _delimited_rows(reading: Reading, file: Path, lines: Iterator[str], line: int) -> Iterator[tuple[int, list[str]]]:
    """Line number and cells of each record; ``line`` is the number of the first."""
    separator = _separator(reading, file)
    if separator is None:
        for number, text in enumerate(lines, start=line):
            yield number, text.split()
        return
    csv.field_size_limit(2**31 - 1)
    quoted = reading.spec.quoted
    records = csv.reader(lines, delimiter=separator, quoting=csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE)
    before = line
    for cells in records:
        following = records.line_num + before
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
        header, pending, line = _start(reading, file, stream)
        places = _wanted_places(reading, file, header)
        if pending is not None:
            yield from _checked_rows(reading, file, iter([pending]), places, len(header))
        rest, line = yield from _plain_blocks(reading, file, stream, places, len(header), line)
        lines = itertools.chain(io.StringIO(rest, newline=""), stream)
        records = _delimited_rows(reading, file, lines, line)
        yield from _checked_rows(reading, file, records, places, len(header))


def _start(reading: Reading, file: Path, stream: IO[str]) -> tuple[list[str], tuple[int, list[str]] | None, int]:
    """The names of the columns, the first record where it is a row already, and the line that follows."""
    for _ in range(reading.spec.skip_lines):
        stream.readline()
    line = reading.spec.skip_lines + 1
    records = _delimited_rows(reading, file, iter(stream.readline, ""), line)
    header, pending = _header(reading, file, records)
    cells = header if pending is None else pending[1]
    return header, pending, line + 1 + sum(cell.count("\n") for cell in cells)


def _plain_blocks(
    reading: Reading, file: Path, stream: IO[str], places: dict[str, int], width: int, line: int
) -> Generator[RawBatch, None, tuple[str, int]]:
    """Reads as long as no cell is quoted and every line has all cells, which is many times faster.

    Returns the text of the first block that is not so, and the number of its first line.
    """
    separator = _separator(reading, file)
    if separator is None or width < 2 or not separator.isascii():
        return "", line
    rest = ""
    while True:
        text = stream.read(BLOCK_LETTERS)
        ended = len(text) < BLOCK_LETTERS
        cut = len(text) if ended else text.rfind("\n") + 1
        block, rest = rest + text[:cut], text[cut:]
        if not block:
            if ended:
                return "", line
            continue
        frame = _plain_frame(block, separator, places, width, quoted=reading.spec.quoted)
        if frame is None:
            return block + rest + stream.readline(), line  # the rest is a part of a line
        numbers = np.arange(line, line + frame.height, dtype=np.int64)
        for start in range(0, frame.height, documents.BATCH_ROWS):
            part = slice(start, start + documents.BATCH_ROWS)
            yield frame[part], numbers[part]
        line += frame.height
        if ended:
            return "", line


def _plain_frame(
    block: str, separator: str, places: dict[str, int], width: int, *, quoted: bool
) -> pl.DataFrame | None:
    """Whole lines as columns; None where a cell is quoted or a line has not exactly ``width`` cells."""
    if (quoted and '"' in block) or block.count("\r") != block.count("\r\n"):
        return None
    try:
        data = block.replace("\r\n", "\n").encode()
    except UnicodeEncodeError:
        return None
    data = data if data.endswith(b"\n") else data + b"\n"
    letters = np.frombuffer(data, dtype=np.uint8)
    ends, cuts = np.flatnonzero(letters == ord("\n")), np.flatnonzero(letters == ord(separator))
    if not np.array_equal(np.searchsorted(cuts, ends), (width - 1) * np.arange(1, len(ends) + 1)):
        return None
    frame = pl.read_csv(
        io.BytesIO(data), has_header=False, separator=separator, quote_char=None, infer_schema=False,
        new_columns=[str(place) for place in range(width)], columns=sorted(places.values()) or [0],
    )  # fmt: skip
    return frame.select(pl.col(str(place)).fill_null("").alias(name) for name, place in places.items())


def _checked_rows(
    reading: Reading, file: Path, records: Iterator[tuple[int, list[str]]], places: dict[str, int], width: int
) -> Iterator[RawBatch]:
    """Records in batches; those with more or fewer cells than the header are bad rows."""
    rows: list[list[str]] = []
    lines: list[int] = []
    for line, cells in records:
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
                return _start(reading, file, stream)[0]


READERS = {
    "csv": read_delimited, "tsv": read_delimited, "list": read_delimited, "parquet": read_parquet,
    "jsonl": read_json, "json": read_json, "xml": read_xml, "xlsx": read_xlsx,
}  # fmt: skip
