"""From a snapshot to a fitted fusion: whitening, behaviour vectors, learning, validation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch

from modaloom.data.splits import Split
from modaloom.errors import TrainingError
from modaloom.metrics import ranking_metrics, top_n
from modaloom.models.behaviour import CrossFit, behaviour_tokens, cross_fit, turn_to
from modaloom.models.recommender import FusionRecommender, RecommenderConfig, stack_tokens
from modaloom.models.towers import ItemTable, Past, Queries, pad_histories
from modaloom.numerics import Whitening
from modaloom.ranking.fusion import score_histories
from modaloom.ranking.ranker import block_size
from modaloom.training.loop import AfterEpoch, LoopConfig, Progress, Resume, learn
from modaloom.types import BoolArray, FloatArray, IntArray, Snapshot, Tokens

JUDGES = 200, 1_000
"""Least and most shoppers that an epoch is judged by."""
JUDGED_SCORES = 4_000_000
"""Between those, so many shoppers that as many pairs of them with items are scored: few are a noisy judge, and asking
should take no longer than learning."""
LEAST_BEHAVIOUR_ITEMS = 32
USUAL_USERS = 1_000
"""So many shoppers tell what is usual."""
ITEMS_AT_ONCE = 8_192
"""Items that go through the item tower at once."""


@dataclass(frozen=True)
class FusionConfig:
    """What to learn and how. ``dim`` is the width of every token."""

    modalities: tuple[str, ...] = ("image", "text", "attributes", "behaviour")
    dim: int = 64
    fusion: str = "attention"
    attention: str = "scaled_dot"
    sequence: str = "kernel"
    missing: str = "mask"
    loop: LoopConfig = field(default_factory=LoopConfig)


@dataclass
class FittedFusion:
    """A trained model, and what it needs to read catalogues of any later day."""

    model: FusionRecommender
    behaviour: Tokens | None
    """Raw behaviour vectors of the day it was trained; later ones are turned to them."""
    behaviour_whitening: Whitening | None
    progress: Progress

    def tokens_at(self, snapshot: Snapshot) -> dict[str, Tokens]:
        """The snapshot's whitened tokens, with the behaviour of that moment."""
        tokens = dict(snapshot.tokens)
        if self.behaviour is not None and self.behaviour_whitening is not None:
            now = turn_to(behaviour_tokens(snapshot, self.behaviour.dim), self.behaviour)
            tokens["behaviour"] = whiten(now, self.behaviour_whitening)
        return tokens

    def tokens_when_trained(self, snapshot: Snapshot) -> dict[str, Tokens]:
        """The same for the very snapshot that it is trained on, whose behaviour is there already."""
        tokens = {name: made for name, made in snapshot.tokens.items() if name in self.model.config.modalities}
        if self.behaviour is not None and self.behaviour_whitening is not None:
            tokens["behaviour"] = whiten(self.behaviour, self.behaviour_whitening)
        return tokens

    def table(self, snapshot: Snapshot) -> ItemTable:
        """Keys of the whole catalogue as of the snapshot."""
        return item_table(self.model, self.tokens_at(snapshot))

    def tower(self, keys: FloatArray, mask: BoolArray, event: IntArray, age_days: FloatArray) -> Queries:
        """The user tower, as :class:`~modaloom.models.towers.UserTower` wants it."""
        return run_tower(self.model, keys, mask, event, age_days)


def whiten(tokens: Tokens, whitening: Whitening) -> Tokens:
    """Tokens after a whitening."""
    return replace(tokens, vectors=whitening.apply(tokens.vectors, tokens.mask))


def item_table(model: FusionRecommender, tokens: Mapping[str, Tokens], items: IntArray | None = None) -> ItemTable:
    """Runs the item tower over whole catalogues, or over some items (k,) of theirs, in blocks."""
    names, width = model.config.modalities, (len(model.config.modalities) + 1) * model.config.dim
    n_items = len(next(iter(tokens.values())).mask) if items is None else len(items)
    keys, weights = (np.empty((n_items, columns), np.float32) for columns in (width, len(names)))
    with torch.no_grad():
        for start in range(0, n_items, ITEMS_AT_ONCE):
            block = slice(start, start + ITEMS_AT_ONCE)
            made = model.items(*stack_tokens(names, tokens, block if items is None else items[block]))
            keys[block], weights[block] = made.keys.numpy(), made.weights.numpy()
    return ItemTable(names, keys, weights)


def run_tower(
    model: FusionRecommender, keys: FloatArray, mask: BoolArray, event: IntArray, age_days: FloatArray
) -> Queries:
    """The user tower on arrays."""
    with torch.no_grad():
        made = model.queries(*(torch.from_numpy(np.ascontiguousarray(part)) for part in (keys, mask, event, age_days)))
    return Queries(*(part.numpy() for part in made))


def fit_fusion(
    snapshot: Snapshot,
    config: FusionConfig,
    *,
    validation: Sequence[Split] = (),
    after_epoch: AfterEpoch | None = None,
    resume: Resume | None = None,
) -> FittedFusion:
    """Learns from a snapshot whose tokens are whitened; stops when ``validation`` no longer improves.

    The untrained model is a candidate too: it starts as a content kernel, which is hard to beat on small logs.

    Raises:
        TrainingError: there is nothing to learn from.
    """
    present = [name for name in config.modalities if name in snapshot.tokens]
    behaviour, whitening, crossfit = _behaviour(snapshot, config)
    names = tuple(name for name in config.modalities if name in present or (name == "behaviour" and behaviour))
    if not names:
        raise TrainingError(
            f"the shop has none of the modalities {', '.join(config.modalities)}", hint="Give other --modalities"
        )
    torch.manual_seed(config.loop.seed)
    model = FusionRecommender(
        RecommenderConfig(
            names,
            config.dim,
            fusion=config.fusion,
            attention=config.attention,
            sequence=config.sequence,
            missing=config.missing,
        )
    )
    fitted = FittedFusion(model, behaviour, whitening, Progress())
    tokens = fitted.tokens_when_trained(snapshot)
    exams = [(split, fitted.tokens_at(split.snapshot)) for split in _some_users(validation)]
    fitted.progress = learn(
        model,
        snapshot,
        tokens,
        config.loop,
        crossfit=crossfit,
        resume=resume,
        validate=(lambda learner: _validate(learner, exams)) if exams else None,
        after_epoch=after_epoch,
    )
    _calibrate_by_few(model, tokens, snapshot)
    return fitted


def _usual_pasts(snapshot: Snapshot) -> Past:
    """Those of some shoppers of a log, as they are served."""
    users = np.unique(snapshot.interactions["user_num"].to_numpy()).astype(np.int64)
    if len(users) > USUAL_USERS:
        users = np.sort(np.random.default_rng(0).choice(users, USUAL_USERS, replace=False))
    return pad_histories(snapshot.histories(users))


def _calibrate(model: FusionRecommender, keys: FloatArray, past: Past) -> None:
    """Tells the model what is usual among shoppers, from the keys (b, t, D) of what they had."""
    model.calibrate(*(torch.from_numpy(part) for part in (keys, past.mask, past.event)))


def _calibrate_by_few(model: FusionRecommender, tokens: Mapping[str, Tokens], snapshot: Snapshot) -> None:
    """The same without a table of the catalogue: only what these shoppers had goes through the item tower."""
    past = _usual_pasts(snapshot)
    had, places = np.unique(past.items, return_inverse=True)
    _calibrate(model, item_table(model, tokens, had).keys[places.reshape(past.items.shape)], past)


def _behaviour(snapshot: Snapshot, config: FusionConfig) -> tuple[Tokens | None, Whitening | None, CrossFit | None]:
    if "behaviour" not in config.modalities:
        return None, None, None
    full = behaviour_tokens(snapshot, config.dim)
    if int(full.mask.sum()) < LEAST_BEHAVIOUR_ITEMS:
        return None, None, None
    whitening = Whitening.fit(full.vectors, full.mask, config.dim)
    folds = cross_fit(snapshot, full, seed=config.loop.seed, finish=lambda tokens: whiten(tokens, whitening))
    return full, whitening, folds


def _some_users(validation: Sequence[Split]) -> list[Split]:
    """The newest questions, cut down to a number of shoppers that takes no longer than an epoch."""
    chosen: list[Split] = []
    if not validation:
        return chosen
    least, most = JUDGES
    left = min(max(JUDGED_SCORES // validation[0].snapshot.n_items, least), most)
    for split in reversed(validation):
        if left <= 0:
            break
        chosen.append(split.take(left))
        left -= len(split.user_nums)
    return chosen


def _validate(model: FusionRecommender, exams: Sequence[tuple[Split, dict[str, Tokens]]]) -> float:
    """Mean over shoppers of recall and NDCG at 20, added up."""
    total, number = 0.0, 0
    for split, tokens in exams:
        table = item_table(model, tokens)
        histories = split.snapshot.histories(split.user_nums)
        past = _usual_pasts(split.snapshot)
        _calibrate(model, table.keys[past.items], past)

        def tower(keys: FloatArray, mask: BoolArray, event: IntArray, age_days: FloatArray) -> Queries:
            return run_tower(model, keys, mask, event, age_days)

        size = block_size(split.snapshot.n_items)
        blocks = [histories.take(start, min(start + size, len(histories))) for start in range(0, len(histories), size)]
        lists = [top_n(score_histories(table, tower, some), 20, split.snapshot.may_be_shown(some)) for some in blocks]
        found = ranking_metrics(np.concatenate(lists), split.truth)
        total += float((found["recall"] + found["ndcg"]).sum())
        number += len(split.truth)
    return total / max(number, 1)
