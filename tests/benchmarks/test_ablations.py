"""Ablations: what is taken out is gone while it is asked, back afterwards, and everything else is fitted anew."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from modaloom.data.shop import load_shop
from modaloom.data.splits import Split, rolling_splits
from modaloom.learning import LearnOptions, Memory
from modaloom.models.recommender import FusionRecommender, RecommenderConfig
from modaloom.models.sequence import EventWeights
from modaloom.training import batches, fitting
from modaloom.training.fitting import FusionConfig
from modaloom.types import Tokens
from tests.benchmarks.test_studies import study

ablations: Any = study("ablations")
DIM = 8


@pytest.fixture(scope="module")
def split(sample_shop: Path) -> Split:
    shop = load_shop(sample_shop)
    rng = np.random.default_rng(0)
    made = {
        name: Tokens(name, "hand/1", rng.normal(size=(shop.n_items, DIM)).astype("f4"), np.ones(shop.n_items, bool))
        for name in ("image", "text")
    }
    return next(iter(rolling_splits(shop, made, windows=1, window_days=28)))


def test_every_ingredient_is_really_taken_out() -> None:
    start = FusionConfig()
    for name, variant in ablations.LEARNING.items():
        before = [getattr(owner, attribute) for owner, attribute, _ in variant.instead]
        with variant.replaced():
            now = [getattr(owner, attribute) for owner, attribute, _ in variant.instead]
            assert variant.applied(start) != start or all(a is not b for a, b in zip(before, now, strict=True)), name
            assert variant.applied(start) != start or now, name
        assert [getattr(owner, attribute) for owner, attribute, _ in variant.instead] == before, name
    assert batches.NEGATIVES_SLACK_DAYS < 100


def test_what_the_changed_model_no_longer_does() -> None:
    torch.manual_seed(0)
    model = FusionRecommender(RecommenderConfig(("image", "text"), DIM, num_heads=2)).eval()
    tokens, mask = torch.randn(5, 2, DIM), torch.tensor([[True, True]] * 4 + [[True, False]])
    past = torch.zeros(1, 5, dtype=torch.long), torch.tensor([[0.0, 10.0, 100.0, 1000.0, 3.0]]), torch.ones(1, 5).bool()
    with ablations.LEARNING["fused view"].replaced():
        assert not model.items(tokens, mask).keys[:, 2 * DIM :].any()
    assert model.items(tokens, mask).keys[:, 2 * DIM :].any()
    with ablations.LEARNING["attention over an item's modalities"].replaced():
        weights = model.items(tokens, mask).weights
        assert torch.equal(weights, torch.tensor([[0.5, 0.5]] * 4 + [[1.0, 0.0]]))
    assert (model.items(tokens, mask).weights[:4] != 0.5).any()
    events = EventWeights()
    with ablations.LEARNING["age of past events"].replaced():
        assert len(events(*past).unique()) == 1
    assert len(events(*past).unique()) == 5
    keys = model.items(tokens, mask).keys[None]
    with ablations.LEARNING["shopper's weights of modalities"].replaced():
        assert torch.equal(model.queries(keys, past[2], *past[:2])[2], torch.ones(1, 3))
    assert (model.queries(keys, past[2], *past[:2])[2] != 1.0).any()


def test_one_fit_answers_for_every_part(split: Split) -> None:
    window = ablations.Window(split, LearnOptions(size="small", epochs=1, modalities=("image", "text")), Memory())
    found: dict[Any, Any] = {}
    ablations.ask_parts(window, 0, found)
    rows = ablations.summary(found)
    together = {"image, text, attributes", "the same and fusion"}
    assert set(rows["parts"]) == {ablations.WHOLE, *rows["alone"], *together}
    assert {"demand", "image", "text", "fusion"} <= set(rows["alone"])
    assert "recall_gain" not in rows["parts"][ablations.WHOLE]
    for row in rows["alone"].values():
        assert row["recall_gain"] == pytest.approx(rows["parts"][ablations.WHOLE]["recall"] - row["recall"])
    exams = window.exams(window.learned(ablations.Variant()))
    assert "demand" not in window.weights(exams, ["demand"])
    assert "demand" in window.weights(exams)


def test_windows_weigh_the_same() -> None:
    runs = {
        0: [{"recall": np.array([1.0])}, {"recall": np.zeros(3)}],
        1: [{"recall": np.array([0.0])}, {"recall": np.zeros(3)}],
    }
    assert ablations.mean_by_shopper(runs, "recall").mean() == pytest.approx(0.25)
    gaps = study("studies").evened([np.array([1.0, np.nan]), np.array([0.0, 0.0]), np.array([np.nan])])
    assert gaps.mean() == pytest.approx(0.5)


def test_cross_fitting_is_left_out(split: Split) -> None:
    plain = fitting._behaviour(split.snapshot, FusionConfig(dim=DIM))
    with ablations.LEARNING["cross-fitted behaviour"].replaced():
        own = fitting._behaviour(split.snapshot, FusionConfig(dim=DIM))
    assert plain[2] is not None
    assert own[2] is None
    assert own[0] is not None
