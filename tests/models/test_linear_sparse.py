"""Sparse EASE against dense EASE, and its prior from content."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import polars as pl
import pytest
import scipy.sparse as sp

from modaloom.models import sparse_linear
from modaloom.models.linear import Ease
from modaloom.models.sparse_linear import SparseEase, largest_per_column, nearest_by_cosine
from modaloom.numerics import unit_rows
from modaloom.testing import ScorerSuite, checkerboard_world, taste_world
from modaloom.types import Event, Histories, Snapshot, Tokens

PLAIN = partial(SparseEase, user_power=0.0, walk=0.0, content=0.0)
"""With these it is EASE."""


class TestSparseEase(ScorerSuite):
    def make_scorer(self) -> SparseEase:
        return SparseEase(ridge=10.0)


class TestSparseEaseWithContent(ScorerSuite):
    def make_scorer(self) -> SparseEase:
        return SparseEase(ridge=10.0, all_events=True)

    def make_snapshot(self) -> Snapshot:
        return taste_world("text")[0]


def random_world(seed: int, *, n_users: int = 80, n_items: int = 50) -> Snapshot:
    """Whom chance has buy 2 to 8 things; some items are bought by nobody."""
    rng = np.random.default_rng(seed)
    snapshot, _ = checkerboard_world(n_users=n_users, n_items=n_items)
    bought = [rng.choice(n_items - 5, rng.integers(2, 9), replace=False) for _ in range(n_users)]
    owner = np.repeat(np.arange(n_users), [len(items) for items in bought])
    log = pl.DataFrame(
        {
            "user_num": owner,
            "item_num": np.concatenate(bought),
            "event": np.full(len(owner), int(Event.PURCHASE)),
            "value": np.full(len(owner), np.nan),
            "timestamp": np.full(len(owner), snapshot.now - 86_400),
        }
    ).select(pl.col(name).cast(kind) for name, kind in snapshot.interactions.schema.items())
    return replace(snapshot, interactions=log)


def scores_of(scorer: SparseEase | Ease, snapshot: Snapshot) -> np.ndarray:
    return scorer.fit(snapshot).score(snapshot.histories(np.arange(snapshot.n_users)))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("ridge", [5.0, 50.0])
def test_a_core_that_holds_everything_is_dense_ease(seed: int, ridge: float) -> None:
    """Where every pair was bought together nothing is left out, so the solution is the exact one."""
    snapshot = random_world(seed, n_users=2_000, n_items=40)
    sparse, dense = scores_of(PLAIN(ridge=ridge), snapshot), scores_of(Ease(ridge=ridge), snapshot)
    assert np.allclose(sparse, dense, atol=1e-3)


@pytest.mark.parametrize("seed", range(3))
def test_lists_are_nearly_those_of_dense_ease(seed: int) -> None:
    snapshot = random_world(seed, n_users=400, n_items=250)
    sparse, dense = scores_of(PLAIN(ridge=50.0), snapshot), scores_of(Ease(ridge=50.0), snapshot)
    best = [np.argsort(-scores, axis=1)[:, :10] for scores in (sparse, dense)]
    shared = [len(np.intersect1d(*pair)) / 10 for pair in zip(*best, strict=True)]
    assert np.mean(shared) > 0.85


@pytest.mark.parametrize("columns_at_once", [7, 1024])
def test_rounds_over_all_items_are_dense_ease(columns_at_once: int) -> None:
    snapshot = random_world(3, n_users=400, n_items=250)
    dense = scores_of(Ease(ridge=50.0), snapshot)
    errors = []
    for rounds in (1, 4, 8):
        made = PLAIN(ridge=50.0, rounds=rounds, keep=1_000)
        made.columns_at_once = columns_at_once
        errors.append(float(np.abs(scores_of(made, snapshot) - dense).max()))
    assert errors[0] > 3 * errors[1] > 9 * errors[2]
    assert errors[2] < 1e-3


def test_a_prior_and_walks_go_with_rounds_too() -> None:
    """Where the core holds everything, both ways solve the same equations."""
    tokens = {name: _first(made, 40) for name, made in taste_world("image", n_items=96)[0].tokens.items()}
    snapshot = replace(random_world(0, n_users=2_000, n_items=40), tokens=tokens)
    local, everywhere = (SparseEase(ridge=50.0, user_power=0.0, rounds=rounds).fit(snapshot) for rounds in (0, 12))
    assert np.allclose(local.weights.toarray(), everywhere.weights.toarray(), atol=1e-3)


@pytest.mark.parametrize("columns_at_once", [1, 7, 64])
@pytest.mark.parametrize("seed", range(2))
def test_blocks_change_nothing(columns_at_once: int, seed: int) -> None:
    tokens = taste_world("image", n_items=96, seed=seed)[0].tokens
    snapshot = replace(random_world(seed, n_items=96), tokens=tokens)
    whole = SparseEase(ridge=20.0, keep=15).fit(snapshot).weights
    made = SparseEase(ridge=20.0, keep=15)
    made.columns_at_once = columns_at_once
    blocks = made.fit(snapshot).weights
    assert np.array_equal(whole.indices, blocks.indices)
    assert np.allclose(whole.data, blocks.data, atol=1e-6)


@pytest.mark.parametrize("keep", [1, 3, 20])
def test_no_candidate_keeps_more_weights_than_asked_for(keep: int) -> None:
    snapshot = replace(random_world(0), tokens=taste_world("text", n_items=96)[0].tokens)
    snapshot = replace(snapshot, tokens={name: _first(made, 50) for name, made in snapshot.tokens.items()})
    weights = SparseEase(ridge=20.0, keep=keep).fit(snapshot).weights
    assert np.diff(weights.tocsc().indptr).max() == keep
    assert (weights.diagonal() == 0).all(), "an item must not recommend itself"


def test_weights_are_the_scores_of_one_purchase() -> None:
    """So that an answer may be computed as history @ weights."""
    snapshot = random_world(1)
    scorer = SparseEase(ridge=20.0).fit(snapshot)
    assert isinstance(scorer.weights, sp.csr_matrix)
    assert scorer.weights.dtype == np.float32
    scores = scorer.score(Histories.from_lists([[3], [8]], now=snapshot.now))
    assert np.array_equal(scores, scorer.weights[[3, 8]].toarray())


def test_it_gives_back_what_it_learned() -> None:
    snapshot = replace(random_world(2), tokens={})
    scorer = SparseEase(ridge=20.0).fit(snapshot)
    state = scorer.state()
    assert all(isinstance(value, np.ndarray) for value in state.values())
    histories = snapshot.histories(np.arange(9))
    assert np.array_equal(SparseEase().restore(state).score(histories), scorer.score(histories))


@pytest.mark.parametrize("modality", ["image", "text", "attributes"])
def test_never_sold_items_are_found_by_their_content(modality: str) -> None:
    """The world's truth is new items alone: without the prior all of them have score zero."""
    snapshot, truth = taste_world(modality)
    snapshot = replace(snapshot, tokens={modality: snapshot.tokens[modality]})
    scores = np.where(snapshot.catalogue, scores_of(SparseEase(ridge=10.0), snapshot), -np.inf)
    first = scores.argmax(axis=1)
    assert np.mean([item in items for item, items in zip(first, truth, strict=True)]) > 0.95
    without = scores_of(SparseEase(ridge=10.0, content=0.0), snapshot)
    assert (without[:, snapshot.catalogue] == 0).all()


def test_the_prior_gives_way_to_purchases() -> None:
    """With a hundred times the purchases, content changes the weights of sold items hardly at all."""

    def moved(n_users: int) -> float:
        world = random_world(0, n_users=n_users)
        tokens = {"text": _first(taste_world("text", n_items=96)[0].tokens["text"], 50)}
        with_prior = SparseEase(ridge=10.0, walk=0.0).fit(replace(world, tokens=tokens)).weights[:45, :45]
        without = SparseEase(ridge=10.0, walk=0.0).fit(replace(world, tokens={})).weights[:45, :45]
        return float(abs(with_prior - without).sum())

    assert moved(5_000) < moved(50) / 5


def test_a_walk_reaches_what_nobody_bought_together() -> None:
    """0 with 1, 1 with 2: a walk leads from 0 to 2, co-purchases alone do not."""
    snapshot, _ = checkerboard_world(n_users=4, n_items=6)
    pairs = [(0, 0), (0, 1), (1, 1), (1, 2), (2, 4), (3, 5)]
    log = snapshot.interactions.head(len(pairs)).with_columns(
        user_num=pl.Series([user for user, _ in pairs], dtype=pl.UInt32),
        item_num=pl.Series([item for _, item in pairs], dtype=pl.UInt32),
    )
    snapshot = replace(snapshot, interactions=log)
    assert SparseEase(ridge=5.0, walk=1.0).fit(snapshot).weights[0, 2] > 0
    assert SparseEase(ridge=5.0, walk=0.0).fit(snapshot).weights[0, 2] == 0
    assert SparseEase(ridge=5.0, walk=1.0).fit(snapshot).weights[0, 4] == 0


@pytest.mark.parametrize("walk", [0.1, 2.0, 1e6])
def test_walks_never_say_more_than_the_regression(walk: float) -> None:
    """In a dense log everything is two steps from everything; unlimited, walks would decide alone."""
    snapshot = random_world(1, n_users=300, n_items=30)
    made, plain = (SparseEase(ridge=20.0, walk=value).fit(snapshot).weights.toarray() for value in (walk, 0.0))
    walked, said = (np.linalg.norm(part, axis=0) for part in (made - plain, plain))
    assert (walked <= said * (1 + 1e-4) + 1e-6).all()
    assert (walked > 0).any()
    if walk < 1:
        assert (walked < 0.9 * said).any(), "what is quiet already stays as it is"


def test_weak_events_count_when_asked_to() -> None:
    snapshot = random_world(0)
    views = replace(snapshot, interactions=snapshot.interactions.with_columns(event=pl.lit(0, dtype=pl.UInt8)))
    assert SparseEase().fit(views).weights.nnz == 0
    assert SparseEase(all_events=True).fit(views).weights.nnz > 0


def test_an_empty_log_and_one_shopper_are_answered() -> None:
    full = taste_world("text")[0]
    for rows in (0, 1, 3):
        snapshot = replace(full, interactions=full.interactions.head(rows))
        for tokens in ({}, full.tokens):
            scorer = SparseEase().fit(replace(snapshot, tokens=tokens))
            scores = scorer.score(Histories.from_lists([[], [0], [5, 6]], now=full.now))
            assert scores.shape == (3, full.n_items)
            assert np.isfinite(scores).all()
            assert (scores[0] == 0).all()
            assert (scores[1] != 0).any() == bool(tokens), "with an almost empty log only content can speak"


def test_items_without_tokens_are_left_to_behaviour() -> None:
    full = taste_world("text")[0]
    nothing = np.zeros(full.n_items, dtype=bool)
    tokens = {name: replace(made, mask=nothing) for name, made in full.tokens.items()}
    bare = SparseEase(ridge=10.0).fit(replace(full, tokens={})).weights
    masked = SparseEase(ridge=10.0).fit(replace(full, tokens=tokens)).weights
    assert (bare != masked).nnz == 0
    some = replace(full.tokens["text"], mask=np.arange(full.n_items) > 0)
    near = nearest_by_cosine(some, 3)
    assert near[0].nnz == 0
    assert near[:, [0]].nnz == 0
    assert (near.diagonal() == 0).all()


def test_nearest_are_the_nearest() -> None:
    vectors = np.random.default_rng(0).standard_normal((40, 8)).astype(np.float32)
    near = nearest_by_cosine(Tokens("text", "test", vectors, np.ones(40, dtype=bool)), 4).toarray()
    centred = vectors - vectors.mean(axis=0)
    centred /= np.linalg.norm(centred, axis=1, keepdims=True)
    cosines = centred @ centred.T
    np.fill_diagonal(cosines, -1.0)
    for item in range(40):
        best = np.argsort(-cosines[item])[:4]
        assert set(np.flatnonzero(near[:, item])) == set(best[cosines[item, best] > 0])
        assert np.allclose(near[best, item], np.maximum(cosines[item, best], 0), atol=1e-5)


def test_cells_find_most_of_the_nearest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Around 40 styles, with the exact search as the truth."""
    rng = np.random.default_rng(3)
    vectors = rng.standard_normal((40, 16))[rng.integers(0, 40, 2_000)] + 0.4 * rng.standard_normal((2_000, 16))
    tokens = Tokens("text", "test", vectors.astype(np.float32), np.arange(2_000) % 10 > 0)
    exact = nearest_by_cosine(tokens, 10)
    monkeypatch.setattr(sparse_linear, "EXACT_ITEMS", 500)
    cells = nearest_by_cosine(tokens, 10)
    assert (cells.diagonal() == 0).all()
    assert np.diff(cells.indptr).max() <= 10
    assert cells.multiply(exact > 0).nnz / exact.nnz > 0.9


def test_a_picture_that_most_items_share_is_not_compared_with_itself_all_over(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = np.random.default_rng(0).standard_normal((1_000, 8)).astype(np.float32)
    vectors[:900] = vectors[0]
    monkeypatch.setattr(sparse_linear, "EXACT_ITEMS", 100)
    monkeypatch.setattr(sparse_linear, "MOST_MEMBERS", 50)
    compared = sum(len(own) * len(others) for own, others in sparse_linear._compared(unit_rows(vectors)))
    assert compared <= 1_000 * 50 * (1 + sparse_linear.NEAR_CELLS)
    near = nearest_by_cosine(Tokens("image", "test", vectors, np.ones(1_000, dtype=bool)), 10)
    assert (np.diff(near.indptr)[:900] == 10).all()
    assert near[:, :900].data == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize("keep", [1, 4, 100])
def test_largest_per_column(keep: int) -> None:
    dense = np.random.default_rng(1).integers(-6, 7, (30, 12)).astype(np.float32)
    kept = largest_per_column(sp.csc_matrix(dense), keep).toarray()
    for column, full in zip(kept.T, dense.T, strict=True):
        chosen = column != 0
        assert chosen.sum() == min(keep, np.count_nonzero(full))
        assert np.array_equal(column[chosen], full[chosen])
        assert np.abs(full[chosen]).min() >= np.abs(full[~chosen]).max(initial=0)


def _first(tokens: Tokens, count: int) -> Tokens:
    return replace(tokens, vectors=tokens.vectors[:count], mask=tokens.mask[:count])
