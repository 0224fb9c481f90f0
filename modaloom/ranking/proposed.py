"""The loops over what a single shopper's past proposes, compiled: candidates, and sums of sparse rows.

Only :mod:`modaloom.ranking.fast` may import this file, because it needs numba. Every loop has a twin in NumPy that says
the same, in :mod:`modaloom.ranking.sums` or :mod:`modaloom.ranking.personal`. n items, p parts, t past items, c items
of the list, e entries of rows.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from modaloom.ranking.alone import TINY, held
from modaloom.ranking.arithmetic import LARGEST, Float, Ints, Real, compiled, kth_largest, logarithms, squashed
from modaloom.ranking.loops import moments_of_sums
from modaloom.types import BoolArray, FloatArray

Sums = npt.NDArray[np.float64]


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


@compiled
def added(
    past: tuple[Ints, FloatArray],
    table: tuple[Ints, Ints, FloatArray],
    room: tuple[Ints, Ints],
    out: tuple[Sums, Ints],
) -> int:
    """Adds up the rows of a table; how many different columns they have.

    ``past`` is the rows (t,) and what they count (t,), ``room`` a table, see :func:`place_of`, and the numbers of what
    is in it. ``out`` is sums by number, and the number of each entry of the rows.
    """
    rows, counts = past
    bounds, columns, values = table
    keys, numbers = room
    sums, slots = out
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
    return filled


@compiled
def taken_away(
    past: tuple[Ints, FloatArray],
    table: tuple[Ints, Ints, FloatArray],
    left: tuple[Ints, Ints],
    whole: tuple[Sums, Ints, Ints],
    out: tuple[FloatArray, Sums],
) -> None:
    """Takes away the row of each past item that is left out; see :func:`sparse_sums`.

    ``whole`` is what :func:`added` gives, and the place in the list of each number, -1 where it has none.
    """
    rows, counts = past
    bounds, _, values = table
    own, gone = left
    sums, slots, wanted = whole
    made, totals = out
    for row in range(1, len(made)):
        entry = 0
        for at in range(len(rows)):
            for place in range(bounds[rows[at]], bounds[rows[at] + 1]):
                if own[at] != gone[row - 1]:
                    entry += bounds[rows[at] + 1] - bounds[rows[at]]
                    break
                number, given = slots[entry], np.float64(counts[at] * values[place])
                totals[0, row] -= given
                totals[1, row] -= given * (2.0 * sums[number] - given)
                if wanted[number] >= 0:
                    made[row, wanted[number]] = Float(sums[number] - given)
                entry += 1


@held
def sparse_sums(
    past: tuple[Ints, FloatArray],
    table: tuple[Ints, Ints, FloatArray],
    left: tuple[Ints, Ints],
    items: Ints,
    room: tuple[Ints, Ints],
    out: tuple[FloatArray, Sums],
) -> None:
    """Sums of the rows of a table at items (c,), whole and then without the row of each past item (r,): (1 + r, c).

    ``past`` and ``room`` as in :func:`added`; ``left`` is the past item of each row (t,), all different, and those
    that are left out (r,). ``out`` has, beside the sums, those of all scores and of their squares (2, 1 + r).
    """
    keys, numbers = room
    made, totals = out
    most = entries(past[0], table[0])
    sums, slots = np.zeros(most), np.empty(most, dtype=np.int32)
    filled = added(past, table, room, (sums, slots))
    total = square = 0.0
    for number in range(filled):
        total += sums[number]
        square += sums[number] * sums[number]
    totals[0, :], totals[1, :] = total, square
    wanted, first = np.full(filled, -1, dtype=np.int32), np.empty(len(items), dtype=np.int32)
    for place in range(len(items)):
        slot = place_of(items[place], keys)
        there = keys[slot] >= 0
        made[:, place] = Float(sums[numbers[slot]] if there else 0.0)
        if there and wanted[numbers[slot]] < 0:
            wanted[numbers[slot]] = place
        first[place] = wanted[numbers[slot]] if there else place
    taken_away(past, table, left, (sums, slots, wanted), out)
    for place in range(len(items)):  # an item that is asked for twice
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


@compiled
def pick_best(
    line: FloatArray,
    own: tuple[Real, Real, Real, Real],
    met: tuple[Ints, FloatArray, BoolArray],
    size: tuple[int, int],
    out: tuple[FloatArray, BoolArray],
) -> None:
    """Marks the best of one part, by what it says with what is said to everybody; adds what it says if that is exact.

    ``line`` (e,) are its sums, ``own`` as in :func:`said_by`, ``met`` the items (e,), what is said of them to
    everybody (e,) and what may be seen (n,); ``size`` is how many, and n. ``out`` is exact scores, and the marks.
    """
    found, general, may = met
    k, n = size
    exact, picked = out
    filled, count, usable = len(line), 0, 0
    said, scratch = np.empty(filled, dtype=np.float32), np.empty(filled, dtype=np.float32)
    bits, picks = np.empty(filled, dtype=np.int32), np.empty(filled, dtype=np.int32)
    for at in range(filled):
        if line[at] != Float(0.0):
            said[count], picks[count] = line[at], at
            count += 1
    says, of_zero = said_by(said[:count], own, n, (scratch, bits))
    if own[1] <= Float(0.0) and says:
        for at in range(filled):
            exact[at] += of_zero
        for place in range(count):
            exact[picks[place]] += said[place] - of_zero
    for place in range(count):
        at = picks[place]
        if may[found[at]]:
            picks[usable], said[usable] = at, said[place] + general[at]
            scratch[usable] = said[usable]
            usable += 1
    least = kth_largest(scratch, usable, k) if usable > k else -LARGEST
    for place in range(usable):
        picked[picks[place]] |= said[place] >= least


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
    picked, general = np.zeros(len(found), dtype=np.bool_), np.empty(len(found), dtype=np.float32)
    for some in (best, extra):
        for item in some:
            slot = place_of(item, keys)
            if keys[slot] < 0:
                keys[slot], numbers[slot], found[filled] = item, filled, item
                filled += 1
            picked[numbers[slot]] = True
    for at in range(filled):
        general[at] = out[at] = scores[found[at]]
    here = found[:filled], general[:filled], may
    for part in range(len(weights)):
        own = weights[part], floors[part], means[part], spreads[part]
        pick_best(lines[part, :filled], own, here, (k, len(scores)), (out[:filled], picked[:filled]))
    number = 0
    for at in range(filled):
        if picked[at] and may[found[at]]:
            found[number], out[number] = found[at], out[at]
            number += 1
    return number
