"""Every part scores a batch as its formula says, whichever items are asked for, and without any past item."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from modaloom.numerics import arcsinh_zscore
from modaloom.ranking.contract import (
    REFERENCE_ITEMS,
    SMALL_CATALOGUE,
    HistoryBatch,
    ItemMask,
    Part,
    moments_of,
    reference_items,
)
from modaloom.ranking.fusion import FusionPart
from modaloom.ranking.ranker import add_normalised
from modaloom.types import Event, FloatArray, Histories
from tests.ranking.reference import (
    CLOSED_FORM,
    NAMES,
    PASTS,
    TABLE,
    WORLD,
    N,
    histories_of,
    kernel_tower,
    mean_tower,
    reference_scores,
    without_item,
)

PARTS = (*CLOSED_FORM, FusionPart(TABLE, kernel_tower), FusionPart(TABLE, mean_tower))
IDS = [*NAMES, "fusion-summary"]
every_part = pytest.mark.parametrize("part", PARTS, ids=IDS)


def normalised(part: Part, batch: HistoryBatch, scores: FloatArray) -> FloatArray:
    total = np.zeros(scores.shape, dtype=np.float32)
    add_normalised(scores, part.moments(batch), 1.0, total)
    return total


@every_part
@given(PASTS, st.sampled_from(list(Event)))
@settings(max_examples=10, deadline=None)
def test_scores_and_moments_are_those_of_the_formula(part: Part, pasts: list[list[int]], event: Event) -> None:
    histories = histories_of(pasts, event=event)
    batch, expected = HistoryBatch(histories), reference_scores(part, histories)
    np.testing.assert_allclose(part.score(batch), expected, atol=1e-4)
    np.testing.assert_allclose(normalised(part, batch, part.score(batch)), arcsinh_zscore(expected), atol=2e-3)


@every_part
@given(PASTS, st.integers(0, 9))
@settings(max_examples=10, deadline=None)
def test_some_items_are_scored_like_all(part: Part, pasts: list[list[int]], seed: int) -> None:
    batch, rng = HistoryBatch(histories_of(pasts)), np.random.default_rng(seed)
    everything, shared = part.score(batch), rng.integers(0, N, 7)
    own = rng.integers(0, N, (len(pasts), 5))
    np.testing.assert_allclose(part.score(batch, shared), everything[:, shared], atol=1e-4)
    np.testing.assert_allclose(part.score(batch, own), np.take_along_axis(everything, own, axis=1), atol=1e-4)
    assert part.score(batch, np.zeros(0, dtype=np.int64)).shape == (len(pasts), 0)


@every_part
@given(st.lists(st.integers(0, 9), min_size=1, max_size=7), st.lists(st.integers(0, 9), max_size=4, unique=True))
@settings(max_examples=15, deadline=None)
def test_leaving_an_item_out_is_a_history_without_it(part: Part, past: list[int], left_out: list[int]) -> None:
    histories, items = histories_of([past]), np.array([0, 3, 3, 9, 50])
    versions = HistoryBatch(histories).leave_one_out(np.array(left_out, dtype=np.int64))
    scores = part.score(versions, items)
    z = normalised(part, versions, scores)
    assert scores.shape == (1 + len(left_out), len(items))
    for row, gone in enumerate([-1, *left_out]):
        own = without_item(histories, gone)
        if isinstance(part, FusionPart) and part.tower is kernel_tower:  # queries keep their place in the history
            continue
        expected = reference_scores(part, own)
        np.testing.assert_allclose(scores[row], expected[0, items], atol=1e-4)
        np.testing.assert_allclose(z[row], arcsinh_zscore(expected)[0, items], atol=5e-3)


@every_part
@given(PASTS)
@settings(max_examples=10, deadline=None)
def test_candidates_are_exact_or_approximate_from_below(part: Part, pasts: list[list[int]]) -> None:
    batch, expected = HistoryBatch(histories_of(pasts)), reference_scores(part, histories_of(pasts))
    votes = part.candidates(batch)
    if not part.personalised:
        assert votes is None
        return
    assert votes is not None
    bounds, columns, values = votes.table
    table = sp.csr_matrix((values, columns.astype(np.int32), bounds), shape=(len(bounds) - 1, N))
    past = sp.csr_matrix(
        (votes.counts, votes.rows.astype(np.int32), votes.offsets), shape=(len(pasts), len(bounds) - 1)
    )
    sums = (past @ table).toarray()
    if votes.eps:
        shift = np.zeros(len(pasts)) if votes.shift is None else votes.shift
        reached = sums > 0
        approximated = np.log(sums + votes.eps, where=reached, out=np.zeros_like(sums)) + shift[:, None]
        assert (approximated[reached] <= expected[reached] + 1e-3).all()
        for row in np.flatnonzero(np.diff(votes.offsets)):
            assert reached[row, expected[row].argmax()], "the best item is among the candidates"
    else:
        np.testing.assert_allclose(sums, expected, atol=1e-4)


@every_part
def test_a_restored_part_scores_alike(part: Part) -> None:
    histories = histories_of([[3, 4], [], [50]])
    state = part.state()
    assert all(value.dtype.kind in "fiu" for value in state.values()), "only plain arrays can be kept"
    expected = part.score(HistoryBatch(histories))
    if isinstance(part, FusionPart):
        restored: Part = FusionPart(part.table, part.tower).restore(state)
    else:
        restored = (type(part)(part.name) if part.name in ("image", "text") else type(part)()).restore(state)  # type: ignore[call-arg]
    np.testing.assert_allclose(restored.score(HistoryBatch(histories)), expected, atol=0.02)  # half precision


def test_a_batch_merges_what_was_had_twice_and_drops_what_does_not_count() -> None:
    batch = HistoryBatch(histories_of([[5, 3, 5], [], [3]]))
    offsets, items, weights = batch.distinct(N, np.array([1.0, 0.0, 0.5, 2.0], dtype=np.float32))
    assert offsets.tolist() == [0, 1, 1, 2]
    assert items.tolist() == [5, 3]
    assert weights.tolist() == [1.5, 2.0]
    again = batch.distinct(N, np.ones(4, dtype=np.float32))
    assert again[1].tolist() == [5, 3, 3], "in the order in which they come"


def test_what_is_computed_for_a_batch_is_computed_once() -> None:
    batch, calls = HistoryBatch(histories_of([[1]])), []
    for _ in range(2):
        assert batch.memo(batch, "name", lambda: calls.append(1) or 7) == 7  # type: ignore[func-returns-value]
    assert calls == [1]
    assert HistoryBatch(histories_of([[1]])).memo(batch, "name", lambda: 8) == 8


def test_moments_of_equal_scores_have_no_spread() -> None:
    scores = np.array([[3.3, 3.3, 3.3], [1.0, 2.0, 3.0]], dtype=np.float32)
    moments = moments_of(scores)
    assert moments.spread[0] == 0
    np.testing.assert_allclose(moments.mean, scores.mean(axis=1), rtol=1e-5)
    np.testing.assert_allclose(moments.spread[1], scores[1].std(), rtol=1e-5)


def test_reference_items_are_all_of_a_small_catalogue_and_a_fixed_sample_of_a_large_one() -> None:
    assert reference_items(SMALL_CATALOGUE).tolist() == list(range(SMALL_CATALOGUE))
    sample = reference_items(SMALL_CATALOGUE + 1)
    assert len(set(sample.tolist())) == REFERENCE_ITEMS
    assert (np.diff(sample) > 0).all()
    assert (reference_items(SMALL_CATALOGUE + 1) == sample).all()


class TestItemMask:
    ALLOWED = np.array([[True, True, False], [False, True, True]])
    HIDDEN = sp.csr_matrix(np.array([[0, 1, 0], [0, 0, 0]], dtype=np.float32))

    def test_an_item_is_eligible_if_allowed_and_not_hidden(self) -> None:
        mask = ItemMask(self.ALLOWED, self.HIDDEN)
        assert mask.at(np.array([0, 1, 2]), 2).tolist() == [[True, False, False], [False, True, True]]
        assert ItemMask().at(np.array([2]), 2).tolist() == [[True], [True]]
        assert ItemMask(self.ALLOWED[0]).at(np.array([2, 0]), 2).tolist() == [[False, True]] * 2

    def test_some_users_and_anybody(self) -> None:
        mask = ItemMask(self.ALLOWED, self.HIDDEN).of_users(np.array([1]))
        assert mask.at(np.array([0, 1, 2]), 1).tolist() == [[False, True, True]]
        assert ItemMask(self.ALLOWED).any_user().tolist() == [True, True, True]  # type: ignore[union-attr]
        assert ItemMask().any_user() is None
        assert ItemMask(self.ALLOWED[0]).of_users(np.array([1])).allowed is not None

    def test_rows_with_a_narrow_filter_of_their_own(self) -> None:
        assert ItemMask(self.ALLOWED).narrow_rows(2, 0.7).tolist() == [True, True]
        assert ItemMask(self.ALLOWED).narrow_rows(2, 0.6).tolist() == [False, False]
        assert ItemMask(self.ALLOWED[0]).narrow_rows(2, 1.0).tolist() == [False, False]


def test_an_empty_batch_is_answered() -> None:
    nobody = HistoryBatch(WORLD.histories(np.zeros(0, dtype=np.int64)))
    for part in PARTS:
        assert part.score(nobody).shape == (0, N)
    assert len(Histories.from_lists([], now=0)) == 0
