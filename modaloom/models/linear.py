"""Closed-form item-item models: EASE."""

from __future__ import annotations

from typing import Self

import numpy as np
import scipy.linalg
import scipy.sparse as sp

from modaloom.errors import TrainingError
from modaloom.models.behaviour import history_matrix, interaction_matrix
from modaloom.types import FloatArray, Histories, IntArray, Snapshot

MAX_DENSE_ITEMS = 30_000


class Ease:
    """Embarrassingly shallow autoencoder: each item's score is a ridge regression on all other items.

    Only items with a past take part, so the cost grows with those alone. Keeps the ``keep`` largest
    weights of each item.

    Source: Steck, "Embarrassingly Shallow Autoencoders for Sparse Data", 2019.
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
            TrainingError: too many items have a past for a dense solution.
        """
        seen = interaction_matrix(snapshot)
        self._n_items = snapshot.n_items
        self._active = np.flatnonzero(np.asarray(seen.sum(axis=0)).ravel() > 0)
        if len(self._active) > MAX_DENSE_ITEMS:
            raise TrainingError(
                f"EASE needs a dense matrix of {len(self._active):,} x {len(self._active):,} numbers",
                hint=f"It is offered up to {MAX_DENSE_ITEMS:,} items with a past; leave it out of --models",
            )
        active = seen[:, self._active]
        gram = np.asarray((active.T @ active).todense(), dtype=np.float32)
        gram[np.diag_indices_from(gram)] += self.ridge
        inverse = _inverse(gram)
        weights = -inverse / np.diag(inverse)
        np.fill_diagonal(weights, 0.0)
        self._weights = _largest_per_column(weights, self.keep)
        return self

    def score(self, histories: Histories) -> FloatArray:
        """Scores (b, n)."""
        past = history_matrix(histories, self._n_items)[:, self._active]
        scores = np.zeros((len(histories), self._n_items), dtype=np.float32)
        scores[:, self._active] = np.asarray((past @ self._weights).todense())
        return scores

    def state(self) -> dict[str, np.ndarray]:  # type: ignore[type-arg]
        """Everything learned, as plain arrays."""
        weights = self._weights.tocsr()
        return {
            "active": self._active,
            "indptr": weights.indptr,
            "indices": weights.indices,
            "data": weights.data,
            "n_items": np.array([self._n_items]),
        }

    def restore(self, state: dict[str, np.ndarray]) -> Self:  # type: ignore[type-arg]
        """Takes over what :meth:`state` gave."""
        self._active = state["active"]
        size = len(self._active)
        self._weights = sp.csr_matrix((state["data"], state["indices"], state["indptr"]), shape=(size, size))
        self._n_items = int(state["n_items"][0])
        return self


def _inverse(gram: FloatArray) -> FloatArray:
    """Inverse of a positive definite matrix by its Cholesky factor: half the work of a general inverse."""
    factor, info = scipy.linalg.lapack.spotrf(gram, lower=True, overwrite_a=True)
    if info:
        raise TrainingError("the item-item matrix is not positive definite", hint="Use a larger ridge")
    inverse, _ = scipy.linalg.lapack.spotri(factor, lower=True, overwrite_c=True)
    inverse = np.tril(inverse)
    result: FloatArray = inverse + np.tril(inverse, -1).T
    return result


def _largest_per_column(weights: FloatArray, keep: int) -> sp.csr_matrix:
    size = len(weights)
    if size <= keep:
        return sp.csr_matrix(weights)
    rows = np.argpartition(-np.abs(weights), keep, axis=0)[:keep]
    columns = np.broadcast_to(np.arange(size), rows.shape)
    return sp.csr_matrix((weights[rows, columns].ravel(), (rows.ravel(), columns.ravel())), shape=(size, size))
