"""Attention over a few tokens: the score functions, and a softmax that knows what is missing."""

from __future__ import annotations

import math
from typing import cast

import torch
from torch import Tensor, nn

SCORE_FUNCTIONS = ("dot", "scaled_dot", "additive")
_ABSENT = -1e9


def masked_softmax(scores: Tensor, mask: Tensor) -> Tensor:
    """Softmax over the last axis of scores (..., m) among the tokens that mask (..., m) marks; zeros if none is."""
    weights = torch.softmax(scores.masked_fill(~mask, _ABSENT), dim=-1)
    return weights * mask


class Attention(nn.Module):
    """Multi-head attention of queries (b, q, d) over tokens (b, m, d), by one of three score functions.

    ``dot``: q.k; ``scaled_dot``: q.k / sqrt(d / h); ``additive``: v.tanh(q + k).

    Source: Luong et al., 2015 (dot); Vaswani et al., 2017 (scaled_dot, heads); Bahdanau et al., 2015 (additive).
    """

    def __init__(self, dim: int, *, score: str = "scaled_dot", num_heads: int = 4):
        super().__init__()
        if score not in SCORE_FUNCTIONS:
            raise ValueError(f"attention must be one of {', '.join(SCORE_FUNCTIONS)}, not {score!r}")
        if num_heads < 1 or dim % num_heads:
            raise ValueError(f"dim ({dim}) must be a multiple of num_heads ({num_heads})")
        self.score = score
        self.num_heads = num_heads
        self.query = nn.Linear(dim, dim)
        self.key = nn.Linear(dim, dim)
        self.value = nn.Linear(dim, dim)
        self.out = nn.Linear(dim, dim)
        self.additive = nn.Parameter(torch.randn(num_heads, dim // num_heads) / math.sqrt(dim // num_heads))

    def _heads(self, x: Tensor) -> Tensor:
        b, m, d = x.shape
        return x.view(b, m, self.num_heads, d // self.num_heads).transpose(1, 2)

    def forward(self, queries: Tensor, tokens: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Attends.

        Args:
            queries: (b, q, d).
            tokens: (b, m, d).
            mask: (b, m) bool, False where a token is missing.

        Returns:
            outputs (b, q, d) and weights (b, q, m), the mean over heads; a row without tokens gets zeros.
        """
        q, k, v = self._heads(self.query(queries)), self._heads(self.key(tokens)), self._heads(self.value(tokens))
        if self.score == "additive":
            mixed = torch.tanh(q.unsqueeze(3) + k.unsqueeze(2))  # (b, h, q, m, d/h)
            scores = (mixed * self.additive[:, None, None, :]).sum(-1)
        else:
            scores = q @ k.transpose(-1, -2)
            if self.score == "scaled_dot":
                scores = scores / math.sqrt(q.shape[-1])
        weights = masked_softmax(scores, mask[:, None, None, :])  # (b, h, q, m)
        mixed_values = (weights @ v).transpose(1, 2).flatten(2)  # (b, q, d)
        there = mask.any(dim=1)[:, None, None]
        return cast(Tensor, self.out(mixed_values)) * there, weights.mean(dim=1)
