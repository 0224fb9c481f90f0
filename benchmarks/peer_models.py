"""Other people's recommenders behind our contract: each class is one package's model as a Scorer.

A model that cannot read a shopper's past when asked gives the factors that it learned for that shopper by number.
Every class takes the package's own parameters by the package's own names, so that its documentation applies.
Packages are imported when a model is fitted; one that is absent says so.
"""

from __future__ import annotations

import contextlib
import io
import warnings
from collections import OrderedDict
from typing import Any, Self

import numpy as np
import polars as pl
import scipy.sparse as sp
from threadpoolctl import threadpool_limits

from modaloom.data.splits import Split
from modaloom.learning import LearnOptions, model_factories
from modaloom.models.behaviour import history_matrix, interaction_matrix
from modaloom.types import FloatArray, Histories, IntArray, Snapshot

Params = dict[str, Any]
THREADS = 2
"""Threads that packages may use that have an own setting for it; the runner limits all others."""


class Peer:
    """What the adapters share: the name, the package's parameters, and what was learned."""

    name = "peer"
    seeded = True

    def __init__(self, seed: int = 0, **params: Any):
        self.seed = seed
        self.params = params
        self._n_items = 0

    def fit(self, snapshot: Snapshot) -> Self:
        """Learns from the past in a quiet room: progress bars and advice go nowhere."""
        self._n_items = snapshot.n_items
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self._fit(snapshot)
        return self

    def _fit(self, snapshot: Snapshot) -> None:
        raise NotImplementedError

    def score(self, histories: Histories) -> FloatArray:
        """Scores (b, n)."""
        raise NotImplementedError


class Ours(Peer):
    """The whole of Modaloom with its defaults, asked by its own batched ``recommend``."""

    name = "modaloom"

    def _fit(self, snapshot: Snapshot) -> None:
        self._model = model_factories(("modaloom",), LearnOptions())["modaloom"](self.seed).fit(snapshot)

    def lists(self, split: Split, n: int) -> IntArray:
        """Lists (b, n), -1 where there are no more."""
        snapshot = split.snapshot
        ranker: Any = self._model.ranker  # type: ignore[attr-defined]
        found: IntArray = ranker.recommend(
            snapshot.histories(split.user_nums),
            n,
            allowed=None if snapshot.catalogue.all() else snapshot.catalogue,
            hidden=interaction_matrix(snapshot)[split.user_nums] if snapshot.exclude_seen else None,
            threads=THREADS,
        ).items
        return found

    def score(self, histories: Histories) -> FloatArray:
        """Scores (b, n)."""
        return self._model.score(histories)


class Factored(Peer):
    """A model that ends in factors: score = user . item + bias. Strangers get the bias alone."""

    _users: FloatArray
    _items: FloatArray
    _bias: FloatArray | None = None

    def score(self, histories: Histories) -> FloatArray:
        """Scores (b, n) by the shoppers' numbers."""
        known = histories.user_nums >= 0
        users = self._users[np.maximum(histories.user_nums, 0)] * known[:, None]
        scores = users @ self._items.T
        if self._bias is not None:
            scores += self._bias
        return np.asarray(scores, dtype=np.float32)


class Implicit(Peer):
    """A model of ``implicit``, asked by the package's own batched, compiled ``recommend``."""

    _model: Any = None
    _seen = sp.csr_matrix((0, 0), dtype=np.float32)

    def _make(self) -> Any:
        raise NotImplementedError

    def _fit(self, snapshot: Snapshot) -> None:
        self._seen = interaction_matrix(snapshot)
        # The package asks for this itself: its own threads and those of the linear algebra fight otherwise.
        with threadpool_limits(1, "blas"):
            self._model = self._make()
            self._model.fit(self._seen, show_progress=False)

    def lists(self, split: Split, n: int) -> IntArray:
        """Lists (b, n), -1 where there are no more."""
        with threadpool_limits(1, "blas"):
            found, _ = self._model.recommend(
                split.user_nums,
                self._seen[split.user_nums],
                N=n,
                filter_already_liked_items=split.snapshot.exclude_seen,
            )
        return np.asarray(found, dtype=np.int64)

    def score(self, histories: Histories) -> FloatArray:
        """Scores (b, n)."""
        users = np.asarray(self._model.user_factors)[histories.user_nums]
        return np.asarray(users @ np.asarray(self._model.item_factors).T, dtype=np.float32)


class ImplicitAls(Implicit):
    """``implicit.als.AlternatingLeastSquares``."""

    name = "implicit-als"

    def _make(self) -> Any:
        from implicit.cpu.als import AlternatingLeastSquares

        return AlternatingLeastSquares(random_state=self.seed, num_threads=THREADS, **self.params)


class ImplicitBpr(Implicit):
    """``implicit.bpr.BayesianPersonalizedRanking``."""

    name = "implicit-bpr"

    def _make(self) -> Any:
        from implicit.cpu.bpr import BayesianPersonalizedRanking

        return BayesianPersonalizedRanking(random_state=self.seed, num_threads=THREADS, **self.params)


class ImplicitItemKnn(Implicit):
    """``implicit.nearest_neighbours``: cosine, TF-IDF or BM25 by the parameter ``kind``."""

    name = "implicit-item-knn"
    seeded = False

    def _make(self) -> Any:
        from implicit import nearest_neighbours as knn

        params = dict(self.params)
        kinds = {"cosine": knn.CosineRecommender, "tfidf": knn.TFIDFRecommender, "bm25": knn.BM25Recommender}
        return kinds[params.pop("kind", "cosine")](num_threads=THREADS, **params)

    def score(self, histories: Histories) -> FloatArray:
        """Scores (b, n)."""
        return np.asarray((history_matrix(histories, self._n_items) @ self._model.similarity).todense(), np.float32)


class IrspackIals(Peer):
    """``irspack.IALSRecommender``."""

    name = "irspack-ials"
    _model: Any = None

    def _fit(self, snapshot: Snapshot) -> None:
        from irspack import IALSRecommender

        seen = interaction_matrix(snapshot)
        self._model = IALSRecommender(seen, random_seed=self.seed, n_threads=THREADS, **self.params).learn()

    def score(self, histories: Histories) -> FloatArray:
        """Scores (b, n)."""
        return np.asarray(self._model.get_score(histories.user_nums), dtype=np.float32)


class IrspackEase(Peer):
    """``irspack.DenseSLIMRecommender`` (EASE) over the items that were ever bought: all others have weight zero."""

    name = "irspack-ease"
    seeded = False
    _model: Any = None
    _active: IntArray = np.zeros(0, dtype=np.int64)

    def _make(self, seen: sp.csr_matrix) -> Any:
        from irspack import DenseSLIMRecommender

        return DenseSLIMRecommender(seen, **self.params)

    def _fit(self, snapshot: Snapshot) -> None:
        seen = interaction_matrix(snapshot)
        self._active = np.flatnonzero(np.asarray(seen.sum(axis=0)).ravel() > 0)
        self._model = self._make(seen[:, self._active].tocsr()).learn()

    def score(self, histories: Histories) -> FloatArray:
        """Scores (b, n)."""
        active = np.asarray(self._model.get_score(histories.user_nums), dtype=np.float32)
        if len(self._active) == self._n_items:
            return active
        scores = np.zeros((len(histories), self._n_items), dtype=np.float32)
        scores[:, self._active] = active
        return scores


class IrspackRp3Beta(IrspackEase):
    """``irspack.RP3betaRecommender``, a random walk with a fine for the popular."""

    name = "irspack-rp3beta"

    def _make(self, seen: sp.csr_matrix) -> Any:
        from irspack import RP3betaRecommender

        return RP3betaRecommender(seen, n_threads=THREADS, **self.params)


def cornac_set(snapshot: Snapshot) -> Any:
    """The log as a ``cornac.data.Dataset`` whose numbers are ours, never-sold items included."""
    from cornac.data import Dataset

    seen = interaction_matrix(snapshot).tocoo()
    users, items = (OrderedDict((num, num) for num in range(size)) for size in seen.shape)
    triples = list(zip(seen.row.tolist(), seen.col.tolist(), seen.data.tolist(), strict=True))
    return Dataset.build(triples, global_uid_map=users, global_iid_map=items, seed=0)


class CornacBpr(Factored):
    """``cornac.models.BPR``."""

    name = "cornac-bpr"

    def _fit(self, snapshot: Snapshot) -> None:
        from cornac.models import BPR

        # A seed would force one thread, so that there is none; runs differ a little.
        model = BPR(num_threads=THREADS, **self.params).fit(cornac_set(snapshot))
        self._users, self._items, self._bias = model.u_factors, model.i_factors, model.i_biases


class CornacVbpr(Factored):
    """``cornac.models.VBPR`` on the pictures' vectors, each of length one."""

    name = "cornac-vbpr"

    def _fit(self, snapshot: Snapshot) -> None:
        from cornac.data import ImageModality
        from cornac.models import VBPR

        log = cornac_set(snapshot)
        pictures = snapshot.tokens["image"].vectors
        lengths = np.maximum(np.linalg.norm(pictures, axis=1, keepdims=True), 1e-9)
        log.add_modalities(item_image=ImageModality(features=pictures / lengths).build())
        model = VBPR(verbose=False, seed=self.seed, **self.params).fit(log)
        self._users = np.hstack([model.gamma_user, model.theta_user])
        self._items = np.hstack([model.gamma_item, model.theta_item])
        self._bias = model.beta_item + model.visual_bias


class Mmrec(Peer):
    """A model of ``multimodal-recommender`` (module ``mmrec``) with our picture and word vectors as its features."""

    model_name = "VBPR"
    modalities: tuple[str, ...] = ("image", "text")
    has_seed = True
    _model: Any = None
    _pasts: dict[int, set[int]]

    def _fit(self, snapshot: Snapshot) -> None:
        import pandas as pd
        from mmrec.config import ColumnConfig
        from mmrec.data import DatasetBundle
        from mmrec.registry import ModelRegistry

        columns = ["user_num", "item_num", "timestamp"]
        log = snapshot.targets().select(columns).unique(["user_num", "item_num"], keep="last", maintain_order=True)
        frame = pd.DataFrame({name: log[name].cast(pl.Int64).to_list() for name in columns})
        items = pd.DataFrame({"item_num": range(snapshot.n_items)})
        for modality in self.modalities:
            items[modality] = list(snapshot.tokens[modality].vectors)
        declared = {"item": {"embedding": list(self.modalities)}} if self.modalities else {}
        bundle = DatasetBundle(frame, None, items, declared, {})
        more = {"random_state": self.seed} if self.has_seed else {}
        names = ColumnConfig("user_num", "item_num", "timestamp" if frame["timestamp"].any() else None)
        self._model = ModelRegistry().create(self.model_name, names, **more, **self.params)
        self._model.fit(frame, bundle)
        assert self._model.items == list(range(snapshot.n_items))

    def score(self, histories: Histories) -> FloatArray:
        """Scores (b, n)."""
        users = histories.user_nums.tolist()
        pasts = {user: set(histories.of(row).tolist()) for row, user in enumerate(users)}
        return np.asarray(self._model.score_all_users(users, pasts), dtype=np.float32)


class MmrecItemCf(Mmrec):
    """Its item-item collaborative filter; its dictionaries are asked as a sparse matrix, which is faster."""

    name = "mmrec-itemcf"
    model_name = "ItemCF"
    modalities = ()
    has_seed = False
    seeded = False

    def _fit(self, snapshot: Snapshot) -> None:
        super()._fit(snapshot)
        n = snapshot.n_items
        cells = [
            (row, column, value) for row, near in self._model.similarities.items() for column, value in near.items()
        ]
        rows, columns, values = zip(*cells, strict=True) if cells else ((), (), ())
        self._weights = sp.csr_matrix((np.array(values, np.float32), (rows, columns)), shape=(n, n))
        self._prior = np.array([self._model.popularity.get(item, 0.0) for item in range(n)], np.float32) * 1e-6

    def score(self, histories: Histories) -> FloatArray:
        """Scores (b, n)."""
        near = np.asarray((history_matrix(histories, self._n_items) @ self._weights).todense(), np.float32)
        return near + self._prior


class MmrecLightGcn(Mmrec):
    """Its LightGCN, on ids alone."""

    name = "mmrec-lightgcn"
    model_name = "LightGCN"
    modalities = ()


class MmrecVbpr(Mmrec):
    """Its VBPR."""

    name = "mmrec-vbpr"


class MmrecFreedom(Mmrec):
    """Its FREEDOM."""

    name = "mmrec-freedom"
    model_name = "FREEDOM"


class MmrecBm3(Mmrec):
    """Its BM3."""

    name = "mmrec-bm3"
    model_name = "BM3"


class MmrecLateFusionKnn(Mmrec):
    """Its mean of content kNNs."""

    name = "mmrec-late-fusion-knn"
    model_name = "MultiModalLateFusionKNN"
    has_seed = False
    seeded = False


class MmrecItemKnn(MmrecLateFusionKnn):
    """Its content kNN over all vectors side by side."""

    name = "mmrec-item-knn"
    model_name = "MultiModalItemKNN"
