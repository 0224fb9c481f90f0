"""How well the ids of two tables meet, and which spelling keeps them apart where they do not."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Final

_SCIENTIFIC: Final = re.compile(r"\d(?:[.,]\d+)?[eE]\+?\d+$")
SPELLINGS: Final[tuple[tuple[str, Callable[[str], str]], ...]] = (
    ("one has zeros in front and the other has not", lambda text: text.lstrip("0") or "0"),
    ("one has a fraction such as .0 and the other has not", lambda text: re.sub(r"[.,]0+$", "", text)),
    ("one writes capitals where the other does not", str.casefold),
    ("one has blanks, hyphens or other signs where the other has none", lambda text: re.sub(r"[^0-9A-Za-z]", "", text)),
    ("one has a prefix or path before the id", lambda text: re.split(r"[/:_#|]", text)[-1]),
    ("one has letters before the number", lambda text: re.sub(r"^\D+0*", "", text)),
)
"""What keeps ids apart, and what makes them alike again."""
ENOUGH = 0.5
"""A spelling explains a poor overlap where it makes at least this share of the strangers meet."""


def overlap(ids: Iterable[str], known: set[str]) -> float:
    """Share of the ids that are known."""
    ids = list(ids)
    return sum(one in known for one in ids) / len(ids) if ids else 1.0


def spelling_hint(strangers: Sequence[str], known: Sequence[str]) -> str | None:
    """Why ids of one table are not met in another, with one of each spelling; None where no spelling explains it."""
    rounded = [one for one in (*strangers[:1000], *known[:1000]) if _SCIENTIFIC.search(one)]
    if rounded:
        return f"Ids such as {rounded[0]!r} were rounded by a spreadsheet: export them as text"
    for why, alike in SPELLINGS:
        there = {alike(one): one for one in known}
        there.pop("", None)
        met = [one for one in strangers if alike(one) in there]
        if strangers and len(met) >= ENOUGH * len(strangers):
            pair = f"{met[0]!r} here is {there[alike(met[0])]!r} there"
            return f"The ids seem to be spelt differently ({pair}: {why}). Export both tables alike"
    return None
