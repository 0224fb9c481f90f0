"""The suites pass what is right and catch what is wrong: a suite that never fails proves nothing."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from modaloom.models.fusion import AttentionPooling
from modaloom.testing import EncoderSuite, FusionSuite, ScorerSuite
from modaloom.types import FloatArray, Histories, Snapshot


class Letters:
    """A sound little encoder: counts the letters a to h."""

    encoder_id = "letters/1"
    modality = "text"
    dim = 8

    def encode(self, inputs: Sequence[str]) -> FloatArray:
        rows = [[text.count(letter) for letter in "abcdefgh"] for text in inputs]
        return np.array(rows, dtype=np.float32).reshape(-1, 8)


class Popular:
    """A sound little scorer."""

    name = "popular"

    def fit(self, snapshot: Snapshot) -> Self:
        self.counts = np.bincount(snapshot.targets()["item_num"].to_numpy(), minlength=snapshot.n_items)
        return self

    def score(self, histories: Histories) -> FloatArray:
        return np.tile(self.counts.astype(np.float32), (len(histories), 1))


class TestLetters(EncoderSuite):
    def make_encoder(self) -> Letters:
        return Letters()

    def make_inputs(self) -> list[str]:
        return ["a cab", "the bed", ""]


class TestPopular(ScorerSuite):
    def make_scorer(self) -> Popular:
        return Popular()


class TestPooling(FusionSuite):
    def make_fusion(self, dim: int, n_modalities: int) -> nn.Module:
        return AttentionPooling(dim, n_modalities)


def failures(suite: type) -> set[str]:
    """Names of the tests of a suite that fail."""
    failed = set()
    for name in dir(suite):
        if name.startswith("test_"):
            try:
                getattr(suite(), name)()
            except (AssertionError, TypeError, AttributeError, ValueError):
                failed.add(name)
    return failed


class _Chance(Letters):
    def encode(self, inputs: Sequence[str]) -> FloatArray:
        return super().encode(inputs) + np.random.default_rng().random((len(inputs), 8), dtype=np.float32)


class _BatchMean(Letters):
    def encode(self, inputs: Sequence[str]) -> FloatArray:
        made = super().encode(inputs)
        return made - made.mean(axis=0) if len(made) else made


class _Sorted(Letters):
    def encode(self, inputs: Sequence[str]) -> FloatArray:
        return super().encode(sorted(inputs))


class _Doubles(Letters):
    def encode(self, inputs: Sequence[str]) -> Any:
        return super().encode(inputs).astype(np.float64)


class _NoEmpty(Letters):
    def encode(self, inputs: Sequence[str]) -> FloatArray:
        return np.stack([super(_NoEmpty, self).encode([text])[0] for text in inputs])


class _Constant(Letters):
    def encode(self, inputs: Sequence[str]) -> FloatArray:
        return np.ones((len(inputs), 8), dtype=np.float32)


@pytest.mark.parametrize(
    ("wrong", "caught"),
    [
        (_Chance, "test_the_same_input_gives_the_same_vector"),
        (_BatchMean, "test_neighbours_in_the_batch_do_not_matter"),
        (_Sorted, "test_rows_keep_the_order_of_the_inputs"),
        (_Doubles, "test_shape_and_dtype"),
        (_NoEmpty, "test_no_input_gives_no_rows"),
        (_Constant, "test_different_inputs_differ"),
    ],
)
def test_the_encoder_suite_catches(wrong: type[Letters], caught: str) -> None:
    suite = type("Suite", (TestLetters,), {"make_encoder": lambda self: wrong()})
    assert caught in failures(suite)


class _Wrong(nn.Module):
    """Fusions with one fault each."""

    def __init__(self, fault: str):
        super().__init__()
        self.fault = fault
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, tokens: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        if self.fault == "product":  # NaN under the mask survives a product
            tokens = tokens * mask[..., None]
        elif self.fault != "unmasked":
            tokens = tokens.masked_fill(~mask[..., None], 0.0)
        count = mask.sum(dim=1, keepdim=True).clamp_min(1)
        weights = mask.float() / count
        fused = (tokens * self.scale).sum(dim=1) / count
        if self.fault == "batch":
            fused = fused - fused.mean(dim=0)
        if self.fault == "heavy":
            weights = weights * 2
        if self.fault == "detached":
            fused = fused.detach() + self.scale
        return fused, weights


@pytest.mark.parametrize(
    ("fault", "caught"),
    [
        ("", None),
        ("product", "test_nothing_under_a_false_mask_matters"),
        ("unmasked", "test_nothing_under_a_false_mask_matters"),
        ("batch", "test_a_row_never_gets_gradient_from_other_rows"),
        ("heavy", "test_weights_are_shares_of_what_is_present"),
        ("detached", "test_gradients_flow"),
    ],
)
def test_the_fusion_suite_catches(fault: str, caught: str | None) -> None:
    suite = type("Suite", (FusionSuite,), {"make_fusion": lambda self, dim, n_modalities: _Wrong(fault)})
    assert caught in failures(suite) if caught else not failures(suite)


class _Shared(Popular):
    def score(self, histories: Histories) -> FloatArray:
        if not hasattr(self, "kept") or len(self.kept) != len(histories):
            self.kept = super().score(histories)
        return self.kept


class _Nan(Popular):
    def score(self, histories: Histories) -> FloatArray:
        scores = super().score(histories)
        scores[histories.lengths() == 0] = np.nan
        return scores


class _Restless(Popular):
    def fit(self, snapshot: Snapshot) -> Self:
        super().fit(snapshot)
        self.counts = self.counts + np.random.default_rng().random(snapshot.n_items)
        return self


class _Crowd(Popular):
    def score(self, histories: Histories) -> FloatArray:
        return super().score(histories) * (1 + zlib.crc32(histories.user_nums.tobytes()) % 97)


class _Writer(Popular):
    def score(self, histories: Histories) -> FloatArray:
        histories.item_nums[:] = 0
        return super().score(histories)


@pytest.mark.parametrize(
    ("wrong", "caught"),
    [
        (_Shared, "test_the_answer_is_the_callers_own"),
        (_Nan, "test_an_empty_past_is_answered"),
        (_Restless, "test_fitting_twice_gives_the_same_scores"),
        (_Crowd, "test_a_shopper_never_sees_other_shoppers"),
        (_Writer, "test_scoring_changes_nothing"),
    ],
)
def test_the_scorer_suite_catches(wrong: type[Popular], caught: str) -> None:
    suite = type("Suite", (TestPopular,), {"make_scorer": lambda self: wrong()})
    assert caught in failures(suite)
