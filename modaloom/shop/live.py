"""A live shop: a store, one or more bundles that share the traffic, and every answer the service gives."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from modaloom.config import Settings
from modaloom.errors import NotFoundError, QueryError
from modaloom.messages import messages
from modaloom.privacy import RESEARCH
from modaloom.shop.catalogue import UNKNOWN, sizes_of
from modaloom.shop.compare import compare
from modaloom.shop.recommender import Guide
from modaloom.shop.registry import Fleet
from modaloom.shop.requests import MAX_N, Answer, Ask, Card, Comparison, Health, ItemView, Profile, Why, picture_url
from modaloom.shop.shopper import Shopper, chips_of
from modaloom.storage.contract import ShopUser, Store
from modaloom.types import DAY_S, BoolArray, Event, FloatArray, Reason

TREND_DAYS = 14
TREND_KEPT_S = 60.0
TREND_WEIGHTS = {Event.VIEW: 1.0, Event.CART: 3.0, Event.PURCHASE: 5.0}
KEPT_HISTORY = 200
MOST_FACET_VALUES = 80
HIDING = ("hide", "wrong_size", "too_dear")


class Activity(NamedTuple):
    """What went on around items in the last :data:`TREND_DAYS`, by their ids."""

    counts: Mapping[str, float]
    bought: frozenset[str]


class LiveShop:
    """Answers for shoppers from the store's present state. Every method is safe to call from several threads."""

    def __init__(self, store: Store, settings: Settings, *, clock: Callable[[], int] = lambda: int(time.time())):
        self.store = store
        self.settings = settings
        self.clock = clock
        self.fleet = Fleet(store, settings, clock)
        self._trend = float("-inf"), Activity({}, frozenset())
        self._counting = threading.Lock()

    def open(self) -> None:
        """Loads the bundles that the store names, and goes on watching for others.

        Raises:
            BundleError: none of them can be loaded.
        """
        self.fleet.open()

    def close(self) -> None:
        """Ends the threads. The store is its owner's to close."""
        self.fleet.close()

    def refresh(self) -> bool:
        """Takes in what changed in the catalogue; whether anything had. Cheap when nothing has."""
        return self.fleet.refresh()

    def settle(self, timeout_s: float = 60.0) -> bool:
        """Waits until everything that came in is read and can be recommended; whether it is."""
        self.refresh()
        return all(guide.placing.settle(timeout_s) for guide in self.fleet.guides())

    def home(self, ask: Ask) -> Answer:
        """For you."""
        return self._answer(ask, lambda guide, shopper, now: guide.for_shopper(ask, shopper, now))

    def new(self, ask: Ask) -> Answer:
        """What is new, the most fitting first."""
        return self._answer(ask, lambda guide, shopper, now: guide.for_shopper(ask, shopper, now, only_new=True))

    def trending(self, ask: Ask) -> Answer:
        """What others look at and buy at this time; where that is little, what sold before and is expected to sell.

        Empty in a shop where nobody has looked at or bought anything yet.
        """

        def listed(guide: Guide, shopper: Shopper, now: int) -> list[Card]:
            activity = self._activity(now)
            with guide.lock:  # an item that is placed between scoring and listing would make the arrays unequal
                unsold = guide.never_sold()

                def reason_of(num: int) -> Reason:
                    bought = guide.catalogue.ids[num] in activity.bought
                    return Reason("popular" if bought or (guide.sells and not unsold[num]) else "viewed", "", 1.0)

                return guide.listed(_trending(guide, activity.counts, unsold), reason_of, ask, shopper, now)

        return self._answer(ask, listed)

    def similar(self, item_id: str, ask: Ask) -> Answer:
        """What is like one item.

        Raises:
            NotFoundError: there is no such item.
        """
        return self._answer(ask, lambda guide, shopper, now: guide.similar(_num(guide, item_id), ask, shopper, now))

    def goes_with(self, item_id: str, ask: Ask) -> Answer:
        """What others had together with one item.

        Raises:
            NotFoundError: there is no such item.
        """
        return self._answer(ask, lambda guide, shopper, now: guide.goes_with(_num(guide, item_id), ask, shopper, now))

    def search(self, ask: Ask, *, text: str | None = None, photo: Path | None = None) -> Answer:
        """What words say and a photo looks like.

        Raises:
            QueryError: nothing was asked for, or the bundle cannot read it.
            PictureError: the photo cannot be opened.
        """
        return self._answer(ask, lambda guide, shopper, now: guide.search(ask, shopper, now, text=text, photo=photo))

    def explain(self, item_id: str, ask: Ask) -> tuple[Why, ...]:
        """Why one item is, or would be, shown to a shopper.

        Raises:
            NotFoundError: there is no such item.
        """
        self.refresh()
        guide, (shopper, _) = self.fleet.guide(ask), self._shopper(ask)
        return guide.explain(_num(guide, item_id), ask, shopper, self.clock())

    def item(self, item_id: str, language: str) -> ItemView:
        """Everything about one item that a shopper may see.

        Raises:
            NotFoundError: there is no such item.
        """
        self.refresh()
        guide = self.fleet.main
        item = self.store.items([item_id]).get(item_id)
        if item is None:
            raise NotFoundError(f"no item {item_id!r}", hint="It may have been deleted")
        description = item.descriptions.get(language) or item.description or next(iter(item.descriptions.values()), "")
        with guide.lock:  # or the item may be placed in one array and not yet in the next
            num = _num(guide, item_id)
            return ItemView(
                item=guide.cards.card(num, 0.0, _language(language), self.clock()),
                description=description,
                attributes={name: guide.cards.label(name, value, language) for name, value in item.attributes.items()},
                sizes=sizes_of(item.attributes),
                stock=item.stock,
                pictures=tuple(picture_url(item_id, number) for number in range(len(item.images))),
                attention=guide.attention(num),
            )

    def items(self, item_ids: Sequence[str], language: str) -> list[Card]:
        """Those of the items that there are, in order."""
        self.refresh()
        guide, now = self.fleet.main, self.clock()
        with guide.lock:
            nums = guide.catalogue.numbers(item_ids)
            return [guide.cards.card(num, 0.0, _language(language), now) for num in nums]

    def picture(self, item_id: str, number: int = 0) -> Path:
        """The file of one of an item's pictures.

        Raises:
            NotFoundError: there is no such item or picture.
        """
        self.refresh()
        guide = self.fleet.main
        with guide.lock:
            pictures = guide.catalogue.pictures[_num(guide, item_id)]
        if not 0 <= number < len(pictures):
            raise NotFoundError(f"item {item_id!r} has no picture {number}")
        return Path(pictures[number])

    def profile(self, user_id: str, language: str) -> Profile:
        """What is known about a shopper, in their own words."""
        self.refresh()
        guide, known = self.fleet.guide(Ask(user_id=user_id)), self.store.known_of(user_id, limit=KEPT_HISTORY)
        user = known.user or ShopUser(user_id)
        shopper = Shopper(user_id, known.history, known.feedback, user.taste)
        with guide.lock:
            chips = chips_of(shopper, guide.catalogue, self.clock(), self._chip_label(guide, _language(language)))
        return Profile(
            user_id=user_id,
            personalise=user.personalise,
            language=user.language,
            chips=chips,
            modalities=guide.modality_shares(shopper, self.clock()),
            attributes=dict(user.attributes),
            shown=guide.cards.stated(user.attributes, language),
            counts={
                "events": len(self.store.history(user_id, limit=100_000)),
                "feedback": len(shopper.feedback),
                "wardrobe": len(self.store.wardrobe(user_id)),
            },
        )

    def facets(self, language: str) -> dict[str, list[tuple[str, str, int]]]:
        """Values (value, label, count) of every attribute that can be filtered by, and sizes; frequent ones first."""
        self.refresh()
        guide = self.fleet.main
        with guide.lock:
            alive, found = guide.catalogue.alive, {}
            for name, codes in guide.catalogue.attributes.items():
                if not 1 < len(codes.values) <= MOST_FACET_VALUES:
                    continue
                rows = codes.rows[alive]
                counts = np.bincount(rows[rows != UNKNOWN], minlength=len(codes.values))
                order = [code for code in np.argsort(-counts, kind="stable").tolist() if counts[code]]
                values = [(codes.values[code], int(counts[code])) for code in order]
                found[name] = [(value, guide.cards.label(name, value, language), count) for value, count in values]
            sizes = guide.catalogue.size_counts()
        if any(sizes.values()):
            found["size"] = [(size, size, count) for size, count in sizes.items() if count]
        return found

    def compare(self, against: str, *, days: int = 28, place: str | None = None) -> list[Comparison]:
        """Every other bundle against one, on what was shown lately.

        Raises:
            QueryError: nothing was shown by that bundle.
        """
        return compare(self.store.outcomes(self.clock() - days * DAY_S, place=place, purpose=RESEARCH), against)

    def health(self) -> Health:
        """The catalogue as it is served."""
        self.refresh()
        guide = self.fleet.main
        catalogue, known = guide.catalogue, guide.bundle.snapshot.n_items
        with guide.lock:
            alive = catalogue.alive
            without = {"image": sum(not catalogue.pictures[num] for num in np.flatnonzero(alive).tolist())}
            if guide.ranker.table is not None:
                lacking = guide.ranker.table.weights[alive] <= 0
                without |= {
                    name: int(lacking[:, place].sum()) for place, name in enumerate(guide.ranker.table.modalities)
                }
            return Health(
                items=int(alive.sum()),
                in_stock=int((alive & (catalogue.stock != 0)).sum()),
                new_since_learning=int(alive[known:].sum()),
                without=without,
                never_sold=int((alive & guide.never_sold()).sum()),
                waiting=guide.placing.waiting(),
                bundles=self.fleet.facts(),
            )

    def bundles(self) -> list[str]:
        """Names of the bundles that are loaded."""
        return self.fleet.names()

    @property
    def traffic(self) -> dict[str, float]:
        """Share of the traffic by bundle."""
        return self.fleet.traffic

    def set_traffic(self, shares: Mapping[str, float]) -> None:
        """See :meth:`~modaloom.shop.registry.Fleet.set_traffic`."""
        self.fleet.set_traffic(shares)

    def add_bundle(self, folder: Path) -> str:
        """See :meth:`~modaloom.shop.registry.Fleet.add`."""
        return self.fleet.add(folder)

    def remove_bundle(self, name: str) -> None:
        """See :meth:`~modaloom.shop.registry.Fleet.remove`."""
        self.fleet.remove(name)

    def _answer(self, ask: Ask, listed: Callable[[Guide, Shopper, int], list[Card]]) -> Answer:
        if not 1 <= ask.n <= MAX_N:
            raise QueryError(f"n must be from 1 to {MAX_N}, not {ask.n}")
        _language(ask.language)
        self.refresh()
        guide, (shopper, personal) = self.fleet.guide(ask), self._shopper(ask)
        cards = listed(guide, shopper, self.clock())
        note = "none" if not cards else "few" if len(cards) < ask.n else None
        if note is None and personal and not shopper.known:
            note = "cold"
        return Answer(tuple(cards), guide.name, personal and shopper.known, note)

    def _shopper(self, ask: Ask) -> tuple[Shopper, bool]:
        """The shopper as far as the list may know them, and whether it may."""
        if ask.user_id is None:
            return Shopper(None, clicked=ask.clicked if ask.personal else ()), ask.personal
        known = self.store.known_of(ask.user_id, limit=KEPT_HISTORY)
        user = known.user or ShopUser(ask.user_id)
        if not (ask.personal and user.personalise):
            hides = tuple(one for one in known.feedback if one.kind in HIDING)
            return Shopper(ask.user_id, feedback=hides), False
        return Shopper(ask.user_id, known.history, known.feedback, user.taste, ask.clicked), True

    def _activity(self, now: int) -> Activity:
        """How many shoppers were lately interested in each item, weighted by how much.

        Counted by one thread while others use what was counted last. Only shoppers whose data may be used for this.
        """
        made, activity = self._trend
        if time.monotonic() - made > TREND_KEPT_S and self._counting.acquire(blocking=not activity.counts):
            try:
                made, activity = self._trend
                if time.monotonic() - made > TREND_KEPT_S:
                    counts, since = dict[str, float](), now - TREND_DAYS * DAY_S
                    by_event = {
                        event: self.store.shopper_counts(since, (event,), purpose=RESEARCH) for event in TREND_WEIGHTS
                    }
                    for event, numbers in by_event.items():
                        for item_id, number in numbers.items():
                            counts[item_id] = counts.get(item_id, 0.0) + TREND_WEIGHTS[event] * number
                    activity = Activity(counts, frozenset(by_event[Event.PURCHASE]))
                    self._trend = time.monotonic(), activity
            finally:
                self._counting.release()
        return activity

    def _chip_label(self, guide: Guide, language: str) -> Callable[[str, str], str]:
        def label(name: str, value: str) -> str:
            if name == "item":
                return guide.cards.name(value, language)
            return guide.cards.label(name, value, language)

        return label


def _trending(guide: Guide, counts: Mapping[str, float], unsold: BoolArray) -> FloatArray:
    """How much is going on around each item (n,), and what is expected where that is equal.

    Minus infinity where nothing is going on and nothing was sold before.
    """
    expected = guide.expected()
    values = np.where(unsold, -np.inf, expected).astype(np.float32)
    for item_id, count in counts.items():
        num = guide.catalogue.nums.get(item_id)
        if num is not None:
            values[num] = expected[num] + np.float32(np.log1p(count))
    return values


def _num(guide: Guide, item_id: str) -> int:
    with guide.lock:
        nums = guide.catalogue.numbers([item_id])
    if not nums:
        raise NotFoundError(f"no item {item_id!r}", hint="It may have been deleted")
    return nums[0]


def _language(language: str) -> str:
    messages(language)  # refuses what is not there
    return language
