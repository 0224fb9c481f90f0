"""The loops of a batch of shoppers, compiled: one pass per shopper where NumPy passes over memory again and again.

Only :mod:`modaloom.ranking.fast` may import this file, because it needs numba. Every loop has a twin in NumPy that says
the same, in :mod:`modaloom.ranking.retrieve`. b shoppers, n items, p parts, c candidates; packed rows are ``bounds``
(b + 1,) with ``columns`` and ``values``.
"""

from __future__ import annotations

import numpy as np

from modaloom.numerics import EPSILON
from modaloom.ranking.arithmetic import LARGEST, Float, Ints, Real, compiled, kth_largest, logarithms, squashed
from modaloom.types import BoolArray, FloatArray

TINY = Float(EPSILON)
SAMPLE = 128
"""Numbers that stand for all where the best are looked for."""


@compiled
def added_up(
    past: tuple[Ints, FloatArray],
    table: tuple[Ints, Ints, FloatArray],
    state: FloatArray,
    column: int,
    met: tuple[Ints, int, Real],
) -> int:
    """Adds up the rows of a table that a shopper's past speaks for; items met for the first time are noted down.

    ``state`` (n, 2 + p) has the shopper by whom an item was met last, what is said of it in general, and sums of each
    part, all beside each other in memory. ``met`` is the items so far (n + 1,), their number, and this shopper. Every
    item is written down, and stays if it is new: nothing hangs on a branch, which would be guessed wrong too often.
    """
    slots, counts = past
    starts, columns, values = table
    found, filled, shopper = met
    for place in range(len(slots)):
        slot, count = slots[place], counts[place]
        for at in range(starts[slot], starts[slot + 1]):
            item = columns[at]
            state[item, column] += count * values[at]
            found[filled] = item
            filled += int(state[item, 0] != shopper)
            state[item, 0] = shopper
    return filled


@compiled
def taken_out(
    state: FloatArray, met: tuple[Ints, int, Ints], lines: FloatArray, room: tuple[FloatArray, FloatArray]
) -> None:
    """Sums of the items that were met into ``lines`` (p, c), zero in ``state`` again; what is said in general twice.

    ``met`` is the items, their number, and how many were met when each part had spoken (p,): behind these a part says
    nothing. There its line ends with one zero more, for all items that it was silent about.
    """
    found, filled, ends = met
    said, exact = room
    first, parts = 0, len(lines)
    for part in range(parts):
        lines[part, ends[part]] = Float(0.0)
    for at in range(filled):
        item = found[at]
        said[at] = exact[at] = state[item, 1]
        while first < parts and ends[first] <= at:
            first += 1
        for part in range(first, parts):
            lines[part, at] = state[item, 2 + part]
            state[item, 2 + part] = Float(0.0)


@compiled
def moments_of_sums(line: FloatArray, count: int, n: int) -> tuple[Real, Real]:
    """Mean and spread of n numbers, of which all but the first ``count`` are zero; no spread where they are flat."""
    total, square = 0.0, 0.0
    for at in range(count):
        value = np.float64(line[at])
        total += value
        square += value * value
    mean = total / n
    spread = np.sqrt(max(square / n - mean * mean, 0.0))
    return mean, (0.0 if spread < max(EPSILON, 1e-7 * abs(mean)) else spread)


@compiled
def log_raw(line: FloatArray, bits: Ints, count: int, floor: Real) -> None:
    """Sums become their logarithms; those of items that were not met, zero, become the least of the others'."""
    whole = line.view(np.uint32)  # what is positive keeps its order, and a zero less one is the largest of all
    least = np.uint32(0xFFFFFFFF)
    for at in range(count):
        least = min(least, whole[at] - np.uint32(1))
    bits[0] = np.int32(least + np.uint32(1))
    lowest = bits.view(np.float32)[0]
    for at in range(count):
        line[at] = max(line[at], lowest) + Float(floor)
    logarithms(line, bits, count)


@compiled
def shopper_says(
    lines: FloatArray,
    summary: tuple[FloatArray, FloatArray, FloatArray],
    weights: FloatArray,
    sizes: tuple[Ints, int],
    room: tuple[FloatArray, Ints, FloatArray, FloatArray],
) -> Real:
    """Adds what the parts say of the items that were met: all of them, and those alone that are exact, (c,) each.

    It is counted from what a part says of an item that it is silent about; the sum of that over the exact parts is
    given back. ``lines`` (p, c) are sums. ``summary`` has floor, mean and spread of each part that is a logarithm of
    sums; a part without a floor is the sums themselves, and exact. Without spread a part says nothing. ``sizes`` are
    the ends of the lines (p,), where the sum of everything else stands, and n.
    """
    floors, means, spreads = summary
    ends, n = sizes
    scratch, bits, said, exact = room
    of_all = Float(0.0)
    for part in range(len(weights)):
        line, end = lines[part], ends[part]
        if floors[part] > Float(0.0):
            mean, spread = means[part], spreads[part]
            log_raw(line, bits, end + 1, floors[part])
        else:
            middle, wide = moments_of_sums(line, end, n)
            mean, spread = Float(middle), Float(wide)
        if spread <= Float(0.0):
            continue
        scale, weight = Float(1.0) / (spread + TINY), weights[part]
        for at in range(end + 1):
            line[at] = (line[at] - mean) * scale
        squashed(line, (scratch, bits), end + 1)
        rest = line[end]
        for at in range(end):
            said[at] += weight * (line[at] - rest)
        if floors[part] <= Float(0.0):
            of_all += weight * rest
            for at in range(end):
                exact[at] += weight * (line[at] - rest)
    return of_all


@compiled
def guess(said: FloatArray, wanted: int, room: FloatArray) -> Real:
    """A bar that probably more than ``wanted`` of many numbers reach, and not many more; a few stand for all."""
    step = len(said) // SAMPLE
    place = 2 * SAMPLE * wanted // max(len(said), 1) + 2
    if len(said) < 2 * wanted or step < 4 or place > SAMPLE:
        return -LARGEST
    for at in range(SAMPLE):
        room[at] = said[at * step]
    return kth_largest(room, SAMPLE, place)


@compiled
def kept(
    met: tuple[FloatArray, FloatArray, Ints, Real],
    barred: tuple[Ints, int, int, BoolArray],
    room: tuple[FloatArray, FloatArray, Ints],
    out: tuple[Ints, FloatArray],
) -> None:
    """Of items that were met those of which most is said, and their exact scores; ``out`` is full of -1.

    ``met`` is what is said, what of it is exact, the items, and what exact parts say of all of them. ``barred`` is the
    last shopper who is not to see an item (n,), this shopper, how many items that may be, and what may be seen at all,
    which may be empty.
    """
    said, exact, found, of_all = met
    unseen, row, hidden, may = barred
    line, copy, picks = room
    items, scores = out
    k, bar = len(items), guess(said, len(items) + hidden, line)
    while True:
        high, filled = 0, 0
        for at in range(len(said)):
            picks[high] = at
            high += int(said[at] >= bar)
        for place in range(high):
            at = picks[place]
            if unseen[found[at]] != row and (not len(may) or may[found[at]]):
                picks[filled], line[filled] = at, said[at]
                filled += 1
        if filled >= k or bar == -LARGEST:
            break
        bar = -LARGEST
    chosen = filled
    if filled > k:
        copy[:filled] = line[:filled]
        least, spare, chosen = kth_largest(copy, filled, k), k, 0
        for place in range(filled):
            spare -= int(line[place] > least)
        for place in range(filled):  # of those that are equal to the least the first, as many as there is room for
            level = min(int(line[place] == least), spare)
            spare -= level
            picks[chosen] = picks[place]
            chosen += int(line[place] > least) + level
    for place in range(chosen):
        items[place], scores[place] = found[picks[place]], exact[picks[place]] + of_all


@compiled
def candidates(
    pasts: tuple[Ints, Ints, FloatArray],
    tables: tuple[tuple[Ints, ...], tuple[Ints, ...], tuple[FloatArray, ...]],
    summary: tuple[FloatArray, FloatArray, FloatArray, FloatArray],
    general: tuple[FloatArray, Ints],
    barred: tuple[Ints, Ints, BoolArray],
    out: tuple[Ints, FloatArray],
) -> None:
    """The items (b, k) of which all parts together say most, in no order, and what the exact ones among them say.

    Args:
        pasts: packed rows of p parts one behind the other, their bounds (p, b + 1): rows of the tables, and counts.
        tables: packed rows of each part, as many as there may be parts.
        summary: weights (p,); floors (p,); means and spreads (p, b), see :func:`shopper_says`.
        general: what is said of every item to everybody (n,), and the items of which the best is said.
        barred: packed rows of what a shopper is not to see; and what may be seen, a row for each, for all, or none.
        out: items full of -1, and scores.
    """
    bounds, slots, counts = pasts
    weights, floors, means, spreads = summary
    scores, best_of_all = general
    hidden_bounds, hidden_columns, allowed = barred
    n, parts = len(scores), len(weights)
    state, lines = np.zeros((n, 2 + parts), np.float32), np.empty((parts, n + 1), np.float32)
    state[:, 0] = Float(-1.0)
    state[:, 1] = scores
    unseen, found, bits = np.full(n, -1, np.int32), np.empty(n + 1, np.uint32), np.empty(n + 1, np.int32)
    line, scratch = np.empty(n + 1, np.float32), np.empty(n + 1, np.float32)
    said, exact = np.empty(n, np.float32), np.empty(n, np.float32)
    ends, everything = np.empty(parts, np.int64), np.empty(0, np.bool_)
    for row in range(len(out[0])):
        filled, shopper = 0, Float(row)
        for part in range(parts):
            span = slice(bounds[part, row], bounds[part, row + 1])
            table = tables[0][part], tables[1][part], tables[2][part]
            filled = added_up((slots[span], counts[span]), table, state, 2 + part, (found, filled, shopper))
            ends[part] = filled
        for item in best_of_all:
            if state[item, 0] != shopper:
                state[item, 0], found[filled] = shopper, item
                filled += 1
        taken_out(state, (found, filled, ends), lines, (said, exact))
        own = floors, means[:, row], spreads[:, row]
        of_all = shopper_says(lines, own, weights, (ends, n), (scratch, bits, said, exact))
        hidden = hidden_columns[hidden_bounds[row] : hidden_bounds[row + 1]]
        for item in hidden:
            unseen[item] = row
        may = allowed[row if len(allowed) > 1 else 0] if len(allowed) else everything
        met = said[:filled], exact[:filled], found[:filled], of_all
        kept(met, (unseen, row, len(hidden), may), (line, scratch, bits), (out[0][row], out[1][row]))


@compiled
def add_normalised(
    scores: FloatArray, moments: tuple[FloatArray, FloatArray, BoolArray], weight: Real, total: FloatArray
) -> None:
    """Adds a part's scores (b, c), normalised and weighted, to the blend (b, c)."""
    mean, spread, flat = moments
    c = scores.shape[1]
    line, room = np.empty(c, dtype=np.float32), (np.empty(c, dtype=np.float32), np.empty(c, dtype=np.int32))
    for row in range(len(scores)):
        if flat[row, 0]:
            continue
        middle, scale = mean[row, 0], Float(1.0) / (spread[row, 0] + TINY)
        for place in range(c):
            line[place] = (scores[row, place] - middle) * scale
        squashed(line, room, c)
        for place in range(c):
            total[row, place] += Float(weight) * line[place]


@compiled
def best(scores: FloatArray, possible: BoolArray, items: Ints, out: tuple[Ints, FloatArray]) -> None:
    """The best possible items of each row, best first; equal ones by number. ``out`` is -1 and minus infinity."""
    found, reached = out
    n = found.shape[1]
    for row in range(len(scores)):
        number = 0
        for place in range(scores.shape[1]):
            value, item = scores[row, place], items[row, place]
            if not possible[row, place]:
                continue
            if number == n:
                if value < reached[row, n - 1] or (value == reached[row, n - 1] and item > found[row, n - 1]):
                    continue
            else:
                number += 1
            at = number - 1
            while at > 0:
                before = reached[row, at - 1]
                if before > value or (before == value and found[row, at - 1] < item):
                    break
                reached[row, at], found[row, at] = before, found[row, at - 1]
                at -= 1
            reached[row, at], found[row, at] = value, item
