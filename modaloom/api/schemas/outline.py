"""How a JSON text is built, found without parsing it: how much is in it, how deep, and where the rows of its list are.

A parser needs memory and time for every member before anybody can say that there are too many, and holds the
interpreter while it works. Here the text is looked at in pieces by NumPy, which lets other threads run meanwhile.
Texts that are no JSON give an outline too; whoever parses them finds out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from modaloom.errors import QueryError
from modaloom.types import IntArray

PIECE = 256 * 1024
"""Bytes that are looked at in one go."""
QUOTE, BACKSLASH, COMMA = b'"\\,'
OPENING, CLOSING, BETWEEN = b"{[", b"}]", b",:"
_STRUCTURAL = np.zeros(256, dtype=bool)
_STRUCTURAL[list(OPENING + CLOSING + BETWEEN)] = True
_STEP = np.zeros(256, dtype=np.int64)
_STEP[list(OPENING)], _STEP[list(CLOSING)] = 1, -1
_ROWS_DEPTH = 2  # of the list in {"items": [...]}


@dataclass(slots=True)
class Outline:
    """What is in a JSON text."""

    members: int = 0
    """Members of objects and lists, about: commas, colons and opening brackets outside texts."""
    depth: int = 0
    """The deepest nesting."""
    start: int | None = None
    """Place behind the bracket that opens the only list in the outermost object; None where there is none."""
    end: int | None = None
    """Place of the bracket that closes it."""
    cuts: list[int] = field(default_factory=list)
    """Places of the commas between its rows."""
    lists: int = 0
    """Lists and objects in the outermost object."""

    def rows(self) -> list[tuple[int, int]] | None:
        """Where each row of the one list starts and ends; None for a text of another form."""
        if self.lists != 1 or self.start is None or self.end is None:
            return None
        edges = [self.start - 1, *self.cuts, self.end]
        return [(before + 1, after) for before, after in pairwise(edges)]


def might_hold(text: bytes) -> int:
    """An upper bound of :attr:`Outline.members`, at once: marks inside texts count as well."""
    return sum(text.count(mark) for mark in (b",", b":", b"{", b"["))


def outline_of(text: bytes, *, max_members: int) -> Outline:
    """Looks a text through, and stops as soon as there is too much in it.

    Raises:
        QueryError: it holds more than ``max_members`` members.
    """
    outline, depth = Outline(), 0
    for places, marks in _marks(text):
        depths = depth + np.cumsum(_STEP[marks])
        outline.members += int(len(marks) - np.isin(marks, list(CLOSING)).sum())
        outline.depth = max(outline.depth, int(depths.max(initial=0)))
        if outline.members > max_members:
            raise QueryError(f"the body has more than {max_members:,} values", hint="Send less at once")
        _note_rows(outline, places, marks, depths)
        depth = int(depths[-1]) if len(depths) else depth
    return outline


def _note_rows(outline: Outline, places: IntArray, marks: npt.NDArray[np.uint8], depths: IntArray) -> None:
    opens = np.flatnonzero((depths == _ROWS_DEPTH) & (_STEP[marks] == 1))
    outline.lists += len(opens)
    if outline.start is None and len(opens) and marks[opens[0]] == OPENING[1]:
        outline.start = int(places[opens[0]]) + 1
    if outline.end is None:
        closes = np.flatnonzero((depths == _ROWS_DEPTH - 1) & (_STEP[marks] == -1))
        outline.end = int(places[closes[0]]) if len(closes) else None
        outline.cuts += places[(depths == _ROWS_DEPTH) & (marks == COMMA)].tolist()


def _marks(text: bytes) -> Iterator[tuple[IntArray, npt.NDArray[np.uint8]]]:
    """Places and kinds of brackets, commas and colons outside texts, piece by piece."""
    inside, backslashes = 0, 0
    for start in range(0, len(text), PIECE):
        piece = np.frombuffer(text, np.uint8, min(PIECE, len(text) - start), start)
        quotes = piece == QUOTE
        slashes = piece == BACKSLASH
        if backslashes or slashes.any():
            quotes &= ~_escaped(slashes, backslashes)
            rest = np.flatnonzero(~slashes)
            backslashes = len(piece) - 1 - int(rest[-1]) if len(rest) else backslashes + len(piece)
        within = np.cumsum(quotes, dtype=np.uint8)  # only whether it is odd counts, so that it may wrap around
        within += np.uint8(inside)
        inside = int(within[-1]) & 1
        found = np.flatnonzero(_STRUCTURAL[piece] & (within & 1 == 0))
        yield found + start, piece[found]


def _escaped(slashes: npt.NDArray[np.bool_], before: int) -> npt.NDArray[np.bool_]:
    """Which bytes stand behind an odd number of backslashes; ``before`` so many ended the last piece."""
    here = np.arange(len(slashes))
    last = np.maximum.accumulate(np.where(slashes, -1, here))  # the newest byte that is none
    run = np.where(last < 0, here + 1 + before, here - last)  # backslashes that end here
    result: npt.NDArray[np.bool_] = np.concatenate([[before % 2 == 1], run[:-1] % 2 == 1])
    return result
