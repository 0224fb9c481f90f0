"""What learning minimises."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def sampled_softmax(
    positive: Tensor,
    negatives: Tensor,
    *,
    log_q_positive: Tensor | float = 0.0,
    log_q_negatives: Tensor | float = 0.0,
    excluded: Tensor | None = None,
    weights: Tensor | None = None,
) -> Tensor:
    """Cross-entropy of the true item against sampled ones, corrected for how likely each was to be drawn.

    Args:
        positive: scores of the true items (b,).
        negatives: scores of the sampled items (b, k).
        log_q_positive: expected log number of times the true item is drawn, (b,) or a number.
        log_q_negatives: the same of the sampled items, (k,), (b, k) or a number.
        excluded: (b, k) True where a sampled item must not count (it is the true one, or was bought too).
        weights: importance of each row (b,).

    Source: Bengio & Senecal, 2008; Yi et al., "Sampling-Bias-Corrected Neural Modeling", 2019.
    """
    corrected = negatives - log_q_negatives
    if excluded is not None:
        corrected = corrected.masked_fill(excluded, -torch.inf)
    own = positive - log_q_positive
    losses = torch.logsumexp(torch.cat([own[:, None], corrected], dim=1), dim=1) - own
    if weights is None:
        return losses.mean()
    return (losses * weights).sum() / weights.sum().clamp_min(1e-9)


def contrastive_alignment(left: Tensor, right: Tensor, mask: Tensor, *, temperature: float = 0.1) -> Tensor:
    """Symmetric InfoNCE between two views (b, d) of the same items, over the rows where mask (b,) is True.

    Source: Radford et al., "Learning Transferable Visual Models From Natural Language Supervision", 2021.
    """
    left, right = F.normalize(left, dim=-1), F.normalize(right, dim=-1)
    scores = (left @ right.T) / temperature
    blocked = ~mask[None, :] & ~torch.eye(len(mask), dtype=torch.bool, device=mask.device)
    target = torch.arange(len(mask), device=mask.device)
    both = [F.cross_entropy(way.masked_fill(blocked, -1e9), target, reduction="none") for way in (scores, scores.T)]
    return (sum(both, scores.new_zeros(())) * mask / 2).sum() / mask.sum().clamp_min(1)


def like_loss(logits: Tensor, labels: Tensor, weights: Tensor | None = None) -> Tensor:
    """Binary cross-entropy of logits (b,) against labels (b,) in [0, 1]; ratings are scaled to that range first."""
    return F.binary_cross_entropy_with_logits(logits, labels, weight=weights)
