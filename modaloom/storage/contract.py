"""What a store keeps and how it is asked: the records, and the contract that every backend fulfils.

Times are whole seconds since 1970 UTC. Ids are the shop's own, compared exactly. Every method that writes has
committed when it returns: what it answered for survives the death of the process.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, Self, runtime_checkable

from modaloom.types import DAY_S, Event, Interaction, Item

KEPT_KINDS = ("events", "searches", "showings")
"""What goes by age: everything that shoppers did, their searches alone, lists that were shown to them."""
EventRow = tuple[int, int, int | None, int, int, str | None]
"""Number of the event, of the shopper and of the item; kind of event; time; query."""
FEEDBACK = ("like", "dislike", "wrong_size", "too_dear", "hide")
"""What a shopper can say of an item. A newer ``like`` or ``dislike`` replaces the other one."""


@dataclass(frozen=True, slots=True)
class ShopUser:
    """A shopper as the shop knows them."""

    user_id: str
    attributes: Mapping[str, str] = field(default_factory=dict)
    """Age, stated tastes, sizes: any facts, as text."""
    language: str | None = None
    personalise: bool = True
    """Whether the past may be used for what is shown."""
    taste: Mapping[str, float] = field(default_factory=dict)
    """What the shopper has set by hand: weight from -1 (never) to 1 (more of it) by ``attribute=value``."""
    declared: bool = False
    """Whether the shop declared a legal basis of its own for learning from them; see :mod:`modaloom.privacy`."""


@dataclass(frozen=True, slots=True)
class ItemChange:
    """The newest change of one item; ``item`` is None if it was deleted."""

    version: int
    item_id: str
    item: Item | None


@dataclass(frozen=True, slots=True)
class Patched:
    """What became of a batch of partial changes."""

    version: int
    """The catalogue's, afterwards."""
    changed: int
    """Items that differ from what they were."""
    unknown: tuple[str, ...]
    """Ids of which there is no item, in order; nothing was made of them."""


@dataclass(frozen=True, slots=True)
class Ingested:
    """What became of a batch of events."""

    added: int
    repeated: int
    """Events whose ``event_id`` was there before; they count once."""


@dataclass(frozen=True, slots=True)
class Feedback:
    """What a shopper said of an item."""

    user_id: str
    item_id: str
    kind: str
    """One of :data:`FEEDBACK`."""
    timestamp: int


@dataclass(frozen=True, slots=True)
class WardrobeEntry:
    """A garment that a shopper has: an item of the shop, or one of their own."""

    entry_id: str
    user_id: str
    item_id: str | None = None
    title: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)
    photo: str | None = None
    """Name of a picture in the media folder."""
    timestamp: int = 0


@dataclass(frozen=True, slots=True)
class Consent:
    """A shopper's word on one purpose; the newest one holds, older ones are kept as proof."""

    user_id: str
    purpose: str
    """One of :data:`~modaloom.privacy.PURPOSES`."""
    granted: bool
    timestamp: int


@dataclass(frozen=True, slots=True)
class Exposure:
    """One item shown to one shopper: where, by which model, and how likely that was."""

    request_id: str
    user_id: str
    item_id: str
    place: str
    """``home``, ``similar``, ``goes_with``, ``search``, ``trending`` or ``new``."""
    rank: int
    """From 0."""
    bundle: str
    """Name of the bundle that answered."""
    explored: bool
    """Whether it was shown to learn more and not for its score."""
    timestamp: int


@dataclass(frozen=True, slots=True)
class Showing:
    """One list that was shown to one shopper: what several :class:`Exposure` say, in one record."""

    request_id: str
    user_id: str
    place: str
    bundle: str
    timestamp: int
    items: Sequence[str]
    """Item ids, best first."""
    explored: Sequence[int] = ()
    """Places in the list of those that were shown to learn more, in order."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of what one bundle showed one shopper."""

    bundle: str
    user_id: str
    shown: int
    """Different items."""
    acted_on: int
    """Shown items that the shopper then viewed, carted or bought, each counted once."""


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a shopper when a list is made."""

    user: ShopUser | None
    history: Sequence[Interaction]
    feedback: Sequence[Feedback]


@runtime_checkable
class Store(Protocol):
    """Everything a live shop knows. Safe to use from several threads and, on one URL, from several processes.

    Raises :class:`~modaloom.errors.StoreError` where the backend fails, :class:`~modaloom.errors.StoreBusyError`
    where it is only too busy and the same call may be sent again, and :class:`~modaloom.errors.QueryError` where what
    is given can be kept by no store: an empty or endless id, an unknown kind, text or a number that is none.
    """

    url: str

    def migrate(self) -> list[str]:
        """Brings the schema up to date; the names of the migrations that were run."""
        ...

    def close(self) -> None:
        """Gives back connections and files. May be called twice."""
        ...

    def ping(self) -> None:
        """Raises StoreError where the store cannot be read."""
        ...

    def __enter__(self) -> Self:
        """The store itself."""
        ...

    def __exit__(self, *exc: object) -> None:
        """Closes it."""
        ...

    def upsert_items(self, items: Sequence[Item]) -> int:
        """Adds items or replaces them whole; all or none. Gives the catalogue's version afterwards."""
        ...

    def patch_items(self, patches: Mapping[str, Mapping[str, Any]]) -> Patched:
        """Changes single fields of items, by id; read, changed and written in one transaction, all or none.

        A patch holds fields of :class:`~modaloom.types.Item`, and follows RFC 7396: a field that is not in it stays,
        None empties it, and of ``attributes``, ``titles`` and ``descriptions`` only the entries in it change. An item
        that would be as it was keeps its version.
        """
        ...

    def delete_items(self, item_ids: Sequence[str]) -> int:
        """Deletes items; how many there were. Events on them stay, and may be there before an item is."""
        ...

    def items(self, item_ids: Sequence[str]) -> dict[str, Item]:
        """Those of the items that exist, by id."""
        ...

    def catalogue_version(self) -> int:
        """Grows with every change of any item; 0 for a new store. Cheap: asked before every answer."""
        ...

    def item_changes(self, after: int, *, limit: int = 1_000) -> list[ItemChange]:
        """The newest change of each item changed after a version, oldest first; the whole catalogue after 0.

        Deletions are told too, except after version 0.
        """
        ...

    def upsert_users(self, users: Sequence[ShopUser]) -> None:
        """Adds users or replaces what is known of them; their events stay."""
        ...

    def user(self, user_id: str) -> ShopUser | None:
        """A user; None if there is none."""
        ...

    def user_ids(self, *, after: str = "", limit: int = 1_000) -> list[str]:
        """Ids in order, after one."""
        ...

    def known_of(self, user_id: str, *, limit: int = 200) -> Known:
        """What a list for a shopper needs, in one go: the user, :meth:`history` and :meth:`feedback`."""
        ...

    def add_interactions(self, events: Sequence[Interaction]) -> Ingested:
        """Keeps events, all or none. Unknown users are made; an ``event_id`` that is known counts once."""
        ...

    def history(self, user_id: str, *, limit: int = 200) -> list[Interaction]:
        """The newest events of a user that have an item, oldest first; of equal times in the order they came."""
        ...

    def interactions(
        self, after: int = 0, *, limit: int = 10_000, purpose: str | None
    ) -> list[tuple[int, Interaction]]:
        """Events in the order they came, with their numbers, after a number: pages for learning.

        What tells of many shoppers at once names its ``purpose``, here and in the methods below, and gets those alone
        who may be used for it (:mod:`modaloom.privacy`). None is for the store's own upkeep.
        """
        ...

    def event_rows(self, after: int = 0, *, limit: int = 50_000, purpose: str | None) -> list[EventRow]:
        """The same events as bare rows with the store's own numbers for shoppers and items: fast, for counting."""
        ...

    def item_numbers(self) -> dict[str, int]:
        """The store's own number of every item that it ever heard of, by id."""
        ...

    def user_rows(self, after: int = 0, *, limit: int = 10_000, purpose: str | None) -> list[tuple[int, ShopUser]]:
        """Shoppers with the store's own numbers, in the order of these, after a number."""
        ...

    def granted(self, user_id: str) -> dict[str, bool]:
        """What one shopper's data may be used for, by purpose."""
        ...

    def shopper_counts(self, since: int, events: Sequence[Event], *, purpose: str | None) -> dict[str, int]:
        """How many shoppers had one of these events with each item from a time on; anonymous ones do not count."""
        ...

    def set_feedback(self, feedback: Feedback) -> None:
        """Keeps what a shopper said of an item; saying it again renews it."""
        ...

    def remove_feedback(self, user_id: str, item_id: str, kind: str) -> bool:
        """Takes it back; whether there was any."""
        ...

    def feedback(self, user_id: str) -> list[Feedback]:
        """Everything a shopper said, oldest first."""
        ...

    def add_to_wardrobe(self, entry: WardrobeEntry) -> None:
        """Keeps a garment; the same ``entry_id`` replaces it, the same shop item is there once."""
        ...

    def remove_from_wardrobe(self, user_id: str, entry_id: str) -> bool:
        """Removes a garment; whether it was there."""
        ...

    def wardrobe(self, user_id: str) -> list[WardrobeEntry]:
        """A shopper's garments, oldest first."""
        ...

    def add_consent(self, consent: Consent) -> None:
        """Keeps a shopper's word."""
        ...

    def consents(self, user_id: str) -> list[Consent]:
        """Everything a shopper ever said about consent, oldest first."""
        ...

    def add_showings(self, showings: Sequence[Showing]) -> None:
        """Keeps lists that were shown, one row each; of an item the rank is its place."""
        ...

    def add_exposures(self, exposures: Sequence[Exposure]) -> None:
        """Keeps what was shown, item by item; neighbours of one request make one list."""
        ...

    def exposures(self, user_id: str, *, limit: int = 1_000) -> list[Exposure]:
        """What a shopper was shown, newest first."""
        ...

    def outcomes(
        self, since: int, *, within_s: int = DAY_S, place: str | None = None, purpose: str | None
    ) -> list[Outcome]:
        """What came of everything shown from a time on, by bundle and shopper."""
        ...

    def export_user(self, user_id: str) -> dict[str, Any]:
        """Everything that is kept of a shopper, ready for JSON."""
        ...

    def erase_user(self, user_id: str, *, scrub: bool = True) -> dict[str, int]:
        """Deletes everything that is kept of a shopper; the number of rows by table, 0 where there were none.

        Without ``scrub`` bytes of it may be left in the store's files until :meth:`scrub` is called.
        """
        ...

    def scrub(self) -> None:
        """Sees to it that nothing that was deleted is left in the store's files; slow where these are large.

        A database server does so in its own time.
        """
        ...

    def drop_before(self, kind: str, before: int) -> int:
        """Deletes what is older, of one of :data:`KEPT_KINDS`; how many rows. What has no time stays."""
        ...

    def set_state(self, key: str, value: str | None) -> None:
        """Keeps one small text for all processes, such as which bundle answers; None removes it."""
        ...

    def state(self, key: str) -> str | None:
        """What :meth:`set_state` kept."""
        ...

    def swap_state(self, key: str, old: str | None, new: str) -> bool:
        """Keeps a text in the place of ``old`` (None: of nothing); False, and nothing changed, if it is not that."""
        ...

    def counts(self) -> dict[str, int]:
        """Number of rows by table, for people to look at."""
        ...
