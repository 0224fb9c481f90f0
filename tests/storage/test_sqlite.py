"""The store in one file: the suite, and what only a file can do."""

from __future__ import annotations

import os
import random
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from modaloom.errors import StoreBusyError, StoreError, StoreFullError
from modaloom.storage.open import open_store
from modaloom.storage.sqlite import SqliteStore
from modaloom.testing.kills import kill_round
from modaloom.testing.store_catalogue import view
from modaloom.testing.stores import StoreSuite, fill
from modaloom.types import Event, Interaction

DISK_FULL = """
import resource, sys
from modaloom.errors import StoreError
from modaloom.storage.open import open_store
from modaloom.types import Event, Interaction

def batch(number):
    return [Interaction(f"u{number}-{one}", "i", Event.VIEW, 1, event_id=f"{number}-{one}") for one in range(200)]

store, number = open_store(sys.argv[1]), 0
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, resource.RLIM_INFINITY))
try:
    while number < 200:
        store.add_interactions(batch(number))
        number += 1
except StoreError as error:
    print(error)
print(number, store.counts()["interaction"])
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
print(store.add_interactions(batch(number)).added)
"""


class TestSqlite(StoreSuite):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.folder, self.numbers = tmp_path, count()

    def new_url(self) -> str:
        return f"sqlite:///{self.folder}/{next(self.numbers)}.db"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "shop.db"


@pytest.fixture
def store(file: Path) -> Iterator[SqliteStore]:
    with SqliteStore(file, busy_timeout_s=0.05) as made:
        made.migrate()
        yield made


def bytes_in(folder: Path) -> bytes:
    return b"".join(one.read_bytes() for one in sorted(folder.iterdir()))


def test_no_byte_of_an_erased_shopper_is_left(tmp_path: Path) -> None:
    """Not even copies that SQLite leaves behind in a page that it once split."""
    source = random.Random(3)
    ids = [f"U{source.getrandbits(200):x}"[: source.randrange(14, 40)] for _ in range(2_500)]
    with open_store(f"sqlite:///{tmp_path}/shop.db") as store:
        for start in range(0, len(ids), 50):
            some = ids[start : start + 50]
            events = [Interaction(one, None, Event.SEARCH, 1, query=f"{one} asks", event_id=f"{one}-1") for one in some]
            store.add_interactions([*events, *(view(one, "a", 2, f"{one}-2") for one in some)])
        fill(store, "shopper-to-stay")
        fill(store, "shopper-to-go")
    content = bytes_in(tmp_path)
    copies = {one: content.count(one.encode()) for one in ids}
    usual = sorted(copies.values())[len(ids) // 2]
    gone = [*(one for one in ids if copies[one] > usual), "shopper-to-go"]
    assert len(gone) > 1, "no page was split: this test shows nothing"
    with open_store(f"sqlite:///{tmp_path}/shop.db") as store:
        for one in gone:
            assert store.erase_user(one)["shopper"] == 1
        content = bytes_in(tmp_path)
        assert [one for one in gone if one.encode() in content] == []
        assert b"shopper-to-stay" in content


def test_erasing_waits_for_a_reader(store: SqliteStore, file: Path) -> None:
    """The bytes are still in the log that it reads; sent again later, they go."""
    fill(store, "shopper-to-go")
    reader = sqlite3.connect(file, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM shopper").fetchall()
    with pytest.raises(StoreBusyError, match="erased"):
        store.erase_user("shopper-to-go")
    assert store.user("shopper-to-go") is None
    reader.close()
    store.erase_user("shopper-to-go")
    assert b"shopper-to-go" not in bytes_in(file.parent)


def test_a_file_that_was_deleted_or_replaced_is_noticed(store: SqliteStore, file: Path, tmp_path: Path) -> None:
    """What is written into it goes with the last process, so it is not acknowledged; no empty one takes its place."""
    store.add_interactions([view("u", "a")])
    file.rename(tmp_path / "moved.db")
    for call in (lambda: store.add_interactions([view("u", "b")]), store.ping):
        with pytest.raises(StoreError, match="deleted or replaced while it was open"):
            call()
    assert not file.exists()
    with sqlite3.connect(file) as other:
        other.execute("CREATE TABLE a (b)")
    other.close()
    with pytest.raises(StoreError, match="deleted or replaced"):
        store.set_state("a", "b")
    (tmp_path / "moved.db").replace(file)
    assert store.add_interactions([view("u", "c")]).added == 1, "put back, it goes on"


def test_no_room_to_overwrite_is_told_as_what_it_is(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(session: object) -> None:
        error = sqlite3.OperationalError("database or disk is full")
        error.sqlite_errorcode = sqlite3.SQLITE_FULL
        raise error

    fill(store, "shopper-to-go")
    monkeypatch.setattr(store, "_empty_the_log", full)
    with pytest.raises(StoreFullError, match="the rows are erased, but there is no room"):
        store.erase_user("shopper-to-go")
    assert store.user("shopper-to-go") is None


def test_kills_lose_nothing(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/shop.db"
    kills = [kill_round(url, f"r{number}", seed=number, longest_s=0.05) for number in range(15)]
    assert [fault for kill in kills for fault in kill.faults] == []
    assert all(kill.acknowledged for kill in kills)


def test_a_lost_event_would_be_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from modaloom.testing import kills

    def lose(url: str, name: str) -> tuple[str, ...]:
        with open_store(url) as store:
            store.add_interactions([*kills.batch_of(name, 0), *kills.batch_of(name, 1)[1:]])
            return kills._verdict(store, 0, {name: 2}).faults

    lost, again = lose(f"sqlite:///{tmp_path}/a.db", "a"), "1 acknowledged events of batch a-1 are lost"
    assert lost == (again,)


def test_a_full_disk_loses_nothing(store: SqliteStore) -> None:
    store.add_interactions([view("u", "a", 1, "before")])
    session = store._writers.take()
    pages = session.rows("PRAGMA page_count")[0][0]
    session.rows(f"PRAGMA max_page_count = {pages + 2}")
    store._writers.give(session)
    with pytest.raises(StoreError, match="full"):
        store.add_interactions([view(f"u{one}", f"i{one}", 1, f"e{one}") for one in range(2_000)])
    assert store.history("u") == [view("u", "a", 1, "before")]
    assert store.counts()["shopper"] == 1
    session = store._writers.take()
    session.rows("PRAGMA max_page_count = 100000")
    store._writers.give(session)
    assert store.add_interactions([view(f"u{one}", "i", 1, f"e{one}") for one in range(2_000)]).added == 2_000


@pytest.mark.skipif(sys.platform == "win32", reason="needs setrlimit")
def test_a_disk_that_refuses_to_write_loses_nothing(file: Path) -> None:
    done = subprocess.run([sys.executable, "-c", DISK_FULL, f"sqlite:///{file}"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    said, numbers, added = done.stdout.splitlines()
    assert "disk" in said
    number, kept = map(int, numbers.split())
    assert number > 0
    assert (kept, added) == (number * 200, "200")
    with open_store(f"sqlite:///{file}") as store:
        assert store.counts()["interaction"] == kept + 200


def test_a_lock_that_is_held_is_busy(store: SqliteStore, file: Path) -> None:
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreBusyError):
        store.set_state("a", "b")
    assert store.state("a") is None, "readers don't wait"
    other.close()
    store.set_state("a", "b")
    assert store.state("a") == "b"


def test_a_commit_waits_for_the_disk(store: SqliteStore) -> None:
    session = store._writers.take()
    settings = {name: session.rows(f"PRAGMA {name}")[0][0] for name in ("journal_mode", "synchronous", "secure_delete")}
    store._writers.give(session)
    assert settings == {"journal_mode": "wal", "synchronous": 2, "secure_delete": 1}


@pytest.mark.skipif(os.name != "posix", reason="other systems have other permissions")
def test_only_its_owner_reads_a_new_store(tmp_path: Path) -> None:
    with open_store(f"sqlite:///{tmp_path}/own.db") as store:
        store.set_state("a", "b")
        modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in tmp_path.glob("own.db*")}
        assert set(modes.values()) == {0o600}
        assert {"own.db", "own.db-wal"} <= modes.keys()


def test_what_is_asked_often_reads_an_index(store: SqliteStore) -> None:
    asked: list[str] = []
    session = store._sessions.take()
    session._connection.set_trace_callback(asked.append)
    store._sessions.give(session)
    store.history("u")
    store.item_changes(5)
    store.interactions(5, purpose=None)
    store.shopper_counts(5, [Event.VIEW], purpose=None)
    assert len(asked) == 4
    session._connection.set_trace_callback(None)
    for sql in asked:
        plan = " / ".join(row[3] for row in session.rows(f"EXPLAIN QUERY PLAN {sql}"))
        # p are pairs of shopper and item, n their counts: results of what was read by the index
        assert "SCAN" not in plan.replace("SCAN p", "").replace("SCAN n", ""), plan
        assert "USE TEMP B-TREE FOR ORDER" not in plan, plan


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    text, other, folder = tmp_path / "text.db", tmp_path / "other.db", tmp_path / "folder.db"
    text.write_text("This is no database, but a letter. " * 50)
    with sqlite3.connect(other) as connection:
        connection.execute("CREATE TABLE song (title)")
    connection.close()
    folder.mkdir()
    for path, words in ((text, "is no SQLite database"), (other, "something else"), (folder, "cannot be opened")):
        with pytest.raises(StoreError, match=words) as caught:
            open_store(f"sqlite:///{path}")
        assert str(path) in str(caught.value)
    assert text.read_text().startswith("This is no database")
    with pytest.raises(StoreError, match="does not exist"):
        open_store(f"sqlite:///{tmp_path}/missing/shop.db")


def test_a_damaged_file_is_refused(file: Path) -> None:
    with open_store(f"sqlite:///{file}") as store:
        store.add_interactions([view(f"u{one}", f"i{one}") for one in range(2_000)])
    content = file.read_bytes()
    file.write_bytes(content[:8_192] + b"\xff" * (len(content) - 8_192))

    def read() -> None:
        with open_store(f"sqlite:///{file}") as store:
            store.history("u1")
            store.counts()

    with pytest.raises(StoreError):
        read()
