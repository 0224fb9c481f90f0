"""What may be asked: every body and every list's query. Unknown fields are refused."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from modaloom.api.middleware.paths import with_slashes
from modaloom.api.schemas.trends import VerdictName
from modaloom.ids import ID_PATTERN, MAX_ID_LENGTH
from modaloom.privacy import PURPOSES
from modaloom.shop.requests import MAX_N
from modaloom.storage.contract import FEEDBACK

MAX_FIELDS, MAX_ENTRIES = 50, 200
"""Fields of one object of a body, and entries of a field that is a table."""
MAX_SECONDS = 4_102_444_800
"""The year 2100."""


def _decoded(value: object) -> object:
    return with_slashes(value) if isinstance(value, str) else value


Id = Annotated[str, BeforeValidator(_decoded), Field(min_length=1, max_length=MAX_ID_LENGTH, pattern=ID_PATTERN)]
Label = Annotated[str, Field(max_length=200, pattern=ID_PATTERN)]
NO_NUL = r"^[^\x00]*$"
Text = Annotated[str, Field(max_length=20_000, pattern=NO_NUL)]
Name = Annotated[str, Field(min_length=1, max_length=100, pattern=ID_PATTERN)]
Price = Annotated[float, Field(ge=0, le=1e12, allow_inf_nan=False)]
Seconds = Annotated[int, Field(ge=0, le=MAX_SECONDS)]
Weight = Annotated[float, Field(ge=-1, le=1, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Language = Literal["zh", "en"]
Facts = Annotated[dict[Name, Text], Field(max_length=100)]
Kind = Literal["like", "dislike", "wrong_size", "too_dear", "hide"]
Purpose = Literal["personalise", "photos", "research"]
MAX_TRENDS = 500
TrendOrder = Literal["telling", "rising", "falling", "share", "sure", "forecast", "index"]
Part = Literal["trends", "series", "terms", "gaps", "alerts", "arrivals"]

assert set(Kind.__args__) == set(FEEDBACK)  # type: ignore[attr-defined]
assert set(Purpose.__args__) == set(PURPOSES)  # type: ignore[attr-defined]


def _pairs(values: list[str]) -> list[str]:
    for value in values:
        name, colon, rest = value.partition(":")
        if not (name.strip() and colon and rest.strip()):
            raise ValueError("write attribute:value, such as colour:red")
    return values


def _boosts(values: list[str]) -> list[str]:
    for value in values:
        key, _, weight = value.rpartition(":")
        try:
            fits = "=" in key and -10 <= float(weight) <= 10
        except ValueError:
            fits = False
        if not fits:
            raise ValueError("write attribute=value:weight or item=ID:weight, with a weight from -10 to 10")
    return values


class Body(BaseModel):
    """A body of JSON."""

    model_config = ConfigDict(extra="forbid", strict=True)

    @model_validator(mode="before")
    @classmethod
    def _few(cls, content: Any) -> Any:
        """One fault for far too many fields, not one for each of them."""
        if isinstance(content, dict):
            if len(content) > MAX_FIELDS:
                raise ValueError(f"has {len(content):,} fields, more than any body")
            for name, value in content.items():
                if isinstance(value, dict) and len(value) > MAX_ENTRIES:
                    raise ValueError(f"{name[:100]} has {len(value):,} entries, more than {MAX_ENTRIES}")
        return content


class FilterQuery(BaseModel):
    """What may be listed, and how. Lists are given by repeating: ``category=dress&category=skirt``."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    user_id: Id = Field("me", description="`me` is the shopper of the token; other ids need a shop key")
    n: int = Field(20, ge=1, le=MAX_N)
    language: Language | None = None
    diversity: Share = Field(0.3, description="0 takes the highest scores, 1 the most varied list")
    explore: Share = Field(0.0, description="Share of the places for items of which little is known")
    personal: bool = Field(True, description="false: the same list for everybody")
    why: bool = Field(True, description="Whether reasons are measured")
    category: list[Label] = Field(default_factory=list, max_length=50)
    size: list[Label] = Field(default_factory=list, max_length=50)
    price_min: Price | None = None
    price_max: Price | None = None
    in_stock: bool = True
    hide_bought: bool = True
    exclude: list[Id] = Field(default_factory=list, max_length=500)
    category_cap: Annotated[int, Field(ge=1, le=MAX_N)] | None = None
    clicked: list[Id] = Field(
        default_factory=list, max_length=100, description="Items looked at in this session, oldest first"
    )
    attr: Annotated[list[Label], AfterValidator(_pairs)] = Field(
        default_factory=list, max_length=50, examples=[["colour:red"]]
    )
    boost: Annotated[list[Label], AfterValidator(_boosts)] = Field(
        default_factory=list, max_length=50, description="`colour=red:0.5` (shop keys only)"
    )
    bundle: Id | None = Field(None, description="The bundle that must answer (shop keys only)")


class ListQuery(FilterQuery):
    """A list for one shopper."""

    place: Literal["home", "trending", "new"] = "home"


class SearchQuery(FilterQuery):
    """A search in words."""

    text: str = Field(min_length=1, max_length=500, pattern=NO_NUL, examples=["red summer dress"])


class PhotoFields(FilterQuery):
    """What comes with a photo that is searched with; the part to look at is given in shares of its sides."""

    text: str | None = Field(None, max_length=500, pattern=NO_NUL)
    crop_x: Share | None = None
    crop_y: Share | None = None
    crop_w: Share | None = None
    crop_h: Share | None = None

    def box(self) -> tuple[float, float, float, float] | None:
        """Left, top, width and height; None for the whole photo."""
        sides = (self.crop_x, self.crop_y, self.crop_w, self.crop_h)
        if all(side is None for side in sides):
            return None
        left, top, width, height = sides
        return left or 0.0, top or 0.0, 1.0 if width is None else width, 1.0 if height is None else height


class ShopperIn(Body):
    """A newcomer."""

    language: Language | None = None
    as_: Id | None = Field(None, alias="as", description="Takes the place of a demo shopper, where there are any")


class EventIn(Body):
    """Something that a shopper did."""

    user_id: Id = "me"
    item_id: Id | None = Field(None, description="Needed for everything but a search")
    event: Literal["view", "search", "cart", "purchase", "rating", "like", "dislike", "return"]
    timestamp: Seconds | None = Field(None, description="Seconds since 1970 UTC; by default now")
    value: Annotated[float, Field(ge=-1e9, le=1e9, allow_inf_nan=False)] | None = None
    query: Annotated[str, Field(max_length=500, pattern=NO_NUL)] | None = Field(None, description="Needed for a search")
    session_id: Id | None = None
    event_id: Id | None = Field(None, description="Sent twice, it counts once")


class EventsIn(Body):
    """A batch of events; all are kept or none."""

    events: list[EventIn] = Field(
        min_length=1,
        max_length=1_000,
        examples=[[{"user_id": "me", "item_id": "dress-12", "event": "view", "event_id": "a1"}]],
    )


class WardrobeIn(Body):
    """A garment: an item of the shop, or one's own by title."""

    item_id: Id | None = Field(None, examples=["dress-12"])
    title: Label = ""
    attributes: Facts = Field(default_factory=dict, examples=[{"category": "skirt", "colour": "green"}])


class WardrobeFields(BaseModel):
    """What comes with the photo of a garment."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    title: Label = ""
    category: Label = ""
    colour: Label = ""
    language: Language | None = None

    def facts(self) -> dict[str, str]:
        """What was said of the garment."""
        return {name: value for name in ("category", "colour") if (value := getattr(self, name).strip())}


class ProfilePatch(Body):
    """What a shopper changes; what is left out stays, null takes back."""

    personalise: bool | None = None
    language: Language | None = None
    taste: Annotated[dict[Label, Weight | None], Field(max_length=200)] | None = Field(
        None, examples=[{"colour=red": 0.8, "pattern=stripes": None}]
    )
    attributes: Annotated[dict[Name, Text | None], Field(max_length=100)] | None = None


class ConsentIn(Body):
    """A shopper's word on one purpose."""

    purpose: Purpose
    granted: bool


class UserIn(Body):
    """A shopper as the shop knows them; what is left out stays as it is."""

    user_id: Id
    attributes: Facts | None = None
    language: Language | None = None
    personalise: bool | None = None
    taste: Annotated[dict[Label, Weight], Field(max_length=200)] | None = None
    declared: bool | None = Field(
        None, description="Whether the shop has a legal basis of its own for learning from this shopper"
    )


class UsersIn(Body):
    """A batch of shoppers."""

    users: list[UserIn] = Field(
        min_length=1, max_length=1_000, examples=[[{"user_id": "u7", "attributes": {"size": "M"}}]]
    )


class ItemIn(Body):
    """One garment; it replaces everything that was known of it but its pictures."""

    item_id: Id
    title: Annotated[str, Field(max_length=1_000, pattern=NO_NUL)] = ""
    description: Text = ""
    attributes: Facts = Field(default_factory=dict)
    price: Price | None = None
    stock: Annotated[int, Field(ge=0, le=1_000_000_000)] | None = None
    released_at: Seconds | None = None
    group_id: Id | None = Field(None, description="Shared by the colours of one model")
    titles: dict[Language, Text] = Field(default_factory=dict)
    descriptions: dict[Language, Text] = Field(default_factory=dict)


class ItemsIn(Body):
    """A batch of items; all are kept or none."""

    items: list[ItemIn] = Field(
        min_length=1,
        max_length=1_000,
        examples=[
            [{"item_id": "dress-12", "title": "Linen dress", "attributes": {"category": "dress"}, "price": 39.9}]
        ],
    )


class ItemPatch(Body):
    """What changes of one garment: a field that is left out stays, null empties it.

    Of `attributes`, `titles` and `descriptions` only the entries that are given change, and null takes one out.
    """

    title: Annotated[str, Field(max_length=1_000, pattern=NO_NUL)] | None = None
    description: Text | None = None
    attributes: Annotated[dict[Name, Text | None], Field(max_length=100)] | None = None
    price: Price | None = None
    stock: Annotated[int, Field(ge=0, le=1_000_000_000)] | None = None
    released_at: Seconds | None = None
    group_id: Id | None = None
    titles: dict[Language, Text | None] | None = None
    descriptions: dict[Language, Text | None] | None = None

    def changes(self) -> dict[str, Any]:
        """The fields that were given."""
        return {name: getattr(self, name) for name in self.model_fields_set if name != "item_id"}


class ItemPatchIn(ItemPatch):
    """What changes of one garment among many."""

    item_id: Id


class ItemPatchesIn(Body):
    """A batch of partial changes, such as a feed of stock and prices; all are kept or none."""

    items: list[ItemPatchIn] = Field(
        min_length=1, max_length=1_000, examples=[[{"item_id": "dress-12", "stock": 3, "price": 29.9}]]
    )


class ItemIdsIn(Body):
    """Items by id."""

    item_ids: list[Id] = Field(min_length=1, max_length=1_000, examples=[["dress-12"]])


class TrafficIn(Body):
    """Share of the shoppers by bundle; they sum to one."""

    shares: Annotated[dict[Id, Share], Field(min_length=1, max_length=20)] = Field(
        examples=[{"spring": 0.9, "trial": 0.1}]
    )


class BundleIn(Body):
    """A bundle on the service's machine."""

    folder: str = Field(min_length=1, max_length=1_000, pattern=ID_PATTERN, examples=["bundles/summer"])


def _segment(value: str | None) -> str | None:
    kind, colon, rest = (value or "").partition(":")
    if value is not None and not (kind and colon and rest):
        raise ValueError("write kind:value, such as age:25-34")
    return value


class Page(BaseModel):
    """A part of a long list."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    text: Label = Field("", description="Only what has this in its name, in either language", examples=["green"])
    n: int = Field(60, ge=1, le=MAX_TRENDS)
    offset: int = Field(0, ge=0, le=1_000_000)


class TrendsQuery(Page):
    """Which trends, in which order."""

    dimension: list[Label] = Field(
        default_factory=list,
        max_length=50,
        description="`colour`, `word`, `look`, `price`, `attribute.NAME`, or `attribute` for all of the shop's own",
        examples=[["colour"]],
    )
    verdict: list[VerdictName] = Field(default_factory=list, max_length=5, description="Also finds what holds as well")
    segment: Annotated[str | None, AfterValidator(_segment)] = Field(
        None, max_length=400, description="Only what this group is known to go for: `age:25-34`", examples=["age:25-34"]
    )
    novel: bool | None = Field(None, description="Only what was not there before, or only what was")
    order: TrendOrder = Field("telling", description="`telling` is the board's own order; `index` needs a segment")
    language: Language | None = Field(None, description="Of the titles of example items")


class TermsQuery(Page):
    """Which search terms."""

    state: list[Literal["new", "rising", "falling", "steady"]] = Field(default_factory=list, max_length=4)
    language: list[Label] = Field(default_factory=list, max_length=10, description="In which they were typed")
    answered: bool | None = Field(None, description="false: only what the shop has nothing for")


class GapsQuery(Page):
    """Which gaps between demand and assortment."""

    state: list[Literal["short", "long", "balanced"]] = Field(default_factory=list, max_length=3)
    dimension: list[Label] = Field(default_factory=list, max_length=50)
