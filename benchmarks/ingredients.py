"""Ingredients of the fusion's learning and of its shape, and what a training without one of them is.

For ``ablations.py``. Each is configured otherwise, or another function is put in the place of its own for as long as
that training lasts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any
from unittest.mock import patch

import torch

from modaloom.models.fusion import Fusion
from modaloom.models.recommender import FusionRecommender, ItemKeys
from modaloom.models.sequence import EventWeights
from modaloom.numerics import Whitening
from modaloom.training import batches, fitting, loop
from modaloom.training.fitting import FusionConfig
from modaloom.types import Event, Snapshot, Tokens

UNTRAINED = "untrained"


def _no_age(weights: EventWeights, event: torch.Tensor, age_days: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Every past event weighs what its kind weighs, however old it is."""
    return _EVENT_WEIGHTS(weights, event, torch.zeros_like(age_days), mask)


def _no_kind(weights: EventWeights, event: torch.Tensor, age_days: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Every past event weighs what a purchase of its age weighs."""
    return _EVENT_WEIGHTS(weights, torch.full_like(event, int(Event.PURCHASE)), age_days, mask)


def _even_queries(
    model: FusionRecommender, keys: torch.Tensor, mask: torch.Tensor, event: torch.Tensor, age_days: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The same weight of every modality for every shopper."""
    queries, log_weights = model.sequence(keys, mask, event, age_days)
    return queries * model.log_scale.exp(), log_weights, torch.ones(len(keys), len(model.preference) + 1)


def _no_coherence(
    model: FusionRecommender, keys: torch.Tensor, mask: torch.Tensor, event: torch.Tensor, age_days: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """How far a past points one way says nothing about what its shopper looks at."""
    with torch.no_grad():
        model.coherence.zero_()
    return _QUERIES(model, keys, mask, event, age_days)


def _nothing_unusual(model: FusionRecommender, agreement: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
    """How unusually a past agrees says nothing about what its shopper looks at."""
    return torch.zeros_like(agreement)


def _even_weights(fusion: Fusion, tokens: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Every modality that an item has counts the same in its key."""
    fused, _ = _FUSE(fusion, tokens, mask)
    return fused, mask / mask.sum(dim=1, keepdim=True).clamp_min(1)


def _own_behaviour(snapshot: Snapshot, config: FusionConfig) -> tuple[Tokens | None, Whitening | None, None]:
    """Behaviour vectors that saw the shopper whom they are used for."""
    tokens, whitening, _ = _BEHAVIOUR(snapshot, config)
    return tokens, whitening, None


def _changed(change: Callable[[ItemKeys, FusionRecommender], ItemKeys]) -> Callable[..., ItemKeys]:
    def items(model: FusionRecommender, reduced: torch.Tensor, mask: torch.Tensor) -> ItemKeys:
        return change(_ITEMS(model, reduced, mask), model)

    return items


def _no_fused_view(made: ItemKeys, model: FusionRecommender) -> ItemKeys:
    """What all modalities make together is nothing that a score looks at."""
    content = made.keys[:, : -model.config.dim]
    return made._replace(keys=torch.cat([content, torch.zeros_like(made.fused)], dim=1))


_EVENT_WEIGHTS, _ITEMS, _FUSE = EventWeights.forward, FusionRecommender.items, Fusion.forward
_BEHAVIOUR, _QUERIES = fitting._behaviour, FusionRecommender.queries


@dataclass(frozen=True)
class Variant:
    """One training: what is configured otherwise, and what is put in the place of which function."""

    loop: Mapping[str, Any] = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict)
    instead: tuple[tuple[Any, str, Any], ...] = ()

    def applied(self, start: FusionConfig) -> FusionConfig:
        """The configuration of this training."""
        return replace(start, loop=replace(start.loop, **self.loop), **self.config)

    @contextmanager
    def replaced(self) -> Iterator[None]:
        """As long as this lasts, the functions are other ones."""
        with ExitStack() as stack:
            for owner, name, value in self.instead:
                stack.enter_context(patch.object(owner, name, value))
            yield


def _without(modality: str) -> Variant:
    return Variant(config={"modalities": tuple(one for one in FusionConfig().modalities if one != modality)})


LEARNING: dict[str, Variant] = {
    UNTRAINED: Variant(loop={"epochs": 0}),
    "leaving modality dropout out": Variant(loop={"modality_dropout": 0.2}),
    "leaving alignment out": Variant(loop={"alignment_weight": 0.05}),
    "leaving the imputer out": Variant(config={"missing": "impute"}),
    "negatives of the same weeks": Variant(instead=((batches, "NEGATIVES_SLACK_DAYS", 100_000),)),
    "leaving logQ out": Variant(loop={"popularity_correction": 1.0}),
    "cross-fitted behaviour": Variant(instead=((fitting, "_behaviour", _own_behaviour),)),
    "age of past events": Variant(instead=((EventWeights, "forward", _no_age),)),
    "kind of past events": Variant(instead=((EventWeights, "forward", _no_kind),)),
    "running mean of the weights": Variant(loop={"averaging": 0.0}),
    "weights of modalities that learn faster": Variant(instead=((loop, "FASTER", 1.0),)),
    "fused view": Variant(instead=((FusionRecommender, "items", _changed(_no_fused_view)),)),
    "shopper's weights of modalities": Variant(instead=((FusionRecommender, "queries", _even_queries),)),
    "coherence in those weights": Variant(instead=((FusionRecommender, "queries", _no_coherence),)),
    "unusual agreement in those weights": Variant(instead=((FusionRecommender, "_unusual", _nothing_unusual),)),
    "attention over an item's modalities": Variant(instead=((Fusion, "forward", _even_weights),)),
    **{f"{modality} in the fusion": _without(modality) for modality in reversed(FusionConfig().modalities)},
    "pasts that end some weeks before": Variant(loop={"max_gap_days": 0}),
    "recent examples first": Variant(loop={"half_life_days": 1e5}),
}
"""What each row takes out."""
