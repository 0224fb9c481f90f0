"""Writes down what was shown to whom, behind the answers: bounded, in batches, and to the end at shutdown."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from modaloom.api.keys import Erasures
from modaloom.errors import StoreBusyError, StoreError
from modaloom.shop.requests import Answer
from modaloom.storage.contract import Showing, Store

BATCH_ITEMS = 5_000
TRIES = 20


@dataclass(frozen=True, slots=True)
class Waiting:
    """One list that one shopper got, to be written."""

    showing: Showing
    at_us: int


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
        self._queue: deque[Waiting] = deque()
        self._waiting = 0
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        self._wake = threading.Event()
        self._stop = False
        self._thread = threading.Thread(target=self._work, name="exposures", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Shown items that are not written yet."""
        return self._waiting

    def add(self, request_id: str, user_id: str, place: str, answer: Answer) -> None:
        """Takes one list; drops and counts it where too many wait."""
        n = len(answer.cards)
        if not n:
            return
        at_us = time.time_ns() // 1_000
        items = [card.item_id for card in answer.cards]
        explored = [number for number, card in enumerate(answer.cards) if card.explored]
        showing = Showing(request_id, user_id, place, answer.bundle, at_us // 1_000_000, items, explored)
        with self._lock:
            fits = not self._stop and self._waiting + n <= self._max_waiting
            if fits:
                self._queue.append(Waiting(showing, at_us))
                self._waiting += n
        if not fits:
            self._count("dropped", n)
        elif self._waiting >= BATCH_ITEMS:
            self._wake.set()

    def discard(self, user_id: str) -> int:
        """Forgets what waits of one shopper, and is back only when nothing of it is being written."""
        with self._writing, self._lock:
            kept = deque(one for one in self._queue if one.showing.user_id != user_id)
            gone = _items_in(self._queue) - _items_in(kept)
            self._queue = kept
            self._waiting -= gone
        return gone

    def flush(self) -> None:
        """Writes everything that waits now."""
        for _ in range(1 + self._max_waiting // BATCH_ITEMS):
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

    def _take(self) -> list[Waiting]:
        batch, items = [], 0
        with self._lock:
            while self._queue and items < BATCH_ITEMS:
                batch.append(self._queue.popleft())
                items += len(batch[-1].showing.items)
            self._waiting -= items
        return batch

    def _write_batch(self) -> bool:
        with self._writing:
            batch = self._take()
            if not batch:
                return False
            n = _items_in(batch)
            for again in range(TRIES):
                try:
                    self._store.add_showings(self._wanted(batch))
                except StoreBusyError:
                    time.sleep(min(0.01 * 2**again, 0.5))
                except StoreError:
                    break
                else:
                    self._count("written", n)
                    return True
            self._count("dropped", n)
            return True

    def _wanted(self, batch: list[Waiting]) -> list[Showing]:
        """Nothing of somebody who was erased since, perhaps by another worker."""
        if self._erasures.last_us() >= min(one.at_us for one in batch):
            users = {one.showing.user_id for one in batch}
            erased_us = {user_id: self._erasures.erased_us(user_id, fresh=True) for user_id in users}
            batch = [one for one in batch if one.at_us > erased_us[one.showing.user_id]]
        return [one.showing for one in batch]


def _items_in(lists: Iterable[Waiting]) -> int:
    return sum(len(one.showing.items) for one in lists)
