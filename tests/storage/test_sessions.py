"""How threads share sessions, and how they share a commit."""

from __future__ import annotations

import threading

import pytest

from modaloom.errors import QueryError, StoreBusyError, StoreError
from modaloom.storage.sessions import Together
from modaloom.testing.store_catalogue import at_once


class Work:
    """Doubles numbers; the first call waits until it is told to go on."""

    def __init__(self) -> None:
        self.asked: list[list[int]] = []
        self.started, self.go_on = threading.Event(), threading.Event()

    def __call__(self, numbers: list[int]) -> list[int]:
        self.asked.append(numbers)
        self.started.set()
        assert self.go_on.wait(10)
        if 13 in numbers:
            raise QueryError("13 is refused")
        if 7 in numbers:
            raise StoreError("the disk is full")
        if 99 in numbers:
            raise StoreBusyError("99 is too much")
        return [number * 2 for number in numbers]


def ask_while_busy(together: Together[int, int], work: Work, numbers: list[int]) -> dict[int, object]:
    """What each number gets, when all but the first come while the first is at work."""
    got: dict[int, object] = {}

    def ask(number: int) -> None:
        try:
            got[number] = together.ask(number, 1)
        except (QueryError, StoreError) as error:
            got[number] = error.what

    threads = [threading.Thread(target=ask, args=(number,)) for number in numbers]
    threads[0].start()
    assert work.started.wait(10)
    for thread in threads[1:]:
        thread.start()
    while len(together._waiting) < len(numbers) - 1:
        pass
    work.go_on.set()
    for thread in threads:
        thread.join()
    return got


def test_those_who_wait_are_answered_in_one_go() -> None:
    work = Work()
    together = Together(work, most=100, timeout_s=10)
    assert ask_while_busy(together, work, [1, 2, 3, 4, 5]) == {1: 2, 2: 4, 3: 6, 4: 8, 5: 10}
    assert [len(numbers) for numbers in work.asked] == [1, 4]


def test_one_go_has_a_limit() -> None:
    work = Work()
    got = ask_while_busy(Together(work, most=2, timeout_s=10), work, list(range(6)))
    assert got == {number: number * 2 for number in range(6)}
    assert [len(numbers) for numbers in work.asked] == [1, 2, 2, 1]


def test_one_that_is_refused_spoils_nothing_for_others() -> None:
    work = Work()
    got = ask_while_busy(Together(work, most=100, timeout_s=10), work, [1, 2, 13, 4])
    assert got == {1: 2, 2: 4, 4: 8, 13: "13 is refused"}


@pytest.mark.parametrize(("number", "words"), [(99, "99 is too much"), (7, "the disk is full")])
def test_what_the_store_fails_at_fails_for_all(number: int, words: str) -> None:
    """A commit that was cut off may have happened, so nothing is tried again."""
    work = Work()
    got = ask_while_busy(Together(work, most=100, timeout_s=10), work, [1, 2, number])
    assert got == {1: 2, 2: words, number: words}
    assert len(work.asked) == 2


def test_who_waits_too_long_is_told_and_nothing_is_done() -> None:
    work = Work()
    together = Together(work, most=100, timeout_s=0.05)
    first = threading.Thread(target=lambda: together.ask(1, 1))
    first.start()
    assert work.started.wait(10)
    with pytest.raises(StoreBusyError):
        together.ask(2, 1)
    work.go_on.set()
    first.join()
    assert together.ask(3, 1) == 6
    assert work.asked == [[1], [3]]


def test_many_threads_all_get_their_own_answer() -> None:
    work = Work()
    work.go_on.set()
    together = Together(work, most=7, timeout_s=10)

    def ask(start: int) -> None:
        for number in range(start, start + 50):
            if number not in (7, 13, 99):
                assert together.ask(number, 1) == number * 2

    at_once(*[lambda start=start: ask(start) for start in range(0, 800, 100)])  # type: ignore[misc]


def test_an_interruption_is_told_to_those_who_wait() -> None:
    def interrupted(numbers: list[int]) -> list[int]:
        raise KeyboardInterrupt

    together = Together(interrupted, most=9, timeout_s=10)
    with pytest.raises(KeyboardInterrupt):
        together.ask(1, 1)
    assert not together._leading.locked()
