"""What each peer is tried with: a starting point from the literature, the package's defaults, then draws from a grid.

Grids follow the packages' own search ranges where they publish one (irspack's ``default_tune_range``, mmrec's
``TORCH_SEARCH_SPACE``) and Rendle et al., "Revisiting the Performance of iALS on Item Recommendation Benchmarks",
2022, and Ferrari Dacrema et al., "A Troubling Analysis of Reproducibility and Progress in Recommender Systems
Research", 2021, elsewhere. An empty set of parameters is the package's documented default.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import peer_models as models

from modaloom.types import Scorer

Params = dict[str, Any]
LEAST_TRIALS = 2
"""Everybody gets the starting point and the defaults, however long they take."""


@dataclass(frozen=True)
class Entry:
    """One competitor: how it is made, where its search starts, and where it may go."""

    name: str
    package: str
    """The distribution that it comes from."""
    make: Callable[..., Scorer]
    start: Params = field(default_factory=dict)
    grid: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    content: bool = False
    """Whether it needs pictures and words."""
    data: tuple[str, ...] = ("amazon", "hm")
    """Where it takes part: of a package with models for content, those for ids alone only where there are but ids."""
    limit: str = ""
    """The package's own parameter for how many seconds one fit may take; it gets the whole budget for tuning."""

    def trials(self, seed: int) -> Iterator[Params]:
        """Distinct parameters without end of repetition: the start, the defaults, then random points of the grid."""
        seen: list[Params] = []
        for params in (self.start, {}):
            if params not in seen:
                seen.append(params)
                yield dict(params)
        names = list(self.grid)
        size = int(np.prod([len(self.grid[name]) for name in names])) if names else 0
        rng = np.random.default_rng(seed)
        for place in rng.permutation(size):
            params = {}
            for name in names:
                place, step = divmod(int(place), len(self.grid[name]))
                params[name] = self.grid[name][step]
            if params not in seen:
                seen.append(params)
                yield params


@dataclass
class Trial:
    """One set of parameters and what it reached on validation."""

    params: Params
    seconds: float
    value: float = float("-inf")
    """Recall@20 + NDCG@20 on validation, what ours chooses its blend by."""
    error: str = ""
    found: Any = None
    """What the caller keeps of it."""


def search(
    entry: Entry, budget_s: float, seed: int, attempt: Callable[[Params], tuple[float, Any]], most: int = 1_000
) -> list[Trial]:
    """Trials until the budget would be passed by another one as long as the longest; two at least.

    ``attempt`` gives the value on validation and whatever is to be kept with the best trial so far.
    """
    started = time.perf_counter()
    done: list[Trial] = []
    for params in entry.trials(seed):
        spent = time.perf_counter() - started
        longest = max((trial.seconds for trial in done), default=0.0)
        if len(done) >= max(most, 1) or (len(done) >= LEAST_TRIALS and spent + longest > budget_s):
            break
        begun = time.perf_counter()
        trial = Trial(params, 0.0)
        best = max((one.value for one in done), default=float("-inf"))
        try:
            trial.value, found = attempt(params)
            if trial.value > best:
                for one in done:
                    one.found = None
                trial.found = found
        except Exception as error:  # a peer may fail in any way, and the reason is part of the result
            trial.error = f"{type(error).__name__}: {error}"
        trial.seconds = time.perf_counter() - begun
        done.append(trial)
    return done


MMREC = "multimodal-recommender"
GRAPH = {
    "factors": (16, 32, 64, 128),
    "layers": (1, 2, 3),
    "learning_rate": (1e-3, 3e-3, 1e-2),
    "regularization": (1e-5, 1e-4, 1e-3),
    "epochs": (25, 50),
}
PEERS = (
    Entry(
        "implicit-als", "implicit", models.ImplicitAls,
        {"factors": 64, "regularization": 0.05, "alpha": 10.0, "iterations": 15},
        {
            "factors": (32, 64, 128, 256), "regularization": (0.01, 0.1, 1.0, 10.0),
            "alpha": (1.0, 5.0, 20.0, 60.0), "iterations": (15, 30),
        },
    ),
    Entry(
        "implicit-bpr", "implicit", models.ImplicitBpr,
        {"factors": 64, "regularization": 0.01, "learning_rate": 0.05, "iterations": 100},
        {
            "factors": (32, 64, 128, 256), "regularization": (1e-3, 1e-2, 5e-2),
            "learning_rate": (0.01, 0.05, 0.1), "iterations": (50, 100, 200),
        },
    ),
    Entry(
        "implicit-item-knn", "implicit", models.ImplicitItemKnn,
        {"kind": "tfidf", "K": 200},
        {"kind": ("cosine", "tfidf", "bm25"), "K": (20, 50, 100, 200, 500, 1000)},
    ),
    Entry(
        "irspack-ials", "irspack", models.IrspackIals,
        {"n_components": 128, "alpha0": 0.1, "reg": 3e-3},
        {
            "n_components": (32, 64, 128, 256), "alpha0": (0.003, 0.01, 0.03, 0.1, 0.3, 1.0),
            "reg": (1e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1), "train_epochs": (8, 16),
        },
    ),
    Entry(
        "irspack-ease", "irspack", models.IrspackEase,
        {"reg": 400.0}, {"reg": (10.0, 50.0, 100.0, 200.0, 300.0, 800.0, 1600.0)},
    ),
    Entry(
        "irspack-rp3beta", "irspack", models.IrspackRp3Beta,
        {"beta": 0.3, "top_k": 200, "normalize_weight": True},
        {"beta": (1e-3, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5), "top_k": (50, 200, 1000), "normalize_weight": (True, False)},
    ),
    Entry(
        "cornac-bpr", "cornac", models.CornacBpr,
        {"k": 50, "max_iter": 200, "learning_rate": 0.05, "lambda_reg": 0.01},
        {
            "k": (10, 50, 100, 200), "max_iter": (100, 200, 400), "learning_rate": (0.01, 0.05, 0.1),
            "lambda_reg": (1e-3, 1e-2, 3e-2),
        },
    ),
    Entry(
        "cornac-vbpr", "cornac", models.CornacVbpr,
        {"k": 20, "k2": 20, "n_epochs": 20, "batch_size": 512},
        {
            "k": (10, 20, 50), "k2": (10, 20, 50), "n_epochs": (10, 20, 50), "batch_size": (512,),
            "learning_rate": (0.001, 0.005), "lambda_w": (1e-3, 1e-2), "lambda_e": (0.0, 1e-2),
        },
        content=True,
    ),
    Entry(
        "mmrec-itemcf", MMREC, models.MmrecItemCf, {"max_neighbors": 500}, {"max_neighbors": (20, 50, 100)},
        data=("amazon",),
    ),
    Entry(
        "mmrec-lightgcn", MMREC, models.MmrecLightGcn, {"layers": 3, "epochs": 25}, GRAPH,
        data=("amazon",), limit="time_limit",
    ),
    Entry("mmrec-item-knn", MMREC, models.MmrecItemKnn, content=True),
    Entry("mmrec-late-fusion-knn", MMREC, models.MmrecLateFusionKnn, content=True),
    Entry(
        "mmrec-vbpr", MMREC, models.MmrecVbpr,
        {"id_factors": 48, "epochs": 8, "max_training_pairs": 100_000},  # its preset "best_quality"
        {
            "id_factors": (16, 24, 48), "content_factors": (12, 32), "learning_rate": (0.01, 0.02, 0.05, 0.1),
            "epochs": (8, 20, 40), "max_training_pairs": (100_000,),
        },
        content=True,
    ),
    Entry("mmrec-freedom", MMREC, models.MmrecFreedom, {"epochs": 25}, GRAPH, content=True, limit="time_limit"),
    Entry("mmrec-bm3", MMREC, models.MmrecBm3, {"epochs": 25}, GRAPH, content=True, limit="time_limit"),
)  # fmt: skip
"""Everybody whom ours is compared with; the content kNNs of mmrec have nothing to tune."""
