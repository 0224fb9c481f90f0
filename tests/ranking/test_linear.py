"""Co-purchases speak for what few had, too, by what looks like it."""

from dataclasses import replace

import numpy as np
import pytest

from modaloom.metrics import ranking_metrics, top_n
from modaloom.models.behaviour import decayed_counts
from modaloom.models.towers import pad_histories
from modaloom.ranking.linear import LENT_SALES, Alike, Linear
from modaloom.ranking.parts import Arrivals
from modaloom.testing import checkerboard_world, taste_world
from modaloom.types import FloatArray, Snapshot

BOARD, BOARD_TRUTH = checkerboard_world()
WORLD, TRUTH = taste_world("image")
SEEN = replace(WORLD, tokens={"image": WORLD.tokens["image"]})
"""Half of its items were never sold, and what they look like is to whose taste they are."""
SOLD = decayed_counts(SEEN, 28.0) > 0


class Bare(Linear):
    """The same without look-alikes."""

    lend = 0.0


def dense(part: Linear) -> FloatArray:
    return np.asarray(part.weights.todense())


def precision(part: Linear, snapshot: Snapshot) -> float:
    histories = snapshot.histories(np.arange(snapshot.n_users))
    lists = top_n(part.score(histories), 5, snapshot.may_be_shown(histories))
    return float(ranking_metrics(lists, TRUTH)["precision"].mean())


def test_it_reads_the_board() -> None:
    histories = BOARD.histories(np.arange(BOARD.n_users))
    scores = Linear().fit(BOARD).score(histories)
    reached = ranking_metrics(top_n(scores, 5, BOARD.may_be_shown(histories)), BOARD_TRUTH)
    assert reached["precision"].mean() == 1.0


def test_what_nobody_had_is_lent_what_its_look_alikes_have() -> None:
    blind = Bare().fit(SEEN).score(SEEN.histories(np.arange(SEEN.n_users)))
    assert not blind[:, SEEN.catalogue].any(), "only what was never sold is on offer"
    assert precision(Linear().fit(SEEN), SEEN) == 1.0


def test_without_content_nothing_is_lent() -> None:
    ids = replace(SEEN, tokens={})
    np.testing.assert_array_equal(dense(Linear().fit(ids)), dense(Bare().fit(ids)))


def test_own_weights_count_by_the_number_of_sales() -> None:
    own, made, near = dense(Bare().fit(SEEN)), dense(Linear().fit(SEEN)), Linear().alike(SEEN)
    assert near is not None
    sold = decayed_counts(SEEN, np.inf)
    trust = sold / (sold + LENT_SALES)
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
    monkeypatch.setattr(Linear, "columns_at_once", 7)
    np.testing.assert_allclose(dense(Linear().fit(SEEN)), whole, atol=1e-6)


def test_what_looks_alike_is_found_once_for_a_log_and_anew_for_other_tokens() -> None:
    found: Alike = {}
    first = Linear(seen=found).alike(SEEN)
    assert Linear(seen=found).alike(replace(SEEN, now=SEEN.now - 1)) is first
    assert Linear(seen=found).alike(WORLD) is not first
    assert len(found) == 1


class TestPlace:
    def test_an_arrival_is_lent_the_mean_of_what_it_is_like(self) -> None:
        part, n = Linear().fit(SEEN), SEEN.n_items
        before = dense(part)
        like = np.array([[3, 7, -1], [-1, -1, -1], [5, -1, -1]])
        part.place(Arrivals(np.array([n, n + 1, n + 3]), {}, np.arange(3), like))
        after = dense(part)
        assert after.shape == (n + 4, n + 4)
        np.testing.assert_array_equal(after[:n, :n], before)
        np.testing.assert_allclose(after[:n, n], before[:, [3, 7]].mean(axis=1), atol=1e-6)
        np.testing.assert_allclose(after[:n, n + 3], before[:, 5], atol=1e-6)
        assert not after[:, [n + 1, n + 2]].any()
        assert not after[n:].any()

    def test_it_may_be_like_an_earlier_arrival(self) -> None:
        part, n = Linear().fit(SEEN), SEEN.n_items
        part.place(Arrivals(np.array([n]), {}, np.zeros(1), np.array([[3]])))
        part.place(Arrivals(np.array([n + 1]), {}, np.zeros(1), np.array([[n]])))
        np.testing.assert_allclose(dense(part)[:n, n + 1], dense(part)[:n, 3], atol=1e-6)

    def test_what_only_changed_keeps_its_weights(self) -> None:
        part = Linear().fit(SEEN)
        before = dense(part)
        part.place(Arrivals(np.array([2]), {}, np.zeros(1), np.array([[3]])))
        np.testing.assert_array_equal(dense(part), before)

    def test_every_way_of_asking_says_the_same_and_so_does_what_was_kept(self) -> None:
        part, n = Linear().fit(SEEN), SEEN.n_items
        past, everything = SEEN.histories(np.array([0])), np.arange(n + 1)
        part.place(Arrivals(np.array([n]), {}, np.zeros(1), past.item_nums[None, :2]))
        scores = part.score(past)[0]
        assert scores[n] != 0.0
        np.testing.assert_allclose(part.voice(past, pad_histories(past)).at(everything), scores, atol=1e-6)
        np.testing.assert_allclose(part.ask(past).at(everything)[0], scores, atol=1e-6)
        np.testing.assert_array_equal(Linear().restore(part.state()).score(past)[0], scores)
