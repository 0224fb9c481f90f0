"""Sparse EASE beside dense EASE: lists, accuracy, time and memory on Amazon and H&M, and growth to a million items.

    python benchmarks/linear.py [--amazon DIR] [--hm DIR] [--sizes 10000 30000 100000 300000 1000000] [--out FILE]

*Amazon Clothing* (train.tsv, val.tsv): the users of val.tsv are split in two by a fixed seed. Defaults were tuned on
the first half; the table is of the second half. Dense EASE has ridge 400. ``overlap`` is the share of dense EASE's list
of 20 that is in the model's list too, over the shoppers whose list ends before dense EASE's scores are zero;
``ndcg_of_first`` is the NDCG of the model's list with dense EASE's as the truth. *H&M*: the 7 windows of 28 days before
the last six; those are not looked at.
*Growth*: as many shoppers as items, 8 purchases each from one of n / 50 styles by a Zipf law, no content.

Every fit runs in a process of its own, so that its peak memory is its own. Intervals are 95 % bootstrap intervals over
shoppers; the gain is paired by shopper.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Self

import numpy as np
import polars as pl

from modaloom.config import load_settings
from modaloom.data.shop import load_shop
from modaloom.data.splits import Split, file_split, rolling_splits
from modaloom.encoders.encode import encode_items
from modaloom.evaluation.protocol import recommend_lists
from modaloom.metrics import bootstrap_interval, ranking_metrics
from modaloom.models.behaviour import history_matrix
from modaloom.models.linear import Ease
from modaloom.models.sparse_linear import SparseLinear, content_neighbours
from modaloom.types import INTERACTION_COLUMNS, BoolArray, Event, FloatArray, Histories, IntArray, Scorer, Snapshot

HERE = Path(__file__).parent
MAPS = HERE.parent / "examples" / "shops"
N = 20
DIM = 64
"""Width of whitened content vectors."""
DENSE = "dense EASE"
PLAIN: dict[str, Any] = {"user_power": 0.0, "walk": 0.0, "keep": 400}
"""With these settings sparse EASE has the aim of dense EASE."""


class SparseScorer:
    """Sparse item-item weights as a model by itself."""

    name, seeded = "sparse-ease", False

    def __init__(self, **settings: Any):
        self._model = SparseLinear(**settings)

    def fit(self, snapshot: Snapshot) -> Self:
        """Solves for the weights."""
        near = content_neighbours(snapshot) if self._model.shrinkage_sales else None
        self.weights = self._model.fit(snapshot, near)
        return self

    def score(self, histories: Histories) -> FloatArray:
        """Scores (b, n)."""
        past = history_matrix(histories, self.weights.shape[0])
        return np.asarray((past @ self.weights).todense(), dtype=np.float32)


@dataclass
class Fitted:
    """What one fit cost and gave."""

    fit_s: float
    cpu_s: float
    peak_mb: int
    lists: IntArray  # (b, n)
    told: BoolArray  # (b,) whether every item of the list has a score above zero, so that its place means something
    weights: int


def fit_alone(make: Callable[[], Scorer], split: Split) -> Fitted:
    """Fits and asks a model in a process of its own."""
    context = multiprocessing.get_context("spawn")
    near, far = context.Pipe(duplex=False)
    process = context.Process(target=_fit, args=(make, split, far))
    process.start()
    far.close()
    made: Fitted = near.recv()
    process.join()
    return made


def _fit(make: Callable[[], Scorer], split: Split, answer: Any) -> None:
    started, cpu = time.perf_counter(), time.process_time()
    model = make().fit(split.snapshot)
    fit_s, cpu_s = time.perf_counter() - started, time.process_time() - cpu
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    lists = recommend_lists(model, split, N) if len(split.user_nums) else np.zeros((0, N), dtype=np.int64)
    weights = model.weights.nnz if isinstance(model, SparseScorer) else 0
    answer.send(Fitted(fit_s, cpu_s, peak_mb, lists, told_apart(model, split, lists), weights))


def told_apart(model: Scorer, split: Split, lists: IntArray) -> BoolArray:
    """Which of the lists (b, n) end before scores are zero: (b,)."""
    histories, told = split.histories(), np.zeros(len(lists), dtype=bool)
    for start in range(0, len(lists), 256):
        some = slice(start, min(start + 256, len(lists)))
        scores = model.score(histories.take(some.start, some.stop))
        told[some] = (lists[some, -1] >= 0) & (scores[np.arange(len(scores)), lists[some, -1]] > 0)
    return told


def amazon_models() -> dict[str, Callable[[], Scorer]]:
    """Dense EASE first: the others are compared with it."""
    return {
        DENSE: partial(Ease, ridge=400.0),
        "sparse EASE, same aim": partial(SparseScorer, ridge=400.0, **PLAIN),
        "without walks": partial(SparseScorer, walk=0.0),
        "without user weights": partial(SparseScorer, user_power=0.0),
        "sparse EASE": SparseScorer,
    }


def hm_models() -> dict[str, Callable[[], Scorer]]:
    """Each ingredient left out in turn."""
    return {
        DENSE: Ease,
        "without shrinkage": SparseScorer,
        "without walks": partial(SparseScorer, walk=0.0, shrinkage_sales=5.0),
        "sparse EASE": partial(SparseScorer, shrinkage_sales=5.0),
    }


def amazon_half(root: Path, half: int, seed: int = 0) -> Split:
    """The question of val.tsv for one half of its users."""
    shop = load_shop(MAPS / "amazon-clothing.toml", root=root, settings=load_settings())
    split = file_split(shop, {}, root / "val.tsv")
    everybody = shop.users["user_id"].cast(pl.Int64).to_numpy()
    ids = everybody[split.user_nums]
    drawn = np.random.default_rng(seed).permutation(np.sort(everybody))  # by id, so that no way of numbering matters
    middle = len(drawn) // 2
    picks = np.flatnonzero(np.isin(ids, drawn[middle:] if half else drawn[:middle]))
    return replace(split, user_nums=split.user_nums[picks], truth=[split.truth[pick] for pick in picks])


def hm_windows(root: Path) -> list[Split]:
    """The windows that may be looked at, with whitened content."""
    from modaloom.learning import Memory  # brings torch, which would be in the memory of every other fit

    settings = load_settings()
    shop = load_shop(MAPS / "hm.toml", root=root, settings=settings)
    tokens = Memory().whitened(encode_items(shop, settings=settings), DIM)
    return list(rolling_splits(shop, tokens, windows=13, window_days=28))[:7]


def compare(splits: Sequence[Split], models: Mapping[str, Callable[[], Scorer]]) -> list[dict[str, Any]]:
    """One row per model, means over all shoppers of all questions; the first model is the one compared with."""
    rows: list[dict[str, Any]] = []
    first: list[Fitted] = []
    base = np.zeros(0)
    for name, make in models.items():
        made = [fit_alone(make, split) for split in splits]
        found = [ranking_metrics(one.lists, split.truth) for one, split in zip(made, splits, strict=True)]
        recall = np.concatenate([values["recall"] for values in found])
        if not first:
            first, base = made, recall
        unsold = [[items[~split.ever_sold[items]] for items in split.truth] for split in splits]
        cold = [ranking_metrics(one.lists, truth)["recall"] for one, truth in zip(made, unsold, strict=True)]
        never_sold = np.concatenate(cold)
        pairs = [(one.lists[dense.told], dense.lists[dense.told]) for one, dense in zip(made, first, strict=True)]
        shared = [overlap(*pair) for pair in pairs]
        alike = np.concatenate([ranking_metrics(own, list(other))["ndcg"] for own, other in pairs])
        row = {
            "model": name,
            "recall": float(recall.mean()),
            "interval": bootstrap_interval(recall),
            "gain": float((recall - base).mean()),
            "gain_interval": bootstrap_interval(recall - base),
            "ndcg": float(np.concatenate([values["ndcg"] for values in found]).mean()),
            "never_sold_recall": float(np.nanmean(never_sold)) if not np.isnan(never_sold).all() else None,
            "overlap": float(np.mean(shared)),
            "ndcg_of_first": float(np.mean(alike)),
            "told_apart": float(np.mean(np.concatenate([dense.told for dense in first]))),
            "fit_s": float(np.mean([one.fit_s for one in made])),
            "cpu_s": float(np.mean([one.cpu_s for one in made])),
            "peak_mb": max(one.peak_mb for one in made),
        }
        print({key: round(value, 4) if isinstance(value, float) else value for key, value in row.items()}, flush=True)
        rows.append(row)
    return rows


def overlap(lists: IntArray, others: IntArray) -> float:
    """Mean share of the second lists that the first have too."""
    shared = [np.isin(other[other >= 0], own).mean() for own, other in zip(lists, others, strict=True)]
    return float(np.mean(shared))


def synthetic(n_items: int, *, purchases: int = 8, seed: int = 0) -> Snapshot:
    """A log in which each shopper buys inside one style, popular things more often."""
    rng = np.random.default_rng(seed)
    owner = np.repeat(np.arange(n_items), purchases)
    style = rng.integers(0, max(n_items // 50, 1), n_items)[owner]
    strays = rng.random(len(owner)) < 0.1
    style[strays] = rng.integers(0, max(n_items // 50, 1), int(strays.sum()))
    place = np.minimum(rng.zipf(1.5, len(owner)) - 1, 49)
    log = pl.DataFrame(
        {
            "user_num": owner,
            "item_num": np.minimum(style * 50 + place, n_items - 1),
            "event": np.full(len(owner), int(Event.PURCHASE)),
            "value": np.ones(len(owner)),
            "timestamp": np.zeros(len(owner)),
        }
    ).select(pl.col(name).cast(kind) for name, kind in INTERACTION_COLUMNS.items())
    ids = pl.DataFrame({"item_id": np.arange(n_items).astype(str)})
    users = pl.DataFrame({"user_id": np.arange(n_items).astype(str)})
    return Snapshot(ids, users, log, {}, np.ones(n_items, dtype=bool), 0)


def growth(sizes: Sequence[int]) -> list[dict[str, Any]]:
    """Seconds and memory of the defaults by number of items, and the slope of the seconds in the log-log plane."""
    rows: list[dict[str, Any]] = []
    for size in sizes:
        snapshot = synthetic(size)
        nobody = Split(str(size), snapshot, np.zeros(0, dtype=np.int64), [], np.zeros(size, dtype=bool))
        made = fit_alone(SparseScorer, nobody)
        row: dict[str, Any] = {"items": size, "fit_s": made.fit_s, "peak_mb": made.peak_mb, "weights": made.weights}
        if rows:
            before = rows[-1]
            row["slope"] = float(np.log(made.fit_s / before["fit_s"]) / np.log(size / before["items"]))
        print(row, flush=True)
        rows.append(row)
    return rows


def main() -> None:
    """Runs what there are data for, and writes the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--amazon", type=Path, help="folder with train.tsv and val.tsv")
    parser.add_argument("--hm", type=Path, help="folder with the H&M files")
    parser.add_argument("--half", type=int, choices=(0, 1), default=1, help="half of val.tsv's users; 0 is for tuning")
    parser.add_argument("--sizes", type=int, nargs="*", default=[10_000, 30_000, 100_000, 300_000, 1_000_000])
    parser.add_argument("--out", type=Path, default=HERE / "results" / "linear.json")
    asked = parser.parse_args()
    study: dict[str, Any] = {}
    if asked.amazon:
        study["amazon"] = compare([amazon_half(asked.amazon, asked.half)], amazon_models())
    if asked.hm:
        study["hm"] = compare(hm_windows(asked.hm), hm_models())
    if asked.sizes:
        study["growth"] = growth(asked.sizes)
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    asked.out.write_text(json.dumps(study, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
