"""Compiled inner loops of the scoring engine (numba): everything else of this room is NumPy.

Legend: b users, v versions of one user's history (the whole, then one item left out at a time), n items, p parts,
t past items, e packed entries (``offsets`` says where a user's begin), c candidate items, d width of an embedding.
Each function is compiled when it is first called and kept on disk for later processes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np
import numpy.typing as npt
from numba import njit

from modaloom.numerics import EPSILON
from modaloom.types import BoolArray, FloatArray

Loop = TypeVar("Loop", bound=Callable[..., Any])
Float = np.float32
Ints = npt.NDArray[Any]
"""Integers of 32 or 64 bits."""
Doubles = npt.NDArray[np.float64]
Real = Any
"""A single number, float32 inside the loops whatever it was outside."""
LARGEST = np.finfo(np.float32).max
LARGEST_POWER = Float(80.0)
"""Exponents are clipped here, so that sums of exponentials stay finite."""
TINY = Float(EPSILON)
SAMPLE = 128
"""Size of the sample from which a selection threshold is estimated."""
LOG2_E, LN2_HIGH, LN2_LOW = Float(1.44269504), Float(0.693359375), Float(-2.12194440e-4)


def compiled(loop: Loop) -> Loop:
    """Compiles a loop that releases the interpreter's lock, cached on disk where a folder can be written."""
    options: dict[str, Any] = {
        "nogil": True,
        "error_model": "numpy",
        "fastmath": {"reassoc", "contract", "arcp", "nsz"},  # infinities keep their meaning
    }
    try:
        return cast(Loop, njit(cache=True, **options)(loop))
    except RuntimeError:  # no folder to cache in
        return cast(Loop, njit(**options)(loop))


# --- arithmetic on one line of numbers ------------------------------------------------------------------------------


@compiled
def log_in_place(values: FloatArray, bits: Ints, count: int) -> None:
    """Replaces the first ``count`` values, all positive, by their logarithms; ``bits`` (int32) is scratch space.

    Written out because the compiler vectorises this, and not a call of the mathematical library.

    Source: the polynomial of Cephes' logf (Moshier, 1992), exact to the last bit or two.
    """
    whole, fraction = values.view(np.int32), bits.view(np.float32)
    for at in range(count):
        bits[at] = (whole[at] & np.int32(0x7FFFFF)) | np.int32(0x3F800000)  # from 1 to 2
        whole[at] = (whole[at] >> np.int32(23)) - np.int32(127)
    for at in range(count):
        rest, power = fraction[at], Float(whole[at])
        large = rest > Float(1.41421356)
        rest = (Float(0.5) * rest if large else rest) - Float(1.0)
        power = power + Float(1.0) if large else power
        square = rest * rest
        series = Float(7.0376836292e-2)
        series = series * rest - Float(1.1514610310e-1)
        series = series * rest + Float(1.1676998740e-1)
        series = series * rest - Float(1.2420140846e-1)
        series = series * rest + Float(1.4249322787e-1)
        series = series * rest - Float(1.6668057665e-1)
        series = series * rest + Float(2.0000714765e-1)
        series = series * rest - Float(2.4999993993e-1)
        series = series * rest + Float(3.3333331174e-1)
        values[at] = series * rest * square + power * LN2_LOW - Float(0.5) * square + rest + power * LN2_HIGH


@compiled
def exp_in_place(values: FloatArray, bits: Ints, count: int) -> None:
    """Replaces the first ``count`` values by their exponentials; ``bits`` (int32) is scratch space.

    Source: the polynomial of Cephes' expf (Moshier, 1992), exact to the last bit or two.
    """
    powers = bits.view(np.float32)
    for at in range(count):
        value = max(values[at], Float(-87.0))
        whole = np.floor(value * LOG2_E + Float(0.5))
        rest = value - whole * LN2_HIGH - whole * LN2_LOW
        series = Float(1.9875691500e-4)
        series = series * rest + Float(1.3981999507e-3)
        series = series * rest + Float(8.3334519073e-3)
        series = series * rest + Float(4.1665795894e-2)
        series = series * rest + Float(1.6666665459e-1)
        series = series * rest + Float(5.0000001201e-1)
        values[at] = series * rest * rest + rest + Float(1.0)
        bits[at] = (np.int32(whole) + np.int32(127)) << np.int32(23)
    for at in range(count):
        values[at] *= powers[at]


@compiled
def arcsinh_zscore_in_place(values: FloatArray, mean: Real, spread: Real, line: FloatArray, bits: Ints) -> None:
    """Replaces values by ``arcsinh((value - mean) / spread)``; ``line`` and ``bits`` are scratch of the same length.

    The z-score makes parts comparable for one user; the arcsinh tames the few huge scores of sparse parts without
    changing any order.
    """
    count, scale = len(values), Float(1.0) / (spread + TINY)
    for at in range(count):
        values[at] = (values[at] - mean) * scale
        size = abs(values[at])
        line[at] = size + np.sqrt(size * size + Float(1.0))
    log_in_place(line, bits, count)
    for at in range(count):
        values[at] = line[at] if values[at] >= Float(0.0) else -line[at]


@compiled
def add_arcsinh_zscore(
    scores: FloatArray, mean: FloatArray, spread: FloatArray, weight: Real, total: FloatArray
) -> None:
    """Adds ``weight * arcsinh(z-score)`` of raw scores (b, c) to ``total`` (b, c); see :class:`Moments`."""
    c = scores.shape[1]
    line, copy, bits = np.empty(c, np.float32), np.empty(c, np.float32), np.empty(c, np.int32)
    for row in range(len(scores)):
        if spread[row] <= Float(0.0):
            continue
        for at in range(c):
            copy[at] = scores[row, at]
        arcsinh_zscore_in_place(copy, mean[row], spread[row], line, bits)
        for at in range(c):
            total[row, at] += Float(weight) * copy[at]


@compiled
def row_moments(rows: FloatArray, present: BoolArray, out: FloatArray) -> None:
    """Mean, spread and imputed score, (3, b), of scores (b, q) of reference items of which some are ``present`` (q,).

    An item without the modality gets the imputed score, half-way between the lowest score and the mean: to be unknown
    is neither a merit nor the worst. Spread is zero where all scores are equal.
    """
    q = rows.shape[1]
    for row in range(len(rows)):
        total, lowest, absent = 0.0, Float(0.0), 0  # summed in double precision: scores may differ by little
        for at in range(q):
            total += np.float64(rows[row, at])
            if present[at]:
                lowest = min(lowest, rows[row, at])
            else:
                absent += 1
        imputed = Float((lowest + total / q) / 2.0)
        if absent:
            total = 0.0
            for at in range(q):
                total += np.float64(rows[row, at] if present[at] else imputed)
        mean, square = total / q, 0.0
        first = rows[row, 0] if present[0] else imputed
        least, most = first, first
        for at in range(q):
            value = rows[row, at] if present[at] else imputed
            square += (np.float64(value) - mean) * (np.float64(value) - mean)
            least, most = min(least, value), max(most, value)
        spread = np.sqrt(square / q)
        out[0, row], out[2, row] = Float(mean), imputed
        out[1, row] = Float(0.0 if least == most or spread < EPSILON else spread)


@compiled
def kth_largest(values: FloatArray, count: int, k: int) -> Real:
    """The ``k``-th largest of the first ``count`` values, whose order changes.

    Source: Hoare, "Algorithm 65: Find", 1961; partitioned without a branch, as in Edelkamp & Weiss, "BlockQuicksort",
    2016.
    """
    low, high, wanted = 0, count, k - 1
    while True:
        first, middle, last = values[low], values[(low + high) // 2], values[high - 1]
        pivot = max(min(first, middle), min(max(first, middle), last))
        ahead = low
        for at in range(low, high):
            value = values[at]
            values[at] = values[ahead]
            values[ahead] = value
            ahead += int(value > pivot)
        if wanted < ahead:
            high = ahead
            continue
        level = ahead
        for at in range(ahead, high):
            value = values[at]
            values[at] = values[level]
            values[level] = value
            level += int(value == pivot)
        if wanted < level or level == ahead:  # what equals nothing, not even itself, is not a number
            return pivot
        low = level


# --- log-sum-exp of similarities to past items ----------------------------------------------------------------------


@compiled
def log_sum_exp(
    products: FloatArray,
    log_weights: FloatArray,
    offsets: Ints,
    keep: BoolArray,
    eps: tuple[Real, bool],
    out: FloatArray,
) -> None:
    """``log(sum_t exp(products + log weight) + eps)`` of each user and version, (b * v, c).

    Args:
        products: (e, c) of the queries of all users with c items.
        log_weights: (e,).
        offsets: (b + 1,) where each user's queries begin.
        keep: (v, e) which queries count in which version.
        eps: the summand that keeps the logarithm finite, and whether it is relative to the user's largest exponent.
        out: a version without any query scores zero.
    """
    floor, relative = eps
    c, versions = products.shape[1], len(keep)
    line, bits = np.empty(c, np.float32), np.empty(c, np.int32)
    for user in range(len(offsets) - 1):
        start, stop, first = offsets[user], offsets[user + 1], user * versions
        level = largest_exponent(products[start:stop], log_weights[start:stop]) if relative else Float(0.0)
        out[first : first + versions] = Float(0.0)
        for row in range(start, stop):
            shift = log_weights[row] - level
            for at in range(c):
                line[at] = min(products[row, at] + shift, LARGEST_POWER)
            exp_in_place(line, bits, c)
            for version in range(versions):
                if keep[version, row]:
                    total = out[first + version]
                    for at in range(c):
                        total[at] += line[at]
        for version in range(versions):
            if keep[version, start:stop].any():
                finish_log_sum(out[first + version], bits, Float(floor), level)


@compiled
def finish_log_sum(line: FloatArray, bits: Ints, floor: Real, level: Real) -> None:
    """Replaces sums by ``log(sum + floor) + level``."""
    for at in range(len(line)):
        line[at] += floor
    log_in_place(line, bits, len(line))
    for at in range(len(line)):
        line[at] += level


@compiled
def largest_exponent(products: FloatArray, log_weights: FloatArray) -> Real:
    """The largest of ``products (t, c) + log_weights (t,)``; zero where there is none."""
    largest = -LARGEST
    for row in range(len(products)):
        for at in range(products.shape[1]):
            largest = max(largest, products[row, at] + log_weights[row])
    return largest if largest > -LARGEST else Float(0.0)


@compiled
def log_sum_exp_at(
    queries: FloatArray,
    log_weights: FloatArray,
    offsets: Ints,
    keys: FloatArray,
    items: Ints,
    eps: tuple[Real, bool],
    out: FloatArray,
) -> None:
    """:func:`log_sum_exp` (b, c) of packed queries (e, d) with keys (n, d) at each user's own items (b, c).

    Items below zero are padding; any number comes out.
    """
    floor, relative = eps
    c, most = items.shape[1], 0
    for user in range(len(items)):
        most = max(most, offsets[user + 1] - offsets[user])
    products = np.empty((most, c), np.float32)
    line, bits = np.empty(c, np.float32), np.empty(c, np.int32)
    for user in range(len(items)):
        start, stop = offsets[user], offsets[user + 1]
        used = stop - start
        out[user] = Float(0.0)
        if not used:
            continue
        for at in range(0, c, 2):  # two items share each pass over the queries
            pair = at, min(at + 1, c - 1)
            first, second = max(items[user, pair[0]], 0), max(items[user, pair[1]], 0)
            dot_products(queries[start:stop], keys[first], keys[second], products, pair)
        level = largest_exponent(products[:used], log_weights[start:stop]) if relative else Float(0.0)
        for row in range(used):
            shift = log_weights[start + row] - level
            for at in range(c):
                line[at] = min(products[row, at] + shift, LARGEST_POWER)
            exp_in_place(line, bits, c)
            for at in range(c):
                out[user, at] += line[at]
        finish_log_sum(out[user], bits, Float(floor), level)


@compiled
def dot_products(
    queries: FloatArray, one: FloatArray, two: FloatArray, out: FloatArray, columns: tuple[int, int]
) -> None:
    """Products of queries (t, d) with two keys (d,), into two columns of ``out``; three queries share each key."""
    t, dim = queries.shape
    (left, right), row = columns, 0
    while row + 3 <= t:
        a, b, c, d, e, f = Float(0), Float(0), Float(0), Float(0), Float(0), Float(0)
        for at in range(dim):
            key, other = one[at], two[at]
            a += key * queries[row, at]
            b += other * queries[row, at]
            c += key * queries[row + 1, at]
            d += other * queries[row + 1, at]
            e += key * queries[row + 2, at]
            f += other * queries[row + 2, at]
        out[row, left], out[row, right] = a, b
        out[row + 1, left], out[row + 1, right] = c, d
        out[row + 2, left], out[row + 2, right] = e, f
        row += 3
    while row < t:
        a, b = Float(0), Float(0)
        for at in range(dim):
            a += one[at] * queries[row, at]
            b += two[at] * queries[row, at]
        out[row, left], out[row, right] = a, b
        row += 1


# --- sums of sparse rows --------------------------------------------------------------------------------------------


@compiled
def merge_duplicates(
    offsets: Ints, items: Ints, weights: FloatArray, slot: Ints, out: tuple[Ints, Ints, FloatArray]
) -> int:
    """Distinct items of each user's history with the sums of their positive weights; how many there are in all.

    ``slot`` (n,) is scratch full of -1 and is left so; ``out`` is offsets (b + 1,), items (e,) and sums (e,).
    """
    starts, distinct, sums = out
    filled = 0
    for user in range(len(offsets) - 1):
        starts[user] = filled
        for at in range(offsets[user], offsets[user + 1]):
            if weights[at] > Float(0.0):
                item = items[at]
                if slot[item] < 0:
                    slot[item], distinct[filled], sums[filled] = filled, item, Float(0.0)
                    filled += 1
                sums[slot[item]] += weights[at]
        for at in range(starts[user], filled):
            slot[distinct[at]] = -1
    starts[len(offsets) - 1] = filled
    return filled


@compiled
def sparse_scores(
    history: tuple[Ints, Ints, FloatArray, Ints],
    table: tuple[Ints, Ints, FloatArray],
    left_out: Ints,
    items: Ints,
    sums: Doubles,
    out: tuple[FloatArray, FloatArray, FloatArray],
) -> None:
    """Sums of the table rows of each user's past items, at some items, and their moments over all n items.

    With items left out (v - 1,) there is one user, and the scores are those of the whole and of each version.

    Args:
        history: offsets (b + 1,), rows of the table (e,), what each counts (e,), and the past item of each (e,).
        table: bounds, columns and values of packed rows.
        left_out: past items (v - 1,) that are left out in turn.
        items: (b, c), or (1, c) for everybody.
        sums: scratch (n,) of zeros, and left so.
        out: scores (b * v, c), mean (b * v,) and spread (b * v,), which is zero where all scores are equal.
    """
    offsets, rows, counts, owners = history
    bounds, columns, values = table
    scores, means, spreads = out
    n, c, versions = len(sums), items.shape[1], 1 + len(left_out)
    for user in range(len(offsets) - 1):
        start, stop, first = offsets[user], offsets[user + 1], user * versions
        for entry in range(start, stop):
            for at in range(bounds[rows[entry]], bounds[rows[entry] + 1]):
                sums[columns[at]] += np.float64(counts[entry] * values[at])
        own = items[user if len(items) > 1 else 0]
        for version in range(versions):
            for at in range(c):
                scores[first + version, at] = Float(sums[own[at]])
        changes = np.zeros((2, versions))
        for version in range(1, versions):  # what is left without one past item: only its own row is gone through
            for entry in range(start, stop):
                if owners[entry] == left_out[version - 1]:
                    for at in range(bounds[rows[entry]], bounds[rows[entry] + 1]):
                        given = np.float64(counts[entry] * values[at])
                        changes[0, version] += given
                        changes[1, version] += given * (2.0 * sums[columns[at]] - given)
                        for place in range(c):
                            if own[place] == columns[at]:
                                scores[first + version, place] = Float(sums[columns[at]] - given)
        total = square = 0.0
        for entry in range(start, stop):
            for at in range(bounds[rows[entry]], bounds[rows[entry] + 1]):
                value = sums[columns[at]]
                total += value
                square += value * value
                sums[columns[at]] = 0.0
        for version in range(versions):
            middle = (total - changes[0, version]) / n
            away = (square - changes[1, version]) / n - middle * middle
            spread = np.sqrt(max(away, 0.0))
            means[first + version] = Float(middle)
            spreads[first + version] = Float(0.0 if spread < max(EPSILON, 1e-7 * abs(middle)) else spread)


# --- candidates -----------------------------------------------------------------------------------------------------


@compiled
def accumulate(
    history: tuple[Ints, FloatArray],
    table: tuple[Ints, Ints, FloatArray],
    state: FloatArray,
    column: int,
    reached: tuple[Ints, int, Real],
) -> int:
    """Accumulates the table rows of one user's past items; appends each item reached for the first time.

    ``state`` (n, 1 + p) has the last user by whom an item was reached and the sums of each part side by side in
    memory. Every item is written, and kept if it is new: no branch depends on it, which would be mispredicted often.
    """
    slots, counts = history
    bounds, columns, values = table
    found, filled, user = reached
    for entry in range(len(slots)):
        slot, count = slots[entry], counts[entry]
        for at in range(bounds[slot], bounds[slot + 1]):
            item = columns[at]
            state[item, column] += count * values[at]
            found[filled] = item
            filled += int(state[item, 0] != user)
            state[item, 0] = user
    return filled


@compiled
def gather_sums(state: FloatArray, found: Ints, filled: int, ends: Ints, lines: FloatArray) -> None:
    """Moves the sums of the items that were reached into ``lines`` (p, e); ``state`` is zero again.

    ``ends`` (p,) is how many items were reached when each part was through: behind these it has nothing. There its
    line ends with one zero more, which stands for all items that it did not reach.
    """
    first, parts = 0, len(lines)
    for part in range(parts):
        lines[part, ends[part]] = Float(0.0)
    for at in range(filled):
        item = found[at]
        while first < parts and ends[first] <= at:
            first += 1
        for part in range(first, parts):
            lines[part, at] = state[item, 1 + part]
            state[item, 1 + part] = Float(0.0)


@compiled
def log_of_sums(line: FloatArray, bits: Ints, count: int, eps: Real) -> None:
    """Takes the log of accumulated sums in place. Items that were not reached (sum 0) get the minimum of the others."""
    whole = line.view(np.uint32)  # positive numbers keep their order, and a zero less one is the largest of all
    least = np.uint32(0xFFFFFFFF)
    for at in range(count):
        least = min(least, whole[at] - np.uint32(1))
    bits[0] = np.int32(least + np.uint32(1))
    lowest = bits.view(np.float32)[0]
    for at in range(count):
        line[at] = max(line[at], lowest) + Float(eps)
    log_in_place(line, bits, count)


@compiled
def sparse_moments(line: FloatArray, count: int, n: int) -> tuple[Real, Real]:
    """Mean and spread of n numbers of which all but the first ``count`` are zero; no spread where they are equal."""
    total, square = 0.0, 0.0
    for at in range(count):
        value = np.float64(line[at])
        total += value
        square += value * value
    mean = total / n
    spread = np.sqrt(max(square / n - mean * mean, 0.0))
    return mean, (0.0 if spread < max(EPSILON, 1e-7 * abs(mean)) else spread)


@compiled
def threshold_for(scores: FloatArray, wanted: int, room: FloatArray) -> Real:
    """Estimates from a sample a threshold that slightly more than ``wanted`` scores exceed."""
    step = len(scores) // SAMPLE
    place = 2 * SAMPLE * wanted // max(len(scores), 1) + 2
    if len(scores) < 2 * wanted or step < 4 or place > SAMPLE:
        return -LARGEST
    for at in range(SAMPLE):
        room[at] = scores[at * step]
    return kth_largest(room, SAMPLE, place)


@compiled
def select_best(
    blend: FloatArray, eligible: BoolArray, k: int, hidden: int, room: tuple[FloatArray, FloatArray, Ints]
) -> int:
    """Selects the ``k`` eligible entries with the highest blend; their places come first in ``room``'s last array."""
    line, copy, picks = room
    bar = threshold_for(blend, k + hidden, line)
    while True:
        high, filled = 0, 0
        for at in range(len(blend)):
            picks[high] = at
            high += int(blend[at] >= bar)
        for place in range(high):
            at = picks[place]
            if eligible[at]:
                picks[filled], line[filled] = at, blend[at]
                filled += 1
        if filled >= k or bar == -LARGEST:
            break
        bar = -LARGEST  # the estimate was too high
    if filled <= k:
        return filled
    copy[:filled] = line[:filled]
    least, spare, chosen = kth_largest(copy, filled, k), k, 0
    for place in range(filled):
        spare -= int(line[place] > least)
    for place in range(filled):  # of those equal to the least as many as there is room for
        level = min(int(line[place] == least), spare)
        spare -= level
        picks[chosen] = picks[place]
        chosen += int(line[place] > least) + level
    return chosen


@compiled
def mark_best_of_part(
    part_scores: FloatArray,
    reached: BoolArray,
    general: FloatArray,
    eligible: BoolArray,
    k: int,
    room: FloatArray,
    marked: BoolArray,
) -> None:
    """Marks the ``k`` best of the eligible items that one part reached, by its score and the non-personalised one."""
    usable = 0
    for at in range(len(part_scores)):
        if reached[at] and eligible[at]:
            room[usable] = part_scores[at] + general[at]
            usable += 1
    least = kth_largest(room, usable, k) if usable > k else -LARGEST
    for at in range(len(part_scores)):
        if reached[at] and eligible[at] and part_scores[at] + general[at] >= least:
            marked[at] = True


@compiled
def reach_items(
    history: tuple[Ints, Ints, FloatArray],
    tables: Any,
    seeds: Ints,
    state: FloatArray,
    user: int,
    mark: Real,
    room: tuple[Ints, Ints, FloatArray],
) -> int:
    """Items that one user's history reaches, behind the seeds, and the sums of each part; how many items.

    ``room`` is items (e,), how many of them were reached when each part was through (p,), and sums (p, e + 1).
    """
    offsets, slots, counts = history
    found, ends, lines = room
    filled = 0
    for item in seeds:
        if state[item, 0] != mark:
            state[item, 0], found[filled] = mark, item
            filled += 1
    for part in range(len(ends)):
        span = slice(offsets[part, user], offsets[part, user + 1])
        table = tables[0][part], tables[1][part], tables[2][part]
        filled = accumulate((slots[span], counts[span]), table, state, 1 + part, (found, filled, mark))
        ends[part] = filled
    gather_sums(state, found, filled, ends, lines)
    return filled


@compiled
def part_scores(
    values: FloatArray, eps: Real, moments: tuple[Real, Real], n: int, room: tuple[FloatArray, Ints]
) -> None:
    """Replaces one part's sums, the last of them for what it did not reach, by arcsinh z-scores over n items.

    Moments are given where scores are logarithms of sums (``eps`` is not zero), and those of the sums elsewhere.
    """
    line, bits = room
    mean, spread = moments
    if eps > Float(0.0):
        log_of_sums(values, bits, len(values), eps)
    else:
        middle, wide = sparse_moments(values, len(values) - 1, n)
        mean, spread = Float(middle), Float(wide)
    if spread <= Float(0.0):
        values[:] = Float(0.0)
    else:
        arcsinh_zscore_in_place(values, mean, spread, line, bits)


@compiled
def select_candidates(
    history: tuple[Ints, Ints, FloatArray],
    tables: Any,
    parts: tuple[FloatArray, FloatArray, FloatArray, FloatArray],
    general: tuple[FloatArray, Ints],
    mask: tuple[Ints, Ints, BoolArray],
    sizes: tuple[int, int],
    state: FloatArray,
    first_mark: int,
    out: tuple[Ints, FloatArray, Ints],
) -> None:
    """Candidates of each user, in no order, with the part of their blended score that is known exactly here.

    That part is the non-personalised score and the parts with ``eps`` zero; the others are approximated by the sums
    of their neighbours, and are to be added. What a part does not reach counts as its lowest, or as a sum of zero.

    Args:
        history: offsets (p, b + 1) into rows of the tables (e,) and what each counts (e,), one part after the other.
        tables: bounds, columns and values of each part's table, as many as ``state`` has columns for.
        parts: weights (p,); eps (p,); means and spreads (p, b) where eps is not zero.
        general: non-personalised scores (n,), and seeds: items that are considered although no part reaches them.
        mask: offsets (b + 1,) into hidden items; eligible items (b, n), (1, n), or (0, 0) for all of them.
        sizes: how many candidates by all parts together, among which seeds compete; or, where this is zero, how many
            by each part with the non-personalised score, all eligible seeds beside them.
        state: scratch (n, 1 + P) whose column 0 has no mark from ``first_mark`` on, the others zero, and left so.
        first_mark: the first of b marks that are written to the scratch.
        out: items (b, K) full of -1, scores (b, K), and how many there are (b,).
    """
    weights, eps, means, spreads = parts
    scores, seeds = general
    hidden_offsets, hidden_items, allowed = mask
    total_size, part_size = sizes
    n, p = len(scores), len(weights)
    lines, ends = np.empty((p, n + 1), np.float32), np.empty(p, np.int64)
    hidden_by, found, bits = np.full(n, -1, np.int32), np.empty(n + 1, np.uint32), np.empty(n + 1, np.int32)
    line, copy = np.empty(n + 1, np.float32), np.empty(n + 1, np.float32)
    blend, exact, own = np.empty(n, np.float32), np.empty(n, np.float32), np.empty(n, np.float32)
    eligible, reached, chosen = np.empty(n, np.bool_), np.empty(n, np.bool_), np.empty(n, np.bool_)
    for user in range(len(out[0])):
        filled = reach_items(history, tables, seeds, state, user, Float(first_mark + user), (found, ends, lines))
        for item in hidden_items[hidden_offsets[user] : hidden_offsets[user + 1]]:
            hidden_by[item] = user
        row = user if len(allowed) > 1 else 0
        for at in range(filled):
            item = found[at]
            blend[at] = exact[at] = own[at] = scores[item]
            eligible[at] = hidden_by[item] != user and (not len(allowed) or allowed[row, item])
            chosen[at] = at < len(seeds) and eligible[at]
        rest_of_all = Float(0.0)
        for part in range(p):
            end, weight = ends[part], weights[part]
            values = lines[part, : end + 1]
            for at in range(end):
                reached[at] = values[at] != Float(0.0)
            part_scores(values, eps[part], (means[part, user], spreads[part, user]), n, (line, bits))
            rest = weight * values[end]
            for at in range(end):
                values[at] *= weight
                blend[at] += values[at] - rest
            if eps[part] <= Float(0.0):
                rest_of_all += rest
                for at in range(end):
                    exact[at] += values[at] - rest
            if part_size:
                mark_best_of_part(values[:end], reached, own, eligible, part_size, line, chosen)
        number = 0
        if part_size:
            for at in range(filled):
                bits[number] = at
                number += int(chosen[at])
        else:
            hidden = hidden_offsets[user + 1] - hidden_offsets[user]
            number = select_best(blend[:filled], eligible, total_size, hidden, (line, copy, bits))
        for place in range(number):
            out[0][user, place], out[1][user, place] = found[bits[place]], exact[bits[place]] + rest_of_all
        out[2][user] = number


@compiled
def top_n_rows(scores: FloatArray, items: Ints, out: tuple[Ints, FloatArray]) -> None:
    """The best items of each row, best first; equal scores by item number. Items below zero are padding.

    ``out`` is items full of -1, and scores full of minus infinity.
    """
    found, reached = out
    n = found.shape[1]
    for row in range(len(scores)):
        number = 0
        for place in range(scores.shape[1]):
            value, item = scores[row, place], items[row, place]
            if item < 0:
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
