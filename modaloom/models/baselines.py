"""Strong simple rankers that a learned model has to beat."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, Self

import numpy as np
import scipy.sparse as sp

from modaloom.errors import MissingExtraError, TrainingError
from modaloom.models.behaviour import decayed_counts, history_matrix, interaction_matrix
from modaloom.models.linear import Ease
from modaloom.numerics import arcsinh_zscore, unit_rows
from modaloom.types import FloatArray, Histories, Scorer, Snapshot


class Popularity:
    """The same list for everybody: items by their recent target events."""

    name = "popularity"
    seeded = False

    def __init__(self, *, half_life_days: float = 30.0):
        self.half_life_days = half_life_days
        self._scores: FloatArray = np.zeros(0, dtype=np.float32)

    def fit(self, snapshot: Snapshot) -> Self:
        """Counts."""
        self._scores = decayed_counts(snapshot, self.half_life_days)
        return self

    def score(self, histories: Histories) -> FloatArray:
        """Scores (b, n), equal in every row."""
        return np.tile(self._scores, (len(histories), 1))


class Newest:
    """The same list for everybody: the newest items first, by date or else by release rank."""

    name = "newest"
    seeded = False

    def __init__(self) -> None:
        self._scores: FloatArray = np.zeros(0, dtype=np.float32)

    def fit(self, snapshot: Snapshot) -> Self:
        """Reads the release dates.

        Raises:
            TrainingError: the shop has neither dates nor ranks.
        """
        for column in ("released_at", "release_rank"):
            if snapshot.items[column].null_count() < snapshot.n_items:
                ranks = snapshot.items[column].rank("dense").fill_null(0).to_numpy()
                self._scores = (ranks / max(ranks.max(), 1)).astype(np.float32)
                return self
        raise TrainingError("the shop has no release dates", hint="Map released_at or release_rank in shop.toml")

    def score(self, histories: Histories) -> FloatArray:
        """Scores (b, n), equal in every row."""
        return np.tile(self._scores, (len(histories), 1))


class Repurchase:
    """What the shopper had before, most recent first, then the popular items."""

    name = "repurchase"
    seeded = False

    def __init__(self, *, half_life_days: float = 60.0, popularity_half_life_days: float = 30.0):
        self.half_life_days = half_life_days
        self._popularity = Popularity(half_life_days=popularity_half_life_days)

    def fit(self, snapshot: Snapshot) -> Self:
        """Counts popularity; the shopper's own past comes with the question."""
        self._popularity.fit(snapshot)
        return self

    def score(self, histories: Histories) -> FloatArray:
        """Scores (b, n)."""
        scores = self._popularity.score(histories)
        scores /= max(float(scores.max(initial=0.0)), 1e-9) * 2
        own = history_matrix(histories, scores.shape[1], self.half_life_days).tocoo()
        scores[own.row, own.col] += 1.0 + own.data
        return scores


class ItemKnn:
    """Items that the same people had, by shrunken cosine over co-occurrence."""

    name = "item-knn"
    seeded = False

    def __init__(self, *, neighbours: int = 200, shrink: float = 5.0, half_life_days: float = 120.0):
        self.neighbours = neighbours
        self.shrink = shrink
        self.half_life_days = half_life_days
        self._weights = sp.csr_matrix((0, 0), dtype=np.float32)

    def fit(self, snapshot: Snapshot) -> Self:
        """Builds the sparse item-item matrix."""
        seen = interaction_matrix(snapshot)
        together = (seen.T @ seen).tocsr()
        scale = sp.diags(1.0 / np.sqrt(together.diagonal() + self.shrink))
        together.setdiag(0.0)
        together.eliminate_zeros()
        self._weights = keep_largest_per_row((scale @ together @ scale).tocsr(), self.neighbours).astype(np.float32)
        return self

    def score(self, histories: Histories) -> FloatArray:
        """Scores (b, n)."""
        past = history_matrix(histories, self._weights.shape[0], self.half_life_days)
        return np.asarray((past @ self._weights).todense(), dtype=np.float32)


def keep_largest_per_row(matrix: sp.csr_matrix, keep: int) -> sp.csr_matrix:
    """The ``keep`` largest entries of each row of a sparse matrix."""
    lengths = np.diff(matrix.indptr)
    rows = np.repeat(np.arange(matrix.shape[0]), lengths)
    order = np.lexsort((-matrix.data, rows))
    place = np.arange(len(order)) - np.repeat(matrix.indptr[:-1], lengths)
    kept = order[place < keep]
    return sp.csr_matrix((matrix.data[kept], (rows[kept], matrix.indices[kept])), shape=matrix.shape)


class ContentKnn:
    """Items whose content is near the mean of what the shopper had; several modalities by mean z-score."""

    seeded = False

    def __init__(self, *modalities: str, half_life_days: float = 30.0):
        self.modalities = modalities
        self.name = "content-knn" if len(modalities) != 1 else f"content-knn-{modalities[0]}"
        self.half_life_days = half_life_days
        self._vectors: dict[str, FloatArray] = {}

    def fit(self, snapshot: Snapshot) -> Self:
        """Centres the content vectors.

        Raises:
            TrainingError: the shop lacks the modality.
        """
        wanted = self.modalities or tuple(snapshot.tokens)
        missing = [modality for modality in wanted if modality not in snapshot.tokens]
        if missing or not wanted:
            raise TrainingError(
                f"the shop has no {', '.join(missing) or 'content'} vectors",
                hint=f"It has: {', '.join(snapshot.tokens) or 'none'}",
            )
        self._vectors = {modality: centred_units(snapshot, modality) for modality in wanted}
        return self

    def score(self, histories: Histories) -> FloatArray:
        """Scores (b, n): cosine, or the mean of per-shopper z-scores of the cosines."""
        parts = []
        for vectors in self._vectors.values():
            past = history_matrix(histories, len(vectors), self.half_life_days)
            parts.append(unit_rows(np.asarray(past @ vectors, dtype=np.float32)) @ vectors.T)
        if len(parts) == 1:
            return parts[0]
        mean: FloatArray = np.mean([arcsinh_zscore(part) for part in parts], axis=0, dtype=np.float32)
        return mean


def centred_units(snapshot: Snapshot, modality: str) -> FloatArray:
    """Unit vectors (n, d) of one modality around the catalogue's mean; zero where it is missing."""
    tokens = snapshot.tokens[modality]
    vectors = unit_rows(tokens.vectors)
    vectors = vectors - vectors[tokens.mask].mean(axis=0)
    vectors[~tokens.mask] = 0.0
    return unit_rows(vectors)


class _Factors:
    """Matrix factorisation by the package ``implicit``; shoppers are folded in from their histories."""

    seeded = True
    name = "factors"

    def __init__(self, *, dim: int = 64, regularisation: float = 0.05, epochs: int = 15, seed: int = 0):
        self.dim = dim
        self.regularisation = regularisation
        self.epochs = epochs
        self.seed = seed
        self._model: Any = None
        self._n_items = 0

    def _make(self) -> Any:
        raise NotImplementedError

    def fit(self, snapshot: Snapshot) -> Self:
        """Learns the factors.

        Raises:
            MissingExtraError: ``implicit`` is not installed.
        """
        seen = interaction_matrix(snapshot)
        self._n_items = snapshot.n_items
        with warnings.catch_warnings():
            # The package advises environment variables that a library has no business to set.
            warnings.filterwarnings("ignore", message="OpenBLAS is configured", category=RuntimeWarning)
            self._model = self._make()
            self._model.fit(seen, show_progress=False)
        return self

    def _user_factors(self, histories: Histories) -> FloatArray:
        raise NotImplementedError

    def score(self, histories: Histories) -> FloatArray:
        """Scores (b, n)."""
        return np.asarray(self._user_factors(histories) @ np.asarray(self._model.item_factors).T, dtype=np.float32)


def _implicit(purpose: str) -> Any:
    try:
        import implicit
    except ImportError as error:
        raise MissingExtraError("implicit", "evaluate", f"The baseline {purpose!r}") from error
    return implicit


class ImplicitAls(_Factors):
    """Implicit alternating least squares (iALS).

    Source: Hu, Koren & Volinsky, "Collaborative Filtering for Implicit Feedback Datasets", 2008.
    """

    name = "ials"

    def __init__(
        self, *, dim: int = 64, regularisation: float = 0.05, epochs: int = 15, alpha: float = 10.0, seed: int = 0
    ):
        super().__init__(dim=dim, regularisation=regularisation, epochs=epochs, seed=seed)
        self.alpha = alpha

    def _make(self) -> Any:
        als = _implicit(self.name).als.AlternatingLeastSquares
        return als(
            factors=self.dim,
            regularization=self.regularisation,
            alpha=self.alpha,
            iterations=self.epochs,
            random_state=self.seed,
        )

    def _user_factors(self, histories: Histories) -> FloatArray:
        past = history_matrix(histories, self._n_items)
        result: FloatArray = np.asarray(self._model.recalculate_user(np.arange(len(histories)), past), dtype=np.float32)
        return result


class BprMf(_Factors):
    """Matrix factorisation with a pairwise ranking loss; unknown shoppers get the mean of their items' factors.

    Source: Rendle et al., "BPR: Bayesian Personalized Ranking from Implicit Feedback", 2009.
    """

    name = "bpr-mf"

    def __init__(
        self, *, dim: int = 64, regularisation: float = 0.01, epochs: int = 100, rate: float = 0.05, seed: int = 0
    ):
        super().__init__(dim=dim, regularisation=regularisation, epochs=epochs, seed=seed)
        self.rate = rate

    def _make(self) -> Any:
        bpr = _implicit(self.name).bpr.BayesianPersonalizedRanking
        return bpr(
            factors=self.dim,
            regularization=self.regularisation,
            learning_rate=self.rate,
            iterations=self.epochs,
            random_state=self.seed,
            num_threads=1,  # more threads race, and the same seed would give other numbers
        )

    def _user_factors(self, histories: Histories) -> FloatArray:
        known = np.asarray(self._model.user_factors, dtype=np.float32)
        past = history_matrix(histories, self._n_items)
        size = np.maximum(np.asarray(past.sum(axis=1)), 1e-9)
        folded = np.asarray(past @ np.asarray(self._model.item_factors), dtype=np.float32) / size
        is_known = (histories.user_nums >= 0)[:, None]
        return np.where(is_known, known[np.maximum(histories.user_nums, 0)], folded).astype(np.float32)


BASELINES: dict[str, Callable[..., Scorer]] = {
    "popularity": lambda seed=0: Popularity(),
    "newest": lambda seed=0: Newest(),
    "repurchase": lambda seed=0: Repurchase(),
    "item-knn": lambda seed=0: ItemKnn(),
    "content-knn-image": lambda seed=0: ContentKnn("image"),
    "content-knn-text": lambda seed=0: ContentKnn("text"),
    "content-knn-attributes": lambda seed=0: ContentKnn("attributes"),
    "content-knn": lambda seed=0: ContentKnn(),
    "bpr-mf": lambda seed=0: BprMf(seed=seed),
    "ials": lambda seed=0: ImplicitAls(seed=seed),
    "ease": lambda seed=0: Ease(),
}
"""Every baseline by the name that ``modaloom evaluate --models`` takes, made from a seed."""
