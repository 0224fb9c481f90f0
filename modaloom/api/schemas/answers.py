"""What is answered. These models document the answers; the handlers write JSON straight from the dataclasses."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field


class FaultOut(BaseModel):
    """One faulty field."""

    field: str
    message: str


class ErrorIn(BaseModel):
    """What went wrong."""

    code: str = Field(examples=["not_found"])
    message: str
    hint: str | None
    request_id: str
    fields: list[FaultOut] | None = Field(None, description="Every faulty field, where the body or query was invalid")


class ErrorOut(BaseModel):
    """The one shape of every error."""

    error: ErrorIn


class WhyOut(BaseModel):
    """One true reason."""

    text: str = Field(examples=["Because of the print of the skirt you saved"])
    kind: str
    subject: str
    item_id: str | None
    picture: str | None
    contribution: float


class SwatchOut(BaseModel):
    """The same model in another colour."""

    item_id: str
    title: str
    colour: str | None
    picture: str | None


class CardOut(BaseModel):
    """One item as it is shown."""

    item_id: str = Field(examples=["dress-12"])
    title: str = Field(examples=["Linen dress"])
    price: float | None
    category: str | None
    picture: str | None = Field(examples=["/v1/items/dress-12/picture/0"])
    in_stock: bool
    is_new: bool
    score: float
    explored: bool
    why: list[WhyOut]
    swatches: list[SwatchOut]


class ListOut(BaseModel):
    """A list, and who made it."""

    request_id: str
    bundle: str
    personal: bool
    note: str | None = Field(description="`few`, `none` or `cold`: why the list is shorter or other than asked for")
    items: list[CardOut]


class ItemOut(BaseModel):
    """Everything about one item."""

    item: CardOut
    description: str
    attributes: dict[str, str]
    sizes: list[str]
    stock: int | None
    pictures: list[str]
    attention: dict[str, float]


class ExplanationOut(BaseModel):
    """Why an item suits a shopper."""

    item_id: str
    why: list[WhyOut]


class FacetOut(BaseModel):
    """One value to filter by."""

    value: str
    label: str
    count: int


class FacetsOut(BaseModel):
    """Everything that can be filtered by."""

    facets: dict[str, list[FacetOut]]


class ShopOut(BaseModel):
    """The shop."""

    name: str
    language: str
    currency: str
    languages: list[str]
    page_size: int
    demo: bool


class TokenOut(BaseModel):
    """A shopper's token; the same value is in the cookie."""

    user_id: str
    token: str
    expires_at: int


class DemoShopperOut(BaseModel):
    """A shopper whose place may be taken."""

    user_id: str
    label: str


class DemoShoppersOut(BaseModel):
    """Shoppers whose place may be taken."""

    shoppers: list[DemoShopperOut]


class IngestedOut(BaseModel):
    """What became of a batch of events."""

    added: int
    repeated: int
    unknown: int = Field(description="Events of a page on items that there are not; they are not kept")


class FeedbackOut(BaseModel):
    """What a shopper said of an item."""

    item_id: str
    kind: str
    timestamp: int


class FeedbackListOut(BaseModel):
    """Everything that a shopper said."""

    feedback: list[FeedbackOut]


class RemovedOut(BaseModel):
    """Whether there was anything to remove."""

    removed: bool


class WardrobeEntryOut(BaseModel):
    """A garment of a shopper."""

    entry_id: str
    item_id: str | None
    title: str
    attributes: dict[str, str]
    photo: str | None
    timestamp: int
    card: CardOut | None


class WardrobeOut(BaseModel):
    """A shopper's garments, oldest first."""

    entries: list[WardrobeEntryOut]


class ChipOut(BaseModel):
    """One taste."""

    key: str = Field(examples=["colour=red"])
    label: str
    weight: float
    learned: float
    by_hand: bool


class ProfileOut(BaseModel):
    """What is known about a shopper."""

    user_id: str
    personalise: bool
    language: str | None
    chips: list[ChipOut]
    modalities: dict[str, float]
    attributes: dict[str, str] = Field(examples=[{"colours": "navy, green"}])
    shown: dict[str, str] = Field(
        description="Attributes that read otherwise in the language asked for", examples=[{"colours": "藏青色、绿色"}]
    )
    counts: dict[str, int]


class ConsentOut(BaseModel):
    """A shopper's word on one purpose."""

    purpose: str
    granted: bool
    timestamp: int | None


class PermissionOut(ConsentOut):
    """What holds now for one purpose, and why."""

    basis: Literal["word", "shop", "default"] = Field(
        description="The shopper's own word, a legal basis that the shop declared, or what holds without either"
    )


class ConsentsOut(BaseModel):
    """What holds now for each purpose, and everything that was said before."""

    consents: list[PermissionOut]
    history: list[ConsentOut]


class ErasedOut(BaseModel):
    """Number of rows that were deleted, by table."""

    erased: dict[str, int]


class VersionOut(BaseModel):
    """The catalogue after a change."""

    version: int
    items: int = Field(description="How many were kept or deleted")


class PatchedOut(BaseModel):
    """The catalogue after a batch of partial changes."""

    version: int
    items: int = Field(description="How many there are of those that were named")
    changed: int = Field(description="How many of them differ from what they were")
    unknown: list[str] = Field(description="Ids of which there is no item; nothing was made of them")


class CountOut(BaseModel):
    """How many were kept."""

    users: int


class PictureOut(BaseModel):
    """A picture that was kept."""

    version: int
    picture: str


class CatalogueHealthOut(BaseModel):
    """The catalogue as it is served."""

    items: int
    in_stock: int
    new_since_learning: int
    without: dict[str, int]
    never_sold: int
    waiting: int = Field(description="Items that came in and are still to be read by the encoders")
    bundles: dict[str, Any]


class BundlesOut(BaseModel):
    """Bundles and their share of the shoppers."""

    bundles: list[str]
    traffic: dict[str, float]


class ComparisonOut(BaseModel):
    """Two bundles on live traffic; `low` and `high` are the 95 % interval of the difference."""

    bundle: str
    against: str
    shoppers: tuple[int, int]
    rate: tuple[float, float]
    difference: float
    low: float
    high: float


class ComparisonsOut(BaseModel):
    """Every bundle against one."""

    comparison: list[ComparisonOut]


class LatencyOut(BaseModel):
    """Milliseconds; null where there was no request."""

    p50: float | None
    p99: float | None


class RouteOut(LatencyOut):
    """One route of late."""

    route: str
    requests_per_s: float


class MetricsOut(BaseModel):
    """The service of late, all workers together."""

    window_s: float
    requests_per_s: float
    errors_per_s: float
    latency_ms: LatencyOut
    memory_mb: float
    workers: int
    requests: int
    events: dict[str, int]
    events_per_s: float
    exposures: dict[str, int]
    exposures_waiting: int
    routes: list[RouteOut]


class StateOut(BaseModel):
    """Whether the service can answer."""

    status: str = Field(examples=["ok"])
    version: str
