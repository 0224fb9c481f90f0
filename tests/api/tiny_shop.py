"""A live shop of a dozen garments that ranks by shared attributes: small, but every rule and method is real."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from PIL import Image

from modaloom.config import Settings, load_settings
from modaloom.errors import BundleError, NotFoundError, QueryError
from modaloom.shop.requests import (
    Answer,
    Ask,
    Card,
    Chip,
    Comparison,
    Health,
    ItemView,
    Profile,
    Swatch,
    Why,
    picture_url,
)
from modaloom.storage.contract import Store
from modaloom.storage.open import open_store
from modaloom.types import Event, Item

CATEGORIES = ("dress", "skirt", "shirt", "boots")
COLOURS = ("red", "green", "blue")


def garments(pictures: Path) -> list[Item]:
    """Twelve garments; all but the boots have a picture, and the blue boots are out of stock."""
    made = []
    for row, category in enumerate(CATEGORIES):
        for column, colour in enumerate(COLOURS):
            item_id = f"{category}-{colour}"
            file = pictures / f"{item_id}.png"
            if category != "boots":
                Image.new("RGB", (400, 600), (60 * column, 50 * row, 90)).save(file)
            made.append(
                Item(
                    item_id,
                    title=f"{colour} {category}",
                    description=f"A {colour} {category}.",
                    attributes={"category": category, "colour": colour, "sizes": "S|M|L"},
                    price=10.0 + 10 * row + column,
                    images=() if category == "boots" else (file,),
                    stock=0 if item_id == "boots-blue" else 5,
                    group_id=category,
                )
            )
    return made


class TinyShop:
    """The methods of a LiveShop, over a store."""

    def __init__(self, store: Store, settings: Settings):
        self.store = store
        self.settings = settings
        self.traffic: dict[str, float] = {"tiny": 1.0}
        self._bundles = ["tiny"]

    def refresh(self) -> bool:
        return False

    def close(self) -> None:
        pass

    def _all(self) -> dict[str, Item]:
        changes = self.store.item_changes(0, limit=10_000)
        return {change.item_id: change.item for change in changes if change.item is not None}

    def _item(self, item_id: str) -> Item:
        item = self.store.items([item_id]).get(item_id)
        if item is None:
            raise NotFoundError(f"no item {item_id!r}", hint="It may have been deleted")
        return item

    def _allowed(self, item: Item, ask: Ask, gone: set[str]) -> bool:
        rules, facts = ask.rules, item.attributes
        return (
            item.item_id not in rules.exclude
            and item.item_id not in gone
            and (not rules.in_stock or item.stock != 0)
            and (rules.price_min is None or (item.price is not None and item.price >= rules.price_min))
            and (rules.price_max is None or (item.price is not None and item.price <= rules.price_max))
            and all(facts.get(name) in values for name, values in rules.attributes.items())
            and (not rules.sizes or bool(set(rules.sizes) & set(facts.get("sizes", "").split("|"))))
        )

    def _answer(self, ask: Ask, taste: Counter[str], reason: str = "popular", among: set[str] | None = None) -> Answer:
        gone: set[str] = set()
        personal = False
        if ask.user_id is not None:
            for said in self.store.feedback(ask.user_id):
                if said.kind == "like":
                    taste.update(self._facts(said.item_id))
                else:
                    gone.add(said.item_id)
            user = self.store.user(ask.user_id)
            if ask.personal and (user is None or user.personalise):
                past = self.store.history(ask.user_id)
                personal = bool(past)
                for event in past:
                    taste.update(self._facts(event.item_id or ""))
                if ask.rules.hide_bought:
                    gone |= {event.item_id or "" for event in past if event.event is Event.PURCHASE}
        for item_id in ask.clicked:
            taste.update(self._facts(item_id))
        scored = [
            (sum(taste[f"{k}={v}"] + ask.rules.boost.get(f"{k}={v}", 0) for k, v in item.attributes.items()), item)
            for item in self._all().values()
            if (among is None or item.item_id in among) and self._allowed(item, ask, gone)
        ]
        cards, per_category = [], Counter[str]()
        for score, item in sorted(scored, key=lambda one: (-one[0], one[1].item_id)):
            category = item.attributes.get("category", "")
            if ask.rules.category_cap and per_category[category] >= ask.rules.category_cap:
                continue
            per_category[category] += 1
            cards.append(self._card(item, float(score), reason if ask.why else None))
        found = tuple(cards[: ask.n])
        return Answer(found, ask.bundle or "tiny", personal, None if len(found) == ask.n else "few")

    def _facts(self, item_id: str) -> list[str]:
        item = self.store.items([item_id]).get(item_id) if item_id else None
        return [f"{name}={value}" for name, value in item.attributes.items()] if item else []

    def _card(self, item: Item, score: float = 0.0, reason: str | None = None) -> Card:
        return Card(
            item_id=item.item_id,
            title=item.title,
            price=item.price,
            category=item.attributes.get("category"),
            picture=picture_url(item.item_id) if item.images else None,
            in_stock=item.stock != 0,
            is_new=False,
            score=score,
            why=(Why("Many like it", reason, "", None, score),) if reason else (),
            swatches=tuple(
                Swatch(other := f"{item.group_id}-{colour}", colour, colour, picture_url(other))
                for colour in COLOURS
                if item.group_id in CATEGORIES[:1] and f"{item.group_id}-{colour}" != item.item_id
            ),
        )

    def home(self, ask: Ask) -> Answer:
        return self._answer(ask, Counter())

    trending = home
    new = home

    def similar(self, item_id: str, ask: Ask) -> Answer:
        facts = Counter(self._facts(self._item(item_id).item_id))
        return self._answer(ask, facts, "modality", set(self._all()) - {item_id})

    goes_with = similar

    def search(self, ask: Ask, *, text: str | None = None, photo: Path | None = None) -> Answer:
        if not text and not photo:
            raise QueryError("nothing to search for")
        found = set(self._all())
        if photo is not None:
            with Image.open(photo) as image:
                assert not image.getexif()
                assert image.format == "JPEG"
        if text:
            found = {one.item_id for one in self._all().values() if set(text.split()) & set(one.title.split())}
        return self._answer(ask, Counter(), "words" if text else "photo", found)

    def explain(self, item_id: str, ask: Ask) -> tuple[Why, ...]:
        self._item(item_id)
        return (Why("Because you looked at it", "item", item_id, item_id, 1.0, picture_url(item_id)),)

    def item(self, item_id: str, language: str) -> ItemView:
        item = self._item(item_id)
        sizes = tuple(item.attributes.get("sizes", "").split("|"))
        pictures = tuple(picture_url(item_id, number) for number in range(len(item.images)))
        return ItemView(
            self._card(item), item.description, item.attributes, sizes, item.stock, pictures, {"image": 1.0}
        )

    def items(self, item_ids: Sequence[str], language: str) -> list[Card]:
        known = self.store.items(list(item_ids))
        return [self._card(known[item_id]) for item_id in item_ids if item_id in known]

    def picture(self, item_id: str, number: int = 0) -> Path:
        images = self._item(item_id).images
        if number >= len(images):
            raise NotFoundError("no such picture")
        return Path(images[number])

    def profile(self, user_id: str, language: str) -> Profile:
        user = self.store.user(user_id)
        taste = user.taste if user else {}
        counts = {"events": len(self.store.history(user_id)), "wardrobe": len(self.store.wardrobe(user_id))}
        chips = tuple(Chip(key, key, weight, 0.0, True) for key, weight in taste.items())
        attributes = user.attributes if user else {}
        language_of = user.language if user else None
        return Profile(user_id, user.personalise if user else True, language_of, chips, {}, attributes, counts)

    def facets(self, language: str) -> dict[str, list[tuple[str, str, int]]]:
        counted = Counter(item.attributes.get("category", "") for item in self._all().values())
        return {"category": [(value, value.title(), n) for value, n in counted.items()]}

    def compare(self, against: str, *, days: int = 28) -> list[Comparison]:
        if against not in self._bundles:
            raise QueryError(f"nothing was shown by {against!r}")
        return [Comparison("trial", against, (10, 10), (0.1, 0.2), 0.1, -0.1, 0.3)]

    def health(self) -> Health:
        items = self._all().values()
        return Health(len(items), sum(one.stock != 0 for one in items), 0, {"image": 3}, 2, 0, {"tiny": {"share": 1.0}})

    def bundles(self) -> list[str]:
        return list(self._bundles)

    def set_traffic(self, shares: Mapping[str, float]) -> None:
        if set(shares) - set(self._bundles):
            raise QueryError("there is no such bundle", hint=f"Known are {', '.join(self._bundles)}")
        self.traffic = dict(shares)

    def add_bundle(self, folder: Path) -> str:
        if not folder.is_dir():
            raise BundleError("no such bundle", where=folder, hint="Run 'modaloom train' first")
        self._bundles.append(folder.name)
        return folder.name

    def remove_bundle(self, name: str) -> None:
        if name not in self._bundles:
            raise NotFoundError(f"no bundle {name!r}", hint="Known is tiny")
        if self.traffic.get(name):
            raise QueryError(f"the bundle {name!r} still has traffic")
        self._bundles.remove(name)


def open_tiny(folder: str, *, slow_s: float = 0.0, fail: bool = False) -> TinyShop:
    """What a worker builds; ``slow_s`` makes every list take its time, and tell when it begins."""
    if fail:
        raise BundleError("the bundle is broken", hint="Train another one")
    root = Path(folder)
    store = open_store(f"sqlite:///{root / 'shop.db'}")
    if not store.catalogue_version():
        (root / "pictures").mkdir(exist_ok=True)
        store.upsert_items(garments(root / "pictures"))
    live = TinyShop(store, load_settings(cache_dir=root / "cache"))
    if slow_s:
        listed = live.home

        def slow(ask: Ask) -> Answer:
            os.write(1, b'{"event": "list begun"}\n')  # a whole line at once: print writes its end apart
            time.sleep(slow_s)
            return listed(ask)

        live.home = slow  # type: ignore[method-assign]
    return live
