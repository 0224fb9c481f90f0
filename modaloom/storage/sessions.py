"""Sessions with a database: what one can do, how threads share them, and how they share a commit."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Generic, Protocol, TypeVar

from modaloom.errors import ModaloomError, QueryError, StoreBusyError, StoreError
from modaloom.storage.rows import Row


def checked_parameters(parameters: Sequence[object]) -> Sequence[object]:
    """What goes into a statement, so that every backend refuses the same.

    Raises:
        QueryError: a text has the character of code 0.
    """
    for one in parameters:
        if isinstance(one, str) and "\0" in one:
            raise QueryError("an id has a character of code 0, which cannot be kept")
    return parameters


class Session(Protocol):
    """One connection. Parameters stand as ``?`` in the SQL."""

    keep: str
    """What a SELECT of shoppers ends with so that they cannot be erased before this transaction ends."""
    erase: str
    """What a SELECT of shoppers ends with so that nobody adds anything of theirs before this transaction ends."""

    def rows(self, sql: str, parameters: Sequence[object] = ()) -> list[Row]:
        """What a statement gives."""
        ...

    def run(self, sql: str, parameters: Sequence[object] = ()) -> int:
        """Runs a statement; the number of rows it changed."""
        ...

    def many(self, sql: str, rows: Sequence[Sequence[object]]) -> None:
        """Runs a statement for each row."""
        ...

    def script(self, sql: str) -> None:
        """Runs several statements within the transaction."""
        ...

    def close(self) -> None:
        """Closes the connection, whatever its state."""
        ...


S = TypeVar("S", bound=Session)


class Sessions(Generic[S]):
    """Open sessions, each lent to one thread at a time; the one used last is lent first."""

    def __init__(self, connect: Callable[[], S], *, url: str, limit: int, timeout_s: float):
        self._connect, self._url, self._timeout_s = connect, url, timeout_s
        self._idle: list[S] = []
        self._room = threading.BoundedSemaphore(limit)
        self._closed = False

    def take(self) -> S:
        """A session; a new one if none is idle.

        Raises:
            StoreBusyError: all of them are lent for too long.
            StoreError: the store is closed, or no session can be opened.
        """
        if not self._room.acquire(timeout=self._timeout_s):
            raise StoreBusyError("too many callers are waiting", where=self._url, hint="Try again")
        try:
            if self._closed:
                raise StoreError("the store is closed", where=self._url)
            try:
                return self._idle.pop()
            except IndexError:
                return self._connect()
        except BaseException:
            self._room.release()
            raise

    def give(self, session: S, *, broken: bool = False) -> None:
        """Takes it back; closes it if it is of no more use."""
        if broken or self._closed:
            session.close()
        else:
            self._idle.append(session)
        self._room.release()
        if self._closed:  # while it was given back
            self.close()

    def forget(self) -> None:
        """Closes those that are idle: their server has gone."""
        while True:
            try:
                self._idle.pop().close()
            except IndexError:
                return

    def close(self) -> None:
        """Closes those that are idle, and those that are lent when they come back."""
        self._closed = True
        self.forget()


A = TypeVar("A")
R = TypeVar("R")


class _Call(Generic[A, R]):
    def __init__(self, argument: A, weight: int):
        self.argument, self.weight = argument, weight
        self.answers: list[R] = []
        self.error: BaseException | None = None

    def answered(self) -> bool:
        return bool(self.answers) or self.error is not None


class Together(Generic[A, R]):
    """Does in one go what several threads ask for meanwhile: many small commits then wait for the disk once.

    Args:
        work: answers a list of arguments, all or none.
        most: the largest weight of arguments in one go, but for a single one that is heavier.
        timeout_s: how long a caller waits for those before.
    """

    def __init__(self, work: Callable[[list[A]], list[R]], *, most: int, timeout_s: float):
        self._work, self._most, self._timeout_s = work, most, timeout_s
        self._waiting: list[_Call[A, R]] = []
        self._gate, self._leading = threading.Lock(), threading.Lock()

    def ask(self, argument: A, weight: int) -> R:
        """The answer, once it is kept.

        Raises:
            StoreBusyError: those before take too long; nothing was done.
        """
        call = _Call[A, R](argument, weight)
        with self._gate:
            self._waiting.append(call)
        while not call.answered():
            # Whoever comes in takes along all who wait; these then find that they are answered.
            if self._leading.acquire(timeout=self._timeout_s):
                try:
                    if not call.answered():
                        self._lead()
                finally:
                    self._leading.release()
            elif self._withdrawn(call):
                raise StoreBusyError("too many callers are waiting", hint="Try again")
        if call.error is not None:
            raise call.error
        return call.answers[0]

    def _withdrawn(self, call: _Call[A, R]) -> bool:
        with self._gate:
            if call in self._waiting:
                self._waiting.remove(call)
                return True
        return False

    def _lead(self) -> None:
        with self._gate:
            weight, number = 0, 0
            for call in self._waiting:
                weight += call.weight
                if number and weight > self._most:
                    break
                number += 1
            calls, self._waiting = self._waiting[:number], self._waiting[number:]
        try:
            self._answer(calls)
        except BaseException:
            for call in calls:
                if not call.answered():
                    call.error = StoreBusyError("was interrupted; nothing was kept", hint="Try again")
            raise

    def _answer(self, calls: list[_Call[A, R]]) -> None:
        try:
            for call, answer in zip(calls, self._work([call.argument for call in calls]), strict=True):
                call.answers.append(answer)
        except QueryError as error:
            if len(calls) == 1:
                calls[0].error = error
            else:  # one has spoilt it for the others
                for call in calls:
                    self._answer([call])
        except ModaloomError as error:
            # for one as for all; and it must not be done again, because a commit that was cut off may have happened
            for call in calls:
                call.error = type(error)(error.what, where=error.where, hint=error.hint)
