"""The training loop, in one sitting."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from modaloom.errors import TrainingError
from modaloom.models.behaviour import CrossFit
from modaloom.models.fusion import drop_modalities
from modaloom.models.losses import contrastive_alignment, sampled_softmax
from modaloom.models.recommender import FusionRecommender, scores, stack_tokens
from modaloom.training.batches import Examples, PastBatch
from modaloom.types import IntArray, Snapshot, Tokens


@dataclass(frozen=True)
class LoopConfig:
    """How to learn. ``half_life_days`` and ``max_gap_days`` are about the examples, see :class:`Examples`."""

    epochs: int = 6
    batch_size: int = 64
    examples_per_epoch: int = 12_288
    negatives: int = 512
    full_softmax_items: int = 2_048
    """Catalogues up to this size are not sampled."""
    learning_rate: float = 2e-3
    weight_decay: float = 1e-4
    history_length: int = 30
    half_life_days: float = 180.0
    max_gap_days: int = 28
    modality_dropout: float = 0.2
    alignment_weight: float = 0.05
    imputation_weight: float = 0.1
    patience: int = 2
    seed: int = 0


@dataclass
class Progress:
    """Where the loop is: written to checkpoints, read by curves."""

    epoch: int = 0
    losses: list[float] = field(default_factory=list)
    validation: list[float] = field(default_factory=list)
    best_epoch: int = 0
    best: dict[str, Tensor] = field(default_factory=dict)

    @property
    def stale(self) -> int:
        """Epochs since the best validation."""
        return self.epoch - self.best_epoch


Validate = Callable[[FusionRecommender], float]
AfterEpoch = Callable[[FusionRecommender, torch.optim.Optimizer, Progress], None]


def make_optimizer(model: FusionRecommender, config: LoopConfig) -> torch.optim.Optimizer:
    """Adam in one fused kernel, which is several times faster than the default on a CPU."""
    return torch.optim.AdamW(model.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay, fused=True)


def learn(
    model: FusionRecommender,
    snapshot: Snapshot,
    tokens: Mapping[str, Tokens],
    config: LoopConfig,
    *,
    crossfit: CrossFit | None = None,
    resume: tuple[torch.optim.Optimizer, Progress] | None = None,
    validate: Validate | None = None,
    after_epoch: AfterEpoch | None = None,
) -> Progress:
    """Trains in place until ``config.epochs`` are done or validation stops improving; keeps the best epoch.

    Each epoch draws from ``(seed, epoch)`` alone, so that a run resumed from a checkpoint is the same run.

    Raises:
        TrainingError: there is nothing to learn from, or the loss is no longer a number.
    """
    examples = Examples(
        snapshot, history_length=config.history_length, half_life_days=config.half_life_days, max_gap_days=config.max_gap_days
    )
    if not len(examples):
        raise TrainingError("no shopper has two events to learn from", hint="Check target_events in shop.toml, or give a longer log")
    optimizer, progress = resume or (make_optimizer(model, config), Progress())
    content = Content(model, tokens, crossfit)
    catalogue = np.flatnonzero(snapshot.catalogue)
    folds = crossfit.fold_of_user if crossfit else None
    while progress.epoch < config.epochs and progress.stale <= config.patience:
        rng = np.random.default_rng([config.seed, progress.epoch])
        torch.manual_seed(int(rng.integers(2**31)))
        model.train()
        total, count = 0.0, 0
        limit = config.examples_per_epoch
        for fold, past, positives in examples.epoch(rng, batch_size=config.batch_size, limit=limit, fold_of_user=folds):
            negatives = _negatives(catalogue, config, rng)
            loss = batch_loss(model, content.of_fold(fold), past, positives, negatives, config)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
            optimizer.step()
            total, count = total + float(loss.detach()) * len(positives), count + len(positives)
        progress.epoch += 1
        progress.losses.append(total / count)
        if not math.isfinite(progress.losses[-1]):
            raise TrainingError(f"the loss is {progress.losses[-1]} after epoch {progress.epoch}", hint="Lower learning_rate")
        _validate(model, progress, validate)
        if after_epoch:
            after_epoch(model, optimizer, progress)
    if progress.best:
        model.load_state_dict(progress.best)
    model.eval()
    return progress


class Content:
    """Whitened tokens (n, m, d) and mask (n, m) of the catalogue, as each fold of shoppers may see them."""

    def __init__(self, model: FusionRecommender, tokens: Mapping[str, Tokens], crossfit: CrossFit | None):
        self._base = stack_tokens(model, tokens)
        self._folds: list[tuple[Tensor, Tensor]] = []
        if crossfit and "behaviour" in model.config.modalities:
            self._folds = [stack_tokens(model, {**tokens, "behaviour": made}) for made in crossfit.tokens]

    def of_fold(self, fold: int) -> tuple[Tensor, Tensor]:
        """Tokens and mask for one fold."""
        return self._folds[fold] if self._folds else self._base


def _validate(model: FusionRecommender, progress: Progress, validate: Validate | None) -> None:
    if validate is None:
        progress.best_epoch = progress.epoch
        return
    model.eval()
    progress.validation.append(validate(model))
    if progress.validation[-1] >= max(progress.validation):
        progress.best_epoch = progress.epoch
        progress.best = {name: value.detach().clone() for name, value in model.state_dict().items()}


def _negatives(catalogue: IntArray, config: LoopConfig, rng: np.random.Generator) -> IntArray:
    if len(catalogue) <= config.full_softmax_items:
        return catalogue
    return rng.choice(catalogue, config.negatives, replace=True)


def batch_loss(
    model: FusionRecommender,
    catalogue: tuple[Tensor, Tensor],
    past: PastBatch,
    positives: IntArray,
    negatives: IntArray,
    config: LoopConfig,
) -> Tensor:
    """Sampled softmax of the next item, plus alignment of pictures and words, plus imputation."""
    reduced, mask = catalogue
    targets = torch.from_numpy(positives)
    others = torch.from_numpy(negatives)
    needed = torch.unique(torch.cat([past.items.flatten(), targets, others]))
    place = torch.empty(len(reduced), dtype=torch.long)
    place[needed] = torch.arange(len(needed))
    shown = drop_modalities(mask[needed], config.modality_dropout)
    items = model.items(reduced[needed] * shown[..., None], shown)
    queries, log_weights, _ = model.queries(items.keys[place[past.items]], past.mask, past.event, past.age_days)
    candidates = place[torch.cat([targets, others])]
    everything = scores(queries, log_weights, items.keys[candidates], items.bias[candidates])
    number = len(targets)
    loss = sampled_softmax(
        everything[:, :number].diagonal(),
        everything[:, number:],
        log_q_negatives=math.log(len(negatives) / max(len(reduced), len(negatives))),
        excluded=targets[:, None] == others[None, :],
    )
    return loss + _side_losses(model, (reduced[needed], mask[needed]), shown, config)


def _side_losses(model: FusionRecommender, content: tuple[Tensor, Tensor], shown: Tensor, config: LoopConfig) -> Tensor:
    reduced, mask = content
    loss = reduced.new_zeros(())
    names = model.config.modalities
    if config.alignment_weight and "image" in names and "text" in names:
        rows = slice(0, 256)
        sides = []
        for name in ("image", "text"):
            alone = torch.zeros_like(mask[rows])
            alone[:, names.index(name)] = mask[rows, names.index(name)]
            sides.append(model.items(reduced[rows] * alone[..., None], alone).fused)
        both = mask[rows, names.index("image")] & mask[rows, names.index("text")]
        loss = loss + config.alignment_weight * contrastive_alignment(sides[0], sides[1], both)
    if config.imputation_weight and model.imputer is not None:
        tokens = model.items(reduced, mask).tokens.detach()
        loss = loss + config.imputation_weight * model.imputer.loss(tokens, mask, shown)
    return loss
