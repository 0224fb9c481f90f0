"""Content kernels keep several tastes apart; neighbours are those of an exact search, or nearly."""

from __future__ import annotations

import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modaloom.metrics import ranking_metrics, top_n
from modaloom.models.towers import SERVED_HISTORY
from modaloom.numerics import best_columns, unit_rows
from modaloom.ranking.content import (
    ANN_ITEMS,
    ANN_QUERIES,
    ContentKernel,
    NeighbourIndex,
    PackedQueries,
    search_ann,
    use_ann,
)
from modaloom.ranking.contract import HistoryBatch
from modaloom.testing import taste_world
from modaloom.types import DAY_S, Event, FloatArray, Histories, IntArray, Snapshot, Tokens

NOW = 1_700_000_000
WORLD, TRUTH = taste_world("image")
RNG = np.random.default_rng(0)
K = 4


def past(*items: int, ages_days: tuple[float, ...] = (), event: Event = Event.PURCHASE) -> HistoryBatch:
    """One user who had these items so many days ago."""
    histories = Histories.from_lists([items], now=NOW, event=event)
    if ages_days:
        histories = replace(histories, timestamps=NOW - np.rint(np.array(ages_days) * DAY_S).astype(np.int64))
    return HistoryBatch(histories)


def with_vectors(vectors: FloatArray) -> Snapshot:
    n = len(vectors)
    mask = np.abs(vectors).sum(axis=1) > 0
    empty = WORLD.interactions.clear()
    tokens = {"image": Tokens("image", "made/1", unit_rows(vectors.astype(np.float32)), mask)}
    return replace(
        WORLD, items=WORLD.items.head(n), tokens=tokens, catalogue=np.ones(n, dtype=bool), interactions=empty
    )


class TestContentKernel:
    def test_it_finds_the_taste_that_lives_in_its_modality(self) -> None:
        histories = HistoryBatch(WORLD.histories(np.arange(WORLD.n_users)))
        reached = {
            name: ranking_metrics(top_n(ContentKernel(name).fit(WORLD).score(histories), 5, WORLD.catalogue), TRUTH)[
                "precision"
            ].mean()
            for name in WORLD.tokens
        }
        assert reached["image"] > 0.95
        assert reached["text"] < 0.5
        assert reached["attributes"] < 0.5

    def test_several_tastes_stay_apart(self) -> None:
        """What lies between two tastes is like neither; the mean of the past would put it first."""
        kernel = ContentKernel("image").fit(with_vectors(np.array([[1, 0], [0, 1], [1, 0.1], [0.1, 1], [1, 1]])))
        scores = kernel.score(past(0, 1))[0]
        assert scores[4] < min(scores[2], scores[3])

    def test_items_without_the_modality_are_in_the_middle(self) -> None:
        kernel = ContentKernel("image").fit(with_vectors(np.array([[1, 0], [1, 0.1], [-1, 0], [0, 0]])))
        scores = kernel.score(past(0))[0]
        assert scores[2] < scores[3] < scores[1] < scores[0]

    @pytest.mark.parametrize("items", [(), (3,), (3, 3)])
    def test_who_has_nothing_of_the_modality_gets_no_order(self, items: tuple[int, ...]) -> None:
        kernel = ContentKernel("image").fit(with_vectors(np.array([[1, 0], [1, 0.1], [-1, 0], [0, 0]])))
        assert np.ptp(kernel.score(past(*items))) == 0

    def test_disliked_and_returned_things_do_not_count(self) -> None:
        kernel = ContentKernel("image").fit(WORLD)
        for event in (Event.DISLIKE, Event.RETURN):
            assert np.ptp(kernel.score(past(1, 2, event=event))) == 0

    def test_the_newer_counts_more(self) -> None:
        kernel = ContentKernel("image").fit(with_vectors(np.array([[1, 0], [0, 1], [1, 0.1], [0.1, 1]])))
        scores = kernel.score(past(0, 1, ages_days=(60, 1)))[0]
        assert scores[3] > scores[2]

    def test_only_the_newest_events_are_looked_at(self) -> None:
        kernel = ContentKernel("image").fit(WORLD)
        long = kernel.score(past(*[5] * 10, *[7] * SERVED_HISTORY))
        assert long == pytest.approx(kernel.score(past(*[7] * SERVED_HISTORY)))

    def test_a_vector_is_like_a_single_past_item(self) -> None:
        kernel = ContentKernel("image").fit(WORLD)
        vector = WORLD.tokens["image"].vectors[9]
        assert kernel.score_vector(vector) == pytest.approx(kernel.score(past(9))[0], abs=1e-4)


def clustered(n: int, dim: int = 16) -> FloatArray:
    centres = RNG.standard_normal((40, dim))
    return unit_rows((centres[RNG.integers(0, 40, n)] + 0.4 * RNG.standard_normal((n, dim))).astype(np.float32))


class Exact:
    """Compares everything, and counts what it was asked."""

    def __init__(self, keys: FloatArray, k: int = K):
        self.keys, self.k = keys, k
        self.asked: list[int] = []

    def __call__(self, items: IntArray) -> tuple[IntArray, FloatArray]:
        self.asked += items.tolist()
        scores = self.keys[items] @ self.keys.T
        columns = best_columns(scores, min(self.k, len(self.keys)))
        return columns, np.take_along_axis(scores, columns, axis=1)


def sets(columns: IntArray) -> list[frozenset[int]]:
    return [frozenset(row) for row in columns.tolist()]


def test_an_inverted_file_finds_what_an_exact_search_finds() -> None:
    pytest.importorskip("faiss")
    keys = clustered(4_000)
    items, exact = np.arange(0, 4_000, 10), Exact(keys, 20)
    columns, values = search_ann(keys, lambda some: keys[some], items, 20, exact)
    assert not exact.asked, "it went through the inverted file"
    expected, _ = Exact(keys, 20)(items)
    found = np.mean([len(a & b) / 20 for a, b in zip(sets(columns), sets(expected), strict=True)])
    assert found >= 0.9
    own = np.einsum("sd,skd->sk", keys[items], keys[columns])
    np.testing.assert_allclose(values, own, atol=1e-5)


def test_without_faiss_everything_is_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "faiss", None)
    keys = clustered(300)
    items, exact = np.array([5, 7, 5]), Exact(keys)
    columns, values = search_ann(keys, lambda some: keys[some], items, K, exact)
    assert exact.asked == [5, 7, 5]
    assert sets(columns) == sets(Exact(keys)(items)[0])
    assert values.shape == (3, K)


def test_approximate_search_pays_for_much_only() -> None:
    assert use_ann(ANN_QUERIES, ANN_ITEMS)
    assert not use_ann(ANN_QUERIES - 1, ANN_ITEMS)
    assert not use_ann(ANN_QUERIES, ANN_ITEMS - 1)


asked = st.lists(
    st.one_of(
        st.lists(st.integers(0, 19), min_size=1, max_size=6),  # ask for these
        st.integers(0, 19).map(lambda item: (item,)),  # this one changes
        st.none(),  # a new one comes
    ),
    max_size=10,
)


def rows_of(index: NeighbourIndex, items: IntArray) -> tuple[IntArray, FloatArray]:
    """Neighbours (t, k) of past items (t,), and their weights (t, k)."""
    slots, table = index.rows_of(items)
    k = int(np.diff(table.bounds).max(initial=0))
    places = table.bounds[slots][:, None] + np.arange(k)
    return table.columns[places].astype(np.int64), table.values[places]


@settings(max_examples=60)
@given(asked)
def test_whatever_is_asked_and_changes_they_are_those_of_an_exact_search(steps: list[object]) -> None:
    find = Exact(unit_rows(np.random.default_rng(1).standard_normal((20, 5)).astype(np.float32)))
    index, rng = NeighbourIndex(20, find), np.random.default_rng(2)
    first: dict[int, frozenset[int]] = {}  # what is kept stays until the item itself changes
    for step in steps:
        if isinstance(step, list):
            items = np.array(step)
            columns, values = rows_of(index, items)
            for item, own in zip(step, sets(columns), strict=True):
                assert own == first.setdefault(item, sets(Exact(find.keys)(np.array([item]))[0])[0])
            assert values.shape == (len(items), K)
        else:
            item = step[0] if isinstance(step, tuple) else index.n_items
            rows = np.zeros((max(index.n_items, item + 1), 5), dtype=np.float32)
            rows[: len(find.keys)] = find.keys
            rows[item] = unit_rows(rng.standard_normal((1, 5)).astype(np.float32))[0]
            find.keys = rows
            index.invalidate(np.array([item]), len(rows))
            first.pop(item, None)
    assert index.n_items == len(find.keys)


def test_what_is_found_is_found_once_by_however_many_threads() -> None:
    keys = clustered(500)
    find = Exact(keys)
    index = NeighbourIndex(500, find)
    made: list[list[frozenset[int]]] = []

    def ask() -> None:
        made.append(sets(rows_of(index, np.arange(0, 500, 3))[0]))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(find.asked) == list(range(0, 500, 3))
    assert all(one == made[0] for one in made)


def test_what_several_threads_ask_at_once_is_each_ones_own() -> None:
    n = 400

    def find(items: IntArray) -> tuple[IntArray, FloatArray]:
        return np.stack([items, (items + 1) % n], axis=1), np.ones((len(items), 2), dtype=np.float32)

    def ask(near: NeighbourIndex, start: int) -> None:
        for item in range(start, n, 4):
            assert set(rows_of(near, np.array([item]))[0][0].tolist()) == {item, (item + 1) % n}

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(4) as pool:
            for _ in range(25):
                list(pool.map(partial(ask, NeighbourIndex(n, find)), range(4)))
    finally:
        sys.setswitchinterval(interval)


def test_what_was_found_can_be_kept_and_taken_up() -> None:
    keys = clustered(200)
    index = NeighbourIndex(200, Exact(keys))
    before = rows_of(index, np.array([3, 9]))
    index.invalidate(np.array([9]), 200)
    find = Exact(keys)
    again = NeighbourIndex(200, find)
    again.restore(index.state())
    np.testing.assert_array_equal(rows_of(again, np.array([3]))[0], before[0][:1])
    assert not find.asked
    rows_of(again, np.array([9, 11]))
    assert find.asked == [9, 11], "what had changed is not kept"


def test_nothing_asked_is_nothing_found() -> None:
    columns, values = rows_of(NeighbourIndex(5, Exact(clustered(5))), np.zeros(0, dtype=np.int64))
    assert columns.shape == values.shape == (0, 0)


@given(st.lists(st.integers(0, 5), min_size=1, max_size=9), st.integers(1, 50))
def test_blocks_of_queries_hold_each_user_whole(lengths: list[int], width: int) -> None:
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    nothing = np.zeros((offsets[-1], 1), dtype=np.float32)
    packed = PackedQueries(nothing, nothing[:, 0], offsets, np.zeros(offsets[-1]), np.ones((1, offsets[-1]), bool))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("modaloom.ranking.content.CELLS_AT_ONCE", 40)
        blocks = list(packed.blocks(width))
    users = [user for some, _ in blocks for user in range(some.start, some.stop)]
    assert users == list(range(len(lengths)))
    for some, entries in blocks:
        assert (entries.start, entries.stop) == (offsets[some.start], offsets[some.stop])
        one_user = sum(lengths[some]) <= max(lengths[some])
        assert (entries.stop - entries.start) <= max(40 // width, 1) or one_user
