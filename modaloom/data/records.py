"""Nested records as rows of cells: a dotted path names a column, ``[]`` a list of which every element is a row.

``properties.products[].product_id`` takes an order apart into its products;
``event_params[key=search_term].value.string_value`` is the value of the element whose ``key`` is ``search_term``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Any, Final, NamedTuple

import polars as pl

from modaloom.data.cells import LIST_SEPARATOR

_STEP = re.compile(r"([^.\[\]]+)(?:\[(?:([^\]=]+)=([^\]]*))?\])?(?:\.|$)")
_ABSENT: Final = object()
_LARGEST = 2**63


class Step(NamedTuple):
    """One name of a path, and what is done with a list below it."""

    name: str
    every: bool
    """Every element of the list, or, with ``key``, the first whose ``key`` equals ``value``."""
    key: str | None
    value: str


def parse_path(path: str) -> tuple[Step, ...]:
    """The steps of a dotted path; one plain step where the text is no path."""
    steps, end = [], 0
    for found in _STEP.finditer(path):
        if found.start() != end:
            break
        end = found.end()
        steps.append(Step(found[1], found[0].rstrip(".").endswith("[]"), found[2], found[3] or ""))
    if not steps or end != len(path) or path.endswith("."):
        return (Step(path, False, None, ""),)
    return tuple(steps)


class RecordColumns:
    """Takes the columns of a table out of nested records."""

    def __init__(self, paths: Sequence[str], row_paths: Sequence[str], list_paths: Sequence[str] = ()):
        """``row_paths``: whose lists are rows; ``list_paths``: whose lists keep their parts apart in one cell."""
        self.paths = tuple(paths)
        self._steps = {path: parse_path(path) for path in paths}
        self._lists = frozenset(list_paths)
        self._prefixes = tuple(
            dict.fromkeys(prefix for path in row_paths if (prefix := self._prefix(path)) is not None)
        )
        self._plain = all(len(steps) == 1 and not steps[0].every and not steps[0].key for steps in self._steps.values())
        self.found: set[str] = set()
        """Paths into records that led somewhere in at least one of them."""

    def _prefix(self, path: str) -> tuple[Step, ...] | None:
        """The steps up to the first list that is taken apart."""
        steps = self._steps.get(path, ())
        places = [place for place, step in enumerate(steps) if step.every]
        return steps[: places[0] + 1] if places else None

    def rows(self, record: Mapping[str, Any]) -> Iterator[list[Any]]:
        """The cells of each row that a record makes, in the order of the paths."""
        if self._plain:
            values = [record.get(path) for path in self.paths]
            yield [
                self._scalar(value, path) if isinstance(value, list | dict) else value
                for path, value in zip(self.paths, values, strict=True)
            ]
            return
        for prefix in self._prefixes:
            elements = self._list_of(record, prefix)
            if elements:
                for element in elements:
                    yield [self._cell(record, path, prefix, element) for path in self.paths]
                return
        yield [self._cell(record, path, None, None) for path in self.paths]

    def _list_of(self, record: Mapping[str, Any], prefix: tuple[Step, ...]) -> list[Any]:
        *above, last = prefix
        value = self._walk(record, (*above, Step(last.name, False, None, "")), "")
        return value if isinstance(value, list) else [value] if isinstance(value, dict) else []

    def _cell(self, record: Mapping[str, Any], path: str, prefix: tuple[Step, ...] | None, element: Any) -> Any:
        if path in record:
            self.found.add(path)
            return self._scalar(record[path], path)
        steps = self._steps[path]
        own = self._prefix(path)
        if own is not None and own in self._prefixes:
            if own != prefix:
                return None
            return self._scalar(self._walk(element, steps[len(own) :], path), path)
        return self._scalar(self._walk(record, steps, path), path)

    def _walk(self, value: Any, steps: Sequence[Step], path: str) -> Any:
        for place, step in enumerate(steps):
            if isinstance(value, list) and not step.every:
                value = value[0] if value else None
            if not isinstance(value, dict) or step.name not in value:
                return None
            value = value[step.name]
            if step.every:
                parts = value if isinstance(value, list) else [] if value is None else [value]
                self.found.add(path)
                return [self._walk(part, steps[place + 1 :], path) for part in parts]
            if step.key is not None:
                parts = value if isinstance(value, list) else [value]
                same = (part for part in parts if isinstance(part, dict) and str(part.get(step.key)) == step.value)
                value = next(same, None)
        if path:
            self.found.add(path)
        return value

    def _scalar(self, value: Any, path: str) -> Any:
        if isinstance(value, list):
            parts = [text for part in value if (text := _as_text(part)) is not None]
            return (LIST_SEPARATOR if path in self._lists else " ").join(parts) or None
        return json.dumps(value, ensure_ascii=False, default=str) if isinstance(value, dict) else value


def _as_text(value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False, default=str)
    return value.isoformat() if isinstance(value, date) else str(value)


def column_of(name: str, values: Sequence[Any]) -> pl.Series:
    """Cells of one column: numbers and times where all are of that kind, else text.

    Raises:
        UnicodeEncodeError: a text has half a surrogate pair.
    """
    kinds = {type(value) for value in values} - {type(None)}
    if kinds == {int} and all(value is None or -_LARGEST <= value < _LARGEST for value in values):
        return pl.Series(name, values, dtype=pl.Int64)
    if kinds and kinds <= {int, float} and all(value is None or abs(value) < 2**53 for value in values):
        return pl.Series(name, values, dtype=pl.Float64)
    if kinds and kinds <= {datetime}:
        return pl.Series(name, values, dtype=pl.Datetime("us"), strict=False)
    return pl.Series(name, [_as_text(value) for value in values], dtype=pl.String)
