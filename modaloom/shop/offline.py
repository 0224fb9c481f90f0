"""A bundle that answers without a store: the lists that a service gives, over the catalogue that was learned from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from modaloom.config import Settings
from modaloom.data.numbering import Numbering
from modaloom.data.shop import items_of
from modaloom.errors import QueryError
from modaloom.messages import messages
from modaloom.shop.bundle import Bundle
from modaloom.shop.recommender import Guide
from modaloom.shop.requests import Ask, Card
from modaloom.shop.shopper import Shopper
from modaloom.storage.contract import ItemChange
from modaloom.types import LANGUAGES, Event, Interaction

MAX_N = 1_000


@dataclass(frozen=True)
class Query:
    """What to recommend for: exactly one of the four."""

    user: str | None = None
    items: tuple[str, ...] | None = None
    photo: Path | None = None
    text: str | None = None


class Recommender:
    """A bundle that answers, for studies and the command line. Loads no torch."""

    def __init__(self, bundle: Bundle, settings: Settings):
        self.bundle = bundle
        self.snapshot = bundle.snapshot
        self._lists = Guide(bundle.folder.name, bundle, settings)
        items = list(items_of(self.snapshot.items, bundle.pictures_root))
        changes = [ItemChange(version, item.item_id, item) for version, item in enumerate(items, start=1)]
        gone = [changes[num] for num in np.flatnonzero(~self.snapshot.catalogue)]  # still named, as past items
        self._lists.placing.apply(changes + [replace(change, item=None) for change in gone])

    def language(self, wanted: str | None) -> str:
        """The language to answer in: the one asked for, else the shop's own.

        Raises:
            QueryError: it is not one of ours.
        """
        chosen = wanted or str(self.bundle.config["shop"]["language"])
        if chosen not in LANGUAGES:
            raise QueryError(f"unknown language {chosen!r}", hint=f"Choose {' or '.join(LANGUAGES)}")
        return chosen

    def heading(self, language: str) -> str:
        """What stands above a list."""
        return str(messages(language)["title"].format(shop=self.bundle.config["shop"]["name"]))

    def column_names(self, language: str) -> list[str]:
        """What stands above the columns of a list: number, id, title, price, reasons."""
        return list(messages(language)["columns"])

    def recommend(self, query: Query, *, n: int = 20, language: str = "en") -> list[Card]:
        """The best ``n`` items with reasons, as the page of this bundle would list them.

        Raises:
            QueryError: an id is unknown, the words are empty, or the bundle can't answer this kind of query.
            PictureError: the photo cannot be opened.
        """
        if not 1 <= n <= MAX_N:
            raise QueryError(f"n must be from 1 to {MAX_N:,}, not {n}")
        request = Ask(n=n, language=language)
        if query.user is not None:
            return self._lists.for_shopper(request, self._known_shopper(query.user), self.snapshot.now)
        if query.items is not None:
            return self._lists.for_shopper(request, self._owner_of(query.items), self.snapshot.now)
        if query.photo is None and query.text is None:
            raise QueryError("the query is empty", hint="Give a user, items, a photo or words")
        if query.photo is None and not (query.text or "").strip():
            raise QueryError("the words are empty", hint="Say what you are looking for")
        found = self._lists.search(request, Shopper(None), self.snapshot.now, text=query.text, photo=query.photo)
        if not found:
            raise QueryError("no item says this, and the bundle has no text encoder", hint="Try other words")
        return found

    def _known_shopper(self, user_id: str) -> Shopper:
        """A shopper of the log with their history."""
        past = self.snapshot.histories(self._users.of([user_id], "user"))
        ids = self.snapshot.items["item_id"]
        events = zip(past.item_nums.tolist(), past.events.tolist(), past.timestamps.tolist(), strict=True)
        history = [Interaction(user_id, ids[num], Event(event), when) for num, event, when in events]
        return Shopper(user_id, history)

    def _owner_of(self, item_ids: tuple[str, ...]) -> Shopper:
        """Somebody who has these garments."""
        if not item_ids:
            raise QueryError("the list of items is empty", hint="Give ids separated by commas")
        self._items.of(list(item_ids), "item")
        event, now = self.snapshot.target_events[0], self.snapshot.now
        return Shopper(None, [Interaction("", item_id, event, now) for item_id in item_ids])

    def show(self, item_id: str, language: str) -> Card:
        """One item of the catalogue, as recommendations show it.

        Raises:
            QueryError: the id is unknown.
        """
        num = int(self._items.of([item_id], "item")[0])
        return self._lists.cards.card(num, 0.0, language, self.snapshot.now)

    def picture(self, item_id: str) -> Path | None:
        """The file of an item's first picture."""
        pictures = self._lists.catalogue.pictures[int(self._items.of([item_id], "item")[0])]
        return Path(pictures[0]) if pictures else None

    def users(self) -> list[str]:
        """Ids of known shoppers."""
        return self.snapshot.users["user_id"].to_list()

    @cached_property
    def _items(self) -> Numbering:
        return Numbering(self.snapshot.items["item_id"])

    @cached_property
    def _users(self) -> Numbering:
        return Numbering(self.snapshot.users["user_id"])
