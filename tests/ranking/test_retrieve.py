"""Candidates first, scores second gives what scoring everything gives."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from modaloom.metrics import top_n
from modaloom.models.towers import ItemTable, Queries, UserTower
from modaloom.numerics import best_columns, squashed_zscore, unit_rows
from modaloom.ranking import fast, retrieve
from modaloom.ranking import ranker as ranking
from modaloom.ranking.demand import Demand, Newness
from modaloom.ranking.linear import Linear
from modaloom.ranking.nearest import Neighbours, in_threads
from modaloom.ranking.parts import ContentKernel, Part, Repurchase, Variants
from modaloom.ranking.ranker import FUSION, Lists, Ranker
from modaloom.ranking.retrieve import (
    Offer,
    best_of_rows,
    moments_of,
    normalised,
    reference_items,
    reordered,
    squashed,
    sum_of_rows,
    union,
    values_at,
)
from modaloom.recommend.bundle import load_bundle
from modaloom.testing import taste_world
from modaloom.types import BoolArray, Event, FloatArray, Histories, IntArray

WORLD, _ = taste_world("image")
GROUPS = pl.Series("group_id", [f"model-{num // 3}" for num in range(WORLD.n_items)], dtype=pl.String)
HOLES = replace(
    WORLD.tokens["text"],
    mask=np.arange(WORLD.n_items) % 5 > 0,
    vectors=WORLD.tokens["text"].vectors * (np.arange(WORLD.n_items) % 5 > 0)[:, None].astype(np.float32),
)
SHOP = replace(WORLD, items=WORLD.items.with_columns(GROUPS), tokens={**WORLD.tokens, "text": HOLES})
N, DIM = WORLD.n_items, 4
RNG = np.random.default_rng(0)
TABLE = ItemTable(
    ("image", "text"),
    unit_rows(RNG.standard_normal((N, 3 * DIM)).astype(np.float32)),
    np.full((N, 2), 0.5, dtype=np.float32),
)
PARTS: tuple[Part, ...] = tuple(
    part.fit(SHOP)
    for part in (
        ContentKernel("image"),
        ContentKernel("text"),
        Linear(),
        Repurchase(),
        Variants(),
        Demand(),
        Newness(),
    )
)
NAMES = [part.name for part in PARTS] + [FUSION]
PASTS = st.lists(st.lists(st.integers(0, N - 1), max_size=7), min_size=1, max_size=5)
WEIGHTS = st.dictionaries(st.sampled_from(NAMES), st.sampled_from([0.1, 0.5, 1.0]), min_size=1)


def kernel_tower(keys: FloatArray, mask: BoolArray, event: IntArray, age_days: FloatArray) -> Queries:
    """Every past item is a query of its own, the newer ones louder."""
    weights = np.where(mask, -0.01 * age_days - 0.1 * np.arange(mask.shape[1])[::-1], -1e4).astype(np.float32)
    return Queries(keys * 3, weights, np.ones((len(keys), 3), dtype=np.float32))


def mean_tower(keys: FloatArray, mask: BoolArray, event: IntArray, age_days: FloatArray) -> Queries:
    """The past summed up in one query."""
    query = (keys * mask[..., None]).sum(axis=1, keepdims=True) / np.maximum(mask.sum(axis=1), 1)[:, None, None]
    return Queries(query * 3, np.zeros((len(keys), 1), np.float32), np.ones((len(keys), 3), np.float32))


@pytest.fixture(params=["numpy", "compiled"])
def without_dense(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """No catalogue is small enough to be scored as a whole; and the compiled loops do all the work, or none."""
    monkeypatch.setattr(ranking, "DENSE_ITEMS", 0)
    monkeypatch.setattr(ranking, "FEW_ITEMS", 0)
    if request.param == "compiled":
        pytest.importorskip("numba")
    monkeypatch.setattr(fast, "MANY_SHOPPERS", 0 if request.param == "compiled" else 10**9)


def blend(weights: dict[str, float], tower: UserTower = kernel_tower) -> Ranker:
    return Ranker(weights, PARTS, TABLE, tower)


def hides(histories: Histories) -> sp.csr_matrix:
    """What each of them had."""
    ones = np.ones(len(histories.item_nums), dtype=np.float32)
    made = sp.csr_matrix((ones, histories.item_nums, histories.offsets), shape=(len(histories), N))
    made.sum_duplicates()
    return made


def check_same(lists: Lists, scores: FloatArray, allowed: BoolArray | None, n: int) -> None:
    """The lists have the best scores in order; items may differ where scores are equal but for rounding."""
    wanted = top_n(scores, n, allowed)
    assert lists.items.shape == lists.scores.shape == wanted.shape
    assert ((lists.items >= 0) == (wanted >= 0)).all()
    there = wanted >= 0
    best = np.take_along_axis(scores, np.maximum(wanted, 0), axis=1)
    own = np.take_along_axis(scores, np.maximum(lists.items, 0), axis=1)
    assert lists.scores[there] == pytest.approx(own[there], abs=2e-4), "a score is not that of its item"
    assert own[there] == pytest.approx(best[there], abs=2e-4), "something better was left out"
    assert np.isneginf(lists.scores[~there]).all()
    for items in lists.items:
        assert len(set(items[items >= 0].tolist())) == (items >= 0).sum(), "an item is listed twice"


@pytest.mark.usefixtures("without_dense")
class TestRecommend:
    """``CANDIDATES`` and ``NEIGHBOURS`` reach most of this small catalogue, so nothing may be missed."""

    @pytest.fixture(autouse=True)
    def _many(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(ranking, "CANDIDATES", N)
        for module in (ranking, retrieve):
            monkeypatch.setattr(module, "NEIGHBOURS", N, raising=False)

    @pytest.mark.parametrize("tower", [kernel_tower, mean_tower])
    @given(PASTS, WEIGHTS, st.integers(1, 30), st.sampled_from([Event.PURCHASE, Event.VIEW, Event.RETURN]))
    @settings(max_examples=12, deadline=None)
    def test_it_lists_what_scoring_everything_lists(
        self, tower: UserTower, pasts: list[list[int]], weights: dict[str, float], n: int, event: Event
    ) -> None:
        histories = Histories.from_lists(pasts, now=WORLD.now, event=event)
        made = blend(weights, tower)
        check_same(made.recommend(histories, n, threads=2), made.score(histories), None, n)

    @given(PASTS, WEIGHTS, st.data())
    @settings(max_examples=12, deadline=None)
    def test_masks_hold_and_cost_nothing(
        self, pasts: list[list[int]], weights: dict[str, float], data: st.DataObject
    ) -> None:
        histories, made = Histories.from_lists(pasts, now=WORLD.now), blend(weights)
        share = data.draw(st.sampled_from([0.0, 0.02, 0.2, 0.5, 0.9]))
        rng = np.random.default_rng(data.draw(st.integers(0, 9)))
        shape = data.draw(st.sampled_from([(N,), (len(pasts), N)]))
        allowed, hidden = rng.random(shape) < share, hides(histories)
        lists = made.recommend(histories, 10, allowed=allowed, hidden=hidden, threads=1)
        check_same(lists, made.score(histories), allowed & (hidden.toarray() == 0), 10)

    def test_a_cell_of_zero_hides_nothing(self) -> None:
        histories = Histories.from_lists([[9, 4], [4]], now=WORLD.now)
        zeros = sp.csr_matrix((np.array([0.0, 1.0], np.float32), np.array([9, 4]), np.array([0, 1, 2])), shape=(2, N))
        lists = blend({"repurchase": 1.0}).recommend(histories, 2, hidden=zeros)
        assert lists.items.tolist() == [[4, 9], [0, 1]]

    def test_threads_and_company_change_nothing(self) -> None:
        histories = SHOP.histories(np.arange(SHOP.n_users))
        alone = [blend({"image": 1.0, FUSION: 0.5}).recommend(histories.take(row, row + 1), 8) for row in range(9)]
        for threads in (1, 3):
            together = blend({"image": 1.0, FUSION: 0.5}).recommend(histories, 8, threads=threads)
            assert (together.items[:9] == np.concatenate([lists.items for lists in alone])).all()

    def test_equal_scores_go_by_item_number(self) -> None:
        lists = blend({"repurchase": 1.0}).recommend(Histories.from_lists([[9, 4], []], now=WORLD.now), 5)
        assert lists.items.tolist() == [[4, 9, 0, 1, 2], [0, 1, 2, 3, 4]]

    def test_the_list_is_no_longer_than_the_catalogue(self) -> None:
        lists = blend({"image": 1.0, "demand": 0.2}).recommend(SHOP.histories(np.arange(3)), 10 * N)
        assert lists.items.shape == (3, N)
        assert (np.sort(lists.items, axis=1) == np.arange(N)).all()

    def test_nobody_asks(self) -> None:
        assert blend({"image": 1.0}).recommend(SHOP.histories(np.zeros(0, dtype=np.int64)), 5).items.shape == (0, 5)


@pytest.mark.usefixtures("without_dense")
@pytest.mark.parametrize("best", [1, 200, 399])
def test_equal_candidates_push_out_no_better_one(best: int) -> None:
    """Whoever had item 0 had all others once, and one of them twice: more of them than there are candidates."""
    row = np.ones(400, dtype=np.float32)
    row[0], row[best] = 0.0, 2.0
    weights = sp.vstack([sp.csr_matrix(row), sp.csr_matrix((399, 400), dtype=np.float32)], format="csr")
    part = Linear().restore({name: getattr(weights, name) for name in ("indptr", "indices", "data")})
    lists = Ranker({"linear": 1.0}, (part,)).recommend(Histories.from_lists([[0], [0]], now=0), 3)
    assert lists.items[:, 0].tolist() == [best, best]


@pytest.mark.usefixtures("without_dense")
def test_few_candidates_find_nearly_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranking, "CANDIDATES", 12)
    made, histories = blend({"image": 1.0, "demand": 0.5, FUSION: 0.5}), SHOP.histories(np.arange(SHOP.n_users))
    fast, full = made.recommend(histories, 5).items, top_n(made.score(histories), 5)
    assert np.mean([len(set(a) & set(b)) / 5 for a, b in zip(fast.tolist(), full.tolist(), strict=True)]) > 0.95


def test_a_small_catalogue_is_scored_as_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("candidates were chosen")

    monkeypatch.setattr(ranking, "candidates_of", refuse)
    made, histories = blend(dict.fromkeys(NAMES, 1.0)), SHOP.histories(np.arange(20))
    check_same(made.recommend(histories, 7), made.score(histories), None, 7)
    monkeypatch.setattr(ranking, "DENSE_ITEMS", N - 1)
    with pytest.raises(AssertionError, match="candidates were chosen"):
        made.recommend(histories, 7)


@pytest.mark.usefixtures("without_dense")
def test_one_item_is_a_catalogue() -> None:
    one = replace(
        SHOP,
        items=SHOP.items.head(1),
        tokens={"image": replace(SHOP.tokens["image"], vectors=np.ones((1, 2), np.float32), mask=np.ones(1, bool))},
        interactions=SHOP.interactions.clear(),
        catalogue=np.ones(1, dtype=bool),
    )
    made = Ranker({"image": 1.0, "demand": 1.0}, (ContentKernel("image").fit(one), Demand().fit(one)))
    assert made.recommend(Histories.from_lists([[0], []], now=0), 3).items.tolist() == [[0], [0]]


@pytest.mark.usefixtures("without_dense")
def test_a_part_that_cannot_be_asked_is_scored_in_full() -> None:
    class Old:
        name = "old"
        modality: str | None = None

        def score(self, histories: Histories) -> FloatArray:
            return np.tile(np.arange(N, dtype=np.float32), (len(histories), 1))

    made = Ranker({"old": 1.0}, (Old(),))  # type: ignore[arg-type]
    assert made.recommend(Histories.from_lists([[1]], now=0), 2).items.tolist() == [[N - 1, N - 2]]


@pytest.mark.usefixtures("without_dense")
def test_a_loaded_bundle_recommends(sample_bundle: Path) -> None:
    bundle = load_bundle(sample_bundle)
    histories = bundle.snapshot.histories(np.arange(bundle.snapshot.n_users))
    lists = bundle.ranker.recommend(histories, 10, allowed=bundle.snapshot.catalogue)
    check_same(lists, bundle.ranker.score(histories), bundle.snapshot.catalogue, 10)


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.name)
@given(PASTS, st.sampled_from(list(Event)))
@settings(max_examples=6, deadline=None)
def test_what_a_part_answers_is_what_it_scores(part: Part, pasts: list[list[int]], event: Event) -> None:
    histories = Histories.from_lists(pasts, now=WORLD.now, event=event)
    answer, scores = part.ask(histories), part.score(histories)
    everything = np.arange(N)
    assert answer.at(everything) == pytest.approx(scores, abs=1e-4)
    items = np.random.default_rng(len(pasts)).integers(0, N, (len(pasts), 6))
    assert answer.at(items) == pytest.approx(np.take_along_axis(scores, items, axis=1), abs=1e-4)
    assert normalised(answer.at(everything), answer.moments()) == pytest.approx(squashed_zscore(scores), abs=1e-3)


def test_squashing_is_arcsinh() -> None:
    values = np.array([-1e4, -3.0, -1e-3, 0.0, 1e-3, 0.5, 30.0, 1e6], dtype=np.float32)
    assert squashed(values) == pytest.approx(np.arcsinh(values), abs=1e-6, rel=1e-6)


@given(st.integers(1, 6), st.integers(1, 40), st.integers(1, 12), st.integers(0, 5))
@settings(deadline=None)
def test_sparse_rows_are_read_like_dense_ones(rows: int, columns: int, k: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    dense = (rng.integers(1, 4, (rows, columns)) * (rng.random((rows, columns)) < 0.4)).astype(np.float32)
    matrix = sp.csr_matrix(dense)  # many of its values are equal
    best = best_of_rows(matrix, matrix.data, k)
    for row, items in enumerate(best):
        wanted = np.sort(dense[row][dense[row] > 0])[::-1][:k]
        assert np.sort(dense[row, items[items >= 0]])[::-1] == pytest.approx(wanted)
    items = rng.integers(0, columns, (rows, 5))
    assert (values_at(matrix, items) == np.take_along_axis(dense, items, axis=1)).all()
    assert (values_at(matrix, np.arange(columns)) == dense).all()
    assert sum_of_rows(matrix.data.astype(np.float64), matrix.indptr) == pytest.approx(dense.sum(axis=1), abs=1e-5)
    chosen = best_columns(dense, k)
    wanted = -np.sort(-dense, axis=1)[:, :k]
    assert -np.sort(-np.take_along_axis(dense, chosen, axis=1), axis=1) == pytest.approx(wanted)


def test_a_value_needs_no_dense_matrix(monkeypatch: pytest.MonkeyPatch) -> None:
    matrix = sp.random(9, 30, density=0.3, format="csr", random_state=0, dtype=np.float32)
    items = np.random.default_rng(0).integers(0, 30, (9, 4))
    monkeypatch.setattr(retrieve, "CELLS_AT_ONCE", 60)  # two rows at once
    assert (values_at(matrix, items) == np.take_along_axis(matrix.toarray(), items, axis=1)).all()


def test_neighbours_are_found_once_and_only_when_needed() -> None:
    asked: list[int] = []

    def find(items: IntArray) -> tuple[IntArray, FloatArray]:
        asked.extend(items.tolist())
        return np.stack([items, (items + 1) % 10], axis=1), np.ones((len(items), 2), dtype=np.float32)

    near = Neighbours(10, find)
    past, table = near.after(np.array([[3, 4], [9, 0]]), np.array([[1.0, 0.5], [2.0, 0.0]], dtype=np.float32))
    after = (past @ table).toarray()
    assert after[0].tolist() == [0, 0, 0, 1, 1.5, 0.5, 0, 0, 0, 0]
    assert after[1].tolist() == [2, 0, 0, 0, 0, 0, 0, 0, 0, 2]
    near.after(np.array([[4, 5]]), np.ones((1, 2), dtype=np.float32))
    assert sorted(asked) == [3, 4, 5, 9]
    past, table = near.after(np.zeros((2, 1), dtype=np.int64), np.zeros((2, 1), dtype=np.float32))
    assert (past @ table).nnz == 0


def test_a_union_ascends_without_repeats() -> None:
    made = union([np.array([[5, 3], [1, -1]]), np.array([[3, 7], [1, -1]])])
    assert made.tolist() == [[3, 5, 7], [-1, -1, 1]]
    assert union([np.full((2, 3), -1)]).tolist() == [[-1], [-1]]


def test_offers_say_what_may_be_shown() -> None:
    hidden = sp.csr_matrix(np.array([[0, 1, 0, 0], [1, 0, 0, 0]], dtype=np.float32))
    items = np.array([[0, 1, 2], [0, 3, -1]])
    offer = Offer(np.array([True, True, True, False]), hidden)
    assert offer.at(items).tolist() == [[True, False, True], [False, False, False]]
    assert offer.of(np.array([1])).of_items(np.arange(4), 1).tolist() == [[False, True, True, False]]
    own = Offer(np.array([[True, False, True, True], [False, True, False, False]]), None)
    assert own.at(items).tolist() == [[True, False, True], [False, False, False]]
    assert own.of(np.array([0])).narrow_rows(1, 0.5).tolist() == [False]
    assert own.narrow_rows(2, 0.5).tolist() == [False, True]


def test_shoppers_in_another_order() -> None:
    histories = Histories.from_lists([[1, 2], [], [3, 4, 5]], now=9)
    again = reordered(histories, np.array([2, 0]))
    assert [again.of(row).tolist() for row in range(2)] == [[3, 4, 5], [1, 2]]
    assert again.now == 9


def test_the_reference_is_everything_or_a_fixed_sample() -> None:
    assert reference_items(5).tolist() == [0, 1, 2, 3, 4]
    some = reference_items(100_000)
    assert len(np.unique(some)) == retrieve.REFERENCE_ITEMS
    assert (some == reference_items(100_000)).all()
    scores = np.random.default_rng(0).gamma(2.0, size=(1, 100_000)).astype(np.float32)
    assert moments_of(scores[:, some]).mean == pytest.approx(moments_of(scores).mean, rel=0.1)


def test_work_in_threads_keeps_its_order() -> None:
    assert in_threads(lambda number: number * 2, range(20), 3) == in_threads(lambda number: number * 2, range(20), 1)
