"""Do the learned weights find where each shopper's taste lives?

    python benchmarks/planted_taste.py [--shop DIR] [--seeds 0] [--folds 4] [--epochs 14] [--out FILE]

A third of the shoppers of the built-in shop buys by picture, a third by words, a third like their community. The
log's (shopper, item) purchases are put into folds. For each fold a fusion is learned from the log without any event on
its pairs, and every held-out purchase is scored: how far it lies above the catalogue's mean for that shopper, and how
much of this is lost when one modality is left out of the learned model. A shopper's contribution of a modality is the
mean loss over *all* their purchases, each held out once; the largest of picture, words and behaviour is where the model
says that their taste lives. The truth is read only here, after everything was learned.

* *cross-fitted*: shoppers are scored with behaviour vectors that never saw them, as while learning. A shopper's own
  events draw the behaviour vectors of their past together, whoever they are.
* *served*: with the vectors of the whole log, as the recommender serves.

Controls: the labels of the shoppers are shuffled (1,000 times), and everything is learned again from a log in which
the purchases (with all other events on the same item) are shuffled among the shoppers. Limits: what somebody would
reach who knows the style, theme and community of every item (*posterior*: by Bayes' rule from all purchases, knowing
also the share of purchases that follow the taste; *leave-one-out*: by the same rule as the model).
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import combinations, islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
from studies import read_shop, shop_folder

from modaloom.data.shop import Shop
from modaloom.data.splits import Split, ask, take_snapshot
from modaloom.learning import Memory
from modaloom.models.behaviour import behaviour_tokens, cross_fit, turn_to
from modaloom.models.towers import pad_histories
from modaloom.ranking.fusion import FusionPart
from modaloom.samples.world import TASTE_SHARE
from modaloom.training.fitting import FittedFusion, FusionConfig, fit_fusion, item_table, whiten
from modaloom.training.loop import LoopConfig
from modaloom.types import FloatArray, IntArray, Snapshot, Tokens

MODALITIES = ("image", "text", "behaviour")
"""Also the names of the groups of shoppers."""
TRUTHS = ("style", "theme", "community")
SHUFFLES = 1_000
Figures = npt.NDArray[np.float64]


@dataclass
class Truth:
    """What was planted: the group of each shopper, and three labels of each item (-1 where it cannot be known)."""

    group: IntArray  # (n_users,)
    labels: IntArray  # (3, n_items)
    liked: tuple[int, ...]  # how many labels a shopper of each group likes

    @classmethod
    def read(cls, shop: Shop, folder: Path) -> Truth:
        """The truth in the numbers of the shop."""
        told = json.loads((folder / "truth.json").read_text(encoding="utf-8"))
        group = [MODALITIES.index(told["users"][user]["group"]) for user in shop.users["user_id"]]
        tastes = {MODALITIES.index(user["group"]): user["taste"] for user in told["users"].values()}
        liked = tuple(len(taste) if isinstance(taste, list) else 1 for _, taste in sorted(tastes.items()))
        ids = shop.items["item_id"].to_list()
        labels = []
        for modality, name in zip(MODALITIES, TRUTHS, strict=True):
            values = [str(told["items"][item][name]) for item in ids]
            nums = np.unique(values, return_inverse=True)[1].astype(np.int64)
            nums[[told["missing"].get(item) == modality for item in ids]] = -1
            labels.append(nums)
        return cls(np.array(group, dtype=np.int64), np.stack(labels), liked)


@dataclass
class Sums:
    """Contributions summed over the held-out purchases of each shopper."""

    total: Figures  # (n_users, 3)
    number: Figures  # (n_users,)

    @property
    def means(self) -> Figures:
        """Contributions (n_users, 3)."""
        return self.total / np.maximum(self.number, 1)[:, None]


def folds(snapshot: Snapshot, number: int, seed: int) -> Iterator[Split]:
    """Every (shopper, item) purchase is asked for once, by a snapshot without any event on that pair."""
    pairs = snapshot.targets().select("user_num", "item_num").unique(maintain_order=True)
    fold_of = np.random.default_rng(seed).permutation(np.arange(pairs.height) % number)
    for fold in range(number):
        held = pairs.filter(pl.Series(fold_of == fold)).with_columns(held=pl.lit(True))
        marked = snapshot.interactions.join(held, on=["user_num", "item_num"], how="left", maintain_order="left")
        past = replace(snapshot, interactions=marked.filter(pl.col("held").is_null()).drop("held"))
        yield ask(f"fold {fold}", past, marked.filter(pl.col("held")).drop("held"))


def shuffled(snapshot: Snapshot, seed: int) -> Snapshot:
    """The same log, but its (shopper, item) pairs are dealt anew: everybody has as many, by chance."""
    log = snapshot.interactions.filter(pl.col("item_num").is_not_null())
    pairs = log.select("user_num", "item_num").unique(maintain_order=True)
    owners = np.random.default_rng(seed).permutation(pairs["user_num"].to_numpy())
    dealt = pairs.with_columns(owner=pl.Series(owners, dtype=pl.UInt32))
    joined = log.join(dealt, on=["user_num", "item_num"], how="left", maintain_order="left")
    return replace(snapshot, interactions=joined.with_columns(user_num=pl.col("owner")).drop("owner"))


def contributions(fitted: FittedFusion, split: Split, *, cross_fitted: bool, seed: int) -> Sums:
    """What each modality gives the held-out purchases, by shopper."""
    snapshot = split.snapshot
    tokens = fitted.tokens_at(snapshot)
    made = Sums(np.zeros((snapshot.n_users, 3)), np.zeros(snapshot.n_users))
    for rows, own in _views(fitted, split, tokens, seed) if cross_fitted else [(np.arange(len(split.truth)), tokens)]:
        table = item_table(fitted.model, own)
        users = split.user_nums[rows]
        past = pad_histories(snapshot.histories(users))
        queries = fitted.tower(table.keys[past.items], past.mask, past.event, past.age_days)
        part, drops = FusionPart(table, fitted.tower), []
        full = above_mean(part.score_queries(queries))
        for name in MODALITIES:
            cut = queries.queries.copy()
            cut[..., table.view(name)] = 0.0
            drops.append(full - above_mean(part.score_queries(queries._replace(queries=cut))))
        for row, user in enumerate(users.tolist()):
            bought = split.truth[rows[row]]
            made.total[user] += [drop[row, bought].sum() for drop in drops]
            made.number[user] += len(bought)
    return made


def _views(
    fitted: FittedFusion, split: Split, tokens: Mapping[str, Tokens], seed: int
) -> Iterator[tuple[IntArray, dict[str, Tokens]]]:
    """Rows of the split, and tokens whose behaviour never saw these shoppers."""
    assert fitted.behaviour is not None
    assert fitted.behaviour_whitening is not None
    full = turn_to(behaviour_tokens(split.snapshot, fitted.behaviour.dim), fitted.behaviour)
    made = cross_fit(split.snapshot, full, seed=seed)
    for fold, raw in enumerate(made.tokens):
        rows = np.flatnonzero(made.fold_of_user[split.user_nums] == fold)
        yield rows, {**tokens, "behaviour": whiten(raw, fitted.behaviour_whitening)}


def above_mean(scores: FloatArray) -> Figures:
    """Scores (b, n) less the catalogue's mean."""
    centred: Figures = scores.astype(np.float64) - scores.mean(axis=1, keepdims=True, dtype=np.float64)
    return centred


def study(snapshot: Snapshot, config: FusionConfig, number: int, what: str, first: int) -> dict[str, Sums]:
    """Contributions of the purchases of the ``first`` folds, by kind of behaviour vectors."""
    seed = config.loop.seed
    empty = np.zeros((snapshot.n_users, 3)), np.zeros(snapshot.n_users)
    kinds = {"cross-fitted": Sums(*empty), "served": Sums(*empty)}
    started = time.monotonic()
    for split in islice(folds(snapshot, number, seed), first):
        fitted = fit_fusion(split.snapshot, config)
        for kind, sums in kinds.items():
            made = contributions(fitted, split, cross_fitted=kind == "cross-fitted", seed=seed)
            kinds[kind] = Sums(sums.total + made.total, sums.number + made.number)
        loss = fitted.progress.losses[-1]
        print(f"{time.monotonic() - started:5.0f} s  {what}, seed {seed}, {split.name}: loss {loss:.3f}", flush=True)
    return kinds


def judge(values: Figures, known: npt.NDArray[np.bool_], group: IntArray) -> dict[str, Any]:
    """How many shoppers have their largest value where their taste was planted, of those that are ``known``."""
    found, truth = values[known].argmax(axis=1), group[known]
    right = found == truth
    groups = {name: truth == place for place, name in enumerate(MODALITIES) if (truth == place).any()}
    rng = np.random.default_rng(0)
    chance = np.array([(found == rng.permutation(truth)).mean() for _ in range(SHUFFLES)])
    return {
        "accuracy": float(right.mean()),
        "standard_error": float(right.std() / np.sqrt(len(right))),
        "by_group": {name: float(right[own].mean()) for name, own in groups.items()},
        "chosen": {name: (np.bincount(found[own], minlength=3) / own.sum()).tolist() for name, own in groups.items()},
        "mean": {name: values[known][own].mean(axis=0).tolist() for name, own in groups.items()},
        "labels_shuffled": float(chance.mean()),
        "labels_shuffled_highest": float(chance.max()),
        "shoppers": int(known.sum()),
    }


def judge_sums(sums: Sums, truth: Truth) -> dict[str, Any]:
    """:func:`judge`, and again for shoppers by how much they bought."""
    result = judge(sums.means, sums.number > 0, truth.group)
    spans = {"1-4": (1, 4), "5-9": (5, 9), "10 or more": (10, 10**9)}
    result["by_purchases"] = {}
    for name, (least, most) in spans.items():
        known = (sums.number >= least) & (sums.number <= most)
        if known.any():
            made = judge(sums.means, known, truth.group)
            result["by_purchases"][name] = {"accuracy": made["accuracy"], "shoppers": made["shoppers"]}
    return result


def limits(snapshot: Snapshot, truth: Truth) -> dict[str, Any]:
    """What knowing the items' truths would reach, from the purchases alone."""
    pairs = snapshot.targets().select("user_num", "item_num").unique(maintain_order=True)
    users, items = pairs["user_num"].to_numpy().astype(np.int64), pairs["item_num"].to_numpy().astype(np.int64)
    posterior, alone = np.zeros((2, snapshot.n_users, 3))
    for place, labels in enumerate(truth.labels):
        bought = labels[items]
        kinds = int(labels.max()) + 1
        share = np.bincount(bought[bought >= 0], minlength=kinds) / len(bought)
        counts = np.zeros((snapshot.n_users, kinds))
        np.add.at(counts, (users[bought >= 0], bought[bought >= 0]), 1)
        total = np.bincount(users, minlength=snapshot.n_users)
        tastes = list(combinations(range(kinds), truth.liked[place]))
        likes = np.zeros((kinds, len(tastes)))
        likes[np.array(tastes).T, np.arange(len(tastes))] = 1
        fitting, by_chance = counts @ likes, share @ likes
        by_taste = np.log(TASTE_SHARE / by_chance + 1 - TASTE_SHARE)
        logs = fitting * by_taste + (total[:, None] - fitting) * np.log(1 - TASTE_SHARE)
        posterior[:, place] = np.logaddexp.reduce(logs, axis=1) - np.log(len(tastes))
        others = counts[users] - (np.arange(kinds) == bought[:, None])
        seen = others.sum(axis=1) + 1.0
        expected = (others[np.arange(len(users)), bought] + share[bought]) / seen
        lift = np.where(bought >= 0, np.log(expected / share[bought]), 0.0)
        alone[:, place] = np.bincount(users, lift, minlength=snapshot.n_users) / np.maximum(total, 1)
    known = np.bincount(users, minlength=snapshot.n_users) > 0
    return {
        "posterior": judge(posterior, known, truth.group),
        "leave-one-out": judge(alone, known, truth.group),
    }


def table(results: Mapping[str, Mapping[str, Any]]) -> str:
    """The results as text."""
    lines = [f"{'':<42} right            {'  '.join(f'{name:>9}' for name in MODALITIES)}   labels shuffled (highest)"]
    for name, row in results.items():
        groups = "  ".join(f"{row['by_group'][modality]:>9.1%}" for modality in MODALITIES)
        lines.append(
            f"{name:<42} {row['accuracy']:.1%} ± {row['standard_error']:.1%}   {groups}   "
            f"{row['labels_shuffled']:.1%} ({row['labels_shuffled_highest']:.1%})"
        )
    return "\n".join(lines)


def run(snapshot: Snapshot, truth: Truth, config: FusionConfig, number: int, control: int) -> dict[str, dict[str, Any]]:
    """Everything for one seed: the study, the control, the limits."""
    seed = config.loop.seed
    results: dict[str, dict[str, Any]] = {}
    for kind, sums in study(snapshot, config, number, "planted", number).items():
        results[f"{kind}, seed {seed}"] = judge_sums(sums, truth)
        print(table({kind: results[f"{kind}, seed {seed}"]}), flush=True)
    for kind, sums in study(shuffled(snapshot, seed), config, number, "purchases shuffled", control).items():
        results[f"purchases shuffled, {kind}, seed {seed}"] = judge_sums(sums, truth)
    return results


def main() -> None:
    """Runs the study and writes its figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shop", type=Path, help="folder of the built-in shop; drawn where it is not given")
    parser.add_argument("--shop-seed", type=int, default=0, help="of the shop that is drawn")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--folds", type=int, default=4)
    parser.add_argument("--control-folds", type=int, default=1, help="folds to learn from shuffled purchases")
    parser.add_argument("--epochs", type=int, default=LoopConfig.epochs)
    parser.add_argument("--learning-rate", type=float, default=LoopConfig.learning_rate)
    parser.add_argument("--dim", type=int, default=64)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "planted_taste.json")
    asked = parser.parse_args()
    with shop_folder(asked.shop, seed=asked.shop_seed) as place:
        shop, content = read_shop(place)
        truth = Truth.read(shop, place)
    snapshot = take_snapshot(shop, Memory().whitened(content, asked.dim))
    results: dict[str, dict[str, Any]] = {}
    for seed in asked.seeds:
        loop = LoopConfig(epochs=asked.epochs, learning_rate=asked.learning_rate, seed=seed)
        results |= run(snapshot, truth, FusionConfig(dim=asked.dim, loop=loop), asked.folds, asked.control_folds)
    results |= {f"limit: {name}": made for name, made in limits(snapshot, truth).items()}
    print(table(results))
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    how = {
        name: getattr(asked, name)
        for name in ("shop_seed", "seeds", "folds", "control_folds", "epochs", "learning_rate", "dim")
    }
    asked.out.write_text(json.dumps({**how, "results": results}, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
