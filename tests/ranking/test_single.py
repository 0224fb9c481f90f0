"""What is left out is measured as if it had never been there: every voice against the sum done by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modaloom.models.towers import ABSENT, ItemTable, Past, Queries, score_queries, without_modality
from modaloom.numerics import (
    Moments,
    best_columns,
    distinct,
    moments_of,
    moments_of_few,
    places_among,
    squashed_zscore,
    summed,
    unit_rows,
)
from modaloom.ranking.fast import Proposals, table_of
from modaloom.ranking.learned import fusion_reference
from modaloom.ranking.nearest import Neighbours
from modaloom.ranking.retrieve import normalised, reference_items
from modaloom.ranking.single import (
    ConstantVoice,
    FusionVoice,
    KernelReference,
    KernelVoice,
    Left,
    SparseVoice,
)
from modaloom.ranking.sums import entries
from modaloom.types import FloatArray, IntArray

pytestmark = pytest.mark.usefixtures("either_way")
N, DIM = 12, 4
RNG = np.random.default_rng(0)
VECTORS = unit_rows(RNG.standard_normal((N, DIM)).astype(np.float32))
VECTORS[5] = 0.0  # lacks the modality
PRESENT = np.abs(VECTORS).sum(axis=1) > 0
SHARP = np.float32(1 / 0.12)
ALIKE = (np.where(PRESENT, VECTORS @ VECTORS.T, -1) - 1) * SHARP  # what lacks the modality is like nothing
TABLE = ItemTable(
    ("image", "text"),
    RNG.standard_normal((N, 3 * DIM)).astype(np.float32),
    np.full((N, 2), 0.5, dtype=np.float32),
)
EVERYTHING = np.arange(N)
PASTS = st.lists(st.integers(0, N - 1), max_size=6)
PICKS = st.lists(st.integers(0, N - 1), min_size=1, max_size=5).map(np.array)
LEFT_OUT = st.lists(st.integers(0, N - 1), max_size=4, unique=True).map(lambda items: np.array(items, dtype=np.int64))
WEIGHTS = st.lists(st.sampled_from([0.25, 0.5, 1.0]), min_size=6, max_size=6)


def neighbours_of(scores: FloatArray) -> Neighbours:
    def find(items: IntArray) -> tuple[IntArray, FloatArray]:
        columns = best_columns(scores[items], 3)
        return columns, np.exp(np.take_along_axis(scores[items], columns, axis=1))

    return Neighbours(N, find)


def past_of(items: list[int]) -> Past:
    """With a padded place at the end."""
    t = len(items) + 1
    nums = np.array([*items, 0])[None, :]
    mask = np.arange(t)[None, :] < len(items)
    return Past(nums, mask, np.full((1, t), 3), np.zeros((1, t), dtype=np.float32))


def check(voice: Any, items: IntArray, left: Left, row: int, raw: FloatArray) -> None:
    """Against raw scores (n,) of the whole catalogue, done by hand."""
    np.testing.assert_allclose(left.rows[row], raw[items], rtol=1e-4, atol=1e-4)
    own = Moments(*(part[[row]] for part in left.moments)) if len(left.moments.mean) > 1 else left.moments
    np.testing.assert_allclose(normalised(left.rows[[row]], own)[0], squashed_zscore(raw[None, :])[0, items], atol=2e-3)
    if row == 0:
        np.testing.assert_allclose(voice.at(items), raw[items], rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(
            normalised(voice.at(items)[None, :], voice.moments())[0], squashed_zscore(raw[None, :])[0, items], atol=2e-3
        )


def told(voice: Any) -> tuple[IntArray, FloatArray]:
    """What a voice proposes, each item once, and roughly its raw scores."""
    made = voice.proposals()
    columns, values, _ = entries(made.rows, made.counts, made.table)
    items, sums = summed(columns, values, N)
    return items, np.log(sums + np.float32(made.floor)) + np.float32(made.shift) if made.floor else sums


@settings(max_examples=80)
@given(PASTS, PICKS, LEFT_OUT, st.integers(0, 2**32 - 1))
def test_sparse(past: list[int], items: IntArray, left_out: IntArray, seed: int) -> None:
    distinct = np.array(sorted(set(past)), dtype=np.int64)
    rng = np.random.default_rng(seed)
    dense = np.where(rng.random((len(distinct), N)) < 0.4, rng.integers(-3, 4, (len(distinct), N)), 0.0)
    owners, columns = np.nonzero(dense)
    bounds = np.searchsorted(owners, np.arange(len(distinct) + 1))
    table = table_of(bounds, columns, dense[owners, columns].astype(np.float32))
    rows, counts = np.arange(len(distinct)), np.ones(len(distinct), dtype=np.float32)
    voice = SparseVoice(distinct, Proposals(rows, counts, table), N)
    left = voice.left_out(items, left_out)
    for row, gone in enumerate([-1, *left_out.tolist()]):
        check(voice, items, left, row, dense[distinct != gone].sum(axis=0).astype(np.float32))
    near, values = told(voice)
    np.testing.assert_allclose(values, dense.sum(axis=0)[near], atol=1e-5)
    assert set(near.tolist()) == set(columns.tolist())


def kernel_by_hand(past: IntArray, weights: FloatArray) -> FloatArray:
    raw = np.zeros(N, dtype=np.float32)
    used = weights > 0
    if used.any():
        raw = np.log(weights[used] @ np.exp((VECTORS[past[used]] @ VECTORS.T - 1) * SHARP) + np.float32(1e-12))
    lowest = raw[PRESENT].min(initial=0.0)
    return np.where(PRESENT, raw, (lowest + raw.mean()) / 2).astype(np.float32)


@settings(max_examples=80)
@given(PASTS, PICKS, LEFT_OUT, WEIGHTS)
def test_kernel(past: list[int], items: IntArray, left_out: IntArray, weights: list[float]) -> None:
    padded = past_of(past)
    own = np.array([*weights[: len(past)], 0.0], dtype=np.float32) * PRESENT[padded.items[0]]
    everything = reference_items(N)
    reference = KernelReference(np.ascontiguousarray(VECTORS[everything].T), PRESENT[everything], SHARP)
    voice = KernelVoice(VECTORS, PRESENT, neighbours_of(ALIKE), padded, own, reference)
    left = voice.left_out(items, left_out)
    for row, gone in enumerate([-1, *left_out.tolist()]):
        check(voice, items, left, row, kernel_by_hand(padded.items[0], np.where(padded.items[0] != gone, own, 0)))
    if own.any():
        near, values = told(voice)
        assert (values <= kernel_by_hand(padded.items[0], own)[near] + 1e-4).all(), (
            "what it proposes is no more than so"
        )


def queries_of(past: Past) -> Queries:
    logs = np.where(past.mask, -0.1 * np.arange(past.mask.shape[1]), ABSENT).astype(np.float32)
    return Queries(TABLE.keys[past.items] * np.float32(0.5), logs, np.ones((1, 3), dtype=np.float32))


def fusion_by_hand(past: Past, gone: int) -> FloatArray:
    made = queries_of(past)
    logs = np.where(past.items == gone, np.float32(ABSENT), made.log_weights)
    return score_queries(made._replace(log_weights=logs), TABLE)[0]


@settings(max_examples=80)
@given(PASTS, PICKS, LEFT_OUT)
def test_fusion(past: list[int], items: IntArray, left_out: IntArray) -> None:
    padded, everything = past_of(past), reference_items(N)
    scores = TABLE.keys * np.float32(0.5) @ TABLE.keys.T
    voice = FusionVoice(TABLE, neighbours_of(scores), 0.0, fusion_reference(TABLE), padded, queries_of(padded))
    left = voice.left_out(items, left_out)
    for row, gone in enumerate([-1, *left_out.tolist()]):
        check(voice, items, left, row, fusion_by_hand(padded, gone))
    assert left.without.shape == ((2, len(items)) if past else (0, len(items)))
    for name, raw, mean in zip(TABLE.modalities, left.without, left.without_mean[:, 0], strict=bool(past)):
        expected = score_queries(without_modality(queries_of(padded), TABLE, name), TABLE)[0]
        np.testing.assert_allclose(raw, expected[items], rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(mean, expected[everything].mean(), rtol=1e-4, atol=1e-4)


def test_what_is_said_to_everybody_misses_nothing() -> None:
    scores = np.arange(N, dtype=np.float32)
    voice = ConstantVoice(scores, moments_of(scores[None, :]))
    left = voice.left_out(np.array([2, 7]), np.array([0, 1]))
    for row in range(3):
        check(voice, np.array([2, 7]), left, row, scores)
    assert voice.proposals() is None


def test_where_there_is_no_order_nothing_is_said() -> None:
    flat = moments_of(np.full((1, N), 3.3, dtype=np.float32))
    assert normalised(np.array([3.3, 9.9], dtype=np.float32), flat).tolist() == [[0.0, 0.0]]


def test_summed_adds_what_is_equal() -> None:
    columns, values = summed(np.array([7, 2, 7]), np.array([1.0, 2.0, 3.0], dtype=np.float32), N)
    assert dict(zip(columns.tolist(), values.tolist(), strict=True)) == {2: 2.0, 7: 4.0}


@given(st.lists(st.integers(0, 30)), st.lists(st.integers(0, 30)))
def test_places_need_no_sorting_and_no_clean_table(columns: list[int], items: list[int]) -> None:
    found, inverse = distinct(np.array(columns, dtype=np.int64), 31)
    assert sorted(found.tolist()) == sorted(set(columns))
    assert found[inverse].tolist() == columns
    if columns:
        places, there = places_among(found, np.array(items, dtype=np.int64), 31)
        assert there.tolist() == [item in columns for item in items]
        assert found[places][there].tolist() == [item for item in items if item in columns]


@given(st.lists(st.lists(st.floats(-1e3, 1e3, width=32), min_size=3, max_size=3), min_size=1))
def test_moments_in_fewer_steps(rows: list[list[float]]) -> None:
    scores = np.array(rows, dtype=np.float32)
    quick, exact = moments_of_few(scores), moments_of(scores)
    np.testing.assert_allclose(quick.mean, exact.mean, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(quick.spread, exact.spread, rtol=1e-3, atol=1e-3)
    assert quick.flat.tolist() == exact.flat.tolist()
