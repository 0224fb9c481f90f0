"""Attention: three score functions, checked against formulas written out."""

from __future__ import annotations

import math

import pytest
import torch

from modaloom.models.attention import SCORE_FUNCTIONS, Attention, masked_softmax


def written_out(module: Attention, queries: torch.Tensor, tokens: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """One row, one query and one head at a time."""
    heads = module.num_heads
    q, k, v = module.query(queries), module.key(tokens), module.value(tokens)
    width = q.shape[-1] // heads
    out = torch.zeros_like(q)
    for row in range(len(q)):
        there = mask[row].nonzero()[:, 0]
        for place in range(q.shape[1]):
            for head in range(heads):
                part = slice(head * width, (head + 1) * width)
                scores = []
                for token in there:
                    if module.score == "additive":
                        scores.append(module.additive[head] @ torch.tanh(q[row, place, part] + k[row, token, part]))
                    else:
                        scale = math.sqrt(width) if module.score == "scaled_dot" else 1.0
                        scores.append(q[row, place, part] @ k[row, token, part] / scale)
                if scores:
                    out[row, place, part] = torch.softmax(torch.stack(scores), 0) @ v[row, there, part]
    return module.out(out) * mask.any(dim=1)[:, None, None]


@pytest.mark.parametrize("score", SCORE_FUNCTIONS)
@pytest.mark.parametrize("num_heads", [1, 2, 4])
def test_it_equals_the_formula(score: str, num_heads: int) -> None:
    torch.manual_seed(0)
    module = Attention(8, score=score, num_heads=num_heads)
    queries, tokens = torch.randn(5, 2, 8), torch.randn(5, 3, 8)
    mask = torch.tensor([[1, 1, 1], [1, 0, 1], [0, 0, 1], [0, 0, 0], [1, 1, 0]], dtype=torch.bool)
    out, weights = module(queries, tokens, mask)
    assert out.shape == (5, 2, 8)
    assert weights.shape == (5, 2, 3)
    assert torch.allclose(out, written_out(module, queries, tokens, mask), atol=1e-5)
    assert torch.allclose(weights.sum(-1), mask.any(1, keepdim=True).float().expand(5, 2))
    assert (weights.transpose(1, 2)[~mask] == 0).all()


def test_scaled_dot_equals_torchs_own_multi_head_attention() -> None:
    torch.manual_seed(1)
    module = Attention(12, num_heads=3)
    peer = torch.nn.MultiheadAttention(12, 3, batch_first=True)
    with torch.no_grad():
        peer.in_proj_weight.copy_(torch.cat([module.query.weight, module.key.weight, module.value.weight]))
        peer.in_proj_bias.copy_(torch.cat([module.query.bias, module.key.bias, module.value.bias]))
        peer.out_proj.load_state_dict(module.out.state_dict())
    queries, tokens = torch.randn(4, 2, 12), torch.randn(4, 5, 12)
    mask = torch.rand(4, 5) < 0.7
    mask[:, 0] = True
    expected, expected_weights = peer(queries, tokens, tokens, key_padding_mask=~mask)
    out, weights = module(queries, tokens, mask)
    assert torch.allclose(out, expected, atol=1e-5)
    assert torch.allclose(weights, expected_weights, atol=1e-5)


def test_the_score_functions_are_not_the_same() -> None:
    torch.manual_seed(2)
    modules = {score: Attention(8, score=score, num_heads=2) for score in SCORE_FUNCTIONS}
    state = modules["dot"].state_dict()
    tokens = torch.randn(3, 4, 8)
    made = []
    for module in modules.values():
        module.load_state_dict(state)
        made.append(module(tokens, tokens, torch.ones(3, 4, dtype=torch.bool))[1])
    assert not torch.allclose(made[0], made[1], atol=1e-3)
    assert not torch.allclose(made[0], made[2], atol=1e-3)


def test_masked_softmax_survives_extreme_scores() -> None:
    scores = torch.tensor([[1e4, -1e4, 0.0], [-1e8, -1e8, 5.0], [0.0, 0.0, 0.0]])
    mask = torch.tensor([[True, True, True], [True, True, False], [False, False, False]])
    weights = masked_softmax(scores, mask)
    assert torch.allclose(weights, torch.tensor([[1.0, 0, 0], [0.5, 0.5, 0], [0, 0, 0]]))


def test_wrong_settings_are_named() -> None:
    with pytest.raises(ValueError, match="must be one of dot, scaled_dot, additive, not 'cosine'"):
        Attention(8, score="cosine")
    for heads in (3, 0, -1):
        with pytest.raises(ValueError, match=r"dim \(8\) must be a multiple of num_heads"):
            Attention(8, num_heads=heads)
