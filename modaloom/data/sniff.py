"""What a file is: its format, encoding, separator and header, told from its ending and its first bytes."""

from __future__ import annotations

import csv
import gzip
import io
import re
from pathlib import Path
from typing import Any, Final

from modaloom.data.numbers import PLAIN
from modaloom.data.problems import Problems
from modaloom.data.schema import FileSpec
from modaloom.data.tables import SEPARATORS, SUFFIX_FORMATS, Batch, Reading
from modaloom.errors import ModaloomError

HEAD_BYTES: Final = 1 << 18
ENCODINGS: Final = ("utf-8", "gb18030", "cp1252")
"""Tried one after the other; the last one reads anything."""
_TEXT: Final = {"csv", "tsv", "list", "jsonl", "json"}


def sniff(file: Path) -> FileSpec | None:
    """How a file is to be read; None where it is no table."""
    suffixes = [suffix.lower() for suffix in file.suffixes if suffix.lower() != ".gz"]
    kind = SUFFIX_FORMATS.get(suffixes[-1] if suffixes else "")
    if kind is None:
        return None
    fields: dict[str, Any] = {"file": file.name}
    if kind in _TEXT:
        head = _head(file)
        encoding = _encoding(head)
        if encoding != "utf-8":
            fields["encoding"] = encoding
        text = head.decode(encoding, errors="ignore").removeprefix("\ufeff")
        if kind in ("csv", "tsv", "list"):
            fields |= _layout(text, kind)
        elif kind == "json" and text.lstrip()[:1] == "{" and len(_whole_lines(text)) > 1:
            fields["format"] = "jsonl"
    return FileSpec(**fields)


def _head(file: Path) -> bytes:
    with (gzip.open if file.suffix.lower() == ".gz" else open)(file, "rb") as stream:
        data: bytes = stream.read(HEAD_BYTES)
    cut = data.rfind(b"\n")
    return data[: cut + 1] if len(data) == HEAD_BYTES and cut > 0 else data


def _encoding(head: bytes) -> str:
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "utf-16"
    for encoding in ENCODINGS[:-1]:
        try:
            text = head.decode(encoding)
        except UnicodeDecodeError:
            continue
        if encoding != "gb18030" or _looks_chinese(text):
            return encoding
    return ENCODINGS[-1]


def _looks_chinese(text: str) -> bool:
    """Chinese comes in runs; single signs among Latin letters are umlauts and accents of another encoding."""
    runs = re.findall(r"[\u4e00-\u9fff]+", text)
    return 2 * sum(len(run) > 1 for run in runs) >= len(runs)


def _whole_lines(text: str) -> list[str]:
    """The first lines that look like an object each."""
    return [line for line in text.splitlines()[:5] if line.startswith("{") and line.rstrip().endswith("}")]


def _layout(text: str, kind: str) -> dict[str, Any]:
    """The separator and the header of a delimited text."""
    lines = [line for line in text.splitlines()[:20] if line.strip()]
    if not lines:
        return {}
    usual = {"csv": ",", "tsv": "\t", "list": ""}[kind]
    counts = {sign: _cells_of(lines, sign) for sign in SEPARATORS}
    best = max(counts, key=lambda sign: counts[sign])
    fields: dict[str, Any] = {}
    separator = usual
    if counts[best] > 1 and best != usual and counts[best] > counts.get(usual, 0):
        separator = best
        if kind == "list":
            fields["format"] = "tsv" if best == "\t" else "csv"
        if fields.get("format") != "tsv":
            fields["separator"] = best
    first = next(csv.reader([lines[0]], delimiter=separator)) if separator else lines[0].split()
    if not _is_header(first):
        fields["header"] = False
    elif all(":" in cell for cell in first):
        fields["typed_header"] = True
    return fields


def _cells_of(lines: list[str], separator: str) -> int:
    """Cells of a line where nearly all lines have as many; 0 where they differ."""
    widths = [len(row) for row in csv.reader(io.StringIO("\n".join(lines)), delimiter=separator)]
    usual = max(set(widths), key=widths.count)
    return usual if widths.count(usual) >= 0.8 * len(widths) else 0


def _is_header(cells: list[str]) -> bool:
    """Names of columns are no numbers, not empty, and each is there once."""
    numbers = sum(bool(re.fullmatch(PLAIN.strip("^$"), cell.strip())) for cell in cells)
    return numbers == 0 and len(set(cells)) == len(cells)


def sample_of(spec: FileSpec, root: Path, columns: tuple[str, ...]) -> Batch | None:
    """The first rows of a table with these columns; None where they cannot be read."""
    try:
        return next(Reading(root, spec, columns, Problems()).batches(), None)
    except ModaloomError:
        return None
