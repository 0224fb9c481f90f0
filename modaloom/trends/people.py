"""Groups of shoppers, and the rule that nobody is shown who could be told from the others.

A group of fewer than ``k`` shoppers is never shown, and neither is a group that could be had by taking the shown ones
away from the total: where what is hidden adds up to fewer than ``k``, the smallest shown group is hidden too.

Shapes: v values, g groups, u shoppers.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy import sparse

from modaloom.counting.catalogue import NO_VALUE, Dimension
from modaloom.counting.ledger import Ledger
from modaloom.messages import Names, trend_messages
from modaloom.messages.stated import SEPARATORS, Known, StatedWords
from modaloom.trends.board import Segment
from modaloom.types import ATTRIBUTE_PREFIX, LANGUAGES, BoolArray, IntArray

Values = npt.NDArray[np.float64]
REGIONS = ("region", "country", "city", "province", "state", "area")
AGE_BANDS = (18, 25, 35, 45, 55, 65)
AGES = ("age", "年龄")
MOST_NUMBERS = 12
"""Numbers with no more different values than this are kinds, not amounts."""
MOST_GROUPS = 30
"""An attribute with more common values is no way to divide shoppers."""
MOST_DIFFERENT = 0.2
"""Attributes with more values than this part of the shoppers say something of each, not of groups."""
_BLOCK = 50_000
SHRINK = 12.0
"""Interests as usual that are added to every group, so that a few do not look like a taste."""
_FIRST_WORD = rf"^\s*([^{SEPARATORS}]*)"


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


def read_groupings(users: pl.DataFrame, active: BoolArray, k: int, stated: StatedWords) -> list[Grouping]:
    """Every way to divide the shoppers (u,) that their attributes allow; what may not be shown is gone already.

    Args:
        users: the table of shoppers.
        active: who did anything, (u,).
        k: the least size of a group.
        stated: what the shop calls things: who states the same in another language is in the same group.
    """
    groupings = []
    for column in users.columns:
        if column.startswith(ATTRIBUTE_PREFIX):
            found = _grouping(column.removeprefix(ATTRIBUTE_PREFIX), users[column], active, k, stated)
            if found is not None:
                groupings.append(found)
    return groupings


def _grouping(name: str, column: pl.Series, active: BoolArray, k: int, stated: StatedWords) -> Grouping | None:
    kind = "region" if name.lower() in REGIONS else name
    texts = _keyed(name, _bands(name, column), stated)
    values = texts.drop_nulls().unique(maintain_order=True).to_list()
    if not values or len(values) > max(MOST_DIFFERENT * active.sum(), MOST_GROUPS):
        return None
    codes = dict(zip(values, range(len(values)), strict=True))
    group = texts.replace_strict(codes, default=-1, return_dtype=pl.Int64).fill_null(-1).to_numpy()
    if len(group) < len(active):  # shoppers that only the log knows
        group = np.concatenate([group, np.full(len(active) - len(group), -1)])
    group = np.where(active, group, -1)
    sizes = np.bincount(group[group >= 0], minlength=len(values))
    shown = may_show(sizes, float((active & (group < 0)).sum()), k)
    if not 1 <= shown.sum() <= MOST_GROUPS:
        return None
    return Grouping(
        kind, tuple(values), tuple(_names(kind, value, stated.find(name, value)) for value in values), group, shown
    )


def _bands(name: str, column: pl.Series) -> pl.Series:
    """Ages by decades, other numbers by quarters, the first of several stated things."""
    numbers = column.cast(pl.Float64, strict=False)
    there = column.len() - column.null_count()
    if there and numbers.len() - numbers.null_count() >= 0.9 * there and column.n_unique() > MOST_NUMBERS:
        values = numbers.to_numpy()
        if name.lower() in AGES:
            edges = np.array(AGE_BANDS, dtype=np.float64)
            inner = [f"{low}–{high - 1}" for low, high in itertools.pairwise(AGE_BANDS)]
        else:
            edges = np.unique(np.nanquantile(values, (0.25, 0.5, 0.75)))
            inner = [f"{low:g}–{high:g}" for low, high in itertools.pairwise(edges.tolist())]
        labels = np.array([f"< {edges[0]:g}", *inner, f"≥ {edges[-1]:g}"])
        bands = labels[np.searchsorted(edges, np.nan_to_num(values), side="right")]
        return pl.Series(bands).set(pl.Series(np.isnan(values)), None)
    first = column.cast(pl.String).str.extract(_FIRST_WORD, 1).str.strip_chars()
    return first.set(first.str.to_lowercase().is_in([*NO_VALUE, ""]), None)


def _keyed(name: str, words: pl.Series, stated: StatedWords) -> pl.Series:
    """The same thing as one value, whatever it was called."""
    found = {word: known.key for word in words.drop_nulls().unique() if (known := stated.find(name, word))}
    return words.replace(found) if found else words


def _names(kind: str, value: str, known: Known | None) -> Names:
    """What a group is called; the catalogue of messages knows the usual ones, the shop those of its own."""
    names = known.names if known else dict.fromkeys(LANGUAGES, value)
    said = {language: trend_messages(language)["groups"] for language in LANGUAGES}
    return {language: said[language].get(f"{kind}_{value}".lower(), names[language]) for language in LANGUAGES}


@dataclass(frozen=True)
class Reach:
    """How many different shoppers stand behind the values of one dimension."""

    shoppers: IntArray  # (v,)
    by_group: tuple[IntArray, ...]  # for each grouping (v, g)


class People:
    """Shoppers, their groups and what these did: counted once for all dimensions."""

    def __init__(self, ledger: Ledger, groupings: Sequence[Grouping], n_users: int, k: int):
        self._groupings, self._k, self._n_things = groupings, k, ledger.n_things
        self._blocks = list(_pairs(ledger, n_users))
        quarter = max(ledger.n_steps // 4, 1)
        year = round(365.25 / ledger.step_days)
        stop = ledger.n_steps - year if ledger.n_steps >= year + quarter else quarter
        recent = ledger.step >= ledger.n_steps - quarter
        earlier = (ledger.step >= stop - quarter) & (ledger.step < stop)
        self._recent = np.bincount(ledger.thing[recent], minlength=ledger.n_things).astype(np.float64)
        self._windows = [(_window(ledger, one, recent), _window(ledger, one, earlier)) for one in groupings]

    def reach(self, dimension: Dimension) -> Reach:
        """Counts different shoppers exactly, some of them at a time."""
        things = dimension.incidence.T.tocsr()
        shoppers = np.zeros(len(dimension), dtype=np.int64)
        by_group = [np.zeros((len(dimension), len(one.values)), dtype=np.int64) for one in self._groupings]
        for start, pairs in self._blocks:
            reached = pairs @ things
            reached.data[:] = 1.0
            shoppers += np.bincount(reached.indices, minlength=len(dimension))
            owner = np.repeat(np.arange(reached.shape[0]), np.diff(reached.indptr)) + start
            for number, one in zip(by_group, self._groupings, strict=True):
                group = one.group[owner]
                inside = group >= 0
                key = reached.indices[inside].astype(np.int64) * len(one.values) + group[inside]
                number += np.bincount(key, minlength=number.size).reshape(number.shape)
        return Reach(shoppers, tuple(by_group))

    def segments(self, dimension: Dimension, reach: Reach) -> Callable[[int], tuple[Segment, ...]]:
        """Gives the segments of a value, most inclined first; what may not be shown is left out."""
        known = dimension.known()
        overall = dimension.incidence @ self._recent / max(float(self._recent[known].sum()), 1.0)
        tables = [
            (one, reached, now.counts(dimension, known), then.counts(dimension, known), now.shoppers, then.shoppers)
            for one, reached, (now, then) in zip(self._groupings, reach.by_group, self._windows, strict=True)
        ]

        def of(row: int) -> tuple[Segment, ...]:
            found = []
            for one, reached, now, then, active, active_then in tables:
                rest = float(reach.shoppers[row] - reached[row].sum()) + float(reached[row][~one.shown].sum())
                shown = one.shown & may_show(np.where(one.shown, reached[row], 0), rest, self._k)
                for group in np.flatnonzero(shown & (active >= self._k)):
                    (counts, totals), (counts_then, totals_then) = now, then
                    share = float(counts[row, group] / totals[group])
                    before = float(counts_then[row, group] / totals_then[group])
                    usual = max(float(overall[row]), 1e-9)
                    index = (float(counts[row, group]) + SHRINK) / (float(totals[group]) * usual + SHRINK)
                    told = active_then[group] >= self._k and before > 0
                    found.append(Segment(
                        one.kind, one.values[group], one.names[group], int(reached[row, group]), share,
                        100 * index, share / before - 1 if told else None,
                    ))  # fmt: skip
            return tuple(sorted(found, key=lambda one: (one.kind, -one.index)))

        return of


def _pairs(ledger: Ledger, n_users: int) -> Iterator[tuple[int, sparse.csr_matrix]]:
    """Shoppers and the things they were interested in, (block, things) of ones, block by block."""
    order = np.argsort(ledger.user, kind="stable")
    bounds = np.searchsorted(ledger.user, np.arange(0, n_users + _BLOCK, _BLOCK), sorter=order)
    for block, (low, high) in enumerate(itertools.pairwise(bounds)):
        start = block * _BLOCK
        size = min(_BLOCK, n_users - start)
        rows = order[low:high]
        place = (ledger.user[rows] - start, ledger.thing[rows])
        ones = np.ones(len(rows), dtype=np.float32)
        yield start, sparse.csr_matrix((ones, place), shape=(max(size, 0), ledger.n_things))


@dataclass(frozen=True)
class _Window:
    """What groups did in some steps."""

    number: sparse.csr_matrix  # (things, g)
    shoppers: IntArray  # (g,) different ones

    def counts(self, dimension: Dimension, known: BoolArray) -> tuple[Values, Values]:
        """Interests in a dimension's values by group, (v, g), and in the whole dimension, (g,)."""
        counts = np.asarray((dimension.incidence @ self.number).todense())
        return counts, np.maximum(np.asarray(self.number[known].sum(axis=0)).ravel(), 1.0)


def _window(ledger: Ledger, one: Grouping, rows: BoolArray) -> _Window:
    groups = len(one.values)
    user, thing = ledger.user[rows], ledger.thing[rows].astype(np.int64)
    group = one.group[user]
    inside = group >= 0
    number = np.bincount(thing[inside] * groups + group[inside], minlength=ledger.n_things * groups)
    active = np.zeros(len(one.group), dtype=bool)
    active[user[inside]] = True
    table = sparse.csr_matrix(number.reshape(ledger.n_things, groups).astype(np.float64))
    return _Window(table, np.bincount(one.group[active], minlength=groups).astype(np.int64))
