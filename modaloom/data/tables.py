"""Reads tables of any size batch by batch: finds their files, picks their columns and rows, and counts what is bad.

A bad row never stops the reading: it is counted and listed with its file and line, and skipped.
"""

from __future__ import annotations

import csv
import difflib
import json
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from glob import has_magic
from pathlib import Path, PurePath
from typing import Literal

import numpy as np
import polars as pl

from modaloom.config import Settings
from modaloom.data import documents
from modaloom.data.cells import is_null_word, to_text
from modaloom.data.formats import READERS, header_of, picture_batch
from modaloom.data.problems import Problems
from modaloom.data.schema import ALTERNATIVE, FileSpec, Format
from modaloom.errors import ColumnError, ShopError, ShopNotFoundError, TooManyBadRowsError
from modaloom.types import BoolArray, IntArray

SEPARATORS = (";", "\t", "|", ",")
"""What may stand between cells; named where the first line has one of these instead of the one expected."""
TOLERATED_BAD_ROWS = 5
"""However small the file, this many bad rows never stop a run."""
PICTURE_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp"}
SUFFIX_FORMATS: dict[str, Format] = {
    ".csv": "csv", ".tsv": "tsv", ".txt": "list", ".inter": "tsv", ".item": "tsv", ".user": "tsv",
    ".parquet": "parquet", ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "json", ".xml": "xml", ".rss": "xml",
    ".atom": "xml", ".xlsx": "xlsx", ".xlsm": "xlsx",
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
    """As ``shop.toml`` names them: a column of the file, a dotted path, or alternatives (``a | b``)."""
    problems: Problems
    row_columns: tuple[str, ...] = ()
    """Of nested records: columns whose lists are rows. All of ``columns`` where nothing is given."""
    list_columns: tuple[str, ...] = ()
    """Columns that keep the parts of a list apart."""
    identity: str | None = None
    """A column with alternatives, each of which is wanted too (:meth:`alternatives`)."""
    fill_over: str | None = None
    """Where rows with one value of this column belong together, ``where`` reads an empty cell as the one above."""
    rows: int = 0
    bad: int = 0
    bad_kinds: set[str] = field(default_factory=set)
    counts: Counter[str] = field(default_factory=Counter)
    """Rows by kind of problem in this reading alone; ``problems`` may hold those of earlier readings."""
    garbled: int = 0
    """Rows with letters that could not be decoded; they are kept."""
    left_out: int = 0
    """Rows that ``where`` and ``where_not`` left out."""

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
            cell = f"{column} = {_quoted(batch.frame[column][row])}" if column else ""
            self.problems.add(kind, batch.file, int(batch.lines[row]), cell)
            listed += 1
        self.problems.count(kind, len(picks) - listed)

    def batches(self) -> Iterator[Batch]:
        """The rows, in file order, in batches.

        Raises:
            ShopNotFoundError: no such file.
            ColumnError: a column is not in the file, or its name is not unique.
            ShopError: the file is empty or unreadable.
        """
        files = self.files()
        pictures = [file for file in files if self.format_of(file) == "pictures"]
        for file in files:
            if self.format_of(file) == "pictures":
                continue
            try:
                for frame, lines in READERS[self.format_of(file)](self, file):
                    yield self._finished(file.name, frame, lines)
            except (EOFError, OSError, zlib.error, csv.Error, UnicodeError, pl.exceptions.PolarsError) as error:
                raise ShopError(f"the file is damaged ({error})", where=file, hint="Export it again") from error
        for start in range(0, len(pictures), documents.BATCH_ROWS):
            frame, lines = picture_batch(self, pictures[start : start + documents.BATCH_ROWS])
            yield self._finished(self.spec.file, frame, lines)

    def refuse_if_too_bad(self, settings: Settings, kept: int, *, hint: str | None = None) -> None:
        """Raises an error that names examples where too many rows were bad, or none is left of them."""
        where = self.root / self.spec.file
        if self.rows == 0:
            filtered = f"where left out all of its {self.left_out:,} rows" if self.left_out else "the file has no rows"
            raise ShopError(filtered, where=where, hint="Correct where" if self.left_out else "Export it again")
        most = max(TOLERATED_BAD_ROWS, settings.max_bad_share * self.rows)
        if self.garbled > most:
            raise TooManyBadRowsError(
                f"{self.garbled:,} of {self.rows:,} rows have letters that are no {self.spec.encoding}",
                where=where,
                hint="Say encoding in shop.toml (gb18030 for a Chinese Excel), save it as UTF-8, or raise"
                " max_bad_share",
            )
        if kept and self.bad <= most:
            return
        kinds = sorted(self.bad_kinds if kept else self.counts)
        examples = [str(problem) for kind in kinds for problem in self.problems.of(kind)[:2]]
        lost = self.bad if kept else self.rows
        raise TooManyBadRowsError(
            f"{lost:,} of {self.rows:,} rows cannot be used, for example {'; '.join(examples[:4])}",
            where=where,
            hint=hint or "Correct the file or shop.toml (columns, date_format, separator), or raise max_bad_share",
        )

    @cached_property
    def raw_columns(self) -> tuple[str, ...]:
        """The columns that the file itself may have: those asked for, and those that others are made from."""
        made = {name for extract in self.spec.extract for name in extract.names}
        names = [part for name in self.columns for part in self.alternatives(name)]
        sources = [part for extract in self.spec.extract for part in self.alternatives(extract.column)]
        filters = [*self.spec.where, *self.spec.where_not]
        return tuple(dict.fromkeys(name for name in [*names, *sources, *filters] if name not in made))

    def alternatives(self, column: str) -> tuple[str, ...]:
        """The columns of which the first that is filled is taken."""
        return tuple(part.strip() for part in column.split(ALTERNATIVE))

    def _finished(self, file: str, frame: pl.DataFrame, lines: IntArray) -> Batch:
        """A batch of the columns asked for: rows chosen, columns cut out of others, words for nothing emptied."""
        frame, lines = self._chosen(frame, lines)
        self.rows += frame.height
        for extract in self.spec.extract:
            source = self._column(frame, extract.column)
            groups = to_text(source).str.extract_groups(extract.pattern)
            frame = frame.with_columns(groups.struct.unnest())
        wanted = list(self.columns)
        if self.identity is not None:
            wanted += [name for name in self.alternatives(self.identity) if name not in wanted]
        columns = [self._column(frame, name).rename(name) for name in wanted]
        batch = Batch(file, pl.DataFrame(columns) if columns else frame.select(), lines)
        return Batch(file, self._cleaned(batch), lines)

    def _chosen(self, frame: pl.DataFrame, lines: IntArray) -> tuple[pl.DataFrame, IntArray]:
        """The rows that ``where`` keeps and ``where_not`` does not leave out."""
        keep = pl.repeat(True, frame.height, dtype=pl.Boolean, eager=True)
        for conditions, wanted in ((self.spec.where, True), (self.spec.where_not, False)):
            for column, words in conditions.items():
                cells = to_text(self._column(frame, column))
                if self.fill_over is not None:
                    over = pl.DataFrame({"key": to_text(self._column(frame, self.fill_over)), "cell": cells})
                    cells = over.select(pl.col("cell").forward_fill().over("key"))["cell"]
                cells = cells.fill_null("").str.to_lowercase()
                keep &= cells.is_in([word.lower() for word in words]) == wanted
        if keep.all():
            return frame, lines
        self.left_out += int((~keep).sum())
        return frame.filter(keep), lines[keep.to_numpy()]

    def _column(self, frame: pl.DataFrame, column: str) -> pl.Series:
        """A column, or the first filled one of its alternatives; nulls where the file has none of them."""
        if column in frame.columns:
            return self._valued(frame[column], column)
        parts = [self._valued(frame[name], name) for name in self.alternatives(column) if name in frame.columns]
        if not parts:
            return pl.Series(column, [None], dtype=pl.String).new_from_index(0, frame.height)
        if len(parts) == 1:
            return parts[0]
        texts = [to_text(part) for part in parts]
        filled = [pl.select(pl.when(~is_null_word(one, self.spec.null_words)).then(one)).to_series() for one in texts]
        return pl.select(pl.coalesce(filled)).to_series().rename(column)

    def _valued(self, cells: pl.Series, column: str) -> pl.Series:
        """The cells with the words that ``values`` translates replaced."""
        values = self.spec.values.get(column)
        if not values:
            return cells
        text = to_text(cells)
        known = {word.lower(): meaning for word, meaning in values.items()}
        mapped = text.str.to_lowercase().replace_strict(known, default=None, return_dtype=pl.String)
        return pl.select(pl.coalesce(mapped, text)).to_series().rename(column)

    def _cleaned(self, batch: Batch) -> pl.DataFrame:
        """Cells that say that nothing is there are emptied and listed; so are rows with damaged letters listed."""
        frame = batch.frame
        garbled = np.zeros(frame.height, dtype=bool)
        for column in frame.columns:
            if frame[column].dtype == pl.Binary:
                frame = frame.with_columns(to_text(frame[column]))
                batch = Batch(batch.file, frame, batch.lines)
            if frame[column].dtype != pl.String:
                continue
            text = frame[column]
            broken = text.str.contains("\ufffd", literal=True).fill_null(False)
            if broken.any():
                self.note_rows("letters not readable", batch, broken.to_numpy(), column)
                garbled |= broken.to_numpy()
            empty = is_null_word(text, self._padded_null_words)
            if empty.any():
                self.note_rows("word for nothing", batch, empty.to_numpy(), column)
                frame = frame.with_columns(pl.select(pl.when(~empty).then(text).alias(column)).to_series())
        self.garbled += int(garbled.sum())
        return frame

    @cached_property
    def _padded_null_words(self) -> tuple[str, ...]:
        return tuple(
            f"{left}{word}{right}" for word in self.spec.null_words for left in ("", " ") for right in ("", " ")
        )

    def format_of(self, file: Path) -> Format | Literal["pictures"]:
        """How a file is written, from shop.toml or else from its ending."""
        if self.spec.format:
            return self.spec.format
        suffixes = [suffix.lower() for suffix in file.suffixes if suffix.lower() != ".gz"]
        suffix = suffixes[-1] if suffixes else ""
        if suffix in PICTURE_SUFFIXES:
            return "pictures"
        if suffix not in SUFFIX_FORMATS:
            raise ShopError(
                f"cannot tell the format from the ending {suffix!r}", where=file, hint="Say format = ... in shop.toml"
            )
        return SUFFIX_FORMATS[suffix]

    def files(self) -> list[Path]:
        """The files that the table consists of; at least one."""
        pattern = self.spec.file
        try:
            if (self.root / pattern).is_file():  # also a name with brackets
                return [self.root / pattern]
            if has_magic(pattern):
                files = sorted(path for path in _glob(self.root, pattern) if path.is_file())
                if files:
                    return files
        except (ValueError, NotImplementedError, OSError) as error:
            raise ShopError(
                f"this is no usable name or pattern of files: {pattern!r} ({error})",
                where=self.root,
                hint="** stands alone between slashes: data/**/*.csv",
            ) from error
        there = sorted(path.name for path in self.root.iterdir()) if self.root.is_dir() else []
        near = difflib.get_close_matches(Path(pattern).name, there, n=3) or there[:5]
        raise ShopNotFoundError(
            f"no such file: {pattern}",
            where=self.root,
            hint=f"The folder has: {', '.join(near)}" if near else "The folder is empty or missing",
        )

    def present(self, file: Path, there: Sequence[str]) -> list[str]:
        """The raw columns that a file has.

        Raises:
            ColumnError: of a column that is needed none of the alternatives is there; names the nearest.
        """
        have = set(there)
        made = {name for extract in self.spec.extract for name in extract.names}
        needed = [
            *self.columns,
            *(extract.column for extract in self.spec.extract),
            *self.spec.where,
            *self.spec.where_not,
        ]
        optional = set(self.spec.optional)
        missing = [
            column
            for column in dict.fromkeys(needed)
            if not have.intersection((column, *self.alternatives(column)))
            and not made.intersection(self.alternatives(column))
            and not optional.intersection((column, *self.alternatives(column)))
        ]
        if missing:
            raise self._missing(file, there, missing)
        return [name for name in self.raw_columns if name in have]

    def _missing(self, file: Path, there: Sequence[str], missing: Sequence[str]) -> ColumnError:
        _refuse_misread(file, there, missing, self.spec.encoding)
        parts = []
        for column in missing:
            near = difflib.get_close_matches(column, there, n=1)
            parts.append(f"{column!r}" + (f" (did you mean {near[0]!r}?)" if near else ""))
        may_lack = ", ".join(json.dumps(column, ensure_ascii=False) for column in missing)
        hint = (
            f"Its columns are: {', '.join(there)}. Correct the names in shop.toml, or say optional = [{may_lack}] for"
            " this file where an export may lack them"
        )
        return ColumnError(f"no column {', '.join(parts)}", where=file, hint=hint)


def _glob(root: Path, pattern: str) -> Iterator[Path]:
    """Files by a pattern below the root, or anywhere where the pattern is absolute."""
    path = PurePath(pattern)
    if not path.is_absolute():
        return root.glob(pattern)
    return Path(path.anchor).glob(str(path.relative_to(path.anchor)))


def _quoted(cell: object) -> str:
    text = repr(cell)
    return text if len(text) <= 200 else text[:150] + f"...' ({len(text)} characters)"


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


def columns_of(spec: FileSpec, root: Path) -> list[str]:
    """All columns of a table's first file, those that ``shop.toml`` does not name included.

    Raises:
        ShopNotFoundError: no such file.
        ShopError: the file is empty or unreadable.
    """
    reading = Reading(root, spec, (), Problems())
    return header_of(reading, reading.files()[0])
