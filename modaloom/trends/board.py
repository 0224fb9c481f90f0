"""The board: everything that a merchandiser is told, as plain data that goes to JSON and back.

Shares are numbers from 0 to 1: a value's part of everything that was done in its dimension in one step of the
calendar, so more visitors alone move nothing. Steps are named by their first day (ISO). ``None`` in a series means
that the step cannot be told: nothing happened, or too few shoppers to show it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from pydantic import TypeAdapter, ValidationError

from modaloom.errors import QueryError
from modaloom.messages import Names
from modaloom.records import Record

VERDICTS = ("rising", "falling", "seasonal", "stable", "unknown")
"""What a series does. ``unknown`` says nothing, because there are too few events or steps to say it honestly."""
DIMENSIONS = ("attribute", "word", "colour", "look", "price")
"""What is counted: ``attribute.NAME`` of the shop's own, words of titles and descriptions, colours and looks that
are seen in pictures, price bands. A trend's ``dimension`` is one of these, attributes with their name."""
TERM_STATES = ("new", "rising", "falling", "steady")
GAP_STATES = ("short", "long", "balanced")
ALERT_KINDS = ("change", "novelty", "unmet", "break")
"""A level that jumped, something that was not there before, searches that find nothing, a forecast that failed."""
VERSION = 1
"""Of this layout: a board of another version is not read."""

Series = tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class Period(Record):
    """The part of the calendar that was read, in equal steps."""

    steps: tuple[str, ...]
    """First day of every step, oldest first; only whole steps are read."""
    step_days: int
    """7 for weeks, 1 for days."""
    start: str
    end: str
    """The last day that was read."""


@dataclass(frozen=True, slots=True)
class Overview(Record):
    """What stands above everything else."""

    shop: str
    made_at: str
    """When the board was made: the moment of the newest event that was read, ISO."""
    period: Period
    events: Mapping[str, int]
    """Events that were read, by kind: view, search, cart, purchase ..."""
    traffic: tuple[int, ...]
    """Events of every step: how much weight the shares of a step have."""
    shoppers: int
    items: int
    k: int
    """Nothing on the board is about fewer shoppers than this."""
    hidden: int
    """How many values, terms and groups of shoppers were left out because of ``k``."""
    verdicts: Mapping[str, int]
    """Number of trends by verdict."""
    horizon: int
    """Steps that forecasts go ahead."""
    level: float
    """Of forecasts' intervals: 0.8 means that four of five actual values should lie inside."""
    like_for_like: bool = False
    """Whether verdicts compare each piece with itself, where pieces stay long, or shares as they are."""
    notes: tuple[str, ...] = ()
    """Keys of the catalogue's ``[notes]``: what this shop's log cannot tell."""


@dataclass(frozen=True, slots=True)
class BackTest(Record):
    """How forecasts made in the past did against what then happened."""

    mase: float
    """Mean absolute error over the in-sample error of the seasonal naive forecast: below 1 is better than that."""
    covered: float
    """Share of actual values inside the interval."""
    error: float
    """Mean absolute error as a part of the mean share: 0.1 is ten per cent."""
    horizon: int
    origins: int
    steps: tuple[str, ...] = ()
    """The newest test's steps, with what was forecast then, to draw beside what happened."""
    mean: tuple[float, ...] = ()
    lower: tuple[float, ...] = ()
    upper: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Outlook(Record):
    """The forecast of one series, or why there is none."""

    steps: tuple[str, ...] = ()
    mean: tuple[float, ...] = ()
    lower: tuple[float, ...] = ()
    upper: tuple[float, ...] = ()
    level: float = 0.8
    change: float | None = None
    """Mean of the forecast over the mean of the same length before it, less 1."""
    models: Mapping[str, float] = field(default_factory=dict)
    """Weights of the models that were mixed."""
    back_test: BackTest | None = None
    abstained: str | None = None
    """Key of the catalogue's ``[abstained]`` where there is no forecast: ``short``, ``sparse``."""


@dataclass(frozen=True, slots=True)
class ChangePoint(Record):
    """A step from which the share has another level."""

    step: str
    before: float
    after: float
    confidence: float


@dataclass(frozen=True, slots=True)
class Driver(Record):
    """A value of another dimension that carries the change."""

    trend_id: str
    names: Names
    part: float
    """Part of the change that goes away if everything with this value is left out; may be negative or over 1."""


@dataclass(frozen=True, slots=True)
class Segment(Record):
    """A group of at least ``k`` shoppers, and how much they go for this trend."""

    kind: str
    """Name of the shopper's attribute: age, gender, region ..."""
    value: str
    names: Names
    shoppers: int
    share: float
    """Of what the group did, in the last quarter of the period."""
    index: float
    """Over the share among everybody, times 100, drawn to 100 where little is known: 150 is half as much again."""
    change: float | None
    """Last quarter against the one a year before, or the first one; None where too few did anything."""


@dataclass(frozen=True, slots=True)
class Crowd(Record):
    """Trendsetters (who, before this, were early to what later rose) beside everybody else."""

    shoppers: int
    setters: Series
    mainstream: Series
    setters_now: float
    mainstream_now: float
    ahead: float | None
    """Logarithm of the one over the other: above 0 trendsetters are ahead."""
    sure: bool
    """Whether the difference is more than chance."""


@dataclass(frozen=True, slots=True)
class Trend(Record):
    """One value of one dimension: what it did, what it will do, and who and what is behind it."""

    id: str
    """``dimension=value``."""
    dimension: str
    value: str
    names: Names
    verdict: str
    confidence: float
    """Of the verdict, 0 to 1, after allowing for all the series that were looked at together."""
    share: float
    """Now: the last four steps."""
    change: float | None
    """From the first to the last quarter of the period with the season taken out: 0.5 is half as much again.

    Like for like where ``Overview.like_for_like``: that there are more such pieces now moves nothing."""
    interval: tuple[float, float] | None
    """95 % of ``change``."""
    series: Series
    """Shares."""
    level: Series
    """The same without noise: trend and season as fitted; empty where the verdict is unknown."""
    events: int
    shoppers: int
    items: int
    also: tuple[str, ...] = ()
    """Verdicts that hold as well: a piece of winter may rise from year to year too."""
    peak: str | None = None
    """Month of the seasonal peak, ``01`` to ``12``, where there is a season."""
    swing: float | None = None
    """Peak over trough of the fitted season."""
    seen: int = 0
    """Items counted here because of their picture alone: the catalogue does not say it of them."""
    novel: bool = False
    """Not there in the first half of the period, and there now."""
    outlook: Outlook | None = None
    change_points: tuple[ChangePoint, ...] = ()
    drivers: tuple[Driver, ...] = ()
    examples: tuple[str, ...] = ()
    """Ids of the items that show it best, most wanted first."""
    segments: tuple[Segment, ...] = ()
    crowd: Crowd | None = None


@dataclass(frozen=True, slots=True)
class Term(Record):
    """Something that shoppers type, all its spellings together."""

    term: str
    language: str
    spellings: tuple[tuple[str, int], ...]
    """Every spelling with its number of searches, the main one first."""
    searches: int
    shoppers: int
    state: str
    """One of :data:`TERM_STATES`."""
    confidence: float
    """Of a new, rising or falling state; 0 for a steady one, which claims nothing."""
    share: float
    """Of the searches in the last quarter of the period."""
    change: float | None
    series: Series
    """Shares of the searches."""
    matches: int
    """Items whose words say all of it."""
    in_stock: int
    answered: bool
    """False: the shop has nothing that says it, so this is demand that is not met."""
    first_seen: str


@dataclass(frozen=True, slots=True)
class Gap(Record):
    """Demand for a value beside its place in the assortment."""

    trend_id: str
    dimension: str
    value: str
    names: Names
    state: str
    """``short``: more is wanted than is there; ``long``: the other way; ``balanced``."""
    demand: float
    """Share of what was done in the last quarter of the period."""
    interval: tuple[float, float]
    """95 % of ``demand``."""
    assortment: float
    """Share of the items on offer."""
    items: int
    ratio: float
    """Demand over assortment."""
    searches: float | None
    """Share of the searches that ask for it by name."""
    purchases: float | None
    verdict: str
    """Of the trend: what is short *and* rising matters most."""
    advice: str
    """Key of the catalogue's ``[advice]``."""


@dataclass(frozen=True, slots=True)
class Alert(Record):
    """Something that wants attention now."""

    kind: str
    """One of :data:`ALERT_KINDS`."""
    subject: str
    """A trend's id, or a term."""
    names: Names
    step: str
    urgent: bool
    confidence: float
    before: float | None = None
    after: float | None = None
    count: int | None = None
    """Searches, for terms that find nothing."""


@dataclass(frozen=True, slots=True)
class Arrival(Record):
    """A new item's expected demand, from what happened to the pieces most like it when they were new."""

    item_id: str
    names: Names
    released: str
    neighbours: tuple[str, ...]
    mean: tuple[float, ...]
    """Expected part of everything done in each step after its release."""
    lower: tuple[float, ...]
    upper: tuple[float, ...]
    rank: float
    """Part of the other new items that are expected to do less."""


@dataclass(frozen=True, slots=True)
class Board(Record):
    """Everything at once."""

    overview: Overview
    trends: tuple[Trend, ...]
    """Most telling first: by verdict, then by size and sureness of the change."""
    terms: tuple[Term, ...]
    gaps: tuple[Gap, ...]
    alerts: tuple[Alert, ...]
    arrivals: tuple[Arrival, ...] = ()
    version: int = VERSION

    def trend(self, trend_id: str) -> Trend | None:
        """One trend by its id."""
        return next((trend for trend in self.trends if trend.id == trend_id), None)

    def to_json(self) -> str:
        """The board as JSON; :func:`read_board` reads it."""
        return _adapter().dump_json(self).decode()

    def to_dict(self) -> dict[str, Any]:
        """The board as plain lists and dictionaries."""
        plain: dict[str, Any] = _adapter().dump_python(self, mode="json")
        return plain


@cache
def _adapter() -> TypeAdapter[Board]:
    return TypeAdapter(Board)


def read_board(text: str) -> Board:
    """A board from its JSON.

    Raises:
        QueryError: it is none, or one of another version.
    """
    try:
        board = _adapter().validate_json(text)
    except ValidationError as error:
        where = ".".join(map(str, error.errors()[0]["loc"]))
        raise QueryError(
            f"not a trend board: {where or 'not JSON'}", hint="Make a new one with 'modaloom trends'"
        ) from error
    if board.version != VERSION:
        raise QueryError(
            f"a trend board of version {board.version}, and {VERSION} is read", hint="Make a new one: 'modaloom trends'"
        )
    return board
