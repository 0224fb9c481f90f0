"""Small numerical tools against NumPy's own."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from modaloom import numerics
from modaloom.numerics import (
    Whitening,
    arcsinh_zscore,
    best_columns,
    leading_axes,
    nth_largest,
    principal_axes,
    unit_rows,
)

numbers = st.floats(-1000, 1000, width=32).map(lambda value: round(value, 2))
matrices = st.tuples(st.integers(1, 5), st.integers(1, 8)).flatmap(lambda s: arrays(np.float32, s, elements=numbers))


@given(matrices)
@settings(max_examples=80, deadline=None)
def test_unit_rows_have_length_one_or_zero(matrix: np.ndarray) -> None:
    made = unit_rows(matrix)
    assert made.dtype == np.float32
    lengths = np.linalg.norm(made, axis=1)
    assert np.allclose(lengths, np.where((matrix != 0).any(axis=1), 1.0, 0.0), atol=1e-4)


@given(matrices)
@settings(max_examples=120, deadline=None)
def test_arcsinh_zscore_keeps_the_order_and_forgets_offset_and_scale(matrix: np.ndarray) -> None:
    made = arcsinh_zscore(matrix)
    assert np.isfinite(made).all()
    for row in range(len(matrix)):
        order = np.argsort(matrix[row], kind="stable")
        assert (np.diff(made[row][order]) >= 0).all()
    assert np.allclose(arcsinh_zscore(matrix * 4 + 8), made, atol=2e-2)


@pytest.mark.parametrize("value", [0.0, 0.1, 3.3, -7.7, 1e6 + 0.1])
def test_a_row_of_equal_scores_says_nothing(value: float) -> None:
    """Rounding in the mean once turned such rows into a constant other than zero."""
    assert (arcsinh_zscore(np.full((2, 1001), value, dtype=np.float32)) == 0).all()


def test_arcsinh_zscore_tames_outliers() -> None:
    scores = np.zeros((1, 1000), dtype=np.float32)
    scores[0, 0] = 1e6
    assert arcsinh_zscore(scores)[0, 0] < 5


@pytest.mark.parametrize("sparse", [False, True])
def test_the_leading_axes_are_singular_vectors(sparse: bool) -> None:
    rng = np.random.default_rng(0)
    dense = (rng.standard_normal((60, 8)) @ rng.standard_normal((8, 30))).astype(np.float32)
    dense[np.abs(dense) < 1] = 0
    values, axes = leading_axes(sp.csr_matrix(dense) if sparse else dense, 5)
    expected = np.linalg.svd(dense, compute_uv=False)
    assert axes.shape == (30, 5)
    assert np.allclose(values, expected[:5], rtol=1e-3)
    assert np.allclose(axes.T @ axes, np.eye(5), atol=1e-3)
    turned = dense @ axes
    assert np.allclose(turned.T @ turned, np.diag(values**2), atol=0.05)


def test_leading_axes_are_found_among_many_that_are_nearly_as_large() -> None:
    rng = np.random.default_rng(7)
    bought = sp.random(1200, 900, density=5e-3, random_state=rng, format="csr", dtype=np.float32)
    bought.data[:] = 1.0
    per_user, per_item = (np.asarray(bought.sum(axis=axis)).ravel() + 1 for axis in (1, 0))
    normalised = (sp.diags(per_user**-0.5) @ bought @ sp.diags(per_item**-0.5)).tocsr().astype(np.float32)
    exact = np.linalg.svd(normalised.toarray(), full_matrices=False)
    assert exact.S[63] > 0.95 * exact.S[32]  # flat, as that of any log of bare ids
    values, axes = leading_axes(normalised, 64)
    assert values == pytest.approx(exact.S[:64], rel=1e-3)
    assert np.linalg.norm(exact.Vh[:32] @ axes) ** 2 / 32 > 0.99


def test_leading_axes_repeat_and_stop_at_the_matrix() -> None:
    matrix = np.random.default_rng(1).standard_normal((6, 4)).astype(np.float32)
    values, axes = leading_axes(matrix, 50)
    assert values.shape == (4,)
    assert np.allclose(matrix @ axes @ axes.T, matrix, atol=1e-4)
    assert all(np.array_equal(a, b) for a, b in zip(leading_axes(matrix, 50), (values, axes), strict=True))
    largest = axes[np.abs(axes).argmax(axis=0), np.arange(4)]
    assert (largest > 0).all()


def test_axes_that_a_matrix_does_not_have_are_zero() -> None:
    rng = np.random.default_rng(4)
    matrix = (rng.standard_normal((50, 2)) @ rng.standard_normal((2, 20))).astype(np.float32)
    values, axes = leading_axes(matrix, 6)
    assert values[:2] == pytest.approx(np.linalg.svd(matrix, compute_uv=False)[:2], rel=1e-4)
    assert values[2:].tolist() == [0.0] * 4
    assert np.linalg.norm(axes, axis=0) == pytest.approx([1, 1, 0, 0, 0, 0], abs=1e-4)


def test_principal_axes_equal_the_covariance_of_the_rows_present() -> None:
    rng = np.random.default_rng(2)
    vectors = (rng.standard_normal((200, 6)) * np.array([5, 3, 2, 1, 0.5, 0.1])).astype(np.float32)
    mask = np.ones(200, dtype=bool)
    mask[:50] = False
    vectors[:50] = 1e6  # whatever is missing must not matter
    mean, axes, spread = principal_axes(vectors, mask, 4)
    assert np.allclose(mean, vectors[mask].mean(axis=0), atol=1e-4)
    assert np.allclose(axes @ axes.T, np.eye(4), atol=1e-4)
    assert (np.diff(spread) <= 0).all()
    projected = (vectors[mask] - mean) @ axes.T
    assert np.allclose(projected.std(axis=0), spread, rtol=1e-3)
    assert np.allclose(np.corrcoef(projected.T), np.eye(4), atol=1e-3)


def test_principal_axes_are_never_more_than_the_width_and_need_a_row() -> None:
    vectors = np.eye(3, dtype=np.float32)
    assert principal_axes(vectors, np.ones(3, dtype=bool), 10)[1].shape == (3, 3)
    assert principal_axes(vectors, np.array([True, False, False]), 2)[2].tolist() == [0.0, 0.0]
    with pytest.raises(ValueError, match="no row"):
        principal_axes(vectors, np.zeros(3, dtype=bool), 2)


def test_whitening_gives_unit_rows_that_spread_evenly() -> None:
    rng = np.random.default_rng(3)
    vectors = (rng.standard_normal((400, 6)) * np.array([9, 5, 3, 2, 1, 1])).astype(np.float32)
    mask = np.arange(400) >= 20
    vectors[~mask] = 0.0
    made = Whitening.fit(vectors, mask, 6).apply(vectors, mask)
    assert (made[~mask] == 0).all()
    assert np.allclose(np.linalg.norm(made[mask], axis=1), 1, atol=1e-5)
    spread = np.sqrt(np.linalg.eigvalsh(np.cov(made[mask].T)))
    assert spread.max() / spread.min() < 2
    assert Whitening.fit(vectors, mask, 9).apply(vectors).shape == (400, 9)


def test_whitening_does_not_depend_on_its_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = np.random.default_rng(5).standard_normal((100, 6)).astype(np.float32)
    mask = np.arange(100) % 5 > 0
    whitening = Whitening.fit(vectors, mask, 4)
    whole = whitening.apply(vectors, mask)
    monkeypatch.setattr(numerics, "ROWS_AT_ONCE", 7)
    assert np.allclose(whitening.apply(vectors, mask), whole, atol=1e-6)


@given(
    st.integers(1, 5),
    st.integers(1, 3_000),
    st.integers(1, 300),
    st.sampled_from(["some", "few", "one"]),
    st.integers(),
)
@settings(max_examples=150, deadline=None)
def test_the_best_columns_are_those_of_a_stable_sort(rows: int, width: int, k: int, kinds: str, seed: int) -> None:
    """Rows of many numbers, of few different ones, and of zeros with a few others, as sparse models give them."""
    rng = np.random.default_rng(abs(seed))
    scores = rng.normal(size=(rows, width)).astype(np.float32)
    if kinds == "few":
        scores = np.round(scores)
    elif kinds == "one":
        scores[rng.random(scores.shape) < 0.98] = 0.0
    scores[rng.random(scores.shape) < 0.1] = -np.inf  # what may not be listed
    k = min(k, width)
    wanted = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    assert best_columns(scores, k).tolist() == np.sort(wanted, axis=1).tolist()
    assert nth_largest(scores, k).tolist() == scores[np.arange(rows), wanted[:, -1]].tolist()


def test_the_best_columns_do_not_hold_on_to_what_was_compared() -> None:
    """With equal scores at the end, too: the columns were a view of the order of everything."""
    scores = np.zeros((50, 4_000), dtype=np.float32)
    columns = best_columns(scores, 7)
    owner = columns if columns.base is None else columns.base
    assert owner.nbytes <= 50 * 4_000 / 4


def test_the_best_columns_of_nothing_and_of_too_little() -> None:
    scores = np.array([[3.0, 1.0, 2.0]])
    assert best_columns(scores, 0).shape == (1, 0)
    assert best_columns(scores, 9).tolist() == [[0, 1, 2]]
    assert best_columns(scores[:0], 2).shape == (0, 2)
    assert best_columns(np.zeros((2, 0)), 5).shape == (2, 0)


def test_axes_of_values_that_are_all_alike() -> None:
    """A table of two equal rows, say: nothing grows faster than anything else, which no polynomial can change."""
    for matrix in (np.ones((2, 1), dtype=np.float32), np.eye(3, dtype=np.float32), 0.7 * np.eye(3, dtype=np.float32)):
        values, axes = leading_axes(matrix, 5)
        np.testing.assert_allclose(values, np.linalg.svd(matrix, compute_uv=False), rtol=1e-5)
        np.testing.assert_allclose(axes.T @ axes, np.eye(matrix.shape[1]), atol=1e-5)
