"""The loops of a single shopper, compiled: what NumPy takes many small steps for is one here.

Only :mod:`modaloom.ranking.fast` may import this file, because it needs numba. Every loop has a twin in NumPy that says
the same, in :mod:`modaloom.ranking.sums` or :mod:`modaloom.ranking.personal`. They are over before another thread could
do anything, so they keep the interpreter's lock. n items, p parts, m modalities, t past items, c items of the list.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from modaloom.numerics import EPSILON
from modaloom.ranking.arithmetic import (
    LARGEST,
    Float,
    Ints,
    Real,
    compiled,
    exponentials,
    kth_largest,
    logarithms,
    squashed,
)
from modaloom.ranking.loops import moments_of_sums
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
    bias: FloatArray,
    out: FloatArray,
) -> None:
    """``level + log(sum of exp(similar (t, c) + shifts (t,)) + floor) + bias (c,)``, (1 + r, c).

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
                line[place] += level + bias[place]


@held
def log_sums_without(
    similar: FloatArray, views: FloatArray, how: tuple[Real, Real], bias: FloatArray, out: FloatArray
) -> None:
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
            total[place] += level + bias[place]


@held
def reference_sums(
    similar: FloatArray,
    shifts: FloatArray,
    left: tuple[Ints, Ints],
    how: tuple[Real, Real],
    about: tuple[FloatArray, BoolArray],
    out: FloatArray,
) -> None:
    """The :func:`summary` (4, 1 + r) of :func:`log_sums`; ``about`` is bias (c,) and what is present (c,)."""
    bias, present = about
    rows = np.empty((out.shape[1], similar.shape[1]), dtype=np.float32)
    log_sums(similar, shifts, left, how, bias, rows)
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


@compiled
def place_of(item: int, keys: Ints) -> int:
    """Where an item stands in a table of ``keys``, or is to stand: small tables stay in the cache, long arrays don't.

    ``keys`` (a power of two) are full of -1. Source: Knuth, "The Art of Computer Programming", 6.4 (linear probing).
    """
    mask = len(keys) - 1
    at = ((item * 2654435769) >> 12) & mask
    while keys[at] != item and keys[at] >= 0:
        at = (at + 1) & mask
    return at


@held
def entries(rows: Ints, bounds: Ints) -> int:
    """How many entries some rows (t,) of a table have."""
    count = 0
    for at in range(len(rows)):
        count += bounds[rows[at] + 1] - bounds[rows[at]]
    return count


@held
def sparse_sums(
    past: tuple[Ints, FloatArray],
    table: tuple[Ints, Ints, FloatArray],
    left: tuple[Ints, Ints],
    items: Ints,
    room: tuple[Ints, Ints],
    out: tuple[FloatArray, FloatArray],
) -> None:
    """Sums of the rows of a table at items (c,), whole and then without the row of each past item (r,): (1 + r, c).

    ``past`` is the rows (t,) and what they count (t,), ``left`` the past item of each row (t,) and those that are left
    out (r,). ``room`` is a table, see :func:`place_of`, and numbers of what is in it. ``out`` has, beside the sums,
    those of all scores and of their squares (2, 1 + r).
    """
    rows, counts = past
    bounds, columns, values = table
    own, gone = left
    keys, numbers = room
    made, totals = out
    most = entries(rows, bounds)
    sums, slots = np.zeros(most), np.empty(most, dtype=np.int32)
    entry = filled = 0
    for at in range(len(rows)):
        for place in range(bounds[rows[at]], bounds[rows[at] + 1]):
            slot = place_of(columns[place], keys)
            if keys[slot] < 0:
                keys[slot], numbers[slot] = columns[place], filled
                filled += 1
            slots[entry] = numbers[slot]
            sums[numbers[slot]] += np.float64(counts[at] * values[place])
            entry += 1
    total = square = 0.0
    for number in range(filled):
        total += sums[number]
        square += sums[number] * sums[number]
    totals[0, :], totals[1, :] = total, square
    wanted = np.full(filled, -1, dtype=np.int32)
    first = np.empty(len(items), dtype=np.int32)
    for place in range(len(items)):
        slot = place_of(items[place], keys)
        first[place] = place
        there = keys[slot] >= 0
        made[:, place] = Float(sums[numbers[slot]] if there else 0.0)
        if there:
            if wanted[numbers[slot]] >= 0:
                first[place] = wanted[numbers[slot]]
            else:
                wanted[numbers[slot]] = place
    for row in range(1, len(made)):
        entry = 0
        for at in range(len(rows)):
            stop = entry + bounds[rows[at] + 1] - bounds[rows[at]]
            if own[at] == gone[row - 1]:
                start = bounds[rows[at]] - entry
                for one in range(entry, stop):
                    number, given = slots[one], np.float64(counts[at] * values[start + one])
                    totals[0, row] -= given
                    totals[1, row] -= given * (2.0 * sums[number] - given)
                    if wanted[number] >= 0:
                        made[row, wanted[number]] = Float(sums[number] - given)
            entry = stop
    for place in range(len(items)):
        made[:, place] = made[:, first[place]]


@held
def add_part(
    past: tuple[Ints, FloatArray],
    table: tuple[Ints, Ints, FloatArray],
    line: FloatArray,
    room: tuple[Ints, Ints],
    met: tuple[Ints, int],
) -> int:
    """Adds up the rows of a table that a shopper's past speaks for into ``line``; how many items have been met.

    ``room`` as in :func:`sparse_sums`; ``met`` is the items so far, and how many.
    """
    rows, counts = past
    bounds, columns, values = table
    keys, numbers = room
    found, filled = met
    for at in range(len(rows)):
        for place in range(bounds[rows[at]], bounds[rows[at] + 1]):
            slot = place_of(columns[place], keys)
            if keys[slot] < 0:
                keys[slot], numbers[slot], found[filled] = columns[place], filled, columns[place]
                filled += 1
            line[numbers[slot]] += counts[at] * values[place]
    return filled


@compiled
def said_by(
    line: FloatArray, summary: tuple[Real, Real, Real, Real], n: int, room: tuple[FloatArray, Ints]
) -> tuple[bool, Real]:
    """Sums (c,) of a part become what it says, normalised and weighted, in place; and what it says of zero.

    ``summary`` is weight, floor, mean and spread; without a floor, the moments are those of the sums, of which all but
    these are zero. Whether it says anything, too.
    """
    weight, floor, mean, spread = summary
    count = len(line)
    if floor > Float(0.0):
        for at in range(count):
            line[at] += floor
        logarithms(line, room[1], count)
    else:
        middle, wide = moments_of_sums(line, count, n)
        mean, spread = Float(middle), Float(wide)
    if spread <= Float(0.0):
        line[:] = Float(0.0)
        return False, Float(0.0)
    scale = Float(1.0) / (spread + TINY)
    for at in range(count):
        line[at] = (line[at] - mean) * scale
    squashed(line, room, count)
    for at in range(count):
        line[at] *= weight
    return True, weight * Float(np.arcsinh(-mean * scale))


@held
def chosen(
    lines: FloatArray,
    met: tuple[Ints, int],
    room: tuple[Ints, Ints],
    summary: tuple[FloatArray, FloatArray, FloatArray, FloatArray],
    offer: tuple[Ints, Ints, BoolArray, FloatArray, int],
    out: FloatArray,
) -> int:
    """The best of each part, by what it says with what is said to everybody, those of everybody, and some anyway.

    ``lines`` (p, e) are sums of the items that were met. ``offer`` is the best of everybody, what is chosen whatever
    is said, what may be seen (n,), what is said to everybody (n,), and how many of each part. The items come to the
    front of those that were met, and ``out`` (e,) gets what is said of them to everybody and by the parts that are
    exact; how many they are.
    """
    keys, numbers = room
    found, filled = met
    best, extra, may, scores, k = offer
    weights, floors, means, spreads = summary
    most, n = len(found), len(scores)
    picked, general = np.zeros(most, dtype=np.bool_), np.empty(most, dtype=np.float32)
    for some in (best, extra):
        for item in some:
            slot = place_of(item, keys)
            if keys[slot] < 0:
                keys[slot], numbers[slot], found[filled] = item, filled, item
                filled += 1
            picked[numbers[slot]] = True
    for at in range(filled):
        general[at] = out[at] = scores[found[at]]
    line, scratch = np.empty(filled, dtype=np.float32), np.empty(filled, dtype=np.float32)
    bits, picks = np.empty(filled, dtype=np.int32), np.empty(filled, dtype=np.int32)
    for part in range(len(weights)):
        count = 0
        for at in range(filled):
            if lines[part, at] != Float(0.0):
                line[count], picks[count] = lines[part, at], at
                count += 1
        own = weights[part], floors[part], means[part], spreads[part]
        says, of_zero = said_by(line[:count], own, n, (scratch, bits))
        if floors[part] <= Float(0.0) and says:
            for at in range(filled):
                out[at] += of_zero
            for place in range(count):
                out[picks[place]] += line[place] - of_zero
        usable = 0
        for place in range(count):
            at = picks[place]
            if may[found[at]]:
                picks[usable], line[usable] = at, line[place] + general[at]
                scratch[usable] = line[usable]
                usable += 1
        least = kth_largest(scratch, usable, k) if usable > k else -LARGEST
        for place in range(usable):
            picked[picks[place]] |= line[place] >= least
    number = 0
    for at in range(filled):
        if picked[at] and may[found[at]]:
            found[number], out[number] = found[at], out[at]
            number += 1
    return number
