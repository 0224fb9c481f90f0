"""The hand-made blend: every ingredient does its work, and it is a baseline worth beating."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import polars as pl
import pytest

from modaloom.errors import TrainingError
from modaloom.metrics import ranking_metrics, top_n
from modaloom.models.baselines import Newest, Popularity
from modaloom.testing import ScorerSuite, taste_world
from modaloom.types import Histories, Scorer, Snapshot

FOLDER = str(Path(__file__).parents[2] / "benchmarks")


def load() -> ModuleType:
    """The script as a module; its folder is no package."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(FOLDER)
        import hm_blend

        return hm_blend


blend: Any = load()
ALONE = {"newness": 0.0, "repurchase": 0.0, "same_model": 0.0}


def world(modality: str = "text") -> tuple[Snapshot, list[np.ndarray]]:
    """A shop whose new items carry taste in their words; pairs of items are one model in two colours."""
    snapshot, truth = taste_world(modality)
    groups = pl.Series("group_id", [f"model-{num // 2}" for num in range(snapshot.n_items)])
    return replace(snapshot, items=snapshot.items.with_columns(groups)), truth


def ndcg(scorer: Scorer, snapshot: Snapshot, truth: list[np.ndarray]) -> float:
    scores = scorer.fit(snapshot).score(snapshot.histories(np.arange(snapshot.n_users)))
    return float(ranking_metrics(top_n(scores, 8, snapshot.catalogue), truth)["ndcg"].mean())


class TestHandMadeBlend(ScorerSuite):
    def make_scorer(self) -> Scorer:
        scorer: Scorer = blend.HandMadeBlend()
        return scorer

    def make_snapshot(self) -> Snapshot:
        return world()[0]


@pytest.mark.parametrize("modality", ["image", "text", "attributes"])
def test_it_beats_the_same_list_for_everybody(modality: str) -> None:
    snapshot, truth = world(modality)
    reached = ndcg(blend.HandMadeBlend(), snapshot, truth)
    assert reached > 1.3 * max(ndcg(Popularity(), snapshot, truth), ndcg(Newest(), snapshot, truth))


def test_what_was_bought_comes_back_with_repurchase_and_its_sisters_with_same_model() -> None:
    snapshot, _ = world()
    past = Histories.from_lists([[10]], now=snapshot.now)
    recipe = blend.Recipe(**ALONE)
    plain = blend.HandMadeBlend(recipe).fit(snapshot).score(past)[0]
    again = blend.HandMadeBlend(replace(recipe, repurchase=5.0)).fit(snapshot).score(past)[0]
    sisters = blend.HandMadeBlend(replace(recipe, same_model=5.0)).fit(snapshot).score(past)[0]
    assert again.argmax() == 10
    assert sisters.argmax() == 11
    others = np.delete(np.arange(snapshot.n_items), [10, 11])
    np.testing.assert_array_equal(np.argsort(again[others]), np.argsort(plain[others]))


def test_the_newest_number_is_not_what_is_new() -> None:
    snapshot, _ = world()
    ranks = np.arange(snapshot.n_items, dtype=np.float64)
    sold = snapshot.interactions.with_columns(item_num=(pl.col("item_num") % 20 + 30).cast(pl.UInt32))
    snapshot = replace(
        snapshot,
        items=snapshot.items.with_columns(release_rank=pl.Series(ranks), released_at=pl.lit(None, dtype=pl.Int64)),
        interactions=sold,
    )
    values = blend.newness(snapshot, front=0.9, width=0.05)
    assert 45 <= values.argmax() <= 49  # items 30 to 49 are on sale, 50 to 95 are yet to come
    assert values[-1] < 0.01 < values[45]
    nameless = replace(snapshot, items=snapshot.items.with_columns(release_rank=pl.lit(None, dtype=pl.Float64)))
    assert not blend.newness(nameless, front=0.9, width=0.05).any()


def test_rows_of_equal_numbers_say_nothing() -> None:
    scores = blend.zscore(np.array([[3.0, 3.0, 3.0], [1.0, 2.0, 3.0]], dtype=np.float32))
    np.testing.assert_allclose(scores, [[0, 0, 0], [-1.2247, 0, 1.2247]], atol=1e-3)


def test_it_needs_content() -> None:
    with pytest.raises(TrainingError, match="content"):
        blend.HandMadeBlend().fit(replace(world()[0], tokens={}))


def test_the_search_finds_the_ingredient_that_matters(capsys: pytest.CaptureFixture[str]) -> None:
    from modaloom.data.splits import Split

    snapshot, truth = world()
    cold = np.zeros(snapshot.n_items, dtype=bool)
    split = Split("world", snapshot, np.arange(snapshot.n_users), truth, cold)
    search = blend.Search([split])
    start = blend.Recipe(**{**ALONE, "repurchase": 0.5, "same_model": 0.8})
    found = search.run(start, rounds=1)
    assert sum(search.figures(found)[:2]) > sum(search.figures(start)[:2])
    assert search.figures(found)[0] == pytest.approx(search.figures(found)[2])  # everything asked for is never-sold
    assert "newness" in capsys.readouterr().out
