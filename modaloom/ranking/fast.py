"""The compiled loops for batches of shoppers, where numba is installed (``pip install modaloom[fast]``).

Everything here says the same as the NumPy it stands in for. Few shoppers are never worth loading it.
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


def fast_for(shoppers: int) -> Fast | None:
    """The compiled loops, for so many shoppers; None where NumPy is to do the work."""
    return _fast() if shoppers >= MANY_SHOPPERS else None


@cache
def _fast() -> Fast | None:
    if find_spec("numba") is None:
        return None
    from modaloom.ranking import arithmetic, loops

    return Fast(loops, arithmetic)


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
