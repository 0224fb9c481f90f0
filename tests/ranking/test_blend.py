"""The blend finds what pays on validation, and keeps still where chance would lead it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modaloom.metrics import ranking_metrics, top_n
from modaloom.numerics import arcsinh_zscore
from modaloom.ranking.blend import (
    ValidationBatch,
    choose_weights,
    cold_start_weights,
    user_metrics,
    validation_batch,
    validation_figures,
)
from modaloom.types import FloatArray, IntArray

PRIOR = {"one": 1.0, "two": 0.4, "three": 0.2}
N_ITEMS = 300


def question(
    n_users: int, useful: dict[str, float], *, seed: int = 0, n_truth: int = 4
) -> tuple[dict[str, FloatArray], list[IntArray]]:
    """Random scores of three parts; those named in ``useful`` lift the truth by so many standard deviations."""
    rng = np.random.default_rng(seed)
    truth = [np.sort(rng.choice(N_ITEMS, n_truth, replace=False)) for _ in range(n_users)]
    scores = {name: rng.standard_normal((n_users, N_ITEMS)).astype(np.float32) for name in PRIOR}
    for name, lift in useful.items():
        for row, items in enumerate(truth):
            scores[name][row, items] += np.float32(lift)
    return scores, truth


def normalised(scores: dict[str, FloatArray]) -> dict[str, FloatArray]:
    return {name: arcsinh_zscore(part) for name, part in scores.items()}


def batch_of(n_users: int, useful: dict[str, float], *, seed: int = 0) -> ValidationBatch:
    scores, truth = question(n_users, useful, seed=seed)
    return validation_batch(normalised(scores), np.ones(N_ITEMS, dtype=bool), truth)


def reached(batches: list[ValidationBatch], weights: dict[str, float]) -> float:
    figures = validation_figures(batches, weights, 20)
    return figures["recall@20"] + figures["ndcg@20"]


@pytest.mark.parametrize("name", PRIOR)
def test_the_only_useful_part_is_found(name: str) -> None:
    batches = [batch_of(150, {name: 2.0}, seed=seed) for seed in (1, 2)]
    weights = choose_weights(batches, PRIOR)
    assert weights[name] == 1.0
    assert all(weight <= 0.35 for other, weight in weights.items() if other != name)
    assert reached(batches, weights) > reached(batches, PRIOR)
    fresh = [batch_of(150, {name: 2.0}, seed=9)]
    assert reached(fresh, weights) > 0.85 * reached(fresh, {name: 1.0})


def test_two_useful_parts_share() -> None:
    weights = choose_weights([batch_of(400, {"two": 1.5, "three": 1.5})], PRIOR)
    assert weights["two"] > 0.4
    assert weights["three"] > 0.4
    assert weights.get("one", 0.0) < 0.4


def test_parts_that_speak_alone_share_what_they_weighed_and_find_what_pays_then() -> None:
    """Beside a part that knows everything the others hardly matter; without it the one that knows something leads."""
    batches = [batch_of(400, {"one": 4.0, "three": 1.5})]
    weights = {"one": 1.0, "two": 0.3, "three": 0.1}
    shared = cold_start_weights(batches, {"two": 0.4, "three": 0.2}, weights)
    assert sum(shared.values()) == pytest.approx(0.4)
    assert shared["three"] > 0.3
    assert cold_start_weights(batches, {"two": 0.4, "three": 0.2}, {"one": 1.0, "three": 0.1}) == {}, (
        "nothing is to be chosen"
    )


@pytest.mark.parametrize("n_users", [1, 3, 10])
def test_with_few_shoppers_the_prior_stays(n_users: int) -> None:
    """The prior is the best blend of this world: whatever leads away from it is chance."""
    lifts = {name: 2 * weight for name, weight in PRIOR.items()}
    stayed = [choose_weights([batch_of(n_users, lifts, seed=seed)], PRIOR) == pytest.approx(PRIOR) for seed in range(6)]
    assert np.mean(stayed) > 0.8


def test_where_nobody_is_served_nothing_is_learned() -> None:
    """All figures are zero whatever the weights: no ground to drop a part."""
    scores, _ = question(5, {})
    for part in scores.values():
        part[:, 7] = -50.0
    weights = choose_weights(
        [validation_batch(normalised(scores), np.ones(N_ITEMS, dtype=bool), [np.array([7])] * 5)], PRIOR
    )
    assert weights == pytest.approx(PRIOR)


def test_weights_are_positive_and_the_largest_is_one() -> None:
    weights = choose_weights([batch_of(60, {"three": 1.0}, seed=4)], {"one": 0.5, "two": 0.5, "three": 0.5})
    assert max(weights.values()) == 1.0
    assert min(weights.values()) > 0.0


def test_parts_the_prior_does_not_know_can_come_in() -> None:
    weights = choose_weights([batch_of(200, {"three": 2.0})], {"one": 1.0})
    assert weights["three"] == 1.0


@given(
    seed=st.integers(0, 10_000),
    weights=st.lists(st.sampled_from([0.0, 0.3, 1.0, 2.0]), min_size=3, max_size=3).filter(any),
    n=st.sampled_from([1, 5, 20]),
    closed=st.floats(0, 0.9),
)
@settings(max_examples=20, deadline=None)
def test_validation_agrees_with_ranking_the_whole_catalogue(
    seed: int, weights: list[float], n: int, closed: float
) -> None:
    """Candidates are enough: what they leave out cannot be among the first n."""
    scores, truth = question(6, {"one": 2.0, "two": 1.0}, seed=seed)
    allowed = np.random.default_rng(seed).random((6, N_ITEMS)) >= closed
    made = validation_batch(normalised(scores), allowed, truth)
    total = sum(arcsinh_zscore(scores[name]) * weight for name, weight in zip(PRIOR, weights, strict=True))
    expected = ranking_metrics(top_n(np.asarray(total), n, allowed), truth)
    recall, ndcg = user_metrics(made, np.array(weights, dtype=np.float32), n)
    if sum(weight > 0 for weight in weights) == 1 or closed > 0.6:  # else the candidates are a good approximation
        assert recall == pytest.approx(expected["recall"])
        assert ndcg == pytest.approx(expected["ndcg"])
    assert recall == pytest.approx(expected["recall"], abs=0.51)
    assert ((recall >= 0) & (recall <= 1) & (ndcg >= 0) & (ndcg <= 1 + 1e-9)).all()


def test_what_may_not_be_shown_never_counts() -> None:
    scores, truth = question(5, {"one": 9.0})
    allowed = np.ones((5, N_ITEMS), dtype=bool)
    allowed[0, truth[0]] = False
    recall, ndcg = user_metrics(
        validation_batch(normalised(scores), allowed, truth), np.array([1, 0, 0], dtype=np.float32), 20
    )
    assert recall == pytest.approx([0, 1, 1, 1, 1])
    assert ndcg == pytest.approx([0, 1, 1, 1, 1])


def test_the_truth_is_always_among_the_candidates() -> None:
    scores, truth = question(4, {"one": -9.0, "two": -9.0, "three": -9.0})
    made = validation_batch(normalised(scores), np.ones(N_ITEMS, dtype=bool), truth)
    assert made.relevant.sum(axis=1).tolist() == [4] * 4
    assert made.counts.tolist() == [4] * 4
    assert (made.possible | ~made.relevant).all()


def test_the_figures_name_recall_ndcg_and_how_many_were_asked() -> None:
    figures = validation_figures([batch_of(10, {"one": 9.0}), batch_of(20, {"one": 9.0}, seed=1)], {"one": 1.0}, 20)
    assert figures == pytest.approx({"recall@20": 1.0, "ndcg@20": 1.0, "shoppers": 30})
