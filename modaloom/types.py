"""The nouns of the house and its contracts, as plain data.

Shapes use one legend everywhere: b batch, n items, m modalities, t history length, d dim.

Tables are polars frames with the columns listed in :data:`ITEM_COLUMNS`,
:data:`INTERACTION_COLUMNS` and :data:`USER_COLUMNS`. Row number ``r`` of the item table *is*
the item with ``item_num == r``, and likewise for users, so that every matrix in the house can
be indexed with these numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path
from typing import Any, NamedTuple, Protocol, Self, runtime_checkable

import numpy as np
import numpy.typing as npt
import polars as pl

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
Tell = Callable[[str, int, int], None]
"""Called as work goes on, with what is being done, how much of it is done, and of how much."""
Fingerprint = tuple[str, str, int, float]
"""See :attr:`Tokens.fingerprint`."""
DAY_S = 86_400


def silent(what: str, done: int, total: int) -> None:
    """A :data:`Tell` that nobody hears."""


class Event(IntEnum):
    """What a shopper did. The number is what the ``event`` column of an interaction table holds."""

    VIEW = 0
    SEARCH = 1
    CART = 2
    PURCHASE = 3
    RATING = 4
    LIKE = 5
    DISLIKE = 6
    RETURN = 7


LANGUAGES = ("zh", "en")
"""Languages that a shopper may read Modaloom in."""

MODALITIES = ("image", "text", "attributes", "behaviour")
"""The modality tokens that an item may have, in the order used by every model."""

ATTRIBUTE_PREFIX = "attributes."
"""Item and user columns that start with this are attributes: ``attributes.colour``."""

SIZE_ATTRIBUTES = ("size", "sizes")
"""Attributes that list the sizes an item comes in. They say what fits, and nothing about style."""

STOCK_BY_SIZE = "stock_by_size"
"""Attribute of items that were merged from variants: the pieces of each size, ``S 4, M 0``."""

CURRENCY_ATTRIBUTE = "currency"
"""Attribute of items in shops whose prices are in several currencies: the code or sign of the item's."""

NOT_STYLE = (*SIZE_ATTRIBUTES, STOCK_BY_SIZE, CURRENCY_ATTRIBUTE)
"""Attributes that say nothing about how a garment looks: models, tastes and trends leave them out."""

ITEM_COLUMNS: dict[str, pl.DataType] = {
    "item_id": pl.String(),
    "title": pl.String(),
    "description": pl.String(),
    "title_zh": pl.String(),
    "title_en": pl.String(),
    "description_zh": pl.String(),
    "description_en": pl.String(),
    "price": pl.Float64(),
    "images": pl.List(pl.String()),  # paths relative to the shop's root; existing files only
    "video": pl.String(),
    "stock": pl.Int64(),
    "released_at": pl.Int64(),  # seconds since 1970 UTC
    "release_rank": pl.Float64(),  # any number that grows with the release date, for want of a date
    "group_id": pl.String(),  # items that share it are one model in several colours or prints
}
"""Fixed columns of the item table; all but ``item_id`` may hold nulls. ``attributes.*`` follow."""

USER_COLUMNS: dict[str, pl.DataType] = {"user_id": pl.String()}
"""Fixed columns of the user table. ``attributes.*`` follow (age, stated tastes, sizes ...)."""

INTERACTION_COLUMNS: dict[str, pl.DataType] = {
    "user_num": pl.UInt32(),
    "item_num": pl.UInt32(),  # null only for a search
    "event": pl.UInt8(),  # an Event
    "value": pl.Float32(),  # rating, quantity ...; null where the file has none
    "timestamp": pl.Int64(),  # seconds since 1970 UTC; 0 where the file has none
}
"""Fixed columns of the interaction table, which is sorted by timestamp (a stable sort).

``query`` and ``session_id`` (strings) follow where the shop has them."""


@dataclass(frozen=True, slots=True)
class Item:
    """One garment as the shop describes it. Any modality may be missing."""

    item_id: str
    title: str = ""
    description: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)
    price: float | None = None
    images: tuple[Path, ...] = ()
    video: Path | None = None
    stock: int | None = None
    released_at: int | None = None
    group_id: str | None = None
    titles: Mapping[str, str] = field(default_factory=dict)
    """Title by language code, where the shop has translations."""
    descriptions: Mapping[str, str] = field(default_factory=dict)
    """Description by language code, where the shop has translations."""


@dataclass(frozen=True, slots=True)
class Interaction:
    """One thing that a shopper did."""

    user_id: str
    item_id: str | None
    event: Event
    timestamp: int
    value: float | None = None
    query: str | None = None
    session_id: str | None = None
    event_id: str | None = None
    """Whoever sends the event names it, so that sending it twice counts once."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """One modality of the whole catalogue: a vector per item and a bit that says it is there.

    ``vectors`` is (n, d) float32; rows whose ``mask`` is False hold zeros and must not be read.
    """

    modality: str
    encoder_id: str
    vectors: FloatArray
    mask: BoolArray

    def __post_init__(self) -> None:
        if self.vectors.ndim != 2 or self.mask.shape != self.vectors.shape[:1]:
            raise ValueError(f"vectors {self.vectors.shape} and mask {self.mask.shape} do not match")

    @property
    def dim(self) -> int:
        """Width of the vectors."""
        return int(self.vectors.shape[1])

    @property
    def fingerprint(self) -> Fingerprint:
        """What tells these vectors from others of the same shop: cheap to make, and no proof."""
        return self.modality, self.encoder_id, int(self.mask.sum()), float(self.vectors.sum())


@dataclass(frozen=True, slots=True)
class Histories:
    """The pasts of b shoppers, oldest event first, packed one after the other.

    Shopper ``r`` owns ``item_nums[offsets[r]:offsets[r + 1]]``. Searches are left out: every
    entry has an item. ``user_nums`` is -1 for somebody the model has never seen.
    """

    user_nums: IntArray  # (b,)
    offsets: IntArray  # (b + 1,)
    item_nums: IntArray  # (sum of lengths,)
    events: npt.NDArray[np.uint8]  # same length
    timestamps: IntArray  # same length, seconds since 1970 UTC
    now: int

    def __len__(self) -> int:
        return len(self.user_nums)

    def lengths(self) -> IntArray:
        """Number of events of each shopper, (b,)."""
        return np.diff(self.offsets)

    def rows(self) -> IntArray:
        """Row of the shopper that owns each entry, (sum of lengths,)."""
        return np.repeat(np.arange(len(self), dtype=np.int64), self.lengths())

    def of(self, row: int) -> IntArray:
        """Item numbers of one shopper, oldest first."""
        return self.item_nums[self.offsets[row] : self.offsets[row + 1]]

    def take(self, start: int, stop: int) -> Histories:
        """The shoppers ``start`` to ``stop``, for working in batches."""
        low, high = self.offsets[start], self.offsets[stop]
        return Histories(
            user_nums=self.user_nums[start:stop],
            offsets=self.offsets[start : stop + 1] - low,
            item_nums=self.item_nums[low:high],
            events=self.events[low:high],
            timestamps=self.timestamps[low:high],
            now=self.now,
        )

    @classmethod
    def from_lists(cls, items: Sequence[Sequence[int]], *, now: int, event: Event = Event.PURCHASE) -> Histories:
        """Histories of unknown shoppers who are given as lists of item numbers."""
        lengths = [len(row) for row in items]
        flat = np.array([num for row in items for num in row], dtype=np.int64)
        return cls(
            user_nums=np.full(len(items), -1, dtype=np.int64),
            offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
            item_nums=flat,
            events=np.full(len(flat), int(event), dtype=np.uint8),
            timestamps=np.full(len(flat), now, dtype=np.int64),
            now=now,
        )


@dataclass(frozen=True)
class Snapshot:
    """All that a model may learn from: the shop as it stood at one moment.

    Nothing in here is later than ``now``; whoever builds one sees to that.
    """

    items: pl.DataFrame
    users: pl.DataFrame
    interactions: pl.DataFrame
    tokens: Mapping[str, Tokens]
    catalogue: BoolArray  # (n,) items that may be recommended
    now: int  # seconds since 1970 UTC
    target_events: tuple[Event, ...] = (Event.PURCHASE,)
    exclude_seen: bool = True  # never recommend what the shopper already has a target event with
    last_out: bool = False
    """Each shopper is asked for what followed their own last event, whenever that was, not for what follows ``now``."""
    sold: BoolArray | None = None
    """Items (n,) that ever had a target event, where the log itself is not at hand."""

    @property
    def n_items(self) -> int:
        """Number of items, those outside the catalogue included."""
        return self.items.height

    @property
    def n_users(self) -> int:
        """Number of users, those without a past included."""
        return self.users.height

    def targets(self) -> pl.DataFrame:
        """The interactions that count as success (purchases, as a rule), with an item."""
        wanted = [int(event) for event in self.target_events]
        return self.interactions.filter(pl.col("event").is_in(wanted) & pl.col("item_num").is_not_null())

    def ever_sold(self) -> BoolArray:
        """Items (n,) that ever had a target event."""
        sold = np.zeros(self.n_items, dtype=bool) if self.sold is None else self.sold.copy()
        sold[self.targets()["item_num"].to_numpy()] = True
        return sold

    def may_be_shown(self, histories: Histories) -> BoolArray:
        """Which items (b, n) may be recommended: on offer, and not had before where the shop says so."""
        allowed = np.broadcast_to(self.catalogue, (len(histories), self.n_items))
        if not self.exclude_seen:
            return allowed
        allowed = allowed.copy()
        had = np.isin(histories.events, [int(event) for event in self.target_events])
        allowed[histories.rows()[had], histories.item_nums[had]] = False
        return allowed

    def histories(self, user_nums: IntArray) -> Histories:
        """The pasts of known users, in the order asked for (empty where there is none)."""
        user_nums = np.asarray(user_nums, dtype=np.int64)
        past = self.interactions.filter(pl.col("item_num").is_not_null())
        owner = past["user_num"].to_numpy().astype(np.int64)
        order = np.argsort(owner, kind="stable")  # keeps each user's events in time order
        starts = np.searchsorted(owner[order], user_nums, side="left")
        stops = np.searchsorted(owner[order], user_nums, side="right")
        lengths = stops - starts
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        within = np.arange(offsets[-1], dtype=np.int64) - np.repeat(offsets[:-1], lengths)
        picks = order[np.repeat(starts, lengths) + within]
        return Histories(
            user_nums=user_nums,
            offsets=offsets,
            item_nums=past["item_num"].to_numpy().astype(np.int64)[picks],
            events=past["event"].to_numpy()[picks],
            timestamps=past["timestamp"].to_numpy()[picks],
            now=self.now,
        )


class Reason(NamedTuple):
    """Why an item was recommended: what changed its score when it was left out."""

    kind: str
    """``modality``, ``item`` (a past item), ``words``, ``photo``, ``popular``, ``viewed``, ``new``, ``repurchase`` or
    ``range`` (nothing but that the shop has it)."""
    subject: str
    """The modality's name, the past item's id, the matching words ..."""
    contribution: float
    """Drop of the score when the subject is left out, in standard deviations of the scores."""


@runtime_checkable
class Encoder(Protocol):
    """Turns content into vectors. The same input must always give the same vector."""

    encoder_id: str
    """Name, revision and settings: two encoders with one id give the same vectors."""
    modality: str
    dim: int

    def encode(self, inputs: Sequence[Any]) -> FloatArray:
        """Vectors (len(inputs), dim), one per input: image paths or pictures, texts, or attribute dicts."""
        ...


@runtime_checkable
class QueryEncoder(Encoder, Protocol):
    """An encoder of texts that reads what a shopper types otherwise than what a shop writes, as the E5 models do."""

    def encode_queries(self, inputs: Sequence[Any]) -> FloatArray:
        """Vectors (len(inputs), dim) of searches, in the space of :meth:`Encoder.encode`."""
        ...


@runtime_checkable
class Scorer(Protocol):
    """A model that ranks the catalogue for shoppers: baselines and learned models alike."""

    name: str

    def fit(self, snapshot: Snapshot) -> Self:
        """Learns from the past."""
        ...

    def score(self, histories: Histories) -> FloatArray:
        """Scores (b, n), higher is better; finite everywhere. The caller masks what may not be shown."""
        ...
