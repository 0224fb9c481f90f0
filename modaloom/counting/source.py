"""Where trends are read from: a shop's files, or the store of a live one, page by page."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from modaloom.data.problems import Problems
from modaloom.data.schema import ShopSpec
from modaloom.data.shop import Shop, item_frame
from modaloom.errors import ShopError
from modaloom.privacy import RESEARCH, is_anonymous
from modaloom.storage.contract import ItemChange, Store
from modaloom.types import ATTRIBUTE_PREFIX, INTERACTION_COLUMNS, Event

ROWS = 500_000
"""Events of a shop's files that are looked at together."""
PAGE = 50_000
"""Events of a store that are asked for at once."""
_KINDS = {
    "user_num": pl.UInt32(),
    "item_num": pl.UInt32(),
    "event": pl.UInt8(),
    "timestamp": pl.Int64(),
    "query": pl.String(),
}


@dataclass(frozen=True)
class Source:
    """A shop without its log, and the log as batches."""

    shop: Shop
    batches: Callable[[], Iterator[pl.DataFrame]]
    total: int
    """Events to come."""


def shop_source(shop: Shop) -> Source:
    """A shop that was read from files.

    Raises:
        ShopError: there is no log, or it has no times.
    """
    if not shop.interactions.height:
        what = "the shop has no behaviour log, and trends are counted from one"
        raise ShopError(what, where=shop.name, hint="Add [interactions] to shop.toml, or give the store that serves it")
    if not shop.has_times:
        raise ShopError("the log has no times", where=shop.name, hint="Trends need a timestamp: see docs/trends.md")
    log = shop.interactions
    columns = [name for name in _KINDS if name in log.columns]

    def batches() -> Iterator[pl.DataFrame]:
        for start in range(0, log.height, ROWS):
            yield log[start : start + ROWS].select(columns)

    return Source(shop, batches, log.height)


@dataclass(frozen=True)
class Facts:
    """What a store does not know of its shop: a bundle's configuration does."""

    name: str = "shop"
    language: str = "en"
    currency: str = ""
    labels: Mapping[str, Mapping[str, Mapping[str, str]]] = field(default_factory=dict)
    root: Path = Path()
    bundle: Path | None = None
    """The bundle's folder, whose encoders read the store's pictures."""


def store_source(store: Store, facts: Facts) -> Source:
    """A live shop's store: those shoppers who may be used for reports, and whom the shop itself knows.

    An anonymous shopper counts for nothing, whatever they agreed to: who wants to decide what trends makes many.

    Raises:
        ShopError: the store has no items, or no shopper who may be counted.
    """
    items = item_frame(change.item for changes in _item_pages(store) for change in changes if change.item is not None)
    if not items.height:
        raise ShopError("the store has no items", where=store.url, hint="Serve a bundle on it first, or send items")
    users, user_num = _users(store)
    if not users.height:
        raise ShopError(
            "no shopper of this store may be counted",
            where=store.url,
            hint="Shoppers say so on their page, or the shop declares them with PUT /v1/users: see docs/privacy.md",
        )
    spec = ShopSpec(name=facts.name, language=facts.language, currency=facts.currency, labels=facts.labels)  # type: ignore[arg-type]
    shop = Shop(
        name=facts.name, root=facts.root, language=facts.language, items=items, users=users,
        interactions=pl.DataFrame(schema=INTERACTION_COLUMNS), features={}, target_events=(Event.PURCHASE,),
        exclude_seen=True, problems=Problems(), spec=spec,
    )  # fmt: skip
    item_num = {item_id: num for num, item_id in enumerate(items["item_id"].to_list())}
    numbers = store.item_numbers()
    place = {num: item_num[item_id] for item_id, num in numbers.items() if item_id in item_num}
    return Source(shop, lambda: _store_batches(store, user_num, place), store.counts().get("interaction", 0))


def _item_pages(store: Store) -> Iterator[list[ItemChange]]:
    after = 0
    while changes := store.item_changes(after, limit=5_000):
        yield changes
        after = changes[-1].version


def _users(store: Store) -> tuple[pl.DataFrame, dict[int, int]]:
    """The table of shoppers, and its row for every shopper's number in the store."""
    ids: list[str] = []
    facts: list[dict[str, str]] = []
    place: dict[int, int] = {}
    after = 0
    while page := store.user_rows(after, limit=PAGE, purpose=RESEARCH):
        for num, user in page:
            if is_anonymous(user.user_id):
                continue
            place[num] = len(ids)
            ids.append(user.user_id)
            facts.append(dict(user.attributes))
        after = page[-1][0]
    names = sorted({name for one in facts for name in one})
    columns = {ATTRIBUTE_PREFIX + name: pl.Series([one.get(name) for one in facts], dtype=pl.String) for name in names}
    users = pl.DataFrame({"user_id": pl.Series(ids, dtype=pl.String), **columns})
    return users, place


def _store_batches(store: Store, user_num: dict[int, int], item_num: dict[int, int]) -> Iterator[pl.DataFrame]:
    users = pl.DataFrame(
        {"user": list(user_num), "user_num": list(user_num.values())}, schema={"user": pl.Int64, "user_num": pl.UInt32}
    )
    items = pl.DataFrame(
        {"item": list(item_num), "item_num": list(item_num.values())}, schema={"item": pl.Int64, "item_num": pl.UInt32}
    )
    names = {
        "num": pl.Int64,
        "user": pl.Int64,
        "item": pl.Int64,
        "event": pl.UInt8,
        "timestamp": pl.Int64,
        "query": pl.String,
    }
    after = 0
    while page := store.event_rows(after, limit=PAGE, purpose=RESEARCH):
        after = page[-1][0]
        frame = pl.DataFrame(page, schema=names, orient="row")
        yield (
            frame.join(users, on="user", how="inner", maintain_order="left")
            .join(items, on="item", how="left", maintain_order="left")
            .select(list(_KINDS))
        )
