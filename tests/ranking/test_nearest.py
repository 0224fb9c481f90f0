"""Neighbours are those of an exact search, or nearly: asked twice, changed, kept, and without FAISS."""

from __future__ import annotations

import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modaloom.numerics import best_columns, unit_rows
from modaloom.ranking.nearest import (
    MANY_ITEMS,
    MANY_QUERIES,
    Neighbours,
    OneCoreEach,
    in_threads,
    nearest_many,
    pays,
)
from modaloom.types import FloatArray, IntArray

RNG = np.random.default_rng(0)
K = 4


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
    columns, values = nearest_many(keys, lambda some: keys[some], items, 20, exact)
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
    columns, values = nearest_many(keys, lambda some: keys[some], items, K, exact)
    assert exact.asked == [5, 7, 5]
    assert sets(columns) == sets(Exact(keys)(items)[0])
    assert values.shape == (3, K)


def test_an_inverted_file_pays_for_much_only() -> None:
    much = np.zeros(MANY_QUERIES, dtype=np.int64)
    assert pays(much, MANY_ITEMS)
    assert not pays(much[:-1], MANY_ITEMS)
    assert not pays(much, MANY_ITEMS - 1)


asked = st.lists(
    st.one_of(
        st.lists(st.integers(0, 19), min_size=1, max_size=6),  # ask for these
        st.integers(0, 19).map(lambda item: (item,)),  # this one changes
        st.none(),  # a new one comes
    ),
    max_size=10,
)


def rows_of(index: Neighbours, items: IntArray) -> tuple[IntArray, FloatArray]:
    """Neighbours (t, k) of past items (t,), and their weights (t, k)."""
    slots, table = index.slots(items), index.table()
    k = int(np.diff(table.bounds).max(initial=0))
    places = table.bounds[slots][:, None] + np.arange(k)
    return table.columns[places], table.values[places]


@settings(max_examples=60)
@given(asked)
def test_whatever_is_asked_and_changes_they_are_those_of_an_exact_search(steps: list[object]) -> None:
    find = Exact(unit_rows(np.random.default_rng(1).standard_normal((20, 5)).astype(np.float32)))
    index, rng = Neighbours(20, find), np.random.default_rng(2)
    first: dict[int, frozenset[int]] = {}  # what is kept stays until the item itself changes
    for step in steps:
        if isinstance(step, list):
            items = np.array(step)
            columns, values = rows_of(index, items)
            for item, own in zip(step, sets(columns), strict=True):
                assert own == first.setdefault(item, sets(Exact(find.keys)(np.array([item]))[0])[0])
            assert values.shape == (len(items), K)
            past, table = index.after(items[None, :], np.ones((1, len(items)), dtype=np.float32))
            summed = (past @ table).toarray()[0]
            expected = np.zeros(index.n_items, dtype=np.float32)
            np.add.at(expected, columns.ravel(), values.ravel())
            np.testing.assert_allclose(summed, expected, atol=1e-5)
        else:
            item = step[0] if isinstance(step, tuple) else index.n_items
            rows = np.zeros((max(index.n_items, item + 1), 5), dtype=np.float32)
            rows[: len(find.keys)] = find.keys
            rows[item] = unit_rows(rng.standard_normal((1, 5)).astype(np.float32))[0]
            find.keys = rows
            index.forget(np.array([item]), len(rows))
            first.pop(item, None)
    assert index.n_items == len(find.keys)


def test_what_is_found_is_found_once_by_however_many_threads() -> None:
    keys = clustered(500)
    find = Exact(keys)
    index = Neighbours(500, find)
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

    def ask(near: Neighbours, start: int) -> None:
        for item in range(start, n, 4):
            past, table = near.after(np.array([[item]]), np.ones((1, 1), dtype=np.float32))
            assert set((past @ table).tocoo().col.tolist()) == {item, (item + 1) % n}

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(4) as pool:
            for _ in range(25):
                list(pool.map(partial(ask, Neighbours(n, find)), range(4)))
    finally:
        sys.setswitchinterval(interval)


def test_what_was_found_can_be_kept_and_taken_up() -> None:
    keys = clustered(200)
    index = Neighbours(200, Exact(keys))
    before = rows_of(index, np.array([3, 9]))
    index.forget(np.array([9]), 200)
    find = Exact(keys)
    again = Neighbours(200, find)
    again.restore(index.state())
    np.testing.assert_array_equal(rows_of(again, np.array([3]))[0], before[0][:1])
    assert not find.asked
    rows_of(again, np.array([9, 11]))
    assert find.asked == [9, 11], "what had changed is not kept"


def test_nothing_asked_is_nothing_found() -> None:
    columns, values = rows_of(Neighbours(5, Exact(clustered(5))), np.zeros(0, dtype=np.int64))
    assert columns.shape == values.shape == (0, 0)


def test_work_is_done_in_order() -> None:
    assert in_threads(lambda number: number * 2, range(50), 4) == [2 * number for number in range(50)]
    with pytest.raises(ZeroDivisionError):
        in_threads(lambda number: 1 // number, [1, 0], 2)


def blas_threads(_: int = 0) -> list[int]:
    """Of each library for matrix products that keeps threads of its own; OpenMP counts anew in every thread."""
    threadpoolctl = pytest.importorskip("threadpoolctl")
    kept = [one for one in threadpoolctl.threadpool_info() if one.get("threading_layer") == "pthreads"]
    return [one["num_threads"] for one in kept] or pytest.skip("no library for products keeps threads of its own")


def test_products_start_no_threads_of_their_own_while_threads_work() -> None:
    with pytest.importorskip("threadpoolctl").threadpool_limits(2, user_api="blas"):
        before = blas_threads()
        assert in_threads(blas_threads, [0, 1], 2) == [[1] * len(before)] * 2
        with pytest.raises(ZeroDivisionError):
            in_threads(lambda number: 1 // number, [1, 0], 2)
        assert in_threads(blas_threads, [0], 2) == in_threads(blas_threads, [0], 1) == [before]


def test_the_last_one_to_leave_lifts_the_limit() -> None:
    shared = OneCoreEach()
    with pytest.importorskip("threadpoolctl").threadpool_limits(2, user_api="blas"):
        before = blas_threads()
        with shared:
            with shared:
                pass
            assert set(blas_threads()) == {1}
        assert blas_threads() == before
