"""The parts of the board that pass the filters of a query; series are thinned out, the rest is answered as it is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

from modaloom.api.schemas.asks import GapsQuery, TermsQuery, TrendsQuery
from modaloom.api.schemas.trends import (
    ExampleItem,
    GapList,
    ShopperGroup,
    Sparkline,
    TermList,
    TrendCard,
    TrendList,
    ValueCount,
)
from modaloom.shop.requests import Card
from modaloom.trends.board import ALERT_KINDS, Alert, Board, Gap, Segment, Series, Term, Trend

SPARK_POINTS = 64
SHOWN_EXAMPLES = 3
DIGITS = 6
"""Of shares: a millionth is below anything that can be told apart."""
ORDERS: Mapping[str, Callable[[Trend], float]] = {
    "rising": lambda trend: -_known(trend.change),
    "falling": lambda trend: _known(trend.change, 1e9),
    "share": lambda trend: -trend.share,
    "sure": lambda trend: -trend.confidence,
    "forecast": lambda trend: -_known(trend.outlook.change if trend.outlook else None),
}


def _known(value: float | None, otherwise: float = -1e9) -> float:
    return otherwise if value is None else value


def trend_list(board: Board, query: TrendsQuery, cards: Callable[[Iterable[str]], Mapping[str, Card]]) -> TrendList:
    """The movers that pass the filters, and what can be filtered by."""
    wanted = [trend for trend in board.trends if _passes(trend, query)]
    fitting = [trend for trend in wanted if not query.verdict or {trend.verdict, *trend.also} & set(query.verdict)]
    if query.order == "index" and (segment := query.segment):
        fitting.sort(key=lambda trend: -(_segment_of(trend, segment) or _NOBODY).index)
    elif query.order in ORDERS:
        fitting.sort(key=ORDERS[query.order])
    listed = fitting[query.offset : query.offset + query.n]
    known = cards(item_id for trend in listed for item_id in trend.examples[:SHOWN_EXAMPLES])
    return TrendList(
        overview=board.overview,
        trends=tuple(trend_card(trend, query.segment, known) for trend in listed),
        total=len(fitting),
        verdicts=Counter(verdict for trend in wanted for verdict in (trend.verdict, *trend.also)),
        dimensions=counted(trend.dimension for trend in board.trends),
        segments=_groups(board),
    )


_NOBODY = Segment("", "", {}, 0, 0.0, -1.0, None)


def _passes(trend: Trend, query: TrendsQuery) -> bool:
    return (
        (not query.dimension or _within(trend.dimension, query.dimension))
        and (query.novel is None or trend.novel == query.novel)
        and (query.segment is None or _segment_of(trend, query.segment) is not None)
        and says(query.text, trend.value, *trend.names.values())
    )


def _within(dimension: str, wanted: Iterable[str]) -> bool:
    return any(dimension == one or dimension.startswith(f"{one}.") for one in wanted)


def says(text: str, *names: str) -> bool:
    """Whether one of the names has the text in it, whichever way it is written."""
    return not text.strip() or any(text.strip().casefold() in name.casefold() for name in names)


def _segment_of(trend: Trend, wanted: str) -> Segment | None:
    kind, _, value = wanted.partition(":")
    return next((one for one in trend.segments if one.kind == kind and one.value == value), None)


def _groups(board: Board) -> tuple[ShopperGroup, ...]:
    """Every group that is known of any trend."""
    found = {(one.kind, one.value): one for trend in board.trends for one in trend.segments}
    return tuple(ShopperGroup(kind, value, one.names, one.shoppers) for (kind, value), one in sorted(found.items()))


def counted(values: Iterable[str]) -> tuple[ValueCount, ...]:
    """Values with their number, the most frequent first."""
    return tuple(ValueCount(value, n) for value, n in Counter(values).most_common())


def trend_card(trend: Trend, segment: str | None, cards: Mapping[str, Card]) -> TrendCard:
    """One trend as a list shows it."""
    outlook = trend.outlook
    own: dict[str, Any] = {
        "forecast": outlook.change if outlook else None,
        "abstained": outlook.abstained if outlook else None,
        "spark": sparkline(trend),
        "examples": examples(trend.examples[:SHOWN_EXAMPLES], cards),
        "segment": _segment_of(trend, segment) if segment else None,
    }
    shared = {one.name: getattr(trend, one.name) for one in fields(TrendCard) if one.name not in own}
    return TrendCard(**shared, **own)


def examples(item_ids: Iterable[str], cards: Mapping[str, Card]) -> tuple[ExampleItem, ...]:
    """Pieces that are still there, with their pictures."""
    known = (cards[item_id] for item_id in item_ids if item_id in cards)
    return tuple(ExampleItem(card.item_id, card.title, card.picture) for card in known)


def sparkline(trend: Trend) -> Sparkline:
    """The series in so few points that a small drawing can show them; the forecast on the same scale of time."""
    size = -(-len(trend.series) // SPARK_POINTS) or 1
    outlook = trend.outlook

    def forecast(values: Sequence[float]) -> tuple[float, ...]:
        return tuple(one for one in _fewer(values, size) if one is not None)

    return Sparkline(
        shares=_fewer(trend.series, size),
        level=_fewer(trend.level, size),
        mean=forecast(outlook.mean if outlook else ()),
        lower=forecast(outlook.lower if outlook else ()),
        upper=forecast(outlook.upper if outlook else ()),
    )


def _fewer(series: Series | Sequence[float], size: int) -> Series:
    """Means of so many steps each, counted from the newest; None where nothing in them is known."""
    first = len(series) % size
    starts = [*([0] if first else []), *range(first, len(series), size)]
    blocks = [series[start : (first if first and not start else start + size)] for start in starts]
    known = [[one for one in block if one is not None] for block in blocks]
    return tuple(round(sum(block) / len(block), DIGITS) if block else None for block in known)


def term_list(board: Board, query: TermsQuery) -> TermList:
    """Search terms that pass the filters."""
    wanted = [
        term
        for term in board.terms
        if (not query.language or term.language in query.language)
        and says(query.text, *(spelling for spelling, _ in term.spellings), term.term)
    ]
    fitting = [
        term
        for term in wanted
        if (not query.state or term.state in query.state)
        and (query.answered is None or term.answered == query.answered)
    ]
    return TermList(
        overview=board.overview,
        terms=tuple(_thinned(term) for term in fitting[query.offset : query.offset + query.n]),
        total=len(fitting),
        states=Counter(term.state for term in wanted),
        unanswered=sum(not term.answered for term in wanted),
        languages=counted(term.language for term in board.terms),
    )


def _thinned(term: Term) -> Term:
    return replace(term, series=_fewer(term.series, -(-len(term.series) // SPARK_POINTS) or 1))


def gap_list(board: Board, query: GapsQuery) -> GapList:
    """Gaps that pass the filters."""
    wanted = [
        gap
        for gap in board.gaps
        if (not query.dimension or _within(gap.dimension, query.dimension))
        and says(query.text, gap.value, *gap.names.values())
    ]
    fitting = [gap for gap in wanted if not query.state or gap.state in query.state]
    return GapList(
        overview=board.overview,
        gaps=tuple(fitting[query.offset : query.offset + query.n]),
        total=len(fitting),
        states=Counter(gap.state for gap in wanted),
        dimensions=counted(gap.dimension for gap in board.gaps),
    )


def alerts_in_order(alerts: Iterable[Alert]) -> tuple[Alert, ...]:
    """The urgent first, then the newest, then the surest."""
    newest = sorted(alerts, key=lambda one: one.step, reverse=True)
    return tuple(sorted(newest, key=lambda one: (not one.urgent, ALERT_KINDS.index(one.kind), -one.confidence)))


def gap_of(board: Board, trend_id: str) -> Gap | None:
    """What the assortment has for a trend."""
    return next((gap for gap in board.gaps if gap.trend_id == trend_id), None)


def arrivals_items(board: Board, n: int) -> Iterator[str]:
    """Every item that stands behind the first arrivals."""
    for arrival in board.arrivals[:n]:
        yield arrival.item_id
        yield from arrival.neighbours[:SHOWN_EXAMPLES]
