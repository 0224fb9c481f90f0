"""The compiled loops do what a few lines of NumPy do."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from modaloom.numerics import arcsinh_zscore
from modaloom.ranking import kernels
from modaloom.ranking.contract import Table, table_of
from modaloom.types import FloatArray, IntArray

B, N = 6, 60


def test_exponentials_and_logarithms_are_exact() -> None:
    values, bits = np.linspace(-80, 5, 999, dtype=np.float32), np.empty(999, dtype=np.int32)
    line = values.copy()
    kernels.exp_in_place(line, bits, 999)
    np.testing.assert_allclose(line, np.exp(values.astype(np.float64)), rtol=3e-7)
    kernels.log_in_place(line, bits, 999)
    np.testing.assert_allclose(line, values, atol=1e-5)


def test_the_arcsinh_of_a_zscore_is_exact_over_twelve_magnitudes() -> None:
    values = np.concatenate([-np.logspace(-6, 6, 500), np.logspace(-6, 6, 499)]).astype(np.float32)
    line = values.copy()
    kernels.arcsinh_zscore_in_place(
        line, np.float32(0), np.float32(1), np.empty(999, np.float32), np.empty(999, np.int32)
    )
    np.testing.assert_allclose(line, np.arcsinh(values), rtol=1e-5, atol=3e-7)


@given(st.integers(0, 99), st.booleans())
@settings(max_examples=15, deadline=None)
def test_normalised_scores_are_added_with_their_weight(seed: int, flat: bool) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.standard_normal((3, 40)).astype(np.float32)
    if flat:
        scores[1] = 2.5
    out, everything = np.empty((3, 3), dtype=np.float32), np.ones(40, dtype=bool)
    kernels.row_moments(scores, everything, out)
    total = np.ones((3, 40), dtype=np.float32)
    kernels.add_arcsinh_zscore(scores, out[0], out[1], np.float32(0.3), total)
    np.testing.assert_allclose(total, 1 + 0.3 * arcsinh_zscore(scores), atol=1e-4)


@given(st.integers(0, 99), st.floats(0.0, 1.0))
@settings(max_examples=15, deadline=None)
def test_moments_impute_what_is_absent(seed: int, share: float) -> None:
    rng = np.random.default_rng(seed)
    rows, present = rng.standard_normal((2, 30)).astype(np.float32), rng.random(30) < share
    out = np.empty((3, 2), dtype=np.float32)
    kernels.row_moments(rows, present, out)
    for row, scores in enumerate(rows):
        imputed = (min(scores[present].min(initial=0.0), 0.0) + scores.mean()) / 2
        filled = np.where(present, scores, imputed)
        np.testing.assert_allclose(
            out[:, row], [filled.mean(), filled.std() * (np.ptp(filled) > 0), imputed], atol=1e-5
        )


@given(st.lists(st.sampled_from([-2.0, 0.0, 0.5, 3.0, 7.0]), min_size=1, max_size=40), st.data())
def test_the_kth_largest(values: list[float], data: st.DataObject) -> None:
    k = data.draw(st.integers(1, len(values)))
    assert kernels.kth_largest(np.array(values, np.float32), len(values), k) == sorted(values, reverse=True)[k - 1]


def test_not_a_number_ends_the_selection() -> None:
    values = np.array([1.0, np.nan, np.nan, 2.0, np.nan], np.float32)
    for k in range(1, 6):
        kernels.kth_largest(values.copy(), 5, k)  # any answer will do, as long as there is one


@given(st.integers(0, 99), st.integers(0, 5), st.booleans(), st.integers(0, 3))
@settings(max_examples=20, deadline=None)
def test_log_sum_exp(seed: int, most: int, relative: bool, left_out: int) -> None:
    rng = np.random.default_rng(seed)
    lengths = rng.integers(0, most + 1, 1 if left_out else B)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    queries, keys = (rng.standard_normal((size, 19)).astype(np.float32) for size in (offsets[-1], N))
    logs = rng.standard_normal(len(queries)).astype(np.float32)
    keep = rng.random((1 + left_out, len(queries))) < 0.7
    keep[0] = True
    eps = (1e-30 if relative else 1e-12), relative
    weights, exponents = keep.astype(np.float64), queries.astype(np.float64) @ keys.T + logs[:, None]
    expected = np.zeros((len(lengths) * len(keep), N))
    for user in range(len(lengths)):
        span = slice(offsets[user], offsets[user + 1])
        for version in range(len(keep)):
            if keep[version, span].any():
                sums = weights[version, span] @ np.exp(exponents[span])
                expected[user * len(keep) + version] = np.log(sums + (0.0 if relative else 1e-12))
    out = np.empty(expected.shape, dtype=np.float32)
    kernels.log_sum_exp(queries @ keys.T, logs, offsets, keep, eps, out)
    np.testing.assert_allclose(out, expected, atol=1e-4)
    if not left_out:
        items = rng.integers(-1, N, (B, 7))
        at = np.empty(items.shape, dtype=np.float32)
        kernels.log_sum_exp_at(queries, logs, offsets, keys, items, eps, at)
        there = items >= 0
        np.testing.assert_allclose(at[there], np.take_along_axis(expected, items, axis=1)[there], atol=1e-4)


def test_exponents_far_apart_stay_finite() -> None:
    products = np.array([[500.0, -500.0, 0.0]], dtype=np.float32)
    out = np.empty((1, 3), dtype=np.float32)
    kernels.log_sum_exp(products, np.zeros(1, np.float32), np.array([0, 1]), np.ones((1, 1), bool), (1e-30, True), out)
    assert np.isfinite(out).all()
    assert out[0, 0] == pytest.approx(500.0)


def random_votes(rng: np.random.Generator, rows: int = 12, n: int = N) -> tuple[sp.csr_matrix, sp.csr_matrix, Table]:
    """What users have had (b, rows), and what each row votes for (rows, n)."""
    past = sp.random(B, rows, density=0.3, format="csr", rng=rng, dtype=np.float32)
    table = sp.random(rows, n, density=0.2, format="csr", rng=rng, dtype=np.float32)
    return past, table, table_of(table.indptr, table.indices, table.data)


@given(st.integers(0, 99), st.booleans())
@settings(max_examples=20, deadline=None)
def test_sparse_scores_and_moments(seed: int, shared: bool) -> None:
    rng = np.random.default_rng(seed)
    past, table, packed = random_votes(rng)
    dense = (past @ table).toarray()
    items = rng.integers(0, N, (1 if shared else B, 9))
    scores, mean, spread = np.empty((B, 9), np.float32), np.empty(B, np.float32), np.empty(B, np.float32)
    history = past.indptr.astype(np.int64), past.indices.astype(np.uint32), past.data, past.indices.astype(np.int64)
    scratch = np.zeros(N)
    kernels.sparse_scores(history, packed, np.zeros(0, np.int64), items, scratch, (scores, mean, spread))
    assert not scratch.any(), "scratch is left clean"
    np.testing.assert_allclose(scores, np.take_along_axis(dense, np.broadcast_to(items, (B, 9)), axis=1), atol=1e-5)
    np.testing.assert_allclose(mean, dense.mean(axis=1), atol=1e-6)
    np.testing.assert_allclose(spread, dense.std(axis=1), atol=1e-5)


def blended(parts: list[tuple[FloatArray, float, float, float]], general: FloatArray) -> FloatArray:
    """The approximate blend (b, n): sums (b, n), eps, mean and spread of each part, all of weight one half."""
    total = np.repeat(general[None, :], B, axis=0).astype(np.float64)
    for sums, eps, mean, spread in parts:
        if not eps:
            total += 0.5 * arcsinh_zscore(sums.astype(np.float32))
            continue
        reached = sums > 0
        scores = np.log(sums + eps, where=reached, out=np.zeros_like(sums))
        lowest = np.where(reached, scores, np.inf).min(axis=1, keepdims=True)
        there = reached.any(axis=1)
        scores = np.where(reached, scores, lowest)
        total[there] += 0.5 * np.arcsinh((scores[there] - mean) / spread)
    return total


class TestSelectCandidates:
    def run(
        self, rng: np.random.Generator, kinds: list[bool], sizes: tuple[int, int], seeds: IntArray, slots: int = 8
    ) -> tuple[IntArray, FloatArray, FloatArray, FloatArray, FloatArray]:
        votes = [random_votes(rng) for _ in kinds]
        general = rng.standard_normal(N).astype(np.float32)
        hidden = sp.random(B, N, density=0.1, format="csr", rng=rng, dtype=np.float32)
        allowed = rng.random(N) < 0.8
        starts = np.cumsum([0, *(past.nnz for past, _, _ in votes)])
        history = (
            np.stack([past.indptr + start for (past, _, _), start in zip(votes, starts, strict=False)]).astype(
                np.int64
            ),
            np.concatenate([past.indices for past, _, _ in votes]).astype(np.uint32),
            np.concatenate([past.data for past, _, _ in votes]),
        )
        empty = table_of(np.zeros(1), np.zeros(0), np.zeros(0))
        tables = [packed for _, _, packed in votes] + [empty] * (slots - len(votes))
        eps = np.array([0.0 if exact else 1e-12 for exact in kinds], dtype=np.float32)
        moments = np.full((len(kinds), B), -1.0, np.float32), np.full((len(kinds), B), 1.5, np.float32)
        out = np.full((B, N), -1, np.int64), np.zeros((B, N), np.float32), np.zeros(B, np.int64)
        kernels.select_candidates(
            history,
            tuple(tuple(column) for column in zip(*tables, strict=True)),
            (np.full(len(kinds), 0.5, np.float32), eps, *moments),
            (general, seeds),
            (hidden.indptr.astype(np.int64), hidden.indices.astype(np.uint32), allowed[None, :]),
            sizes,
            np.zeros((N, 1 + slots), np.float32),
            1,
            out,
        )
        dense = [(past @ table).toarray() for past, table, _ in votes]
        parts = [(sums, 0.0 if exact else 1e-12, -1.0, 1.5) for sums, exact in zip(dense, kinds, strict=True)]
        possible = allowed[None, :] & (hidden.toarray() == 0)
        exact = blended([part for part, kind in zip(parts, kinds, strict=True) if kind], general)
        return out[0], out[1], blended(parts, general), exact, possible

    @given(st.integers(0, 99), st.lists(st.booleans(), min_size=1, max_size=4), st.integers(1, 40))
    @settings(max_examples=25, deadline=None)
    def test_the_best_by_all_parts_together(self, seed: int, kinds: list[bool], k: int) -> None:
        items, scores, blend, exact, possible = self.run(np.random.default_rng(seed), kinds, (k, 0), np.arange(N))
        blend[~possible] = -np.inf
        for row in range(B):
            own = items[row][items[row] >= 0]
            assert len(set(own.tolist())) == len(own) == min(k, int(possible[row].sum()))
            best = np.sort(blend[row])[::-1][: len(own)]
            np.testing.assert_allclose(np.sort(blend[row, own])[::-1], best, atol=1e-4)
            np.testing.assert_allclose(scores[row, : len(own)], exact[row, own], atol=1e-4)

    @given(st.integers(0, 99), st.integers(1, 10))
    @settings(max_examples=15, deadline=None)
    def test_the_best_of_each_part_and_the_seeds(self, seed: int, k: int) -> None:
        seeds = np.array([3, 17])
        items, scores, _, exact, possible = self.run(np.random.default_rng(seed), [True, False], (0, k), seeds)
        for row in range(B):
            own = items[row][items[row] >= 0]
            assert set(own.tolist()) >= {seed for seed in seeds.tolist() if possible[row, seed]}
            assert possible[row, own].all()
            assert len(own) <= 2 * k + 2
            np.testing.assert_allclose(scores[row, : len(own)], exact[row, own], atol=1e-4)

    def test_more_parts_than_the_loop_was_first_made_for(self) -> None:
        items, _, blend, _, possible = self.run(np.random.default_rng(3), [True] * 9, (5, 0), np.arange(N), slots=16)
        blend[~possible] = -np.inf
        for row in range(B):
            np.testing.assert_allclose(
                np.sort(blend[row, items[row, :5]])[::-1], np.sort(blend[row])[::-1][:5], atol=1e-4
            )


@pytest.mark.parametrize("best", [1, 200, 399])
def test_equal_candidates_push_out_no_better_one(best: int) -> None:
    """All scores but one are equal, and there are more of them than are wanted."""
    blend = np.ones(400, dtype=np.float32)
    blend[best] = 2.0
    room = np.empty(401, np.float32), np.empty(401, np.float32), np.empty(401, np.int32)
    assert kernels.select_best(blend, np.ones(400, bool), 3, 0, room) == 3
    assert best in room[2][:3]


@given(st.integers(0, 99), st.integers(1, 12))
@settings(max_examples=20, deadline=None)
def test_the_top_of_rows_goes_by_score_then_number(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    items = np.stack([rng.permutation(40)[:15] for _ in range(4)])
    items[rng.random(items.shape) < 0.2] = -1
    scores = rng.integers(0, 4, items.shape).astype(np.float32)
    out = np.full((4, n), -1, np.int64), np.full((4, n), -np.inf, np.float32)
    kernels.top_n_rows(scores, items, out)
    for row in range(4):
        pairs = sorted((-value, item) for value, item in zip(scores[row], items[row], strict=True) if item >= 0)[:n]
        assert out[0][row].tolist() == [item for _, item in pairs] + [-1] * (n - len(pairs))
