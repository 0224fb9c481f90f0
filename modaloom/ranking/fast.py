"""The compiled loops for batches of shoppers, and for one of a large shop, where numba is installed.

(``pip install modaloom[fast]``, or ``[serve]``.) Everything here says the same as the NumPy it stands in for. For few
shoppers loading is not worth while; for one at a time the loops are used where a service has loaded them.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from modaloom.numerics import Moments
from modaloom.types import BoolArray, FloatArray, IntArray

MANY_SHOPPERS = 64
"""From so many shoppers on the loops pay for being loaded, which takes a second or so, once."""
MOST_PARTS = 8
"""Parts that are not the same for everybody; the loops are compiled for so many, and fewer leave places empty."""
CELLS_IN_CACHE = 131_072
"""Products that are made and summed up in one go: half a megabyte, which a core's own cache holds."""
EVERYTHING: BoolArray = np.zeros((0, 0), dtype=bool)
NO_TABLE = np.zeros(1, dtype=np.int64), np.zeros(0, dtype=np.uint32), np.zeros(0, dtype=np.float32)
Packed = tuple[npt.NDArray[Any], npt.NDArray[Any], FloatArray]


class Reach(NamedTuple):
    """Raw scores (b, n) that are ``past @ table``; or, where there is a floor, ``log(past @ table + floor) + shift``.

    Without a floor they are exact. With one they are near enough to choose candidates by, and what the past does not
    reach scores less than what it does.
    """

    past: sp.csr_matrix  # (b, s)
    table: sp.csr_matrix  # (s, n)
    floor: float = 0.0
    shift: FloatArray | None = None  # (b,)


class Table(NamedTuple):
    """Sparse rows (s, n), packed one after the other: row r is ``bounds[r]:bounds[r + 1]``. See :func:`table_of`."""

    bounds: IntArray
    columns: npt.NDArray[np.int32]
    values: FloatArray


def table_of(bounds: IntArray, columns: npt.NDArray[Any], values: FloatArray) -> Table:
    """A table, always of the same types, since each other mixture would be compiled anew while somebody waits."""
    return Table(_locked(bounds, np.int64), _locked(columns, np.int32), _locked(values, np.float32))


class Proposals(NamedTuple):
    """The items that a part would propose to one shopper: rows (t,) of a table, and what each of them counts (t,).

    With a floor, ``log(sums + floor) + shift`` is roughly the raw score; without, sums are the raw scores.
    """

    rows: IntArray
    counts: FloatArray
    table: Table
    floor: float = 0.0
    shift: float = 0.0


class Level(NamedTuple):
    """What makes scores of sums of exponentials: ``level + log(sums + floor)``."""

    floor: float
    level: np.float32 = np.float32(0.0)


def fast_for(shoppers: int) -> Fast | None:
    """The compiled loops, for so many shoppers; None where NumPy is to do the work."""
    return _fast() if shoppers >= MANY_SHOPPERS else None


@cache
def _fast() -> Fast | None:
    if find_spec("numba") is None:
        return None
    from modaloom.ranking import arithmetic, loops

    return Fast(loops, arithmetic)


_loaded: list[Alone] = []


def alone() -> Alone | None:
    """The loops for a single shopper; None where nobody has loaded them, and NumPy is to do the work."""
    return _loaded[0] if _loaded else None


def load_alone() -> bool:
    """Loads the loops for a single shopper; whether there are any. Each is compiled when it is first used."""
    if not _loaded and find_spec("numba") is not None:
        from modaloom.ranking import alone as loops
        from modaloom.ranking import proposed

        _loaded.append(Alone(loops, proposed))
    return bool(_loaded)


class Fast:
    """The loops as functions of what the rest of the room works with."""

    def __init__(self, loops: ModuleType, arithmetic: ModuleType):
        self._loops, self._arithmetic = loops, arithmetic

    def candidates(
        self,
        said: Sequence[tuple[float, Reach, Moments | None]],
        general: tuple[FloatArray, IntArray],
        offer: tuple[sp.csr_matrix | None, BoolArray | None],
        k: int,
    ) -> tuple[IntArray, FloatArray]:
        """The items (b, k) of which all parts together say most, in no order, -1 where there are fewer.

        Beside them what is said in general and by the parts whose reach is exact.

        Args:
            said: weight and reach of each part, and the moments of those whose reach is not exact.
            general: what is said of every item to everybody (n,), and the items of which the best is said.
            offer: what shoppers are not to see, as the nonzero cells (b, n); what may be seen, (n,) or (b, n).
            k: how many.
        """
        said = sorted(said, key=lambda one: one[1].table.nnz / max(one[1].table.shape[0], 1))  # short rows come first
        shoppers = said[0][1].past.shape[0]
        pasts, starts = [_packed(reach.past) for _, reach, _ in said], np.cumsum([0, *(r.past.nnz for _, r, _ in said)])
        packed = (
            np.stack([bounds + start for (bounds, _, _), start in zip(pasts, starts, strict=False)]),
            np.concatenate([slots for _, slots, _ in pasts]),
            np.concatenate([counts for _, _, counts in pasts]),
        )
        tables = [_packed(reach.table) for _, reach, _ in said]
        tables += [NO_TABLE] * (MOST_PARTS - len(tables))
        summary = (
            np.array([weight for weight, _, _ in said], dtype=np.float32),
            np.array([reach.floor for _, reach, _ in said], dtype=np.float32),
            np.zeros((len(said), shoppers), dtype=np.float32),
            np.zeros((len(said), shoppers), dtype=np.float32),
        )
        for part, (_, reach, moments) in enumerate(said):
            if moments is not None:
                summary[2][part] = moments.mean[:, 0] - (0.0 if reach.shift is None else reach.shift)
                summary[3][part] = np.where(moments.flat, 0.0, moments.spread)[:, 0]
        hidden, allowed = offer
        if hidden is not None and not hidden.data.all():
            hidden = hidden.copy()
            hidden.eliminate_zeros()
        nothing = np.zeros(shoppers + 1, dtype=np.int64), np.zeros(0, dtype=np.uint32)
        may = EVERYTHING if allowed is None else np.array(np.atleast_2d(allowed), order="C")
        barred = *(nothing if hidden is None else _packed(hidden)[:2]), may
        made = np.full((shoppers, k), -1, dtype=np.int64), np.zeros((shoppers, k), dtype=np.float32)
        self._loops.candidates(packed, tuple(zip(*tables, strict=True)), summary, general, barred, made)
        return made

    def log_sums(
        self, queries: FloatArray, logs: FloatArray, keys: FloatArray, items: IntArray, floor: tuple[float, bool]
    ) -> FloatArray:
        """``log(sum_t exp(query . key + log) + floor)`` (b, c) of queries (b, t, d) at items (b, c) or (c,).

        Args:
            queries: of b shoppers; those with a log of minus infinity are left out.
            logs: (b, t).
            keys: (n, d).
            items: of each shopper, or the same for everybody.
            floor: the floor, and whether it counts from the largest exponent of the shopper.
        """
        how, logs = (np.float32(floor[0]), floor[1]), np.ascontiguousarray(logs, dtype=np.float32)
        if items.ndim == 2:
            out = np.empty(items.shape, dtype=np.float32)
            arrays = (np.ascontiguousarray(one) for one in (queries, logs, keys, items))
            self._arithmetic.log_sums_at(*arrays, how, out)
            return out
        shoppers, count, dim = queries.shape
        out, near = np.empty((shoppers, len(items)), dtype=np.float32), np.ascontiguousarray(keys[items].T)
        size = max(CELLS_IN_CACHE // max(count * len(items), 1), 1)
        for start in range(0, shoppers, size):
            some = slice(start, start + size)
            similar = queries[some].reshape(-1, dim) @ near
            shape = len(logs[some]), count, len(items)
            self._arithmetic.log_sums(similar.reshape(shape), logs[some], how, out[some])
        return out

    def add_normalised(self, scores: FloatArray, moments: Moments, weight: float, total: FloatArray) -> None:
        """Adds a part's scores (b, c), normalised and weighted, to the blend (b, c)."""
        self._loops.add_normalised(np.ascontiguousarray(scores), _plain(moments), np.float32(weight), total)

    def best(self, scores: FloatArray, possible: BoolArray, items: IntArray, n: int) -> tuple[IntArray, FloatArray]:
        """The best ``n`` possible items of each row and their scores, best first; equal ones by number."""
        shape = len(scores), min(n, scores.shape[1])
        found, reached = np.full(shape, -1, dtype=np.int64), np.full(shape, -np.inf, dtype=np.float32)
        self._loops.best(scores, possible, np.ascontiguousarray(items), (found, reached))
        return found, reached


def _packed(matrix: sp.csr_matrix) -> Packed:
    """Bounds, columns and values, always of the same types: each other mixture would be compiled anew."""
    kinds = np.int64, np.int32, np.float32
    parts = (matrix.indptr, matrix.indices, matrix.data)
    bounds, columns, values = (np.require(part, kind, ("C", "W")) for part, kind in zip(parts, kinds, strict=True))
    return bounds, columns.view(np.uint32), values  # what has no sign needs no check for being negative


def _plain(moments: Moments) -> tuple[FloatArray, FloatArray, BoolArray]:
    return tuple(np.ascontiguousarray(part) for part in moments)  # type: ignore[return-value]


class Alone:
    """The loops for a single shopper as functions of what :mod:`modaloom.ranking.sums` and Personal work with."""

    def __init__(self, loops: ModuleType, proposed: ModuleType):
        self._loops, self._proposed = loops, proposed

    def log_sums(
        self, similar: FloatArray, shifts: FloatArray, left: tuple[IntArray, IntArray], how: Level
    ) -> FloatArray:
        """See :func:`~modaloom.ranking.sums.log_sums`."""
        out = np.empty((1 + len(left[1]), similar.shape[1]), dtype=np.float32)
        self._loops.log_sums(similar, shifts, tuple(left), _plain_level(how), out)
        return out

    def reference_sums(
        self, similar: FloatArray, shifts: FloatArray, left: tuple[IntArray, IntArray], how: Level, present: BoolArray
    ) -> tuple[Moments, FloatArray]:
        """See :func:`~modaloom.ranking.sums.reference_sums`."""
        out = np.empty((4, 1 + len(left[1]), 1), dtype=np.float32)
        self._loops.reference_sums(similar, shifts, tuple(left), _plain_level(how), present, out[:, :, 0])
        return Moments(out[0], out[1], out[2] > 0), out[3]

    def log_sums_without(self, similar: FloatArray, views: FloatArray, how: Level) -> FloatArray:
        """See :func:`~modaloom.ranking.sums.log_sums_without`."""
        out = np.empty((len(views), views.shape[2]), dtype=np.float32)
        self._loops.log_sums_without(similar, views, _plain_level(how), out)
        return out

    def weighted(self, rows: FloatArray, moments: Moments, weight: float) -> FloatArray:
        """See :func:`~modaloom.ranking.sums.weighted`."""
        self._loops.weigh(rows, tuple(moments), np.float32(weight))
        return rows

    def sparse_sums(
        self,
        past: tuple[IntArray, FloatArray],
        table: Table,
        items: IntArray,
        left: tuple[IntArray, IntArray],
    ) -> tuple[FloatArray, npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Sums (1 + r, c) at items (c,), and those of all scores (1 + r,) and of their squares (1 + r,)."""
        made, totals = np.empty((1 + len(left[1]), len(items)), dtype=np.float32), np.empty((2, 1 + len(left[1])))
        room = _room(self._proposed.entries(past[0], table.bounds))
        self._proposed.sparse_sums(past, tuple(table), tuple(left), items, room, (made, totals))
        return made, totals[0], totals[1]

    def candidates(
        self,
        said: Sequence[tuple[float, Proposals, Moments | None]],
        general: FloatArray,
        offer: tuple[IntArray, IntArray, BoolArray],
        k: int,
    ) -> tuple[IntArray, FloatArray]:
        """The items (c,) of which each part says most, and those that are chosen anyway, in no order.

        Beside them (c,) what is said to everybody and by the parts whose proposals are exact.

        Args:
            said: weight and proposals of each part, and the moments of those that are not exact.
            general: what is said of every item to everybody (n,).
            offer: the items of which the best is said to everybody, those that are chosen whatever is said, and what
                may be seen (n,).
            k: how many of each part; a few more where some are equal.
        """
        best, extra, may = offer
        summary = np.zeros((4, len(said)), dtype=np.float32)
        most = len(best) + len(extra) + sum(self._proposed.entries(made.rows, made.table.bounds) for _, made, _ in said)
        found, lines = np.empty(most, dtype=np.int64), np.zeros((len(said), most), dtype=np.float32)
        filled, room, out = 0, _room(most), np.empty(most, dtype=np.float32)
        for part, (weight, made, moments) in enumerate(said):
            summary[:2, part] = weight, made.floor
            if moments is not None and not moments.flat[0, 0]:
                summary[2:, part] = moments.mean[0, 0] - np.float32(made.shift), moments.spread[0, 0]
            past = made.rows, made.counts
            filled = self._proposed.add_part(past, tuple(made.table), lines[part], room, (found, filled))
        offered = best, extra, _locked(may, np.bool_), _locked(general, np.float32), k
        number = self._proposed.chosen(lines, (found, filled), room, tuple(summary), offered, out)
        return found[:number], out[:number]


def _plain_level(how: Level) -> tuple[Any, Any]:
    return np.float32(how.floor), np.float32(how.level)


def _room(entries: int) -> tuple[IntArray, IntArray]:
    """An empty table for so many entries, at most half full: keys, and numbers."""
    size = 1 << (2 * entries + 1).bit_length()
    return np.full(size, -1, dtype=np.int32), np.empty(size, dtype=np.int32)


def _locked(values: npt.NDArray[Any], kind: Any) -> npt.NDArray[Any]:
    """The same values in one row, of one type, not to be written to."""
    made = np.ascontiguousarray(values, dtype=kind).view()
    made.flags.writeable = False
    return made
