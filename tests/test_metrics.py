"""Metrics by hand, by property, and against a plain-Python reference."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modaloom.metrics import (
    bootstrap_interval,
    coverage,
    hits,
    intra_list_diversity,
    novelty,
    randomisation_p,
    ranking_metrics,
    top_n,
)
from modaloom.numerics import unit_rows

N_ITEMS = 12


def plain_metrics(ranked: list[int], relevant: set[int]) -> dict[str, float]:
    """The textbook formulas, one shopper at a time."""
    n, ideal = len(ranked), min(len(ranked), len(relevant))
    found = [item in relevant for item in ranked]
    number = sum(found)
    precision, recall = number / n, number / len(relevant)
    gain = sum(1 / math.log2(place + 2) for place, hit in enumerate(found) if hit)
    best = sum(1 / math.log2(place + 2) for place in range(ideal))
    precisions = [sum(found[: place + 1]) / (place + 1) for place, hit in enumerate(found) if hit]
    return {
        "precision": precision,
        "recall": recall,
        "f1": 2 * precision * recall / (precision + recall) if number else 0.0,
        "hit_rate": float(number > 0),
        "ndcg": gain / best,
        "map": sum(precisions) / ideal,
        "mrr": next((1 / (place + 1) for place, hit in enumerate(found) if hit), 0.0),
    }


@st.composite
def lists_and_truth(draw: st.DrawFn) -> tuple[np.ndarray, list[np.ndarray]]:
    """A few lists of distinct items, some cut short by -1, each with a truth that may be empty."""
    rows, n = draw(st.integers(1, 5)), draw(st.integers(1, 8))
    lists = np.full((rows, n), -1, dtype=np.int64)
    truth = []
    for row in range(rows):
        picks = draw(st.permutations(range(N_ITEMS)))[: draw(st.integers(0, n))]
        lists[row, : len(picks)] = picks
        truth.append(np.array(sorted(draw(st.sets(st.integers(0, N_ITEMS - 1), max_size=6))), dtype=np.int64))
    return lists, truth


@given(lists_and_truth())
@settings(max_examples=200, deadline=None)
def test_ranking_metrics_equal_the_plain_formulas(given_: tuple[np.ndarray, list[np.ndarray]]) -> None:
    lists, truth = given_
    values = ranking_metrics(lists, truth)
    for row, items in enumerate(truth):
        if not len(items):
            assert all(np.isnan(value[row]) for value in values.values())
            continue
        expected = plain_metrics(lists[row].tolist(), set(items.tolist()))
        for name, value in values.items():
            assert value[row] == pytest.approx(expected[name], abs=1e-12), name
            assert 0 <= value[row] <= 1 + 1e-12


@given(lists_and_truth(), st.integers(0, 7))
@settings(max_examples=100, deadline=None)
def test_a_hit_moved_up_never_hurts(given_: tuple[np.ndarray, list[np.ndarray]], place: int) -> None:
    lists, truth = given_
    place = min(place, lists.shape[1] - 1)
    found = hits(lists, truth)
    moved = lists.copy()
    for row in range(len(lists)):
        if place and found[row, place] and not found[row, place - 1]:
            moved[row, [place - 1, place]] = lists[row, [place, place - 1]]
    before, after = ranking_metrics(lists, truth), ranking_metrics(moved, truth)
    for name in ("ndcg", "map", "mrr"):
        there = ~np.isnan(before[name])
        assert (after[name][there] >= before[name][there] - 1e-12).all(), name


def test_ranking_metrics_by_hand() -> None:
    lists = np.array([[4, 7, 1, 9], [0, 1, 2, 3], [5, -1, -1, -1]])
    truth = [np.array([7, 9]), np.array([8]), np.array([5, 6, 7, 8, 9])]
    values = ranking_metrics(lists, truth)
    assert values["precision"].tolist() == [0.5, 0.0, 0.25]
    assert values["recall"].tolist() == [1.0, 0.0, 0.2]
    assert values["hit_rate"].tolist() == [1.0, 0.0, 1.0]
    assert values["mrr"].tolist() == [0.5, 0.0, 1.0]
    assert values["map"].tolist() == [(1 / 2 + 2 / 4) / 2, 0.0, 1 / 4]
    gain = 1 / math.log2(3) + 1 / math.log2(5)
    assert values["ndcg"][0] == pytest.approx(gain / (1 + 1 / math.log2(3)))
    assert values["ndcg"][1] == 0
    assert values["f1"][0] == pytest.approx(2 / 3)


def test_an_ideal_list_scores_one_even_if_shorter_than_the_truth() -> None:
    values = ranking_metrics(np.array([[3, 1]]), [np.array([1, 2, 3, 4])])
    assert values["ndcg"][0] == values["map"][0] == values["mrr"][0] == values["precision"][0] == 1.0
    assert values["recall"][0] == 0.5


def test_an_empty_truth_is_nan_and_an_empty_list_is_zero() -> None:
    values = ranking_metrics(np.array([[1, 2], [-1, -1]]), [np.zeros(0, dtype=np.int64), np.array([0])])
    for name, value in values.items():
        assert np.isnan(value[0]), name
        assert value[1] == 0, name


def test_nobody_at_all() -> None:
    values = ranking_metrics(np.zeros((0, 5), dtype=np.int64), [])
    assert all(value.shape == (0,) for value in values.values())


def test_filler_never_hits_a_neighbours_truth() -> None:
    lists = np.array([[0, 1], [-1, -1]])
    assert not hits(lists, [np.array([1, 99]), np.array([99])])[1].any()
    assert hits(lists, [np.array([1, 99]), np.array([99])])[0].tolist() == [False, True]


@given(
    st.integers(1, 4).flatmap(
        lambda rows: st.lists(st.lists(st.integers(-3, 3), min_size=7, max_size=7), min_size=rows, max_size=rows)
    ),
    st.integers(1, 9),
    st.lists(st.booleans(), min_size=7, max_size=7),
)
@settings(max_examples=150, deadline=None)
def test_top_n_equals_a_stable_sort(rows: list[list[int]], n: int, allowed: list[bool]) -> None:
    scores = np.array(rows, dtype=np.float32)
    lists = top_n(scores, n, np.array(allowed))
    assert lists.shape == (len(rows), min(n, 7))
    for row, values in enumerate(rows):
        order = sorted((item for item in range(7) if allowed[item]), key=lambda item: (-values[item], item))[:n]
        assert lists[row].tolist() == order + [-1] * (min(n, 7) - len(order))


def test_top_n_breaks_ties_by_item_number_and_takes_a_mask_per_row() -> None:
    scores = np.array([[1, 1, 1, 1], [1, 1, 1, 1]], dtype=np.float32)
    allowed = np.array([[True, True, True, True], [False, False, False, True]])
    assert top_n(scores, 3, allowed).tolist() == [[0, 1, 2], [3, -1, -1]]


def test_coverage_and_novelty_by_hand() -> None:
    lists = np.array([[0, 1], [1, -1]])
    assert coverage(lists, np.array([True, True, True, True])) == 0.5
    assert coverage(np.full((1, 2), -1), np.array([True])) == 0.0
    counts = np.array([6.0, 0.0])  # plus one each: 7 and 1 of 8
    assert novelty(np.array([[1, -1], [0, 1], [-1, -1]]), counts).tolist() == pytest.approx(
        [3.0, (3.0 - math.log2(7 / 8)) / 2, 0.0]
    )


def test_intra_list_diversity_equals_the_mean_over_pairs() -> None:
    vectors = unit_rows(np.random.default_rng(0).standard_normal((6, 4)).astype(np.float32))
    lists = np.array([[0, 1, 2, 5], [3, 4, -1, -1], [2, -1, -1, -1]])
    expected = []
    for items in ([0, 1, 2, 5], [3, 4], [2]):
        pairs = [1 - float(vectors[a] @ vectors[b]) for a in items for b in items if a < b]
        expected.append(float(np.mean(pairs)) if pairs else 0.0)
    assert intra_list_diversity(lists, vectors).tolist() == pytest.approx(expected, abs=1e-6)
    assert intra_list_diversity(np.array([[0, 0]]), vectors)[0] == pytest.approx(0.0, abs=1e-6)


def test_bootstrap_interval_holds_the_mean_narrows_and_repeats() -> None:
    rng = np.random.default_rng(1)
    small, large = rng.random(50), rng.random(5000)
    low, high = bootstrap_interval(small)
    assert low < small.mean() < high
    assert bootstrap_interval(small) == (low, high)
    narrow = bootstrap_interval(large)
    assert narrow[1] - narrow[0] < (high - low) / 4
    with_gaps = np.concatenate([small, [np.nan] * 9])
    assert bootstrap_interval(with_gaps) == (low, high)
    assert all(math.isnan(end) for end in bootstrap_interval(np.array([np.nan])))
    assert bootstrap_interval(np.ones(9)) == (1.0, 1.0)


def test_bootstrap_interval_covers_as_often_as_it_says() -> None:
    rng = np.random.default_rng(2)
    covered = 0
    for trial in range(200):
        low, high = bootstrap_interval(rng.random(60), rounds=200, seed=trial, level=0.9)
        covered += low <= 0.5 <= high
    assert 0.82 <= covered / 200 <= 0.96


def test_chance_is_told_from_a_lead_with_few_shoppers_and_with_many() -> None:
    assert randomisation_p(np.zeros(9, np.float32)) == 1.0
    assert randomisation_p(np.full(3, 0.5, np.float32)) == pytest.approx(1 / 8)
    assert randomisation_p(np.full(4, 0.5, np.float32)) == pytest.approx(1 / 16)
    assert randomisation_p(np.full(3, 0.5, np.float32)) > 0.0668 > randomisation_p(np.full(4, 0.5, np.float32))
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 1, 400)
    noise -= noise.mean()
    lead = noise.std() / 20  # one standard error of the mean
    assert randomisation_p((noise + lead).astype(np.float32)) == pytest.approx(0.159, abs=0.02)
    assert randomisation_p((noise + 2 * lead).astype(np.float32)) == pytest.approx(0.023, abs=0.01)
