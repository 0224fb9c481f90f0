"""One shopper at a time gives what the batch gives; what is left out is measured."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modaloom.models.towers import ABSENT, ItemTable, Queries
from modaloom.ranking import fast
from modaloom.ranking.parts import Arrivals, ContentKernel
from modaloom.ranking.personal import Personal
from modaloom.ranking.ranker import FUSION, Ranker
from modaloom.recommend.bundle import Bundle, load_bundle
from modaloom.types import BoolArray, FloatArray, Histories, IntArray, Tokens
from tests.ranking.test_retrieve import WEIGHTS, N, blend

pytestmark = pytest.mark.usefixtures("either_way")
NONE = np.zeros(0, dtype=np.int64)


@pytest.fixture(scope="module")
def bundle(sample_bundle: Path) -> Bundle:
    return load_bundle(sample_bundle)


def everything(ranker: Ranker) -> IntArray:
    return np.arange(ranker.n_items)


@pytest.mark.parametrize("user", [0, 7, 33, 79])
def test_scores_are_those_of_the_batch(bundle: Bundle, user: int) -> None:
    ranker, histories = bundle.ranker, bundle.snapshot.histories(np.array([user]))
    personal = Personal(ranker, histories)
    expected = ranker.total(ranker.ask(histories), everything(ranker))[0]
    np.testing.assert_allclose(personal.scores(everything(ranker)), expected, atol=1e-5)
    nums, scores = personal.shortlist(10, bundle.snapshot.catalogue, NONE)
    np.testing.assert_allclose(scores, expected[nums], atol=1e-5)
    np.testing.assert_allclose(personal.contributions(nums).scores, scores, atol=1e-5)


def test_somebody_without_a_past_gets_what_is_said_to_everybody(bundle: Bundle) -> None:
    nobody = Histories.from_lists([[]], now=bundle.snapshot.now)
    personal = Personal(bundle.ranker, nobody)
    blend = bundle.ranker.for_strangers
    said = blend.total(blend.ask(nobody), everything(blend))[0]
    np.testing.assert_allclose(personal.scores(everything(blend)), said, atol=1e-5)
    assert not personal.contributions(np.arange(5)).by_item


def test_every_part_speaks_alike(bundle: Bundle) -> None:
    """Parts without a weight in this bundle, too."""
    histories = bundle.snapshot.histories(np.array([5]))
    for part in bundle.ranker.parts:
        ranker = Ranker({part.name: 1.0}, bundle.ranker.parts)
        expected = ranker.total(ranker.ask(histories), everything(ranker))[0]
        np.testing.assert_allclose(Personal(ranker, histories).scores(everything(ranker)), expected, atol=1e-5)


def summing(keys: FloatArray, mask: BoolArray, event: IntArray, age_days: FloatArray) -> Queries:
    """A tower that sums the past up in one query, as every sequence but the kernel does."""
    mean = (keys * mask[..., None]).sum(axis=1, keepdims=True) / np.maximum(mask.sum(axis=1), 1)[:, None, None]
    logs = np.where(mask.any(axis=1, keepdims=True), 0.0, ABSENT).astype(np.float32)
    return Queries(mean.astype(np.float32), logs, np.ones((len(keys), 2), dtype=np.float32))


def test_a_sequence_that_sums_up_is_asked_as_a_batch_of_one() -> None:
    rng = np.random.default_rng(0)
    keys = rng.standard_normal((30, 8), dtype=np.float32)
    table = ItemTable(("image",), keys, np.ones((30, 1), dtype=np.float32))
    ranker = Ranker({FUSION: 1.0}, (), table, summing)
    histories = Histories.from_lists([[1, 2, 3]], now=10)
    personal = Personal(ranker, histories)
    expected = ranker.score(histories)[0]
    np.testing.assert_allclose(personal.scores(np.arange(30)), expected, atol=1e-4)
    made = personal.contributions(np.arange(30))
    without = ranker.score(Histories.from_lists([[2, 3]], now=10))[0]
    np.testing.assert_allclose(made.by_item[1], expected - without, atol=1e-4)
    assert set(made.by_modality) == {"image"}


def test_what_came_later_is_scored_and_what_changed_is_scored_anew() -> None:
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((40, 6), dtype=np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    kernel = ContentKernel("image").restore({"vectors": vectors})
    ranker = Ranker({"image": 1.0}, (kernel,))
    twin = Tokens("image", "e", vectors[[3]], np.array([True]))
    ranker.place(Arrivals(np.array([40]), {"image": twin}, np.array([40])), None)
    assert ranker.n_items == 41
    past = Histories.from_lists([[3]], now=10)
    scores = Personal(ranker, past).scores(np.arange(41))
    assert np.argsort(-scores)[:2].tolist() in ([3, 40], [40, 3])
    ranker.place(
        Arrivals(np.array([40]), {"image": Tokens("image", "e", -vectors[[3]], np.array([True]))}, np.array([40])), None
    )
    assert np.argsort(Personal(ranker, past).scores(np.arange(41)))[0] == 40
    ranker.place(Arrivals(np.array([41]), {}, np.array([41])), None)  # it has no picture
    unknown = Personal(ranker, past).scores(np.arange(42))[41]
    assert scores.min() < unknown < scores.max()


def test_a_shortlist_longer_than_what_is_allowed_has_all_of_that(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("modaloom.ranking.personal.FEW_ITEMS", 0)
    allowed = np.arange(N) != 5
    items, _ = Personal(blend({"repurchase": 1.0}), Histories.from_lists([[3]], now=0)).shortlist(N, allowed, NONE)
    assert items.tolist() == np.flatnonzero(allowed).tolist()


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(0, N - 1), max_size=7), WEIGHTS, st.integers(0, 99), st.integers(1, 12))
def test_candidates_are_the_best_of_each_part_whoever_looks_for_them(
    either_way: str, past: list[int], weights: dict[str, float], seed: int, k: int
) -> None:
    histories, rng = Histories.from_lists([past], now=0), np.random.default_rng(seed)
    allowed, extra = rng.random(N) < 0.7, rng.integers(0, N, rng.integers(0, 3))
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (("FEW_ITEMS", 0), ("CANDIDATES", k)):
            patch.setattr(f"modaloom.ranking.personal.{name}", value)
        made = Personal(blend(weights), histories)
        items, scores = made.shortlist(k, allowed, extra)
        patch.setattr(fast, "_loaded", [])
        plain, exact = Personal(blend(weights), histories).shortlist(k, allowed, extra)
    assert (np.diff(items) > 0).all()
    assert allowed[items].all()
    assert set(items) >= set(extra[allowed[extra]])
    np.testing.assert_allclose(scores, made.scores(items), atol=1e-4)
    if either_way == "numpy":
        np.testing.assert_array_equal(items, plain)
    else:  # of those that are equal but for rounding the one or the other
        least = float(np.sort(exact)[-k:].min(initial=np.inf))
        np.testing.assert_array_equal(items[scores > least + 1e-3], plain[exact > least + 1e-3])
        assert abs(len(items) - len(plain)) <= len(weights)
