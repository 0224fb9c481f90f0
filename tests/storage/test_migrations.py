"""Which steps of the schema there are, and what is said of a store that does not fit."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from modaloom.errors import StoreError
from modaloom.storage import sql
from modaloom.storage.migrations import known_migrations, pending_migrations
from modaloom.storage.open import open_store

WRITTEN = {
    "sqlite": {
        "0001_start": "42e8fdd496cb9479399778c1c7c6a66e776f61b29d2a034c627e40cca72adf82",
        "0002_lists": "26732501d1d971d5be760edb453b1e642c146b50cf9b2bb4f2b5495f02413ba1",
        "0003_declared": "ff9dbfcd95df2f4fcd2ef7b1be64d7df762227c427275b5938105798eff9a864",
    },
    "postgres": {
        "0001_start": "5745225e607638c0084a1e8710c8da72500e18531ad13eb0d3518cf8eaf7ea2b",
        "0002_lists": "215208ae866d19b5c234e2933e9511a2f5cb42f71104392ab17fd0ac78b48482",
        "0003_declared": "3c00f224fbf0f8488d62edf7e7c09a137ed574e764fed5ebc9f87852aae27da2",
    },
}
"""What was released must not change: somebody's store has it. A change of the schema is a new file and a new line."""


OLD_LISTS = (
    "INSERT INTO shopper (user_id) VALUES ('u')",
    "INSERT INTO item (item_id) VALUES ('a'), ('b'), ('c')",
    "INSERT INTO showing (showing_num, user_num, request_id, place, bundle, timestamp)"
    " SELECT n, user_num, 'r' || n, 'home', 'old', n FROM shopper,"
    " (SELECT 1 AS n UNION ALL SELECT 2 UNION ALL SELECT 3) numbers",
    "INSERT INTO exposure (showing_num, position, item_num, rank, explored)"
    " SELECT s.n, s.position, i.item_num, s.rank, s.explored FROM item i JOIN ("
    " SELECT 1 AS n, 0 AS position, 'b' AS item_id, 0 AS rank, 0 AS explored"
    " UNION ALL SELECT 1, 1, 'a', 1, 1 UNION ALL SELECT 1, 2, 'c', 2, 0"
    " UNION ALL SELECT 2, 3, 'c', 5, 0 UNION ALL SELECT 2, 7, 'a', 9, 1) s ON s.item_id = i.item_id",
)
"""What the first schema kept of three lists, one of them empty and one with gaps."""


def check_lists_are_taken_over(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store of the first schema, brought up to date, tells of the lists that it was told of."""
    with monkeypatch.context() as past:
        past.setattr(sql, "known_migrations", lambda dialect: known_migrations(dialect)[:1])
        with open_store(url) as store:
            for statement in OLD_LISTS:
                store._write(lambda session, statement=statement: session.run(statement))  # type: ignore[attr-defined]
    with open_store(url) as store:
        told = [(one.request_id, one.item_id, one.rank, one.explored) for one in store.exposures("u")]
        assert told == [
            ("r2", "c", 5, False),
            ("r2", "a", 9, True),
            ("r1", "b", 0, False),
            ("r1", "a", 1, True),
            ("r1", "c", 2, False),
        ]
        assert [(one.shown, one.acted_on) for one in store.outcomes(0, purpose=None)] == [(3, 0)]
        assert store.counts()["showing"] == 3


def test_lists_of_the_first_schema_are_taken_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check_lists_are_taken_over(f"sqlite:///{tmp_path}/shop.db", monkeypatch)


def test_shoppers_of_the_shops_files_are_declared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"sqlite:///{tmp_path}/shop.db"
    with monkeypatch.context() as past:
        past.setattr(sql, "known_migrations", lambda dialect: known_migrations(dialect)[:2])
        with open_store(url) as store:
            for statement in (
                "INSERT INTO shopper (user_num, user_id) VALUES (1, 'u'), (2, 'v'), (3, 'anon-w'), (4, 'x')",
                "INSERT INTO interaction (num, user_num, event, timestamp, event_id)"
                " VALUES (1, 1, 0, 1, 'shop-ab/0'), (2, 2, 0, 1, 'page-1'), (3, 3, 0, 1, 'shop-ab/1'),"
                " (4, 4, 0, 1, NULL)",
                "INSERT INTO state (name, value) VALUES ('seeded', 'shop-ab')",
            ):
                store._write(lambda session, statement=statement: session.run(statement))  # type: ignore[attr-defined]
    with open_store(url) as store:
        assert [user.user_id for _, user in store.user_rows(purpose="research")] == ["u"]


@pytest.mark.parametrize("dialect", sorted(WRITTEN))
def test_migrations_are_only_added_to(dialect: str) -> None:
    assert {step.name: step.checksum for step in known_migrations(dialect)} == WRITTEN[dialect]


def test_both_dialects_take_the_same_steps() -> None:
    assert [step.name for step in known_migrations("sqlite")] == [step.name for step in known_migrations("postgres")]


def test_the_ends_of_lines_do_not_matter(tmp_path: Path) -> None:
    for name, text in (("unix", b"CREATE TABLE a (b);\n\n"), ("dos", b"CREATE TABLE a (b);\r\n\r\n")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "0001_a.sql").write_bytes(text)
    assert known_migrations("unix", tmp_path) == known_migrations("dos", tmp_path)


def test_what_is_still_to_run(tmp_path: Path) -> None:
    (tmp_path / "sqlite").mkdir()
    for name in ("0002_b", "0001_a", "0010_c"):
        (tmp_path / "sqlite" / f"{name}.sql").write_text(f"-- {name}")
    known = known_migrations("sqlite", tmp_path)
    assert [step.name for step in known] == ["0001_a", "0002_b", "0010_c"]
    done = {step.name: step.checksum for step in known[:2]}
    assert pending_migrations(known, done, where="here") == known[2:]
    with pytest.raises(StoreError, match=r"here: .*newer Modaloom.*0011_d"):
        pending_migrations(known, {**done, "0011_d": "x"}, where="here")
    with pytest.raises(StoreError, match="0002_b has changed"):
        pending_migrations(known, {**done, "0002_b": "x"}, where="here")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("UPDATE modaloom_migration SET checksum = 'x'", "has changed since"),
        ("INSERT INTO modaloom_migration VALUES ('9999_future', 'x', 0)", "newer Modaloom"),
    ],
)
def test_a_store_that_does_not_fit_is_left_alone(change: str, words: str, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/shop.db"
    open_store(url).close()
    with sqlite3.connect(tmp_path / "shop.db") as connection:
        connection.execute(change)
    connection.close()
    with pytest.raises(StoreError, match=words):
        open_store(url)


def test_a_migration_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from modaloom.storage import migrations

    folder = tmp_path / "steps"
    (folder / "sqlite").mkdir(parents=True)
    (folder / "sqlite" / "0001_a.sql").write_text("CREATE TABLE a (b);\n-- ; a comment\nCREATE TABLE a (b);\n")
    monkeypatch.setattr(sql, "known_migrations", lambda dialect: migrations.known_migrations(dialect, folder))
    with pytest.raises(StoreError, match="already exists"):
        open_store(f"sqlite:///{tmp_path}/shop.db")
    with sqlite3.connect(tmp_path / "shop.db") as connection:
        assert connection.execute("SELECT * FROM sqlite_schema").fetchall() == []
    connection.close()
