"""What only the service answers. Lists, items and profiles are answered as :mod:`modaloom.shop.requests` has them.

The same records are the JSON, its description in ``/openapi.json``, and what :mod:`modaloom.client` gives; so nothing
of a web framework is imported here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from modaloom.records import Record
from modaloom.shop.requests import Card, Comparison, ItemId, Why


@dataclass(frozen=True, slots=True)
class Fault(Record):
    """One faulty field."""

    field: str
    message: str


@dataclass(frozen=True, slots=True)
class Error(Record):
    """What went wrong."""

    code: Annotated[str, Field(examples=["not_found"])]
    message: str
    hint: str | None
    request_id: str
    fields: tuple[Fault, ...] | None = None
    """Every faulty field, where the body or query was invalid; left out otherwise."""
    OPTIONAL = ("fields",)


@dataclass(frozen=True, slots=True)
class ErrorAnswer(Record):
    """The one shape of every error."""

    error: Error


@dataclass(frozen=True, slots=True)
class Explanation(Record):
    """Why an item suits a shopper."""

    item_id: str
    why: tuple[Why, ...]


@dataclass(frozen=True, slots=True)
class FacetValue(Record):
    """One value to filter by."""

    value: str
    label: str
    count: int


@dataclass(frozen=True, slots=True)
class Facets(Record):
    """Everything that can be filtered by."""

    facets: Mapping[str, tuple[FacetValue, ...]]


@dataclass(frozen=True, slots=True)
class ShopFacts(Record):
    """The shop."""

    name: str
    language: str
    currency: str
    languages: tuple[str, ...]
    page_size: int
    demo: bool


@dataclass(frozen=True, slots=True)
class ShopperToken(Record):
    """A shopper's token; the same value is in the cookie."""

    user_id: str
    token: str
    expires_at: int


@dataclass(frozen=True, slots=True)
class DemoShopper(Record):
    """A shopper whose place may be taken."""

    user_id: str
    label: str


@dataclass(frozen=True, slots=True)
class DemoShoppers(Record):
    """Shoppers whose place may be taken."""

    shoppers: tuple[DemoShopper, ...]


@dataclass(frozen=True, slots=True)
class IngestedEvents(Record):
    """What became of a batch of events."""

    added: int
    repeated: int
    """Events whose ``event_id`` was there before."""
    unknown: int = 0
    """Events of a page on items that there are not; they are not kept."""


@dataclass(frozen=True, slots=True)
class ItemFeedback(Record):
    """What a shopper said of an item."""

    item_id: ItemId
    kind: str
    timestamp: int


@dataclass(frozen=True, slots=True)
class FeedbackList(Record):
    """Everything that a shopper said."""

    feedback: tuple[ItemFeedback, ...]


@dataclass(frozen=True, slots=True)
class Removed(Record):
    """Whether there was anything to remove."""

    removed: bool


@dataclass(frozen=True, slots=True)
class Garment(Record):
    """A garment of a shopper."""

    entry_id: str
    item_id: str | None
    title: str
    attributes: Mapping[str, str]
    photo: str | None
    """Where its photo is, for the owner."""
    timestamp: int
    card: Card | None
    """The item of the shop that it is."""


@dataclass(frozen=True, slots=True)
class Wardrobe(Record):
    """A shopper's garments, oldest first."""

    entries: tuple[Garment, ...]


@dataclass(frozen=True, slots=True)
class Decision(Record):
    """A shopper's word on one purpose."""

    purpose: str
    granted: bool
    timestamp: int | None


@dataclass(frozen=True, slots=True)
class Permission(Decision):
    """What holds now for one purpose, and why."""

    basis: Literal["word", "shop", "default"]
    """The shopper's own word, a legal basis that the shop declared, or what holds without either."""


@dataclass(frozen=True, slots=True)
class Consents(Record):
    """What holds now for each purpose, and everything that was said before."""

    consents: tuple[Permission, ...]
    history: tuple[Decision, ...]


@dataclass(frozen=True, slots=True)
class Erased(Record):
    """Number of rows that were deleted, by table."""

    erased: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class CatalogueChange(Record):
    """The catalogue after a change."""

    version: int
    items: int
    """How many were kept or deleted."""


@dataclass(frozen=True, slots=True)
class PatchedItems(Record):
    """The catalogue after a batch of partial changes."""

    version: int
    items: int
    """How many there are of those that were named."""
    changed: int
    """How many of them differ from what they were."""
    unknown: tuple[str, ...]
    """Ids of which there is no item; nothing was made of them."""


@dataclass(frozen=True, slots=True)
class UsersChange(Record):
    """How many shoppers were kept."""

    users: int


@dataclass(frozen=True, slots=True)
class NewPicture(Record):
    """A picture that was kept."""

    version: int
    picture: str


@dataclass(frozen=True, slots=True)
class Bundles(Record):
    """Bundles and their share of the shoppers."""

    bundles: tuple[str, ...]
    traffic: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Comparisons(Record):
    """Every bundle against one."""

    comparison: tuple[Comparison, ...]


@dataclass(frozen=True, slots=True)
class Latency(Record):
    """Milliseconds; null where there was no request."""

    p50: float | None
    p99: float | None


@dataclass(frozen=True, slots=True)
class RouteFigures(Latency):
    """One route of late."""

    route: str
    requests_per_s: float


@dataclass(frozen=True, slots=True)
class ServiceFigures(Record):
    """The service of late, all workers together."""

    window_s: float
    requests_per_s: float
    errors_per_s: float
    latency_ms: Latency
    memory_mb: float
    workers: int
    requests: int
    events: Mapping[str, int]
    events_per_s: float
    exposures: Mapping[str, int]
    exposures_waiting: int
    routes: tuple[RouteFigures, ...]


@dataclass(frozen=True, slots=True)
class ServiceState(Record):
    """Whether the service can answer."""

    status: Annotated[str, Field(examples=["ok"])]
    version: str
