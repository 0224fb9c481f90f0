"""What single past items propose: the nearest neighbours of each, found when they are first asked for, then kept.

Those of very many items at once are found by an inverted file where there is FAISS, else by comparing all.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from modaloom.numerics import GrowingRows
from modaloom.ranking.fast import Table, table_of
from modaloom.types import BoolArray, FloatArray, IntArray

NEIGHBOURS = 64
"""How many items each single past item proposes."""
CELLS_AT_ONCE = 4_000_000
"""Dense numbers that one block may need."""
MANY_QUERIES = 2_000
MANY_ITEMS = 20_000
"""From so many queries and items on an inverted file pays for being built."""
PROBES = 32
CELLS_PER_ROOT = 4
TRAINED_ON = 50_000
QUERIES_AT_ONCE = 4_096
NO_ROWS = table_of(np.zeros(1, np.int64), np.zeros(0, np.int32), np.zeros(0, np.float32))
Exact = Callable[[IntArray], tuple[IntArray, FloatArray]]
Given = TypeVar("Given")
Made = TypeVar("Made")


class Neighbours:
    """The best items of each single past item, with weights.

    ``find`` gives items (s, k) and weights (s, k) of past items (s,).
    """

    def __init__(self, n_items: int, find: Exact):
        self.n_items, self._find = n_items, find
        self._slot = np.full(n_items, -1, dtype=np.int64)  # which row is an item's
        self._found: BoolArray = np.zeros(n_items, dtype=bool)  # whether it is up to date
        self._columns = GrowingRows(np.zeros((0, 0), dtype=np.int32))
        self._weights = GrowingRows(np.zeros((0, 0), dtype=np.float32))
        self._table: tuple[Any, Table] = None, NO_ROWS
        self._lock = threading.RLock()

    def prepare(self, items: IntArray, threads: int = 1) -> None:
        """Finds the neighbours of those items that were never asked for, in blocks."""
        if self._found[items].all():
            return
        with self._lock:
            wanted = np.unique(items)
            new = wanted[~self._found[wanted]]
            if not len(new):
                return
            columns, weights = self._look(new, threads)
            if columns.shape[1] != self._columns.rows.shape[1]:  # a small catalogue has grown: rows are wider now
                self._forget_all(columns.shape[1])
                if len(new) < len(wanted):
                    new = wanted
                    columns, weights = self._look(new, threads)
            unplaced = new[self._slot[new] < 0]
            self._slot[unplaced] = len(self._columns.rows) + np.arange(len(unplaced))
            self._columns.put(self._slot[new], columns.astype(np.int32))
            self._weights.put(self._slot[new], weights)
            self._found[new] = True

    def _look(self, items: IntArray, threads: int) -> tuple[IntArray, FloatArray]:
        size = len(items) if pays(items, self.n_items) else max(CELLS_AT_ONCE // max(self.n_items, 1), 1)
        blocks = [items[start : start + size] for start in range(0, len(items), size)]
        columns, weights = zip(*in_threads(self._find, blocks, threads), strict=True)
        return np.concatenate(columns), np.concatenate(weights)

    def slots(self, items: IntArray) -> IntArray:
        """Which rows of :meth:`table` are the neighbours of past items (t,)."""
        self.prepare(items)
        return self._slot[items]

    def table(self) -> Table:
        """Weights (s, n) of the neighbours of all items that are known so far."""
        with self._lock:
            columns, weights = self._columns.rows, self._weights.rows
            if self._table[0] is not columns:
                count, k = columns.shape
                self._table = columns, table_of(np.arange(count + 1) * k, columns.ravel(), weights.ravel())
            return self._table[1]

    def after(self, items: IntArray, weights: FloatArray) -> tuple[sp.csr_matrix, sp.csr_matrix]:
        """Weights (b, n) of the neighbours, summed over past items (b, t) that count this much (b, t).

        As two factors: what counts (b, s) of the items whose neighbours are known, and those (s, n).
        """
        used = weights > 0
        own = items[used]
        with self._lock:  # or rows that another thread finds meanwhile are in one array and not in the next
            self.prepare(own)
            columns, values, slots, n = self._columns.rows, self._weights.rows, self._slot[own], self.n_items
        count, k = columns.shape
        table = sp.csr_matrix((values.ravel(), columns.ravel(), np.arange(count + 1) * k), shape=(count, n))
        bounds = np.concatenate([[0], np.cumsum(used.sum(axis=1))])
        return sp.csr_matrix((weights[used], slots, bounds), shape=(len(items), count)), table

    def forget(self, items: IntArray, n_items: int) -> None:
        """Items that have changed, or are new: their neighbours are looked for when they are next asked for."""
        with self._lock:
            more = max(n_items - self.n_items, 0)
            self._slot = np.concatenate([self._slot, np.full(more, -1, dtype=np.int64)])
            found = np.concatenate([self._found, np.zeros(more, dtype=bool)])
            found[items] = False
            self._found = found
            self.n_items += more

    def state(self) -> dict[str, npt.NDArray[Any]]:
        """What was found so far."""
        return {
            "slot": np.where(self._found, self._slot, -1),
            "columns": self._columns.rows,
            "weights": self._weights.rows,
        }

    def restore(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        """Takes over what :meth:`state` gave."""
        with self._lock:
            self._slot = state["slot"].copy()
            self._columns, self._weights = GrowingRows(state["columns"]), GrowingRows(state["weights"])
            self._found = self._slot >= 0

    def _forget_all(self, k: int) -> None:
        self._slot[:] = -1
        self._found[:] = False
        self._columns = GrowingRows(np.zeros((0, k), dtype=np.int32))
        self._weights = GrowingRows(np.zeros((0, k), dtype=np.float32))


def nearest_many(
    keys: FloatArray,
    queries_of: Callable[[IntArray], FloatArray],
    items: IntArray,
    k: int,
    exact: Exact,
) -> tuple[IntArray, FloatArray]:
    """The ``k`` best columns (s, k) of ``queries @ keys.T`` for items (s,), and those scores.

    With an inverted file about one neighbour in fifty is missed, and takes a hundredth of the time.

    Args:
        keys: (n, d).
        queries_of: queries (s, d) of items (s,).
        items: which (s,).
        k: how many.
        exact: compares everything; used for little, and without FAISS.

    Source: Sivic & Zisserman, "Video Google", 2003 (inverted files); Johnson et al., FAISS, 2017.
    """
    try:
        import faiss
    except ImportError:
        return exact(items)
    cells, dim = int(CELLS_PER_ROOT * np.sqrt(len(keys))), keys.shape[1]
    quantiser = faiss.IndexFlatIP(dim)
    index = faiss.IndexIVFFlat(quantiser, dim, cells, faiss.METRIC_INNER_PRODUCT)
    index.cp.niter, index.cp.max_points_per_centroid = 8, max(TRAINED_ON // cells, 39)
    rows = np.random.default_rng(0).permutation(len(keys))[:TRAINED_ON]
    index.train(np.ascontiguousarray(keys[rows], dtype=np.float32))
    for start in range(0, len(keys), TRAINED_ON):
        index.add(np.ascontiguousarray(keys[start : start + TRAINED_ON], dtype=np.float32))
    index.nprobe = min(PROBES, cells)
    columns = np.empty((len(items), k), dtype=np.int64)
    values = np.empty((len(items), k), dtype=np.float32)
    for start in range(0, len(items), QUERIES_AT_ONCE):
        part = slice(start, start + QUERIES_AT_ONCE)
        values[part], columns[part] = index.search(np.ascontiguousarray(queries_of(items[part])), k)
    short = np.flatnonzero((columns < 0).any(axis=1))  # too few in the cells that were looked at
    if len(short):
        columns[short], values[short] = exact(items[short])
    return columns, values


def pays(items: IntArray, n_items: int) -> bool:
    """Whether :func:`nearest_many` is worth while."""
    return len(items) >= MANY_QUERIES and n_items >= MANY_ITEMS


def in_threads(work: Callable[[Given], Made], things: Iterable[Given], threads: int) -> list[Made]:
    """Maps in order; NumPy and SciPy let several threads work at once, each on one core."""
    things = list(things)
    if min(threads, len(things)) <= 1:
        return [work(thing) for thing in things]
    with _ONE_CORE_EACH, ThreadPoolExecutor(threads) as pool:
        return list(pool.map(work, things))


class OneCoreEach:
    """While anybody is inside, matrix products start no threads of their own, which would wait for each other's cores.

    The limit holds for the whole process and is lifted when the last one leaves. Without threadpoolctl there is none.
    """

    def __init__(self) -> None:
        self._lock, self._inside = threading.Lock(), 0
        self._limits: Any = None

    def __enter__(self) -> None:
        with self._lock:
            self._inside += 1
            if self._inside == 1 and find_spec("threadpoolctl") is not None:
                from threadpoolctl import threadpool_limits

                self._limits = threadpool_limits(1, user_api="blas")  # of every library that is loaded by now

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0 and self._limits is not None:
                self._limits.restore_original_limits()
                self._limits = None


_ONE_CORE_EACH = OneCoreEach()
