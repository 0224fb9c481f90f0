"""The trend board as the service has it: read once in each worker, and made anew in a process of its own.

Of all workers on a store only one makes a board at a time; who makes it says so in the store, again and again, so
that a killed one does not stand in the way of the next.
"""

from __future__ import annotations

import importlib
import json
import os
import secrets
import subprocess
import sys
import threading
import time
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime

from modaloom.api.middleware.errors import Refused
from modaloom.api.schemas.trends import BoardState
from modaloom.config import Settings, load_settings
from modaloom.errors import ModaloomError, StoreError
from modaloom.privacy import RESEARCH
from modaloom.storage.contract import Store
from modaloom.trends.board import Board
from modaloom.trends.kept import board_stamp, load_board
from modaloom.types import DAY_S

MAKER = "modaloom.api.boards:read_and_keep"
"""Makes the board of the store at an address, and keeps it there."""
JOB_STATE = "trends.job"
BEAT_S, POLL_S = 10.0, 0.25
DEAD_S = 60.0
"""Without a beat for so long, whoever was making a board is gone."""
LOOK_EVERY_S = 300.0
FIRST_LOOK_S = 20.0
LEAST_DAYS = 56
"""Of events, before the service makes a board by itself; who asks for one gets a try in any case."""
NICENESS = 15
FAILED = 3
"""Exit code of a process that knew why."""


@dataclass(frozen=True, slots=True)
class Job:
    """The last making of a board; times in seconds since 1970 UTC."""

    token: str
    started_at: int
    beat_at: int
    finished_at: int | None = None
    error: str | None = None

    def running(self, now: float) -> bool:
        """Whether somebody is at it."""
        return self.finished_at is None and now - self.beat_at < DEAD_S

    def fault(self, now: float) -> str | None:
        """What went wrong, if anything did."""
        killed = self.finished_at is None and not self.running(now)
        return "it was interrupted" if killed else self.error


class Boards:
    """One worker's view of the store's board."""

    def __init__(
        self,
        store: Store,
        settings: Settings,
        *,
        store_url: str | None = None,
        every_h: float = 24.0,
        maker: str = MAKER,
    ):
        self._store = store
        self._settings = settings
        self._url = store_url or store.url
        self.every_h = every_h
        self._maker = maker
        self._kept: tuple[str, Board] | None = None
        self._reading = threading.Lock()
        self._thread: threading.Thread | None = None
        self._closed = threading.Event()

    def board(self) -> Board:
        """The newest board.

        Raises:
            Refused: 404 where there is none yet.
            QueryError: it is damaged, or of another version.
        """
        stamp = board_stamp(self._store)
        kept = self._kept
        if stamp is not None and (kept is None or kept[0] != stamp):
            with self._reading:
                if self._kept is None or self._kept[0] != stamp:
                    found = load_board(self._store)
                    self._kept = None if found is None else (stamp, found)
                kept = self._kept
        if stamp is None or kept is None:
            hint = "POST /v1/admin/trends makes one, and so does 'modaloom trends' with the store's address"
            raise Refused(404, "no_board", "there is no trend board yet", hint=hint)
        return kept[1]

    def state(self, *, may_make: bool = False) -> BoardState:
        """Whether there is a board, and what became of the last try to make one."""
        job, now = self._job(), time.time()
        stamp = board_stamp(self._store)
        return BoardState(
            made_at=stamp.rsplit(" ", 1)[0] if stamp else None,
            running=bool(job and job.running(now)),
            started_at=job.started_at if job else None,
            finished_at=job.finished_at if job else None,
            error=job.fault(now) if job else None,
            may_make=may_make,
            every_h=self.every_h,
        )

    def _job(self) -> Job | None:
        kept = self._store.state(JOB_STATE)
        try:
            return Job(**json.loads(kept)) if kept else None
        except (ValueError, TypeError):  # of another version
            return None

    def _note(self, job: Job) -> None:
        self._store.set_state(JOB_STATE, json.dumps(asdict(job)))

    def make(self) -> bool:
        """Begins to make a board, unless somebody is at it already; whether it did."""
        job, now = self._job(), time.time()
        if self._closed.is_set() or (job is not None and job.running(now)):
            return False
        mine = Job(secrets.token_hex(8), int(now), int(now))
        self._note(mine)
        time.sleep(0.05)  # of two that begin at once, the one who wrote last goes on
        found = self._job()
        if found is None or found.token != mine.token:
            return False
        self._thread = threading.Thread(target=self._watch, args=(mine,), name="trend-board", daemon=True)
        self._thread.start()
        return True

    def due(self) -> bool:
        """Whether the service should make a board by itself now."""
        job, now = self._job(), time.time()
        newest = max(job.started_at if job else 0, _read_until(board_stamp(self._store)))
        if not self.every_h or now - newest < self.every_h * 3_600:
            return False
        first = self._store.interactions(0, limit=1, purpose=RESEARCH)
        return bool(first) and now - first[0][1].timestamp >= LEAST_DAYS * DAY_S

    def keep_fresh(self) -> None:
        """Looks whether a board is due and begins one; a store that is busy is asked again later."""
        try:
            if self.due():
                self.make()
        except StoreError:
            return

    def _watch(self, job: Job) -> None:
        """Waits for the process, and tells the store how it is getting on."""
        told = {
            "maker": self._maker,
            "store_url": self._url,
            "settings": self._settings.model_dump(mode="json", exclude_unset=True),
        }
        process = subprocess.Popen([sys.executable, "-m", __name__], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(told).encode() + b"\n")  # not as an argument: everybody can read those
        process.stdin.flush()  # and left open: that it closes tells the process that nobody waits any more
        while process.poll() is None and not self._closed.wait(POLL_S):
            if time.time() - job.beat_at >= BEAT_S:
                job = replace(job, beat_at=int(time.time()))
                self._tell(job)
        if process.poll() is None:
            process.terminate()
        said = process.stdout.read().decode(errors="replace").strip()
        code = process.wait()
        process.stdin.close()
        process.stdout.close()
        stopped = "the service was stopped" if self._closed.is_set() else "the process that made it died"
        error = None if code == 0 else said if code == FAILED else stopped
        self._tell(replace(job, finished_at=int(time.time()), error=error))

    def _tell(self, job: Job) -> None:
        try:
            found = self._job()
            if found is None or found.token == job.token:
                self._note(job)
        except ModaloomError:  # the store is busy or gone: the next beat tells
            return

    def close(self) -> None:
        """Stops what is being made."""
        self._closed.set()
        if self._thread is not None:
            self._thread.join(BEAT_S)


def _read_until(stamp: str | None) -> float:
    """The newest event of the kept board, in seconds since 1970 UTC; 0 where there is none."""
    try:
        told = datetime.fromisoformat((stamp or "").rsplit(" ", 1)[0])
    except ValueError:
        return 0.0
    return (told if told.tzinfo else told.replace(tzinfo=UTC)).timestamp()


def main() -> int:
    """Makes a board with what the machine has left over; told where by a line on standard input.

    What is wrong goes to standard output. Ends when whoever started it does.
    """
    os.nice(NICENESS)
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    told = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_input, daemon=True).start()
    module, _, name = told["maker"].partition(":")
    try:
        getattr(importlib.import_module(module), name)(told["store_url"], load_settings(**told["settings"]))
    except ModaloomError as error:
        print(error.what)
        return FAILED
    return 0


def _end_with_input() -> None:
    sys.stdin.read()
    os._exit(1)


def read_and_keep(store_url: str, settings: Settings) -> None:
    """Reads a store's trends as ``modaloom trends`` does."""
    from modaloom.bulletin.run import run_trends
    from modaloom.trends.read import TrendOptions

    run_trends(store_url, None, TrendOptions(), settings=settings, tell=lambda *_: None)


if __name__ == "__main__":
    sys.exit(main())
