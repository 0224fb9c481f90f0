"""Fits, calibrates and asks classifiers on a shop's labels: learned on the past, chosen on what follows, asked last."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from modaloom.data.labels import LabelledData, LabelSplit, Values, split_labels
from modaloom.errors import EvaluationError
from modaloom.models.labelled import SMALLEST, Classifier, Pool
from modaloom.types import BoolArray, FloatArray, IntArray, Tell

Factory = Callable[[int], Classifier]
"""Makes an unfitted classifier from a seed."""
FIGURES = ("auc", "accuracy", "precision", "recall", "f1", "log_loss", "brier", "calibration_error")
BINS = 10
BOOTSTRAP_ROUNDS = 500
THRESHOLDS = np.linspace(0.05, 0.95, 91)


@dataclass
class LabelRound:
    """One classifier fitted with one seed, and what it said of the examples that were asked for."""

    seed: int
    raw: Values  # (b, c) as the classifier gave them
    calibrated: Values  # (b, c)
    threshold: float
    """Chosen on validation for the best F1; two classes only."""
    contributions: dict[str, float]
    """Rise of the log loss when a view is left out, for classifiers that can say."""
    fit_s: float


@dataclass
class LabelEvaluation:
    """All rounds of all classifiers on one set of labels."""

    shop: str
    data: LabelledData
    split: LabelSplit
    rounds: dict[str, list[LabelRound]] = field(default_factory=dict)

    @property
    def asked(self) -> IntArray:
        """True classes of the examples that were asked for."""
        return self.data.labels[self.split.test]

    def summary(self) -> dict[str, dict[str, object]]:
        """Per classifier the figures of its calibrated answers, means over seeds, with intervals over groups."""
        counts = _resampled(self.data.groups[self.split.test])
        return {name: self._row(rounds, counts) for name, rounds in self.rounds.items()}

    def _row(self, rounds: Sequence[LabelRound], counts: FloatArray) -> dict[str, object]:
        made = [self._figures(round_, counts) for round_ in rounds]
        mean = {name: np.mean([figures[name] for figures in made], axis=0) for name in made[0]}  # (1 + rounds,)
        row: dict[str, object] = {name: float(values[0]) for name, values in mean.items()}
        row["intervals"] = {
            name: [float(end) for end in np.quantile(values[1:][~np.isnan(values[1:])], [0.025, 0.975])]
            if not np.isnan(values[1:]).all()
            else [float("nan")] * 2
            for name, values in mean.items()
        }
        names = rounds[0].contributions
        row["contributions"] = {name: float(np.mean([one.contributions[name] for one in rounds])) for name in names}
        row["threshold"] = float(np.mean([one.threshold for one in rounds]))
        row["fit_s"] = float(np.mean([one.fit_s for one in rounds]))
        row["seeds"] = [one.seed for one in rounds]
        return row

    def _figures(self, round_: LabelRound, counts: FloatArray) -> dict[str, Values]:
        """Each figure for the examples as they are and for each resampling, (1 + rounds,)."""
        figures = weighted_figures(round_.calibrated, self.asked, counts)
        before = weighted_figures(round_.raw, self.asked, counts, only=("log_loss", "brier", "calibration_error"))
        figures |= {f"raw_{name}": values for name, values in before.items()}
        if self.data.binary:
            said = (round_.calibrated[:, 1] >= round_.threshold).astype(np.int64)
            chosen = _decisions(said, self.asked, counts, 2)
            figures |= {f"{name}_at_threshold": values for name, values in chosen.items()}
        return figures


def evaluate_labels(
    shop: str,
    data: LabelledData,
    models: Mapping[str, Factory],
    *,
    seeds: Sequence[int] = (0,),
    tell: Tell | None = None,
) -> LabelEvaluation:
    """Runs every classifier on one split of the labels; seeds change the learning, not the split.

    Raises:
        EvaluationError: the labels cannot be split, or a classifier gave what are no probabilities.
        TrainingError: a classifier cannot be fitted.
    """
    split = split_labels(data)
    result = LabelEvaluation(shop, data, split)
    for place, (name, factory) in enumerate(models.items()):
        if tell:
            tell(f"labels: {name}", place, len(models))
        result.rounds[name] = []
        for seed in seeds:
            model = factory(seed)
            result.rounds[name].append(_run(model, data, split, seed))
            if not model.seeded:
                break
    if tell:
        tell("done", len(models), len(models))
    return result


def _run(model: Classifier, data: LabelledData, split: LabelSplit, seed: int) -> LabelRound:
    started = time.perf_counter()
    model.fit(data, split)
    known, truth = model.predict(data, split.validation), data.labels[split.validation]
    calibration = Pool.fit([known], truth)
    fit_s = time.perf_counter() - started
    raw = model.predict(data, split.test)
    if not np.isfinite(raw).all() or not np.allclose(raw.sum(axis=1), 1, atol=1e-3):
        raise EvaluationError(f"the classifier {model.name!r} gave what are no probabilities")
    threshold = best_threshold(calibration.apply([known])[:, 1], truth == 1) if data.binary else 0.5
    measure = getattr(model, "contributions", None)
    contributions = measure(data, split.test) if measure else {}
    return LabelRound(seed, raw, calibration.apply([raw]), threshold, contributions, fit_s)


def best_threshold(probabilities: Values, labels: BoolArray) -> float:
    """From which probability on to say yes for the best F1; among equals the one nearest to a half."""
    said = probabilities[None, :] >= THRESHOLDS[:, None]
    right = (said & labels).sum(axis=1)
    f1 = 2 * right / np.maximum(said.sum(axis=1) + labels.sum(), 1)
    best = np.flatnonzero(f1 >= f1.max() - 1e-12)
    return float(THRESHOLDS[best[np.abs(THRESHOLDS[best] - 0.5).argmin()]])


def weighted_figures(
    probabilities: Values, labels: IntArray, counts: FloatArray, *, only: Sequence[str] = FIGURES
) -> dict[str, Values]:
    """Figures of probabilities (n, c), one value per row of counts (r, n), how often each example counts.

    Two classes: precision, recall and F1 of the second at one half, AUC, Brier score ``(p - y)^2``, calibration
    error of p. More: the most likely class is the answer; precision, recall, F1 and AUC (one class against the
    rest) are means over the classes; the Brier score is a sum over them; calibration error of the answer's
    probability.

    Source: Naeini, Cooper & Hauskrecht, "Obtaining Well Calibrated Probabilities Using Bayesian Binning", 2015.
    """
    n_classes, total = probabilities.shape[1], counts.sum(axis=1)
    binary = n_classes == 2
    said = (probabilities[:, 1] >= 0.5).astype(np.int64) if binary else probabilities.argmax(axis=1)
    own = probabilities[np.arange(len(labels)), labels]
    truth = np.eye(n_classes)[labels]
    square = (1 - own) ** 2 if binary else ((probabilities - truth) ** 2).sum(axis=1)
    sure, right = (probabilities[:, 1], labels == 1) if binary else (probabilities.max(axis=1), said == labels)
    figures: dict[str, Values] = {}
    if "accuracy" in only:
        figures = _decisions(said, labels, counts, n_classes)
    if "auc" in only:
        classes = (1,) if binary else range(n_classes)
        curves = np.stack([_areas(probabilities[:, one], labels == one, counts) for one in classes])
        figures["auc"] = _mean_of_there(curves)
    figures["log_loss"] = counts @ -np.log(np.maximum(own, SMALLEST)) / total
    figures["brier"] = counts @ square / total
    place = np.minimum((sure * BINS).astype(np.int64), BINS - 1)
    gaps = [np.abs(counts[:, place == one] @ (sure - right)[place == one]) for one in range(BINS)]
    figures["calibration_error"] = np.sum(gaps, axis=0) / total
    return {name: figures[name] for name in only}


def _decisions(said: IntArray, labels: IntArray, counts: FloatArray, n_classes: int) -> dict[str, Values]:
    """Accuracy, precision, recall and F1 per row of counts (r, n); those of the second class, or means over all."""
    classes = (1,) if n_classes == 2 else range(n_classes)
    rows = []
    for one in classes:
        found = counts @ ((said == one) & (labels == one))
        named, there = counts @ (said == one), counts @ (labels == one)
        asked = np.where((there > 0) | (n_classes == 2), 1.0, np.nan)  # a class that nobody has counts nowhere
        rows.append(
            np.stack(
                [found / np.maximum(named, 1), found / np.maximum(there, 1), 2 * found / np.maximum(named + there, 1)]
            )
            * asked
        )
    precision, recall, f1 = _mean_of_there(np.stack(rows))
    accuracy = counts @ (said == labels) / counts.sum(axis=1)
    return {"accuracy": accuracy, "precision": precision, "recall": recall, "f1": f1}


def _mean_of_there(values: Values) -> Values:
    """Mean over the first axis of what is not NaN, NaN where nothing is."""
    there = ~np.isnan(values)
    number = there.sum(axis=0)
    mean: Values = np.where(number > 0, np.where(there, values, 0.0).sum(axis=0) / np.maximum(number, 1), np.nan)
    return mean


def _areas(scores: Values, labels: BoolArray, counts: FloatArray) -> Values:
    """Area under the curve per row of counts (r, n), ties counting half; NaN with one class only."""
    order = np.argsort(scores, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(scores[order]) > 0])
    own = counts[:, order]
    wins = np.add.reduceat(own * labels[order], starts, axis=1, dtype=np.float64)
    losses = np.add.reduceat(own * ~labels[order], starts, axis=1, dtype=np.float64)
    below = np.cumsum(losses, axis=1) - losses / 2
    pairs = wins.sum(axis=1) * losses.sum(axis=1)
    areas: Values = np.where(pairs > 0, (wins * below).sum(axis=1) / np.maximum(pairs, 1), np.nan)
    return areas


def _resampled(groups: IntArray, rounds: int = BOOTSTRAP_ROUNDS, seed: int = 0) -> FloatArray:
    """How often each example counts, (1 + rounds, n): once, then with its whole group as often as that was drawn."""
    _, group = np.unique(groups, return_inverse=True)
    number = int(group.max()) + 1
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(number, np.full(number, 1 / number), size=rounds)
    return np.concatenate([np.ones((1, len(groups))), drawn[:, group]]).astype(np.float32)


def reliability(probabilities: Values, labels: IntArray) -> list[tuple[float, float, int]]:
    """Mean prediction, true share and number of examples in each of ten bins that holds any.

    With more than two classes the prediction is the probability of the answer, and the share that of right answers.
    """
    binary = probabilities.shape[1] == 2
    sure = probabilities[:, 1] if binary else probabilities.max(axis=1)
    right = labels == 1 if binary else probabilities.argmax(axis=1) == labels
    place = np.minimum((sure * BINS).astype(np.int64), BINS - 1)
    bins = [place == one for one in range(BINS)]
    return [(float(sure[own].mean()), float(right[own].mean()), int(own.sum())) for own in bins if own.any()]
