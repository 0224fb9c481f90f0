"""Trendsetters: shoppers who, in the past, wanted things before these rose. Only the past decides who they are.

At every origin, a shopper's mark is the mean growth, over the year that followed, of what they were interested in a
year or more before; the best fifth are trendsetters of the quarter after the origin. Nothing later is looked at, so
what they do now may be used to forecast.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from modaloom.counting.ledger import Ledger
from modaloom.trends.board import Crowd
from modaloom.trends.movers import Judged
from modaloom.trends.verdicts import YEAR_DAYS
from modaloom.types import BoolArray

Values = npt.NDArray[np.float64]
TOP = 0.2
LEAST_WANTED = 5
"""Interests that a shopper must have had for a mark."""
SHRINK = 5.0
SURE = 3.0
"""Standard errors between trendsetters and the others, from which on the difference is more than chance."""
_WIDTH = 8
_MOST = float(np.log(4))


@dataclass(frozen=True)
class Setters:
    """Which entries of the ledger are by trendsetters of their time."""

    by_setters: BoolArray  # one for each entry
    start: int
    """The first step for which there are any."""
    shoppers: int
    """Trendsetters of the last origin."""


def find_setters(ledger: Ledger, judged: Sequence[Judged], k: int) -> Setters | None:
    """Trendsetters at every quarter; None where the log is too short or too few can be marked."""
    year = round(YEAR_DAYS / ledger.step_days)
    quarter = year // 4
    telling = [one for one in judged if one.dimension.name.startswith("attribute.") or one.dimension.name == "look"]
    if ledger.n_steps < year + 2 * quarter or not telling:
        return None
    growth = _growth(telling, ledger, year)
    if growth is None:
        return None
    n_users = int(ledger.user.max()) + 1
    by_setters = np.zeros(len(ledger), dtype=bool)
    items = ledger.thing < ledger.n_items
    start, last = 0, 0
    for origin in range(year + quarter, ledger.n_steps, quarter):
        rows = np.flatnonzero(items & (ledger.step <= origin - year - _WIDTH // 2))
        mark = growth[ledger.thing[rows], ledger.step[rows]]
        user = ledger.user[rows]
        number = np.bincount(user, minlength=n_users)
        score = np.bincount(user, weights=mark, minlength=n_users) / (number + SHRINK)
        marked = np.flatnonzero(number >= LEAST_WANTED)
        top = marked[np.argsort(-score[marked], kind="stable")[: int(TOP * len(marked))]]
        if len(top) < k:
            continue
        chosen = np.zeros(n_users, dtype=bool)
        chosen[top] = True
        during = (ledger.step >= origin) & (ledger.step < origin + quarter)
        by_setters[during] = chosen[ledger.user[during]]
        start, last = start or origin, len(top)
    return Setters(by_setters, start, last) if start else None


def _growth(judged: Sequence[Judged], ledger: Ledger, year: int) -> npt.NDArray[np.float32] | None:
    """Mean log growth of each item's values over the year after each step, (items, steps); 0 where it is unknown."""
    total = np.zeros((ledger.n_items, ledger.n_steps), dtype=np.float32)
    number = np.zeros((ledger.n_items, 1))
    kernel = np.ones(_WIDTH)
    for one in judged:
        smooth = np.stack([np.convolve(line, kernel, mode="same") for line in one.counts])
        whole = np.convolve(one.totals, kernel, mode="same")
        share: Values = (smooth + 2 * smooth.mean(axis=1, keepdims=True) / max(whole.mean(), 1)) / np.maximum(whole, 1)
        rise = np.zeros_like(share)
        rise[:, :-year] = np.clip(np.log((share[:, year:] + 1e-6) / (share[:, :-year] + 1e-6)), -_MOST, _MOST)
        incidence = one.dimension.incidence[:, : ledger.n_items].T.tocsr()
        total += np.asarray(incidence @ rise, dtype=np.float32)
        number += np.asarray(incidence.sum(axis=1))
    if not number.any():
        return None
    result: npt.NDArray[np.float32] = (total / np.maximum(number, 1)).astype(np.float32)
    return result


def setter_shares(ledger: Ledger, setters: Setters, judged: Judged) -> tuple[Values, Values]:
    """Shares of a dimension's values among trendsetters (v, t), and their interests (t,); NaN before the start."""
    known = judged.dimension.known()
    counts = ledger.counts(setters.by_setters)
    totals = np.asarray(counts[known].sum(axis=0)).ravel()
    number = np.asarray((judged.dimension.incidence @ counts).todense())
    shares: Values = np.where(totals > 0, number / np.maximum(totals, 1), np.nan)
    shares[:, : setters.start] = np.nan
    return shares, totals


def few_setters(ledger: Ledger, setters: Setters, k: int) -> BoolArray:
    """The steps in which fewer than ``k`` trendsetters did anything: what they did then is not shown."""
    marked = setters.by_setters
    once = np.unique(np.stack([ledger.step[marked], ledger.user[marked]]), axis=1)
    few: BoolArray = np.bincount(once[0], minlength=ledger.n_steps) < k
    return few


def crowd_of(
    shares: Values,
    totals: Values,
    judged: Judged,
    row: int,
    setters: Setters,
    k: int,
    few: BoolArray | None = None,
) -> Crowd | None:
    """Trendsetters beside everybody else for one value; None where they are too few to be shown.

    Steps that are ``few`` are left out of their series, though they count for the quarter.
    """
    if setters.shoppers < k:
        return None
    n_steps = len(totals)
    quarter = slice(n_steps - max(n_steps // 4, 1), n_steps)
    theirs = float(np.nansum(shares[row, quarter] * totals[quarter]))
    of_theirs = float(totals[quarter].sum())
    rest = judged.counts[row] - np.nan_to_num(shares[row] * totals)
    of_rest = judged.totals - totals
    others, of_others = float(rest[quarter].sum()), float(of_rest[quarter].sum())
    if of_theirs < 4 * k or of_others < 4 * k:
        return None
    now, main = theirs / of_theirs, others / of_others
    spread = judged.fits.dispersion[row] * (1 / max(theirs, 1.0) + 1 / max(others, 1.0))
    ahead = float(np.log(now / main)) if now > 0 and main > 0 else None
    mainstream = np.where(of_rest > 0, rest / np.maximum(of_rest, 1), np.nan)
    mainstream[: setters.start] = np.nan
    seen = shares[row] if few is None else np.where(few, np.nan, shares[row])
    return Crowd(
        setters.shoppers, as_series(seen), as_series(mainstream), now, main, ahead,
        ahead is not None and theirs >= 5 and abs(ahead) > SURE * float(np.sqrt(spread)),
    )  # fmt: skip


def as_series(values: Values) -> tuple[float | None, ...]:
    """Numbers as a board keeps them: six digits, None for unknown."""
    return tuple(None if np.isnan(value) else round(float(value), 6) for value in values)
