"""What is answered about trends; the parts of the board are answered as :mod:`modaloom.trends.board` has them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from modaloom.messages import Names
from modaloom.records import Record
from modaloom.shop.requests import Card, ItemId, Picture
from modaloom.trends.board import Alert, Arrival, Gap, Overview, Segment, Term, Trend

VerdictName = Literal["rising", "falling", "seasonal", "stable", "unknown"]
TREND_EXAMPLE = "colour=sage"


@dataclass(frozen=True, slots=True)
class ValueCount(Record):
    """A value to filter by."""

    value: Annotated[str, Field(examples=["colour"])]
    count: Annotated[int, Field(examples=[18])]


@dataclass(frozen=True, slots=True)
class ShopperGroup(Record):
    """A group of shoppers to filter by."""

    kind: Annotated[str, Field(examples=["age"])]
    value: Annotated[str, Field(examples=["25-34"])]
    names: Annotated[Names, Field(examples=[{"zh": "25–34 岁", "en": "25 to 34"}])]
    shoppers: Annotated[int, Field(examples=[1_240])]


@dataclass(frozen=True, slots=True)
class Sparkline(Record):
    """A series in at most 64 points, for a small drawing."""

    shares: Annotated[tuple[float | None, ...], Field(examples=[[0.031, 0.03, None, 0.034]])]
    level: Annotated[tuple[float | None, ...], Field(examples=[[0.03]])]
    """Without noise; empty where nothing can be said."""
    mean: Annotated[tuple[float, ...], Field(examples=[[0.036, 0.037]])]
    """The forecast; empty where there is none."""
    lower: Annotated[tuple[float, ...], Field(examples=[[0.032, 0.031]])]
    upper: Annotated[tuple[float, ...], Field(examples=[[0.04, 0.043]])]


@dataclass(frozen=True, slots=True)
class ExampleItem(Record):
    """A piece that shows it."""

    item_id: ItemId
    title: Annotated[str, Field(examples=["Sage linen dress"])]
    picture: Picture


@dataclass(frozen=True, slots=True)
class TrendCard(Record):
    """One trend in a list."""

    id: Annotated[str, Field(examples=[TREND_EXAMPLE])]
    dimension: Annotated[str, Field(examples=["colour"])]
    value: Annotated[str, Field(examples=["sage"])]
    names: Annotated[Names, Field(examples=[{"zh": "鼠尾草绿", "en": "Sage green"}])]
    verdict: VerdictName
    also: tuple[VerdictName, ...]
    confidence: Annotated[float, Field(examples=[0.97])]
    share: Annotated[float, Field(examples=[0.042])]
    change: Annotated[float | None, Field(examples=[0.34])]
    interval: Annotated[tuple[float, float] | None, Field(examples=[(0.21, 0.49)])]
    peak: str | None
    novel: bool
    seen: int
    shoppers: int
    items: int
    forecast: Annotated[float | None, Field(examples=[0.12])]
    """Change that is expected, from -1."""
    abstained: str | None
    """Why there is no forecast: `short`, `sparse`."""
    spark: Sparkline
    examples: tuple[ExampleItem, ...]
    segment: Segment | None
    """The group that was asked for."""


@dataclass(frozen=True, slots=True)
class TrendList(Record):
    """The board from above: what moves, and what it can be filtered by."""

    overview: Overview
    trends: tuple[TrendCard, ...]
    total: Annotated[int, Field(examples=[74])]
    """How many pass the filters."""
    verdicts: Mapping[str, int]
    """How many of each pass the other filters, with what holds as well."""
    dimensions: tuple[ValueCount, ...]
    segments: tuple[ShopperGroup, ...]


@dataclass(frozen=True, slots=True)
class TrendAnswer(Record):
    """Everything about one trend."""

    overview: Overview
    trend: Trend
    items: tuple[Card, ...]
    """The example items that are still in the shop."""
    gap: Gap | None
    alerts: tuple[Alert, ...]


@dataclass(frozen=True, slots=True)
class TermList(Record):
    """What shoppers type."""

    overview: Overview
    terms: tuple[Term, ...]
    total: int
    states: Annotated[Mapping[str, int], Field(examples=[{"new": 4, "rising": 9, "falling": 3, "steady": 40}])]
    unanswered: int
    languages: tuple[ValueCount, ...]


@dataclass(frozen=True, slots=True)
class GapList(Record):
    """Demand beside the assortment."""

    overview: Overview
    gaps: tuple[Gap, ...]
    total: int
    states: Annotated[Mapping[str, int], Field(examples=[{"short": 6, "long": 4, "balanced": 21}])]
    dimensions: tuple[ValueCount, ...]


@dataclass(frozen=True, slots=True)
class AlertList(Record):
    """What wants attention now, the urgent first."""

    overview: Overview
    alerts: tuple[Alert, ...]


@dataclass(frozen=True, slots=True)
class ArrivalCard(Record):
    """A new piece, what is expected of it, and the pieces that say so."""

    arrival: Arrival
    card: Card | None
    neighbours: tuple[ExampleItem, ...]


@dataclass(frozen=True, slots=True)
class ArrivalList(Record):
    """New pieces, the most promising first."""

    overview: Overview
    arrivals: tuple[ArrivalCard, ...]


@dataclass(frozen=True, slots=True)
class BoardState(Record):
    """Whether there is a board, and whether one is being made."""

    made_at: str | None
    """The newest event that was read; null where there is no board."""
    running: bool
    started_at: Annotated[int | None, Field(examples=[1_790_000_000])]
    """Seconds since 1970 UTC."""
    finished_at: Annotated[int | None, Field(examples=[1_790_000_042])]
    error: Annotated[str | None, Field(examples=["the log is too short"])]
    """Why the last one was not made."""
    may_make: bool
    """Whether this key may ask for a new one."""
    every_h: Annotated[float, Field(examples=[24])]
    """How often the service makes one by itself; 0 for never."""
