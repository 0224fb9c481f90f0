"""From the kept board to JSON. Dataclasses are written as they are; only cards of lists are made smaller here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from modaloom.api.schemas.shapes import Json, picture_url
from modaloom.api.schemas.trends import GapsQuery, TermsQuery, TrendsQuery
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


def board_shape(board: Board, query: TrendsQuery, cards: Callable[[Iterable[str]], Mapping[str, Card]]) -> Json:
    """The movers that pass the filters, and what can be filtered by."""
    wanted = [trend for trend in board.trends if _passes(trend, query)]
    fitting = [trend for trend in wanted if not query.verdict or {trend.verdict, *trend.also} & set(query.verdict)]
    if query.order == "index" and (segment := query.segment):
        fitting.sort(key=lambda trend: -(_segment_of(trend, segment) or _NOBODY).index)
    elif query.order in ORDERS:
        fitting.sort(key=ORDERS[query.order])
    listed = fitting[query.offset : query.offset + query.n]
    known = cards(item_id for trend in listed for item_id in trend.examples[:SHOWN_EXAMPLES])
    return {
        "overview": board.overview,
        "trends": [trend_card(trend, query.segment, known) for trend in listed],
        "total": len(fitting),
        "verdicts": dict(Counter(verdict for trend in wanted for verdict in (trend.verdict, *trend.also))),
        "dimensions": counted(trend.dimension for trend in board.trends),
        "segments": _groups(board),
    }


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


def _groups(board: Board) -> list[Json]:
    """Every group that is known of any trend."""
    found = {(one.kind, one.value): one for trend in board.trends for one in trend.segments}
    return [
        {"kind": kind, "value": value, "names": one.names, "shoppers": one.shoppers}
        for (kind, value), one in sorted(found.items())
    ]


def counted(values: Iterable[str]) -> list[Json]:
    """Values with their number, the most frequent first."""
    return [{"value": value, "count": n} for value, n in Counter(values).most_common()]


def trend_card(trend: Trend, segment: str | None, cards: Mapping[str, Card]) -> Json:
    """One trend as a list shows it."""
    outlook = trend.outlook
    plain = ("id", "dimension", "value", "names", "verdict", "also", "confidence", "share", "change", "interval")
    rest = ("peak", "novel", "seen", "shoppers", "items")
    return {
        **{name: getattr(trend, name) for name in (*plain, *rest)},
        "forecast": outlook.change if outlook else None,
        "abstained": outlook.abstained if outlook else None,
        "spark": spark(trend),
        "examples": examples(trend.examples[:SHOWN_EXAMPLES], cards),
        "segment": _segment_of(trend, segment) if segment else None,
    }


def examples(item_ids: Iterable[str], cards: Mapping[str, Card]) -> list[Json]:
    """Pieces that are still there, with their pictures."""
    known = (cards[item_id] for item_id in item_ids if item_id in cards)
    return [
        {
            "item_id": card.item_id,
            "title": card.title,
            "picture": picture_url(card.item_id) if card.has_picture else None,
        }
        for card in known
    ]


def spark(trend: Trend) -> Json:
    """The series in so few points that a small drawing can show them; the forecast on the same scale of time."""
    size = -(-len(trend.series) // SPARK_POINTS) or 1
    outlook = trend.outlook
    return {
        "shares": _fewer(trend.series, size),
        "level": _fewer(trend.level, size),
        **{
            name: [one for one in _fewer(getattr(outlook, name) if outlook else (), size) if one is not None]
            for name in ("mean", "lower", "upper")
        },
    }


def _fewer(series: Series | Sequence[float], size: int) -> list[float | None]:
    """Means of so many steps each, counted from the newest; None where nothing in them is known."""
    first = len(series) % size
    starts = [*([0] if first else []), *range(first, len(series), size)]
    blocks = [series[start : (first if first and not start else start + size)] for start in starts]
    known = [[one for one in block if one is not None] for block in blocks]
    return [round(sum(block) / len(block), DIGITS) if block else None for block in known]


def terms_shape(board: Board, query: TermsQuery) -> Json:
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
    return {
        "overview": board.overview,
        "terms": [_rounded(term) for term in fitting[query.offset : query.offset + query.n]],
        "total": len(fitting),
        "states": dict(Counter(term.state for term in wanted)),
        "unanswered": sum(not term.answered for term in wanted),
        "languages": counted(term.language for term in board.terms),
    }


def _rounded(term: Term) -> Json:
    plain: dict[str, Any] = {name: getattr(term, name) for name in Term.__dataclass_fields__}
    return plain | {"series": _fewer(term.series, -(-len(term.series) // SPARK_POINTS) or 1)}


def gaps_shape(board: Board, query: GapsQuery) -> Json:
    """Gaps that pass the filters."""
    wanted = [
        gap
        for gap in board.gaps
        if (not query.dimension or _within(gap.dimension, query.dimension))
        and says(query.text, gap.value, *gap.names.values())
    ]
    fitting = [gap for gap in wanted if not query.state or gap.state in query.state]
    return {
        "overview": board.overview,
        "gaps": fitting[query.offset : query.offset + query.n],
        "total": len(fitting),
        "states": dict(Counter(gap.state for gap in wanted)),
        "dimensions": counted(gap.dimension for gap in board.gaps),
    }


def alerts_in_order(alerts: Iterable[Alert]) -> list[Alert]:
    """The urgent first, then the newest, then the surest."""
    newest = sorted(alerts, key=lambda one: one.step, reverse=True)
    return sorted(newest, key=lambda one: (not one.urgent, ALERT_KINDS.index(one.kind), -one.confidence))


def gap_of(board: Board, trend_id: str) -> Gap | None:
    """What the assortment has for a trend."""
    return next((gap for gap in board.gaps if gap.trend_id == trend_id), None)


def arrivals_items(board: Board, n: int) -> Iterator[str]:
    """Every item that stands behind the first arrivals."""
    for arrival in board.arrivals[:n]:
        yield arrival.item_id
        yield from arrival.neighbours[:SHOWN_EXAMPLES]
