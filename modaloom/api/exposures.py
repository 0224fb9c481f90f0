"""Writes down what was shown to whom, behind the answers: bounded, in batches, and to the end at shutdown."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from modaloom.api.keys import Erasures
from modaloom.errors import StoreBusyError, StoreError
from modaloom.live.asks import Answer
from modaloom.storage.contract import Exposure, Store

BATCH_ROWS = 5_000
TRIES = 20


@dataclass(frozen=True, slots=True)
class Shown:
    """One list that one shopper got."""

    request_id: str
    user_id: str
    place: str
    answer: Answer
    at_us: int

    def rows(self) -> list[Exposure]:
        """A row for each item."""
        at_s = self.at_us // 1_000_000
        return [
            Exposure(
                self.request_id, self.user_id, card.item_id, self.place, rank, self.answer.bundle, card.explored, at_s
            )
            for rank, card in enumerate(self.answer.cards)
        ]


class ExposureWriter:
    """A thread that writes what :meth:`add` was given."""

    def __init__(
        self,
        store: Store,
        *,
        erasures: Erasures,
        count: Callable[[str, int], None],
        max_waiting: int = 200_000,
        flush_s: float = 0.5,
    ):
        self._store = store
        self._erasures = erasures
        self._count = count
        self._max_waiting = max_waiting
        self._flush_s = flush_s
        self._queue: deque[Shown] = deque()
        self._waiting = 0
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        self._wake = threading.Event()
        self._stop = False
        self._thread = threading.Thread(target=self._work, name="exposures", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Rows that are not written yet."""
        return self._waiting

    def add(self, request_id: str, user_id: str, place: str, answer: Answer) -> None:
        """Takes one list; drops and counts it where too many wait."""
        n = len(answer.cards)
        if not n:
            return
        shown = Shown(request_id, user_id, place, answer, time.time_ns() // 1_000)
        with self._lock:
            fits = not self._stop and self._waiting + n <= self._max_waiting
            if fits:
                self._queue.append(shown)
                self._waiting += n
        if not fits:
            self._count("dropped", n)
        elif self._waiting >= BATCH_ROWS:
            self._wake.set()

    def discard(self, user_id: str) -> int:
        """Forgets what waits of one shopper, and is back only when nothing of it is being written."""
        with self._writing, self._lock:
            kept = [shown for shown in self._queue if shown.user_id != user_id]
            gone = sum(len(shown.answer.cards) for shown in self._queue if shown.user_id == user_id)
            self._queue = deque(kept)
            self._waiting -= gone
        return gone

    def flush(self) -> None:
        """Writes everything that waits now."""
        for _ in range(1 + self._max_waiting // BATCH_ROWS):
            if not self._write_batch():
                return

    def close(self) -> None:
        """Writes what waits and stops. May be called twice."""
        with self._lock:
            self._stop = True
        self._wake.set()
        self._thread.join()
        self.flush()

    def _work(self) -> None:
        while not self._stop:
            self._wake.wait(self._flush_s)
            self._wake.clear()
            self.flush()

    def _take(self) -> list[Shown]:
        batch, rows = [], 0
        with self._lock:
            while self._queue and rows < BATCH_ROWS:
                batch.append(self._queue.popleft())
                rows += len(batch[-1].answer.cards)
            self._waiting -= rows
        return batch

    def _write_batch(self) -> bool:
        with self._writing:
            batch = self._take()
            if not batch:
                return False
            n = sum(len(shown.answer.cards) for shown in batch)
            for again in range(TRIES):
                try:
                    self._store.add_exposures(self._wanted(batch))
                except StoreBusyError:
                    time.sleep(min(0.01 * 2**again, 0.5))
                except StoreError:
                    break
                else:
                    self._count("written", n)
                    return True
            self._count("dropped", n)
            return True

    def _wanted(self, batch: list[Shown]) -> list[Exposure]:
        """Nothing of somebody who was erased since, perhaps by another worker."""
        if self._erasures.last_us() >= min(shown.at_us for shown in batch):
            users = {shown.user_id for shown in batch}
            erased_us = {user_id: self._erasures.erased_us(user_id, fresh=True) for user_id in users}
            batch = [shown for shown in batch if shown.at_us > erased_us[shown.user_id]]
        return [row for shown in batch for row in shown.rows()]
