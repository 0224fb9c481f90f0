"""Small numerical tools that several rooms share; NumPy and SciPy only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from modaloom.types import BoolArray, FloatArray, IntArray

EPSILON = 1e-9
DEPENDENT = 1e-11
"""Directions with less than this share of the largest eigenvalue are rounding."""
MOST_GROWTH, MOST_DEGREE = 1e4, 8
"""Of the largest eigenvalue in one round of looking for the leading ones, and the polynomial's that brings it about."""
ROWS_AT_ONCE = 65_536
"""Rows that are drawn, turned into double precision, or whitened, at once."""
LEAST_SPREAD = 1e-3
"""Axes with less than this share of the largest spread are not blown up any further."""
LEAST_GROUPS = 128
LEAST_GROUP = 4
"""Rows are cut into no fewer groups, of no fewer numbers, where their largest numbers are looked for."""


def unit_rows(matrix: FloatArray) -> FloatArray:
    """Rows divided by their length; zero rows stay zero."""
    lengths = np.linalg.norm(matrix, axis=1, keepdims=True)
    result: FloatArray = (matrix / np.maximum(lengths, EPSILON)).astype(np.float32, copy=False)
    return result


def arcsinh_zscore(scores: FloatArray) -> FloatArray:
    """Each row of scores (b, n) as ``arcsinh`` of its z-score; zero where all are equal.

    The z-score makes different models comparable for one user. The arcsinh leaves ordinary scores as they are and
    tames the few huge ones of sparse models, without changing any order.
    """
    mean, spread = scores.mean(axis=1, keepdims=True), scores.std(axis=1, keepdims=True)
    # Rounding gives a row of equal numbers a tiny spread, so equality itself is tested.
    flat = (scores.max(axis=1, keepdims=True) == scores.min(axis=1, keepdims=True)) | (spread < EPSILON)
    result: FloatArray = np.arcsinh((scores - mean) / (spread + EPSILON)).astype(np.float32)
    return np.where(flat, np.float32(0.0), result)


def leading_axes(matrix: Any, rank: int, *, seed: int = 0, rounds: int = 4) -> tuple[FloatArray, FloatArray]:
    """The leading singular values (r,) of a dense or sparse (n, d) matrix, and its right singular vectors (d, r).

    ``r`` is ``rank`` or less where the matrix is smaller. Vectors of no length are zero. Signs are fixed, so equal
    input gives equal output. Who had what has hundreds of singular values that are nearly as large as the leading
    ones. Plain power iteration hardly parts them; a polynomial that grows fast beyond what is to be left behind does.

    Source: Halko, Martinsson & Tropp, "Finding structure with randomness", 2011, algorithm 4.4 (the start); Zhou, Saad,
    Tiago & Chelikowsky, "Self-consistent-field calculations using Chebyshev-filtered subspace iteration", 2006.
    """
    rank = min(rank, *matrix.shape)
    width = min(rank + 12, *matrix.shape)
    basis, rng = np.empty((matrix.shape[1], width), dtype=np.float32), np.random.default_rng(seed)
    for block in _blocks(len(basis)):
        basis[block] = rng.standard_normal(basis[block].shape)  # drawn in double precision
    values, basis = _power_step(matrix, basis)
    for _ in range(rounds):
        basis = _filtered(matrix, basis, float(values[0]) ** 2, float(values[-1]) ** 2)
        _orthonormalise(basis)
        values, basis = _power_step(matrix, basis)
    values, axes = values[::-1][:rank], basis[:, ::-1][:, :rank]
    signs = np.where(axes.max(axis=0) >= -axes.min(axis=0), 1, -1)
    return values.astype(np.float32), axes * signs.astype(np.float32)


def _power_step(matrix: Any, basis: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Singular values (r,) on the space that a basis (d, r) is mapped to and back, the least first, and its axes."""
    left = np.asarray(matrix @ basis, dtype=np.float32)
    _orthonormalise(left)
    axes = np.asarray(matrix.T @ left, dtype=np.float32)
    return _orthonormalise(axes), axes


def _filtered(matrix: Any, basis: FloatArray, least: float, largest: float) -> FloatArray:
    """A Chebyshev polynomial of ``matrix.T @ matrix`` times a basis (d, r).

    Eigenvalues up to ``least`` stay small, those above grow the faster the larger they are. The degree is such that
    the largest does not drown the others in single precision.
    """
    if least <= DEPENDENT * largest:  # the basis holds all that there is
        return basis
    middle = np.float32(least / 2)

    def shifted(columns: FloatArray) -> FloatArray:
        made = np.asarray(matrix.T @ np.asarray(matrix @ columns, dtype=np.float32), dtype=np.float32)
        made -= middle * columns
        made /= middle
        return made

    growth = float(
        np.arccosh(np.maximum(largest / middle - 1, np.float32(1.0)))
    )  # of the largest, by degree; 0 where all are alike
    degree = int(np.clip(np.arccosh(MOST_GROWTH) / growth, 1, MOST_DEGREE)) if growth else MOST_DEGREE
    before, made = basis, shifted(basis)
    for _ in range(degree - 1):
        following = shifted(made)
        following *= 2
        following -= before
        before, made = made, following
    return made


def _blocks(rows: int) -> list[slice]:
    """So many rows, :data:`ROWS_AT_ONCE` at a time."""
    return [slice(start, start + ROWS_AT_ONCE) for start in range(0, rows, ROWS_AT_ONCE)]


def _orthonormalise(tall: FloatArray) -> FloatArray:
    """Turns a tall matrix (n, r), where it stands, into its left singular vectors; gives its singular values (r,).

    The least comes first, and where columns depend on each other, values and vectors are zero. By the eigenvectors of
    the small Gram matrix: many times faster than a singular value decomposition or a threaded QR, and in no more room.
    """
    blocks = _blocks(len(tall))
    gram = np.zeros((tall.shape[1], tall.shape[1]))
    for block in blocks:
        columns = np.asarray(tall[block], dtype=np.float64)
        gram += columns.T @ columns
    values, vectors = np.linalg.eigh(gram)
    independent = values > DEPENDENT * max(float(values[-1]), EPSILON)
    lengths: FloatArray = np.sqrt(np.where(independent, values, 0.0))
    turn = vectors * np.where(independent, 1.0 / np.where(independent, lengths, 1.0), 0.0)
    for block in blocks:
        tall[block] = np.asarray(tall[block], dtype=np.float64) @ turn
    return lengths


def principal_axes(vectors: FloatArray, mask: BoolArray, dim: int) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Mean (d,), the leading principal axes (k, d) and the standard deviation along each (k,) of the rows present."""
    present = vectors[mask].astype(np.float32, copy=False)
    if not len(present):
        raise ValueError("no row is present")
    mean = present.mean(axis=0)
    present -= mean
    values, axes = np.linalg.eigh((present.T @ present / len(present)).astype(np.float64))
    order = np.argsort(values)[::-1][: min(dim, len(values))]
    axes = axes[:, order].T
    signs = np.sign(axes[np.arange(len(axes)), np.abs(axes).argmax(axis=1)])
    spread = np.sqrt(np.maximum(values[order], 0.0))
    return mean, (axes * signs[:, None]).astype(np.float32), spread.astype(np.float32)


@dataclass(frozen=True)
class Whitening:
    """A fixed linear map from an encoder's vectors to unit vectors of ``dim`` whitened principal axes."""

    mean: FloatArray  # (d,)
    axes: FloatArray  # (dim, d), each divided by the spread along it; zero rows where there are fewer axes

    @classmethod
    def fit(cls, vectors: FloatArray, mask: BoolArray, dim: int) -> Whitening:
        """Learns the map from the rows (n, d) that ``mask`` marks."""
        mean, axes, spread = principal_axes(unit_rows(vectors), mask, dim)
        scaled = np.zeros((dim, vectors.shape[1]), dtype=np.float32)
        scaled[: len(axes)] = (
            axes / np.maximum(spread, LEAST_SPREAD * max(float(spread.max(initial=0.0)), EPSILON))[:, None]
        )
        return cls(mean, scaled)

    def apply(self, vectors: FloatArray, mask: BoolArray | None = None) -> FloatArray:
        """Whitened unit rows (n, dim) of vectors (n, d); zero where ``mask`` is False."""
        reduced = np.empty((len(vectors), len(self.axes)), dtype=np.float32)
        for block in _blocks(len(vectors)):
            turned = np.asarray((unit_rows(vectors[block]) - self.mean) @ self.axes.T, dtype=np.float32)
            reduced[block] = unit_rows(turned)
        if mask is not None:
            reduced[~mask] = 0.0
        return reduced


class GrowingRows:
    """Rows that can be replaced and added to; room for more is kept, so that growing seldom copies.

    ``rows`` is the array (n, ...) itself. After growing it is another object, so it is asked for anew each time.
    """

    def __init__(self, rows: npt.NDArray[Any]):
        self._room = self.rows = rows

    def put(self, places: IntArray, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Writes values (k, ...) to rows (k,), which may lie behind the end; rows between are zero."""
        n = max(len(self.rows), int(places.max(initial=-1)) + 1)
        if n > len(self._room):
            room = np.zeros((n + n // 4 + 64, *self.rows.shape[1:]), dtype=self.rows.dtype)
            room[: len(self.rows)] = self.rows
            self._room = room
        if not self._room.flags.writeable:
            self._room = self._room.copy()
        self.rows = self._room[:n]
        self.rows[places] = values
        return self.rows


def nth_largest(scores: npt.NDArray[Any], n: int) -> npt.NDArray[Any]:
    """The ``n``-th largest number (b,) of each row of scores (b, width), none of them NaN.

    No number below the ``n``-th largest of the maxima of groups can be it, which leaves few to choose from: ten times
    as fast as choosing from the whole of a long row, and a hundred times where most of it is the same number.
    """
    rows, width = scores.shape
    groups = max(2 * n, LEAST_GROUPS)
    size = width // groups
    if size < LEAST_GROUP:
        least: npt.NDArray[Any] = np.partition(scores, -n, axis=1)[:, -n]
        return least
    maxima = scores[:, : size * groups].reshape(rows, size, groups).max(axis=1)
    least = np.partition(maxima, -n, axis=1)[:, -n].copy()
    for row in range(rows):
        above = scores[row][scores[row] > least[row]]
        if len(above) >= n:
            least[row] = np.partition(above, -n)[-n]
    return least


def best_columns(scores: npt.NDArray[Any], k: int) -> IntArray:
    """The ``k`` best columns (b, k) of each row of scores (b, width), by number; of equal ones those in front.

    All columns where there are no more.
    """
    k = min(k, scores.shape[1])
    columns = np.empty((len(scores), k), dtype=np.int64)
    if k in (0, scores.shape[1]):
        columns[:] = np.arange(k)
        return columns
    for row, least in enumerate(nth_largest(scores, k)):
        picks = np.flatnonzero(scores[row] >= least)
        if len(picks) > k:
            above, level = np.flatnonzero(scores[row] > least), np.flatnonzero(scores[row] == least)
            picks = np.sort(np.concatenate([above, level[: k - len(above)]]))
        columns[row] = picks
    return columns
