"""Losses against their formulas, written out."""

from __future__ import annotations

import math

import pytest
import torch

from modaloom.models.losses import contrastive_alignment, like_loss, sampled_softmax


def test_sampled_softmax_equals_the_formula() -> None:
    torch.manual_seed(0)
    positive, negatives = torch.randn(4), torch.randn(4, 6)
    log_q_positive, log_q = torch.randn(4), torch.randn(6)
    excluded = torch.rand(4, 6) < 0.3
    weights = torch.tensor([1.0, 2.0, 0.0, 0.5])
    losses = []
    for row in range(4):
        own = math.exp(positive[row] - log_q_positive[row])
        others = sum(math.exp(negatives[row, k] - log_q[k]) for k in range(6) if not excluded[row, k])
        losses.append(-math.log(own / (own + others)))
    given = {"log_q_positive": log_q_positive, "log_q_negatives": log_q, "excluded": excluded}
    assert sampled_softmax(positive, negatives, **given).item() == pytest.approx(sum(losses) / 4, rel=1e-5)
    expected = sum(loss * weight for loss, weight in zip(losses, weights.tolist(), strict=True)) / 3.5
    assert sampled_softmax(positive, negatives, weights=weights, **given).item() == pytest.approx(expected, rel=1e-5)


def test_sampled_softmax_over_all_items_is_cross_entropy() -> None:
    torch.manual_seed(0)
    scores, target = torch.randn(5, 9), torch.randint(0, 9, (5,))
    own = torch.nn.functional.one_hot(target, 9).bool()
    loss = sampled_softmax(scores[own], scores, excluded=own)
    assert torch.allclose(loss, torch.nn.functional.cross_entropy(scores, target))


def test_the_log_q_correction_makes_the_sampled_gradient_the_full_one() -> None:
    """Drawing popular items more often must not push them down."""
    torch.manual_seed(0)
    scores = torch.tensor([1.0, 0.5, 0.0, -0.5], requires_grad=True)
    torch.logsumexp(scores, 0).sub(scores[3]).backward()
    assert scores.grad is not None
    full = scores.grad.clone()
    chance = torch.tensor([0.7, 0.1, 0.1, 0.1])
    draws = torch.multinomial(chance, 40_000, replacement=True).view(1, -1)
    tail = torch.log(chance * 40_000)
    fair = scores.detach().requires_grad_()
    # The true item is left out of the sample, and stands for itself.
    sampled_softmax(
        fair[3:], fair[draws], log_q_positive=0.0, log_q_negatives=tail[draws], excluded=draws == 3
    ).backward()
    assert fair.grad is not None
    assert torch.allclose(fair.grad, full, atol=0.02)


def test_with_everything_excluded_nothing_is_left_to_learn() -> None:
    positive = torch.zeros(2, requires_grad=True)
    loss = sampled_softmax(positive, torch.zeros(2, 3), excluded=torch.ones(2, 3, dtype=torch.bool))
    loss.backward()
    assert loss.item() == 0
    assert positive.grad is not None
    assert positive.grad.isfinite().all()


def test_contrastive_alignment_equals_the_formula() -> None:
    torch.manual_seed(0)
    left, right = torch.randn(5, 4), torch.randn(5, 4)
    mask = torch.tensor([True, True, False, True, False])
    a = torch.nn.functional.normalize(left[mask], dim=1)
    b = torch.nn.functional.normalize(right[mask], dim=1)
    scores, target = a @ b.T / 0.1, torch.arange(3)
    entropy = torch.nn.functional.cross_entropy
    expected = (entropy(scores, target) + entropy(scores.T, target)) / 2
    assert torch.allclose(contrastive_alignment(left, right, mask), expected, atol=1e-5)


def test_contrastive_alignment_without_rows_is_zero_and_aligned_views_cost_least() -> None:
    views = torch.eye(4)
    everything = torch.ones(4, dtype=torch.bool)
    assert contrastive_alignment(views, views, ~everything).item() == 0
    assert contrastive_alignment(views, views, everything) < contrastive_alignment(views, views.flip(0), everything)


def test_like_loss_equals_the_formula() -> None:
    logits, labels = torch.tensor([0.3, -2.0, 1.5]), torch.tensor([1.0, 0.0, 0.75])
    chance = 1 / (1 + torch.exp(-logits))
    each = -(labels * chance.log() + (1 - labels) * (1 - chance).log())
    assert torch.allclose(like_loss(logits, labels), each.mean())
    weights = torch.tensor([2.0, 0.0, 1.0])
    assert torch.allclose(like_loss(logits, labels, weights), (each * weights).mean())
