"""Learning the fusion head for labels: the loop, in one sitting."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from modaloom.data.labels import LabelledData, LabelSplit, Values
from modaloom.errors import EvaluationError, TrainingError
from modaloom.models.fusion import drop_modalities
from modaloom.models.labelled import (
    Classifier,
    HeadConfig,
    Inputs,
    LabelledFusion,
    Logistic,
    Pool,
    log_loss,
    simple_classifiers,
    softmax,
)
from modaloom.models.losses import like_loss
from modaloom.types import FloatArray, IntArray

ROWS_AT_ONCE = 4_096
STEPS = 100
BATCH_SIZES = (64, 1_024)
"""A batch is a hundredth of the examples, within these limits."""


@dataclass(frozen=True)
class LabelLoopConfig:
    """How to learn."""

    head: HeadConfig = field(default_factory=HeadConfig)
    epochs: int = 40
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    modality_dropout: float = 0.1
    balance: float = 0.5
    """How far rare classes are weighted up while learning: 0 not at all, 1 until all classes weigh the same.
    Probabilities are corrected for it, so that they stay those of the shop's own shares."""
    patience: int = 4
    seed: int = 0


class FusionClassifier:
    """Fusion over the modality tokens of each example, early-stopped on validation."""

    name = "fusion"
    seeded = True

    def __init__(self, config: LabelLoopConfig | None = None):
        self.config = config or LabelLoopConfig()
        self.losses: list[float] = []
        self.validation: list[float] = []
        """Log loss on validation by epoch."""

    def fit(self, data: LabelledData, split: LabelSplit) -> Self:
        """Learns until validation stops improving, and keeps the best epoch; same seed, same model.

        Raises:
            TrainingError: the loss is no longer a number.
        """
        config = self.config
        torch.manual_seed(config.seed)
        rng = np.random.default_rng(config.seed)
        self._inputs = Inputs(data, split)
        widths = [len(self._inputs.reductions[name].axes) for name in self._inputs.names]
        self.model = LabelledFusion(widths, len(data.classes), config.head)
        self._tilt = _class_weights(data, split, config.balance)
        examples = _Examples(self._inputs, data)
        optimizer = torch.optim.AdamW(
            self.model.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay, fused=True
        )
        best, best_epoch = copy.deepcopy(self.model.state_dict()), -1
        for epoch in range(config.epochs):
            self.losses.append(self._epoch(examples, rng.permutation(split.train), optimizer))
            self.validation.append(log_loss(self.predict(data, split.validation), data.labels[split.validation]))
            if not math.isfinite(self.losses[-1]):
                raise TrainingError(
                    f"the loss is {self.losses[-1]} after epoch {epoch + 1}", hint="Lower learning_rate"
                )
            if self.validation[-1] <= min(self.validation):
                best, best_epoch = copy.deepcopy(self.model.state_dict()), epoch
            elif epoch - best_epoch >= config.patience:
                break
        self.model.load_state_dict(best)
        self.model.eval()
        return self

    def predict(self, data: LabelledData, rows: IntArray, *, left_out: str | None = None) -> Values:
        """Probabilities (b, c), as if one view were missing everywhere where ``left_out`` names it."""
        return self._answers(data, rows, left_out)[0]

    def attention(self, data: LabelledData, rows: IntArray) -> dict[str, float]:
        """The mean weight that the fusion gave to each view."""
        return dict(zip(self._inputs.names, self._answers(data, rows, None)[1].mean(axis=0).tolist(), strict=True))

    def _epoch(self, examples: _Examples, order: IntArray, optimizer: torch.optim.Optimizer) -> float:
        self.model.train()
        total = 0.0
        tilt = torch.from_numpy(self._tilt)
        size = min(max(len(order) // STEPS, BATCH_SIZES[0]), BATCH_SIZES[1])
        for start in range(0, len(order), size):
            rows = order[start : start + size]
            views, mask, labels = examples.batch(rows)
            logits, _ = self.model(views, drop_modalities(mask, self.config.modality_dropout))
            loss = class_loss(logits, labels, tilt[labels])
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), 5.0)
            optimizer.step()
            total += float(loss.detach()) * len(rows)
        return total / len(order)

    def _answers(self, data: LabelledData, rows: IntArray, left_out: str | None) -> tuple[Values, FloatArray]:
        """Probabilities (b, c), corrected for the weights of the classes, and attention (b, m)."""
        examples = _Examples(self._inputs, data)
        self.model.eval()
        logits, weights = [], []
        with torch.no_grad():
            for start in range(0, len(rows), ROWS_AT_ONCE):
                views, mask, _ = examples.batch(rows[start : start + ROWS_AT_ONCE])
                if left_out is not None:
                    mask[:, self._inputs.names.index(left_out)] = False
                some, attended = self.model(views, mask)
                logits.append(F.pad(some, (1, 0)) if some.shape[1] == 1 else some)
                weights.append(attended)
        return softmax(torch.cat(logits).double().numpy() - np.log(self._tilt)), torch.cat(weights).numpy()


class LabelLearner:
    """Our model of labels: the fusion and a logistic regression, pooled by weights chosen on validation."""

    name = "modaloom"
    seeded = True

    def __init__(self, config: LabelLoopConfig | None = None):
        self.fusion = FusionClassifier(config)
        self.linear = Logistic()
        self.pool = Pool()

    def fit(self, data: LabelledData, split: LabelSplit) -> Self:
        """Fits both parts, then weighs them.

        Raises:
            TrainingError: the loss is no longer a number.
        """
        self.fusion.fit(data, split)
        self.linear.fit(data, split)
        self.pool = Pool.fit(self._parts(data, split.validation, None), data.labels[split.validation])
        return self

    def predict(self, data: LabelledData, rows: IntArray, *, left_out: str | None = None) -> Values:
        """Calibrated probabilities (b, c), as if one view were missing everywhere where ``left_out`` names it."""
        return self.pool.apply(self._parts(data, rows, left_out))

    def contributions(self, data: LabelledData, rows: IntArray) -> dict[str, float]:
        """Rise of the log loss on some examples when a view is left out of all of them: what it is good for."""
        labels = data.labels[rows]
        base = log_loss(self.predict(data, rows), labels)
        return {name: log_loss(self.predict(data, rows, left_out=name), labels) - base for name in data.views}

    def _parts(self, data: LabelledData, rows: IntArray, left_out: str | None) -> list[Values]:
        return [part.predict(data, rows, left_out=left_out) for part in (self.fusion, self.linear)]


def label_classifiers(
    data: LabelledData, config: LabelLoopConfig, names: Sequence[str] = ("all",)
) -> dict[str, Callable[[int], Classifier]]:
    """Factories by name: ours, its fusion alone, and the simple ones; ``all`` of them or some.

    Raises:
        EvaluationError: a name is unknown.
    """
    known: dict[str, Callable[[int], Classifier]] = {
        LabelLearner.name: lambda seed: LabelLearner(replace(config, seed=seed)),
        FusionClassifier.name: lambda seed: FusionClassifier(replace(config, seed=seed)),
        **simple_classifiers(data),
    }
    wanted = list(known) if tuple(names) == ("all",) else list(names)
    unknown = [name for name in wanted if name not in known]
    if unknown or not wanted:
        raise EvaluationError(f"unknown model {', '.join(unknown)!r}", hint=f"Choose from {', '.join(known)}, or all")
    return {name: known[name] for name in wanted}


class _Examples:
    """Reduced token tables, from which batches are gathered."""

    def __init__(self, inputs: Inputs, data: LabelledData):
        self._tables = [torch.from_numpy(table) for table in inputs.tables(data)]
        self._rows = torch.from_numpy(inputs.rows(data))
        self._mask = torch.from_numpy(inputs.mask(data))
        self._labels = torch.from_numpy(data.labels)

    def batch(self, rows: IntArray) -> tuple[list[Tensor], Tensor, Tensor]:
        """Views (b, d_i), mask (b, m) and classes (b,) of some examples."""
        own = torch.from_numpy(rows)
        views = [table[places[own]] for table, places in zip(self._tables, self._rows, strict=True)]
        return views, self._mask[own], self._labels[own]


def class_loss(logits: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """Cross-entropy of logits (b, c), or (b, 1) for two classes, weighted by example (b,)."""
    if logits.shape[1] == 1:
        return like_loss(logits[:, 0], labels.to(logits.dtype), weights)
    return (F.cross_entropy(logits, labels, reduction="none") * weights).mean()


def _class_weights(data: LabelledData, split: LabelSplit, balance: float) -> FloatArray:
    """Weight of each class (c,), one on average over the examples."""
    shares = np.bincount(data.labels[split.train], minlength=len(data.classes)) + 1.0
    weights = shares**-balance
    scaled: FloatArray = (weights / (weights * shares).sum() * shares.sum()).astype(np.float32)
    return scaled
