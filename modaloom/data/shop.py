"""A merchant's folder as one clean object."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import polars as pl

from modaloom.config import Settings, load_settings
from modaloom.data.assemble import UserTable, read_features, read_interaction_table, read_user_table
from modaloom.data.cells import fractions_matter
from modaloom.data.items import Catalogue, read_item_table
from modaloom.data.numbering import Numbering
from modaloom.data.numbers import CURRENCY_SIGNS
from modaloom.data.problems import Problems
from modaloom.data.schema import ShopSpec, read_spec
from modaloom.errors import QueryError, ShopError, ShopNotFoundError
from modaloom.types import ATTRIBUTE_PREFIX, ITEM_COLUMNS, LANGUAGES, Event, IntArray, Item, Tokens


@dataclass(frozen=True)
class Shop:
    """Catalogue, shoppers and behaviour under our names and numbers.

    ``items``, ``users`` and ``interactions`` have the columns listed in :mod:`modaloom.types`.
    """

    name: str
    root: Path
    language: str
    items: pl.DataFrame
    users: pl.DataFrame
    interactions: pl.DataFrame
    features: Mapping[str, Tokens]
    target_events: tuple[Event, ...]
    exclude_seen: bool
    problems: Problems
    spec: ShopSpec
    item_aliases: Mapping[str, str] = field(default_factory=dict)
    """Ids of variants and stock keeping units, and the item that each belongs to."""
    user_aliases: Mapping[str, str] = field(default_factory=dict)
    """Visitors' ids, and the shopper that each turned out to be."""
    n_described: int = 0
    """Number of users of the table of shoppers, who come first; the others came with the log."""

    @property
    def n_items(self) -> int:
        """Number of items."""
        return self.items.height

    @property
    def n_users(self) -> int:
        """Number of users."""
        return self.users.height

    @property
    def attribute_names(self) -> list[str]:
        """Names of the items' attributes, without the prefix."""
        return [name.removeprefix(ATTRIBUTE_PREFIX) for name in self.items.columns if name.startswith(ATTRIBUTE_PREFIX)]

    @property
    def has_times(self) -> bool:
        """Whether the behaviour log says when things happened."""
        last = self.interactions["timestamp"].max()
        return bool(last)

    @property
    def end(self) -> int:
        """The moment just after the last interaction, in seconds since 1970 UTC."""
        last = self.interactions["timestamp"].max()
        return int(last) + 1 if isinstance(last, int) else 0

    @cached_property
    def keeps_fractions(self) -> tuple[bool, bool]:
        """Whether ``12.0`` and ``12`` are different ids, of items and of users."""
        return fractions_matter(self.items["item_id"]), fractions_matter(self.users["user_id"])

    @cached_property
    def _item_numbering(self) -> Numbering:
        return Numbering(self.items["item_id"], self.item_aliases)

    @cached_property
    def _user_numbering(self) -> Numbering:
        return Numbering(self.users["user_id"], self.user_aliases)

    def item(self, item_num: int) -> Item:
        """One item as the shop describes it."""
        return item_of(self.items, item_num, self.root)

    def item_nums(self, item_ids: Iterable[str]) -> IntArray:
        """Numbers of items by their ids.

        Raises:
            QueryError: an id is unknown; names the nearest known ones.
        """
        return self._item_numbering.of(list(item_ids), "item")

    def user_nums(self, user_ids: Iterable[str]) -> IntArray:
        """Numbers of users by their ids.

        Raises:
            QueryError: an id is unknown; names the nearest known ones.
        """
        return self._user_numbering.of(list(user_ids), "user")

    def image_paths(self) -> list[Path | None]:
        """The first picture of every item, or None."""
        return image_paths(self.items, self.root)

    def fingerprint(self) -> str:
        """A short hash of everything that was read, equal for equal content."""
        digest = hashlib.blake2b(digest_size=12)
        for frame in (self.items, self.users, self.interactions):
            hashes = frame.hash_rows(seed=0).to_numpy()
            digest.update(",".join(frame.columns).encode())
            digest.update(np.ascontiguousarray(hashes).tobytes())
        for modality, tokens in sorted(self.features.items()):
            digest.update(modality.encode() + np.ascontiguousarray(tokens.vectors).tobytes())
        return digest.hexdigest()


def image_paths(items: pl.DataFrame, root: Path) -> list[Path | None]:
    """The first picture of every row of an item table (n,), or None; relative paths start from ``root``."""
    return [root / paths[0] if paths else None for paths in items["images"].to_list()]


def item_of(items: pl.DataFrame, item_num: int, root: Path) -> Item:
    """One row of an item table as an :class:`~modaloom.types.Item`."""
    return next(items_of(items[item_num : item_num + 1], root))


def items_of(items: pl.DataFrame, root: Path) -> Iterator[Item]:
    """The rows of an item table as items; pictures and videos lie under ``root``."""
    named = [(name, name.removeprefix(ATTRIBUTE_PREFIX)) for name in items.columns if name.startswith(ATTRIBUTE_PREFIX)]
    for row in items.iter_rows(named=True):
        titles, descriptions = (
            {language: row[f"{kind}_{language}"] for language in LANGUAGES if row[f"{kind}_{language}"]}
            for kind in ("title", "description")
        )
        yield Item(
            item_id=row["item_id"],
            title=row["title"] or "",
            description=row["description"] or "",
            attributes={short: row[name] for name, short in named if row[name] is not None},
            price=row["price"],
            images=tuple(root / path for path in row["images"] or ()),
            video=root / row["video"] if row["video"] else None,
            stock=row["stock"],
            released_at=row["released_at"],
            group_id=row["group_id"],
            titles=titles,
            descriptions=descriptions,
        )


def item_frame(items: Iterable[Item]) -> pl.DataFrame:
    """Items as an item table: :func:`items_of` the other way round. Pictures keep the paths that they have."""
    rows: list[dict[str, object]] = [
        {
            "item_id": item.item_id,
            "title": item.title or None,
            "description": item.description or None,
            **{f"title_{language}": text for language, text in item.titles.items()},
            **{f"description_{language}": text for language, text in item.descriptions.items()},
            "price": item.price,
            "images": [str(path) for path in item.images] or None,
            "video": None if item.video is None else str(item.video),
            "stock": item.stock,
            "released_at": item.released_at,
            "group_id": item.group_id,
            **{ATTRIBUTE_PREFIX + name: value for name, value in item.attributes.items()},
        }
        for item in items
    ]
    names = sorted({name for row in rows for name in row if name.startswith(ATTRIBUTE_PREFIX)})
    return pl.DataFrame(rows, schema={**ITEM_COLUMNS, **dict.fromkeys(names, pl.String())})


def load_shop(shop: str | Path, *, root: str | Path | None = None, settings: Settings | None = None) -> Shop:
    """Reads a shop.

    Args:
        shop: a folder with a ``shop.toml``, or a toml file.
        root: where the data lie; the toml's own folder by default.
        settings: limits for bad rows; read from the environment by default.

    Raises:
        ShopNotFoundError: a file or folder is missing.
        ShopError: a file is empty, lacks a column, or is too broken to be trusted.
    """
    settings = settings or load_settings()
    toml, folder = _locate(Path(shop), Path(root) if root is not None else None)
    spec = read_spec(toml)
    problems = Problems()
    catalogue = read_item_table(spec.items, folder, problems, settings) if spec.items else None
    known = read_user_table(spec.users, folder, problems, settings) if spec.users else None
    log = read_interaction_table(spec, folder, catalogue, known, problems, settings)
    if log.items.height == 0:
        raise ShopError("the shop has no items", where=toml, hint="Check [items] in shop.toml")
    return Shop(
        name=spec.name,
        root=folder,
        language=spec.language,
        items=log.items,
        users=log.users,
        interactions=log.interactions,
        features=read_features(spec, folder, log.items),
        target_events=_target_events(spec, log.interactions),
        exclude_seen=spec.evaluation.exclude_seen,
        problems=problems,
        spec=_with_currency(spec, catalogue),
        item_aliases=catalogue.aliases if catalogue else {},
        user_aliases=log.user_aliases,
        n_described=known.users.height if known else 0,
    )


def _with_currency(spec: ShopSpec, catalogue: Catalogue | None) -> ShopSpec:
    """The currency that all prices name, where shop.toml names none."""
    if spec.currency or catalogue is None or catalogue.currency is None:
        return spec
    sign = CURRENCY_SIGNS.get(catalogue.currency, f"{catalogue.currency} ")
    return spec.model_copy(update={"currency": sign[:8]})


def read_interactions(shop: Shop, file: str | Path, *, settings: Settings | None = None) -> pl.DataFrame:
    """A further file with the columns of the shop's own interactions file, under the shop's numbers.

    Items and users that the shop doesn't know are counted in ``shop.problems`` and left out.

    Raises:
        ShopError: the shop has no interactions of its own to take the columns from, or the file is unusable.
    """
    if shop.spec.interactions is None:
        raise ShopError(
            "the shop's toml has no [interactions]", where=file, hint="Its columns are needed to read this file"
        )
    path = Path(file)
    spec = shop.spec.model_copy(
        update={
            "interactions": shop.spec.interactions.model_copy(
                update={"file": path.name, "format": _format_of(shop, path)}
            )
        }
    )
    own_ids = Catalogue(shop.items, dict(shop.item_aliases), shop.keeps_fractions[0])
    own_users = UserTable(shop.users, shop.keeps_fractions[1], dict(shop.user_aliases))
    settings = settings or load_settings()
    return read_interaction_table(
        spec, path.parent, own_ids, own_users, shop.problems, settings, grow=False
    ).interactions


def _format_of(shop: Shop, path: Path) -> str | None:
    own = shop.spec.interactions
    assert own is not None
    return own.format if Path(own.file).suffix == path.suffix else None


def _locate(shop: Path, root: Path | None) -> tuple[Path, Path]:
    """The toml and the folder that its paths start from."""
    if not shop.exists():
        raise ShopNotFoundError(
            "no such file or folder", where=shop, hint="Give a folder with a shop.toml, or a toml file"
        )
    toml = shop / "shop.toml" if shop.is_dir() else shop
    if not toml.is_file():
        raise ShopNotFoundError("the folder has no shop.toml", where=shop, hint="docs/shop.md shows how to write one")
    folder = root if root is not None else toml.parent
    if not folder.is_dir():
        raise ShopNotFoundError("no such folder", where=folder, hint="Check --root")
    return toml, folder


def _target_events(spec: ShopSpec, interactions: pl.DataFrame) -> tuple[Event, ...]:
    if spec.evaluation.target_events:
        return tuple(Event[name.upper()] for name in spec.evaluation.target_events)
    return target_events_of(interactions)


def target_events_of(interactions: pl.DataFrame) -> tuple[Event, ...]:
    """What counts as success where the shop does not say: purchases, else every event that speaks for an item.

    Purchases, too, where nothing did yet.
    """
    there = {Event(code) for code in interactions["event"].unique().to_list()}
    if Event.PURCHASE in there:
        return (Event.PURCHASE,)
    return tuple(sorted(there - {Event.SEARCH, Event.DISLIKE, Event.RETURN})) or (Event.PURCHASE,)


__all__ = [
    "QueryError",
    "Shop",
    "image_paths",
    "item_frame",
    "item_of",
    "items_of",
    "load_shop",
    "read_interactions",
    "target_events_of",
]
