"""A store in SQL that SQLite and PostgreSQL both understand; what differs is how a session reads and writes.

A backend gives :class:`SqlTables` two things: ``_read`` and ``_write``, which run work on a :class:`Session`.
Work that writes may be run again after a conflict, so it must change nothing but the database.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Self, TypeVar

from modaloom.errors import StoreError
from modaloom.privacy import ANONYMOUS, PURPOSES, granted_sql, is_granted
from modaloom.storage.contract import EventRow, Ingested, ItemChange, Patched, ShopUser
from modaloom.storage.migrations import known_migrations, pending_migrations
from modaloom.storage.rows import (
    Row,
    check_interaction,
    checked_id,
    checked_time,
    interaction_of,
    interaction_row,
    item_of,
    item_text,
    one_of,
    patched_item,
    user_of,
    user_row,
)
from modaloom.storage.sessions import Session, Together
from modaloom.types import Event, Interaction, Item

T = TypeVar("T")
TABLES = ("item", "shopper", "interaction", "feedback", "wardrobe", "consent", "showing", "state")
_PAGE = 500
"""Ids asked for at once: more place-holders are slow to prepare."""
_MOST_EVENTS = 5_000
"""Events that share a commit: more would keep the first of them waiting."""
USER_COLUMNS = "u.user_id, u.language, u.personalise, u.attributes, u.taste, u.declared"
INTERACTION_COLUMNS = "u.user_id, i.item_id, a.event, a.timestamp, a.value, a.query, a.session_id, a.event_id"


def take_numbers(session: Session, counter: str, how_many: int) -> int:
    """Counts on; the number before. Until this transaction ends nobody else gets one of this counter."""
    sql = "UPDATE counter SET value = value + ? WHERE name = ? RETURNING value"
    return int(session.rows(sql, (how_many, counter))[0][0]) - how_many


def rows_in(session: Session, sql: str, ids: Sequence[object]) -> Iterator[Row]:
    """The rows of a SELECT that has ``{}`` where the ids go."""
    for start in range(0, len(ids), _PAGE):
        page = ids[start : start + _PAGE]
        yield from session.rows(sql.format(", ".join("?" * len(page))), page)


def user_nums(session: Session, user_ids: Iterable[str]) -> dict[str, int]:
    """Numbers of shoppers, made where there are none; they stay until this transaction ends."""
    return _nums(session, "shopper", "user", user_ids, session.keep)


def item_nums(session: Session, item_ids: Iterable[str | None]) -> dict[str, int]:
    """Numbers of items, made where there are none."""
    return _nums(session, "item", "item", (item_id for item_id in item_ids if item_id is not None))


def _nums(session: Session, table: str, noun: str, ids: Iterable[str], keep: str = "") -> dict[str, int]:
    missing, found = sorted(set(ids)), dict[str, int]()  # in order, so that two writers never wait for each other
    sql = f"SELECT {noun}_id, {noun}_num FROM {table} WHERE {noun}_id IN ({{}}){keep}"
    while True:
        found.update(rows_in(session, sql, missing))
        missing = [one for one in missing if one not in found]
        if not missing:
            return found
        insert = f"INSERT INTO {table} ({noun}_id) VALUES (?) ON CONFLICT ({noun}_id) DO NOTHING"
        session.many(insert, [(one,) for one in missing])


def page(limit: int) -> int:
    """A limit that every backend takes."""
    return min(max(limit, 0), 2**31)


class SqlTables:
    """The schema, the catalogue, users and events, on any backend that speaks SQL."""

    url: str
    dialect: str

    def __init__(self, *, busy_timeout_s: float):
        self._together = Together(self._ingest, most=_MOST_EVENTS, timeout_s=busy_timeout_s)
        self._item_nums: dict[str, int] = {}  # an item keeps its number for ever, so that it may be remembered

    def _read(self, work: Callable[[Session], T]) -> T:
        """Runs work that only reads."""
        raise NotImplementedError

    def _write(self, work: Callable[[Session], T]) -> T:
        """Runs work in a transaction, which is committed when this returns."""
        raise NotImplementedError

    def _tables(self, session: Session) -> set[str]:
        """Names of the tables in the way of a new schema, and of the one that remembers migrations."""
        raise NotImplementedError

    def close(self) -> None:
        """Gives back connections and files. May be called twice."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.url!r})"

    # ---- schema

    def migrate(self) -> list[str]:
        """Brings the schema up to date; the names of the migrations that were run."""
        if not self._pending(*self._read(self._schema)):
            return []
        return self._write(self._migrate)

    def _schema(self, session: Session) -> tuple[set[str], dict[str, str]]:
        tables = self._tables(session)
        if "modaloom_migration" not in tables:
            return tables, {}
        return tables, dict(session.rows("SELECT name, checksum FROM modaloom_migration"))

    def _pending(self, tables: set[str], done: dict[str, str]) -> list[Any]:
        if not done and (foreign := sorted(tables - {"modaloom_migration"})):
            raise StoreError(
                f"is a database of something else: it has a table {foreign[0]!r} that Modaloom did not make",
                where=self.url,
                hint="Give Modaloom a database of its own",
            )
        return pending_migrations(known_migrations(self.dialect), done, where=self.url)

    def _migrate(self, session: Session) -> list[str]:
        # What is done is read again here, within the transaction: another process may have been faster.
        session.run(
            "CREATE TABLE IF NOT EXISTS modaloom_migration"
            " (name TEXT PRIMARY KEY, checksum TEXT NOT NULL, run_at BIGINT NOT NULL)"
        )
        steps = self._pending(*self._schema(session))
        for step in steps:
            session.script(step.sql)
            row = (step.name, step.checksum, int(time.time()))
            session.run("INSERT INTO modaloom_migration (name, checksum, run_at) VALUES (?, ?, ?)", row)
        return [step.name for step in steps]

    def ping(self) -> None:
        """Raises StoreError where the store cannot be read."""
        self.catalogue_version()

    # ---- items

    def upsert_items(self, items: Sequence[Item]) -> int:
        """Adds items or replaces them whole; all or none. Gives the catalogue's version afterwards."""
        texts = {checked_id(item.item_id, "item_id"): item_text(item) for item in items}

        def work(session: Session) -> int:
            version = take_numbers(session, "catalogue", len(texts))
            rows = [(item_id, version + place, texts[item_id]) for place, item_id in enumerate(sorted(texts), start=1)]
            session.many(
                "INSERT INTO item (item_id, version, content) VALUES (?, ?, ?) ON CONFLICT (item_id)"
                " DO UPDATE SET version = excluded.version, content = excluded.content",
                rows,
            )
            return version + len(texts)

        return self._write(work)

    def patch_items(self, patches: Mapping[str, Mapping[str, Any]]) -> Patched:
        """Changes single fields of items, by id; read, changed and written in one transaction, all or none."""
        ids = [checked_id(item_id, "item_id") for item_id in patches]

        def work(session: Session) -> Patched:
            version = take_numbers(session, "catalogue", 0)  # nobody else may change items from here on
            sql = "SELECT item_id, content FROM item WHERE content IS NOT NULL AND item_id IN ({})"
            known: dict[str, str] = dict(rows_in(session, sql, ids))
            new = {one: item_text(patched_item(item_of(one, text), patches[one])) for one, text in known.items()}
            changed = sorted(item_id for item_id, text in new.items() if text != known[item_id])
            take_numbers(session, "catalogue", len(changed))
            rows = [(version + place, new[item_id], item_id) for place, item_id in enumerate(changed, start=1)]
            session.many("UPDATE item SET version = ?, content = ? WHERE item_id = ?", rows)
            unknown = tuple(item_id for item_id in ids if item_id not in known)
            return Patched(version + len(changed), len(changed), unknown)

        return self._write(work)

    def delete_items(self, item_ids: Sequence[str]) -> int:
        """Deletes items; how many there were. Events on them stay, and may be there before an item is."""

        def work(session: Session) -> int:
            take_numbers(session, "catalogue", 0)  # nobody else may change items from here on
            sql = "SELECT item_id FROM item WHERE content IS NOT NULL AND item_id IN ({})"
            there = sorted(row[0] for row in rows_in(session, sql, item_ids))
            version = take_numbers(session, "catalogue", len(there))
            rows = [(version + place, item_id) for place, item_id in enumerate(there, start=1)]
            session.many("UPDATE item SET version = ?, content = NULL WHERE item_id = ?", rows)
            return len(there)

        return self._write(work)

    def items(self, item_ids: Sequence[str]) -> dict[str, Item]:
        """Those of the items that exist, by id."""
        sql = "SELECT item_id, content FROM item WHERE content IS NOT NULL AND item_id IN ({})"
        return {row[0]: item_of(*row) for row in self._read(lambda session: list(rows_in(session, sql, item_ids)))}

    def catalogue_version(self) -> int:
        """Grows with every change of any item; 0 for a new store."""
        sql = "SELECT value FROM counter WHERE name = 'catalogue'"
        return int(self._read(lambda session: session.rows(sql))[0][0])

    def item_changes(self, after: int, *, limit: int = 1_000) -> list[ItemChange]:
        """The newest change of each item changed after a version, oldest first; the whole catalogue after 0.

        Whoever changes items holds the counter until the change is committed, so a version that can be read has no
        smaller one still to come.
        """
        # that the version is over 0 must be said, or SQLite doesn't use the index
        sql = "SELECT version, item_id, content FROM item WHERE version > 0 AND version > ? ORDER BY version LIMIT ?"
        if after <= 0:
            sql = sql.replace("ORDER", "AND content IS NOT NULL ORDER")
        rows = self._read(lambda session: session.rows(sql, (checked_time(max(after, 0), "version"), page(limit))))
        return [ItemChange(row[0], row[1], None if row[2] is None else item_of(row[1], row[2])) for row in rows]

    # ---- users

    def upsert_users(self, users: Sequence[ShopUser]) -> None:
        """Adds users or replaces what is known of them; their events stay."""
        rows = {user.user_id: user_row(user) for user in users}
        names = ("language", "personalise", "attributes", "taste", "declared")
        sql = (
            f"INSERT INTO shopper (user_id, {', '.join(names)}) VALUES (?, ?, ?, ?, ?, ?)"
            f" ON CONFLICT (user_id) DO UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in names)}"
        )
        self._write(lambda session: session.many(sql, [rows[user_id] for user_id in sorted(rows)]))

    def user(self, user_id: str) -> ShopUser | None:
        """A user; None if there is none."""
        sql = f"SELECT {USER_COLUMNS} FROM shopper u WHERE u.user_id = ?"
        rows = self._read(lambda session: session.rows(sql, (user_id,)))
        return user_of(rows[0]) if rows else None

    def user_ids(self, *, after: str = "", limit: int = 1_000) -> list[str]:
        """Ids in order, after one."""
        sql = "SELECT user_id FROM shopper WHERE user_id > ? ORDER BY user_id LIMIT ?"
        return [row[0] for row in self._read(lambda session: session.rows(sql, (after, page(limit))))]

    # ---- events

    def add_interactions(self, events: Sequence[Interaction]) -> Ingested:
        """Keeps events, all or none. Unknown users are made; an ``event_id`` that is known counts once.

        Threads that call this at the same time share a commit.
        """
        for event in events:
            check_interaction(event)
        return self._together.ask(events, len(events)) if events else Ingested(0, 0)

    def _ingest(self, batches: Sequence[Sequence[Interaction]]) -> list[Ingested]:
        return self._write(lambda session: [_added(session, batch) for batch in batches])

    def history(self, user_id: str, *, limit: int = 200) -> list[Interaction]:
        """The newest events of a user that have an item, oldest first; of equal times in the order they came."""
        sql = (
            f"SELECT {INTERACTION_COLUMNS} FROM shopper u JOIN interaction a ON a.user_num = u.user_num"
            " JOIN item i ON i.item_num = a.item_num WHERE u.user_id = ? ORDER BY a.timestamp DESC, a.num DESC LIMIT ?"
        )
        rows = self._read(lambda session: session.rows(sql, (user_id, page(limit))))
        return [interaction_of(row) for row in reversed(rows)]

    def interactions(
        self, after: int = 0, *, limit: int = 10_000, purpose: str | None
    ) -> list[tuple[int, Interaction]]:
        """Events in the order they came, with their numbers, after a number: pages for learning."""
        may, asked = permitted(purpose)
        sql = (
            f"SELECT a.num, {INTERACTION_COLUMNS} FROM interaction a JOIN shopper u ON u.user_num = a.user_num"
            f" LEFT JOIN item i ON i.item_num = a.item_num WHERE a.num > ? AND {may} ORDER BY a.num LIMIT ?"
        )
        rows = self._read(lambda session: session.rows(sql, (after, *asked, page(limit))))
        return [(row[0], interaction_of(row[1:])) for row in rows]

    def event_rows(self, after: int = 0, *, limit: int = 50_000, purpose: str | None) -> list[EventRow]:
        """The same events as bare rows with the store's own numbers for shoppers and items: fast, for counting."""
        may, asked = permitted(purpose)
        columns = "a.num, a.user_num, a.item_num, a.event, a.timestamp, a.query"
        sql = (
            f"SELECT {columns} FROM interaction a JOIN shopper u ON u.user_num = a.user_num"
            f" WHERE a.num > ? AND {may} ORDER BY a.num LIMIT ?"
        )
        rows: list[EventRow] = self._read(lambda session: session.rows(sql, (after, *asked, page(limit))))
        return rows

    def item_numbers(self) -> dict[str, int]:
        """The store's own number of every item that it ever heard of, by id."""
        return dict(self._read(lambda session: session.rows("SELECT item_id, item_num FROM item")))

    def user_rows(self, after: int = 0, *, limit: int = 10_000, purpose: str | None) -> list[tuple[int, ShopUser]]:
        """Shoppers with the store's own numbers, in the order of these, after a number."""
        may, asked = permitted(purpose)
        sql = (
            f"SELECT u.user_num, {USER_COLUMNS} FROM shopper u"
            f" WHERE u.user_num > ? AND {may} ORDER BY u.user_num LIMIT ?"
        )
        rows = self._read(lambda session: session.rows(sql, (after, *asked, page(limit))))
        return [(row[0], user_of(row[1:])) for row in rows]

    def granted(self, user_id: str) -> dict[str, bool]:
        """What one shopper's data may be used for, by purpose; of somebody unknown, what holds for everybody."""
        known, words = self.user(user_id), dict[str, bool]()
        sql = (
            "SELECT c.purpose, c.granted FROM shopper u JOIN consent c ON c.user_num = u.user_num"
            " WHERE u.user_id = ? ORDER BY c.timestamp, c.num"
        )
        for purpose, granted in self._read(lambda session: session.rows(sql, (user_id,))):
            words[purpose] = bool(granted)
        user = known or ShopUser(user_id)
        return {
            purpose: is_granted(purpose, words.get(purpose), personalise=user.personalise, declared=user.declared)
            for purpose in PURPOSES
        }

    def shopper_counts(self, since: int, events: Sequence[Event], *, purpose: str | None) -> dict[str, int]:
        """How many shoppers had one of these events with each item from a time on; anonymous ones do not count."""
        if not events:
            return {}
        may, asked = permitted(purpose)
        kinds = ", ".join(str(int(event)) for event in sorted(set(events)))
        sql = (
            "SELECT i.item_id, n.shoppers FROM (SELECT p.item_num, COUNT(*) AS shoppers FROM"
            " (SELECT DISTINCT user_num, item_num FROM interaction"
            f" WHERE event IN ({kinds}) AND timestamp >= ? AND item_num IS NOT NULL) p"
            f" JOIN shopper u ON u.user_num = p.user_num WHERE substr(u.user_id, 1, {len(ANONYMOUS)}) <> ? AND {may}"
            " GROUP BY p.item_num) n JOIN item i ON i.item_num = n.item_num"
        )
        return dict(self._read(lambda session: session.rows(sql, (checked_time(since), ANONYMOUS, *asked))))


def permitted(purpose: str | None) -> tuple[str, tuple[str, ...]]:
    """The condition on a shopper ``u`` whose data may be used for a purpose, and its parameters.

    Raises:
        QueryError: there is no such purpose.
    """
    return ("1 = 1", ()) if purpose is None else granted_sql(one_of(purpose, PURPOSES, "purpose"))


def _added(session: Session, events: Sequence[Interaction]) -> Ingested:
    number = take_numbers(session, "interaction", len(events))  # from here on nobody else may add events
    sql = "SELECT event_id FROM interaction WHERE event_id IN ({})"
    known = {row[0] for row in rows_in(session, sql, [one.event_id for one in events if one.event_id is not None])}
    new = []
    for event in events:
        if event.event_id is None:
            new.append(event)
        elif event.event_id not in known:
            new.append(event)
            known.add(event.event_id)
    users = user_nums(session, (event.user_id for event in new))
    items = item_nums(session, (event.item_id for event in new))
    rows = [
        (number + place, *interaction_row(event, users[event.user_id], items.get(event.item_id or "")))
        for place, event in enumerate(new, start=1)
    ]
    names = "num, user_num, item_num, event, timestamp, value, query, session_id, event_id"
    session.many(f"INSERT INTO interaction ({names}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
    return Ingested(len(new), len(events) - len(new))
