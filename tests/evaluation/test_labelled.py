"""Figures of labels by hand and against the plain ones, calibration measured, and the three kinds of report."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Self

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from rich.console import Console

from modaloom.data.labels import LabelledData, LabelSplit, Values, View, split_labels
from modaloom.errors import EvaluationError
from modaloom.evaluation.label_report import print_report, reliability_png, write_html, write_json
from modaloom.evaluation.labelled import (
    LabelEvaluation,
    best_threshold,
    evaluate_labels,
    reliability,
    weighted_figures,
)
from modaloom.models.labelled import Prior, softmax
from modaloom.types import IntArray, Tokens


def labels_of(n: int = 600, classes: int = 2, seed: int = 0) -> tuple[LabelledData, Values]:
    """Labels that are drawn from logits, and those logits."""
    rng = np.random.default_rng(seed)
    logits = rng.standard_normal((n, classes)) * 1.5
    labels = (logits + rng.gumbel(size=logits.shape)).argmax(axis=1)
    view = View(Tokens("text", "test/1", logits.astype(np.float32), np.ones(n, bool)), np.arange(n))
    names = tuple("abcdef"[:classes])
    data = LabelledData("mood", {"text": view}, labels, names, np.arange(n) // 3, np.arange(n), np.arange(n))
    return data, logits


class Shouting:
    """Knows the truth's own probabilities, and exaggerates them."""

    name = "modaloom"
    seeded = True

    def __init__(self, logits: Values, seed: int, factor: float = 4.0):
        self.logits, self.seed, self.factor = logits, seed, factor

    def fit(self, data: LabelledData, split: LabelSplit) -> Self:
        return self

    def predict(self, data: LabelledData, rows: IntArray) -> Values:
        return softmax(self.logits[rows] * (self.factor + self.seed))

    def contributions(self, data: LabelledData, rows: IntArray) -> dict[str, float]:
        return {"text": 0.25 + self.seed}


def evaluated(classes: int = 2, seeds: tuple[int, ...] = (0,), n: int = 900) -> LabelEvaluation:
    data, logits = labels_of(n, classes)
    models = {"modaloom": lambda seed: Shouting(logits, seed), "prior": lambda seed: Prior()}
    return evaluate_labels("A shop", data, models, seeds=seeds)


def binary_figures(labels: list[bool], said: list[float]) -> dict[str, float]:
    """What is measured of probabilities of yes, each example counting once."""
    both = np.stack([1 - np.array(said), said], axis=1)
    found = weighted_figures(both, np.array(labels, dtype=np.int64), np.ones((1, len(said)), np.float32))
    return {name: float(value[0]) for name, value in found.items()}


def test_figures_by_hand() -> None:
    found = binary_figures([True, True, False, False], [0.9, 0.4, 0.6, 0.1])
    assert found["accuracy"] == found["precision"] == found["recall"] == found["f1"] == 0.5
    assert found["auc"] == 0.75
    assert found["log_loss"] == pytest.approx(-(math.log(0.9) * 2 + math.log(0.4) * 2) / 4)
    assert found["brier"] == pytest.approx((0.01 + 0.36 + 0.36 + 0.01) / 4)
    assert found["calibration_error"] == pytest.approx((0.1 + 0.6 + 0.6 + 0.1) / 4)


def test_figures_at_the_edges() -> None:
    sure = binary_figures([True, False], [1.0, 0.0])
    assert sure["f1"] == sure["auc"] == sure["accuracy"] == 1.0
    assert sure["calibration_error"] == 0.0
    assert sure["log_loss"] < 1e-6
    wrong = binary_figures([False, False], [0.2, 0.1])
    assert wrong["f1"] == wrong["recall"] == 0.0
    assert math.isnan(wrong["auc"])
    assert math.isfinite(binary_figures([True], [0.0])["log_loss"])


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 4)), min_size=1, max_size=20))
@settings(max_examples=150, deadline=None)
def test_the_area_is_the_share_of_ordered_pairs(pairs: list[tuple[bool, int]]) -> None:
    labels, said = [label for label, _ in pairs], [score / 4 for _, score in pairs]
    yes = [one for one, label in zip(said, labels, strict=True) if label]
    no = [one for one, label in zip(said, labels, strict=True) if not label]
    wins = [(one > other) + 0.5 * (one == other) for one in yes for other in no]
    area = binary_figures(labels, said)["auc"]
    assert math.isnan(area) if not wins else area == pytest.approx(np.mean(wins), abs=1e-6)


def test_counting_an_example_twice_is_having_it_twice() -> None:
    rng = np.random.default_rng(4)
    for classes in (2, 4):
        said, labels = softmax(rng.standard_normal((50, classes))), rng.integers(0, classes, 50)
        counts = rng.integers(0, 4, 50)
        rows = np.repeat(np.arange(50), counts)
        once = weighted_figures(said[rows], labels[rows], np.ones((1, len(rows)), np.float32))
        weighted = weighted_figures(said, labels, counts[None, :].astype(np.float32))
        for name, value in once.items():
            assert weighted[name][0] == pytest.approx(value[0], abs=1e-5), name


def test_many_classes_by_hand() -> None:
    said = np.array([[0.8, 0.1, 0.1], [0.2, 0.7, 0.1], [0.6, 0.3, 0.1], [0.1, 0.1, 0.8]])
    found = weighted_figures(said, np.array([0, 1, 1, 2]), np.ones((1, 4), np.float32))
    assert found["accuracy"][0] == pytest.approx(0.75)
    assert found["precision"][0] == pytest.approx((0.5 + 1 + 1) / 3)
    assert found["recall"][0] == pytest.approx((1 + 0.5 + 1) / 3)
    assert found["f1"][0] == pytest.approx((2 / 3 + 2 / 3 + 1) / 3)
    assert found["auc"][0] == pytest.approx(1.0)
    squares = [0.04 + 0.02, 0.04 + 0.09 + 0.01, 0.36 + 0.49 + 0.01, 0.02 + 0.04]
    assert found["brier"][0] == pytest.approx(np.mean(squares))
    assert found["calibration_error"][0] == pytest.approx((0.2 + 0.2 + 0.3 + 0.6) / 4, abs=0.11)


def test_one_class_only_has_no_area_but_everything_else() -> None:
    said = np.array([[0.4, 0.6], [0.7, 0.3]])
    found = weighted_figures(said, np.array([1, 1]), np.ones((1, 2), np.float32))
    assert math.isnan(found["auc"][0])
    assert found["recall"][0] == 0.5


def test_calibration_mends_an_overconfident_model_on_labels_it_has_not_seen() -> None:
    for classes in (2, 3):
        row = evaluated(classes, n=3_000).summary()["modaloom"]
        for name in ("calibration_error", "log_loss", "brier"):
            assert row[name] < 0.7 * row[f"raw_{name}"] or name == "brier", name  # type: ignore[operator]
            assert row[name] < row[f"raw_{name}"], name  # type: ignore[operator]


def test_intervals_hold_the_figure_and_whole_groups_are_drawn() -> None:
    row = evaluated().summary()["modaloom"]
    for name, (low, high) in row["intervals"].items():  # type: ignore[attr-defined]
        if "calibration_error" not in name:  # an absolute gap grows with every resampling
            assert low <= row[name] <= high, name  # type: ignore[operator]
    data, logits = labels_of(900)
    thrice = np.repeat(np.arange(0, 900, 3), 3)  # each group of three is one example three times
    copies = replace(data, labels=data.labels[thrice])
    alone = replace(copies, groups=np.arange(900))
    widths = []
    for made in (copies, alone):
        models = {"modaloom": lambda seed: Shouting(logits[thrice], seed)}
        low, high = evaluate_labels("A shop", made, models).summary()["modaloom"]["intervals"]["auc"]  # type: ignore[index]
        widths.append(high - low)
    assert widths[0] > 1.4 * widths[1]


def test_seeds_are_averaged_and_only_where_they_matter() -> None:
    result = evaluated(seeds=(0, 1, 2))
    assert [one.seed for one in result.rounds["modaloom"]] == [0, 1, 2]
    assert len(result.rounds["prior"]) == 1
    assert result.summary()["modaloom"]["contributions"] == {"text": pytest.approx(1.25)}


def test_the_threshold_is_the_best_and_comes_from_validation() -> None:
    said = np.array([0.1, 0.2, 0.25, 0.3, 0.8])
    labels = np.array([False, False, True, True, True])
    assert 0.2 < best_threshold(said, labels) <= 0.25
    assert best_threshold(np.array([0.1, 0.9]), np.array([False, True])) == pytest.approx(0.5)
    result = evaluated()
    flipped = result.data.labels.copy()
    flipped[result.split.test] = 1 - flipped[result.split.test]
    _, logits = labels_of(900)
    models = {"modaloom": lambda seed: Shouting(logits, seed)}
    other = evaluate_labels("A shop", replace(result.data, labels=flipped), models)
    for name in ("threshold", "calibrated"):
        one, two = (getattr(made.rounds["modaloom"][0], name) for made in (result, other))
        assert np.array_equal(one, two), name


def test_what_are_no_probabilities_is_refused() -> None:
    data, logits = labels_of()

    class Wrong(Shouting):
        def predict(self, data: LabelledData, rows: IntArray) -> Values:
            return 2 * super().predict(data, rows)

    with pytest.raises(EvaluationError, match="no probabilities"):
        evaluate_labels("A shop", data, {"modaloom": lambda seed: Wrong(logits, seed)})


def test_reliability_by_hand() -> None:
    said = np.array([[0.9, 0.1], [0.88, 0.12], [0.05, 0.95]])
    assert reliability(said, np.array([0, 1, 1])) == [
        (pytest.approx(0.11), 0.5, 2),
        (pytest.approx(0.95), 1.0, 1),
    ]
    assert sum(one[2] for one in reliability(softmax(np.eye(3)), np.arange(3))) == 3


@pytest.mark.parametrize("classes", [2, 4])
def test_reports(classes: int, tmp_path: Path) -> None:
    result = evaluated(classes, seeds=(0, 1))
    screen = Console(file=io.StringIO(), width=80)
    print_report(result, screen)
    assert isinstance(screen.file, io.StringIO)
    said = screen.file.getvalue()
    assert "modaloom" in said
    assert "in order of time" in said
    assert "rise of the log loss without text" in said
    assert ("chose for F1" in said) == (classes == 2)
    lines = [line.rstrip() for line in said.splitlines()]
    rows = [line for line in lines if line.split()[1:] and line.split()[1].startswith(".")]
    assert len(rows) == 2
    assert max(map(len, rows)) <= 80
    write_json(result, tmp_path / "deep" / "labels.json")
    content = json.loads((tmp_path / "deep" / "labels.json").read_text())
    assert content["labels"]["test"] == len(split_labels(result.data).test)
    assert set(content["models"]) == {"modaloom", "prior"}
    assert 0.5 < content["models"]["modaloom"]["auc"] <= 1
    write_html(result, tmp_path / "labels.html")
    page = (tmp_path / "labels.html").read_text()
    assert 'class="ours"' in page
    assert "http" not in page
    with Image.open(io.BytesIO(reliability_png(result, "prior"))) as picture:
        assert picture.format == "PNG"


@pytest.fixture
def shop(sample_shop: Path) -> Path:
    return sample_shop


def test_the_command(shop: Path, command: Callable[..., tuple[int, str, str]], tmp_path: Path) -> None:
    out = tmp_path / "labels.json"
    asked = ("evaluate", shop, "--protocol", "labels", "--models", "modaloom,prior,biases", "--size", "small")
    code, said, _ = command(*asked, "--json", out, "--html", tmp_path / "labels.html")
    assert code == 0
    assert "biases" in said
    rows = json.loads(out.read_text())["models"]
    assert set(rows) == {"modaloom", "prior", "biases"}
    assert rows["modaloom"]["intervals"]["auc"][0] <= rows["modaloom"]["auc"] <= rows["modaloom"]["intervals"]["auc"][1]
    assert (tmp_path / "labels.html").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--label", "colour"), "Choose one of likes, value, category"),
        (("--models", "forest"), "logistic"),
    ],
)
def test_errors_teach(
    arguments: tuple[str, ...], words: str, shop: Path, command: Callable[..., tuple[int, str, str]]
) -> None:
    code, _, said = command("evaluate", shop, "--protocol", "labels", "--models", "prior", *arguments)
    assert code == 2
    assert words in said
    assert len(said.strip().splitlines()) == 1 or "note" in said
