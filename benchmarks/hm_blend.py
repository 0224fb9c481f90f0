"""The blend that a good engineer makes by hand for a shop like H&M, as a baseline beside ours.

    python benchmarks/hm_blend.py --root PATH      # how the weights below were found, about 3 min

Content (the mean of three content kNNs: pictures, words, attributes), newness (how near an item stands to the front
of what was bought lately, in the order of release), repurchase (what the shopper had, less the older it is) and
same model (other colours of it), each as a z-score per shopper, added with fixed weights. Nothing is learned. The
weights and the few numbers inside were found by coordinate search on the seven windows of 28 days *before* the last
six, by Recall@20 + NDCG@20; the last six were not looked at.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Self

import numpy as np

from modaloom.data.splits import Split, rolling_splits
from modaloom.metrics import ranking_metrics, top_n
from modaloom.models.baselines import ContentKnn
from modaloom.ranking.contract import HistoryBatch, Part
from modaloom.ranking.demand import release_positions
from modaloom.ranking.linear import Repurchase, Variants
from modaloom.types import DAY_S, FloatArray, Histories, Snapshot

RECENT_DAYS = 28
TEST_WINDOWS, TUNING_WINDOWS = 6, 7


@dataclass(frozen=True)
class Recipe:
    """All that is set by hand; the content's weight is one."""

    newness: float = 1.0
    repurchase: float = 0.2
    same_model: float = 0.2
    front: float = 0.9
    """The front of the order of release: this quantile of the places of what was bought in the last 28 days."""
    width: float = 0.06
    """How far from the front an item still counts as new, in shares of the catalogue."""
    content_half_life_days: float = 90.0
    repurchase_half_life_days: float = 45.0
    same_model_half_life_days: float = 60.0


class HandMadeBlend:
    """Content + newness + repurchase + same model, by fixed weights."""

    name = "hand-made-blend"
    seeded = False

    def __init__(self, recipe: Recipe | None = None):
        self.recipe = recipe or Recipe()

    def fit(self, snapshot: Snapshot) -> Self:
        """Reads the content, the order of release and which items are one model.

        Raises:
            TrainingError: the shop has no content vectors.
        """
        recipe = self.recipe
        self._content = ContentKnn(half_life_days=recipe.content_half_life_days).fit(snapshot)
        self._repurchase = Repurchase(half_life_days=recipe.repurchase_half_life_days).fit(snapshot)
        self._same_model = Variants(half_life_days=recipe.same_model_half_life_days).fit(snapshot)
        self._newness = newness(snapshot, recipe.front, recipe.width)
        return self

    def score(self, histories: Histories) -> FloatArray:
        """Scores (b, n)."""
        recipe = self.recipe
        scores = zscore(self._content.score(histories))
        scores += recipe.newness * zscore(self._newness[None, :])
        scores += recipe.repurchase * zscore(self._repurchase.score(HistoryBatch(histories)))
        scores += recipe.same_model * zscore(self._same_model.score(HistoryBatch(histories)))
        return scores


def zscore(scores: FloatArray) -> FloatArray:
    """Each row of scores (b, n) with mean zero and spread one; rows of equal numbers become zero."""
    away = scores - scores.mean(axis=1, keepdims=True)
    spread = away.std(axis=1, keepdims=True)
    result: FloatArray = np.where(spread > 1e-9, away / np.maximum(spread, 1e-9), 0.0).astype(np.float32)
    return result


def newness(snapshot: Snapshot, front: float, width: float) -> FloatArray:
    """How near each item (n,) is to the front of recent sales in the order of release, 1 at the front; 0 if unknown.

    The catalogue knows items that come out long after the cut, so that the last of all ids is no sign of being new.
    """
    places = release_positions(snapshot)
    targets = snapshot.targets()
    if places is None or not targets.height:
        return np.zeros(snapshot.n_items, dtype=np.float32)
    recent = targets["timestamp"].to_numpy() >= snapshot.now - RECENT_DAYS * DAY_S
    sold = places[targets["item_num"].to_numpy()]
    place = np.quantile(sold[recent] if recent.any() else sold, front)
    return np.exp(-0.5 * ((places - place) / width) ** 2).astype(np.float32)


GRID: dict[str, tuple[float, ...]] = {
    "newness": (0.0, 0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0),
    "front": (0.25, 0.5, 0.75, 0.9),
    "width": (0.03, 0.06, 0.1, 0.15, 0.25),
    "repurchase": (0.0, 0.05, 0.1, 0.2, 0.3, 0.5),
    "same_model": (0.0, 0.05, 0.1, 0.2, 0.3, 0.5, 0.8),
    "content_half_life_days": (30.0, 90.0),
    "repurchase_half_life_days": (20.0, 45.0, 90.0),
    "same_model_half_life_days": (30.0, 60.0, 120.0),
}


class Search:
    """Coordinate search; the scores of each ingredient are worked out once for each window."""

    def __init__(self, splits: list[Split]):
        self.splits = splits
        self._ingredient = lru_cache(maxsize=None)(self._make)

    def _make(self, kind: str, window: int, *numbers: float) -> FloatArray:
        split = self.splits[window]
        if kind == "newness":
            return zscore(newness(split.snapshot, *numbers)[None, :])
        part = {
            "content": lambda days: ContentKnn(half_life_days=days),
            "repurchase": lambda days: Repurchase(half_life_days=days),
            "same_model": lambda days: Variants(half_life_days=days),
        }[kind](*numbers)
        part, histories = part.fit(split.snapshot), split.snapshot.histories(split.user_nums)
        return zscore(part.score(HistoryBatch(histories) if isinstance(part, Part) else histories))

    def figures(self, recipe: Recipe) -> tuple[float, float, float]:
        """Mean over windows of Recall@20, NDCG@20, and Recall@20 of never-sold items."""
        rows = []
        for window, split in enumerate(self.splits):
            scores = self._ingredient("content", window, recipe.content_half_life_days)
            scores = scores + recipe.newness * self._ingredient("newness", window, recipe.front, recipe.width)
            for kind in ("repurchase", "same_model"):
                half_life_days = getattr(recipe, f"{kind}_half_life_days")
                scores += getattr(recipe, kind) * self._ingredient(kind, window, half_life_days)
            lists = top_n(scores, 20, split.snapshot.catalogue)
            all_items = ranking_metrics(lists, split.truth)
            cold = ranking_metrics(lists, [items[~split.ever_sold[items]] for items in split.truth])
            rows.append([all_items["recall"].mean(), all_items["ndcg"].mean(), np.nanmean(cold["recall"])])
        recall, ndcg, never_sold = np.mean(rows, axis=0)
        return float(recall), float(ndcg), float(never_sold)

    def run(self, recipe: Recipe, rounds: int = 2) -> Recipe:
        """The best recipe found from a start, one number at a time."""
        best = self.figures(recipe)
        for _ in range(rounds):
            before = recipe
            for name, values in GRID.items():
                for value in values:
                    trial = replace(recipe, **{name: value})
                    reached = self.figures(trial) if trial != recipe else best
                    if sum(reached[:2]) > sum(best[:2]):
                        best, recipe = reached, trial
                print(f"{name} {getattr(recipe, name)}: {' '.join(f'{figure:.4f}' for figure in best)}", flush=True)
            if recipe == before:
                break
        return recipe


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, required=True, help="folder with the H&M files")
    asked = parser.parse_args()
    from studies import HM, read_shop  # brings torch, which would be in the memory of whoever takes the blend from here

    shop, tokens = read_shop(HM, root=asked.root)
    windows = rolling_splits(shop, tokens, windows=TEST_WINDOWS + TUNING_WINDOWS, window_days=RECENT_DAYS)
    search = Search(list(windows)[:TUNING_WINDOWS])
    start = Recipe(0.5, 0.3, 0.3, front=0.75, width=0.1, content_half_life_days=30.0)
    print(search.run(start))


if __name__ == "__main__":
    main()
