"""The loops of a single shopper, compiled: what NumPy takes many small steps for is one here.

Only other compiled files and :mod:`modaloom.ranking.fast` may import this file, because it needs numba. Every loop has
a twin in NumPy that says the same, in :mod:`modaloom.ranking.sums`. They are over before another thread could do
anything, so they keep the interpreter's lock. m modalities, t past items, c items, r past items that are left out.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from modaloom.numerics import EPSILON
from modaloom.ranking.arithmetic import Float, Ints, Real, compiled, exponentials, logarithms, squashed
from modaloom.types import BoolArray, FloatArray

LARGEST_POWER = Float(80.0)
TINY = Float(EPSILON)
held = partial(compiled, nogil=False)


@compiled
def powers(line: FloatArray, shift: Real, out: FloatArray, bits: Ints) -> None:
    """Exponentials (c,) of shifted products (c,); exponents are cut so that sums stay finite."""
    for place in range(len(line)):
        out[place] = min(line[place] + shift, LARGEST_POWER)
    exponentials(out, bits, len(line))


@held
def log_sums(
    similar: FloatArray,
    shifts: FloatArray,
    left: tuple[Ints, Ints],
    how: tuple[Real, Real],
    out: FloatArray,
) -> None:
    """``level + log(sum of exp(similar (t, c) + shifts (t,)) + floor)``, (1 + r, c).

    Whole, then without each past item. ``left`` is the items of the rows (t,) and those that are left out (r,); ``how``
    is floor and level. A row of which nothing is left is zero.
    """
    own, gone = left
    floor, level = how
    t, c = similar.shape
    given, bits = np.empty((t, c), dtype=np.float32), np.empty(c, dtype=np.int32)
    for row in range(t):
        powers(similar[row], shifts[row], given[row], bits)
    for row in range(len(out)):
        line, kept = out[row], 0
        line[:] = Float(0.0)
        for at in range(t):
            if row == 0 or own[at] != gone[row - 1]:
                kept += 1
                for place in range(c):
                    line[place] += given[at, place]
        if kept:
            for place in range(c):
                line[place] += floor
            logarithms(line, bits, c)
            for place in range(c):
                line[place] += level


@held
def log_sums_without(similar: FloatArray, views: FloatArray, how: tuple[Real, Real], out: FloatArray) -> None:
    """The same (m, c) of products (t, c) less those of one modality's view (m, t, c) after the other."""
    floor, level = how
    t, c = similar.shape
    bits, line = np.empty(c, dtype=np.int32), np.empty(c, dtype=np.float32)
    for view in range(len(out)):
        total = out[view]
        total[:] = floor
        for row in range(t):
            for place in range(c):
                line[place] = similar[row, place] - views[view, row, place]
            powers(line, Float(0.0), line, bits)
            for place in range(c):
                total[place] += line[place]
        logarithms(total, bits, c)
        for place in range(c):
            total[place] += level


@held
def reference_sums(
    similar: FloatArray,
    shifts: FloatArray,
    left: tuple[Ints, Ints],
    how: tuple[Real, Real],
    present: BoolArray,
    out: FloatArray,
) -> None:
    """The :func:`summary` (4, 1 + r) of :func:`log_sums`, where only some items (c,) are ``present``."""
    rows = np.empty((out.shape[1], similar.shape[1]), dtype=np.float32)
    log_sums(similar, shifts, left, how, rows)
    summary(rows, present, out)


@compiled
def summary(rows: FloatArray, present: BoolArray, out: FloatArray) -> None:
    """Mean, spread, and whether there is no order at all, of scores (r, q); and what an item scores that is absent.

    What is not ``present`` (q,) gets that score first. ``out`` is (4, r).
    """
    q = rows.shape[1]
    for row in range(len(rows)):
        line = rows[row]
        total, lowest, absent = Float(0.0), Float(0.0), 0
        for place in range(q):
            total += line[place]
            if present[place]:
                lowest = min(lowest, line[place])
            else:
                absent += 1
        middle = (lowest + total / Float(q)) / Float(2.0)
        if absent:
            total = Float(0.0)
            for place in range(q):
                line[place] = line[place] if present[place] else middle
                total += line[place]
        mean, square = total / Float(q), Float(0.0)
        least, most = line[0], line[0]
        for place in range(q):
            away = line[place] - mean
            square += away * away
            least, most = min(least, line[place]), max(most, line[place])
        spread = np.sqrt(square / Float(q))
        out[0, row], out[1, row], out[3, row] = mean, spread, middle
        out[2, row] = Float(1.0) if least == most or spread < TINY else Float(0.0)


@held
def weigh(rows: FloatArray, moments: tuple[FloatArray, FloatArray, BoolArray], weight: Real) -> None:
    """Scores (r, c) become normalised and weighted, by moments of each row, or the same for all of them."""
    mean, spread, flat = moments
    c = rows.shape[1]
    room = np.empty(c, dtype=np.float32), np.empty(c, dtype=np.int32)
    for row in range(len(rows)):
        line, at = rows[row], min(row, len(mean) - 1)
        if flat[at, 0]:
            line[:] = Float(0.0)
            continue
        scale = Float(1.0) / (spread[at, 0] + TINY)
        for place in range(c):
            line[place] = (line[place] - mean[at, 0]) * scale
        squashed(line, room, c)
        for place in range(c):
            line[place] *= weight
