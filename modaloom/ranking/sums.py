"""The arithmetic that the parts of a blend share when they speak to a single shopper.

With so little to compute, what costs is the number of steps: where the compiled loops are loaded (see
:func:`~modaloom.ranking.fast.load_alone`) each function here is one, else a few NumPy calls that say the same.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from modaloom.numerics import EPSILON, Moments, distinct, moments_of_few, places_among
from modaloom.ranking.fast import Level, Table, alone
from modaloom.ranking.retrieve import Sums, moments_of_sums, normalised, with_middle
from modaloom.types import BoolArray, FloatArray, IntArray

LARGEST_POWER = np.float32(80.0)
"""Exponents are cut here, so that sums of them stay finite."""


class Without(NamedTuple):
    """What is left out in turn: the items (t,) of the rows that are added up, and those that go (r,)."""

    own: IntArray
    gone: IntArray


def log_sums(similar: FloatArray, shifts: FloatArray, left: Without, how: Level) -> FloatArray:
    """``level + log(sum of exp(similar (t, c) + shifts (t,)) + floor)``, (1 + r, c).

    Whole, and then without each item. A row of which nothing is left is zero.
    """
    if (loops := alone()) is not None:
        return loops.log_sums(similar, shifts, left, how)
    given = similar + shifts[:, None]
    np.minimum(given, LARGEST_POWER, out=given)
    np.exp(given, out=given)
    kept = kept_without(*left)
    made = _levelled(kept @ given, how)
    made[~kept.any(axis=1)] = 0.0
    return made


def log_sums_without(similar: FloatArray, views: FloatArray, how: Level) -> FloatArray:
    """The same (m, c) of products (t, c) less those of one modality's view (m, t, c) after the other."""
    if (loops := alone()) is not None:
        return loops.log_sums_without(similar, views, how)
    left = similar - views
    np.minimum(left, LARGEST_POWER, out=left)
    return _levelled(np.exp(left, out=left).sum(axis=1), how)


def reference_sums(
    similar: FloatArray, shifts: FloatArray, left: Without, how: Level, present: BoolArray
) -> tuple[Moments, FloatArray]:
    """Moments (1 + r, 1) of :func:`log_sums` of the reference items, and what an item scores that is not ``present``.

    Those of them (c,) that lack the modality score so, too.
    """
    if (loops := alone()) is not None:
        return loops.reference_sums(similar, shifts, left, how, present)
    rows = log_sums(similar, shifts, left, how)
    filled, middle = with_middle(rows, present)
    return moments_of_few(rows if present.all() else filled), middle


def _levelled(sums: FloatArray, how: Level) -> FloatArray:
    sums += np.float32(how.floor)
    np.log(sums, out=sums)
    sums += how.level
    return sums


def weighted(rows: FloatArray, moments: Moments, weight: float) -> FloatArray:
    """Scores (r, c) normalised by the moments (r, 1) or (1, 1), times the weight; may be written over ``rows``."""
    if (loops := alone()) is not None:
        return loops.weighted(rows, moments, weight)
    made = normalised(rows, moments)
    made *= np.float32(weight)
    return made


def sparse_sums(
    past: tuple[IntArray, FloatArray], table: Table, items: IntArray, left: Without, n: int
) -> tuple[FloatArray, Moments]:
    """Sums of some rows of a table (s, n) at items (c,), whole and then without each item, and their moments.

    ``past`` is the rows (t,) and what they are multiplied by (t,).
    """
    if (loops := alone()) is not None:
        made, total, square = loops.sparse_sums(past, table, items, left)
        return made, moments_of_sums(total, square, n)
    return _sparse_sums(entries(*past, table), items, left, n)


def _sparse_sums(
    given: tuple[IntArray, FloatArray, IntArray], items: IntArray, left: Without, n: int
) -> tuple[FloatArray, Moments]:
    columns, values, owner = given
    found, inverse = distinct(columns, n)
    sums: Sums = np.bincount(inverse, values, len(found)).astype(np.float64, copy=False)
    total, square = (np.full(1 + len(left.gone), whole) for whole in (sums.sum(), sums @ sums))
    made = np.zeros((1 + len(left.gone), len(items)))
    if not len(found):
        return made.astype(np.float32), moments_of_sums(total, square, n)
    places, there = places_among(found, items, n)
    made[:] = np.where(there, sums[places], 0.0)
    row_of = {item: row for row, item in enumerate(left.own.tolist())}
    gone = [(number, row_of[item]) for number, item in enumerate(left.gone.tolist(), start=1) if item in row_of]
    if gone:
        numbers, own = np.array(gone, dtype=np.int64).T
        added = np.zeros((len(left.own), len(found)))
        added[owner, inverse] = values
        added = added[own]
        total[numbers] -= added.sum(axis=1)
        square[numbers] -= (added * (2.0 * sums - added)).sum(axis=1)
        made[numbers] -= np.where(there, added[:, places], 0.0)
        made[np.abs(made) < EPSILON] = 0.0  # what is left of differences of equal numbers
        square[np.abs(square) < EPSILON] = 0.0
    return made.astype(np.float32), moments_of_sums(total, square, n)


def entries(rows: IntArray, counts: FloatArray, table: Table) -> tuple[IntArray, FloatArray, IntArray]:
    """Columns (e,) and values (e,) of some rows (t,) of a table, times counts (t,), and which row each is from (e,)."""
    picks, bounds = packed(table.bounds[rows], table.bounds[rows + 1])
    owner = np.repeat(np.arange(len(rows)), np.diff(bounds))
    return table.columns[picks].astype(np.int64), table.values[picks] * counts[owner], owner


def packed(starts: IntArray, stops: IntArray) -> tuple[IntArray, IntArray]:
    """Numbers of stretches (t,), one after the other, and where each begins, with the end behind the last."""
    bounds = np.zeros(len(starts) + 1, dtype=np.int64)
    lengths = stops - starts
    np.cumsum(lengths, out=bounds[1:])
    return np.arange(bounds[-1]) + np.repeat(starts - bounds[:-1], lengths), bounds


def products(few: FloatArray, many: FloatArray) -> FloatArray:
    """Products (t, c) of a few rows (t, d) with many (c, d): this way round takes a third of the time."""
    return np.ascontiguousarray((many @ few.T).T)


def kept_without(own: IntArray, gone: IntArray) -> FloatArray:
    """Ones (1 + r, t) for past events (t,) of items ``own``; zero where a row leaves its item (r,) out."""
    kept = np.ones((1 + len(gone), len(own)), dtype=np.float32)
    kept[1:] = own != gone[:, None]
    return kept
