"""A shopper's weights follow what hangs together in their past."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from modaloom.models.recommender import FusionRecommender, RecommenderConfig, mean_agreement
from modaloom.models.sequence import SEQUENCE_KINDS
from modaloom.types import Event

DIM = 16
NAMES = ("image", "text")
IMAGE, TEXT, FUSED = range(3)


def random_keys(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return F.normalize(torch.randn(*shape, len(NAMES) + 1, DIM, generator=generator), dim=-1)


def weights_of(model: FusionRecommender, keys: Tensor, mask: Tensor | None = None) -> Tensor:
    """The weights (b, m + 1) of shoppers with past keys (b, t, m + 1, d), all bought today."""
    shape = keys.shape[:2]
    mask = torch.ones(shape, dtype=torch.bool) if mask is None else mask
    with torch.no_grad():
        weights: Tensor = model.queries(
            keys.flatten(2), mask, torch.full(shape, int(Event.PURCHASE)), torch.zeros(shape)
        )[2]
    return weights


@pytest.fixture(params=SEQUENCE_KINDS)
def model(request: pytest.FixtureRequest) -> FusionRecommender:
    torch.manual_seed(0)
    return FusionRecommender(RecommenderConfig(NAMES, DIM, sequence=request.param)).eval()


def test_what_the_past_agrees_in_counts_most(model: FusionRecommender) -> None:
    keys = random_keys(1, 6)
    keys[:, :, TEXT] = keys[:, :1, TEXT]
    weights = weights_of(model, keys)[0]
    assert weights.argmax() == TEXT
    assert weights[TEXT] > 4 * weights[IMAGE]
    assert weights.sum() == pytest.approx(3.0, rel=1e-5)


def test_an_item_agrees_with_itself_and_that_says_nothing(model: FusionRecommender) -> None:
    once = random_keys(1, 3)
    often = torch.cat([once, once, once[:, :1]], dim=1)
    nothing = torch.ones(1, 3)
    assert weights_of(model, once[:, :1]) == pytest.approx(nothing, abs=1e-5)
    assert weights_of(model, once[:, :1].repeat(1, 5, 1, 1)) == pytest.approx(nothing, abs=1e-5)
    assert weights_of(model, once[:, :2].repeat(1, 3, 1, 1)) == pytest.approx(weights_of(model, once[:, :2]), abs=0.05)
    assert weights_of(model, often) == pytest.approx(weights_of(model, once), abs=0.2)


def test_places_beyond_the_past_do_not_matter(model: FusionRecommender) -> None:
    keys = random_keys(2, 6)
    mask = torch.arange(6)[None, :] < torch.tensor([[4], [0]])
    changed = torch.where(mask[..., None, None], keys, random_keys(2, 6, seed=1))
    changed[1] = changed[1, :1]
    assert weights_of(model, keys, mask) == pytest.approx(weights_of(model, changed, mask), abs=1e-5)
    assert weights_of(model, keys, mask)[0] == pytest.approx(weights_of(model, keys[:1, :4])[0], abs=1e-5)
    assert weights_of(model, keys, mask)[1] == pytest.approx(torch.ones(3), abs=1e-5)


def test_what_is_typical_of_everybody_says_nothing(model: FusionRecommender) -> None:
    """The fused views of any two items are much alike, as are behaviour vectors of one shopper."""
    keys = random_keys(300, 6)
    keys[:, :, FUSED] = F.normalize(keys[:, :, FUSED] * 0.2 + 1.0, dim=-1)
    before = weights_of(model, keys)
    assert (before.argmax(dim=1) == FUSED).all()
    shape = keys.shape[:2]
    event = torch.full(shape, int(Event.PURCHASE))
    with torch.no_grad():
        typical = mean_agreement(
            *model.agreement(keys.flatten(2), torch.ones(shape, dtype=torch.bool), event, torch.zeros(shape))
        )
    assert typical[FUSED] > 0.85
    model.typical.copy_(typical)
    assert weights_of(model, keys).mean(dim=0) == pytest.approx(torch.ones(3), abs=0.2)
    served = weights_of(model, keys)
    assert weights_of(model.train(), keys) == pytest.approx(served, abs=1e-5), "while learning, the batch says it"


def test_gradients_stay_small_where_views_or_whole_items_are_missing() -> None:
    torch.manual_seed(0)
    model = FusionRecommender(RecommenderConfig(NAMES, DIM, impute=False))
    mask = torch.tensor([[True, True], [True, False], [False, False], [False, True]])
    items = model.items(random_keys(4)[:, :2] * mask[..., None], mask)
    queries, _, weights = model.queries(
        items.keys[None], torch.ones(1, 4, dtype=torch.bool), torch.full((1, 4), 3), torch.zeros(1, 4)
    )
    torch.autograd.backward(queries.sum() + weights[0, TEXT])
    for name, parameter in model.named_parameters():
        if parameter.grad is not None:
            assert torch.isfinite(parameter.grad).all(), name
            assert parameter.grad.abs().max() < 1e4, name
