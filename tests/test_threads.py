"""Threads of ours and those of the linear-algebra library do not fight for cores."""

from __future__ import annotations

import pytest

from modaloom.threads import OneCoreEach, available_threads, in_threads


def test_there_is_at_least_one_thread() -> None:
    assert available_threads() >= 1


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
