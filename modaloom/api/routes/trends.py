"""Trends for the shop's people: what moves, what is typed, what is missing, what is new; and files of all of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from starlette.responses import Response

from modaloom.api.schemas.asks import MAX_TRENDS, GapsQuery, Id, Language, Part, TermsQuery, TrendsQuery
from modaloom.api.schemas.queries import query_parameters, read_query
from modaloom.api.schemas.trend_filters import (
    SHOWN_EXAMPLES,
    alerts_in_order,
    arrivals_items,
    examples,
    gap_list,
    gap_of,
    term_list,
    trend_list,
)
from modaloom.api.schemas.trends import (
    AlertList,
    ArrivalCard,
    ArrivalList,
    BoardState,
    GapList,
    TermList,
    TrendAnswer,
    TrendList,
)
from modaloom.api.service import NOT_KEPT, AdminCaller, Service, ShopCaller, StrictRoute, TheService, in_pool
from modaloom.bulletin import sheets
from modaloom.bulletin.picture import chart_png, chart_svg
from modaloom.bulletin.report import render_html, render_markdown
from modaloom.errors import NotFoundError
from modaloom.shop.requests import Card
from modaloom.trends.board import Board, Trend

router = APIRouter(tags=["trends"], route_class=StrictRoute)
Number = Annotated[int, Query(ge=1, le=MAX_TRENDS)]
Responses = dict[int | str, dict[str, Any]]
SHEETS: Mapping[Part, Callable[[Board], str]] = {
    "trends": sheets.movers_csv,
    "series": sheets.trends_csv,
    "terms": sheets.terms_csv,
    "gaps": sheets.gaps_csv,
    "alerts": sheets.alerts_csv,
    "arrivals": sheets.arrivals_csv,
}


def _file_of(kind: str, told: str) -> Responses:
    return {200: {"content": {kind: {}}, "description": told}}


def _cards(service: Service, item_ids: Iterable[str], language: str | None) -> Mapping[str, Card]:
    """Those items that are in the shop."""
    wanted = list(dict.fromkeys(item_ids))
    found = service.live.items(wanted, language or service.settings.language) if wanted else []
    return {card.item_id: card for card in found}


def _trend(board: Board, trend_id: str) -> Trend:
    found = board.trend(trend_id)
    if found is None:
        raise NotFoundError(f"no trend {trend_id!r}", hint="GET /v1/trends lists them; a new board may lack old ones")
    return found


@router.get("/v1/trends", openapi_extra=query_parameters(TrendsQuery))
def trends(
    service: TheService, caller: ShopCaller, query: Annotated[TrendsQuery, read_query(TrendsQuery)]
) -> TrendList:
    """What moves: the overview, the trends that pass the filters, and what can be filtered by."""
    return trend_list(service.boards.board(), query, lambda ids: _cards(service, ids, query.language))


@router.get("/v1/trends/state")
def state(service: TheService, caller: ShopCaller) -> BoardState:
    """Whether there is a board, and whether one is being made."""
    return service.boards.state(may_make=caller.scope == "admin")


@router.get("/v1/trends/terms", openapi_extra=query_parameters(TermsQuery))
def terms(service: TheService, caller: ShopCaller, query: Annotated[TermsQuery, read_query(TermsQuery)]) -> TermList:
    """What shoppers type: new, rising, and what the shop has nothing for."""
    return term_list(service.boards.board(), query)


@router.get("/v1/trends/gaps", openapi_extra=query_parameters(GapsQuery))
def gaps(service: TheService, caller: ShopCaller, query: Annotated[GapsQuery, read_query(GapsQuery)]) -> GapList:
    """Demand beside the assortment: what is short, what is long."""
    return gap_list(service.boards.board(), query)


@router.get("/v1/trends/alerts")
def alerts(service: TheService, caller: ShopCaller, n: Number = 60) -> AlertList:
    """What wants attention now: levels that jumped, novelties, searches without an answer, failed forecasts."""
    board = service.boards.board()
    return AlertList(board.overview, alerts_in_order(board.alerts)[:n])


@router.get("/v1/trends/arrivals")
def arrivals(service: TheService, caller: ShopCaller, n: Number = 24, language: Language | None = None) -> ArrivalList:
    """New pieces and what is expected of them, from what happened to the pieces most like them."""
    board = service.boards.board()
    cards = _cards(service, arrivals_items(board, n), language)
    listed = (
        ArrivalCard(one, cards.get(one.item_id), examples(one.neighbours[:SHOWN_EXAMPLES], cards))
        for one in board.arrivals[:n]
    )
    return ArrivalList(board.overview, tuple(listed))


@router.get(
    "/v1/trends/export", response_class=Response, responses=_file_of("text/csv", "CSV with its header, or the board")
)
async def export(
    service: TheService,
    caller: ShopCaller,
    format: Annotated[Literal["csv", "json"], Query()] = "csv",
    part: Annotated[Part, Query(description="Of the board, for CSV; JSON is always all of it")] = "trends",
) -> Response:
    """The board as a file: one part as a table for a spreadsheet, or all of it as JSON."""

    def work() -> bytes:
        board = service.boards.board()
        return (board.to_json() if format == "json" else SHEETS[part](board)).encode()

    name = f"trends-{part}.csv" if format == "csv" else "trends.json"
    return _file(await service.pool.run(work), name, "text/csv" if format == "csv" else "application/json")


def _file(data: bytes, name: str, kind: str) -> Response:
    return Response(data, 200, {**NOT_KEPT, "Content-Disposition": f'attachment; filename="{name}"'}, kind)


@router.get(
    "/v1/trends/report.html", response_class=Response, responses=_file_of("text/html", "One file that needs no other")
)
async def report_page(service: TheService, caller: ShopCaller, language: Language | None = None) -> Response:
    """The weekly report as a page: movers, alerts, gaps, terms and new pieces, to print or to send."""
    return await _report(service, render_html, language, "report.html", "text/html")


@router.get("/v1/trends/report.md", response_class=Response, responses=_file_of("text/markdown", "Markdown"))
async def report_text(service: TheService, caller: ShopCaller, language: Language | None = None) -> Response:
    """The same as Markdown, for a mail or a wiki."""
    return await _report(service, render_markdown, language, "report.md", "text/markdown")


async def _report(
    service: Service, render: Callable[[Board, str], str], language: str | None, name: str, kind: str
) -> Response:
    def work() -> bytes:
        return render(service.boards.board(), language or service.settings.language).encode()

    return _file(await service.pool.run(work), name, kind)


def _drawing(service: Service, trend_id: str, language: str | None) -> str:
    board = service.boards.board()
    return chart_svg(board, _trend(board, trend_id), language or service.settings.language)


@router.get(
    "/v1/trends/{trend_id:path}/chart.svg",
    response_class=Response,
    responses=_file_of("image/svg+xml", "The chart as a drawing"),
)
async def chart_drawing(
    service: TheService, caller: ShopCaller, trend_id: Id, language: Language | None = None
) -> Response:
    """One trend's chart: history, level, forecast with its band, the back-test beside what happened."""

    def work() -> bytes:
        return _drawing(service, trend_id, language).encode()

    return _file(await service.pool.run(work), "trend.svg", "image/svg+xml")


@router.get(
    "/v1/trends/{trend_id:path}/chart.png",
    response_class=Response,
    responses=_file_of("image/png", "The chart as a picture, 1,600 px wide"),
)
async def chart_picture(
    service: TheService, caller: ShopCaller, trend_id: Id, language: Language | None = None
) -> Response:
    """The same as a picture."""

    def work() -> bytes:
        return chart_png(_drawing(service, trend_id, language))

    return _file(await service.picture_pool.run(work), "trend.png", "image/png")


@router.get(
    "/v1/trends/{trend_id:path}/series.csv",
    response_class=Response,
    responses=_file_of("text/csv", "One row for every step of history and forecast"),
)
async def series(service: TheService, caller: ShopCaller, trend_id: Id) -> Response:
    """One trend's figures, step by step."""

    def work() -> bytes:
        board = service.boards.board()
        return sheets.steps_csv(board, _trend(board, trend_id)).encode()

    return _file(await service.pool.run(work), "trend.csv", "text/csv")


@router.get("/v1/trends/{trend_id:path}")
def trend(service: TheService, caller: ShopCaller, trend_id: Id, language: Language | None = None) -> TrendAnswer:
    """Everything about one trend, with cards of the pieces that show it."""
    board = service.boards.board()
    found = _trend(board, trend_id)
    cards = _cards(service, found.examples, language)
    return TrendAnswer(
        overview=board.overview,
        trend=found,
        items=tuple(cards[one] for one in found.examples if one in cards),
        gap=gap_of(board, trend_id),
        alerts=alerts_in_order(alert for alert in board.alerts if alert.subject == trend_id),
    )


@router.post("/v1/admin/trends")
@in_pool("ingest_pool")
def make(service: TheService, caller: AdminCaller) -> BoardState:
    """Begins to make a new board in a process of its own, unless one is being made; tells how it stands."""
    service.boards.make()
    return service.boards.state(may_make=True)
