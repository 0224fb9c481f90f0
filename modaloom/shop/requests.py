"""What can be asked of a live shop, and what it answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Annotated, Any
from urllib.parse import quote

from pydantic import Field

from modaloom.records import Record

MAX_N = 200
ItemId = Annotated[str, Field(examples=["dress-12"])]
Title = Annotated[str, Field(examples=["Linen dress"])]
Picture = Annotated[str | None, Field(examples=["/v1/items/dress-12/picture/0"])]


@lru_cache(maxsize=65_536)
def picture_url(item_id: str, number: int = 0) -> str:
    """Where the service has a picture of an item; ``?width=`` may follow."""
    return f"/v1/items/{quote(item_id, safe='')}/picture/{number}"


@dataclass(frozen=True, slots=True)
class Rules:
    """What may be listed. Everything here is exact: an item that breaks a rule is never shown."""

    in_stock: bool = True
    sizes: tuple[str, ...] = ()
    """An item must come in one of these, where the shop says which sizes it has."""
    price_min: float | None = None
    price_max: float | None = None
    attributes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """An item must have one of the values of each attribute: ``{"category": ("dress", "skirt")}``."""
    exclude: frozenset[str] = frozenset()
    """Ids that are not to be shown, such as what the page shows already; nor are other colours of them."""
    hide_bought: bool = True
    category_cap: int | None = None
    """At most this many items of one category in a list."""
    boost: Mapping[str, float] = field(default_factory=dict)
    """Added to the score, in its standard deviations, by ``attribute=value`` or ``item=ID``; negative ones bury."""


@dataclass(frozen=True, slots=True)
class Ask:
    """For whom, how many, and how."""

    user_id: str | None = None
    n: int = 20
    language: str = "en"
    rules: Rules = field(default_factory=Rules)
    clicked: tuple[str, ...] = ()
    """Items that somebody without an account looked at in this session, oldest first."""
    diversity: float = 0.3
    """0 takes the highest scores, 1 the most varied list."""
    explore: float = 0.0
    """Share of the places that go to items of which little is known."""
    personal: bool = True
    """False: the same list for everybody."""
    why: bool = True
    """Whether reasons are measured."""
    bundle: str | None = None
    """Name of the bundle that must answer; by default the traffic split decides."""


@dataclass  # not frozen, no slots: many are made for each list; orjson is slow with slots
class Why(Record):
    """One true reason: a sentence, and what it is about."""

    text: Annotated[str, Field(examples=["Because of the print of the skirt you saved"])]
    kind: str
    """``modality``, ``item`` (a past item), ``words``, ``photo``, ``popular``, ``viewed``, ``range``, ``new``,
    ``repurchase``, ``taste`` or ``explore``."""
    subject: str
    """The modality, the past item's id, the words ..."""
    item_id: str | None
    """The past item that it is about, whose picture may be shown."""
    contribution: float
    """What the score loses without it, in standard deviations of the scores."""
    picture: Picture = None
    """Where the past item's picture is."""


@dataclass(frozen=True)
class Swatch(Record):
    """The same model in another colour or print."""

    item_id: ItemId
    title: Title
    colour: str | None
    picture: Picture


@dataclass  # not frozen, no slots: many are made for each list; orjson is slow with slots
class Card(Record):
    """One item as it is shown."""

    item_id: ItemId
    title: Title
    price: float | None
    category: str | None
    picture: Picture
    """Where its first picture is, below the service's address; null where it has none."""
    in_stock: bool
    is_new: bool
    score: float
    explored: bool = False
    why: tuple[Why, ...] = ()
    swatches: tuple[Swatch, ...] = ()


@dataclass(frozen=True)
class Answer(Record):
    """A list, and who made it."""

    items: tuple[Card, ...]
    bundle: str
    """Name of the bundle that answered."""
    personal: bool
    """Whether the shopper's past had a part in it."""
    note: str | None = None
    """Where the list is shorter or other than asked for: ``few``, ``none``, or ``cold`` if nothing is known yet."""
    request_id: str = ""
    """What was shown is kept under it; empty where no service answered."""

    @property
    def cards(self) -> tuple[Card, ...]:
        """The same as ``items``."""
        return self.items


@dataclass(frozen=True, slots=True)
class ItemView(Record):
    """Everything about one item that a shopper may see."""

    item: Card
    description: str
    attributes: Mapping[str, str]
    sizes: tuple[str, ...]
    stock: int | None
    pictures: tuple[str, ...]
    """Where its pictures are."""
    attention: Mapping[str, float]
    """What the model looks at in this item: share by modality, summing to one; empty without fusion."""


@dataclass(frozen=True, slots=True)
class Chip(Record):
    """One taste of a shopper."""

    key: Annotated[str, Field(examples=["colour=red"])]
    """``attribute=value``."""
    label: str
    weight: float
    """From -1 to 1: what the shopper set, else what was learned from the past."""
    learned: float
    by_hand: bool


@dataclass(frozen=True, slots=True)
class Profile(Record):
    """What is known about a shopper, in their own words."""

    user_id: str
    personalise: bool
    language: str | None
    chips: tuple[Chip, ...]
    modalities: Mapping[str, float]
    """How much pictures, words, facts and behaviour decide for this shopper, summing to one; empty if unknown."""
    attributes: Annotated[Mapping[str, str], Field(examples=[{"colours": "navy, green"}])]
    counts: Mapping[str, int]
    """How many events, wardrobe entries ... are kept."""
    shown: Annotated[Mapping[str, str], Field(examples=[{"colours": "藏青色、绿色"}])] = field(default_factory=dict)
    """Attributes that read otherwise in the language asked for."""


@dataclass(frozen=True, slots=True)
class Comparison(Record):
    """Two bundles on live traffic."""

    bundle: str
    against: str
    shoppers: tuple[int, int]
    rate: tuple[float, float]
    """Mean share of shown items that shoppers acted on."""
    difference: float
    low: float
    high: float
    """95 % confidence interval of the difference, over shoppers."""


@dataclass(frozen=True, slots=True)
class Health(Record):
    """The catalogue as it is served, for the shop's people."""

    items: int
    in_stock: int
    new_since_learning: int
    without: Mapping[str, int]
    """Number of items that lack a modality, by modality."""
    never_sold: int
    """Items without a single sale when the newest bundle learned, those that came later among them."""
    waiting: int
    """Items that came in or changed, and are still to be read by the encoders."""
    bundles: Mapping[str, Mapping[str, Any]]
    """By name: traffic share, when it learned, its validation figures."""
