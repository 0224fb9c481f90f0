"""The training loop, in one sitting."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from modaloom.errors import TrainingError
from modaloom.heap import give_back
from modaloom.models.behaviour import CrossFit
from modaloom.models.fusion import drop_modalities
from modaloom.models.losses import contrastive_alignment, sampled_softmax
from modaloom.models.recommender import FusionRecommender, scores, stack_tokens
from modaloom.training.batches import Batch, Examples
from modaloom.types import Snapshot, Tokens

IMPUTER_HIDES = 0.3
"""Share of what is known that the imputer has to guess while it learns, whatever the fusion is shown."""

A_FEW = 16
"""Numbers in a parameter that weighs modalities, kinds of events or views, or is a scale."""
FASTER = 10.0
"""How much faster those learn. Adam moves every number by about the rate, and theirs are of the order of one: at the
matrices' pace they would take twenty epochs to where they belong, and till then matrices learn for wrong weights."""

NEARLY = 0.9
"""An epoch that reaches this share of the best validation is as good as that for all one can tell, and learning goes
on: it often stands still for four or five epochs, and then attention over all modalities begins to find something."""


@dataclass(frozen=True)
class LoopConfig:
    """How to learn. ``half_life_days`` and ``max_gap_days`` are about the examples, see :class:`Examples`."""

    epochs: int = 14
    batch_size: int = 256
    examples_per_epoch: int = 6_144
    negatives: int = 512
    popularity_correction: float = 0.0
    """Share of the logQ correction. 0: scores say how much more a shopper likes an item than others do, which
    is what the blend adds its demand to. 1: scores say how likely the item is."""
    learning_rate: float = 1e-2
    weight_decay: float = 1e-4
    history_length: int = 20
    half_life_days: float = 180.0
    max_gap_days: int = 28
    modality_dropout: float = 0.0
    """Share of the items' modalities that are hidden while learning. It makes up for modalities that go missing later,
    and costs the model its eye for whose taste lives where: what it cannot rely on, it spreads its bets over."""
    alignment_weight: float = 0.0
    """Of what draws an item's picture and its words together. What only the one can tell goes with it, which costs more
    than what an item that lacks the other gains."""
    imputation_weight: float = 0.1
    averaging: float = 0.98
    """How much of the running mean of the weights stays at each step; it is the mean that is validated and kept. Single
    steps follow their batch, which is of one stretch of time: from epoch to epoch they gain and lose a third. 0: the
    weights of the last step."""
    patience: int = 3
    """So many epochs may fall clearly short of the best one since, see :data:`NEARLY`, before learning stops."""
    seed: int = 0


@dataclass
class Progress:
    """Where the loop is: written to checkpoints, read by curves."""

    epoch: int = 0
    losses: list[float] = field(default_factory=list)
    validation: list[float] = field(default_factory=list)
    best_epoch: int = 0
    best: dict[str, Tensor] = field(default_factory=dict)
    mean: dict[str, Tensor] = field(default_factory=dict)
    """State of the running mean of the weights."""

    @property
    def stale(self) -> int:
        """Epochs since the best validation that fell clearly short of it."""
        best = self.validation[self.best_epoch] if self.validation else 0.0
        return sum(found < NEARLY * best for found in self.validation[self.best_epoch + 1 :])


Optimizer = torch.optim.Optimizer
Validate = Callable[[FusionRecommender], float]
Resume = tuple[dict[str, Tensor], dict[str, Any], Progress]
"""State of the model, state of the optimizer, and where the loop was."""
AfterEpoch = Callable[[FusionRecommender, torch.optim.Optimizer, Progress], None]


def make_optimizer(model: FusionRecommender, config: LoopConfig) -> torch.optim.Optimizer:
    """Adam in one fused kernel, which is several times faster than the default on a CPU."""
    few = [parameter for parameter in model.parameters() if parameter.numel() <= A_FEW]
    many = [parameter for parameter in model.parameters() if parameter.numel() > A_FEW]
    groups: list[dict[str, Any]] = [{"params": many}, {"params": few, "lr": config.learning_rate * FASTER}]
    return torch.optim.AdamW(groups, lr=config.learning_rate, weight_decay=config.weight_decay, fused=True)


def learn(
    model: FusionRecommender,
    snapshot: Snapshot,
    tokens: Mapping[str, Tokens],
    config: LoopConfig,
    *,
    crossfit: CrossFit | None = None,
    resume: Resume | None = None,
    validate: Validate | None = None,
    after_epoch: AfterEpoch | None = None,
) -> Progress:
    """Trains in place until ``config.epochs`` are done or validation stops improving; keeps the best epoch.

    Each epoch draws from ``(seed, epoch)`` alone, so that a run resumed from a checkpoint is the same run.

    Raises:
        TrainingError: there is nothing to learn from, or the loss is no longer a number.
    """
    examples = _examples(snapshot, config)
    optimizer, progress = make_optimizer(model, config), resume[2] if resume else Progress()
    mean = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(config.averaging))  # type: ignore[no-untyped-call]
    averaged = cast(FusionRecommender, mean.module)
    if resume:
        model.load_state_dict(resume[0])
        optimizer.load_state_dict(resume[1])
        mean.load_state_dict(progress.mean)
    else:
        _validate(model, progress, validate)  # the untrained model is the first candidate
    content = Content(model, tokens, crossfit)
    folds = crossfit.fold_of_user if crossfit else None
    while progress.epoch < config.epochs and progress.stale <= config.patience:
        rng = np.random.default_rng([config.seed, progress.epoch])
        torch.manual_seed(int(rng.integers(2**31)))
        batches = examples.epoch(
            rng,
            batch_size=config.batch_size,
            negatives=config.negatives,
            limit=config.examples_per_epoch,
            fold_of_user=folds,
        )
        progress.losses.append(_train_epoch(model, mean, optimizer, content, batches, config))
        progress.epoch += 1
        _refuse_no_number(progress)
        _validate(averaged, progress, validate)
        progress.mean = mean.state_dict()
        if after_epoch:
            after_epoch(model, optimizer, progress)
    model.load_state_dict(progress.best or averaged.state_dict())
    model.eval()
    return progress


def _refuse_no_number(progress: Progress) -> None:
    loss = progress.losses[-1]
    if not math.isfinite(loss):
        raise TrainingError(f"the loss is {loss} after epoch {progress.epoch}", hint="Lower learning_rate")


def count_examples(snapshot: Snapshot, config: LoopConfig) -> int:
    """How many target events with a past there are to learn from."""
    return len(_all_examples(snapshot, config))


def _all_examples(snapshot: Snapshot, config: LoopConfig) -> Examples:
    return Examples(
        snapshot,
        history_length=config.history_length,
        half_life_days=config.half_life_days,
        max_gap_days=config.max_gap_days,
    )


def _examples(snapshot: Snapshot, config: LoopConfig) -> Examples:
    examples = _all_examples(snapshot, config)
    if not len(examples):
        raise TrainingError(
            "no shopper has two events to learn from", hint="Check target_events in shop.toml, or give a longer log"
        )
    return examples


def _train_epoch(
    model: FusionRecommender,
    mean: AveragedModel,
    optimizer: torch.optim.Optimizer,
    content: Content,
    batches: Iterable[Batch],
    config: LoopConfig,
) -> float:
    """The mean loss over all examples."""
    model.train()
    total, count = 0.0, 0
    for batch in batches:
        loss = batch_loss(model, content, batch, config)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimizer.step()
        mean.update_parameters(model)
        size = len(batch.positives)
        total, count = total + float(loss.detach()) * size, count + size
    give_back()
    return total / count


class Content:
    """Whitened tokens of the catalogue's n items, as each fold of shoppers may see them.

    They are put side by side for the items of a batch only: for whole catalogues that would take the memory of all
    modalities once more for every fold.
    """

    def __init__(self, model: FusionRecommender, tokens: Mapping[str, Tokens], crossfit: CrossFit | None):
        self._names = model.config.modalities
        folds = crossfit.tokens if crossfit and "behaviour" in self._names else ()
        self._folds = [{**tokens, "behaviour": made} for made in folds] or [dict(tokens)]
        self.n_items = len(next(iter(tokens.values())).mask)

    def rows(self, fold: int, items: Tensor) -> tuple[Tensor, Tensor]:
        """Tokens (k, m, d) and mask (k, m) of items (k,) for one fold."""
        return stack_tokens(self._names, self._folds[fold if len(self._folds) > 1 else 0], items.numpy())


def _validate(model: FusionRecommender, progress: Progress, validate: Validate | None) -> None:
    if validate is None:
        progress.best_epoch = progress.epoch
        return
    model.eval()
    progress.validation.append(validate(model))
    if progress.validation[-1] >= max(progress.validation):
        progress.best_epoch = progress.epoch
        progress.best = {name: value.detach().clone() for name, value in model.state_dict().items()}


def batch_loss(model: FusionRecommender, content: Content, batch: Batch, config: LoopConfig) -> Tensor:
    """Sampled softmax of the next item; alignment of pictures and words, and imputation, where they have a weight."""
    past = batch.past
    targets, others = torch.from_numpy(batch.positives), torch.from_numpy(batch.negatives)
    needed = torch.unique(torch.cat([past.items.flatten(), targets, others]))
    place = torch.empty(content.n_items, dtype=torch.long)
    place[needed] = torch.arange(len(needed))
    reduced, mask = content.rows(batch.fold, needed)
    shown = drop_modalities(mask, config.modality_dropout)
    items = model.items(reduced * shown[..., None], shown)
    queries, log_weights, _ = model.queries(_rows(items.keys, place[past.items]), past.mask, past.event, past.age_days)
    keys, other_keys = (_rows(items.keys, rows) for rows in (place[targets], place[others]))
    positive = torch.logsumexp(torch.einsum("bqd,bd->bq", queries, keys) + log_weights, dim=1)
    loss = sampled_softmax(
        positive,
        scores(queries, log_weights, other_keys),
        log_q_negatives=(torch.from_numpy(batch.log_q) + math.log(len(others))) * config.popularity_correction,
        excluded=targets[:, None] == others[None, :],
    )
    return loss + _side_losses(model, (reduced, mask), config)


def _rows(matrix: Tensor, rows: Tensor) -> Tensor:
    """``matrix[rows]``, but its gradient is summed in a fixed order: no two runs would be the same otherwise."""
    return F.embedding(rows, matrix)


def _side_losses(model: FusionRecommender, content: tuple[Tensor, Tensor], config: LoopConfig) -> Tensor:
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
        visible = drop_modalities(mask, IMPUTER_HIDES)
        loss = loss + config.imputation_weight * model.imputer.loss(tokens, mask, visible)
    return loss
