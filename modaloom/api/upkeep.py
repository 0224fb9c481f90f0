"""What a service does by itself, so that data go when they should: retention, and the bytes of what was erased."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from modaloom.api.middleware.logs import causes_of
from modaloom.errors import StoreError
from modaloom.storage.contract import Store
from modaloom.types import DAY_S

WANTED_STATE, SCRUBBED_STATE, SWEPT_STATE = "upkeep.scrub", "upkeep.scrubbed_at", "upkeep.swept_at"
LOOK_EVERY_S = 5.0
SCRUB_EVERY_S = 600
"""The file of a large store takes seconds to be written anew, and any visitor may ask to be erased."""


class Upkeep:
    """One worker's share: of all workers on a store one does what is due. ``keep_days`` are days by kind of record."""

    def __init__(
        self,
        store: Store,
        *,
        keep_days: Iterable[tuple[str, int]] = (),
        log: Callable[..., None],
        clock: Callable[[], float] = time.time,
    ):
        self._store, self._keep_days, self._log, self._clock = store, dict(keep_days), log, clock

    def want_scrub(self) -> None:
        """Rows were erased; their bytes are to be overwritten."""
        self._store.set_state(WANTED_STATE, str(time.time_ns()))

    def run_due(self) -> None:
        """Does what is due, if no other worker does; says in the log what was done, and what could not be."""
        try:
            if self._store.state(WANTED_STATE) and self._claim(SCRUBBED_STATE, SCRUB_EVERY_S):
                self._scrub()
            if self._keep_days and self._claim(SWEPT_STATE, DAY_S):
                self._sweep()
        except StoreError as error:
            self._failed(error)

    def finish(self) -> None:
        """Overwrites what waits, before the service ends."""
        try:
            if self._store.state(WANTED_STATE):
                self._scrub()
        except StoreError as error:
            self._failed(error)

    def _failed(self, error: StoreError) -> None:
        kind = type(error).__qualname__
        self._log("upkeep failed", level="error", error=kind, causes=causes_of(error))

    def _claim(self, key: str, every_s: float) -> bool:
        now, last = self._clock(), self._store.state(key)
        return now - float(last or 0) >= every_s and self._store.swap_state(key, last, str(int(now)))

    def _scrub(self) -> None:
        wanted = self._store.state(WANTED_STATE)
        self._store.scrub()
        self._store.swap_state(WANTED_STATE, wanted, "")  # unless somebody was erased meanwhile, who wants it again
        self._log("scrubbed")

    def _sweep(self) -> None:
        now = int(self._clock())
        gone = {kind: self._store.drop_before(kind, now - days * DAY_S) for kind, days in self._keep_days.items()}
        if any(gone.values()):
            self.want_scrub()
        self._log("swept", **gone)
