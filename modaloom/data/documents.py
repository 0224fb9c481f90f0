"""JSON and XML documents as records, and records as batches of rows; what is wrong with a record is a bad row."""

from __future__ import annotations

import codecs
import gzip
import io
import itertools
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any
from xml.parsers import expat

import numpy as np
import polars as pl

from modaloom.data.records import RecordColumns, column_of, parse_path
from modaloom.errors import ShopError
from modaloom.types import IntArray

if TYPE_CHECKING:
    from modaloom.data.tables import Reading

RawBatch = tuple[pl.DataFrame, IntArray]
"""Raw columns of some rows, and the physical line of each row."""
BATCH_ROWS = 200_000
XML_RECORDS = ("item", "entry", "product", "offer", "SHOPITEM")
"""Elements that are rows of a feed, where shop.toml does not say ``records``."""


def open_text(file: Path, encoding: str) -> IO[str]:
    """A text file, unpacked where it is packed; letters that cannot be decoded become U+FFFD."""
    if codecs.lookup(encoding).name == "utf-8":
        encoding = "utf-8-sig"  # Excel begins its files with a mark
    raw: Any = (gzip.open if file.suffix.lower() == ".gz" else open)(file, "rb")
    return io.TextIOWrapper(raw, encoding=encoding, errors="replace", newline="")


class RecordBatches:
    """Gathers records into batches of the columns that are read."""

    def __init__(self, reading: Reading, file: Path):
        """``file`` is named where something is wrong with a record."""
        self._reading, self._file = reading, file
        self._columns = RecordColumns(
            reading.raw_columns, reading.row_columns or reading.raw_columns, reading.list_columns
        )
        self._cells: list[list[Any]] = []
        self._lines: list[int] = []
        self._keys: dict[str, None] = {}

    def read(self, records: Iterable[tuple[int, Any]]) -> Iterator[RawBatch]:
        """Batches of records with their lines."""
        for line, record in records:
            if not isinstance(record, dict):
                self._reading.skip("unreadable row", self._file.name, line, "not a JSON object")
                continue
            self._keys.update(dict.fromkeys(record))
            for cells in self._columns.rows(record):
                self._cells.append(cells)
                self._lines.append(line)
            if len(self._cells) >= BATCH_ROWS:
                yield self._flush()
        if not self._keys:
            raise ShopError("the file is empty", where=self._file, hint="Export it again")
        self._check()
        if self._cells:
            yield self._flush()

    def _check(self) -> None:
        found = [path for path in self._columns.found if path not in self._keys]
        self._reading.present(self._file, [*self._keys, *found])

    def _flush(self) -> RawBatch:
        self._check()
        cells, lines = self._cells, self._lines
        self._cells, self._lines = [], []
        try:
            return self._frame(cells), np.array(lines, dtype=np.int64)
        except UnicodeEncodeError:
            good = [place for place, row in enumerate(cells) if not any(_has_surrogate(cell) for cell in row)]
            for place in sorted(set(range(len(cells))) - set(good)):
                detail = "half of a pair of surrogates, which is no letter"
                self._reading.skip("unreadable row", self._file.name, lines[place], detail)
            kept = [cells[place] for place in good]
            return self._frame(kept), np.array([lines[place] for place in good], dtype=np.int64)

    def _frame(self, cells: list[list[Any]]) -> pl.DataFrame:
        by_column = zip(*cells, strict=True) if cells else ([] for _ in self._columns.paths)
        return pl.DataFrame(
            [column_of(name, values) for name, values in zip(self._columns.paths, by_column, strict=True)]
        )


def _has_surrogate(cell: object) -> bool:
    return isinstance(cell, str) and any("\ud800" <= letter <= "\udfff" for letter in cell)


def read_json(reading: Reading, file: Path) -> Iterator[RawBatch]:
    """JSON lines, an array of objects, or objects somewhere below one (``records``)."""
    yield from RecordBatches(reading, file).read(json_records(reading, file))


def json_records(reading: Reading, file: Path) -> Iterator[tuple[int, Any]]:
    """The records of a file of JSON with their lines (their numbers where they lie deeper in one object)."""
    with open_text(file, reading.spec.encoding) as stream:
        first = stream.readline()
        while first and not first.strip():
            first = stream.readline()
        alone = not any(line.strip() for line in itertools.islice(stream, 2))  # pretty or not, one object is a document
        whole = reading.format_of(file) == "json" and (alone or not _is_record(first))
        if not whole and first.strip() and not first.lstrip().startswith("["):
            stream.seek(0)
            yield from _json_lines(reading, file, stream)
            return
        stream.seek(0)
        text = stream.read().removeprefix("\ufeff")
    if text.strip():
        yield from _json_document(reading, file, text)


def _is_record(line: str) -> bool:
    """Whether a line alone is an object: the file has one on every line."""
    try:
        return isinstance(_loads(line), dict)
    except ValueError:
        return False


def _loads(text: str) -> Any:
    """JSON; nesting that no honest file has is as unreadable as anything else."""
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def _json_lines(reading: Reading, file: Path, stream: IO[str]) -> Iterator[tuple[int, Any]]:
    records = parse_path(reading.spec.records) if reading.spec.records else None
    for line, text in enumerate(stream, start=1):
        if not text.strip():
            continue
        try:
            value = _loads(text.removeprefix("\ufeff"))
        except ValueError as error:
            reading.skip("unreadable row", file.name, line, str(error))
            continue
        if records is None:
            yield line, value
        else:
            yield from ((line, record) for record in _below(value, [step.name for step in records]))


def _json_document(reading: Reading, file: Path, text: str) -> Iterator[tuple[int, Any]]:
    """The elements of one array with their lines, or the records below one object with their numbers."""
    begin = len(text) - len(text.lstrip())
    if text[begin] == "[" and reading.spec.records is None:
        yield from _array_elements(reading, file, text, begin + 1)
        return
    try:
        value = _loads(text)
    except ValueError as error:
        raise ShopError(f"this is not JSON ({error})", where=file, hint="Export it again") from error
    names = [step.name for step in parse_path(reading.spec.records)] if reading.spec.records else []
    if not names and isinstance(value, dict):
        names = _list_in(value, file)
    yield from enumerate(_below(value, names), start=1)


def _list_in(value: dict[str, Any], file: Path) -> list[str]:
    """The name of the only list of objects in an object, which then are the rows; none where the object is the row."""
    lists = [name for name, part in value.items() if isinstance(part, list) and part and isinstance(part[0], dict)]
    if len(lists) > 1:
        raise ShopError(
            f"which of its lists are the rows: {', '.join(map(repr, lists))}?",
            where=file,
            hint=f'Say records = "{lists[0]}" in shop.toml',
        )
    return lists


def _below(value: Any, names: list[str]) -> Iterator[Any]:
    """The records at the end of a path; lists on the way are gone through."""
    if isinstance(value, list):
        for part in value:
            yield from _below(part, names)
    elif not names:
        yield value
    elif isinstance(value, dict) and names[0] in value:
        yield from _below(value[names[0]], names[1:])


def _array_elements(reading: Reading, file: Path, text: str, place: int) -> Iterator[tuple[int, Any]]:
    decoder, line, counted = json.JSONDecoder(), 1, 0
    while True:
        while place < len(text) and text[place] in " \t\r\n,":
            place += 1
        line, counted = line + text.count("\n", counted, place), place
        if place >= len(text) or text[place] == "]":
            return
        try:
            value, place = decoder.raw_decode(text, place)
        except (ValueError, RecursionError) as error:
            reading.skip("unreadable row", file.name, line, f"the array cannot be read from here on ({error})")
            return
        yield line, value


class _XmlRows:
    """Turns the elements of a feed that are rows into records as they end."""

    def __init__(self, names: Sequence[str]):
        self._names = frozenset(names)
        self.ended: list[tuple[int, dict[str, Any]]] = []
        self._stack: list[tuple[str, dict[str, Any], list[str]]] = []
        self._line = 0
        self.parser = expat.ParserCreate()
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._text
        self.parser.EntityDeclHandler = self._entity

    def _entity(self, *_: object) -> None:
        raise ValueError("it declares entities, which no feed needs")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if self._stack or name.rpartition(":")[2] in self._names:
            if not self._stack:
                self._line = self.parser.CurrentLineNumber
            self._stack.append((name, {f"@{key}": value for key, value in attributes.items()}, []))

    def _text(self, text: str) -> None:
        if self._stack:
            self._stack[-1][2].append(text)

    def _end(self, name: str) -> None:
        if not self._stack:
            return
        _, parts, letters = self._stack.pop()
        if not self._stack:
            self.ended.append((self._line, {key: value for key, value in parts.items() if not key.startswith("\0")}))
            return
        text = "".join(letters).strip()
        elements = {key for key in parts if not key.startswith("@")}
        _put(self._stack[-1][1], name, parts if elements else (text or parts.get("@href") or None))


def _put(record: dict[str, Any], name: str, value: Any) -> None:
    """Adds an element; of one name with and without a prefix (``title``, ``g:title``) the prefixed one holds."""
    prefix, _, plain = name.rpartition(":")
    mark = f"\0{plain}"
    if plain in record and record.get(mark, "") != prefix:
        if not prefix:
            return
        del record[plain]
    record[mark] = prefix
    if plain not in record:
        record[plain] = value
    elif isinstance(record[plain], list):
        record[plain].append(value)
    else:
        record[plain] = [record[plain], value]


def read_xml(reading: Reading, file: Path) -> Iterator[RawBatch]:
    """RSS, Atom and other XML feeds: every ``item``, ``entry`` or what ``records`` names is a row."""
    yield from RecordBatches(reading, file).read(xml_records(reading, file))


def xml_records(reading: Reading, file: Path) -> Iterator[tuple[int, Any]]:
    """The elements of a feed that are rows, with the lines on which they begin."""
    rows = _XmlRows([reading.spec.records] if reading.spec.records else XML_RECORDS)
    raw: Any = (gzip.open if file.suffix.lower() == ".gz" else open)(file, "rb")
    with raw as stream:
        while True:
            block = stream.read(1 << 20)
            try:
                rows.parser.Parse(block, not block)
            except (expat.ExpatError, ValueError) as error:
                yield from rows.ended
                line = rows.parser.CurrentLineNumber
                if not rows.ended and line <= 1:
                    raise ShopError(f"this is not XML ({error})", where=file, hint="Export it again") from error
                reading.skip("unreadable row", file.name, line, f"the XML cannot be read from here on ({error})")
                return
            yield from rows.ended
            rows.ended = []
            if not block:
                return
