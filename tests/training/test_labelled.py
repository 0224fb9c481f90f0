"""The fusion head for labels, in worlds whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from modaloom.data.labels import LabelledData, View, split_labels
from modaloom.errors import EvaluationError, TrainingError
from modaloom.evaluation.labelled import weighted_figures
from modaloom.models.labelled import HeadConfig, Logistic, Prior, log_loss
from modaloom.training.labelled import (
    FusionClassifier,
    LabelLearner,
    LabelLoopConfig,
    class_loss,
    label_classifiers,
)
from modaloom.types import Tokens

SMALL = LabelLoopConfig(head=HeadConfig(dim=16, num_heads=2, dropout=0.1, input_dropout=0.0), epochs=15)


def world(
    kind: str, *, n: int = 900, dim: int = 6, missing: float = 0.1, classes: int = 2, seed: int = 0
) -> LabelledData:
    """Examples with a picture and a text of noise, but for what decides the label.

    ``picture`` or ``text``: a direction in that modality. ``both``: whether one direction in each has the same sign,
    which neither says alone. ``nothing``: labels are shuffled.
    """
    rng = np.random.default_rng(seed)
    image, text = (rng.standard_normal((n, dim)).astype(np.float32) for _ in range(2))
    if kind == "both":
        labels = (np.sign(image[:, 0]) == np.sign(text[:, 0])).astype(np.int64)
    elif classes == 2:
        labels = ((image if kind == "picture" else text)[:, 0] > 0).astype(np.int64)
    else:
        labels = (image if kind == "picture" else text)[:, :classes].argmax(axis=1)
    if kind == "nothing":
        labels = rng.permutation(labels)
    there = [rng.random(n) >= missing for _ in range(2)]
    made = {
        name: View(Tokens(name, "world/1", vectors * mask[:, None], mask), np.arange(n))
        for name, vectors, mask in (("image", image, there[0]), ("text", text, there[1]))
    }
    numbers = np.arange(n)
    names = tuple(f"class {one}" for one in range(classes))
    return LabelledData(kind, made, labels, names, numbers, np.zeros(n, dtype=np.int64), numbers)


def auc(model: FusionClassifier | LabelLearner | Logistic, data: LabelledData) -> float:
    rows = split_labels(data).test
    everybody = np.ones((1, len(rows)), dtype=np.float32)
    return float(weighted_figures(model.predict(data, rows), data.labels[rows], everybody, only=("auc",))["auc"][0])


@pytest.mark.parametrize(("kind", "view", "other"), [("picture", "image", "text"), ("text", "text", "image")])
def test_the_modality_that_decides_gets_the_weight(kind: str, view: str, other: str) -> None:
    data = world(kind)
    split = split_labels(data)
    model = LabelLearner(SMALL).fit(data, split)
    found = model.contributions(data, split.test)
    assert found[view] > 0.2
    assert abs(found[other]) < 0.05
    assert auc(model, data) > 0.9


def test_both_are_needed_where_neither_says_it_alone() -> None:
    data = world("both", n=1_500, missing=0.0)
    split = split_labels(data)
    config = LabelLoopConfig(
        head=HeadConfig(dim=32, fusion="transformer", dropout=0.0, input_dropout=0.0), epochs=40, modality_dropout=0.0
    )
    model = LabelLearner(config).fit(data, split)
    assert auc(model, data) > 0.85
    assert abs(auc(model.linear, data) - 0.5) < 0.1  # a sum of the two cannot know it
    found = model.contributions(data, split.test)
    assert min(found.values()) > 0.1


def test_shuffled_labels_cannot_be_predicted() -> None:
    data = world("nothing")
    model = LabelLearner(SMALL).fit(data, split_labels(data))
    assert abs(auc(model, data) - 0.5) < 0.1
    rows = split_labels(data).test
    assert np.ptp(model.predict(data, rows)[:, 1]) < 0.5  # and it does not claim to


def test_more_than_two_classes_with_rare_ones() -> None:
    data = world("text", classes=4, missing=0.0)
    split = split_labels(data)
    model = LabelLearner(SMALL).fit(data, split)
    said = model.predict(data, split.test)
    assert said.shape == (len(split.test), 4)
    assert said.sum(axis=1) == pytest.approx(1)
    assert (said.argmax(axis=1) == data.labels[split.test]).mean() > 0.8


def test_weighting_rare_classes_up_leaves_the_probabilities_honest() -> None:
    data = world("picture", missing=0.0)
    labels = data.labels * (np.random.default_rng(0).random(len(data)) < 0.2)
    data = LabelledData("rare", data.views, labels, data.classes, data.groups, data.times, data.items)
    split = split_labels(data)
    for balance in (0.0, 1.0):
        config = LabelLoopConfig(head=SMALL.head, epochs=8, balance=balance)
        said = FusionClassifier(config).fit(data, split).predict(data, split.test)[:, 1]
        assert said.mean() == pytest.approx(labels[split.test].mean(), abs=0.04), balance


def test_the_same_seed_gives_the_same_model_and_the_test_part_is_never_read() -> None:
    data = world("picture", n=300)
    split = split_labels(data)
    labels = data.labels.copy()
    labels[split.test] = 1 - labels[split.test]
    other = LabelledData("flipped", data.views, labels, data.classes, data.groups, data.times, data.items)
    config = LabelLoopConfig(head=SMALL.head, epochs=3)
    first = LabelLearner(config).fit(data, split).predict(data, split.test)
    assert np.array_equal(first, LabelLearner(config).fit(other, split).predict(other, split.test))
    changed = LabelLearner(LabelLoopConfig(head=SMALL.head, epochs=3, seed=1)).fit(data, split)
    assert not np.array_equal(first, changed.predict(data, split.test))


def test_the_best_epoch_is_kept() -> None:
    data = world("picture", n=400)
    split = split_labels(data)
    model = FusionClassifier(SMALL).fit(data, split)
    kept = log_loss(model.predict(data, split.validation), data.labels[split.validation])
    assert kept == pytest.approx(min(model.validation))
    assert len(model.losses) == len(model.validation) <= SMALL.epochs


def test_an_example_without_any_view_gets_an_answer() -> None:
    data = world("picture", n=400, missing=0.4)
    split = split_labels(data)
    lost = ~np.any([view.mask for view in data.views.values()], axis=0)
    assert lost.any()
    said = LabelLearner(SMALL).fit(data, split).predict(data, np.flatnonzero(lost))
    assert np.isfinite(said).all()
    assert np.ptp(said[:, 1]) < 1e-6


def test_attention_sums_to_one() -> None:
    data = world("picture", n=300, missing=0.0)
    split = split_labels(data)
    model = FusionClassifier(LabelLoopConfig(head=SMALL.head, epochs=2)).fit(data, split)
    assert sum(model.attention(data, split.test).values()) == pytest.approx(1, abs=1e-5)


def test_a_loss_that_explodes_is_reported() -> None:
    data = world("picture", n=300)
    with pytest.raises(TrainingError, match="learning_rate"):
        FusionClassifier(LabelLoopConfig(head=SMALL.head, epochs=2, learning_rate=1e30)).fit(data, split_labels(data))


def test_two_classes_cost_what_two_logits_would() -> None:
    logit, labels = torch.tensor([[0.3], [-2.0], [1.0]]), torch.tensor([1, 0, 0])
    weights = torch.tensor([1.0, 2.0, 0.5])
    pair = torch.cat([torch.zeros_like(logit), logit], dim=1)
    assert float(class_loss(logit, labels, weights)) == pytest.approx(
        float(class_loss(pair, labels, weights)), rel=1e-5
    )


def test_names_of_models() -> None:
    data = world("picture", n=300)
    assert list(label_classifiers(data, SMALL)) == [
        "modaloom", "fusion", "prior", "logistic", "logistic-image", "logistic-text",
    ]  # fmt: skip
    only = label_classifiers(data, SMALL, ("prior",))
    assert isinstance(only["prior"](0), Prior)
    with pytest.raises(EvaluationError, match="logistic-image"):
        label_classifiers(data, SMALL, ("forest",))
