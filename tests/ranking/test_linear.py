"""Repurchases, variants, and co-purchases, which are shrunk to those of content neighbours."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from modaloom.data.doubles import group_numbers
from modaloom.metrics import ranking_metrics, top_n
from modaloom.models import sparse_linear
from modaloom.models.behaviour import decayed_counts
from modaloom.models.sparse_linear import SparseLinear, content_neighbours
from modaloom.ranking.contract import HistoryBatch, NewItems
from modaloom.ranking.linear import SHRINKAGE_SALES, ContentNeighbours, Linear, Repurchase, Variants, zeros
from modaloom.testing import checkerboard_world, taste_world
from modaloom.types import FloatArray, Snapshot
from tests.ranking.test_content import past

BOARD, BOARD_TRUTH = checkerboard_world()
WORLD, TRUTH = taste_world("image")
SEEN = replace(WORLD, tokens={"image": WORLD.tokens["image"]})
"""Half of its items were never sold, and what they look like is to whose taste they are."""
SOLD = decayed_counts(SEEN, 28.0) > 0


def unshrunk(snapshot: Snapshot) -> Linear:
    """The same without content neighbours."""
    part = Linear()
    weights = SparseLinear().fit(snapshot)
    return part.restore({name: getattr(weights, name) for name in ("indptr", "indices", "data")})


class TestRepurchase:
    def test_only_what_they_had_counts_and_halves_with_age(self) -> None:
        part = Repurchase(half_life_days=10.0).fit(WORLD)
        scores = part.score(past(3, 5, ages_days=(20, 10)))[0]
        assert np.flatnonzero(scores).tolist() == [3, 5]
        assert scores[5] == pytest.approx(0.5)
        assert scores[3] == pytest.approx(0.25)

    def test_twice_is_more_than_once(self) -> None:
        scores = Repurchase().fit(WORLD).score(past(3, 3, 5, ages_days=(1, 1, 1)))[0]
        assert scores[3] == pytest.approx(2 * scores[5])


class TestVariants:
    GROUPS = (["a", "a", "a", "b", "b", None, None] + [None] * 100)[: WORLD.n_items]
    SHOP = replace(WORLD, items=WORLD.items.with_columns(pl.Series("group_id", GROUPS, dtype=pl.String)))

    def test_siblings_of_what_they_had_but_not_itself(self) -> None:
        scores = Variants().fit(self.SHOP).score(past(1, 5, ages_days=(0, 0)))[0]
        assert np.flatnonzero(scores).tolist() == [0, 2]
        assert scores[0] == scores[2] > 0

    def test_two_siblings_speak_for_each_other(self) -> None:
        scores = Variants(half_life_days=10.0).fit(self.SHOP).score(past(0, 1, ages_days=(0, 10)))[0]
        assert scores[[0, 1, 2]] == pytest.approx([0.5, 1.0, 1.5])

    def test_items_without_a_group_stand_alone(self) -> None:
        groups = group_numbers(self.SHOP)
        assert len(np.unique(groups)) == 2 + WORLD.n_items - 5
        assert groups[0] == groups[1]
        assert groups[5] != groups[6]
        assert len(np.unique(group_numbers(WORLD))) == WORLD.n_items


def dense(part: Linear) -> FloatArray:
    return np.asarray(part.weights.todense())


def precision(part: Linear, snapshot: Snapshot) -> float:
    histories = snapshot.histories(np.arange(snapshot.n_users))
    lists = top_n(part.score(HistoryBatch(histories)), 5, snapshot.may_be_shown(histories))
    return float(ranking_metrics(lists, TRUTH)["precision"].mean())


def test_it_reads_the_board() -> None:
    histories = BOARD.histories(np.arange(BOARD.n_users))
    scores = Linear().fit(BOARD).score(HistoryBatch(histories))
    reached = ranking_metrics(top_n(scores, 5, BOARD.may_be_shown(histories)), BOARD_TRUTH)
    assert reached["precision"].mean() == 1.0


def test_what_nobody_had_is_lent_what_its_look_alikes_have() -> None:
    blind = unshrunk(SEEN).score(HistoryBatch(SEEN.histories(np.arange(SEEN.n_users))))
    assert not blind[:, SEEN.catalogue].any(), "only what was never sold is on offer"
    assert precision(Linear().fit(SEEN), SEEN) == 1.0


def test_without_content_nothing_is_lent() -> None:
    ids = replace(SEEN, tokens={})
    np.testing.assert_array_equal(dense(Linear().fit(ids)), dense(unshrunk(ids)))


def test_own_weights_count_by_the_number_of_sales() -> None:
    own, made, near = dense(unshrunk(SEEN)), dense(Linear().fit(SEEN)), content_neighbours(SEEN)
    assert near is not None
    sold = decayed_counts(SEEN, np.inf)
    trust = sold / (sold + SHRINKAGE_SALES)
    lenders = trust[:, None] * np.asarray(near.todense())
    lent = own @ (lenders / np.maximum(lenders.sum(axis=0), 1e-9))
    np.fill_diagonal(lent, 0.0)
    own_share = np.where(lenders.sum(axis=0) > 0, trust, 1.0)
    np.testing.assert_allclose(made, own_share * own + (1 - own_share) * lent, atol=1e-5)
    assert np.ptp(trust[SOLD]) > 0.1, "some sold more often than others"
    assert np.abs(made[:, ~SOLD]).sum() > 0 == np.abs(own[:, ~SOLD]).sum()


def test_no_item_speaks_for_itself() -> None:
    assert not np.diag(dense(Linear().fit(SEEN))).any()


def test_blocks_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = dense(Linear().fit(SEEN))
    monkeypatch.setattr(sparse_linear, "COLUMNS_AT_ONCE", 7)
    np.testing.assert_allclose(dense(Linear().fit(SEEN)), whole, atol=1e-6)


def test_content_neighbours_are_found_once_for_a_log_and_anew_for_other_tokens() -> None:
    found: ContentNeighbours = {}
    Linear(cache=found).fit(SEEN)
    (first,) = found.values()
    Linear(cache=found).fit(replace(SEEN, now=SEEN.now - 1))
    assert next(iter(found.values())) is first
    Linear(cache=found).fit(WORLD)
    (other,) = found.values()
    assert other is not first


class TestAddItems:
    def test_an_arrival_is_lent_the_mean_of_what_it_is_like(self) -> None:
        part, n = Linear().fit(SEEN), SEEN.n_items
        before = dense(part)
        like = np.array([[3, 7, -1], [-1, -1, -1], [5, -1, -1]])
        part.add_items(NewItems(np.array([n, n + 1, n + 3]), {}, np.arange(3), like))
        after = dense(part)
        assert after.shape == (n + 4, n + 4)
        np.testing.assert_array_equal(after[:n, :n], before)
        np.testing.assert_allclose(after[:n, n], before[:, [3, 7]].mean(axis=1), atol=1e-6)
        np.testing.assert_allclose(after[:n, n + 3], before[:, 5], atol=1e-6)
        assert not after[:, [n + 1, n + 2]].any()
        assert not after[n:].any()

    def test_it_may_be_like_an_earlier_arrival(self) -> None:
        part, n = Linear().fit(SEEN), SEEN.n_items
        part.add_items(NewItems(np.array([n]), {}, np.zeros(1), np.array([[3]])))
        part.add_items(NewItems(np.array([n + 1]), {}, np.zeros(1), np.array([[n]])))
        np.testing.assert_allclose(dense(part)[:n, n + 1], dense(part)[:n, 3], atol=1e-6)

    def test_what_only_changed_keeps_its_weights(self) -> None:
        part = Linear().fit(SEEN)
        before = dense(part)
        part.add_items(NewItems(np.array([2]), {}, np.zeros(1), np.array([[3]])))
        np.testing.assert_array_equal(dense(part), before)

    def test_a_new_item_is_scored_and_so_it_is_when_restored(self) -> None:
        part, n = Linear().fit(SEEN), SEEN.n_items
        past = SEEN.histories(np.array([0]))
        part.add_items(NewItems(np.array([n]), {}, np.zeros(1), past.item_nums[None, :2]))
        scores = part.score(HistoryBatch(past))[0]
        assert scores[n] != 0.0
        np.testing.assert_array_equal(Linear().restore(part.state()).score(HistoryBatch(past))[0], scores)


def test_scratch_grows_and_is_clean() -> None:
    assert len(zeros(5)) == 5
    assert len(zeros(5_000)) == 5_000
    assert not zeros(5_000).any()
