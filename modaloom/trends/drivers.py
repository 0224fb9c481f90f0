"""What carries a change: values of other dimensions, by leaving them out; and the items that show a trend best."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from scipy import sparse

from modaloom.counting.ledger import Ledger
from modaloom.trends.board import Driver
from modaloom.trends.movers import Judged
from modaloom.trends.verdicts import YEAR_DAYS
from modaloom.types import BoolArray

Values = npt.NDArray[np.float64]
LEAST_PART = 0.25
MOST_DRIVERS = 4
MOST_EXAMPLES = 8
LEAST_CHANGE = 0.1
"""Logarithm of the change of the shares as they are; where they hardly move there is nothing to explain."""


class Drivers:
    """Finds the drivers of trends of one log."""

    def __init__(self, ledger: Ledger, counts: sparse.csr_matrix, judged: Sequence[Judged], k: int):
        self._ledger, self._counts, self._k = ledger, counts.tocsc(), k
        self._others = [one for one in judged if one.dimension.name != "word"]
        order = np.argsort(ledger.thing, kind="stable")
        self._users = ledger.user[order]
        self._starts = np.searchsorted(ledger.thing[order], np.arange(ledger.n_things + 1))
        self._windows: dict[tuple[int, int], Values] = {}

    def of(self, one: Judged, row: int, shown: Mapping[str, BoolArray]) -> tuple[Driver, ...]:
        """The values of other dimensions without which most of a value's change is gone.

        Args:
            one: the dimension.
            row: the value.
            shown: which values of each dimension may be shown.
        """
        verdict = one.verdicts[row]
        if verdict not in ("rising", "falling", "seasonal"):
            return ()
        now, then = self._two(one, row)
        mine = np.asarray(one.dimension.incidence[row].todense()).ravel()
        whole = _change(now @ mine, then @ mine, now.sum(), then.sum())
        if abs(whole) < LEAST_CHANGE or (verdict != "seasonal" and (whole > 0) != (verdict == "rising")):
            return ()
        found: list[tuple[float, Driver, Values]] = []
        for other in self._others:
            if other.dimension.name == one.dimension.name:
                continue
            inside = other.dimension.incidence.multiply(mine[None, :]).tocsr()
            left_now, left_then = now @ mine - inside @ now, then @ mine - inside @ then
            rest_now, rest_then = (window.sum() - other.dimension.incidence @ window for window in (now, then))
            without = _change(left_now, left_then, rest_now, rest_then)
            gone = (left_now + left_then) < 0.1 * ((now + then) @ mine)  # nothing is left: the two move as one
            alike = np.array([verdict in (said, *more) for said, more in zip(other.verdicts, other.also, strict=True)])
            part = np.where(gone, np.where(alike, 1.0, 0.0), 1 - without / whole)
            for place in np.flatnonzero((part >= LEAST_PART) & shown[other.dimension.name]):
                names = other.dimension.names[place]
                identity = f"{other.dimension.name}={other.dimension.values[place]}"
                found.append((float(part[place]), Driver(identity, names, round(min(float(part[place]), 1.5), 3)),
                              np.asarray(inside[place].todense()).ravel()))  # fmt: skip
        found.sort(key=lambda one: -one[0])
        enough = [driver for _, driver, things in found[: 3 * MOST_DRIVERS] if self._enough(things)]
        return tuple(enough[:MOST_DRIVERS])

    def _two(self, one: Judged, row: int) -> tuple[Values, Values]:
        """Interests by thing in two windows: the last quarter and a year before, or the season's peak and trough."""
        n_steps, year = self._ledger.n_steps, round(YEAR_DAYS / self._ledger.step_days)
        quarter = max(n_steps // 4, 1)
        if one.verdicts[row] == "seasonal":
            peak, eighth = int(one.fits.peak[row]), max(year // 8, 1)
            place = (np.arange(n_steps) - peak + year // 2) % year - year // 2
            high = np.flatnonzero(np.abs(place) <= eighth)
            low = np.flatnonzero(np.abs(place) >= year // 2 - eighth)
            return self._sum(high), self._sum(low)
        stop = n_steps - year if n_steps >= year + quarter else quarter
        return self._window(n_steps - quarter, n_steps), self._window(max(stop - quarter, 0), stop)

    def _window(self, start: int, stop: int) -> Values:
        if (start, stop) not in self._windows:
            self._windows[start, stop] = self._sum(np.arange(start, stop))
        return self._windows[start, stop]

    def _sum(self, steps: npt.NDArray[np.int64]) -> Values:
        return np.asarray(self._counts[:, steps].sum(axis=1), dtype=np.float64).ravel()

    def _enough(self, things: Values) -> bool:
        """Whether at least ``k`` different shoppers were interested in these things."""
        users: set[int] = set()
        for thing in np.flatnonzero(things):
            users.update(self._users[self._starts[thing] : self._starts[thing + 1]].tolist())
            if len(users) >= self._k:
                return True
        return False

    def examples(self, one: Judged, row: int, offered: BoolArray, ids: Sequence[str]) -> tuple[str, ...]:
        """Items of a value on offer that are most wanted now."""
        quarter = max(self._ledger.n_steps // 4, 1)
        wanted = self._window(self._ledger.n_steps - quarter, self._ledger.n_steps)[: len(ids)]
        mine = np.asarray(one.dimension.incidence[row, : len(ids)].todense()).ravel() > 0
        items = np.flatnonzero(mine & offered)
        return tuple(ids[item] for item in items[np.argsort(-wanted[items], kind="stable")][:MOST_EXAMPLES])


def _change(now: Values, then: Values, of_now: Values, of_then: Values) -> Values:
    """Logarithm of how much a share changed, half an interest added to each."""
    result: Values = np.log((now + 0.5) / np.maximum(of_now, 1.0)) - np.log((then + 0.5) / np.maximum(of_then, 1.0))
    return result
