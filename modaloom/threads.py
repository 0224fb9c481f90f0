"""Threads of our own beside those of the linear-algebra library."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from typing import Any, TypeVar

Given = TypeVar("Given")
Result = TypeVar("Result")


def available_threads() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_threads(work: Callable[[Given], Result], tasks: Iterable[Given], threads: int) -> list[Result]:
    """Maps in order; NumPy, SciPy and the compiled loops let several threads work at once, each on one core."""
    tasks = list(tasks)
    if min(threads, len(tasks)) <= 1:
        return [work(task) for task in tasks]
    with _ONE_CORE_EACH, ThreadPoolExecutor(threads) as pool:
        return list(pool.map(work, tasks))


class OneCoreEach:
    """While anybody is inside, matrix products start no threads of their own, which would wait for each other's cores.

    The limit holds for the whole process and is lifted when the last one leaves. Without threadpoolctl there is none.
    """

    def __init__(self) -> None:
        self._lock, self._inside = threading.Lock(), 0
        self._limits: Any = None

    def __enter__(self) -> None:
        with self._lock:
            self._inside += 1
            if self._inside == 1 and find_spec("threadpoolctl") is not None:
                from threadpoolctl import threadpool_limits

                self._limits = threadpool_limits(1, user_api="blas")  # of every library that is loaded by now

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0 and self._limits is not None:
                self._limits.restore_original_limits()
                self._limits = None


_ONE_CORE_EACH = OneCoreEach()
