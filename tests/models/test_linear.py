"""EASE against its formula."""

from __future__ import annotations

import numpy as np
import pytest

from modaloom.models.behaviour import interaction_matrix
from modaloom.models.linear import Ease
from modaloom.testing import ScorerSuite, checkerboard_world
from modaloom.types import Histories


class TestEase(ScorerSuite):
    def make_scorer(self) -> Ease:
        return Ease(ridge=10.0)


@pytest.mark.parametrize("n_users", [12, 60])
def test_ease_equals_the_formula(n_users: int) -> None:
    """With fewer shoppers than items and with more: both ways to solve it give the same."""
    snapshot, _ = checkerboard_world(n_users=n_users, n_items=30, seen_share=0.4)
    seen = interaction_matrix(snapshot).toarray()
    seen = seen[:, seen.sum(axis=0) > 0]
    inverse = np.linalg.inv(seen.T @ seen + 5.0 * np.eye(seen.shape[1]))
    weights = -inverse / np.diag(inverse)
    np.fill_diagonal(weights, 0.0)
    scorer = Ease(ridge=5.0).fit(snapshot)
    scores = scorer.score(snapshot.histories(np.arange(n_users)))
    active = interaction_matrix(snapshot).toarray().sum(axis=0) > 0
    assert np.allclose(scores[:, active], seen @ weights, atol=1e-3)
    assert (scores[:, ~active] == 0).all()


def test_ease_keeps_the_largest_weights_only() -> None:
    snapshot, _ = checkerboard_world(n_items=30)
    histories = Histories.from_lists([[0]], now=snapshot.now)
    full = Ease(ridge=5.0).fit(snapshot).score(histories)
    few = Ease(ridge=5.0, keep=3).fit(snapshot).score(histories)
    assert 0 < np.count_nonzero(few) < np.count_nonzero(full)
    kept = few != 0
    assert np.allclose(few[kept], full[kept], atol=1e-5)


def test_ease_gives_back_what_it_learned() -> None:
    snapshot, _ = checkerboard_world()
    scorer = Ease(ridge=5.0, keep=10).fit(snapshot)
    state = scorer.state()
    assert all(isinstance(value, np.ndarray) for value in state.values())
    histories = snapshot.histories(np.arange(9))
    assert np.array_equal(Ease().restore(state).score(histories), scorer.score(histories))
