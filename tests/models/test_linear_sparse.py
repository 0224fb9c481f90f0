"""Sparse item-item weights against dense EASE, and their shrinkage to content neighbours."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import polars as pl
import pytest
import scipy.sparse as sp

from modaloom.models import sparse_linear
from modaloom.models.behaviour import history_matrix
from modaloom.models.linear import Ease
from modaloom.models.sparse_linear import SparseLinear, content_neighbours, largest_per_column, nearest_by_cosine
from modaloom.numerics import unit_rows
from modaloom.testing import checkerboard_world, taste_world
from modaloom.types import Event, Snapshot, Tokens

PLAIN = partial(SparseLinear, user_power=0.0, walk=0.0)
"""With these it is EASE."""


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


def scores_of(scorer: SparseLinear | Ease, snapshot: Snapshot) -> np.ndarray:
    histories = snapshot.histories(np.arange(snapshot.n_users))
    if isinstance(scorer, Ease):
        return scorer.fit(snapshot).score(histories)
    return (history_matrix(histories, snapshot.n_items) @ scorer.fit(snapshot)).toarray()


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


@pytest.mark.parametrize("columns_at_once", [1, 7, 64])
@pytest.mark.parametrize("seed", range(2))
def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch, columns_at_once: int, seed: int) -> None:
    tokens = taste_world("image", n_items=96, seed=seed)[0].tokens
    snapshot = replace(random_world(seed, n_items=96), tokens=tokens)
    whole = SparseLinear(ridge=20.0, keep=15).fit(snapshot)
    monkeypatch.setattr(sparse_linear, "COLUMNS_AT_ONCE", columns_at_once)
    blocks = SparseLinear(ridge=20.0, keep=15).fit(snapshot)
    assert np.array_equal(whole.indices, blocks.indices)
    assert np.allclose(whole.data, blocks.data, atol=1e-6)


@pytest.mark.parametrize("keep", [1, 3, 20])
def test_no_candidate_keeps_more_weights_than_asked_for(keep: int) -> None:
    snapshot = replace(random_world(0), tokens=taste_world("text", n_items=96)[0].tokens)
    snapshot = replace(snapshot, tokens={name: _first(made, 50) for name, made in snapshot.tokens.items()})
    weights = SparseLinear(ridge=20.0, keep=keep).fit(snapshot)
    assert np.diff(weights.tocsc().indptr).max() == keep
    assert (weights.diagonal() == 0).all(), "an item must not recommend itself"


def test_weights_are_sparse_rows_of_single_precision() -> None:
    """So that an answer may be computed as history @ weights."""
    snapshot = random_world(1)
    weights = SparseLinear(ridge=20.0).fit(snapshot)
    assert isinstance(weights, sp.csr_matrix)
    assert weights.dtype == np.float32
    assert weights.shape == (snapshot.n_items, snapshot.n_items)


def test_a_walk_reaches_what_nobody_bought_together() -> None:
    """0 with 1, 1 with 2: a walk leads from 0 to 2, co-purchases alone do not."""
    snapshot, _ = checkerboard_world(n_users=4, n_items=6)
    pairs = [(0, 0), (0, 1), (1, 1), (1, 2), (2, 4), (3, 5)]
    log = snapshot.interactions.head(len(pairs)).with_columns(
        user_num=pl.Series([user for user, _ in pairs], dtype=pl.UInt32),
        item_num=pl.Series([item for _, item in pairs], dtype=pl.UInt32),
    )
    snapshot = replace(snapshot, interactions=log)
    assert SparseLinear(ridge=5.0, walk=1.0).fit(snapshot)[0, 2] > 0
    assert SparseLinear(ridge=5.0, walk=0.0).fit(snapshot)[0, 2] == 0
    assert SparseLinear(ridge=5.0, walk=1.0).fit(snapshot)[0, 4] == 0


@pytest.mark.parametrize("walk", [0.1, 2.0, 1e6])
def test_walks_never_say_more_than_the_regression(walk: float) -> None:
    """In a dense log everything is two steps from everything; unlimited, walks would decide alone."""
    snapshot = random_world(1, n_users=300, n_items=30)
    made, plain = (SparseLinear(ridge=20.0, walk=value).fit(snapshot).toarray() for value in (walk, 0.0))
    walked, said = (np.linalg.norm(part, axis=0) for part in (made - plain, plain))
    assert (walked <= said * (1 + 1e-4) + 1e-6).all()
    assert (walked > 0).any()
    if walk < 1:
        assert (walked < 0.9 * said).any(), "what is quiet already stays as it is"


def test_an_empty_log_and_one_shopper_are_answered() -> None:
    full = taste_world("text")[0]
    for rows in (0, 1, 3):
        snapshot = replace(full, interactions=full.interactions.head(rows))
        for tokens in ({}, full.tokens):
            near = content_neighbours(replace(snapshot, tokens=tokens))
            weights = SparseLinear(shrinkage_sales=5.0).fit(replace(snapshot, tokens=tokens), near)
            assert weights.shape == (full.n_items, full.n_items)
            assert np.isfinite(weights.data).all()


def test_items_without_tokens_are_left_to_behaviour() -> None:
    full = taste_world("text")[0]
    nothing = np.zeros(full.n_items, dtype=bool)
    tokens = {name: replace(made, mask=nothing) for name, made in full.tokens.items()}
    bare = SparseLinear(ridge=10.0).fit(replace(full, tokens={}))
    masked = SparseLinear(ridge=10.0).fit(replace(full, tokens=tokens))
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
