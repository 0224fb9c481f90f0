"""Groups of shoppers, and the rule that nobody is shown who could be told from the others.

A group of fewer than ``k`` shoppers is never shown, and neither is a group that could be had by taking the shown ones
away from the total: where what is hidden adds up to fewer than ``k``, the smallest shown group is hidden too.

Shapes: v values, g groups, u shoppers.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy import sparse

from modaloom.counting.catalogue import Dimension
from modaloom.counting.ledger import Ledger
from modaloom.messages import Names, trend_messages
from modaloom.trends.board import Segment
from modaloom.types import ATTRIBUTE_PREFIX, LANGUAGES, BoolArray, IntArray

Values = npt.NDArray[np.float64]
REGIONS = ("region", "country", "city", "province", "state", "area")
AGE_BANDS = (18, 25, 35, 45, 55, 65)
MOST_GROUPS = 30
"""An attribute with more common values is no way to divide shoppers."""
MOST_DIFFERENT = 0.2
"""Attributes with more values than this part of the shoppers say something of each, not of groups."""
_BLOCK = 50_000
_PARTS = re.compile(r"[,，、;；|/]")


@dataclass(frozen=True)
class Grouping:
    """One way to divide shoppers: everybody is in one group at most."""

    kind: str
    values: tuple[str, ...]
    names: tuple[Names, ...]
    group: IntArray  # (u,) -1 for nobody's
    shown: BoolArray  # (g,)


def may_show(sizes: Sequence[float] | IntArray, rest: float, k: int) -> BoolArray:
    """Which groups may be shown, given their sizes (g,) and how many shoppers are in none of them.

    The smallest shown ones are hidden until what is hidden is nobody or at least ``k``.
    """
    sizes = np.asarray(sizes, dtype=np.float64)
    shown: BoolArray = sizes >= k
    for place in np.argsort(sizes, kind="stable"):
        hidden = rest + float(sizes[~shown].sum())
        if hidden <= 0 or hidden >= k:
            break
        shown[place] = False
    return shown


def read_groupings(users: pl.DataFrame, active: BoolArray, k: int) -> list[Grouping]:
    """Every way to divide the shoppers (u,) that their attributes allow; what may not be shown is gone already.

    Args:
        users: the table of shoppers.
        active: who did anything, (u,).
        k: the least size of a group.
    """
    groupings = []
    for column in users.columns:
        if column.startswith(ATTRIBUTE_PREFIX):
            found = _grouping(column.removeprefix(ATTRIBUTE_PREFIX), users[column], active, k)
            if found is not None:
                groupings.append(found)
    return groupings


def _grouping(name: str, column: pl.Series, active: BoolArray, k: int) -> Grouping | None:
    kind = "region" if name.lower() in REGIONS else name
    texts = _bands(name, column)
    codes: dict[str, int] = {}
    group = np.array([-1 if text is None else codes.setdefault(text, len(codes)) for text in texts], dtype=np.int64)
    if len(group) < len(active):  # shoppers that only the log knows
        group = np.concatenate([group, np.full(len(active) - len(group), -1)])
    group = np.where(active, group, -1)
    sizes = np.bincount(group[group >= 0], minlength=len(codes))
    shown = may_show(sizes, float((active & (group < 0)).sum()), k) if len(codes) else np.zeros(0, dtype=bool)
    if not 1 <= shown.sum() <= MOST_GROUPS or len(codes) > max(MOST_DIFFERENT * active.sum(), MOST_GROUPS):
        return None
    values = tuple(codes)
    return Grouping(kind, values, tuple(_names(kind, value) for value in values), group, shown)


def _bands(name: str, column: pl.Series) -> list[str | None]:
    """Ages by decades, other numbers by quarters, the first of several stated things."""
    numbers = column.cast(pl.Float64, strict=False)
    there = column.len() - column.null_count()
    if there and numbers.len() - numbers.null_count() >= 0.9 * there and column.n_unique() > 12:
        values = numbers.to_numpy()
        if name.lower() in ("age", "年龄"):
            edges, shown = np.array(AGE_BANDS, dtype=np.float64), [str(edge) for edge in AGE_BANDS]
        else:
            edges = np.unique(np.nanquantile(values, (0.25, 0.5, 0.75)))
            shown = [f"{edge:g}" for edge in edges]
        labels = [f"< {shown[0]}", *(f"{a}–{b}" for a, b in itertools.pairwise(shown)), f"≥ {shown[-1]}"]
        if name.lower() in ("age", "年龄"):
            pairs = itertools.pairwise(AGE_BANDS)
            labels[1:-1] = [f"{low}–{high - 1}" for low, high in pairs]
        place = np.searchsorted(edges, np.nan_to_num(values), side="right")
        return [None if np.isnan(value) else labels[at] for value, at in zip(values, place, strict=True)]
    texts = column.cast(pl.String).to_list()
    return [
        None if text is None or not text.strip() else _PARTS.split(text.strip())[0].strip() or None for text in texts
    ]


def _names(kind: str, value: str) -> Names:
    """What a group is called; the catalogue knows the usual ones."""
    said = {language: trend_messages(language)["groups"] for language in LANGUAGES}
    return {language: said[language].get(f"{kind}_{value}".lower(), value) for language in LANGUAGES}


@dataclass(frozen=True)
class Reach:
    """How many different shoppers stand behind the values of one dimension."""

    shoppers: IntArray  # (v,)
    by_group: tuple[IntArray, ...]  # for each grouping (v, g)


def count_reach(ledger: Ledger, dimension: Dimension, groupings: Sequence[Grouping], n_users: int) -> Reach:
    """Counts different shoppers exactly, some of them at a time."""
    things = dimension.incidence.T.tocsr()
    shoppers = np.zeros(len(dimension), dtype=np.int64)
    by_group = [np.zeros((len(dimension), len(one.values)), dtype=np.int64) for one in groupings]
    for start, pairs in _pairs(ledger, n_users):
        reached = pairs @ things
        reached.data[:] = 1.0
        shoppers += np.asarray(reached.sum(axis=0)).ravel().astype(np.int64)
        for number, one in zip(by_group, groupings, strict=True):
            group = one.group[start : start + reached.shape[0]]
            inside = np.flatnonzero(group >= 0)
            hot = sparse.csr_matrix(
                (np.ones(len(inside)), (group[inside], inside)), shape=(len(one.values), len(group))
            )
            number += np.asarray((hot @ reached).todense()).T.astype(np.int64)
    return Reach(shoppers, tuple(by_group))


def _pairs(ledger: Ledger, n_users: int) -> Iterator[tuple[int, sparse.csr_matrix]]:
    """Shoppers and the things they were interested in, (block, things) of ones, block by block."""
    order = np.argsort(ledger.user, kind="stable")
    bounds = np.searchsorted(ledger.user[order], np.arange(0, n_users + _BLOCK, _BLOCK))
    for block, (low, high) in enumerate(itertools.pairwise(bounds)):
        start = block * _BLOCK
        size = min(_BLOCK, n_users - start)
        rows = order[low:high]
        place = (ledger.user[rows] - start, ledger.thing[rows])
        yield start, sparse.csr_matrix((np.ones(len(rows)), place), shape=(max(size, 0), ledger.n_things))


def segments_of(
    ledger: Ledger, dimension: Dimension, groupings: Sequence[Grouping], reach: Reach, k: int
) -> Callable[[int], tuple[Segment, ...]]:
    """Gives the segments of a value, most inclined first."""
    quarter = max(ledger.n_steps // 4, 1)
    year = round(365.25 / ledger.step_days)
    stop = ledger.n_steps - year if ledger.n_steps >= year + quarter else quarter
    tables = [
        (one, reached, _table(ledger, dimension, one, ledger.n_steps - quarter, ledger.n_steps),
         _table(ledger, dimension, one, stop - quarter, stop))
        for one, reached in zip(groupings, reach.by_group, strict=True)
    ]  # fmt: skip
    known = dimension.known()[ledger.thing]
    rows = known & (ledger.step >= ledger.n_steps - quarter)
    number = np.bincount(ledger.thing[rows], minlength=ledger.n_things)
    overall = np.asarray(dimension.incidence @ number) / max(int(rows.sum()), 1)

    def of(row: int) -> tuple[Segment, ...]:
        found = []
        for one, reached, now, then in tables:
            rest = float(reach.shoppers[row] - reached[row].sum()) + float(reached[row][~one.shown].sum())
            shown = one.shown & may_show(np.where(one.shown, reached[row], 0), rest, k)
            for group in np.flatnonzero(shown & now.enough(k)):
                share = float(now.share[row, group])
                before = float(then.share[row, group]) if then.enough(k)[group] else 0.0
                found.append(Segment(
                    one.kind, one.values[group], one.names[group], int(reached[row, group]), share,
                    100 * share / max(float(overall[row]), 1e-9), share / before - 1 if before > 0 else None,
                ))  # fmt: skip
        return tuple(sorted(found, key=lambda one: (one.kind, -one.index)))

    return of


@dataclass(frozen=True)
class _Table:
    share: Values  # (v, g)
    shoppers: IntArray  # (g,) different ones in the window

    def enough(self, k: int) -> BoolArray:
        """Groups of which at least ``k`` did anything in the window."""
        return self.shoppers >= k


def _table(ledger: Ledger, dimension: Dimension, one: Grouping, start: int, stop: int) -> _Table:
    """Shares by group in a window of steps."""
    groups = len(one.values)
    rows = (ledger.step >= start) & (ledger.step < stop) & dimension.known()[ledger.thing]
    user, thing = ledger.user[rows], ledger.thing[rows]
    group = one.group[user]
    inside = group >= 0
    ones = np.ones(int(inside.sum()))
    number = sparse.csr_matrix((ones, (thing[inside], group[inside])), shape=(ledger.n_things, groups))
    counts = np.asarray((dimension.incidence @ number).todense())
    totals = np.bincount(group[inside], minlength=groups)
    active = np.unique(user[inside])
    return _Table(counts / np.maximum(totals, 1), np.bincount(one.group[active], minlength=groups))
