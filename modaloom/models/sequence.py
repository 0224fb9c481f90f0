"""A shopper's past, as queries that are put to the catalogue.

Every kind gives queries (b, q, d) and log weights (b, q); an item with key k scores
``logsumexp_q(query . k + log_weight)``. ``kernel`` keeps one query per past item, so that several tastes
live side by side and a past item can be left out exactly; the others sum the past up in one query.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from modaloom.models.towers import ABSENT

SEQUENCE_KINDS = ("kernel", "mean", "gru", "transformer")
N_EVENTS = 8


class EventWeights(nn.Module):
    """How much a past event still counts: a weight per kind of event, and a power law of its age."""

    def __init__(self) -> None:
        super().__init__()
        self.event = nn.Parameter(torch.tensor([-1.0, -1.0, 0.0, 0.0, 0.0, 0.0, -4.0, -4.0]))
        self.decay = nn.Parameter(torch.tensor(0.0))

    def forward(self, event: Tensor, age_days: Tensor, mask: Tensor) -> Tensor:
        """Log weights (b, t) of events (b, t) that are age_days (b, t) old; very small where mask is False."""
        one_hot = F.one_hot(event, N_EVENTS).to(age_days.dtype)  # exports to every runtime, unlike a gather
        weight = one_hot @ self.event - F.softplus(self.decay) * torch.log1p(age_days / 7.0)
        return weight.masked_fill(~mask, ABSENT)


class Kernel(nn.Module):
    """One query per past item: attention of the candidate over the history, with a learned temperature."""

    def __init__(self, dim: int):
        super().__init__()
        self.weights = EventWeights()

    def forward(self, keys: Tensor, mask: Tensor, event: Tensor, age_days: Tensor) -> tuple[Tensor, Tensor]:
        """Queries (b, t, d) and log weights (b, t) of a past with keys (b, t, d)."""
        return keys, self.weights(event, age_days, mask)


class Mean(nn.Module):
    """The weighted mean of the past as one query."""

    def __init__(self, dim: int):
        super().__init__()
        self.weights = EventWeights()

    def forward(self, keys: Tensor, mask: Tensor, event: Tensor, age_days: Tensor) -> tuple[Tensor, Tensor]:
        """Query (b, 1, d) and log weight (b, 1)."""
        share = torch.softmax(self.weights(event, age_days, mask), dim=1) * mask
        query = (share[..., None] * keys).sum(dim=1, keepdim=True)
        return query, query.new_zeros(query.shape[:2])


class GruSequence(nn.Module):
    """A GRU over the past, newest last, added to the weighted mean.

    Source: Hidasi et al., "Session-based Recommendations with Recurrent Neural Networks", 2016.
    """

    def __init__(self, dim: int):
        super().__init__()
        self.mean = Mean(dim)
        self.cell = nn.GRUCell(dim, dim)
        self.out = nn.Linear(dim, dim)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, keys: Tensor, mask: Tensor, event: Tensor, age_days: Tensor) -> tuple[Tensor, Tensor]:
        """Query (b, 1, d) and log weight (b, 1)."""
        state = keys.new_zeros(keys.shape[0], keys.shape[2])
        for step in range(keys.shape[1]):
            state = torch.where(mask[:, step, None], self.cell(keys[:, step], state), state)
        query, weight = self.mean(keys, mask, event, age_days)
        return query + self.out(state)[:, None], weight


class TransformerSequence(nn.Module):
    """One Transformer block over the past, pooled by the events' weights.

    Source: Kang & McAuley, "Self-Attentive Sequential Recommendation", 2018 (ages instead of positions).
    """

    def __init__(self, dim: int, num_heads: int = 4):
        super().__init__()
        self.mean = Mean(dim)
        self.age = nn.Linear(1, dim)
        self.event = nn.Linear(N_EVENTS, dim, bias=False)
        self.norm = nn.LayerNorm(dim)
        self.qkv = nn.Linear(dim, 3 * dim)
        self.out = nn.Linear(dim, dim)
        self.num_heads = num_heads
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, keys: Tensor, mask: Tensor, event: Tensor, age_days: Tensor) -> tuple[Tensor, Tensor]:
        """Query (b, 1, d) and log weight (b, 1)."""
        b, t, d = keys.shape
        placed = (
            keys + self.age(torch.log1p(age_days)[..., None]) + self.event(F.one_hot(event, N_EVENTS).to(keys.dtype))
        )
        q, k, v = self.qkv(self.norm(placed)).view(b, t, 3, self.num_heads, d // self.num_heads).permute(2, 0, 3, 1, 4)
        scores = (q @ k.transpose(-1, -2)) / (d // self.num_heads) ** 0.5
        weights = torch.softmax(scores.masked_fill(~mask[:, None, None, :], ABSENT), dim=-1)
        mixed = self.out((weights @ v).transpose(1, 2).reshape(b, t, d))
        return cast(tuple[Tensor, Tensor], self.mean(keys + mixed, mask, event, age_days))


def make_sequence(kind: str, dim: int, *, num_heads: int = 4) -> nn.Module:
    """A sequence model by its kind.

    Raises:
        ValueError: unknown kind.
    """
    if kind == "kernel":
        return Kernel(dim)
    if kind == "mean":
        return Mean(dim)
    if kind == "gru":
        return GruSequence(dim)
    if kind == "transformer":
        return TransformerSequence(dim, num_heads)
    raise ValueError(f"sequence must be one of {', '.join(SEQUENCE_KINDS)}, not {kind!r}")
