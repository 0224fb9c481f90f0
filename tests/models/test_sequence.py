"""Four ways to turn a past into queries: padding never matters, age and kind of event do."""

from __future__ import annotations

import pytest
import torch

from modaloom.models.sequence import ABSENT, N_EVENTS, SEQUENCE_KINDS, EventWeights, make_sequence
from modaloom.types import Event

Past = tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]


def past(b: int = 3, t: int = 5, d: int = 8) -> Past:
    torch.manual_seed(0)
    mask = torch.ones(b, t, dtype=torch.bool)
    mask[1, 2:] = False
    mask[2] = False
    return torch.randn(b, t, d), mask, torch.randint(0, N_EVENTS, (b, t)), torch.rand(b, t) * 100


def made(kind: str, d: int = 8) -> torch.nn.Module:
    torch.manual_seed(1)
    module = make_sequence(kind, d).eval()
    with torch.no_grad():  # the outer layers start at zero; any value must keep the rules
        for name, part in module.named_parameters():
            if name.startswith("out"):
                part.copy_(torch.randn_like(part) / 3)
    return module


def answer(module: torch.nn.Module, given: Past, candidate: torch.Tensor) -> torch.Tensor:
    """Scores (b,) of a candidate (d,)."""
    queries, log_weights = module(*given)
    return torch.logsumexp(queries @ candidate + log_weights, dim=1)


@pytest.mark.parametrize("kind", SEQUENCE_KINDS)
class TestEveryKind:
    def test_shapes(self, kind: str) -> None:
        queries, log_weights = made(kind)(*past())
        q = 5 if kind == "kernel" else 1
        assert queries.shape == (3, q, 8)
        assert log_weights.shape == (3, q)
        assert queries.isfinite().all()
        assert log_weights.isfinite().all()

    def test_what_lies_under_the_mask_never_matters(self, kind: str) -> None:
        module, (keys, mask, event, age) = made(kind), past()
        candidate = torch.randn(8)
        expected = answer(module, (keys, mask, event, age), candidate)
        dirty = torch.where(mask[..., None], keys, torch.tensor(7.0))
        other = torch.where(mask, event, torch.tensor(3)), torch.where(mask, age, torch.tensor(1.0))
        changed = answer(module, (dirty, mask, *other), candidate)
        assert torch.allclose(changed[:2], expected[:2], atol=1e-5)
        assert changed[2].isfinite()

    def test_longer_padding_changes_nothing(self, kind: str) -> None:
        module, given = made(kind), past()
        candidate = torch.randn(8)
        longer = tuple(torch.cat([part, torch.zeros_like(part)], dim=1) for part in given)
        assert torch.allclose(answer(module, longer, candidate)[:2], answer(module, given, candidate)[:2], atol=1e-5)  # type: ignore[arg-type]

    def test_a_row_never_sees_other_rows(self, kind: str) -> None:
        module, given = made(kind), past()
        candidate = torch.randn(8)
        alone = answer(module, tuple(part[:1] for part in given), candidate)  # type: ignore[arg-type]
        assert torch.allclose(alone, answer(module, given, candidate)[:1], atol=1e-5)

    def test_everything_learns(self, kind: str) -> None:
        module = made(kind).train()
        answer(module, past(), torch.randn(8))[:2].sum().backward()
        grads = {name: part.grad for name, part in module.named_parameters()}
        assert all(grad is not None and grad.isfinite().all() for grad in grads.values())
        assert any((grad != 0).any() for grad in grads.values() if grad is not None)


def test_an_old_event_counts_less_and_a_dislike_hardly() -> None:
    weights = EventWeights()
    mask = torch.ones(1, 3, dtype=torch.bool)
    events = torch.full((1, 3), int(Event.PURCHASE))
    new, week, year = weights(events, torch.tensor([[0.0, 7.0, 365.0]]), mask)[0].tolist()
    assert new > week > year
    kinds = torch.tensor([[Event.PURCHASE, Event.VIEW, Event.DISLIKE]])
    bought, seen, disliked = weights(kinds, torch.zeros(1, 3), mask)[0].tolist()
    assert bought > seen > disliked
    assert (weights(kinds, torch.zeros(1, 3), ~mask) == ABSENT).all()


def test_kernel_keeps_several_tastes_where_the_mean_blurs_them() -> None:
    keys = torch.eye(4)[None, :2] * 10
    given = (keys, torch.ones(1, 2, dtype=torch.bool), torch.full((1, 2), 3), torch.zeros(1, 2))
    one_taste, between = torch.eye(4)[0], (torch.eye(4)[0] + torch.eye(4)[1]) / 2
    assert answer(make_sequence("kernel", 4), given, one_taste) > answer(make_sequence("kernel", 4), given, between) + 4
    mean = make_sequence("mean", 4)
    assert torch.allclose(answer(mean, given, one_taste), answer(mean, given, between))


def test_gru_tells_the_order_and_mean_does_not() -> None:
    keys = torch.randn(1, 4, 8)
    given = (keys, torch.ones(1, 4, dtype=torch.bool), torch.full((1, 4), 3), torch.zeros(1, 4))
    turned = (keys.flip(1), *given[1:])
    candidate = torch.randn(8)
    assert torch.allclose(answer(made("mean"), given, candidate), answer(made("mean"), turned, candidate), atol=1e-5)
    assert not torch.allclose(answer(made("gru"), given, candidate), answer(made("gru"), turned, candidate), atol=1e-3)


def test_unknown_kinds_are_named() -> None:
    with pytest.raises(ValueError, match="sequence must be one of kernel, mean, gru, transformer, not 'lstm'"):
        make_sequence("lstm", 8)
