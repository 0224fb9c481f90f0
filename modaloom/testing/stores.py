"""Conformance suite for stores: what every backend must do, and do alike.

Subclass it in a test file, say where a new store may be made, and pytest runs the rest::

    class TestMyStore(StoreSuite):
        def new_url(self):
            return f"sqlite:///{tempfile.mkdtemp()}/shop.db"
"""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import count

from modaloom.errors import QueryError
from modaloom.storage.contract import (
    Consent,
    Exposure,
    Feedback,
    Ingested,
    Known,
    Outcome,
    ShopUser,
    Showing,
    Store,
    WardrobeEntry,
)
from modaloom.storage.open import open_store
from modaloom.testing.store_catalogue import CatalogueCases, at_once, patiently, refused, view
from modaloom.types import Event, Interaction, Item

ODD_IDS = ("红裙-1", "O'Brien; --", "a?b%sc{}", "é", "e\u0301", "😀", " ", "A", "a", "%", "x" * 500)
"""Ids that a careless store mixes up or chokes on."""
BAD_IDS = ("", "a\0b", "\ud800", "x" * 501)
"""Ids that no backend could keep."""


def pages(store: Store, size: int) -> Iterator[tuple[int, Interaction]]:
    """All events, read in pages."""
    after = 0
    while page := store.interactions(after, limit=size, purpose=None):
        yield from page
        after = page[-1][0]


class StoreSuite(CatalogueCases):
    """What a live shop relies on, whatever keeps its data."""

    # ---- users

    def test_users_come_back_as_they_were(self) -> None:
        """Replaced whole when they are sent again, with their events kept; None for nobody."""
        full = ShopUser("u", {"age": "30", "尺码": "M"}, "zh", personalise=False, taste={"colour=red": -0.5})
        with self.store() as store:
            assert store.user("u") is None
            store.upsert_users([ShopUser("v"), full])
            store.add_interactions([view("u", "a")])
            assert store.user("u") == full
            store.upsert_users([ShopUser("u", language="en")])
            assert store.user("u") == ShopUser("u", language="en")
            assert len(store.history("u")) == 1
            refused(QueryError, lambda: store.upsert_users([ShopUser("w"), ShopUser("x", language="xx")]))
            assert store.user("w") is None

    def test_odd_ids_are_exact(self) -> None:
        """No two are mixed up, and they are listed by code point, in pages."""
        with self.store() as store:
            store.upsert_users([ShopUser(one) for one in ODD_IDS])
            store.upsert_items([Item(one) for one in ODD_IDS])
            store.add_interactions([view(one, one, event_id=one) for one in ODD_IDS])
            assert set(store.items(ODD_IDS)) == set(ODD_IDS)
            listed: list[str] = []
            while page := store.user_ids(after=listed[-1] if listed else "", limit=3):
                listed += page
            assert listed == sorted(ODD_IDS)
            for one in ODD_IDS:
                assert store.history(one) == [view(one, one, event_id=one)]

    def test_what_cannot_be_kept_is_refused(self) -> None:
        """Alike everywhere, and nothing of the call is kept."""
        with self.store() as store:
            bad = [view(one, "a") for one in BAD_IDS] + [view("u", one) for one in BAD_IDS]
            bad += [view("u", "a", 2**63), Interaction("u", "a", Event.RATING, 1, value=float("inf"))]
            bad += [Interaction("u", None, Event.SEARCH, 1, query="a\0b"), view("u", "a", 1, "\ud800")]
            for event in bad:
                refused(QueryError, lambda event=event: store.add_interactions([view("u", "ok"), event]))  # type: ignore[misc]
            refused(QueryError, lambda: store.set_feedback(Feedback("u", "a", "adore", 1)))
            refused(QueryError, lambda: store.add_consent(Consent("u", "spam", True, 1)))
            refused(QueryError, lambda: store.set_state("k", "\0"))
            assert store.user_ids() == []
            for one in ("a\0b", "\ud800"):
                for ask in (
                    store.user,
                    store.history,
                    store.feedback,
                    store.wardrobe,
                    store.export_user,
                    store.erase_user,
                ):
                    refused(QueryError, lambda ask=ask, one=one: ask(one))  # type: ignore[misc]
                refused(QueryError, lambda one=one: store.items([one]))  # type: ignore[misc]
            refused(QueryError, lambda: store.item_changes(2**70))
            assert store.history("x" * 9_999, limit=2**70) == []

    # ---- events

    def test_events_come_back_as_they_were(self) -> None:
        """With every field; searches are pages of everybody's events, but no history."""
        events = [
            Interaction("u", "a", Event.RATING, 5, value=4.5, session_id="s"),
            Interaction("u", None, Event.SEARCH, 6, query="红 'dress' %s ?", session_id="s", event_id="e"),
            Interaction("v", "a", Event.PURCHASE, 4, value=2.0),
        ]
        with self.store() as store:
            assert store.add_interactions(events) == Ingested(3, 0)
            assert [event for _, event in store.interactions(purpose=None)] == events
            assert store.history("u") == events[:1]
            assert store.history("nobody") == []
            assert store.add_interactions([]) == Ingested(0, 0)
            assert store.user("v") == ShopUser("v"), "unknown users are made"

    def test_history_is_in_order(self) -> None:
        """By time, of equal times as they came; the newest ones where there is a limit."""
        cases = count()

        def check(source: random.Random) -> None:
            user_id = f"u{next(cases)}"  # what hypothesis draws may come twice
            sent: list[Interaction] = []
            for _ in range(source.randrange(4)):
                batch = []
                for number in range(source.randrange(8)):
                    item_id = None if source.random() < 0.2 else f"i{len(sent)}-{number}"
                    batch.append(view(user_id, item_id, source.randrange(-3, 4)))
                store.add_interactions(batch)
                sent += batch
            wanted = sorted((event for event in sent if event.item_id is not None), key=lambda event: event.timestamp)
            assert store.history(user_id) == wanted
            limit = source.randrange(5)
            assert store.history(user_id, limit=limit) == wanted[len(wanted) - min(limit, len(wanted)) :]

        with self.store() as store:
            self.try_on(check)

    def test_an_event_counts_once(self) -> None:
        """Within a batch, in a later one, and whatever else is in it; without an id it counts every time."""
        cases = count()

        def check(source: random.Random) -> None:
            prefix, known, number = f"{next(cases)}-", set[str](), 0
            before = store.counts()["interaction"]
            for _ in range(source.randrange(1, 5)):
                ids = [
                    source.choice([None, *(f"{prefix}{one}" for one in range(6))]) for _ in range(source.randrange(9))
                ]
                new = [one for place, one in enumerate(ids) if one is None or one not in {*known, *ids[:place]}]
                batch = [view(f"u{source.randrange(3)}", "a", 1, one) for one in ids]
                assert store.add_interactions(batch) == Ingested(len(new), len(ids) - len(new))
                known |= {one for one in ids if one is not None}
                number += len(new)
            assert store.counts()["interaction"] - before == number

        with self.store() as store:
            self.try_on(check)

    def test_an_event_counts_once_however_many_send_it(self) -> None:
        """Threads and handles that send the same events in another order; pages miss and repeat none meanwhile."""
        url = self.new_url()
        ids = [f"e{number}" for number in range(400)]
        added: list[int] = []
        with open_store(url) as store, open_store(url) as other:
            running, seen = threading.Event(), list[tuple[int, Interaction]]()
            running.set()

            def write(seed: int, through: Store) -> Callable[[], None]:
                def work() -> None:
                    order = random.Random(seed).sample(ids, len(ids))
                    for start in range(0, len(order), 25):
                        batch = [view(f"u{one}", f"i{one}", 1, one) for one in order[start : start + 25]]
                        patiently(lambda batch=batch: added.append(through.add_interactions(batch).added))  # type: ignore[misc]

                return work

            def read() -> None:
                while running.is_set():
                    seen.extend(store.interactions(seen[-1][0] if seen else 0, limit=30, purpose=None))

            reader = threading.Thread(target=read)
            reader.start()
            try:
                at_once(write(1, store), write(2, other), write(3, store), write(4, other))
            finally:
                running.clear()
                reader.join()
            while page := store.interactions(seen[-1][0] if seen else 0, purpose=None):
                seen += page
            assert sum(added) == len(ids)
            assert sorted(event.event_id or "" for _, event in seen) == sorted(ids), "a reader missed or repeated one"
            numbers = [number for number, _ in pages(store, 7)]
            assert numbers == sorted(set(numbers)) == [number for number, _ in seen]

    def test_counts_of_shoppers(self) -> None:
        """By item, of the kinds asked for, from a time on; each shopper once, and anonymous ones not at all."""
        with self.store() as store:
            store.add_interactions([view("u", "a", 1), view("u", "a", 2), view("v", "b", 3), view("v", None, 3)])
            store.add_interactions([Interaction("u", "a", Event.CART, 3), view("anon-1", "a", 3), view("v", "a", 1)])
            assert store.shopper_counts(0, [Event.VIEW], purpose=None) == {"a": 2, "b": 1}
            assert store.shopper_counts(2, [Event.VIEW, Event.CART, Event.SEARCH], purpose=None) == {"a": 1, "b": 1}
            assert store.shopper_counts(4, list(Event), purpose=None) == {}
            assert store.shopper_counts(0, [], purpose=None) == {}

    # ---- what shoppers say and have

    def test_feedback(self) -> None:
        """The newer of like and dislike holds, other kinds stand beside it; it can be renewed and taken back."""
        with self.store() as store:
            for kind, timestamp in (("like", 1), ("hide", 2), ("dislike", 3), ("dislike", 5), ("like", 4)):
                store.set_feedback(Feedback("u", "a", kind, timestamp))
            store.set_feedback(Feedback("u", "b", "like", 2))
            wanted = [Feedback("u", "a", "hide", 2), Feedback("u", "b", "like", 2), Feedback("u", "a", "dislike", 5)]
            assert store.feedback("u") == wanted
            assert store.remove_feedback("u", "a", "dislike")
            assert not store.remove_feedback("u", "a", "dislike")
            assert not store.remove_feedback("nobody", "a", "like")
            assert store.feedback("u") == wanted[:2]
            assert store.feedback("nobody") == []

    def test_wardrobe(self) -> None:
        """An entry is replaced by its id or its item; one shopper's ids are nothing to another."""
        first = WardrobeEntry("1", "u", "a", timestamp=1)
        own = WardrobeEntry("2", "u", title="Mantel 外套", attributes={"colour": "blue"}, photo="2.jpg", timestamp=2)
        with self.store() as store:
            for entry in (own, replace(own, entry_id="3"), first, replace(first, user_id="v")):
                store.add_to_wardrobe(entry)
            assert store.wardrobe("u") == [first, own, replace(own, entry_id="3")]
            store.add_to_wardrobe(WardrobeEntry("4", "u", "a", timestamp=9))
            store.add_to_wardrobe(replace(own, title="x", timestamp=8))
            wanted = [replace(own, entry_id="3"), replace(own, title="x", timestamp=8)]
            assert store.wardrobe("u") == [*wanted, WardrobeEntry("4", "u", "a", timestamp=9)]
            assert store.remove_from_wardrobe("u", "4")
            assert not store.remove_from_wardrobe("u", "4")
            assert store.wardrobe("u") == wanted
            assert store.wardrobe("v") == [replace(first, user_id="v")]

    def test_consents(self) -> None:
        """Every word is kept, in order."""
        said = [Consent("u", "photos", True, 2), Consent("u", "photos", False, 2), Consent("u", "research", True, 1)]
        with self.store() as store:
            for consent in said:
                store.add_consent(consent)
            assert store.consents("u") == [said[2], said[0], said[1]]
            assert store.consents("v") == []

    # ---- what shoppers were shown

    def test_exposures(self) -> None:
        """The newest list first, each list as it was sent."""
        with self.store() as store:
            old = shown("r1", "u", ["a", "b", "a"], timestamp=1)
            new = [replace(one, explored=one.rank == 1) for one in shown("r2", "u", ["c", "a"], timestamp=2)]
            store.add_exposures([*old, *shown("r3", "v", ["a"], timestamp=5), *new])
            store.add_exposures([])
            assert store.exposures("u") == [*new, *old]
            assert store.exposures("u", limit=3) == [*new, old[0]]
            assert store.exposures("nobody") == []

    def test_lists_that_were_shown(self) -> None:
        """Come back as the exposures they are, whichever way they were given; of an erased shopper none is left."""
        with self.store() as store:
            store.add_showings([Showing("r1", "u", "home", "old", 1, ["a", "b", "c"], [1])])
            store.add_exposures([replace(one, rank=one.rank + 7) for one in shown("r2", "u", ["b", "d"], timestamp=2)])
            store.add_showings([Showing("r3", "v", "home", "old", 3, ["a"]), Showing("r4", "u", "new", "old", 3, [])])
            store.add_showings([])
            listed = [(one.request_id, one.item_id, one.rank, one.explored) for one in store.exposures("u")]
            first = [("r1", "a", 0, False), ("r1", "b", 1, True), ("r1", "c", 2, False)]
            assert listed == [("r2", "b", 7, False), ("r2", "d", 8, False), *first]
            bad = [Showing("r", "u", "home", "old", 1, ["a", one]) for one in BAD_IDS]
            for showing in [*bad, *(Showing("r", one, "home", "old", 1, ["a"]) for one in BAD_IDS)]:
                refused(QueryError, lambda showing=showing: store.add_showings([showing]))  # type: ignore[misc]
            assert store.erase_user("u")["showing"] == 3
            assert store.exposures("u") == []
            assert len(store.exposures("v")) == 1

    def test_what_a_list_needs_in_one_go(self) -> None:
        """The same as asked for one by one."""
        with self.store() as store:
            assert store.known_of("u") == Known(None, (), ())
            fill(store, "u")
            store.add_interactions([view("u", "b", 7), view("u", "c", 5), view("v", "a", 1)])
            known = store.known_of("u", limit=2)
            assert known.user == store.user("u")
            assert list(known.history) == store.history("u", limit=2)
            assert list(known.feedback) == store.feedback("u")
            for one in ("a\0b", "\ud800"):
                refused(QueryError, lambda one=one: store.known_of(one))  # type: ignore[misc]

    def test_outcomes(self) -> None:
        """Items that were shown, and those of them that were then acted on in time; each once a bundle and shopper."""
        with self.store() as store:
            store.add_exposures(shown("1", "u", ["a", "b", "c"], timestamp=10))
            store.add_exposures(shown("2", "u", ["a", "d"], timestamp=20, place="search"))
            store.add_exposures(shown("3", "u", ["a"], timestamp=20, bundle="new"))
            store.add_exposures(shown("4", "v", ["a"], timestamp=20))
            store.add_interactions([view("u", "a", 20), view("u", "a", 21), view("u", "b", 9), view("u", "c", 16)])
            store.add_interactions([Interaction("u", "d", Event.LIKE, 22), Interaction("w", "a", Event.CART, 22)])
            everything = [Outcome("new", "u", 1, 1), Outcome("old", "u", 4, 2), Outcome("old", "v", 1, 0)]
            assert by_key(store.outcomes(0, purpose=None)) == everything
            assert by_key(store.outcomes(0, within_s=5, purpose=None)) == [
                everything[0],
                Outcome("old", "u", 4, 1),
                everything[2],
            ]
            assert by_key(store.outcomes(15, place="search", purpose=None)) == [Outcome("old", "u", 2, 1)]
            assert store.outcomes(21, purpose=None) == []

    # ---- access and erasure

    def test_all_of_a_shopper_is_exported_and_erased(self) -> None:
        """Everything that was kept of one, and nothing of another; coming back finds nothing."""
        with self.store() as store:
            fill(store, "u")
            fill(store, "v")
            other = store.export_user("v")
            exported = json.loads(json.dumps(store.export_user("u"), ensure_ascii=False))
            empty = store.export_user("nobody")
            assert {name for name, kept in exported.items() if kept} == set(exported), "something is missing"
            assert [name for name, kept in empty.items() if kept] == ["user_id"]
            assert exported["interactions"][1]["query"] == "secret of u"
            erased = store.erase_user("u")
            assert {table for table, rows in erased.items() if not rows} == set()
            assert erased["interaction"] == 2
            assert store.export_user("u") == empty | {"user_id": "u"}
            assert store.user_ids() == ["v"]
            assert store.export_user("v") == other
            assert not any(store.erase_user("u").values())
            assert store.add_interactions([view("u", "a", 9, "e-u")]) == Ingested(1, 0)
            assert store.history("u") == [view("u", "a", 9, "e-u")]

    def test_erasing_while_others_write(self) -> None:
        """Neither fails, and what is kept in the end belongs together."""
        url = self.new_url()
        with open_store(url) as store, open_store(url) as other:

            def write(through: Store, name: str) -> Callable[[], None]:
                def work() -> None:
                    for step in range(15):
                        batch = [view("u", f"i{step}", step, f"{name}{step}"), view("v", "a", step)]
                        patiently(lambda batch=batch: through.add_interactions(batch))  # type: ignore[misc]
                        patiently(lambda step=step: through.add_consent(Consent("u", "photos", True, step)))  # type: ignore[misc]
                        patiently(lambda: through.add_exposures(shown("r", "u", ["a", "b"], timestamp=1)))

                return work

            def erase() -> None:
                for _ in range(6):
                    patiently(lambda: other.erase_user("u"))

            at_once(write(store, "a"), write(other, "b"), erase)
            other.erase_user("u")
            assert store.counts() | {"item": 0} == dict.fromkeys(store.counts(), 0) | {"shopper": 1, "interaction": 30}


def shown(
    request_id: str, user_id: str, item_ids: Sequence[str], *, timestamp: int, place: str = "home", bundle: str = "old"
) -> list[Exposure]:
    """A list that somebody was shown."""
    return [
        Exposure(request_id, user_id, item_id, place, rank, bundle, explored=False, timestamp=timestamp)
        for rank, item_id in enumerate(item_ids)
    ]


def by_key(outcomes: list[Outcome]) -> list[Outcome]:
    """Outcomes in a settled order."""
    return sorted(outcomes, key=lambda one: (one.bundle, one.user_id))


def fill(store: Store, user_id: str) -> None:
    """Keeps something of every kind of a shopper, with their id in every text that is theirs."""
    mark = f"secret of {user_id}"
    store.upsert_users([ShopUser(user_id, {"note": mark}, "en", taste={mark: 1.0})])
    store.add_interactions([view(user_id, "a", 1, f"e-{user_id}")])
    store.add_interactions([Interaction(user_id, None, Event.SEARCH, 2, query=mark, session_id=mark)])
    store.set_feedback(Feedback(user_id, "a", "like", 3))
    store.add_to_wardrobe(WardrobeEntry(mark, user_id, title=mark, attributes={mark: mark}, photo=f"{mark}.jpg"))
    store.add_consent(Consent(user_id, "photos", True, 4))
    store.add_exposures(shown(f"r-{user_id}", user_id, ["a", "b"], timestamp=5))
