"""Closed-form item-item models: EASE."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import scipy.linalg
import scipy.sparse as sp

from modaloom.errors import TrainingError
from modaloom.models.behaviour import history_matrix, interaction_matrix
from modaloom.numerics import best_columns
from modaloom.types import FloatArray, Histories, IntArray, Snapshot

MAX_DENSE_ROWS = 30_000
COLUMNS_AT_ONCE = 256
NEGLIGIBLE = 1e-5
"""Weights smaller than this change no ranking worth having."""


class Ease:
    """Embarrassingly shallow autoencoder: each item's score is a ridge regression on all other items.

    Solved over shoppers where they are fewer than the items with a past, and over those items otherwise;
    both give the same weights. Keeps the ``keep`` largest weights of each item.

    Source: Steck, "Embarrassingly Shallow Autoencoders for Sparse Data", 2019; the form over shoppers by
    the Woodbury identity.
    """

    name = "ease"
    seeded = False

    def __init__(self, *, ridge: float = 200.0, keep: int = 400):
        self.ridge = ridge
        self.keep = keep
        self._active: IntArray = np.zeros(0, dtype=np.int64)
        self._weights = sp.csr_matrix((0, 0), dtype=np.float32)
        self._n_items = 0

    def fit(self, snapshot: Snapshot) -> Self:
        """Solves for the weights.

        Raises:
            TrainingError: both shoppers and items with a past are too many for a dense solution.
        """
        seen = interaction_matrix(snapshot)
        seen = seen[np.asarray(seen.sum(axis=1)).ravel() > 0]
        self._n_items = snapshot.n_items
        self._active = np.flatnonzero(np.asarray(seen.sum(axis=0)).ravel() > 0)
        smaller = min(seen.shape[0], len(self._active))
        if smaller > MAX_DENSE_ROWS:
            raise TrainingError(
                f"EASE needs a dense matrix of {smaller:,} x {smaller:,} numbers",
                hint=f"It is offered up to {MAX_DENSE_ROWS:,} shoppers or items with a past; leave it out of --models",
            )
        active = seen[:, self._active].tocsc()
        over_shoppers = active.shape[0] < active.shape[1]
        columns = (
            _columns_over_shoppers(active, self.ridge) if over_shoppers else _columns_over_items(active, self.ridge)
        )
        blocks = [largest_in_columns(block, self.keep) for block in columns]
        self._weights = sp.hstack(blocks, format="csr") if blocks else sp.csr_matrix((0, 0), dtype=np.float32)
        return self

    def score(self, histories: Histories) -> FloatArray:
        """Scores (b, n)."""
        past = history_matrix(histories, self._n_items)[:, self._active]
        scores = np.zeros((len(histories), self._n_items), dtype=np.float32)
        if len(self._active):
            scores[:, self._active] = np.asarray((past @ self._weights).todense())
        return scores

    def state(self) -> dict[str, npt.NDArray[Any]]:
        """Everything learned, as plain arrays."""
        weights = self._weights.tocsr()
        return {
            "active": self._active,
            "indptr": weights.indptr,
            "indices": weights.indices,
            "data": weights.data,
            "n_items": np.array([self._n_items]),
        }

    def restore(self, state: dict[str, npt.NDArray[Any]]) -> Self:
        """Takes over what :meth:`state` gave."""
        self._active = state["active"]
        size = len(self._active)
        self._weights = sp.csr_matrix((state["data"], state["indices"], state["indptr"]), shape=(size, size))
        self._n_items = int(state["n_items"][0])
        return self


def _columns_over_items(active: sp.csc_matrix, ridge: float) -> Iterator[FloatArray]:
    """Blocks of columns of the weights from P, the inverse of X'X + ridge: -P_ij / P_jj."""
    gram = np.asarray((active.T @ active).todense(), dtype=np.float32)
    gram[np.diag_indices_from(gram)] += ridge
    inverse = _inverse(gram)
    diagonal = np.diag(inverse).copy()
    for start in range(0, len(diagonal), COLUMNS_AT_ONCE):
        stop = min(start + COLUMNS_AT_ONCE, len(diagonal))
        block = -inverse[:, start:stop] / diagonal[start:stop]
        block[np.arange(start, stop), np.arange(stop - start)] = 0.0
        yield block


def _columns_over_shoppers(active: sp.csc_matrix, ridge: float) -> Iterator[FloatArray]:
    """The same blocks from K, the inverse of XX' + ridge: (X'KX)_ij / (1 - (X'KX)_jj)."""
    gram = np.asarray((active @ active.T).todense(), dtype=np.float32)
    gram[np.diag_indices_from(gram)] += ridge
    inverse = _inverse(gram)
    for start in range(0, active.shape[1], COLUMNS_AT_ONCE):
        stop = min(start + COLUMNS_AT_ONCE, active.shape[1])
        block = np.asarray(active.T @ (inverse @ active[:, start:stop]), dtype=np.float32)
        places = np.arange(start, stop), np.arange(stop - start)
        block /= 1.0 - block[places]
        block[places] = 0.0
        yield block


def _inverse(gram: FloatArray) -> FloatArray:
    """Inverse of a positive definite matrix, in its own memory, by its Cholesky factor."""
    factor, info = scipy.linalg.lapack.spotrf(gram.T, lower=True, overwrite_a=True)
    if info:
        raise TrainingError("the item-item matrix is not positive definite", hint="Use a larger ridge")
    inverse: FloatArray
    inverse, _ = scipy.linalg.lapack.spotri(factor, lower=True, overwrite_c=True)
    for start in range(0, len(inverse), COLUMNS_AT_ONCE):  # only the lower triangle was filled
        stop = min(start + COLUMNS_AT_ONCE, len(inverse))
        block = inverse[start:stop, start:stop]
        block[:] = np.tril(block) + np.tril(block, -1).T
        inverse[start:stop, stop:] = inverse[stop:, start:stop].T
    return inverse


def largest_in_columns(block: FloatArray, keep: int) -> sp.csc_matrix:
    """The ``keep`` entries of largest size in each column, those of the first rows among equal ones; none near zero."""
    columns = np.ascontiguousarray(block.T)
    rows = best_columns(np.abs(columns), keep)
    values = np.take_along_axis(columns, rows, axis=1)
    kept = np.abs(values) > NEGLIGIBLE
    bounds = np.concatenate([[0], kept.sum(axis=1).cumsum()])
    return sp.csc_matrix((values[kept], rows[kept], bounds), shape=block.shape)


def largest_per_column(block: sp.csc_matrix, keep: int) -> sp.csc_matrix:
    """The ``keep`` entries of largest size in each column; of equal ones those of the first rows."""
    lengths = np.diff(block.indptr)
    if lengths.max(initial=0) <= keep:
        block.sort_indices()
        return block
    size = np.abs(block.data)
    kept = np.ones(len(size), dtype=bool)
    for column in np.flatnonzero(lengths > keep):
        span = slice(block.indptr[column], block.indptr[column + 1])
        own = size[span]
        threshold = np.partition(own, -keep)[-keep]
        chosen = own >= threshold
        too_many = int(np.count_nonzero(chosen)) - keep
        if too_many:
            level = np.flatnonzero(own == threshold)
            chosen[level[np.argsort(block.indices[span][level])][-too_many:]] = False
        kept[span] = chosen
    starts = np.concatenate([[0], np.cumsum(np.minimum(lengths, keep))])
    largest = sp.csc_matrix((block.data[kept], block.indices[kept], starts), shape=block.shape)
    largest.sort_indices()  # what is kept, not the whole block, whose columns may be many times longer
    return largest
