"""The learned recommender: modality tokens fused by attention, shoppers as queries over their past.

An item's key is made of *views*: one per modality, weighted by the fusion's attention, and the fused
vector. A shopper's past gives queries made of the same views, weighted by an attention over the
modalities of *that shopper*: what hangs together in somebody's past is what they care about. An item's
score is then a sum over views, so that leaving a modality or a past item out is exact.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from modaloom.models.fusion import make_fusion, make_stand_in
from modaloom.models.sequence import make_sequence
from modaloom.types import Tokens


@dataclass(frozen=True)
class RecommenderConfig:
    """Shape of the model. ``dim`` is the width of every token, a multiple of ``num_heads``."""

    modalities: tuple[str, ...]
    dim: int = 64
    fusion: str = "attention"
    attention: str = "scaled_dot"
    sequence: str = "kernel"
    num_heads: int = 4
    missing: str = "impute"
    """What stands where a modality is missing, of :data:`~modaloom.models.fusion.MISSING_KINDS`."""


class ItemKeys(NamedTuple):
    """What the item tower gives for n items."""

    keys: Tensor  # (n, (m + 1) * d)
    weights: Tensor  # (n, m) attention over the modality tokens
    bias: Tensor  # (n,)
    tokens: Tensor  # (n, m, d) unit vectors before fusion
    fused: Tensor  # (n, d)


class FusionRecommender(nn.Module):
    """Item tower and user tower; see the module's docstring."""

    def __init__(self, config: RecommenderConfig):
        super().__init__()
        self.config = config
        m, d = len(config.modalities), config.dim
        self.adapt = nn.Parameter(torch.eye(d).repeat(m, 1, 1))
        self.fusion = make_fusion(config.fusion, d, m, attention=config.attention, num_heads=config.num_heads)
        self.imputer = make_stand_in(config.missing, d, m)
        self.trust = nn.Parameter(torch.zeros(m))
        self.fused_weight = nn.Parameter(torch.tensor(-1.0))
        self.appeal = nn.Sequential(nn.Linear(d, d), nn.GELU(), nn.Linear(d, 1))
        nn.init.zeros_(cast(nn.Linear, self.appeal[2]).weight)
        self.sequence = make_sequence(config.sequence, (m + 1) * d, num_heads=config.num_heads)
        self.log_scale = nn.Parameter(torch.tensor(2.3))
        self.preference = nn.Parameter(torch.zeros(m + 1))
        self.coherence = nn.Parameter(torch.full((m + 1,), 1.0))

    def items(self, reduced: Tensor, mask: Tensor) -> ItemKeys:
        """Keys of items with whitened tokens (n, m, d) of which mask (n, m) says which are there."""
        tokens = F.normalize(torch.einsum("nmd,mde->nme", reduced, self.adapt), dim=-1) * mask[..., None]
        fused, weights = self.fusion(tokens, mask)
        views, strength = tokens, weights
        if self.imputer is not None:
            guessed = F.normalize(self.imputer.guess(tokens, mask), dim=-1)
            views = torch.where(mask[..., None], tokens, guessed)
            stand_in = torch.sigmoid(self.trust) / len(self.config.modalities) * mask.any(dim=1, keepdim=True)
            strength = torch.where(mask, weights, stand_in.expand_as(weights))
        per_modality = views * (strength + 1e-9).sqrt()[..., None]
        unit = F.normalize(fused, dim=-1) * mask.any(dim=1, keepdim=True)  # nothing in, nothing out, no gradient
        keys = torch.cat([per_modality.flatten(1), unit * torch.sigmoid(self.fused_weight)], dim=1)
        return ItemKeys(keys, weights, self.appeal(unit)[:, 0], tokens, unit)

    def queries(self, keys: Tensor, mask: Tensor, event: Tensor, age_days: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries (b, q, D), log weights (b, q) and the shopper's weight of each view (b, m + 1).

        Args:
            keys: of the past items, (b, t, D), oldest first.
            mask: (b, t) bool.
            event: (b, t) codes of :class:`~modaloom.types.Event`.
            age_days: (b, t).
        """
        queries, log_weights = self.sequence(keys, mask, event, age_days)
        share = torch.softmax(log_weights, dim=1)[..., None]
        views = (queries * share).sum(dim=1).view(keys.shape[0], -1, self.config.dim)
        size = (queries.view(*queries.shape[:2], -1, self.config.dim).norm(dim=-1) * share).sum(dim=1)
        coherence = views.norm(dim=-1) / (size + 1e-6)  # (b, m + 1), 1 when all past items agree
        weights = torch.softmax(self.preference + self.coherence * coherence, dim=-1) * coherence.shape[1]
        spread = weights.repeat_interleave(self.config.dim, dim=1)
        return queries * spread[:, None] * self.log_scale.exp(), log_weights, weights


def scores(queries: Tensor, log_weights: Tensor, keys: Tensor, bias: Tensor) -> Tensor:
    """Scores (b, n) of items with keys (n, D) and bias (n,) for queries (b, q, D) with log weights (b, q)."""
    similar = torch.einsum("bqd,nd->bqn", queries, keys) + log_weights[..., None]
    return torch.logsumexp(similar, dim=1) + bias


def stack_tokens(modalities: Sequence[str], tokens: Mapping[str, Tokens]) -> tuple[Tensor, Tensor]:
    """Whitened tokens (n, m, d) and mask (n, m) of a whole catalogue; a modality that is not there is all missing."""
    some = next(iter(tokens.values())).vectors
    nothing = np.zeros_like(some), np.zeros(len(some), dtype=bool)
    pairs = [(tokens[name].vectors, tokens[name].mask) if name in tokens else nothing for name in modalities]
    vectors = np.stack([vectors for vectors, _ in pairs], axis=1)
    mask = np.stack([mask for _, mask in pairs], axis=1)
    return torch.from_numpy(vectors * mask[..., None]), torch.from_numpy(mask)
