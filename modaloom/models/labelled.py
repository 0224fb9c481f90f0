"""Models of labels: fused modality tokens into classes, simple models to compare with, and calibration.

A classifier learns from one part of a :class:`~modaloom.data.labels.LabelledData`, chooses on another, and gives
probabilities (b, c) of c classes. With two classes the second is the positive one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, Self, TypeVar, cast

import numpy as np
import torch
from scipy.optimize import minimize
from torch import Tensor, nn

from modaloom.data.labels import LabelledData, LabelSplit, Values, View, earlier_sums
from modaloom.models.fusion import make_fusion
from modaloom.numerics import principal_axes, unit_rows
from modaloom.types import BoolArray, FloatArray, IntArray

NARROW = 64
"""Views up to this width are standardised column by column; wider ones are reduced to their principal axes."""
MAX_AXES = 256
RIDGES = (1e-3, 1e-2, 1e-1, 1.0)
STRENGTHS = (1.0, 3.0, 10.0, 30.0, 100.0)
SMALLEST = 1e-6
PULL = 5.0
"""How many examples' worth of log loss speak for leaving predictions as they are: a few hundred labels are few."""
Choice = TypeVar("Choice")


class Classifier(Protocol):
    """What a model of labels can do."""

    name: str
    seeded: bool

    def fit(self, data: LabelledData, split: LabelSplit) -> Self:
        """Learns from ``split.train`` and chooses on ``split.validation``; never looks at ``split.test``."""
        ...

    def predict(self, data: LabelledData, rows: IntArray) -> Values:
        """Probabilities (b, c) of some examples."""
        ...


class Reduction(NamedTuple):
    """A fixed linear map of one view."""

    mean: FloatArray  # (d,)
    axes: FloatArray  # (k, d)
    unit: bool

    @classmethod
    def fit(cls, view: View, rows: IntArray) -> Reduction:
        """Learns scale and axes from the examples in ``rows``; no label is read."""
        used = np.unique(view.rows[rows])
        vectors, mask = view.tokens.vectors[used], view.tokens.mask[used]
        if not mask.any():
            return cls(np.zeros(view.tokens.dim, np.float32), np.zeros((1, view.tokens.dim), np.float32), False)
        if view.tokens.dim <= NARROW:
            spread = vectors[mask].std(axis=0)
            scale = np.where(spread > SMALLEST, 1 / np.maximum(spread, SMALLEST), 0.0)
            return cls(vectors[mask].mean(axis=0), np.diag(scale).astype(np.float32), False)
        mean, axes, spread = principal_axes(unit_rows(vectors), mask, MAX_AXES)
        return cls(mean, axes / max(float(np.sqrt((spread**2).mean())), SMALLEST), True)

    def apply(self, view: View) -> FloatArray:
        """The whole token table, reduced (n, k); zeros where the token is missing."""
        vectors = unit_rows(view.tokens.vectors) if self.unit else view.tokens.vectors
        reduced: FloatArray = ((vectors - self.mean) @ self.axes.T).astype(np.float32)
        reduced[~view.tokens.mask] = 0.0
        return reduced


class Inputs:
    """The views of a data set, each reduced: what every classifier reads."""

    def __init__(self, data: LabelledData, split: LabelSplit, names: Sequence[str] | None = None):
        self.names = tuple(names or data.views)
        self.reductions = {name: Reduction.fit(data.views[name], split.train) for name in self.names}

    def tables(self, data: LabelledData) -> list[FloatArray]:
        """One reduced token table per view."""
        return [self.reductions[name].apply(data.views[name]) for name in self.names]

    def rows(self, data: LabelledData) -> IntArray:
        """Which row of each table an example has, (m, n)."""
        return np.stack([data.views[name].rows for name in self.names])

    def mask(self, data: LabelledData) -> BoolArray:
        """Which views an example has, (n, m)."""
        return np.stack([data.views[name].mask for name in self.names], axis=1)

    def matrix(self, data: LabelledData, rows: IntArray, left_out: str | None = None) -> FloatArray:
        """All views side by side, and which are there, (b, k); one may be left out."""
        mask = self.mask(data)[rows].astype(np.float32)
        mask *= [name != left_out for name in self.names]
        triples = zip(self.tables(data), self.rows(data), mask.T, strict=True)
        return np.concatenate([*(table[own[rows]] * there[:, None] for table, own, there in triples), mask], axis=1)


@dataclass(frozen=True)
class HeadConfig:
    """Shape of the network. ``dim`` is the width of every token, a multiple of ``num_heads``."""

    dim: int = 64
    fusion: str = "attention"
    attention: str = "scaled_dot"
    num_heads: int = 4
    dropout: float = 0.2
    input_dropout: float = 0.2


class LabelledFusion(nn.Module):
    """Modality tokens, fused, into logits; beside it a linear path that the fusion only has to correct.

    Two classes share one logit, that of the second.

    Source: Cheng et al., "Wide & Deep Learning for Recommender Systems", 2016 (the linear path).
    """

    def __init__(self, widths: Sequence[int], n_classes: int, config: HeadConfig):
        super().__init__()
        dim, n_logits = config.dim, 1 if n_classes == 2 else n_classes
        self.hide = nn.Dropout(config.input_dropout)
        self.enter = nn.ModuleList(nn.Linear(width, dim) for width in widths)
        self.fusion = make_fusion(
            config.fusion, dim, len(widths), attention=config.attention, num_heads=config.num_heads
        )
        self.head = nn.Sequential(
            nn.Dropout(config.dropout), nn.Linear(dim, dim), nn.GELU(), nn.Dropout(config.dropout),
            nn.Linear(dim, n_logits),
        )  # fmt: skip
        self.wide = nn.ModuleList(nn.Linear(width, n_logits, bias=False) for width in widths)
        for layer in self.wide:
            nn.init.zeros_(cast(Tensor, layer.weight))

    def forward(self, views: Sequence[Tensor], mask: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (b, c or 1) and attention (b, m) of m views (b, d_i), of which mask (b, m) says which are there."""
        there = [self.hide(view.masked_fill(~mask[:, place, None], 0.0)) for place, view in enumerate(views)]
        tokens = torch.stack([torch.tanh(layer(view)) for layer, view in zip(self.enter, there, strict=True)], dim=1)
        fused, weights = self.fusion(tokens, mask)
        linear = torch.stack([layer(view) for layer, view in zip(self.wide, there, strict=True)]).sum(dim=0)
        return self.head(fused) + linear, weights


def log_loss(probabilities: Values, labels: IntArray) -> float:
    """Mean negative logarithm of what was given to the true class."""
    return float(-np.log(np.maximum(probabilities[np.arange(len(labels)), labels], SMALLEST)).mean())


@dataclass(frozen=True)
class Pool:
    """Several predictions into one, or one made honest: weighted sum of the logarithms, then a softmax.

    With one prediction the weight is the inverse of a temperature. With two classes an offset is added.

    Source: Platt, 1999 (two classes); Guo et al., "On Calibration of Modern Neural Networks", 2017 (temperature);
    Genest & Zidek, "Combining Probability Distributions", 1986 (logarithmic pooling).
    """

    weights: tuple[float, ...] = (1.0,)
    offset: float = 0.0

    @classmethod
    def fit(cls, predictions: Sequence[Values], labels: IntArray) -> Pool:
        """Learns from predictions (n, c) of examples that no model has learned from, and their classes (n,)."""
        start = np.full(len(predictions), 1 / len(predictions))
        binary = predictions[0].shape[1] == 2

        def loss(values: Values) -> float:
            own = cls(tuple(values[: len(start)].tolist()), float(values[-1]) if binary else 0.0)
            pull = float(((values[: len(start)] - start) ** 2).sum()) + own.offset**2
            return log_loss(own.apply(predictions), labels) + PULL * pull / len(labels)

        first = np.r_[start, 0.0] if binary else start
        bounds = [(0.0, 20.0)] * len(start) + [(-3.0, 3.0)] * binary
        found = minimize(loss, first, method="L-BFGS-B", bounds=bounds).x
        return cls(tuple(found[: len(start)].tolist()), float(found[-1]) if binary else 0.0)

    def apply(self, predictions: Sequence[Values]) -> Values:
        """Probabilities (n, c) of one prediction (n, c) per weight."""
        pairs = zip(self.weights, predictions, strict=True)
        logits = np.sum([weight * np.log(np.maximum(made, SMALLEST)) for weight, made in pairs], axis=0)
        logits[:, -1] += self.offset
        return softmax(logits)


def softmax(logits: Values) -> Values:
    """Probabilities (n, c) of logits (n, c)."""
    grown = np.exp(logits - logits.max(axis=1, keepdims=True))
    result: Values = grown / grown.sum(axis=1, keepdims=True)
    return result


class Prior:
    """The share of each class, whoever is asked about."""

    name = "prior"
    seeded = False

    def fit(self, data: LabelledData, split: LabelSplit) -> Self:
        """Counts."""
        counts = np.bincount(data.labels[split.train], minlength=len(data.classes))
        self._shares = counts / counts.sum()
        return self

    def predict(self, data: LabelledData, rows: IntArray) -> Values:
        """Probabilities (b, c), equal in every row."""
        return np.tile(self._shares, (len(rows), 1))


class RunningMean:
    """What was said earlier about the same item, or by the same shopper, drawn towards the share of all."""

    seeded = False

    def __init__(self, subject: str):
        self.name = f"{subject}-mean"
        self._subject = subject

    def _rates(self, data: LabelledData, strength: float) -> Values:
        keys = data.items if self._subject == "item" else data.users
        assert keys is not None
        number, liked = earlier_sums(keys, data.times, data.labels.astype(np.float64))
        rates: Values = (liked + strength * self._share) / (number + strength)
        return rates

    def fit(self, data: LabelledData, split: LabelSplit) -> Self:
        """Chooses how many labels the share of all counts for."""
        self._share = float(data.labels[split.train].mean())
        self._strength = _least(data, split, STRENGTHS, lambda strength: self._rates(data, strength))
        return self

    def predict(self, data: LabelledData, rows: IntArray) -> Values:
        """Probabilities (b, 2), from labels strictly earlier than each example's own moment."""
        return _pair(self._rates(data, self._strength)[rows])


class Biases:
    """The share of all, plus how far the item, plus how far the shopper was off it until then.

    Source: Koren, Bell & Volinsky, "Matrix Factorization Techniques for Recommender Systems", 2009, equation 3.
    """

    name = "biases"
    seeded = False

    def _rates(self, data: LabelledData, strength: tuple[float, float]) -> Values:
        assert data.users is not None
        number, total = earlier_sums(data.items, data.times, (data.labels - self._share).astype(np.float64))
        by_item = total / (number + strength[0])
        number, total = earlier_sums(data.users, data.times, (data.labels - self._share - by_item).astype(np.float64))
        rates: Values = np.clip(self._share + by_item + total / (number + strength[1]), 0.01, 0.99)
        return rates

    def fit(self, data: LabelledData, split: LabelSplit) -> Self:
        """Chooses how strongly both are held back."""
        self._share = float(data.labels[split.train].mean())
        pairs = [(item, user) for item in STRENGTHS for user in STRENGTHS]
        self._strength = _least(data, split, pairs, lambda strength: self._rates(data, strength))
        return self

    def predict(self, data: LabelledData, rows: IntArray) -> Values:
        """Probabilities (b, 2), from labels strictly earlier than each example's own moment."""
        return _pair(self._rates(data, self._strength)[rows])


class Logistic:
    """Logistic regression on the views side by side; the ridge is chosen on validation."""

    seeded = False

    def __init__(self, views: Sequence[str] | None = None):
        self.name = "-".join(("logistic", *(views or ())))
        self._views = views

    def fit(self, data: LabelledData, split: LabelSplit) -> Self:
        """Solves it by L-BFGS, once per ridge."""
        self._inputs = Inputs(data, split, self._views)
        features, asked = (self._inputs.matrix(data, rows) for rows in (split.train, split.validation))
        found = []
        for ridge in RIDGES:
            weights = fit_logistic(features, data.labels[split.train], len(data.classes), ridge)
            found.append((log_loss(softmax(_logits(asked, weights)), data.labels[split.validation]), ridge, weights))
        _, self.ridge, self._weights = min(found, key=lambda one: one[0])
        return self

    def predict(self, data: LabelledData, rows: IntArray, *, left_out: str | None = None) -> Values:
        """Probabilities (b, c), as if one view were missing everywhere where ``left_out`` names it."""
        return softmax(_logits(self._inputs.matrix(data, rows, left_out), self._weights))


def fit_logistic(features: Any, labels: IntArray, n_classes: int, ridge: float, *, rounds: int = 200) -> FloatArray:
    """Weights (k + 1, c) of a multinomial logistic regression, the last row of which is the intercept.

    ``features`` (n, k) may be an array or a SciPy sparse matrix.
    """
    n, width = features.shape
    truth = np.eye(n_classes, dtype=np.float32)[labels]

    def loss(flat: Values) -> tuple[float, Values]:
        weights = flat.reshape(width + 1, n_classes).astype(np.float32)
        said = softmax(_logits(features, weights))
        off = ((said - truth) / n).astype(np.float32)
        slope = np.concatenate([features.T @ off + ridge * weights[:-1], off.sum(axis=0, keepdims=True)])
        value = log_loss(said, labels) + ridge * float((weights[:-1] ** 2).sum()) / 2
        return value, slope.astype(np.float64).ravel()

    start = np.zeros((width + 1) * n_classes)
    found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": rounds})
    solved: FloatArray = found.x.reshape(width + 1, n_classes).astype(np.float32)
    return solved


def simple_classifiers(data: LabelledData) -> Mapping[str, Callable[[int], Classifier]]:
    """Factories of what a learned model has to beat; a seed is taken and not needed."""
    makers: list[Callable[[], Classifier]] = [Prior, Logistic]
    if data.users is not None:
        makers[1:1] = [lambda: RunningMean("item"), lambda: RunningMean("shopper"), Biases]
    elif len(data.views) > 1:
        makers += [lambda name=name: Logistic((name,)) for name in data.views]  # type: ignore[misc]
    return {make().name: lambda seed, make=make: make() for make in makers}  # type: ignore[misc]


def _least(
    data: LabelledData, split: LabelSplit, choices: Sequence[Choice], rates: Callable[[Choice], Values]
) -> Choice:
    """The choice with the smallest log loss on validation."""
    rows = split.validation
    return min(choices, key=lambda choice: log_loss(_pair(rates(choice)[rows]), data.labels[rows]))


def _pair(rates: Values) -> Values:
    return np.stack([1 - rates, rates], axis=1)


def _logits(features: Any, weights: FloatArray) -> Values:
    logits: Values = np.asarray(features @ weights[:-1] + weights[-1], dtype=np.float64)
    return logits
