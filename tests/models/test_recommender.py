"""The item tower where there is little to go by, and the weights of a shopper's modalities."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from modaloom.models.recommender import FusionRecommender, RecommenderConfig
from modaloom.models.sequence import SEQUENCE_KINDS
from modaloom.types import Event

DIM = 16
NAMES = ("image", "text")
TEXT = 1
PURCHASE = int(Event.PURCHASE)


def random_views(*shape: int) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return F.normalize(torch.randn(*shape, DIM, generator=generator), dim=-1)


@pytest.mark.parametrize("sequence", ["kernel", "mean"])
def test_what_the_past_agrees_in_counts_most(sequence: str) -> None:
    torch.manual_seed(0)
    model = FusionRecommender(RecommenderConfig(NAMES, DIM, sequence=sequence)).eval()
    views = random_views(1, 6, 3)
    views[:, :, TEXT] = views[:, :1, TEXT]
    with torch.no_grad():
        weights = model.queries(
            views.flatten(2), torch.ones(1, 6, dtype=torch.bool), torch.full((1, 6), 3), torch.zeros(1, 6)
        )[2][0]
    assert weights.argmax() == TEXT
    assert float(weights[:2].sum()) == pytest.approx(2.0, rel=1e-5)
    assert float(weights[2]) == 1.0  # the fused view is not weighed against its parts


def a_past(agreeing: Tensor, other: Tensor) -> Tensor:
    """Keys (1, t, D) of a past by its two views (t, d); there is no fused view."""
    return torch.cat([agreeing, other, torch.zeros_like(other)], dim=1)[None]


def test_what_is_usual_for_everybody_is_nobodys_taste() -> None:
    """All words are alike in everybody's past, and pictures in one: there it is pictures that say something."""
    torch.manual_seed(0)
    model = FusionRecommender(RecommenderConfig(NAMES, DIM)).eval()
    shoppers, length = 40, 6
    pictures = random_views(shoppers, length)
    words = F.normalize(random_views(1)[0] + 0.3 * random_views(shoppers, length).flip(0), dim=-1)
    pictures[0] = F.normalize(pictures[0, :1] + 0.5 * pictures[0], dim=-1)
    keys = torch.cat([a_past(*pair) for pair in zip(pictures, words, strict=True)])
    past = torch.ones(shoppers, length, dtype=torch.bool), torch.full((shoppers, length), PURCHASE)
    model.calibrate(keys, *past)
    with torch.no_grad():
        weights = model.queries(keys, *past, torch.zeros(shoppers, length))[2]
    assert weights[0].argmax() == 0
    assert (weights[1:, TEXT] > weights[1:, 0]).float().mean() > 0.5
    assert model.state_dict()["typical"][0, TEXT] > 0.5


def test_the_same_product_twice_agrees_with_nothing() -> None:
    torch.manual_seed(0)
    model = FusionRecommender(RecommenderConfig(NAMES, DIM)).eval()
    pictures, words = random_views(2), random_views(2).flip(0)
    twice = a_past(pictures[[0, 0, 1]], words[[0, 0, 1]])
    bought = torch.ones(1, 3, dtype=torch.bool), torch.full((1, 3), PURCHASE)
    agreement, known = model.pair_agreement(twice, *bought)
    once, known_once = model.pair_agreement(twice[:, 1:], bought[0][:, 1:], bought[1][:, 1:])
    assert torch.allclose(agreement, once, atol=1e-5)
    assert (known > known_once).all()
    alone, unknown = model.pair_agreement(twice[:, :2], bought[0][:, :2], bought[1][:, :2])
    assert not alone.any()
    assert not unknown.any()


def test_an_item_of_which_nothing_is_known_has_no_key() -> None:
    torch.manual_seed(0)
    model = FusionRecommender(RecommenderConfig(NAMES, DIM)).eval()
    torch.nn.init.normal_(model.fusion.norm.bias)
    keys = model.items(torch.zeros(1, 2, DIM), torch.zeros(1, 2, dtype=torch.bool)).keys.detach()
    assert float(keys.abs().max()) < 1e-4


@pytest.mark.parametrize("sequence", SEQUENCE_KINDS)
def test_gradients_stay_small_where_whole_items_are_missing(sequence: str) -> None:
    """An item of which nothing is known once gave a gradient of 1e17, beside which clipping left nothing."""
    torch.manual_seed(0)
    model = FusionRecommender(RecommenderConfig(NAMES, DIM, sequence=sequence, missing="mask"))
    mask = torch.tensor([[True, True], [True, False], [False, False], [False, True]])
    items = model.items(random_views(4, 2) * mask[..., None], mask)
    queries, _, weights = model.queries(
        items.keys[None], torch.ones(1, 4, dtype=torch.bool), torch.full((1, 4), 3), torch.zeros(1, 4)
    )
    torch.autograd.backward(queries.sum() + weights[0, TEXT])
    for name, parameter in model.named_parameters():
        if parameter.grad is not None:
            assert parameter.grad.abs().max() < 1e4, name
