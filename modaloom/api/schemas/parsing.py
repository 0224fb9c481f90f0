"""Turns a body of JSON into a checked shape, in bounded time and memory whatever was sent.

What is in a body is counted before it is parsed. A list of rows is parsed and checked in small lots, so that one body
of megabytes never holds the interpreter for long, and no more faults are looked for than are told.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, get_args, get_origin

import orjson
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, TypeAdapter, ValidationError

from modaloom.api.middleware.errors import MAX_FAULTS, Refused
from modaloom.api.schemas.outline import Outline, might_hold, outline_of
from modaloom.errors import QueryError

LOT_BYTES = 64 * 1024
MAX_ROW_BYTES = 512 * 1024
"""Of one row, and of a body without rows: more of it would hold the interpreter for longer than a few milliseconds."""
QUICK_BYTES, QUICK_MEMBERS = 16 * 1024, 500
"""A body of no more than this is parsed at once: handing it to a thread would take longer."""
MAX_DEPTH = 8
"""Of a body; the deepest that any route takes is 4."""
Fault = dict[str, Any]


@dataclass(frozen=True)
class BodyParser:
    """Parses the bodies of one route."""

    kind: Any
    """The body's type, a model or one that may be missing."""

    @cached_property
    def _whole(self) -> TypeAdapter[Any]:
        return TypeAdapter(self.kind)

    @cached_property
    def _row(self) -> tuple[str, TypeAdapter[Any]] | None:
        """The only field of the model and what its list is made of; None for a model of another form."""
        fields = self.kind.model_fields if isinstance(self.kind, type) and issubclass(self.kind, BaseModel) else {}
        for name, one in fields.items():
            if len(fields) == 1 and get_origin(one.annotation) is list:
                return name, TypeAdapter(get_args(one.annotation)[0])
        return None

    def is_quick(self, text: bytes) -> bool:
        """Whether parsing it takes no more than a millisecond or two."""
        return len(text) <= QUICK_BYTES and might_hold(text) <= QUICK_MEMBERS

    def parse(self, text: bytes, *, max_members: int) -> Any:
        """The checked body.

        Raises:
            Refused: 400 where it is no JSON, 413 where there is too much in it, 422 where it is nested too deep.
            RequestValidationError: the first faults of it.
        """
        if self.is_quick(text) and text.count(b"{") + text.count(b"[") <= MAX_DEPTH:
            return self._checked(_loads(text))
        try:
            outline = outline_of(text, max_members=max_members)
        except QueryError as error:
            raise Refused(413, "too_large", error.what, hint=error.hint) from None
        if outline.depth > MAX_DEPTH:
            hint = "See /openapi.json for its form"
            raise Refused(422, "invalid", f"the body is nested deeper than {MAX_DEPTH}", hint=hint)
        if len(text) > LOT_BYTES and self._row is not None and (rows := outline.rows()) is not None:
            return self._of_rows(text, outline, rows)
        _check_size(len(text), "the body")
        return self._checked(_loads(text))

    def _checked(self, content: Any) -> Any:
        try:
            return self._whole.validate_python(content)
        except ValidationError as error:
            raise RequestValidationError(_faults(error)) from None

    def _of_rows(self, text: bytes, outline: Outline, rows: list[tuple[int, int]]) -> Any:
        assert self._row is not None
        name, adapter = self._row
        frame = _loads(text[: outline.start] + text[outline.end :])
        if not isinstance(frame, dict) or frame.get(name) != [] or len(frame) > 1:
            return self._checked(frame)  # its faults are the same whatever the rows are
        checked: list[Any] = []
        faults: list[Fault] = []
        for lot in _lots(rows):
            for content in _rows_of(text, lot):
                try:
                    checked.append(adapter.validate_python(content))
                except ValidationError as error:
                    faults += _faults(error, name, len(checked))
                    checked.append(None)
                if len(faults) >= MAX_FAULTS:
                    raise RequestValidationError(faults[:MAX_FAULTS])
        if faults:
            raise RequestValidationError(faults)
        return self._checked({name: checked})


def _lots(rows: list[tuple[int, int]]) -> Iterator[list[tuple[int, int]]]:
    """Neighbouring rows that are parsed together."""
    lot: list[tuple[int, int]] = []
    for start, end in rows:
        _check_size(end - start, "one of its entries")
        if lot and end - lot[0][0] > LOT_BYTES:
            yield lot
            lot = []
        lot.append((start, end))
    yield lot


def _rows_of(text: bytes, lot: list[tuple[int, int]]) -> list[Any]:
    content = _loads(b"[" + text[lot[0][0] : lot[-1][1]] + b"]")
    if not isinstance(content, list) or len(content) != len(lot):  # such as a comma too many
        raise _not_json()
    return content


def _loads(text: bytes) -> Any:
    """Strict JSON: no NaN, no half characters, no bottomless nesting."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        raise _not_json() from None


def _not_json() -> Refused:
    return Refused(400, "bad_json", "the body is not valid JSON")


def _check_size(n_bytes: int, what: str) -> None:
    if n_bytes > MAX_ROW_BYTES:
        raise Refused(413, "too_large", f"{what} is larger than {MAX_ROW_BYTES:,} bytes", hint="Send less at once")


def _faults(error: ValidationError, *place: str | int) -> list[Fault]:
    found = error.errors(include_url=False, include_context=False, include_input=False)
    return [{**fault, "loc": ("body", *place, *fault["loc"])} for fault in found[:MAX_FAULTS]]
