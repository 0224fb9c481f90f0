"""Nearest vectors under any filter: exactly while that is fast, beyond that by an inverted file (needs ``faiss-cpu``).

Products of vectors are compared, so unit vectors give cosines. Every answer's scores are exact, an answer has ``k``
ids wherever so many are allowed, and what was added or deleted counts in the next answer.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import threading
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from modaloom.errors import QueryError, StoreError
from modaloom.files import write_json
from modaloom.types import BoolArray, FloatArray, IntArray

EXACT_UP_TO = 100_000
"""Vectors in all up to which everything is compared: about 5 ms a query with 128 numbers each."""
EXACT_SUBSET = 20_000
"""Allowed vectors up to which just those are compared, however many there are in all."""
CELLS_PER_ROOT, TRAINED_ON = 4, 50_000
PROBES, OVERSAMPLING = 24, 4
MOST_AGAINST = 8
"""How many times fewer may be allowed near the query than elsewhere: more is looked at then, and beyond it, everything.

Cells that are all far from the query are hard to tell apart, so an inverted file would answer, but not with the best.
"""
STALE = 0.2
"""Share of vectors added or deleted since the inverted file was built from which on it should be built again."""
_CURRENT = "current.json"


@dataclass(frozen=True, slots=True)
class _State:
    """What one search reads. Never changed but for rows beyond ``size``; a change makes a new one."""

    base: FloatArray  # (n0, d), perhaps a file in memory
    fresh: FloatArray  # room for rows n0, n0 + 1 ...
    ids: IntArray  # room for all rows
    alive: BoolArray  # (size,)
    row_of: IntArray  # row by id, -1 where there is none
    size: int
    index: Any = None  # of rows up to ``indexed``
    indexed: int = 0
    cell_of: npt.NDArray[np.int32] | None = None  # (indexed,)
    cell_sizes: IntArray | None = None
    centres: FloatArray | None = None  # of the cells

    def vectors(self, rows: IntArray) -> FloatArray:
        """Vectors (len(rows), d)."""
        split = len(self.base)
        if not len(rows) or rows[-1] < split:  # rows are in order
            whole = len(rows) and rows[-1] - rows[0] + 1 == len(rows)  # then there is nothing to copy
            return np.asarray(self.base[rows[0] : rows[-1] + 1] if whole else self.base[rows])
        at = int(np.searchsorted(rows, split))
        return np.concatenate([self.base[rows[:at]], self.fresh[rows[at:] - split]])


class VectorIndex:
    """Vectors by number (an ``item_num``, say). Threads may search, add and delete at the same time."""

    def __init__(self, dim: int, *, exact_up_to: int = EXACT_UP_TO):
        self.dim, self.exact_up_to = dim, exact_up_to
        self._state = _made(np.zeros((0, dim), np.float32), np.zeros(0, np.int64))
        self._changing, self._building = threading.Lock(), threading.Lock()

    def __len__(self) -> int:
        return int(np.count_nonzero(self._state.alive))

    def add(self, ids: IntArray, vectors: FloatArray) -> None:
        """Adds vectors (n, d), or replaces those of ids (n,) that are there.

        Raises:
            QueryError: shapes don't fit, an id is negative or twice there, or a number is not finite.
        """
        ids, vectors = np.asarray(ids, np.int64), np.asarray(vectors, np.float32)
        if vectors.shape != (len(ids), self.dim) or not np.isfinite(vectors).all():
            raise QueryError(f"vectors must be finite and of shape ({len(ids)}, {self.dim})")
        if len(ids) and (ids.min() < 0 or len(np.unique(ids)) != len(ids)):
            raise QueryError("ids of vectors must be different and not negative")
        with self._changing:
            self._state = _with(_without(self._state, ids)[0], ids, vectors)

    def delete(self, ids: IntArray) -> int:
        """Deletes vectors; how many there were."""
        with self._changing:
            self._state, number = _without(self._state, np.asarray(ids, np.int64))
        return number

    def search(
        self, queries: FloatArray, k: int, allowed: BoolArray | IntArray | None = None
    ) -> tuple[IntArray, FloatArray]:
        """The best ``k`` ids (b, k) for queries (b, d), best first, and their products; -1 and -inf if there are fewer.

        Args:
            queries: (b, d).
            k: how many.
            allowed: a mask by id (what lies beyond its end is forbidden), or the ids themselves; None for all.
        """
        state, queries = self._state, np.ascontiguousarray(queries, np.float32)
        ok = state.alive.copy() if allowed is None else state.alive & _allowed(state, np.asarray(allowed))
        number = int(np.count_nonzero(ok))
        if state.index is None or number <= EXACT_SUBSET or not k:
            rows, scores = _exact(state, queries, k, np.flatnonzero(ok))
        else:
            rows, scores = _probed(state, queries, k, ok)
            short = np.flatnonzero((rows >= 0).sum(axis=1) < min(k, number))
            if len(short):  # too few of the allowed ones lie in the cells that were looked at
                rows[short], scores[short] = _exact(state, queries[short], k, np.flatnonzero(ok))
        return np.where(rows >= 0, state.ids[np.maximum(rows, 0)] if state.size else -1, -1), scores

    def stale(self) -> bool:
        """Whether :meth:`rebuild` would make searching faster."""
        state = self._state
        if int(np.count_nonzero(state.alive)) <= self.exact_up_to:
            return False
        dead = int(np.count_nonzero(~state.alive[: state.indexed]))
        return state.index is None or (state.size - state.indexed + dead) > STALE * state.size

    def rebuild(self) -> None:
        """Drops what is deleted and builds the inverted file anew; searches go on, and changes meanwhile are kept."""
        with self._building:
            old = self._state
            rows = np.flatnonzero(old.alive)
            new = _made(old.vectors(rows), old.ids[rows])
            if len(rows) > self.exact_up_to:
                new = _indexed(new)
            with self._changing:
                now = self._state
                later = np.arange(old.size, now.size)[now.alive[old.size :]]
                gone = old.ids[rows[~now.alive[rows]]]
                new = _with(_without(new, gone)[0], now.ids[later], now.vectors(later))
                self._state = new

    def rebuild_in_background(self) -> threading.Thread:
        """Starts :meth:`rebuild` in a thread of its own."""
        thread = threading.Thread(target=self.rebuild, name="modaloom-vectors", daemon=True)
        thread.start()
        return thread

    def save(self, folder: Path) -> None:
        """Writes everything into a folder, whole or not at all; what was there before stays until then."""
        self.rebuild()
        state = self._state
        rows = np.flatnonzero(state.alive)
        folder.mkdir(parents=True, exist_ok=True)
        number = 1 + max((int(old.name) for old in folder.iterdir() if old.name.isdigit()), default=0)
        place = folder / str(number)
        place.mkdir()
        np.save(place / "vectors.npy", state.vectors(rows))
        np.save(place / "ids.npy", state.ids[rows])
        if state.index is not None and len(rows) == state.size == state.indexed:
            _faiss().write_index(state.index, str(place / "cells.faiss"))
        sums = {file.name: _checksum(file) for file in sorted(place.iterdir())}
        write_json(folder / _CURRENT, {"place": place.name, "dim": self.dim, "sha256": sums})
        for old in folder.iterdir():
            if old.name.isdigit() and old != place:
                shutil.rmtree(old, ignore_errors=True)

    @classmethod
    def load(cls, folder: Path, *, exact_up_to: int = EXACT_UP_TO) -> Self:
        """What was saved, read as it is needed.

        Raises:
            StoreError: nothing was saved there, or a file is not the one that was written.
        """
        try:
            about = json.loads((folder / _CURRENT).read_text(encoding="utf-8"))
            place, made = folder / str(int(about["place"])), cls(int(about["dim"]), exact_up_to=exact_up_to)
            for name, checksum in about["sha256"].items():
                if _checksum(place / name) != checksum:
                    raise StoreError("is not the file that was written", where=place / name, hint="Build it again")
            vectors = np.load(place / "vectors.npy", mmap_mode="r", allow_pickle=False)
            state = _made(vectors, np.load(place / "ids.npy", allow_pickle=False))
            if "cells.faiss" in about["sha256"] and find_spec("faiss") is not None:
                faiss = _faiss()
                index = faiss.read_index(str(place / "cells.faiss"), faiss.IO_FLAG_MMAP)
                state = _under(state, index)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise StoreError(
                f"holds no vectors that can be read: {error}", where=folder, hint="Build it again"
            ) from None
        made._state = state
        return made


def _made(vectors: FloatArray, ids: IntArray) -> _State:
    row_of = np.full(int(ids.max(initial=-1)) + 1, -1, np.int64)
    row_of[ids] = np.arange(len(ids))
    fresh = np.zeros((0, vectors.shape[1]), np.float32)
    return _State(vectors, fresh, ids, np.ones(len(ids), np.bool_), row_of, len(ids))


def _replaced(state: _State, **changes: Any) -> _State:
    fields = {name: getattr(state, name) for name in _State.__slots__}
    return _State(**{**fields, **changes})


def _without(state: _State, ids: IntArray) -> tuple[_State, int]:
    ids = np.unique(ids[(ids >= 0) & (ids < len(state.row_of))])
    rows = state.row_of[ids]
    there = rows >= 0
    alive, row_of = state.alive.copy(), state.row_of.copy()
    alive[rows[there]] = False
    row_of[ids] = -1
    return _replaced(state, alive=alive, row_of=row_of), int(np.count_nonzero(there))


def _with(state: _State, ids: IntArray, vectors: FloatArray) -> _State:
    start, size, split = state.size, state.size + len(ids), len(state.base)
    fresh, all_ids = state.fresh, state.ids
    if size - split > len(fresh):  # otherwise nobody reads the rows from ``start`` on yet
        fresh = np.concatenate([fresh[: start - split], np.zeros((size, fresh.shape[1]), np.float32)])
    if size > len(all_ids):
        all_ids = np.concatenate([all_ids[:start], np.zeros(size, np.int64)])
    fresh[start - split : size - split], all_ids[start:size] = vectors, ids
    row_of = np.full(max(len(state.row_of), int(ids.max(initial=-1)) + 1), -1, np.int64)
    row_of[: len(state.row_of)] = state.row_of
    row_of[ids] = np.arange(start, size)
    alive = np.concatenate([state.alive, np.ones(len(ids), np.bool_)])
    return _replaced(state, fresh=fresh, ids=all_ids, alive=alive, row_of=row_of, size=size)


def _allowed(state: _State, allowed: npt.NDArray[Any]) -> BoolArray:
    """Which rows (size,) are allowed."""
    if allowed.dtype == np.bool_:
        ids = state.ids[: state.size]
        return (
            np.asarray((ids < len(allowed)) & allowed[np.minimum(ids, len(allowed) - 1)]) if len(allowed) else ids < 0
        )
    ids = allowed.astype(np.int64)
    rows = state.row_of[ids[(ids >= 0) & (ids < len(state.row_of))]]
    mask = np.zeros(state.size, np.bool_)
    mask[rows[rows >= 0]] = True
    return mask


def _exact(state: _State, queries: FloatArray, k: int, rows: IntArray) -> tuple[IntArray, FloatArray]:
    """Compares with all of these rows, some at a time."""
    best_rows = np.full((len(queries), k), -1, np.int64)
    best = np.full((len(queries), k), -np.inf, np.float32)
    for start in range(0, len(rows), EXACT_UP_TO):
        some = rows[start : start + EXACT_UP_TO]
        scores = queries @ state.vectors(some).T
        best_rows, best = _merged(best_rows, best, np.broadcast_to(some, scores.shape), scores)
    return best_rows, best


def _merged(rows: IntArray, scores: FloatArray, more: IntArray, others: FloatArray) -> tuple[IntArray, FloatArray]:
    """The best of both, as many as there were."""
    k = rows.shape[1]
    if others.shape[1] > k:
        keep = np.argpartition(-others, k - 1, axis=1)[:, :k] if k else np.zeros((len(rows), 0), np.int64)
        more, others = np.take_along_axis(more, keep, axis=1), np.take_along_axis(others, keep, axis=1)
    rows, scores = np.concatenate([rows, more], axis=1), np.concatenate([scores, others], axis=1)
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(rows, order, axis=1), np.take_along_axis(scores, order, axis=1)


def _probed(state: _State, queries: FloatArray, k: int, ok: BoolArray) -> tuple[IntArray, FloatArray]:
    """Looks into the nearest cells that have allowed rows, until enough of those are seen, and compares exactly.

    Where a filter goes with the vectors (not dresses, please), the nearest cells of all hold nothing that is allowed.
    """
    tail = np.arange(state.indexed, state.size)[ok[state.indexed :]]
    rows, scores = _exact(state, queries, k, tail)
    found, hard = _candidates(state, queries, k * OVERSAMPLING, ok[: state.indexed])
    for query, some in enumerate(found):
        near = np.sort(some[some >= 0])
        exact = (state.vectors(near) @ queries[query])[None]
        rows[query : query + 1], scores[query : query + 1] = _merged(
            rows[query : query + 1], scores[query : query + 1], near[None], exact
        )
    rows[hard] = -1
    return rows, scores


def _candidates(state: _State, queries: FloatArray, k: int, ok: BoolArray) -> tuple[IntArray, BoolArray]:
    """Rows (b, k) that come near, by the short forms of the vectors; and queries (b,) that a filter is too hard for."""
    assert state.cell_of is not None
    assert state.centres is not None
    assert state.cell_sizes is not None
    faiss, cells = _faiss(), len(state.centres)
    every = bool(ok.all())
    allowed_in = state.cell_sizes if every else np.bincount(state.cell_of[ok], minlength=cells)
    nearness = queries @ state.centres.T
    nearest = np.argpartition(-nearness, min(PROBES, cells) - 1, axis=1)[:, :PROBES]
    here = allowed_in[nearest].sum(axis=1) / np.maximum(state.cell_sizes[nearest].sum(axis=1), 1)
    against = np.clip(ok.mean() / np.maximum(here, 1e-9), 1, MOST_AGAINST)  # how much the filter is against the query
    nearness[:, allowed_in == 0] = -np.inf
    order = np.argsort(-nearness, axis=1)
    seen = np.cumsum(allowed_in[order], axis=1)
    wanted = np.maximum(PROBES * state.indexed / cells * against, k)[:, None]
    enough = (seen - allowed_in[order] < wanted) & (allowed_in[order] > 0)
    probes = max(int(enough.sum(axis=1).max(initial=1)), 1)
    chosen = np.where(enough, order, -1)[:, :probes].astype(np.int64, order="C")
    near = np.take_along_axis(nearness, order, axis=1)[:, :probes].astype(np.float32, order="C")
    bits = np.packbits(ok, bitorder="little")
    selector = faiss.IDSelectorBitmap(len(ok), faiss.swig_ptr(bits))
    parameters = faiss.SearchParametersIVF(sel=None if every else selector, nprobe=probes)
    found, products = np.full((len(queries), k), -1, np.int64), np.zeros((len(queries), k), np.float32)
    arrays = (queries, k, chosen, near, products, found)
    pointers = [one if isinstance(one, int) else faiss.swig_ptr(one) for one in arrays]
    state.index.search_preassigned_c(len(queries), *pointers, False, parameters)
    return found, against >= MOST_AGAINST


def _indexed(state: _State) -> _State:
    if find_spec("faiss") is None:  # slower, but right
        return state
    faiss = _faiss()
    cells = int(CELLS_PER_ROOT * np.sqrt(state.size))
    dim = state.base.shape[1]
    index = faiss.IndexIVFScalarQuantizer(
        faiss.IndexFlatIP(dim), dim, cells, faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_INNER_PRODUCT
    )
    index.cp.min_points_per_centroid = 1
    sample = np.sort(np.random.default_rng(0).permutation(state.size)[: max(TRAINED_ON, cells)])
    index.train(np.ascontiguousarray(state.base[sample]))
    for start in range(0, state.size, TRAINED_ON):
        index.add(np.ascontiguousarray(state.base[start : start + TRAINED_ON]))
    return _under(state, index)


def _under(state: _State, index: Any) -> _State:
    """The same vectors with their inverted file, and what it knows of cells."""
    faiss, cell_of = _faiss(), np.zeros(state.size, np.int32)
    for cell in range(index.nlist):
        number = index.invlists.list_size(cell)
        if number:
            numbers = index.invlists.get_ids(cell)
            cell_of[faiss.rev_swig_ptr(numbers, number)] = cell
            index.invlists.release_ids(cell, numbers)
    centres = index.quantizer.reconstruct_n(0, index.nlist)
    sizes = np.bincount(cell_of, minlength=index.nlist)
    return _replaced(state, index=index, indexed=state.size, cell_of=cell_of, cell_sizes=sizes, centres=centres)


def _faiss() -> Any:
    import faiss

    return faiss


def _checksum(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
