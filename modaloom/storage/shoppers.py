"""What shoppers say, have, allow and were shown, in the SQL of :mod:`modaloom.storage.sql`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from itertools import groupby
from typing import Any

from modaloom.storage.contract import KEPT_KINDS, Consent, Exposure, Feedback, Known, Outcome, Showing, WardrobeEntry
from modaloom.storage.rows import (
    Row,
    check_consent,
    check_exposure,
    check_feedback,
    check_showing,
    checked_id,
    checked_text,
    checked_time,
    exposures_of,
    interaction_of,
    json_or_none,
    one_of,
    user_of,
    wardrobe_of,
    wardrobe_row,
)
from modaloom.storage.sessions import Session
from modaloom.storage.sql import (
    INTERACTION_COLUMNS,
    TABLES,
    USER_COLUMNS,
    SqlTables,
    item_nums,
    page,
    permitted,
    rows_in,
    take_numbers,
    user_nums,
)
from modaloom.types import DAY_S, Event

_OPPOSITE = {"like": "dislike", "dislike": "like"}
_OF_A_SHOPPER = ("interaction", "feedback", "wardrobe", "consent", "showing", "shopper")
_TOGETHER = 10_000
"""Rows that are deleted in one transaction."""
_MOST_NUMBERS = 500_000
"""Numbers of items that are remembered between writes: some 100 bytes each."""
_ACTED_ON = f"({Event.VIEW:d}, {Event.CART:d}, {Event.PURCHASE:d})"
_OUTCOMES = f"""
SELECT shown.bundle, u.user_id, COUNT(*), SUM(shown.acted_on) FROM (
    SELECT s.bundle, s.user_num, e.value AS item_num, MAX(CASE WHEN EXISTS (
        SELECT 1 FROM interaction a WHERE a.user_num = s.user_num AND a.item_num = e.value
        AND a.event IN {_ACTED_ON} AND a.timestamp >= s.timestamp AND a.timestamp <= s.timestamp + ?
    ) THEN 1 ELSE 0 END) AS acted_on
    FROM showing s CROSS JOIN {{listed}} e
    WHERE s.timestamp >= ? {{place}}
    GROUP BY s.bundle, s.user_num, e.value
) shown JOIN shopper u ON u.user_num = shown.user_num WHERE {{may}}
GROUP BY shown.bundle, u.user_id ORDER BY shown.bundle, u.user_id
"""


class SqlStore(SqlTables):
    """The whole contract :class:`~modaloom.storage.contract.Store`, on any backend that speaks SQL."""

    listed: str
    """How a list's items are read as rows of a column ``value``."""

    def set_feedback(self, feedback: Feedback) -> None:
        """Keeps what a shopper said of an item; saying it again renews it, and the newer one of opposites holds."""
        check_feedback(feedback)

        def work(session: Session) -> None:
            user_num, item_num = _nums_of(session, feedback.user_id, feedback.item_id)
            kinds = (feedback.kind, _OPPOSITE.get(feedback.kind, feedback.kind))
            key = (user_num, item_num, *kinds)
            found = session.rows(
                "SELECT MAX(timestamp) FROM feedback WHERE user_num = ? AND item_num = ? AND kind IN (?, ?)", key
            )
            if found[0][0] is not None and found[0][0] > feedback.timestamp:
                return  # a late message from before what is kept
            session.run("DELETE FROM feedback WHERE user_num = ? AND item_num = ? AND kind IN (?, ?)", key)
            session.run(
                "INSERT INTO feedback (user_num, item_num, kind, timestamp) VALUES (?, ?, ?, ?)",
                (user_num, item_num, feedback.kind, feedback.timestamp),
            )

        self._write(work)

    def remove_feedback(self, user_id: str, item_id: str, kind: str) -> bool:
        """Takes it back; whether there was any."""
        sql = (
            "DELETE FROM feedback WHERE user_num = (SELECT user_num FROM shopper WHERE user_id = ?)"
            " AND item_num = (SELECT item_num FROM item WHERE item_id = ?) AND kind = ?"
        )
        return self._write(lambda session: session.run(sql, (user_id, item_id, kind))) > 0

    def feedback(self, user_id: str) -> list[Feedback]:
        """Everything a shopper said, oldest first."""
        sql = (
            "SELECT i.item_id, f.kind, f.timestamp FROM shopper u JOIN feedback f ON f.user_num = u.user_num"
            " JOIN item i ON i.item_num = f.item_num WHERE u.user_id = ? ORDER BY f.timestamp, f.num"
        )
        return [Feedback(user_id, *row) for row in self._read(lambda session: session.rows(sql, (user_id,)))]

    def known_of(self, user_id: str, *, limit: int = 200) -> Known:
        """What a list for a shopper needs, in one go: the user, the history and the feedback."""
        return self._read(lambda session: _known_of(session, user_id, page(limit)))

    def add_to_wardrobe(self, entry: WardrobeEntry) -> None:
        """Keeps a garment; the same ``entry_id`` replaces it, the same shop item is there once."""
        checked_time(entry.timestamp)
        for text, what in ((entry.user_id, "user_id"), (entry.item_id, "item_id")):
            if text is not None:
                checked_id(text, what)
        wardrobe_row(entry, 0, None)

        def work(session: Session) -> None:
            user_num, item_num = _nums_of(session, entry.user_id, entry.item_id)
            session.run(
                "DELETE FROM wardrobe WHERE user_num = ? AND (entry_id = ? OR item_num = ?)",
                (user_num, entry.entry_id, item_num),
            )
            session.run(
                "INSERT INTO wardrobe (user_num, entry_id, item_num, title, attributes, photo, timestamp)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                wardrobe_row(entry, user_num, item_num),
            )

        self._write(work)

    def remove_from_wardrobe(self, user_id: str, entry_id: str) -> bool:
        """Removes a garment; whether it was there."""
        sql = "DELETE FROM wardrobe WHERE user_num = (SELECT user_num FROM shopper WHERE user_id = ?) AND entry_id = ?"
        return self._write(lambda session: session.run(sql, (user_id, entry_id))) > 0

    def wardrobe(self, user_id: str) -> list[WardrobeEntry]:
        """A shopper's garments, oldest first."""
        sql = (
            "SELECT w.entry_id, i.item_id, w.title, w.attributes, w.photo, w.timestamp"
            " FROM shopper u JOIN wardrobe w ON w.user_num = u.user_num LEFT JOIN item i ON i.item_num = w.item_num"
            " WHERE u.user_id = ? ORDER BY w.timestamp, w.num"
        )
        return [wardrobe_of(user_id, row) for row in self._read(lambda session: session.rows(sql, (user_id,)))]

    def add_consent(self, consent: Consent) -> None:
        """Keeps a shopper's word."""
        check_consent(consent)

        def work(session: Session) -> None:
            user_num, _ = _nums_of(session, consent.user_id, None)
            session.run(
                "INSERT INTO consent (user_num, purpose, granted, timestamp) VALUES (?, ?, ?, ?)",
                (user_num, consent.purpose, int(consent.granted), consent.timestamp),
            )

        self._write(work)

    def consents(self, user_id: str) -> list[Consent]:
        """Everything a shopper ever said about consent, oldest first."""
        sql = (
            "SELECT c.purpose, c.granted, c.timestamp FROM shopper u JOIN consent c ON c.user_num = u.user_num"
            " WHERE u.user_id = ? ORDER BY c.timestamp, c.num"
        )
        rows = self._read(lambda session: session.rows(sql, (user_id,)))
        return [Consent(user_id, purpose, bool(granted), timestamp) for purpose, granted, timestamp in rows]

    def add_showings(self, showings: Sequence[Showing]) -> None:
        """Keeps lists that were shown, one row each; of an item the rank is its place."""
        for showing in showings:
            check_showing(showing)
        rows = [(*_about(one), one.items, json_or_none(one.explored), None) for one in showings]
        self._add_lists(rows)

    def add_exposures(self, exposures: Sequence[Exposure]) -> None:
        """Keeps what was shown, item by item; neighbours of one request make one list."""
        for exposure in exposures:
            check_exposure(exposure)
        rows = []
        for about, shown in groupby(exposures, key=_about):
            listed = list(shown)
            ranks = [one.rank for one in listed]
            explored = json_or_none([place for place, one in enumerate(listed) if one.explored])
            usual = ranks == list(range(len(ranks)))
            rows.append((*about, [one.item_id for one in listed], explored, None if usual else json_or_none(ranks)))
        self._add_lists(rows)

    def _add_lists(self, lists: Sequence[Row]) -> None:
        """Keeps rows of user_id, request_id, place, bundle, timestamp, item ids, explored, ranks."""
        wanted = {item_id for one in lists for item_id in one[5]}
        known = self._item_nums
        if len(known) > _MOST_NUMBERS:
            known = self._item_nums = {}
        new = wanted - known.keys()

        def work(session: Session) -> dict[str, int]:
            number = take_numbers(session, "showing", len(lists))
            users = user_nums(session, (one[0] for one in lists))
            found = item_nums(session, new)
            rows = []
            for place, (user_id, *about, item_ids, explored, ranks) in enumerate(lists, start=1):
                nums = [found[one] if one in found else known[one] for one in item_ids]
                rows.append((number + place, users[user_id], *about, json_or_none(nums) or "[]", explored, ranks))
            names = "showing_num, user_num, request_id, place, bundle, timestamp, items, explored, ranks"
            session.many(f"INSERT INTO showing ({names}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
            return found

        if lists:
            known.update(self._write(work))  # only now: what is rolled back has no number

    def exposures(self, user_id: str, *, limit: int = 1_000) -> list[Exposure]:
        """What a shopper was shown, newest list first, each list as it was sent."""
        sql = (
            "SELECT s.request_id, s.place, s.bundle, s.timestamp, s.items, s.explored, s.ranks"
            " FROM shopper u JOIN showing s ON s.user_num = u.user_num"
            " WHERE u.user_id = ? ORDER BY s.timestamp DESC, s.showing_num DESC LIMIT ?"
        )

        def work(session: Session) -> list[Exposure]:
            rows = session.rows(sql, (user_id, page(limit)))
            lists = [json.loads(row[4]) for row in rows]
            wanted = sorted({num for nums in lists for num in nums})
            names = "SELECT item_num, item_id FROM item WHERE item_num IN ({})"
            ids = {row[0]: row[1] for row in rows_in(session, names, wanted)}
            return [
                one
                for row, nums in zip(rows, lists, strict=True)
                for one in exposures_of(user_id, row, [ids[num] for num in nums])
            ]

        return self._read(work)[: page(limit)]

    def outcomes(
        self, since: int, *, within_s: int = DAY_S, place: str | None = None, purpose: str | None
    ) -> list[Outcome]:
        """What came of everything shown from a time on, by bundle and shopper; an item counts once for each."""
        may, asked = permitted(purpose)
        sql = _OUTCOMES.format(listed=self.listed, place="" if place is None else "AND s.place = ?", may=may)
        times = (checked_time(within_s, "within_s"), checked_time(since))
        parameters = (*times, *(() if place is None else (place,)), *asked)
        rows = self._read(lambda session: session.rows(sql, parameters))
        return [Outcome(bundle, user_id, int(shown), int(acted_on)) for bundle, user_id, shown, acted_on in rows]

    def export_user(self, user_id: str) -> dict[str, Any]:
        """Everything that is kept of a shopper, ready for JSON."""
        user = self.user(user_id)
        sql = (
            f"SELECT {INTERACTION_COLUMNS} FROM shopper u JOIN interaction a ON a.user_num = u.user_num"
            " LEFT JOIN item i ON i.item_num = a.item_num WHERE u.user_id = ? ORDER BY a.timestamp, a.num"
        )
        events = [interaction_of(row) for row in self._read(lambda session: session.rows(sql, (user_id,)))]
        return {
            "user_id": user_id,
            "user": asdict(user) if user else None,
            "interactions": [asdict(event) | {"event": event.event.name.lower()} for event in events],
            "feedback": [asdict(one) for one in self.feedback(user_id)],
            "wardrobe": [asdict(one) for one in self.wardrobe(user_id)],
            "consents": [asdict(one) for one in self.consents(user_id)],
            "exposures": [asdict(one) for one in self.exposures(user_id, limit=2**31)],
        }

    def erase_user(self, user_id: str, *, scrub: bool = True) -> dict[str, int]:
        """Deletes everything that is kept of a shopper, and then their bytes. Gives the number of rows by table."""

        def work(session: Session) -> dict[str, int]:
            found = session.rows(f"SELECT user_num FROM shopper WHERE user_id = ?{session.erase}", (user_id,))
            if not found:
                return dict.fromkeys(_OF_A_SHOPPER, 0)
            return {table: session.run(f"DELETE FROM {table} WHERE user_num = ?", found[0]) for table in _OF_A_SHOPPER}

        erased = self._write(work)
        if scrub:
            self.scrub()
        return erased

    def scrub(self) -> None:
        """Sees to it that no deleted bytes are left in files, as far as the backend can."""

    def drop_before(self, kind: str, before: int) -> int:
        """Deletes what is older, of one kind; how many rows."""
        table, num, where = {
            "events": ("interaction", "num", ""),
            "searches": ("interaction", "num", f" AND event = {Event.SEARCH:d}"),
            "showings": ("showing", "showing_num", ""),
        }[one_of(kind, KEPT_KINDS, "kind")]
        chosen = f"SELECT {num} FROM {table} WHERE timestamp > 0 AND timestamp < ?{where} LIMIT {_TOGETHER}"
        sql, gone = f"DELETE FROM {table} WHERE {num} IN ({chosen})", 0
        while number := self._write(lambda session: session.run(sql, (checked_time(before),))):
            gone += number  # a part at a time, so that writers need not wait for long
        return gone

    def set_state(self, key: str, value: str | None) -> None:
        """Keeps one small text for all processes, such as which bundle answers; None removes it."""
        checked_id(key, "key")
        if value is None:
            self._write(lambda session: session.run("DELETE FROM state WHERE name = ?", (key,)))
            return
        row = (key, checked_text(value, "value"))
        sql = "INSERT INTO state (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value"
        self._write(lambda session: session.run(sql, row))

    def state(self, key: str) -> str | None:
        """What :meth:`set_state` kept."""
        rows = self._read(lambda session: session.rows("SELECT value FROM state WHERE name = ?", (key,)))
        return str(rows[0][0]) if rows else None

    def swap_state(self, key: str, old: str | None, new: str) -> bool:
        """Keeps a text in the place of ``old`` (None: of nothing); False, and nothing changed, if it is not that."""
        checked_id(key, "key")
        if old is None:
            sql = "INSERT INTO state (value, name) VALUES (?, ?) ON CONFLICT (name) DO NOTHING"
        else:
            sql = "UPDATE state SET value = ? WHERE name = ? AND value = ?"
        row = (checked_text(new, "value"), key) if old is None else (checked_text(new, "value"), key, old)
        return self._write(lambda session: session.run(sql, row)) == 1

    def counts(self) -> dict[str, int]:
        """Number of rows by table, for people to look at."""
        sql = " UNION ALL ".join(f"SELECT '{table}', COUNT(*) FROM {table}" for table in TABLES)
        sql = sql.replace("FROM item", "FROM item WHERE content IS NOT NULL")
        return dict(self._read(lambda session: session.rows(sql)))


def _about(shown: Exposure | Showing) -> tuple[str, str, str, str, int]:
    return shown.user_id, shown.request_id, shown.place, shown.bundle, shown.timestamp


def _known_of(session: Session, user_id: str, limit: int) -> Known:
    sql = f"SELECT u.user_num, {USER_COLUMNS} FROM shopper u WHERE u.user_id = ?"
    rows = session.rows(sql, (user_id,))
    if not rows:
        return Known(None, (), ())
    num = rows[0][0]
    sql = (
        "SELECT i.item_id, a.event, a.timestamp, a.value, a.query, a.session_id, a.event_id FROM interaction a"
        " JOIN item i ON i.item_num = a.item_num WHERE a.user_num = ? ORDER BY a.timestamp DESC, a.num DESC LIMIT ?"
    )
    past = [interaction_of((user_id, *row)) for row in reversed(session.rows(sql, (num, limit)))]
    sql = (
        "SELECT i.item_id, f.kind, f.timestamp FROM feedback f JOIN item i ON i.item_num = f.item_num"
        " WHERE f.user_num = ? ORDER BY f.timestamp, f.num"
    )
    return Known(user_of(rows[0][1:]), past, [Feedback(user_id, *row) for row in session.rows(sql, (num,))])


def _nums_of(session: Session, user_id: str, item_id: str | None) -> tuple[int, int | None]:
    return user_nums(session, (user_id,))[user_id], item_nums(session, (item_id,)).get(item_id or "")
