"""The learned recommender: modality tokens fused by attention, shoppers as queries over their past.

An item's key is made of *views*: one per modality, weighted by the fusion's attention, and the fused
vector. A shopper's past gives queries made of the same views, weighted by an attention over the
modalities of *that shopper*: what hangs together in somebody's past is what they care about. An item's
score is then a sum over views, so that leaving a modality or a past item out is exact.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from modaloom.models.behaviour import event_weights
from modaloom.models.fusion import make_fusion, make_stand_in
from modaloom.models.sequence import N_EVENTS, make_sequence
from modaloom.types import IntArray, Tokens

EVERYTHING = slice(None)


@dataclass(frozen=True)
class RecommenderConfig:
    """Shape of the model. ``dim`` is the width of every token, a multiple of ``num_heads``."""

    modalities: tuple[str, ...]
    dim: int = 64
    fusion: str = "attention"
    attention: str = "scaled_dot"
    sequence: str = "kernel"
    num_heads: int = 4
    missing: str = "mask"
    """What stands where a modality is missing, of :data:`~modaloom.models.fusion.MISSING_KINDS`."""


SAME = 0.9999
"""Cosine from which on two views are taken for one: a product that was seen twice agrees with itself."""
LARGEST_SURPRISE = 3.0
"""Standard deviations beyond which an unusual agreement says nothing more."""


class ItemKeys(NamedTuple):
    """What the item tower gives for n items."""

    keys: Tensor  # (n, (m + 1) * d)
    weights: Tensor  # (n, m) attention over the modality tokens
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
        self.fused_weight = nn.Parameter(torch.tensor(0.5))  # loud enough to learn from the start
        self.sequence = make_sequence(config.sequence, (m + 1) * d, num_heads=config.num_heads)
        self.log_scale = nn.Parameter(torch.tensor(2.3))
        self.preference = nn.Parameter(torch.zeros(m))
        self.coherence = nn.Parameter(torch.ones(m))
        self.agreement = nn.Parameter(torch.ones(m))
        self.typical: Tensor
        self.register_buffer("typical", torch.stack([torch.zeros(m), torch.ones(m)]))

    def items(self, reduced: Tensor, mask: Tensor) -> ItemKeys:
        """Keys of items with whitened tokens (n, m, d) of which mask (n, m) says which are there."""
        tokens = F.normalize(torch.einsum("nmd,mde->nme", reduced, self.adapt), dim=-1) * mask[..., None]
        fused, weights = self.fusion(tokens, mask)
        # Attention is shared among what is there; that an item lacks a modality must not make the others louder.
        views, strength = tokens, weights * mask.to(weights.dtype).mean(dim=1, keepdim=True)
        if self.imputer is not None:
            guessed = F.normalize(self.imputer.guess(tokens, mask), dim=-1)
            views = torch.where(mask[..., None], tokens, guessed)
            stand_in = torch.sigmoid(self.trust) / len(self.config.modalities) * mask.any(dim=1, keepdim=True)
            strength = torch.where(mask, strength, stand_in.expand_as(weights))
        per_modality = views * (strength + 1e-9).sqrt()[..., None]
        unit = F.normalize(fused, dim=-1) * mask.any(dim=1, keepdim=True)  # nothing in, nothing out, no gradient
        keys = torch.cat([per_modality.flatten(1), unit * torch.sigmoid(self.fused_weight)], dim=1)
        return ItemKeys(keys, weights, tokens, unit)

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
        coherence = (views.norm(dim=-1) / (size + 1e-6))[:, :-1]  # (b, m), 1 when all past items agree
        unusual = self._unusual(*self.pair_agreement(keys, mask, event))
        gate = self.preference + self.coherence * coherence + self.agreement * unusual
        weights = torch.softmax(gate, dim=-1) * gate.shape[1]
        weights = F.pad(weights, (0, 1), value=1.0)  # what all make together is not weighed against its parts
        spread = weights.repeat_interleave(self.config.dim, dim=1)
        return queries * spread[:, None] * self.log_scale.exp(), log_weights, weights

    def pair_agreement(self, keys: Tensor, mask: Tensor, event: Tensor) -> tuple[Tensor, Tensor]:
        """Mean cosine of pairs of different past items by modality (b, m), and how far it is known (b, m), 0 to 1.

        Arguments as of :meth:`queries`. What was bought counts for more than what was looked at.
        """
        m, d = len(self.config.modalities), self.config.dim
        said = keys.new_tensor(event_weights(np.arange(N_EVENTS, dtype=np.uint8)))
        weight = F.one_hot(event, N_EVENTS).to(keys.dtype) @ said * mask
        views = keys[..., : m * d].reshape(*keys.shape[:2], m, d).transpose(1, 2)  # (b, m, t, d)
        length = views.norm(dim=-1)
        similar = views @ views.transpose(-1, -2)
        most = length[..., :, None] * length[..., None, :]
        same = (similar >= SAME * most).all(dim=1)
        both = weight[:, :, None] * weight[:, None, :] * ~same
        there = (length > 0).to(keys.dtype)
        pairs = torch.einsum("bij,bmi,bmj->bm", both, there, there)
        agreement = (similar * both[:, None]).sum(dim=(2, 3)) / ((most * both[:, None]).sum(dim=(2, 3)) + 1e-6)
        return agreement, pairs / (pairs + 2.0)

    def calibrate(self, keys: Tensor, mask: Tensor, event: Tensor) -> None:
        """Takes what is usual from the pasts of some shoppers, as they are served; arguments as of :meth:`queries`."""
        with torch.no_grad():
            self.typical.copy_(_mean_and_spread(*self.pair_agreement(keys, mask, event)))

    def _unusual(self, agreement: Tensor, known: Tensor) -> Tensor:
        """How much more than usual a past agrees (b, m), in standard deviations; nothing where that is unknown.

        What is usual changes while the model learns, and is then taken from the batch.
        """
        mean, spread = _mean_and_spread(agreement.detach(), known) if self.training else self.typical
        surprise: Tensor = (agreement - mean) / (spread + 1e-3)
        return surprise.clamp(-LARGEST_SURPRISE, LARGEST_SURPRISE) * known


def _mean_and_spread(values: Tensor, weights: Tensor) -> Tensor:
    """Weighted mean and standard deviation of the columns of values (b, m), as (2, m)."""
    total = weights.sum(dim=0).clamp_min(1e-6)
    mean = (values * weights).sum(dim=0) / total
    return torch.stack([mean, (((values - mean) ** 2 * weights).sum(dim=0) / total).sqrt()])


def scores(queries: Tensor, log_weights: Tensor, keys: Tensor) -> Tensor:
    """Scores (b, n) of items with keys (n, D) for queries (b, q, D) with log weights (b, q)."""
    similar = torch.einsum("bqd,nd->bqn", queries, keys) + log_weights[..., None]
    return torch.logsumexp(similar, dim=1)


def stack_tokens(
    modalities: Sequence[str], tokens: Mapping[str, Tokens], rows: slice | IntArray = EVERYTHING
) -> tuple[Tensor, Tensor]:
    """Whitened tokens (k, m, d) and mask (k, m) of some items of a catalogue, all of them by default.

    A modality that is not there is missing everywhere.
    """
    some = next(iter(tokens.values())).vectors[rows]
    vectors = np.zeros((len(some), len(modalities), some.shape[1]), dtype=np.float32)
    mask = np.zeros((len(some), len(modalities)), dtype=bool)
    for place, name in enumerate(modalities):
        if name in tokens:
            mask[:, place] = tokens[name].mask[rows]
            np.multiply(tokens[name].vectors[rows], mask[:, place, None], out=vectors[:, place])
    return torch.from_numpy(vectors), torch.from_numpy(mask)
