"""The store in PostgreSQL: the suite on a real server, and what only a server can do."""

from __future__ import annotations

import os
import traceback
from collections.abc import Iterator

import pytest

from modaloom.errors import StoreBusyError, StoreError
from modaloom.storage.contract import Ingested
from modaloom.storage.open import open_store
from modaloom.testing.kills import kill_round
from modaloom.testing.postgres import LocalPostgres
from modaloom.testing.store_catalogue import at_once, view
from modaloom.testing.stores import StoreSuite
from modaloom.types import Event, Interaction

REQUIRED = bool(os.environ.get("CI") or os.environ.get("MODALOOM_REQUIRE_POSTGRES"))
if REQUIRED:
    import psycopg
else:
    psycopg = pytest.importorskip("psycopg", reason="needs pip install 'modaloom[postgres]'")

from modaloom.storage.postgres import PostgresStore  # noqa: E402
from tests.storage.test_migrations import check_lists_are_taken_over  # noqa: E402


@pytest.fixture(scope="module")
def server() -> Iterator[LocalPostgres]:
    try:
        made = LocalPostgres()
    except StoreError as error:
        if REQUIRED:
            raise
        pytest.skip(str(error))
    with made:
        yield made


class TestPostgres(StoreSuite):
    @pytest.fixture(autouse=True)
    def _server(self, server: LocalPostgres) -> None:
        self.server = server

    def new_url(self) -> str:
        return self.server.new_url()


def test_lists_of_the_first_schema_are_taken_over(server: LocalPostgres, monkeypatch: pytest.MonkeyPatch) -> None:
    check_lists_are_taken_over(server.new_url(), monkeypatch)


def test_kills_lose_nothing(server: LocalPostgres) -> None:
    url = server.new_url()
    kills = [kill_round(url, f"r{number}", seed=number, longest_s=0.05) for number in range(8)]
    assert [fault for kill in kills for fault in kill.faults] == []
    assert all(kill.acknowledged for kill in kills)


def test_a_restarted_server_is_found_again() -> None:
    with LocalPostgres() as server, PostgresStore(server.new_url(), busy_timeout_s=1) as store:
        store.migrate()
        assert store.add_interactions([view("u", "a", 1, "e")]) == Ingested(1, 0)
        server.stop()
        for call in (store.ping, lambda: store.add_interactions([view("u", "a", 1, "f")])):
            with pytest.raises(StoreError):
                call()
        server.start()
        assert store.history("u") == [view("u", "a", 1, "e")]
        server.stop(mode="immediate")
        server.start()
        assert store.add_interactions([view("u", "a", 1, "e"), view("u", "b", 2, "f")]) == Ingested(1, 1)


def test_connections_are_few(server: LocalPostgres) -> None:
    with PostgresStore(server.new_url(), connections=3) as store:
        store.migrate()
        at_once(*[lambda: [store.ping() for _ in range(20)] and None] * 12)  # type: ignore[list-item,func-returns-value]
        assert len(store._sessions._idle) <= 3


def test_a_lock_that_is_held_is_busy(server: LocalPostgres) -> None:
    url = server.new_url()
    with PostgresStore(url, busy_timeout_s=0.1) as store, psycopg.connect(url) as other:
        store.migrate()
        other.execute("SELECT * FROM counter FOR UPDATE")
        with pytest.raises(StoreBusyError):
            store.add_interactions([view("u", "a")])
        assert store.history("u") == []
        other.rollback()
        assert store.add_interactions([view("u", "a")]) == Ingested(1, 0)


def test_a_commit_waits_for_the_disk(server: LocalPostgres) -> None:
    url = server.new_url().replace("options=", "options=-csynchronous_commit%3Doff%20")
    with PostgresStore(url) as store:
        session = store._sessions.take()
        assert session.rows("SHOW synchronous_commit") == [("on",)]
        store._sessions.give(session)


def test_what_a_shopper_wrote_is_in_no_error(server: LocalPostgres) -> None:
    with PostgresStore(server.new_url()) as store:
        store.migrate()
        session = store._sessions.take()
        session.run("ALTER TABLE interaction ADD CHECK (query <> 'my secret')")
        store._sessions.give(session)
        with pytest.raises(StoreError) as caught:
            store.add_interactions([Interaction("u", None, Event.SEARCH, 1, query="my secret")])
        assert "my secret" not in "".join(traceback.format_exception(caught.value)).replace('query="my secret"', "")
        assert store.user_ids() == []


def test_a_database_that_does_not_fit_is_refused(server: LocalPostgres) -> None:
    with psycopg.connect(server.url(), autocommit=True) as connection:
        connection.execute("CREATE DATABASE old ENCODING 'SQL_ASCII' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'")
    with pytest.raises(StoreError, match="UTF-8"):
        open_store(server.url().replace("/postgres?", "/old?"))
    with pytest.raises(StoreError, match="no schema"):
        open_store(server.url("missing"))
    with pytest.raises(StoreError, match="does not exist"):
        open_store(server.url().replace("/postgres?", "/missing?"))
    url = server.new_url()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TABLE item (a int)")
    with pytest.raises(StoreError, match="something else"):
        open_store(url)


def test_the_suite_s_server_is_the_packaged_one(server: LocalPostgres) -> None:
    """It is told by an extension that comes with it, and that the system's own may lack."""
    with psycopg.connect(server.url()) as connection:
        names = connection.execute("SELECT name FROM pg_available_extensions").fetchall()
    assert ("vector",) in names
