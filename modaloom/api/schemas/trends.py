"""What may be asked of the trend board and what is answered; parts of the board are answered as they are kept."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from modaloom.api.schemas.answers import CardOut
from modaloom.api.schemas.asks import Label, Language
from modaloom.messages import Names
from modaloom.trends.board import Alert, Arrival, Gap, Overview, Segment, Term, Trend

MAX_TRENDS = 500
VerdictName = Literal["rising", "falling", "seasonal", "stable", "unknown"]
TrendOrder = Literal["telling", "rising", "falling", "share", "sure", "forecast", "index"]
Part = Literal["trends", "series", "terms", "gaps", "alerts", "arrivals"]
TREND_EXAMPLE = "colour=sage"


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


class CountOfOut(BaseModel):
    """A value to filter by."""

    value: str = Field(examples=["colour"])
    count: int = Field(examples=[18])


class GroupOut(BaseModel):
    """A group of shoppers to filter by."""

    kind: str = Field(examples=["age"])
    value: str = Field(examples=["25-34"])
    names: Names = Field(examples=[{"zh": "25–34 岁", "en": "25 to 34"}])
    shoppers: int = Field(examples=[1_240])


class SparkOut(BaseModel):
    """A series in at most 64 points, for a small drawing."""

    shares: list[float | None] = Field(examples=[[0.031, 0.03, None, 0.034]])
    level: list[float | None] = Field(description="Without noise; empty where nothing can be said", examples=[[0.03]])
    mean: list[float] = Field(description="The forecast; empty where there is none", examples=[[0.036, 0.037]])
    lower: list[float] = Field(examples=[[0.032, 0.031]])
    upper: list[float] = Field(examples=[[0.04, 0.043]])


class ExampleOut(BaseModel):
    """A piece that shows it."""

    item_id: str = Field(examples=["dress-12"])
    title: str = Field(examples=["Sage linen dress"])
    picture: str | None = Field(examples=["/v1/items/dress-12/picture/0"])


class TrendCardOut(BaseModel):
    """One trend in a list."""

    id: str = Field(examples=[TREND_EXAMPLE])
    dimension: str = Field(examples=["colour"])
    value: str = Field(examples=["sage"])
    names: Names = Field(examples=[{"zh": "鼠尾草绿", "en": "Sage green"}])
    verdict: VerdictName
    also: list[VerdictName]
    confidence: float = Field(examples=[0.97])
    share: float = Field(examples=[0.042])
    change: float | None = Field(examples=[0.34])
    interval: tuple[float, float] | None = Field(examples=[(0.21, 0.49)])
    peak: str | None
    novel: bool
    seen: int
    shoppers: int
    items: int
    forecast: float | None = Field(description="Change that is expected, from -1", examples=[0.12])
    abstained: str | None = Field(description="Why there is no forecast: `short`, `sparse`")
    spark: SparkOut
    examples: list[ExampleOut]
    segment: Segment | None = Field(description="The group that was asked for")


class BoardOut(BaseModel):
    """The board from above: what moves, and what it can be filtered by."""

    overview: Overview
    trends: list[TrendCardOut]
    total: int = Field(description="How many pass the filters", examples=[74])
    verdicts: dict[str, int] = Field(description="How many of each pass the other filters, with what holds as well")
    dimensions: list[CountOfOut]
    segments: list[GroupOut]


class TrendOut(BaseModel):
    """Everything about one trend."""

    overview: Overview
    trend: Trend
    items: list[CardOut] = Field(description="The example items that are still in the shop")
    gap: Gap | None
    alerts: list[Alert]


class TermsOut(BaseModel):
    """What shoppers type."""

    overview: Overview
    terms: list[Term]
    total: int
    states: dict[str, int] = Field(examples=[{"new": 4, "rising": 9, "falling": 3, "steady": 40}])
    unanswered: int
    languages: list[CountOfOut]


class GapsOut(BaseModel):
    """Demand beside the assortment."""

    overview: Overview
    gaps: list[Gap]
    total: int
    states: dict[str, int] = Field(examples=[{"short": 6, "long": 4, "balanced": 21}])
    dimensions: list[CountOfOut]


class AlertsOut(BaseModel):
    """What wants attention now, the urgent first."""

    overview: Overview
    alerts: list[Alert]


class ArrivalOut(BaseModel):
    """A new piece, what is expected of it, and the pieces that say so."""

    arrival: Arrival
    card: CardOut | None
    neighbours: list[ExampleOut]


class ArrivalsOut(BaseModel):
    """New pieces, the most promising first."""

    overview: Overview
    arrivals: list[ArrivalOut]


class BoardStateOut(BaseModel):
    """Whether there is a board, and whether one is being made."""

    made_at: str | None = Field(description="The newest event that was read; null where there is no board")
    running: bool
    started_at: int | None = Field(description="Seconds since 1970 UTC", examples=[1_790_000_000])
    finished_at: int | None = Field(examples=[1_790_000_042])
    error: str | None = Field(description="Why the last one was not made", examples=["the log is too short"])
    may_make: bool = Field(description="Whether this key may ask for a new one")
    every_h: float = Field(description="How often the service makes one by itself; 0 for never", examples=[24])
