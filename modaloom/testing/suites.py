"""Conformance suites: what every encoder, fusion and scorer must do, whoever wrote it.

Subclass one in a test file, say how to make the thing, and pytest runs the rest::

    class TestMyEncoder(EncoderSuite):
        def make_encoder(self):
            return MyEncoder(load_settings())

        def make_inputs(self):
            return ["红色连衣裙", "a red dress", "blue jeans", ""]
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from modaloom.testing.worlds import checkerboard_world
from modaloom.types import Encoder, Histories, Scorer, Snapshot

if TYPE_CHECKING:
    import torch
    from torch import Tensor


class EncoderSuite:
    """What the house relies on when it caches an encoder's vectors by content."""

    tolerance: float = 1e-4
    """Largest difference of a vector's numbers, relative to the largest of them, that batching may make."""

    def make_encoder(self) -> Encoder:
        """A new encoder, ready to use."""
        raise NotImplementedError

    def make_inputs(self) -> Sequence[Any]:
        """At least three inputs, of which the first two differ clearly."""
        raise NotImplementedError

    def encoder(self) -> Encoder:
        """One encoder for all tests of the class: loading may be slow."""
        own = type(self)
        if "_made" not in own.__dict__:
            own._made = self.make_encoder()  # type: ignore[attr-defined]
        made: Encoder = own._made  # type: ignore[attr-defined]
        return made

    def _close(self, left: np.ndarray, right: np.ndarray) -> bool:
        return bool(np.abs(left - right).max(initial=0.0) <= self.tolerance * max(float(np.abs(right).max()), 1e-6))

    def test_it_keeps_the_contract(self) -> None:
        """It has the four members of :class:`~modaloom.types.Encoder`, of the right kinds."""
        encoder = self.encoder()
        assert isinstance(encoder, Encoder), "needs encoder_id, modality, dim and encode(inputs)"
        assert isinstance(encoder.encoder_id, str), "encoder_id must be text"
        assert encoder.encoder_id.strip(), "encoder_id must not be empty"
        assert isinstance(encoder.modality, str), "modality must be text"
        assert isinstance(encoder.dim, int), "dim must be a whole number"
        assert encoder.dim > 0, "dim must be positive"

    def test_shape_and_dtype(self) -> None:
        """One float32 row of ``dim`` finite numbers per input."""
        inputs = self.make_inputs()
        vectors = self.encoder().encode(inputs)
        assert vectors.shape == (len(inputs), self.encoder().dim)
        assert vectors.dtype == np.float32, "vectors must be float32"
        assert np.isfinite(vectors).all(), "vectors must be finite"

    def test_no_input_gives_no_rows(self) -> None:
        """An empty batch is a batch."""
        vectors = self.encoder().encode([])
        assert vectors.shape == (0, self.encoder().dim)
        assert vectors.dtype == np.float32

    def test_the_same_input_gives_the_same_vector(self) -> None:
        """Bit for bit, for the same batch."""
        inputs = self.make_inputs()
        assert np.array_equal(self.encoder().encode(inputs), self.encoder().encode(inputs))

    def test_a_second_encoder_gives_the_same_vectors(self) -> None:
        """Equal ids promise equal vectors, so loading must not leave anything to chance."""
        other = self.make_encoder()
        assert other.encoder_id == self.encoder().encoder_id
        assert self._close(other.encode(self.make_inputs()), self.encoder().encode(self.make_inputs()))

    def test_neighbours_in_the_batch_do_not_matter(self) -> None:
        """Alone or among others, an input has the same vector."""
        inputs = self.make_inputs()
        together = self.encoder().encode(inputs)
        alone = np.concatenate([self.encoder().encode([one]) for one in inputs])
        assert self._close(alone, together), "the batch changes the vectors"

    def test_rows_keep_the_order_of_the_inputs(self) -> None:
        """Reversed inputs give reversed rows."""
        inputs = list(self.make_inputs())
        assert self._close(self.encoder().encode(inputs[::-1])[::-1], self.encoder().encode(inputs))

    def test_different_inputs_differ(self) -> None:
        """The first two inputs don't share a vector."""
        first, second = self.encoder().encode(list(self.make_inputs())[:2])
        assert not np.allclose(first, second, atol=1e-6), "different inputs have one vector"


class FusionSuite:
    """What a fusion of modality tokens must do; see :mod:`modaloom.models.fusion`. Needs torch."""

    dim: int = 16
    n_modalities: int = 3
    n_rows: int = 8

    def make_fusion(self, dim: int, n_modalities: int) -> torch.nn.Module:
        """A new module with ``forward(tokens (b, m, d), mask (b, m)) -> fused (b, d), weights (b, m)``."""
        raise NotImplementedError

    def _given(self) -> tuple[torch.nn.Module, Tensor, Tensor]:
        """A module in evaluation mode, tokens, and a mask with full, partial and empty rows."""
        import torch

        torch.manual_seed(0)
        module = self.make_fusion(self.dim, self.n_modalities).eval()
        tokens = torch.randn(self.n_rows, self.n_modalities, self.dim)
        mask = torch.rand(self.n_rows, self.n_modalities) < 0.6
        mask[0], mask[1] = True, False
        mask[2:, 0] |= ~mask[2:].any(dim=1)
        return module, tokens, mask

    def test_shapes(self) -> None:
        """Fused (b, d) and weights (b, m), for one row too."""
        module, tokens, mask = self._given()
        for rows in (self.n_rows, 1):
            fused, weights = module(tokens[:rows], mask[:rows])
            assert fused.shape == (rows, self.dim)
            assert weights.shape == (rows, self.n_modalities)
            assert fused.isfinite().all()

    def test_weights_are_shares_of_what_is_present(self) -> None:
        """Non-negative, zero where missing, and one in sum over each row that has anything."""
        module, tokens, mask = self._given()
        _, weights = module(tokens, mask)
        assert (weights >= 0).all()
        assert (weights[~mask] == 0).all(), "a missing token has weight"
        total = weights.sum(dim=1)[mask.any(dim=1)]
        assert ((total - 1).abs() < 1e-5).all(), "weights don't sum to one"

    def test_nothing_under_a_false_mask_matters(self) -> None:
        """Not even NaN: neither for the result nor for the gradients."""
        import torch

        module, tokens, mask = self._given()
        expected, weights = module(tokens, mask)
        for junk in (1e6, float("nan")):
            dirty = torch.where(mask[..., None], tokens, torch.full_like(tokens, junk))
            fused, dirty_weights = module(dirty, mask)
            assert torch.equal(fused, expected), f"{junk} under the mask changed the result"
            assert torch.equal(dirty_weights, weights), f"{junk} under the mask changed the weights"
        module.zero_grad()
        fused.sum().backward()
        broken = [name for name, part in module.named_parameters() if part.grad is not None and part.grad.isnan().any()]
        assert not broken, f"NaN under the mask reached the gradients of {broken}"

    def test_a_row_never_sees_other_rows(self) -> None:
        """Other rows may change or go; also while training, where only dropout's draw may differ."""
        import torch

        module, tokens, mask = self._given()
        expected, weights = module(tokens, mask)
        changed = tokens.clone()
        changed[1:] = torch.randn_like(changed[1:]) * 9
        fused, other = module(changed, mask)
        assert torch.allclose(fused[0], expected[0], atol=1e-5)
        assert torch.allclose(other[0], weights[0], atol=1e-5)
        alone, _ = module(tokens[3:4], mask[3:4])
        assert torch.allclose(alone[0], expected[3], atol=1e-5)

    def test_a_row_never_gets_gradient_from_other_rows(self) -> None:
        """In training mode too: the output of row 0 depends on the tokens of row 0 alone."""
        module, tokens, mask = self._given()
        tokens.requires_grad_()
        module.train()(tokens, mask)[0][0].square().sum().backward()
        assert tokens.grad is not None
        assert (tokens.grad[1:] == 0).all(), "rows are mixed"

    def test_a_row_without_tokens_is_finite(self) -> None:
        """It has no weights, and a finite vector."""
        module, tokens, mask = self._given()
        fused, weights = module(tokens, mask)
        assert fused[1].isfinite().all()
        assert (weights[1] == 0).all()

    def test_gradients_flow(self) -> None:
        """To every token that is present, and finite ones to every parameter that has any."""
        import torch

        module, tokens, mask = self._given()
        tokens.requires_grad_()
        fused, _ = module(tokens, mask)
        (fused * torch.randn_like(fused)).sum().backward()
        assert tokens.grad is not None
        size = tokens.grad.norm(dim=-1)
        assert (size[mask] > 0).all(), "a present token gets no gradient"
        assert (size[~mask] == 0).all(), "a missing token gets gradient"
        grads = [part.grad for part in module.parameters() if part.grad is not None]
        assert grads
        assert all(grad.isfinite().all() for grad in grads)
        assert any((grad != 0).any() for grad in grads)

    def test_presence_matters(self) -> None:
        """Hiding a token changes the result: the mask is read."""
        import torch

        module, tokens, mask = self._given()
        full = torch.ones_like(mask)
        less = full.clone()
        less[:, -1] = False
        assert not torch.allclose(module(tokens, full)[0], module(tokens, less)[0], atol=1e-5)


class ScorerSuite:
    """What a ranking model must do; see :class:`~modaloom.types.Scorer`."""

    tolerance: float = 1e-4
    """Largest difference, relative to the largest score, that batching may make."""

    def make_scorer(self) -> Scorer:
        """A new, unfitted model; the same every time."""
        raise NotImplementedError

    def make_snapshot(self) -> Snapshot:
        """What it learns from; the checkerboard unless it needs more."""
        return checkerboard_world()[0]

    def fitted(self) -> tuple[Scorer, Snapshot]:
        """One fitted model for all tests of the class."""
        own = type(self)
        if "_made" not in own.__dict__:
            snapshot = self.make_snapshot()
            own._made = (self.make_scorer().fit(snapshot), snapshot)  # type: ignore[attr-defined]
        made: tuple[Scorer, Snapshot] = own._made  # type: ignore[attr-defined]
        return made

    def _close(self, left: np.ndarray, right: np.ndarray) -> bool:
        return bool(np.abs(left - right).max(initial=0.0) <= self.tolerance * max(float(np.abs(right).max()), 1e-6))

    def test_it_keeps_the_contract(self) -> None:
        """A name, and ``fit`` that gives the model itself."""
        scorer = self.make_scorer()
        assert isinstance(scorer, Scorer), "needs name, fit(snapshot) and score(histories)"
        assert isinstance(scorer.name, str), "name must be text"
        assert scorer.name, "name must not be empty"
        assert scorer.fit(self.make_snapshot()) is scorer, "fit must return the model"

    def test_scores_are_finite_and_one_per_item(self) -> None:
        """Shape (b, n), no NaN, no infinity."""
        scorer, snapshot = self.fitted()
        scores = scorer.score(snapshot.histories(np.arange(snapshot.n_users)))
        assert scores.shape == (snapshot.n_users, snapshot.n_items)
        assert np.issubdtype(scores.dtype, np.floating)
        assert np.isfinite(scores).all()

    def test_nobody_gives_no_rows(self) -> None:
        """An empty batch is a batch."""
        scorer, snapshot = self.fitted()
        assert scorer.score(snapshot.histories(np.zeros(0, dtype=np.int64))).shape == (0, snapshot.n_items)

    def test_fitting_twice_gives_the_same_scores(self) -> None:
        """With the same seed on the same machine."""
        scorer, snapshot = self.fitted()
        histories = snapshot.histories(np.arange(min(8, snapshot.n_users)))
        again = self.make_scorer().fit(snapshot)
        assert self._close(again.score(histories), scorer.score(histories))

    def test_scoring_changes_nothing(self) -> None:
        """Neither the histories nor the next answer."""
        scorer, snapshot = self.fitted()
        histories = snapshot.histories(np.arange(min(8, snapshot.n_users)))
        parts: list[Any] = [histories.user_nums, histories.offsets, histories.item_nums, histories.timestamps]
        before = [part.copy() for part in parts]
        first = scorer.score(histories).copy()
        assert self._close(scorer.score(histories), first)
        assert all(np.array_equal(now, then) for now, then in zip(parts, before, strict=True)), "histories were changed"

    def test_the_answer_is_the_callers_own(self) -> None:
        """Whoever writes into the scores must not spoil the model."""
        scorer, snapshot = self.fitted()
        histories = snapshot.histories(np.arange(min(4, snapshot.n_users)))
        first = scorer.score(histories)
        kept = first.copy()
        first[:] = -1e9
        assert self._close(scorer.score(histories), kept)

    def test_a_shopper_never_sees_other_shoppers(self) -> None:
        """Alone or in a batch, the scores are the same."""
        scorer, snapshot = self.fitted()
        users = np.arange(min(6, snapshot.n_users))
        together = scorer.score(snapshot.histories(users))
        alone = np.concatenate([scorer.score(snapshot.histories(users[row : row + 1])) for row in range(len(users))])
        assert self._close(alone, together)

    def test_an_empty_past_is_answered(self) -> None:
        """Known or unknown, somebody without a past gets finite scores."""
        scorer, snapshot = self.fitted()
        scores = scorer.score(Histories.from_lists([[], [0], []], now=snapshot.now))
        assert scores.shape == (3, snapshot.n_items)
        assert np.isfinite(scores).all()

    def test_an_unknown_shopper_is_answered(self) -> None:
        """A user number of -1 with a past is served from that past alone."""
        scorer, snapshot = self.fitted()
        scores = scorer.score(Histories.from_lists([[0, 2, 2], [1]], now=snapshot.now))
        assert np.isfinite(scores).all()
