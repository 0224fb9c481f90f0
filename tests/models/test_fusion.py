"""Every kind of fusion keeps the contract, under any mask; the imputer imputes; the small model learns."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from modaloom.models.attention import SCORE_FUNCTIONS
from modaloom.models.fusion import (
    FUSION_KINDS,
    MISSING_KINDS,
    CrossModalImputer,
    Fusion,
    LearnedTokens,
    MultimodalFusionModel,
    drop_modalities,
    make_fusion,
    make_stand_in,
)
from modaloom.testing import FusionSuite

WITH_SCORES = ("attention", "cross_attention", "transformer")
VARIANTS = [(kind, score) for kind in FUSION_KINDS for score in (SCORE_FUNCTIONS if kind in WITH_SCORES else ("dot",))]
masks = st.lists(st.lists(st.booleans(), min_size=3, max_size=3), min_size=1, max_size=6)


class TestEveryKind(FusionSuite):
    @pytest.fixture(autouse=True, params=VARIANTS, ids="-".join)
    def variant(self, request: pytest.FixtureRequest) -> None:
        self.kind, self.score = request.param

    def make_fusion(self, dim: int, n_modalities: int) -> Fusion:
        return make_fusion(self.kind, dim, n_modalities, attention=self.score)


class TestOneModality(FusionSuite):
    n_modalities = 1

    @pytest.fixture(autouse=True, params=FUSION_KINDS)
    def variant(self, request: pytest.FixtureRequest) -> None:
        self.kind = request.param

    def make_fusion(self, dim: int, n_modalities: int) -> Fusion:
        return make_fusion(self.kind, dim, n_modalities)


@pytest.mark.parametrize("kind", FUSION_KINDS)
@given(masks)
@settings(max_examples=25, deadline=None)
def test_any_mask_gives_finite_rows_and_shares(kind: str, rows: list[list[bool]]) -> None:
    torch.manual_seed(0)
    module = make_fusion(kind, 8, 3).eval()
    mask = torch.tensor(rows)
    fused, weights = module(torch.randn(len(rows), 3, 8), mask)
    assert fused.isfinite().all()
    assert (weights[~mask] == 0).all()
    assert torch.allclose(weights.sum(1), mask.any(1).float(), atol=1e-5)


def test_unknown_kinds_and_heads_are_named() -> None:
    with pytest.raises(ValueError, match="fusion must be one of attention, concat-mlp"):
        make_fusion("sum", 8, 2)
    with pytest.raises(ValueError, match=r"dim \(10\) must be a multiple of num_heads \(4\)"):
        make_fusion("attention", 10, 2)
    with pytest.raises(NotImplementedError):
        Fusion(4, 2)(torch.zeros(1, 2, 4), torch.ones(1, 2, dtype=torch.bool))


@given(masks, st.floats(0, 1), st.integers(0, 99))
@settings(max_examples=100, deadline=None)
def test_dropped_modalities_are_a_part_and_never_the_last(rows: list[list[bool]], share: float, seed: int) -> None:
    mask = torch.tensor(rows)
    kept = drop_modalities(mask, share, torch.Generator().manual_seed(seed))
    assert not (kept & ~mask).any(), "something missing came back"
    assert torch.equal(kept.any(1), mask.any(1)), "the last one was dropped"


def test_the_share_of_dropped_modalities_is_the_one_asked_for() -> None:
    mask = torch.ones(20_000, 4, dtype=torch.bool)
    generator = torch.Generator().manual_seed(0)
    assert torch.equal(drop_modalities(mask, 0.0, generator), mask)
    share = 1 - drop_modalities(mask, 0.3, generator).float().mean().item()
    assert share == pytest.approx(0.3 - 0.3**4 / 4, abs=0.01)
    assert (drop_modalities(mask, 1.0, generator).sum(1) == 1).all()


class TestCrossModalImputer:
    def test_what_is_present_stays_and_what_is_missing_never_matters(self) -> None:
        torch.manual_seed(0)
        imputer = CrossModalImputer(4, 3)
        tokens, mask = torch.randn(6, 3, 4), torch.rand(6, 3) < 0.5
        filled = imputer(tokens, mask)
        assert torch.equal(filled[mask], tokens[mask])
        dirty = torch.where(mask[..., None], tokens, torch.tensor(float("nan")))
        assert torch.equal(imputer(dirty, mask), filled)
        assert torch.isfinite(imputer.loss(dirty, mask, mask & (torch.rand(6, 3) < 0.5)))

    def test_it_learns_a_relation_between_modalities(self) -> None:
        torch.manual_seed(0)
        relation = torch.randn(8, 8) / 8**0.5
        first = torch.randn(512, 8)
        tokens = torch.stack([first, torch.tanh(first @ relation)], dim=1)
        mask = torch.ones(512, 2, dtype=torch.bool)
        only_first = torch.tensor([True, False]).expand(512, 2)
        imputer = CrossModalImputer(8, 2)
        optimiser = torch.optim.Adam(imputer.parameters(), 1e-2)
        before = imputer.loss(tokens, mask, only_first).item()
        for _ in range(150):
            optimiser.zero_grad()
            loss = imputer.loss(tokens, mask, only_first)
            loss.backward()
            optimiser.step()
        assert loss.item() < before / 10
        filled = imputer(tokens, only_first)
        assert ((filled[:, 1] - tokens[:, 1]) ** 2).sum(1).mean() < before / 10

    def test_nothing_hidden_costs_nothing(self) -> None:
        imputer = CrossModalImputer(4, 2)
        mask = torch.ones(3, 2, dtype=torch.bool)
        assert imputer.loss(torch.randn(3, 2, 4), mask, mask).item() == 0.0


class TestMultimodalFusionModel:
    @pytest.mark.parametrize("attention", SCORE_FUNCTIONS)
    def test_shapes_and_weights(self, attention: str) -> None:
        model = MultimodalFusionModel(10, 6, 16, attention=attention)
        image, text = torch.randn(5, 10), torch.randn(5, 6)
        assert model(image, text).shape == (5, 1)
        weights = model.attention_weights(image, text)
        assert weights.shape == (5, 2)
        assert torch.allclose(weights.sum(1), torch.ones(5))

    def test_a_rows_logit_does_not_depend_on_other_rows(self) -> None:
        """The classic fault: attention over the batch instead of over the modalities."""
        torch.manual_seed(0)
        model = MultimodalFusionModel(10, 6, 16)
        image, text = torch.randn(7, 10), torch.randn(7, 6)
        together = model(image, text)
        alone = torch.cat([model(image[row : row + 1], text[row : row + 1]) for row in range(7)])
        assert torch.allclose(together, alone, atol=1e-5)
        order = torch.randperm(7)
        assert torch.allclose(model(image[order], text[order]), together[order], atol=1e-5)

    def test_a_missing_modality_is_a_mask(self) -> None:
        torch.manual_seed(0)
        model = MultimodalFusionModel(10, 6, 16)
        image, text = torch.randn(4, 10), torch.randn(4, 6)
        mask = torch.tensor([True, False, True, False])
        logits = model(image, text, image_mask=mask)
        junk = torch.where(mask[:, None], image, torch.tensor(float("nan")))
        assert torch.equal(model(junk, text, image_mask=mask), logits)
        weights = model.attention_weights(junk, text, image_mask=mask)
        assert weights[1].tolist() == [0.0, 1.0]
        assert torch.allclose(logits[mask], model(image, text)[mask], atol=1e-5)
        none = torch.zeros(4, dtype=torch.bool)
        assert model(image, text, image_mask=none, text_mask=none).isfinite().all()
        model(junk, text, image_mask=mask).sum().backward()
        assert all(part.grad.isfinite().all() for part in model.parameters() if part.grad is not None)

    def test_wrong_shapes_are_named(self) -> None:
        with pytest.raises(ValueError, match=r"dim \(10\) must be a multiple of num_heads \(4\)"):
            MultimodalFusionModel(4, 4, 10)
        model = MultimodalFusionModel(10, 6, 8)
        with pytest.raises(ValueError, match="expected widths 10 and 6, got 6 and 6"):
            model(torch.zeros(2, 6), torch.zeros(2, 6))
        with pytest.raises(ValueError, match=r"got \(2, 10\) and \(3, 6\)"):
            model(torch.zeros(2, 10), torch.zeros(3, 6))
        with pytest.raises(ValueError, match="expected image"):
            model(torch.zeros(10), torch.zeros(6))

    def test_it_learns_what_needs_both(self) -> None:
        """The label is whether picture and text agree in sign: neither alone says anything."""
        torch.manual_seed(0)
        image, text = torch.randn(768, 6), torch.randn(768, 5)
        labels = ((image[:, 0] > 0) == (text[:, 0] > 0)).float()[:, None]
        model = MultimodalFusionModel(6, 5, 32)
        optimiser = torch.optim.Adam(model.parameters(), 5e-3)
        for _ in range(250):
            optimiser.zero_grad()
            torch.nn.functional.binary_cross_entropy_with_logits(
                model(image[:512], text[:512]), labels[:512]
            ).backward()
            optimiser.step()
        right = ((model(image[512:], text[512:]) > 0).float() == labels[512:]).float().mean()
        assert right > 0.85


class TestStandIns:
    @pytest.mark.parametrize("kind", MISSING_KINDS)
    def test_by_kind(self, kind: str) -> None:
        made = make_stand_in(kind, 4, 3)
        assert (made is None) == (kind == "mask")

    def test_unknown_kinds_are_named(self) -> None:
        with pytest.raises(ValueError, match="missing must be one of impute, token, mask, not 'zero'"):
            make_stand_in("zero", 4, 3)

    @given(masks, st.integers(0, 99))
    @settings(max_examples=40, deadline=None)
    def test_a_learned_token_is_the_same_for_every_row(self, rows: list[list[bool]], seed: int) -> None:
        torch.manual_seed(seed)
        stand_in, mask = LearnedTokens(4, 3), torch.tensor(rows)
        tokens = torch.randn(len(rows), 3, 4)
        filled = stand_in(tokens, mask)
        assert torch.equal(filled[mask], tokens[mask])
        assert torch.equal(filled[~mask], stand_in.tokens.expand(len(rows), -1, -1)[~mask])
        assert stand_in.loss(tokens, mask, mask).item() == 0

    def test_a_learned_token_learns(self) -> None:
        stand_in, mask = LearnedTokens(4, 2), torch.tensor([[True, False]])
        stand_in(torch.zeros(1, 2, 4), mask).sum().backward()
        assert stand_in.tokens.grad is not None
        assert stand_in.tokens.grad[1].abs().sum() > 0
        assert stand_in.tokens.grad[0].abs().sum() == 0, "that modality was there"
