"""The first half of :class:`modaloom.testing.stores.StoreSuite`: opening, items, and the feed of their changes."""

from __future__ import annotations

import itertools
import random
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from modaloom.errors import QueryError, StoreBusyError, StoreError
from modaloom.privacy import PURPOSES, is_granted
from modaloom.storage.contract import Consent, Patched, ShopUser, Showing, Store
from modaloom.storage.open import open_store
from modaloom.types import Event, Interaction, Item

E = TypeVar("E", bound=BaseException)


def view(user_id: str, item_id: str | None, timestamp: int = 0, event_id: str | None = None) -> Interaction:
    """A view, or a search where there is no item."""
    event = Event.SEARCH if item_id is None else Event.VIEW
    return Interaction(user_id, item_id, event, timestamp, event_id=event_id)


def refused(kind: type[E], call: Callable[[], object]) -> E:
    """The error that a call must raise."""
    try:
        call()
    except kind as error:
        return error
    raise AssertionError(f"no {kind.__name__} was raised")


def at_once(*works: Callable[[], None]) -> None:
    """Runs each in a thread of its own; raises the first error."""
    errors: list[BaseException] = []

    def guarded(work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


class StoreCases:
    """What a suite of tests on a store is made of."""

    examples: int = 25
    """How many cases a property is tried on."""

    def new_url(self) -> str:
        """Where a new, empty store may be made."""
        raise NotImplementedError

    @contextmanager
    def store(self) -> Iterator[Store]:
        """A new store, closed at the end."""
        with open_store(self.new_url()) as store:
            yield store

    def try_on(self, check: Callable[[random.Random], None]) -> None:
        """Runs a check on many cases, each drawn from a source that hypothesis can make simpler."""
        from hypothesis import given, settings
        from hypothesis.strategies import randoms

        settings(max_examples=self.examples, deadline=None)(given(randoms(use_true_random=False))(check))()


class CatalogueCases(StoreCases):
    """Opening, items, and the feed of their changes."""

    def test_bare_rows_tell_the_same(self) -> None:
        """Events, shoppers and items under the store's own numbers, in pages."""
        with self.store() as store:
            store.upsert_users([ShopUser("u", {"age": "30"}), ShopUser("v")])
            search = Interaction("v", None, Event.SEARCH, 12, query="红裙")
            store.add_interactions([view("u", "a"), search, view("w", "b")])
            first = store.event_rows(limit=2, purpose=None)
            rows = [*first, *store.event_rows(first[-1][0], limit=2, purpose=None)]
            users = dict(store.user_rows(purpose=None))
            ids = {number: item_id for item_id, number in store.item_numbers().items()}
            told = [
                (users[user].user_id, None if item is None else ids[item], Event(kind), when, query)
                for _, user, item, kind, when, query in rows
            ]
            events = [event for _, event in store.interactions(limit=10, purpose=None)]
            assert told == [(one.user_id, one.item_id, one.event, one.timestamp, one.query) for one in events]
            assert [user.attributes for user in users.values()] == [{"age": "30"}, {}, {}]

    def test_data_leave_only_for_a_purpose_that_is_granted(self) -> None:
        """Every bulk read gives those shoppers alone whom the rule allows, whatever was said and declared."""
        with self.store() as store:
            wanted = dict[str, set[str]]()
            cases = itertools.product(
                (True, False), (True, False), ((), (True,), (False,), (True, False), (False, True))
            )
            for number, (personalise, declared, words) in enumerate(cases):
                user, word = f"u{number:02d}", words[-1] if words else None
                store.upsert_users([ShopUser(user, personalise=personalise, declared=declared)])
                store.add_interactions([view(user, "a")])
                store.add_showings([Showing("r", user, "home", "b", 1, ("a",))])
                for purpose in ("research", "photos"):
                    for when, granted in enumerate(words):
                        store.add_consent(Consent(user, purpose, granted, when))
                for purpose in PURPOSES:
                    granted = is_granted(purpose, word, personalise=personalise, declared=declared)
                    assert store.granted(user)[purpose] == granted
                    if granted:
                        wanted.setdefault(purpose, set()).add(user)
            for purpose in PURPOSES:
                users = {num: user.user_id for num, user in store.user_rows(purpose=purpose)}
                assert set(users.values()) == wanted[purpose]
                assert {users[row[1]] for row in store.event_rows(purpose=purpose)} == wanted[purpose]
                assert {event.user_id for _, event in store.interactions(purpose=purpose)} == wanted[purpose]
                assert {one.user_id for one in store.outcomes(0, purpose=purpose)} == wanted[purpose]
                assert store.shopper_counts(0, [Event.VIEW], purpose=purpose) == {"a": len(wanted[purpose])}
            assert store.granted("nobody") == {"personalise": True, "photos": False, "research": False}
            for read in (store.user_rows, store.event_rows, store.interactions):
                refused(QueryError, lambda read=read: read(purpose="spying"))  # type: ignore[misc]

    def test_what_is_old_goes_by_kind(self) -> None:
        """Of each kind what is older, whatever its number; what has no time stays, and so does everything else."""
        with self.store() as store:
            store.add_interactions([view("u", "a", when) for when in (0, 5, 15)] + [view("u", None, 5)])
            store.add_showings([Showing(str(when), "u", "home", "b", when, ["a"]) for when in (5, 15)])
            assert [store.drop_before(kind, 10) for kind in ("showings", "searches", "events")] == [1, 1, 1]
            assert [store.drop_before(kind, 10) for kind in ("showings", "searches", "events")] == [0, 0, 0]
            assert [event.timestamp for event in store.history("u")] == [0, 15]
            assert [one.timestamp for one in store.exposures("u")] == [15]
            refused(QueryError, lambda: store.drop_before("users", 10))

    def test_it_keeps_the_contract(self) -> None:
        """All methods are there, the URL too; closing twice is fine, and after that nothing is answered."""
        with self.store() as store:
            assert isinstance(store, Store)
            assert isinstance(store.url, str)
            store.ping()
        store.close()
        refused(StoreError, store.ping)
        refused(StoreError, lambda: store.upsert_items([Item("a")]))

    def test_a_schema_is_made_once(self) -> None:
        """Opened by many at once, each migration runs once, and nothing that was kept goes."""
        url, ran = self.new_url(), list[str]()

        def work() -> None:
            with open_store(url, migrate=False) as store:
                ran.extend(store.migrate())

        at_once(*[work] * 4)
        assert ran, "no migration was run"
        assert len(ran) == len(set(ran)), f"run more than once: {ran}"
        with open_store(url) as store:
            assert store.migrate() == []
            store.upsert_items([Item("a")])
        with open_store(url) as store:
            assert set(store.items(["a"])) == {"a"}

    def test_items_come_back_as_they_were(self) -> None:
        """With every field, and none; replacing an item leaves nothing of the old one."""
        full = Item(
            "a",
            title="红色连衣裙 'x' \"y\"",
            description="zwei\nZeilen",
            attributes={"colour": "red", "尺码": "M"},
            price=19.9,
            images=(Path("pictures/1.jpg"), Path("pictures/二.jpg")),
            video=Path("clip.mp4"),
            stock=0,
            released_at=1_700_000_000,
            group_id="g",
            titles={"zh": "红", "en": "red"},
            descriptions={"zh": "长"},
        )
        with self.store() as store:
            store.upsert_items([full, Item("b", price=0.0)])
            assert store.items(["b", "a", "c", "a"]) == {"a": full, "b": Item("b", price=0.0)}
            store.upsert_items([Item("a", title="new")])
            assert store.items(["a"]) == {"a": Item("a", title="new")}
            assert store.items([]) == {}

    def test_items_are_kept_all_or_none(self) -> None:
        """One that cannot be kept keeps out the others; the last of equal ids holds."""
        with self.store() as store:
            for bad in (Item(""), Item("b", price=float("nan")), Item("b", title="\ud800")):
                refused(QueryError, lambda bad=bad: store.upsert_items([Item("a"), bad]))  # type: ignore[misc]
            assert store.items(["a", "b"]) == {}
            assert store.catalogue_version() == 0
            store.upsert_items([Item("a", title="1"), Item("a", title="2")])
            assert store.items(["a"])["a"].title == "2"

    def test_a_patch_changes_what_it_names(self) -> None:
        """And nothing else; None empties a field or takes out an entry, and what stays as it was is no change."""
        full = Item(
            "a",
            title="red",
            attributes={"colour": "red", "size": "M"},
            price=19.9,
            images=(Path("1.jpg"),),
            stock=4,
            titles={"zh": "红"},
        )
        with self.store() as store:
            before = store.upsert_items([full, Item("b", stock=1)])
            assert store.patch_items({"a": {"stock": 0}, "none": {"stock": 9}}) == Patched(before + 1, 1, ("none",))
            assert store.items(["a", "b", "none"]) == {"a": replace(full, stock=0), "b": Item("b", stock=1)}
            assert [change.item_id for change in store.item_changes(before)] == ["a"]
            assert store.patch_items({"a": {"stock": 0, "title": "red"}, "b": {}}) == Patched(before + 1, 0, ())
            store.patch_items({"a": {"price": None, "attributes": {"size": None, "fit": "slim"}, "titles": None}})
            facts = {"colour": "red", "fit": "slim"}
            assert store.items(["a"])["a"] == replace(full, stock=0, price=None, attributes=facts, titles={})
            assert store.patch_items({}) == Patched(store.catalogue_version(), 0, ())
            store.delete_items(["b"])
            assert store.patch_items({"b": {"stock": 2}}).unknown == ("b",), "a patch brings nothing back"
            assert store.items(["b"]) == {}

    def test_patches_are_kept_all_or_none(self) -> None:
        """One that cannot be kept, or names no field of an item, keeps out the others."""
        with self.store() as store:
            version = store.upsert_items([Item("a", stock=1), Item("b", stock=1)])
            for bad in ({"price": float("nan")}, {"title": "\ud800"}, {"item_id": "c"}, {"colour": "red"}):
                refused(QueryError, lambda bad=bad: store.patch_items({"a": {"stock": 2}, "b": bad}))  # type: ignore[misc]
            refused(QueryError, lambda: store.patch_items({"": {"stock": 2}}))
            assert store.items(["a", "b"]) == {"a": Item("a", stock=1), "b": Item("b", stock=1)}
            assert store.catalogue_version() == version

    def test_patches_of_one_item_lose_none(self) -> None:
        """However many change other fields of it at the same time, through other handles too."""
        url, steps = self.new_url(), 25
        with open_store(url) as store, open_store(url) as other:
            store.upsert_items([Item("a", title="red", price=1.0)])

            def write(through: Store, name: str) -> Callable[[], None]:
                def work() -> None:
                    for step in range(steps):
                        patch = {
                            "a": {"attributes": {f"{name}{step}": "x"}, **({"stock": step} if name == "s" else {})}
                        }
                        patiently(lambda patch=patch: through.patch_items(patch))  # type: ignore[misc]

                return work

            at_once(write(store, "s"), write(other, "p"), write(store, "q"), write(other, "r"))
            item = store.items(["a"])["a"]
            assert set(item.attributes) == {f"{name}{step}" for name in "spqr" for step in range(steps)}
            assert (item.title, item.price, item.stock) == ("red", 1.0, steps - 1)

    def test_deleting_counts_what_was_there(self) -> None:
        """Twice deleted counts once, and an item can come back."""
        with self.store() as store:
            store.upsert_items([Item("a"), Item("b")])
            assert store.delete_items(["a", "a", "c"]) == 1
            version = store.catalogue_version()
            assert store.delete_items(["a"]) == 0
            assert store.catalogue_version() == version, "nothing changed"
            assert set(store.items(["a", "b"])) == {"b"}
            assert store.upsert_items([Item("a")]) == store.catalogue_version() > version
            assert set(store.items(["a", "b"])) == {"a", "b"}
            assert store.counts()["item"] == 2

    def test_events_make_no_items(self) -> None:
        """What shoppers do changes no version, and an item that is only known from events is none."""
        with self.store() as store:
            store.add_interactions([view("u", "early")])
            assert store.catalogue_version() == 0
            assert store.items(["early"]) == {}
            assert store.item_changes(0) == []
            store.upsert_items([Item("early")])
            assert [change.item_id for change in store.item_changes(0)] == ["early"]
            store.delete_items(["early"])
            assert store.history("u") == [view("u", "early")], "events on a deleted item stay"

    def test_many_ids_at_once(self) -> None:
        """More than a statement has room for."""
        ids = [f"i{number:05}" for number in range(3_000)]
        with self.store() as store:
            assert store.upsert_items([Item(item_id) for item_id in ids]) == len(ids)
            assert set(store.items(ids)) == set(ids)
            assert len(store.item_changes(0, limit=10_000)) == len(ids)
            assert store.delete_items(ids) == len(ids)

    def test_who_follows_the_changes_has_the_catalogue(self) -> None:
        """Whatever was added and deleted, and however large the pages."""

        def check(source: random.Random) -> None:
            store.delete_items([change.item_id for change in store.item_changes(0)])
            seen, copy, truth = store.catalogue_version(), dict[str, Item](), dict[str, Item]()
            for step in range(source.randrange(1, 12)):
                some = [f"i{source.randrange(8)}" for _ in range(source.randrange(4))]
                if source.random() < 0.6:
                    assert store.upsert_items([Item(one, title=str(step)) for one in some]) >= seen
                    truth |= {one: Item(one, title=str(step)) for one in some}
                else:
                    store.delete_items(some)
                    truth = {one: item for one, item in truth.items() if one not in some}
                if source.random() < 0.7:
                    seen = follow(store, seen, copy, limit=source.randrange(1, 5))
                    assert copy == truth
                    assert seen == store.catalogue_version()
                assert {change.item_id: change.item for change in store.item_changes(0)} == truth

        with self.store() as store:
            self.try_on(check)

    def test_no_change_is_missed_while_others_write(self) -> None:
        """A version that can be read has no smaller one still to come."""
        url = self.new_url()
        with open_store(url) as store, open_store(url) as other:
            running, copy, seen = threading.Event(), dict[str, Item](), 0
            running.set()

            def write(name: str, through: Store) -> Callable[[], None]:
                def work() -> None:
                    source = random.Random(name)
                    for step in range(25):
                        some = sorted({f"i{source.randrange(40)}" for _ in range(5)}, key=lambda _: source.random())
                        patiently(lambda some=some, step=step: change(through, some, f"{name}{step}"))  # type: ignore[misc]

                return work

            def change(through: Store, some: Sequence[str], title: str) -> None:
                if title.endswith("7"):
                    through.delete_items(some)
                else:
                    through.upsert_items([Item(one, title=title) for one in some])

            def read() -> None:
                nonlocal seen
                while running.is_set():
                    seen = follow(store, seen, copy, limit=7)

            reader = threading.Thread(target=read)
            reader.start()
            try:
                at_once(write("a", store), write("b", other), write("c", store), write("d", other))
            finally:
                running.clear()
                reader.join()
            follow(store, seen, copy, limit=1_000)
            assert copy == {one.item_id: one.item for one in store.item_changes(0)}

    def test_state(self) -> None:
        """Seen at once through another handle; None takes it away."""
        url = self.new_url()
        with open_store(url) as store, open_store(url) as other:
            assert store.state("bundle") is None
            for value in ("a", "", "红"):
                store.set_state("bundle", value)
                assert other.state("bundle") == value
            store.set_state("bundle", None)
            store.set_state("bundle", None)
            assert other.state("bundle") is None

    def test_state_that_many_change_loses_nothing(self) -> None:
        """A swap holds only where nobody was faster, from nothing too."""
        url = self.new_url()
        with open_store(url) as store, open_store(url) as other:
            assert not store.swap_state("n", "0", "1")
            assert store.swap_state("n", None, "0")
            assert not other.swap_state("n", None, "5")

            def count_on(through: Store) -> None:
                for _ in range(20):
                    while not through.swap_state("n", before := through.state("n"), str(int(before or 0) + 1)):
                        pass

            at_once(*(lambda one=one: patiently(lambda: count_on(one)) for one in (store, other, store)))
            assert store.state("n") == "60"


def follow(store: Store, seen: int, copy: dict[str, Item], *, limit: int) -> int:
    """Brings a copy of the catalogue up to date, in pages; the version it then has."""
    while changes := store.item_changes(seen, limit=limit):
        versions = [change.version for change in changes]
        assert versions == sorted(set(versions)), "oldest first, and none twice"
        for change in changes:
            if change.item is None:
                copy.pop(change.item_id, None)
            else:
                copy[change.item_id] = change.item
        seen = versions[-1]
    return seen


def patiently(call: Callable[[], object]) -> None:
    """Does it again while the store is too busy."""
    for _ in range(50):
        try:
            call()
        except StoreBusyError:
            continue
        return
    raise AssertionError("the store is always busy")
