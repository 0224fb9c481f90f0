"""A store in PostgreSQL, for more than one machine. Needs ``pip install 'modaloom[postgres]'``."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import lru_cache
from typing import Any, TypeVar
from urllib.parse import quote

import psycopg
from psycopg import errors
from psycopg.conninfo import conninfo_to_dict
from psycopg.pq import TransactionStatus

from modaloom.errors import QueryError, StoreBusyError, StoreError, StoreFullError
from modaloom.storage.rows import Row
from modaloom.storage.sessions import Session, Sessions, checked_parameters
from modaloom.storage.shoppers import SqlStore
from modaloom.storage.sql import TABLES

T = TypeVar("T")
_AGAIN = (errors.SerializationFailure, errors.DeadlockDetected, errors.ForeignKeyViolation)
"""What two writers at once may do to each other; a foreign key breaks where one erases what the other adds to."""
_BUSY = (errors.LockNotAvailable, errors.QueryCanceled, errors.TooManyConnections, errors.CannotConnectNow)
_TRIES = 5
_MIGRATING = 0x6D6F6461  # "moda": the advisory lock of those who migrate
_DURABLE_SQL = """
SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'
"""


@lru_cache(maxsize=512)
def _translated(sql: str) -> bytes:
    return sql.replace("?", "%s").encode()


class _PostgresSession:
    keep = " ORDER BY user_id FOR KEY SHARE"
    erase = " FOR UPDATE"

    def __init__(self, conninfo: str, *, busy_timeout_s: float):
        self.used = False
        """Whether it was lent before, so that its server may have gone meanwhile."""
        self.connection = psycopg.connect(conninfo, autocommit=True, connect_timeout=10)
        try:
            if self.connection.info.parameter_status("server_encoding") != "UTF8":
                raise StoreError("the database is not in UTF-8", hint="Make one with ENCODING 'UTF8'")
            wait_ms = str(round(busy_timeout_s * 1_000))
            self.connection.execute("SELECT set_config('lock_timeout', %s, false)", (wait_ms,))
            self.connection.execute(_DURABLE_SQL)  # what was answered for survives a loss of power
        except BaseException:
            self.connection.close()
            raise

    def rows(self, sql: str, parameters: Sequence[object] = ()) -> list[Row]:
        return self.connection.execute(_translated(sql), checked_parameters(parameters)).fetchall()

    def run(self, sql: str, parameters: Sequence[object] = ()) -> int:
        return self.connection.execute(_translated(sql), checked_parameters(parameters)).rowcount

    def many(self, sql: str, rows: Sequence[Sequence[object]]) -> None:
        with self.connection.cursor() as cursor:
            cursor.executemany(_translated(sql), rows)  # in a pipeline: one journey, not one for each

    def script(self, sql: str) -> None:
        self.connection.execute(sql.encode())  # without parameters it may be several statements

    def roll_back(self) -> bool:
        """Whether the session can be used again."""
        with suppress(psycopg.Error):
            if self.connection.info.transaction_status != TransactionStatus.IDLE:
                self.connection.execute(b"ROLLBACK")
            return True
        return False

    def close(self) -> None:
        with suppress(psycopg.Error):
            self.connection.close()


class _ConflictError(Exception):
    """Another transaction was in the way; the same work may be done again."""


class PostgresStore(SqlStore):
    """A store in a PostgreSQL database, in the first schema of the connection's ``search_path``.

    Writers of items wait for each other, and so do writers of events: readers of changes and of pages then never
    miss one that commits late. A server that was restarted is found again by the next call.

    Raises:
        StoreError: there is no such server or database, or it does not let us in.
    """

    dialect = "postgres"
    listed = "LATERAL (SELECT one.value::bigint AS value FROM json_array_elements_text(s.items::json) one)"

    def __init__(self, url: str, *, connections: int = 16, busy_timeout_s: float = 10.0):
        super().__init__(busy_timeout_s=busy_timeout_s)
        self.url, self._password = _without_password(url)
        self._conninfo, self._busy_timeout_s = url, busy_timeout_s
        self._sessions = Sessions(self._open, url=self.url, limit=connections, timeout_s=busy_timeout_s)
        try:
            self._read(self._tables)  # shows now whether it can be read
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Gives back connections. May be called twice."""
        self._sessions.close()

    def _open(self) -> _PostgresSession:
        try:
            return _PostgresSession(self._conninfo, busy_timeout_s=self._busy_timeout_s)
        except psycopg.Error as error:
            raise self._failure(error) from None  # its own words might quote the URL
        except StoreError as error:
            raise StoreError(error.what, where=self.url, hint=error.hint) from None

    def _tables(self, session: Session) -> set[str]:
        sql = "SELECT tablename FROM pg_tables WHERE schemaname = current_schema()"
        return {name for (name,) in session.rows(sql)} & {*TABLES, "counter", "modaloom_migration"}

    def _read(self, work: Callable[[Session], T]) -> T:
        return self._again(lambda: self._run(work, transaction=False))

    def _write(self, work: Callable[[Session], T]) -> T:
        return self._again(lambda: self._run(work, transaction=True))

    def _migrate(self, session: Session) -> list[str]:
        session.rows("SELECT pg_advisory_xact_lock(?)", (_MIGRATING,))
        return super()._migrate(session)

    def _again(self, run: Callable[[], T]) -> T:
        """Runs until nobody is in the way, a few times."""
        for tries in range(1, _TRIES + 1):
            try:
                return run()
            except _ConflictError:
                time.sleep(0.01 * tries)
        raise StoreBusyError("others write the same at the same time", where=self.url, hint="Try again")

    def _run(self, work: Callable[[Session], T], *, transaction: bool) -> T:
        session = self._sessions.take()
        usable = committing = False
        try:
            if transaction:
                session.run("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE")
            result = work(session)
            if transaction:
                committing = True
                session.run("COMMIT")
            usable = True
        except psycopg.Error as error:
            if session.connection.closed and session.used and not committing:
                self._sessions.forget()  # the server was restarted; nothing has been done
                raise _ConflictError from error
            if isinstance(error, _AGAIN):
                raise _ConflictError from error
            raise self._failure(error) from None  # its own words might quote what a shopper wrote
        except UnicodeEncodeError:
            raise QueryError("an id has half a surrogate pair, which is no text") from None
        finally:
            session.used = True
            self._sessions.give(session, broken=not (usable or session.roll_back()))
        return result

    def _failure(self, error: psycopg.Error) -> StoreError | QueryError:
        said = error.diag.message_primary or (str(error).strip().splitlines() or [type(error).__name__])[0]
        if self._password:
            said = said.replace(self._password, "***")
        if isinstance(error, _BUSY):
            return StoreBusyError(f"the server is busy: {said}", where=self.url, hint="Try again")
        if isinstance(error, errors.DiskFull):
            return StoreFullError("the disk is full; nothing of this call was kept", where=self.url, hint="Make room")
        if isinstance(error, errors.NumericValueOutOfRange):
            return QueryError(f"a number is out of range: {said}")
        return StoreError(f"PostgreSQL says: {said}", where=self.url)


def _without_password(url: str) -> tuple[str, str | None]:
    """The URL as it may be shown, and the password.

    Raises:
        StoreError: libpq doesn't understand it. The message has nothing of the URL, which might be a password's part.
    """
    parts: dict[str, Any] | None
    try:
        parts = conninfo_to_dict(url)
        [int(port) for port in str(parts.get("port") or 5432).split(",")]
        if "@" in str(parts.get("host") or "").lstrip("@"):  # a password's end; sockets may start with one
            raise ValueError
    except (psycopg.Error, ValueError):
        raise StoreError(
            "the URL of the PostgreSQL store cannot be read",
            hint="Write postgresql://user:password@host:5432/database; in a password, @ is %40, / is %2F and : is %3A",
        ) from None
    user = f"{quote(str(parts['user']))}@" if parts.get("user") else ""
    host = quote(str(parts.get("host") or ""), safe=",:[]")
    port = f":{parts['port']}" if parts.get("port") else ""
    password = parts.get("password")
    shown = f"postgresql://{user}{host}{port}/{quote(str(parts.get('dbname') or ''))}"
    return shown, None if password is None else str(password)
