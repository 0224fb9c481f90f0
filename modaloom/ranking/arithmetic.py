"""Compiled arithmetic on short arrays: exponentials, logarithms, selection, and sums of exponentials of products.

Only the other compiled files and :mod:`modaloom.ranking.fast` may import this file, because it needs numba. b
shoppers, n items, t past items, c candidates, d dim.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np
import numpy.typing as npt
from numba import njit

from modaloom.types import FloatArray

Loop = TypeVar("Loop", bound=Callable[..., Any])
Float = np.float32
Ints = npt.NDArray[Any]
"""Integers of 32 or 64 bits."""
Real = Any
"""A single number, float32 inside the loops whatever it was outside."""
LARGEST = np.finfo(np.float32).max
LOG2_E, LN2_HIGH, LN2_LOW = Float(1.44269504), Float(0.693359375), Float(-2.12194440e-4)


def compiled(loop: Loop, *, nogil: bool = True) -> Loop:
    """Machine code at the first call, kept on disk for later processes where a folder can be written."""
    how: dict[str, Any] = {
        "nogil": nogil,
        "error_model": "numpy",
        "fastmath": {"reassoc", "contract", "arcp", "nsz"},  # infinities stay what they are
    }
    try:
        return cast(Loop, njit(cache=True, **how)(loop))
    except RuntimeError:  # nowhere to keep it
        return cast(Loop, njit(**how)(loop))


@compiled
def logarithms(values: FloatArray, bits: Ints, count: int) -> None:
    """The first ``count`` values, which are positive, become their logarithms; ``bits`` (int32) is room for as many.

    Source: the polynomial of Cephes' logf (Moshier, 1992), which is exact to the last bit or two.
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
        made = Float(7.0376836292e-2)
        made = made * rest - Float(1.1514610310e-1)
        made = made * rest + Float(1.1676998740e-1)
        made = made * rest - Float(1.2420140846e-1)
        made = made * rest + Float(1.4249322787e-1)
        made = made * rest - Float(1.6668057665e-1)
        made = made * rest + Float(2.0000714765e-1)
        made = made * rest - Float(2.4999993993e-1)
        made = made * rest + Float(3.3333331174e-1)
        values[at] = made * rest * square + power * LN2_LOW - Float(0.5) * square + rest + power * LN2_HIGH


@compiled
def squashed(values: FloatArray, room: tuple[FloatArray, Ints], count: int) -> None:
    """The first ``count`` values become their arcsinh; ``room`` is two arrays (float32, int32) for as many."""
    line, bits = room
    for at in range(count):
        size = abs(values[at])
        line[at] = size + np.sqrt(size * size + Float(1.0))
    logarithms(line, bits, count)
    for at in range(count):
        values[at] = line[at] if values[at] >= Float(0.0) else -line[at]


@compiled
def kth_largest(values: FloatArray, count: int, k: int) -> Real:
    """The ``k`` th largest of the first ``count`` values, which are put into another order.

    Source: Hoare, "Algorithm 65: Find", 1961; parted without a branch, as in Edelkamp & Weiss, "BlockQuicksort", 2016.
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


@compiled
def exponentials(values: FloatArray, bits: Ints, count: int) -> None:
    """The first ``count`` values become their exponentials; ``bits`` (int32) is room for as many.

    Source: the polynomial of Cephes' expf (Moshier, 1992), which is exact to the last bit or two.
    """
    powers = bits.view(np.float32)
    for at in range(count):
        value = max(values[at], Float(-87.0))
        whole = np.floor(value * LOG2_E + Float(0.5))
        rest = value - whole * LN2_HIGH - whole * LN2_LOW
        made = Float(1.9875691500e-4)
        made = made * rest + Float(1.3981999507e-3)
        made = made * rest + Float(8.3334519073e-3)
        made = made * rest + Float(4.1665795894e-2)
        made = made * rest + Float(1.6666665459e-1)
        made = made * rest + Float(5.0000001201e-1)
        values[at] = made * rest * rest + rest + Float(1.0)
        bits[at] = (np.int32(whole) + np.int32(127)) << np.int32(23)
    for at in range(count):
        values[at] *= powers[at]


@compiled
def products(
    queries: FloatArray, keys: tuple[FloatArray, FloatArray], out: FloatArray, columns: tuple[int, int]
) -> None:
    """Products (t,) of queries (t, d) with two keys (d,), into two columns of ``out``; three queries share the keys."""
    t, dim = queries.shape
    (one, two), (left, right), row = keys, columns, 0
    while row + 3 <= t:
        first, second, third, fourth, fifth, sixth = Float(0), Float(0), Float(0), Float(0), Float(0), Float(0)
        for place in range(dim):
            key, other = one[place], two[place]
            first += key * queries[row, place]
            second += other * queries[row, place]
            third += key * queries[row + 1, place]
            fourth += other * queries[row + 1, place]
            fifth += key * queries[row + 2, place]
            sixth += other * queries[row + 2, place]
        out[row, left], out[row, right] = first, second
        out[row + 1, left], out[row + 1, right] = third, fourth
        out[row + 2, left], out[row + 2, right] = fifth, sixth
        row += 3
    while row < t:
        first, second = Float(0), Float(0)
        for place in range(dim):
            first += one[place] * queries[row, place]
            second += two[place] * queries[row, place]
        out[row, left], out[row, right] = first, second
        row += 1


@compiled
def collapsed(
    similar: FloatArray, logs: FloatArray, level: Real, floor: Real, room: tuple[FloatArray, Ints, FloatArray]
) -> None:
    """``level + log(sum_t exp(similar (t, c) + logs (t,) - level) + floor)`` into the last array of ``room``, (c,)."""
    line, bits, out = room
    count = similar.shape[1]
    out[:count] = Float(floor)
    for row in range(len(similar)):
        shift = logs[row] - Float(level)
        for place in range(count):
            line[place] = similar[row, place] + shift
        exponentials(line, bits, count)
        for place in range(count):
            out[place] += line[place]
    logarithms(out, bits, count)
    for place in range(count):
        out[place] += Float(level)


@compiled
def gathered(rows: FloatArray, logs: FloatArray, out: FloatArray, out_logs: FloatArray) -> int:
    """Copies the rows (t, d) that are there, with their logs, to the front; how many they are."""
    used = 0
    for place in range(len(logs)):
        if logs[place] > -LARGEST:
            out[used] = rows[place]
            out_logs[used] = logs[place]
            used += 1
    return used


@compiled
def log_sums_at(
    queries: FloatArray, logs: FloatArray, keys: FloatArray, items: Ints, how: tuple[Real, bool], out: FloatArray
) -> None:
    """``log(sum_t exp(query . key + log) + floor)`` (b, c) of queries (b, t, d) at items (b, c).

    ``how`` is the floor, and whether it counts from the largest exponent of the shopper. Queries with a log of minus
    infinity are left out; a shopper without any gets zeros.
    """
    floor, from_top = how
    b, t, dim = queries.shape
    c = items.shape[1]
    own, own_logs = np.empty((t, dim), dtype=np.float32), np.empty(t, dtype=np.float32)
    similar, line = np.empty((t, c), dtype=np.float32), np.empty(c, dtype=np.float32)
    bits = np.empty(c, dtype=np.int32)
    for row in range(b):
        used = gathered(queries[row], logs[row], own, own_logs)
        if not used:
            out[row] = Float(0.0)
            continue
        for place in range(0, c, 2):
            pair = place, min(place + 1, c - 1)
            first, second = max(items[row, pair[0]], 0), max(items[row, pair[1]], 0)
            products(own[:used], (keys[first], keys[second]), similar, pair)
        level = Float(0.0)
        if from_top:
            level = largest(similar[:used], own_logs[:used])
        collapsed(similar[:used], own_logs[:used], level, floor, (line, bits, out[row]))


@compiled
def largest(similar: FloatArray, logs: FloatArray) -> Real:
    """The largest of ``similar (t, c) + logs (t,)``."""
    found = -LARGEST
    for row in range(len(similar)):
        for place in range(similar.shape[1]):
            found = max(found, similar[row, place] + logs[row])
    return found


@compiled
def log_sums(similar: FloatArray, logs: FloatArray, how: tuple[Real, bool], out: FloatArray) -> None:
    """The same (b, c) from products (b, t, c) that are there already."""
    floor, from_top = how
    b, t, c = similar.shape
    line, bits = np.empty(c, dtype=np.float32), np.empty(c, dtype=np.int32)
    own, own_logs = np.empty((t, c), dtype=np.float32), np.empty(t, dtype=np.float32)
    for row in range(b):
        used = gathered(similar[row], logs[row], own, own_logs)
        if not used:
            out[row] = Float(0.0)
            continue
        level = Float(0.0)
        if from_top:
            level = largest(own[:used], own_logs[:used])
        collapsed(own[:used], own_logs[:used], level, floor, (line, bits, out[row]))
