"""The item tower where there is little to go by, and the weights of a shopper's modalities."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from modaloom.models.recommender import FusionRecommender, RecommenderConfig
from modaloom.models.sequence import SEQUENCE_KINDS

DIM = 16
NAMES = ("image", "text")
TEXT = 1


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
    assert float(weights.sum()) == pytest.approx(3.0, rel=1e-5)


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
