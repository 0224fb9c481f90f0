"""Trends over HTTP: who may ask, what filters find, what comes as files, and answers that fit their description."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import fields
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree

import pytest
from pydantic import TypeAdapter

from modaloom.api.routes.trends import SHEETS
from modaloom.api.schemas import trends as answers
from modaloom.bulletin.picture import chart_svg
from modaloom.bulletin.sheets import terms_csv
from modaloom.records import Record
from modaloom.trends.board import VERDICTS, Board, read_board
from modaloom.trends.kept import save_board
from tests.api.conftest import ADMIN, SHOP, Api, error_of
from tests.web.plausible import LONG_ZH, WEEKS, plausible_board

LISTS = ("", "/state", "/terms", "/gaps", "/alerts", "/arrivals", "/export", "/report.md", "/colour%3Dsage")
ITEMS = [f"{category}-{colour}" for category in ("dress", "skirt", "shirt") for colour in ("red", "green", "blue")]


@pytest.fixture
def board(api: Api) -> Board:
    made = plausible_board(ITEMS)
    save_board(api.store, made)
    return made


def asked(api: Api, path: str, **values: Any) -> dict[str, Any]:
    answer = api.get(f"/v1/trends{path}", key=SHOP, **values)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


@pytest.mark.parametrize("path", [*LISTS, "/colour%3Dsage/chart.png", "/colour%3Dsage/series.csv"])
def test_the_board_is_for_the_shops_people(api: Api, board: Board, path: str) -> None:
    error_of(api.get(f"/v1/trends{path}", key=None), 401, "unauthorized")
    error_of(api.get(f"/v1/trends{path}"), 403, "forbidden")
    assert api.get(f"/v1/trends{path}", key=SHOP).status_code == 200
    assert api.get(f"/v1/trends{path}", key=ADMIN).status_code == 200


@pytest.mark.parametrize("path", [path for path in LISTS if path != "/state"])
def test_without_a_board_it_says_how_to_get_one(api: Api, path: str) -> None:
    error = error_of(api.get(f"/v1/trends{path}", key=SHOP), 404, "no_board")
    assert "POST /v1/admin/trends" in error["hint"]
    assert asked(api, "/state")["made_at"] is None


def test_the_board_from_above(api: Api, board: Board) -> None:
    told = asked(api, "")
    assert told["total"] == len(board.trends)
    assert told["overview"]["k"] == board.overview.k
    assert [one["id"] for one in told["trends"]] == [one.id for one in board.trends]
    first = told["trends"][0]
    assert first["examples"][0]["picture"].startswith("/v1/items/")
    assert len(first["spark"]["shares"]) <= 64
    assert first["spark"]["mean"]
    assert {one["value"] for one in told["dimensions"]} == {one.dimension for one in board.trends}
    assert {"kind", "value", "names", "shoppers"} == set(told["segments"][0])


@pytest.mark.parametrize("verdict", VERDICTS)
def test_filter_by_verdict(api: Api, board: Board, verdict: str) -> None:
    told = asked(api, "", params={"verdict": verdict})
    assert told["trends"]
    assert all(verdict in (one["verdict"], *one["also"]) for one in told["trends"])
    assert told["total"] == told["verdicts"][verdict]


def test_filters_go_together(api: Api, board: Board) -> None:
    told = asked(api, "", params={"dimension": ["attribute", "colour"], "verdict": "rising", "text": "SAGE"})
    assert [one["id"] for one in told["trends"]] == ["colour=sage"]
    assert asked(api, "", params={"text": LONG_ZH[:5]})["trends"][0]["dimension"] == "look"
    assert asked(api, "", params={"dimension": "attribute"})["total"] == 8
    assert asked(api, "", params={"text": "no such thing"})["trends"] == []
    assert asked(api, "", params={"novel": True})["total"] == 1


def test_a_group_orders_by_its_index(api: Api, board: Board) -> None:
    told = asked(api, "", params={"segment": "age:25-34", "order": "index"})
    indexes = [one["segment"]["index"] for one in told["trends"]]
    assert indexes == sorted(indexes, reverse=True)
    assert 0 < told["total"] < len(board.trends)
    error_of(api.get("/v1/trends?segment=age", key=SHOP), 422, "invalid")
    assert asked(api, "", params={"segment": "age:none-such"})["total"] == 0


def test_orders_and_pages(api: Api, board: Board) -> None:
    changes = [one["change"] for one in asked(api, "", params={"order": "rising"})["trends"]]
    known = [one for one in changes if one is not None]
    assert known == sorted(known, reverse=True)
    assert changes[: len(known)] == known, "what has no change comes last"
    falling = [one["change"] for one in asked(api, "", params={"order": "falling"})["trends"]]
    assert falling[: len(known)] == known[::-1]
    shares = [one["share"] for one in asked(api, "", params={"order": "share"})["trends"]]
    assert shares == sorted(shares, reverse=True)
    pages = [asked(api, "", params={"n": 5, "offset": offset})["trends"] for offset in (0, 5, 500)]
    assert [one["id"] for page in pages for one in page] == [one.id for one in board.trends[:10]]
    for wrong in ("n=0", "n=501", "order=none", "verdict=up", "offset=-1", "colour=red"):
        error_of(api.get(f"/v1/trends?{wrong}", key=SHOP), 422, "invalid")


def test_everything_about_one(api: Api, board: Board) -> None:
    for trend in board.trends:
        told = asked(api, "/" + quote(trend.id, safe=""))
        assert told["trend"]["id"] == trend.id
        assert len(told["trend"]["series"]) == WEEKS
        assert [one["item_id"] for one in told["items"]] == list(trend.examples)
        assert told["gap"]["trend_id"] == trend.id
        assert all(one["subject"] == trend.id for one in told["alerts"])
    error_of(api.get("/v1/trends/colour%3Dnone", key=SHOP), 404, "not_found")


def test_pieces_that_are_gone_are_left_out(api: Api, board: Board) -> None:
    api.delete("/v1/items/dress-red", key=SHOP)
    told = asked(api, "/colour%3Dsage")
    assert "dress-red" not in [one["item_id"] for one in told["items"]]
    assert "dress-red" in told["trend"]["examples"]
    arrivals = asked(api, "/arrivals")["arrivals"]
    assert [one["card"] for one in arrivals if one["arrival"]["item_id"] == "dress-red"] in ([None], [])


def test_terms(api: Api, board: Board) -> None:
    told = asked(api, "/terms")
    assert told["total"] == len(board.terms)
    assert sum(told["states"].values()) == told["total"]
    unmet = asked(api, "/terms", params={"answered": False})
    assert unmet["total"] == told["unanswered"] > 0
    assert not any(one["answered"] for one in unmet["terms"])
    assert asked(api, "/terms", params={"text": "BALET"})["terms"][0]["term"] == "ballet flats", "a spelling finds it"
    chinese = asked(api, "/terms", params={"language": "zh", "state": ["new", "rising"]})
    assert {one["term"] for one in chinese["terms"]} == {"阔腿裤", "多巴胺穿搭"}


def test_gaps_alerts_arrivals(api: Api, board: Board) -> None:
    short = asked(api, "/gaps", params={"state": "short", "dimension": "colour"})["gaps"]
    assert short
    assert {(one["state"], one["dimension"]) for one in short} == {("short", "colour")}
    alerts = asked(api, "/alerts")["alerts"]
    urgent = [one["urgent"] for one in alerts]
    assert urgent == sorted(urgent, reverse=True)
    assert asked(api, "/alerts", params={"n": 1})["alerts"] == alerts[:1]
    arrivals = asked(api, "/arrivals", params={"n": 3})["arrivals"]
    assert len(arrivals) == 3
    assert all(one["card"]["title"] and one["neighbours"] for one in arrivals)


def rows_of(data: bytes) -> list[dict[str, str]]:
    assert data.startswith(b"\xef\xbb\xbf"), "spreadsheets need the mark to read Chinese"
    return list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"))))


@pytest.mark.parametrize("part", list(SHEETS))
def test_tables(api: Api, board: Board, part: str) -> None:
    answer = api.get(f"/v1/trends/export?part={part}", key=SHOP)
    assert answer.headers["content-disposition"] == f'attachment; filename="trends-{part}.csv"'
    assert answer.headers["content-type"].startswith("text/csv")
    rows = rows_of(answer.content)
    if part == "series":
        assert len(rows) > len(board.trends) * WEEKS
    else:
        assert len(rows) == len(getattr(board, part))
    assert all(any(row.values()) for row in rows)


def test_a_table_holds_no_formula(board: Board) -> None:
    """Search terms are typed by anybody; a spreadsheet would run them."""
    terms = [row["term"] for row in rows_of(terms_csv(board).encode())]
    assert "'=HYPERLINK(1)" in terms
    assert not [one for one in terms if one.startswith(("=", "+", "-", "@"))]


def test_the_board_as_json(api: Api, board: Board) -> None:
    answer = api.get("/v1/trends/export?format=json", key=SHOP)
    assert read_board(answer.text) == board


@pytest.mark.parametrize("language", ["zh", "en"])
def test_reports(api: Api, board: Board, language: str) -> None:
    html = api.get(f"/v1/trends/report.html?language={language}", key=SHOP)
    assert html.headers["content-type"].startswith("text/html")
    assert "<b>crochet</b>" not in html.text, "names are text"
    text = api.get(f"/v1/trends/report.md?language={language}", key=SHOP)
    for answer in (html, text):
        assert {"zh": "鼠尾草绿", "en": "Sage green"}[language] in answer.text
        assert "attachment" in answer.headers["content-disposition"]


def test_figures_of_one(api: Api, board: Board) -> None:
    rows = rows_of(api.get("/v1/trends/colour%3Dsage/series.csv", key=SHOP).content)
    assert len(rows) == WEEKS + board.overview.horizon
    assert rows[0]["share"]
    assert not rows[0]["forecast"]
    assert rows[-1]["upper"] > rows[-1]["forecast"]
    assert not rows[-1]["share"]
    assert rows[WEEKS - 1]["tested_forecast"]


@pytest.mark.parametrize("language", ["zh", "en"])
def test_charts(api: Api, board: Board, language: str) -> None:
    for trend in board.trends:
        drawing = chart_svg(board, trend, language)
        root = ElementTree.fromstring(drawing)
        assert root.find("{http://www.w3.org/2000/svg}title").text == trend.names[language]  # type: ignore[union-attr]
        dashed = drawing.count('stroke-dasharray="14 9"')
        assert dashed == (2 if trend.outlook and trend.outlook.mean else 0), "the line, and its place in the legend"
    path = f"/v1/trends/{quote('colour=sage', safe='')}"
    drawn = api.get(f"{path}/chart.svg?language={language}", key=SHOP)
    assert drawn.headers["content-type"].startswith("image/svg+xml")
    picture = api.get(f"{path}/chart.png?language={language}", key=SHOP)
    assert picture.content.startswith(b"\x89PNG")
    error_of(api.get("/v1/trends/colour%3Dnone/chart.png", key=SHOP), 404, "not_found")


@pytest.mark.parametrize(
    ("path", "shape"),
    [
        ("?segment=age:25-34", answers.TrendList),
        ("/terms", answers.TermList),
        ("/gaps", answers.GapList),
        ("/alerts", answers.AlertList),
        ("/arrivals", answers.ArrivalList),
        ("/state", answers.BoardState),
        *((f"/{quote(name, safe='')}", answers.TrendAnswer) for name in ("colour=sage", "colour=coral", "look=look-3")),
    ],
)
def test_answers_are_as_described(api: Api, board: Board, path: str, shape: type[Record]) -> None:
    told = asked(api, path)
    assert set(told) == {one.name for one in fields(shape)}  # type: ignore[arg-type]
    assert TypeAdapter(shape).validate_python(told)


def test_who_may_ask_for_a_new_one(api: Api) -> None:
    error_of(api.post("/v1/admin/trends", key=SHOP), 403, "forbidden")
    assert asked(api, "/state")["may_make"] is False
    assert api.get("/v1/trends/state", key=ADMIN).json()["may_make"] is True
    begun = api.post("/v1/admin/trends", key=ADMIN).json()
    assert begun["running"] is True
    api.service.boards.close()
    assert json.loads(api.store.state("trends.job") or "")["finished_at"]


def test_every_route_is_described_with_examples(api: Api) -> None:
    described = api.get("/openapi.json").json()
    paths = {path: one for path, one in described["paths"].items() if "trends" in path}
    assert len(paths) >= 12
    for path, operations in paths.items():
        for operation in operations.values():
            assert operation["summary"], path
            assert operation["description"], path
            assert operation["security"], path
    card = described["components"]["schemas"]["TrendCard"]["properties"]
    assert card["names"]["examples"]
