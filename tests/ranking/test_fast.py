"""The compiled loops say what NumPy says."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from modaloom.numerics import Moments, squashed_zscore
from modaloom.ranking import fast
from modaloom.ranking.fast import MANY_SHOPPERS, Fast, Reach, fast_for
from modaloom.ranking.ranker import Ranker
from modaloom.ranking.retrieve import near
from modaloom.types import BoolArray, FloatArray, Histories, IntArray
from tests.ranking.test_retrieve import NAMES, PARTS, TABLE, hides, kernel_tower

pytest.importorskip("numba")
SHOPPERS, N = MANY_SHOPPERS, len(TABLE.keys)


@pytest.fixture
def loops() -> Fast:
    made = fast_for(SHOPPERS)
    assert made is not None
    return made


def pasts(seed: int, shoppers: int = SHOPPERS) -> Histories:
    rng = np.random.default_rng(seed)
    return Histories.from_lists([rng.integers(0, N, rng.integers(0, 9)).tolist() for _ in range(shoppers)], now=0)


def plain_scores(said: Sequence[tuple[float, Reach, Moments | None]], general: FloatArray) -> FloatArray:
    """What the parts say of everything (b, n), by dense NumPy."""
    total = np.repeat(general[None, :], said[0][1].past.shape[0], axis=0)
    for weight, reach, moments in said:
        scores = near(reach).toarray()
        if moments is None:
            total += np.float32(weight) * squashed_zscore(scores)
        else:
            reached = (reach.past @ reach.table).toarray() > 0
            scores[~reached] = np.broadcast_to(
                np.where(reached, scores, np.inf).min(axis=1, keepdims=True), scores.shape
            )[~reached]
            there = reached.any(axis=1)
            total[there] += np.float32(weight) * np.arcsinh((scores - moments.mean) / moments.spread)[there]
    return total


def random_part(rng: np.random.Generator, exact: bool, n: int) -> tuple[float, Reach, Moments | None]:
    past = sp.random(SHOPPERS, 12, density=0.3, format="csr", rng=rng, dtype=np.float32)
    table = sp.random(12, n, density=0.2, format="csr", rng=rng, dtype=np.float32)
    if exact:
        return 0.7, Reach(past, table), None
    shift = rng.standard_normal(SHOPPERS).astype(np.float32)
    mean = rng.standard_normal((SHOPPERS, 1)).astype(np.float32)
    moments = Moments(mean, np.full((SHOPPERS, 1), 1.5, np.float32), np.zeros((SHOPPERS, 1), dtype=bool))
    return 0.4, Reach(past, table, 1e-12, shift), moments


class TestCandidates:
    @given(st.integers(0, 99), st.lists(st.booleans(), min_size=1, max_size=4), st.integers(1, 40))
    @settings(max_examples=25, deadline=None)
    def test_they_are_those_of_which_most_is_said(self, seed: int, exact: list[bool], k: int) -> None:
        rng, n = np.random.default_rng(seed), 60
        said = [random_part(rng, one, n) for one in exact]
        general = rng.standard_normal(n).astype(np.float32)
        best = np.argsort(-general).astype(np.int64)
        hidden = sp.random(SHOPPERS, n, density=0.1, format="csr", rng=rng, dtype=np.float32)
        allowed = rng.random(n) < 0.8
        made = fast_for(SHOPPERS)
        assert made is not None
        items, _ = made.candidates(said, (general, best), (hidden, allowed), k)
        scores = plain_scores(said, general)
        scores[~np.broadcast_to(allowed, scores.shape) | (hidden.toarray() > 0)] = -np.inf
        for row in range(SHOPPERS):
            own = items[row][items[row] >= 0]
            assert len(set(own.tolist())) == len(own) == min(k, int(np.isfinite(scores[row]).sum()))
            assert np.sort(scores[row, own]) == pytest.approx(np.sort(scores[row])[::-1][: len(own)][::-1], abs=1e-4)

    def test_what_is_exact_is_scored(self, loops: Fast) -> None:
        rng = np.random.default_rng(1)
        said = [random_part(rng, True, 40), random_part(rng, False, 40)]
        general = rng.standard_normal(40).astype(np.float32)
        items, scores = loops.candidates(said, (general, np.arange(40)), (None, None), 40)
        wanted = plain_scores(said[:1], general)
        assert scores == pytest.approx(np.take_along_axis(wanted, items, axis=1), abs=1e-4)

    def test_a_mask_for_each_shopper(self, loops: Fast) -> None:
        rng = np.random.default_rng(2)
        allowed: BoolArray = rng.random((SHOPPERS, 30)) < 0.3
        general = rng.standard_normal(30).astype(np.float32)
        items, _ = loops.candidates([random_part(rng, True, 30)], (general, np.arange(30)), (None, allowed), 30)
        for own, may in zip(items, allowed, strict=True):
            assert sorted(own[own >= 0].tolist()) == np.flatnonzero(may).tolist()


@given(st.integers(0, 99), st.integers(1, 6), st.booleans())
@settings(max_examples=15, deadline=None)
def test_sums_of_exponentials(seed: int, t: int, from_top: bool) -> None:
    made, rng = fast_for(SHOPPERS), np.random.default_rng(seed)
    assert made is not None
    queries, keys = (rng.standard_normal(shape).astype(np.float32) for shape in ((5, t, 19), (50, 19)))
    logs = rng.standard_normal((5, t)).astype(np.float32)
    logs[rng.random((5, t)) < 0.3] = -np.inf
    items: IntArray = rng.integers(0, 50, (5, 7))
    with np.errstate(divide="ignore"):
        wanted = np.log(np.exp(queries @ keys.T + logs[:, :, None]).sum(axis=1) + (0.0 if from_top else 1e-12))
    wanted[~np.isfinite(logs).any(axis=1)] = 0.0
    own = made.log_sums(queries, logs, keys, items, (1e-30 if from_top else 1e-12, from_top))
    assert own == pytest.approx(np.take_along_axis(wanted, items, axis=1), abs=1e-4)
    same = made.log_sums(queries, logs, keys, np.arange(50), (1e-30 if from_top else 1e-12, from_top))
    assert same == pytest.approx(wanted, abs=1e-4)


def test_exponentials_logarithms_and_arcsinh_are_exact() -> None:
    from modaloom.ranking import arithmetic

    values, bits = np.linspace(-80, 5, 999, dtype=np.float32), np.empty(999, dtype=np.int32)
    made = values.copy()
    arithmetic.exponentials(made, bits, 999)
    np.testing.assert_allclose(made, np.exp(values.astype(np.float64)), rtol=3e-7)
    arithmetic.logarithms(made, bits, 999)
    np.testing.assert_allclose(made, values, atol=1e-5)
    values = np.concatenate([-np.logspace(-6, 6, 500), np.logspace(-6, 6, 499)]).astype(np.float32)
    made = values.copy()
    arithmetic.squashed(made, (np.empty(999, np.float32), bits), 999)
    np.testing.assert_allclose(made, np.arcsinh(values), rtol=1e-5, atol=3e-7)


@given(st.lists(st.sampled_from([-2.0, 0.0, 0.5, 3.0, 7.0]), min_size=1, max_size=40), st.data())
def test_the_kth_largest(values: list[float], data: st.DataObject) -> None:
    from modaloom.ranking import arithmetic

    k = data.draw(st.integers(1, len(values)))
    assert arithmetic.kth_largest(np.array(values, np.float32), len(values), k) == sorted(values, reverse=True)[k - 1]


def test_what_is_not_a_number_holds_nothing_up() -> None:
    from modaloom.ranking import arithmetic

    values = np.array([1.0, np.nan, np.nan, 2.0, np.nan], np.float32)
    for k in range(1, 6):
        arithmetic.kth_largest(values.copy(), 5, k)  # any answer will do, as long as there is one


@pytest.mark.parametrize("most", [1, 100, 10**6])
def test_sums_do_not_hang_on_how_many_shoppers_share_a_cache(monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    made, rng = fast_for(SHOPPERS), np.random.default_rng(4)
    assert made is not None
    queries, keys = (rng.standard_normal(shape).astype(np.float32) for shape in ((7, 3, 19), (50, 19)))
    logs = np.zeros((7, 3), dtype=np.float32)
    whole = np.log(np.exp(queries @ keys.T).sum(axis=1))
    monkeypatch.setattr(fast, "CELLS_IN_CACHE", most)
    assert made.log_sums(queries, logs, keys, np.arange(50), (1e-30, True)) == pytest.approx(whole, abs=1e-4)
    assert made.log_sums(queries, logs, keys, np.zeros(0, dtype=np.int64), (1e-30, True)).shape == (7, 0)


def test_lists_by_both_ways_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    histories = pasts(3, 200)
    made = Ranker(dict.fromkeys(NAMES, 0.5), PARTS, TABLE, kernel_tower)
    monkeypatch.setattr("modaloom.ranking.ranker.FEW_ITEMS", 0)
    quick = made.recommend(histories, 10, hidden=hides(histories))
    monkeypatch.setattr(fast, "_fast", lambda: None)
    plain = made.recommend(histories, 10, hidden=hides(histories))
    np.testing.assert_array_equal(quick.items, plain.items)
    np.testing.assert_allclose(quick.scores, plain.scores, atol=2e-4)


def test_few_shoppers_and_no_numba_are_numpys(monkeypatch: pytest.MonkeyPatch) -> None:
    assert fast_for(MANY_SHOPPERS - 1) is None
    fast._fast.cache_clear()
    monkeypatch.setattr(fast, "find_spec", lambda name: None)
    assert fast_for(MANY_SHOPPERS) is None
    fast._fast.cache_clear()
