"""A store in one SQLite file (and its two companions ``-wal`` and ``-shm``): the default, for one machine."""

from __future__ import annotations

import os
import random
import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from modaloom.errors import QueryError, StoreBusyError, StoreError, StoreFullError
from modaloom.storage.rows import Row
from modaloom.storage.sessions import Session, Sessions, checked_parameters
from modaloom.storage.shoppers import SqlStore

T = TypeVar("T")
_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
_SAID = {
    sqlite3.SQLITE_FULL: ("the disk is full; nothing of this call was kept", "Make room, and send it again"),
    sqlite3.SQLITE_IOERR: ("the disk cannot be read or written", "Look at the disk; is it full, or gone?"),
    sqlite3.SQLITE_NOTADB: ("is no SQLite database", "Name another file, or move this one away"),
    sqlite3.SQLITE_CORRUPT: ("the database is damaged", "Put back a backup"),
    sqlite3.SQLITE_CANTOPEN: ("cannot be opened", "Does the folder exist, and may this user write in it?"),
    sqlite3.SQLITE_READONLY: ("cannot be written", "May this user write the file and its folder?"),
    sqlite3.SQLITE_PERM: ("cannot be written", "May this user write the file and its folder?"),
}


class _SqliteSession:
    keep = erase = ""  # a transaction that writes is the only one

    def __init__(self, file: Path, *, cache_kib: int):
        # Sessions lends it to one thread at a time, which Python cannot know. A file that is gone is not made again.
        self._connection = sqlite3.connect(
            f"{file.absolute().as_uri()}?mode=rw",
            uri=True,
            isolation_level=None,
            check_same_thread=False,
            timeout=0,
            cached_statements=256,
        )
        try:
            self._set_up(cache_kib)
        except BaseException:
            self._connection.close()
            raise

    def _set_up(self, cache_kib: int) -> None:
        (mode,) = self.rows("PRAGMA journal_mode = WAL")[0]
        if mode != "wal":
            raise StoreError("SQLite cannot keep a write-ahead log here", hint="Use a disk of this machine")
        self._connection.execute("PRAGMA synchronous = FULL")  # what was answered for survives a loss of power
        self._connection.execute(f"PRAGMA cache_size = -{cache_kib}")
        self._connection.execute("PRAGMA wal_autocheckpoint = 8000")  # 32 MB: pages that change often are written once
        self._connection.execute("PRAGMA journal_size_limit = 67108864")
        self._connection.execute("PRAGMA secure_delete = ON")
        self._connection.execute("PRAGMA foreign_keys = ON")
        self._connection.execute("PRAGMA temp_store = MEMORY")  # no shopper's data in temporary files

    def rows(self, sql: str, parameters: Sequence[object] = ()) -> list[Row]:
        return self._connection.execute(sql, checked_parameters(parameters)).fetchall()

    def run(self, sql: str, parameters: Sequence[object] = ()) -> int:
        return self._connection.execute(sql, checked_parameters(parameters)).rowcount

    def many(self, sql: str, rows: Sequence[Sequence[object]]) -> None:
        self._connection.executemany(sql, rows)

    def script(self, sql: str) -> None:
        # executescript would commit first
        statement = ""
        for line in sql.splitlines(keepends=True):
            statement += line
            if sqlite3.complete_statement(statement):
                self._connection.execute(statement)
                statement = ""

    def roll_back(self) -> bool:
        """Whether the session can be used again."""
        with suppress(sqlite3.Error):
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            return not self._connection.in_transaction
        return False

    def close(self) -> None:
        with suppress(sqlite3.Error):
            self._connection.close()


class SqliteStore(SqlStore):
    """A store in one file. Readers never wait; writers wait for each other, at most ``busy_timeout_s``.

    A commit is on the disk before its method returns. Open it after forking: SQLite files don't survive a fork.

    Raises:
        StoreError: the file cannot be opened or is something else.
    """

    dialect = "sqlite"
    listed = "json_each(s.items)"

    def __init__(self, file: Path, *, busy_timeout_s: float = 10.0):
        self.url = f"sqlite:///{file}"
        super().__init__(busy_timeout_s=busy_timeout_s)
        self._file, self._busy_timeout_s = file, busy_timeout_s
        if not file.parent.is_dir():
            raise StoreError(f"the folder {str(file.parent)!r} does not exist", where=self.url, hint="Make it first")
        with suppress(OSError):  # it is there, or SQLite says why it cannot be made
            os.close(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))  # its companions get the same mode
        self._identity = (0, 0)
        self._sessions = Sessions(self._open, url=self.url, limit=64, timeout_s=busy_timeout_s)
        self._writers = Sessions(self._open_writer, url=self.url, limit=1, timeout_s=busy_timeout_s)
        try:
            self._read(self._tables)  # shows now whether it can be read
            found = file.stat()
            self._identity = found.st_dev, found.st_ino
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Gives back connections and files. May be called twice."""
        self._sessions.close()
        self._writers.close()

    def _open_writer(self) -> _SqliteSession:
        # A reader's pages are worth nothing after somebody else's commit; those of the only writer stay.
        return self._open(cache_kib=64 * 1024)

    def _open(self, cache_kib: int = 2 * 1024) -> _SqliteSession:
        try:
            return self._patiently(lambda: _SqliteSession(self._file, cache_kib=cache_kib))
        except sqlite3.Error as error:
            raise self._failure(error) from error
        except StoreError as error:
            raise StoreError(error.what, where=self.url, hint=error.hint) from None

    def _patiently(self, call: Callable[[], T]) -> T:
        """Tries until no other process is in the way.

        SQLite's own way of waiting sleeps longer and longer, up to .1 s, and starves where others write all the time.
        """
        end = time.monotonic() + self._busy_timeout_s
        while True:
            try:
                return call()
            except sqlite3.Error as error:
                if _code(error) not in _BUSY or time.monotonic() > end:
                    raise
            time.sleep(random.uniform(0.0002, 0.002))

    def ping(self) -> None:
        """Raises StoreError where the store cannot be read, or its file is not the one that was opened."""
        self._check_file()
        super().ping()

    def _check_file(self) -> None:
        """An open file stays usable after it was deleted, and what is written into it goes with the last process.

        Raises:
            StoreError: another file has its name, or none; what was just written is not acknowledged.
        """
        try:
            found = self._file.stat()
            if (found.st_dev, found.st_ino) == self._identity:
                return
        except FileNotFoundError:
            pass
        raise StoreError(
            "the file was deleted or replaced while it was open",
            where=self.url,
            hint="Put it back, or a backup of it, and start whatever uses it again",
        )

    def _tables(self, session: Session) -> set[str]:
        sql = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'"
        return {name for (name,) in session.rows(sql)}

    def _read(self, work: Callable[[Session], T]) -> T:
        session = self._sessions.take()
        try:
            return self._patiently(lambda: work(session))
        except sqlite3.Error as error:
            raise self._failure(error) from error
        except UnicodeEncodeError:
            raise QueryError("an id has half a surrogate pair, which is no text") from None
        finally:
            self._sessions.give(session)

    def _write(self, work: Callable[[Session], T]) -> T:
        session = self._writers.take()  # the only one: SQLite would let threads poll, and some wait for long
        usable = False
        try:
            self._patiently(lambda: session.run("BEGIN IMMEDIATE"))
            result = work(session)
            session.run("COMMIT")
            self._check_file()
            usable = True
        except sqlite3.Error as error:
            raise self._failure(error) from error
        except UnicodeEncodeError:
            raise QueryError("an id has half a surrogate pair, which is no text") from None
        finally:
            self._writers.give(session, broken=not (usable or session.roll_back()))
        return result

    def scrub(self) -> None:
        """Writes the file anew: deleted rows are overwritten, but copies may be left where pages were once split.

        Raises:
            StoreBusyError: somebody reads for too long; the rows are gone, the bytes go with the next erasure.
            StoreFullError: there is no room for it; the same holds.
        """
        session = self._writers.take()
        try:
            session.run("PRAGMA temp_store = FILE")  # what is left may be large
            self._patiently(lambda: session.run("VACUUM"))
            self._empty_the_log(session)
        except sqlite3.Error as error:
            if _code(error) == sqlite3.SQLITE_FULL:
                what = "the rows are erased, but there is no room to write the file anew, and bytes of them may be left"
                hint = "Make room for as much as the file has; a service tries again by itself"
                raise StoreFullError(what, where=self.url, hint=hint) from error
            raise self._failure(error) from error
        finally:
            self._writers.give(session, broken=True)

    def _empty_the_log(self, session: _SqliteSession) -> None:
        end = time.monotonic() + self._busy_timeout_s
        while session.rows("PRAGMA wal_checkpoint(TRUNCATE)")[0][0]:
            if time.monotonic() > end:
                raise StoreBusyError(
                    "the rows are erased, but somebody reads the old bytes", where=self.url, hint="Send it again"
                )
            time.sleep(0.01)

    def _failure(self, error: sqlite3.Error) -> StoreError:
        code = _code(error)
        if code in _BUSY:
            return StoreBusyError("another process is writing", where=self.url, hint="Try again")
        what, hint = _SAID.get(code, (f"SQLite says: {error}", None))
        kind = StoreFullError if code == sqlite3.SQLITE_FULL else StoreError
        return kind(what, where=self.url, hint=hint)


def _code(error: sqlite3.Error) -> int:
    """Primary result code; 0 where Python raised the error by itself."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF
