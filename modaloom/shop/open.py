"""From a bundle and a store's address to a live shop; a new store begins with what the bundle knows."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TypeVar

import polars as pl

from modaloom.config import Settings, load_settings
from modaloom.data.shop import items_of
from modaloom.errors import StoreError
from modaloom.shop.bundle import Bundle, load_bundle
from modaloom.shop.live import LiveShop
from modaloom.shop.neighbours import warm
from modaloom.shop.registry import BUNDLES, TRAFFIC, bundle_name, change, keep, recalled, same_contents
from modaloom.shop.shoppers import shoppers_folder
from modaloom.storage.contract import ShopUser, Store
from modaloom.storage.open import open_store
from modaloom.types import ATTRIBUTE_PREFIX, DAY_S, LANGUAGES, Event, Interaction, Item, Tell, silent

SEEDED = "seeded"
"""Key in the store's state: the bundle that the store began with, once all of it is there."""
SEEDING = "seeding"
"""Key in the store's state: what a store is being filled with, and how, until all of it is there."""
DECLARED = "declared"
"""Column of a table of shoppers: whom the shop declared. Where it is not there, all: they are of the shop's files."""
PAGE = 5_000
WEEK_S = 7 * DAY_S
Thing = TypeVar("Thing")


def open_live_shop(
    bundle_folder: Path | None,
    store_url: str,
    settings: Settings,
    *,
    today: bool = False,
    tell: Tell = silent,
) -> LiveShop:
    """A live shop that is ready to answer.

    Args:
        bundle_folder: what is to answer; None for what the store says.
        store_url: where the store is; a new one is made, and begins with the bundle's items, users and events.
        settings: of the encoders.
        today: move a new store's calendar so that the bundle's last week is this one, as a demonstration wants it.
        tell: progress of filling a new store.

    Raises:
        StoreError: the store cannot be opened.
        BundleError: the bundle cannot be trusted.
    """
    store = open_store(store_url)
    try:
        if bundle_folder is not None:
            prepare_store(store, bundle_folder, settings, today=today, tell=tell)
        live = LiveShop(store, settings)
        live.open()
    except BaseException:
        store.close()
        raise
    return live


def worker_shop(store_url: str, settings: dict[str, object] | None = None) -> LiveShop:
    """What every process of the service calls: the live shop of a store that was prepared before."""
    return open_live_shop(None, store_url, load_settings(**(settings or {})))


def prepare_store(
    store: Store, bundle_folder: Path, settings: Settings, *, today: bool = False, tell: Tell = silent
) -> str:
    """Fills a new store from a bundle, and names the bundle as the one that answers; gives its name.

    A store that was left half filled is filled up; one that is in use keeps its items and events. Where the
    bundle already has a share of the traffic, the shares stay; a bundle that was moved keeps its share.

    Raises:
        StoreError: the store was left half filled from another bundle.
        BundleError: the bundle cannot be trusted.
    """
    return fill_store(store, load_bundle(bundle_folder), settings, today=today, tell=tell)


def fill_store(store: Store, bundle: Bundle, settings: Settings, *, today: bool = False, tell: Tell = silent) -> str:
    """The same as :func:`prepare_store` with a bundle that is loaded already."""
    name = bundle_name(bundle.folder)
    if store.state(SEEDED) is None:
        _seed(store, bundle, name, today=today, tell=tell)
    warm(bundle, name, settings, tell)
    _name(store, name, bundle.folder.resolve())
    return name


def _name(store: Store, name: str, folder: Path) -> None:
    """Tells every process on the store where the bundle lies, and that it answers."""
    named, shares = recalled(store, BUNDLES), recalled(store, TRAFFIC)
    moved = [other for other, place in named.items() if same_contents(other, name) and not Path(place).is_dir()]
    for other in moved:
        if other != name and other in shares:
            shares[name] = shares.get(name, 0.0) + shares.pop(other)

    # another bundle lay in this folder before it was written over: nobody can load that one any more
    def kept(now: dict[str, str]) -> dict[str, str]:
        return {other: place for other, place in now.items() if other not in moved and Path(place) != folder}

    change(store, BUNDLES, lambda now: kept(now) | {name: str(folder)})
    keep(store, TRAFFIC, shares if shares.get(name) else {name: 1.0})


def _seed(store: Store, bundle: Bundle, name: str, *, today: bool, tell: Tell) -> None:
    """Fills a store. Killed in the middle, it goes on with the same event ids and calendar: nothing is there twice."""
    snapshot, begun = bundle.snapshot, json.loads(store.state(SEEDING) or "null")
    if begun is None:
        weeks = max((int(time.time()) - snapshot.now) // WEEK_S, 0) if today and snapshot.now else 0
        shift = weeks * WEEK_S  # by days, two years of whole weeks would be less on some weekdays, and have no forecast
        begun = {
            "bundle": name,
            "shift_s": shift,
            "items": store.catalogue_version() == 0,
            "pasts": snapshot.n_users > 0,
        }
        store.set_state(SEEDING, json.dumps(begun))
    elif not same_contents(begun["bundle"], name):
        raise StoreError(
            f"is half filled with what the bundle {begun['bundle']!r} knows",
            where=store.url,
            hint="Serve that bundle first, or name another store with --store",
        )
    elif begun.get("pasts") and not snapshot.n_users:
        raise StoreError(
            "is half filled with shoppers' pasts, which do not lie beside the bundle any more",
            where=store.url,
            hint=f"Move {shoppers_folder(bundle.folder).name} to the bundle, and start again",
        )
    done, shift = 0, begun["shift_s"]
    for items in _pages(_shifted(items_of(snapshot.items, bundle.pictures_root), shift)) if begun["items"] else ():
        if store.state(SEEDED) is not None:  # another process has filled it, and the shop may have changed items since
            return
        store.upsert_items(items)
        done += len(items)
        tell("items into the store", done, snapshot.n_items)
    for users in _pages(_users(snapshot.users)):
        if store.state(SEEDED) is not None:
            return
        store.upsert_users(users)
    done, total = 0, snapshot.interactions.height
    for events in _pages(_events(bundle, begun["bundle"], shift)):
        store.add_interactions(events)
        done += len(events)
        tell("events into the store", done, total)
    store.set_state(SEEDED, begun["bundle"])
    store.set_state(SEEDING, None)


def _pages(things: Iterator[Thing]) -> Iterator[list[Thing]]:
    while page := list(islice(things, PAGE)):
        yield page


def _shifted(items: Iterator[Item], shift_s: int) -> Iterator[Item]:
    for item in items:
        yield replace(item, released_at=item.released_at + shift_s) if item.released_at is not None else item


def _users(users: pl.DataFrame) -> Iterator[ShopUser]:
    named = [(name, name.removeprefix(ATTRIBUTE_PREFIX)) for name in users.columns if name.startswith(ATTRIBUTE_PREFIX)]
    for row in users.iter_rows(named=True):
        facts = {short: str(row[name]) for name, short in named if row[name] is not None}
        language = facts.get("language")
        language = language if language in LANGUAGES else None
        yield ShopUser(row["user_id"], facts, language, declared=row.get(DECLARED, True))


def _events(bundle: Bundle, name: str, shift_s: int) -> Iterator[Interaction]:
    """The bundle's log; each event is named by its place, so that filling up a store counts nothing twice."""
    log, items, users = bundle.snapshot.interactions, bundle.snapshot.items["item_id"], bundle.snapshot.users["user_id"]
    for column in ("query", "session_id"):
        if column not in log.columns:
            log = log.with_columns(pl.lit(None, dtype=pl.String).alias(column))
    names, owners = items.to_list(), users.to_list()
    columns = ("user_num", "item_num", "event", "value", "timestamp", "query", "session_id")
    for place, (user, item, event, value, when, query, session) in enumerate(log.select(columns).iter_rows()):
        yield Interaction(
            user_id=owners[user],
            item_id=None if item is None else names[item],
            event=Event(event),
            timestamp=when + shift_s if when else 0,
            value=value,
            query=query,
            session_id=session,
            event_id=f"{name}/{place}",
        )
