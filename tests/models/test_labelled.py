"""Simple models of labels, by hand and by search, and calibration."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from modaloom.data.labels import LabelledData, LabelSplit, Values, View, split_labels
from modaloom.models.labelled import (
    Biases,
    HeadConfig,
    Inputs,
    LabelledFusion,
    Logistic,
    Pool,
    Prior,
    RunningMean,
    fit_logistic,
    log_loss,
    simple_classifiers,
    softmax,
)
from modaloom.types import Tokens


def opinions(n: int = 3_000, *, of: str, seed: int = 0) -> LabelledData:
    """Likes one after the other that hang on the item, on the shopper, or on both."""
    rng = np.random.default_rng(seed)
    items, users = rng.integers(0, 30, n), rng.integers(0, 40, n)
    item_pull, user_pull = rng.choice([-1.5, 1.5], 30), rng.choice([-1.5, 1.5], 40)
    logits = (of != "user") * item_pull[items] + (of != "item") * user_pull[users]
    labels = (rng.random(n) < 1 / (1 + np.exp(-logits))).astype(np.int64)
    view = View(Tokens("text", "test/1", np.ones((n, 2), np.float32), np.ones(n, bool)), np.arange(n))
    return LabelledData("likes", {"text": view}, labels, ("no", "yes"), users, np.arange(n), items, users)


def losses(data: LabelledData) -> dict[str, float]:
    split, made = split_labels(data), {}
    for model in (Prior(), RunningMean("item"), RunningMean("shopper"), Biases()):
        made[model.name] = log_loss(model.fit(data, split).predict(data, split.test), data.labels[split.test])
    return made


def test_each_mean_finds_its_own_world() -> None:
    found = losses(opinions(of="item"))
    assert found["item-mean"] < found["prior"] - 0.1
    assert found["shopper-mean"] > found["item-mean"]
    found = losses(opinions(of="user"))
    assert found["shopper-mean"] < found["prior"] - 0.1
    found = losses(opinions(of="both"))
    assert found["biases"] < min(found["item-mean"], found["shopper-mean"]) - 0.02


def test_means_see_earlier_labels_only() -> None:
    data = opinions(of="item", n=400)
    split = split_labels(data)
    other = replace(data, labels=np.r_[data.labels[:-40], 1 - data.labels[-40:]])
    for model in (RunningMean("item"), RunningMean("shopper"), Biases()):
        model.fit(data, split)
        rows = np.arange(360)
        assert np.allclose(model.predict(data, rows), model.predict(other, rows), atol=1e-9), model.name
        changed = model.predict(data, split.test) - model.predict(other, split.test)
        assert np.abs(changed).max() > 1e-3, model.name


def slope(features: Values, labels: np.ndarray, weights: np.ndarray, ridge: float) -> Values:
    said = softmax(np.asarray(features @ weights[:-1] + weights[-1], dtype=np.float64))
    return features.T @ (said - np.eye(3)[labels]) / len(labels) + ridge * weights[:-1]


def test_logistic_regression_stands_where_the_slope_is_zero_dense_or_sparse() -> None:
    rng = np.random.default_rng(0)
    features = rng.standard_normal((300, 5)).astype(np.float32) * (rng.random((300, 5)) < 0.5)
    labels = (features @ rng.standard_normal((5, 3)) + rng.gumbel(size=(300, 3))).argmax(axis=1)
    weights = fit_logistic(features, labels, 3, 0.01)
    assert np.abs(slope(features, labels, weights, 0.01)).max() < 1e-3
    assert np.allclose(weights, fit_logistic(sp.csr_matrix(features), labels, 3, 0.01), atol=1e-2)
    assert np.linalg.norm(fit_logistic(features, labels, 3, 10.0)[:-1]) < 0.1 * np.linalg.norm(weights[:-1])


def linear_world(n: int = 600, width: int = 100) -> tuple[LabelledData, LabelSplit]:
    """A wide view with a direction that decides, and a narrow one with columns of very different sizes."""
    rng = np.random.default_rng(4)
    wide = rng.standard_normal((n, width)).astype(np.float32) + 3.0
    narrow = (rng.standard_normal((n, 3)) * [1e-3, 1.0, 1e3]).astype(np.float32)
    labels = (wide[:, 0] - 3 + 1e3 * narrow[:, 0] > 0).astype(np.int64)
    there = rng.random(n) < 0.9
    views = {
        "image": View(Tokens("image", "w/1", wide * there[:, None], there), np.arange(n)),
        "facts": View(Tokens("facts", "n/1", narrow, np.ones(n, bool)), np.arange(n)),
    }
    numbers = np.arange(n)
    data = LabelledData("linear", views, labels, ("no", "yes"), numbers, np.zeros(n, dtype=np.int64), numbers)
    return data, split_labels(data)


def test_inputs_are_of_one_size_and_zero_where_missing() -> None:
    data, split = linear_world()
    inputs = Inputs(data, split)
    features = inputs.matrix(data, split.train)
    assert features.shape == (len(split.train), 100 + 3 + 2)
    assert features[:, 100:103].std(axis=0) == pytest.approx(1, abs=0.01)
    assert np.sqrt((features[:, :100] ** 2).mean()) == pytest.approx(1, abs=0.1)
    there = data.views["image"].mask[split.train]
    assert not features[~there][:, :100].any()
    assert np.array_equal(features[:, 103] == 1, there)
    without = inputs.matrix(data, split.train, "image")
    assert not without[:, :100].any()
    assert not without[:, 103].any()
    assert np.array_equal(without[:, 100:103], features[:, 100:103])


def test_logistic_uses_all_views_or_those_it_is_given() -> None:
    data, split = linear_world()
    found = {}
    for views in (None, ("image",), ("facts",)):
        model = Logistic(views).fit(data, split)
        found[model.name] = log_loss(model.predict(data, split.test), data.labels[split.test])
    assert list(found) == ["logistic", "logistic-image", "logistic-facts"]
    assert found["logistic"] < min(found["logistic-image"], found["logistic-facts"]) - 0.05


def test_what_is_compared_depends_on_whether_there_are_shoppers() -> None:
    names = list(simple_classifiers(opinions(of="item", n=60)))
    assert names == ["prior", "item-mean", "shopper-mean", "biases", "logistic"]
    assert list(simple_classifiers(linear_world()[0])) == ["prior", "logistic", "logistic-image", "logistic-facts"]


def sharpened(n: int = 4_000, temperature: float = 3.0) -> tuple[Values, np.ndarray]:
    """Probabilities of a model that knows what can be known, but believes three times too much in it."""
    rng = np.random.default_rng(0)
    logits = rng.standard_normal((n, 3)) * 1.5
    labels = (logits + rng.gumbel(size=logits.shape)).argmax(axis=1)
    return softmax(logits * temperature), labels


def test_calibration_finds_the_temperature_of_an_overconfident_model() -> None:
    said, labels = sharpened()
    pool = Pool.fit([said[:2_000]], labels[:2_000])
    assert pool.weights[0] == pytest.approx(1 / 3, abs=0.04)
    assert log_loss(pool.apply([said[2_000:]]), labels[2_000:]) < log_loss(said[2_000:], labels[2_000:]) - 0.1


def test_two_classes_are_moved_too() -> None:
    rng = np.random.default_rng(1)
    truth = rng.random(5_000) * 0.6
    labels = (rng.random(5_000) < truth).astype(np.int64)
    odds = truth / (1 - truth) * np.exp(1.5)  # says yes far too often
    said = np.stack([1 / (1 + odds), odds / (1 + odds)], axis=1)
    pool = Pool.fit([said], labels)
    assert pool.offset == pytest.approx(-1.5, abs=0.2)
    assert pool.apply([said])[:, 1].mean() == pytest.approx(labels.mean(), abs=0.01)


def test_a_pool_trusts_who_knows() -> None:
    said, labels = sharpened(temperature=1.0)
    noise = softmax(np.random.default_rng(9).standard_normal(said.shape))
    pool = Pool.fit([said, noise], labels)
    assert pool.weights[0] > 0.9
    assert pool.weights[1] < 0.05
    assert pool.apply([said, noise]).sum(axis=1) == pytest.approx(1)


def test_a_few_labels_change_little() -> None:
    said = softmax(np.random.default_rng(2).standard_normal((8, 2)))
    pool = Pool.fit([said], np.ones(8, dtype=np.int64))
    assert 0 < pool.offset < 1.0
    assert pool.weights[0] == pytest.approx(1, abs=0.5)


@pytest.mark.parametrize(("classes", "logits"), [(2, 1), (5, 5)])
def test_the_head_gives_logits_and_never_looks_under_the_mask(classes: int, logits: int) -> None:
    torch.manual_seed(0)
    head = LabelledFusion([3, 7], classes, HeadConfig(dim=8, num_heads=2)).eval()
    views = [torch.randn(4, 3), torch.randn(4, 7)]
    mask = torch.tensor([[True, True], [True, False], [False, True], [False, False]])
    said, weights = head(views, mask)
    assert said.shape == (4, logits)
    assert weights.sum(dim=1).tolist() == pytest.approx([1, 1, 1, 0], abs=1e-5)
    spoilt = [view.masked_fill(~mask[:, place, None], float("nan")) for place, view in enumerate(views)]
    assert torch.equal(said, head(spoilt, mask)[0])
    alone, _ = head([view[1:2] for view in views], mask[1:2])
    assert torch.allclose(said[1:2], alone, atol=1e-6)  # no row sees another
