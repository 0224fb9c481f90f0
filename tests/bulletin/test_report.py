from __future__ import annotations

import csv
import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from PIL import Image

from modaloom.bulletin.charts import spark_line, trend_chart
from modaloom.bulletin.report import movers, render_html, render_markdown, write_report
from modaloom.bulletin.sheets import gaps_csv, terms_csv, trends_csv
from modaloom.bulletin.wording import Wording, percent, signed, spark, stretches
from modaloom.errors import QueryError
from modaloom.messages import trend_messages
from modaloom.trends.board import ALERT_KINDS, GAP_STATES, TERM_STATES, VERDICTS, Board, read_board
from modaloom.types import LANGUAGES


def test_everything_is_written(board: Board, tmp_path: Path) -> None:
    write_report(board, tmp_path / "out", "zh")
    names = {file.name for file in (tmp_path / "out").iterdir()}
    reports = {f"report{language}.{kind}" for language in ("", ".zh", ".en") for kind in ("html", "md")}
    assert names == {"board.json", "trends.csv", "terms.csv", "gaps.csv", "charts", *reports}
    assert read_board((tmp_path / "out" / "board.json").read_text(encoding="utf-8")) == board
    assert (tmp_path / "out" / "report.html").read_text() == (tmp_path / "out" / "report.zh.html").read_text()
    for picture in (tmp_path / "out" / "charts").iterdir():
        with Image.open(picture) as opened:
            assert opened.format == "PNG"


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_needs_nothing_else(board: Board, language: str) -> None:
    page = render_html(board, language)
    assert f'<html lang="{language}">' in page
    assert not re.search(r"""(?:src|href)=|url\(|@import""", page)
    assert page.count("<svg") == page.count("</svg>") > 0
    assert "built-in method" not in page
    for chart in re.findall(r"<svg.*?</svg>", page, re.DOTALL):
        ElementTree.fromstring(chart)


def test_each_language_speaks_for_itself(board: Board) -> None:
    english = re.sub(r"<style>.*?</style>", "", render_html(board, "en"), flags=re.DOTALL)
    told = [term.term for term in board.terms] + [name for term in board.terms for name, _ in term.spellings]
    told += [trend.value for trend in board.trends]
    for word in sorted(told, key=len, reverse=True):
        english = english.replace(word, "")
    assert not re.findall(r"[\u4e00-\u9fff]+", english)
    assert "趋势报告" in render_markdown(board, "zh")
    with pytest.raises(QueryError, match="unknown language"):
        Wording("fr")


def test_a_shops_names_cannot_break_the_page(full_names: Board) -> None:
    page, text = render_html(full_names, "en"), render_markdown(full_names, "en")
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert not re.search(r"(?<!\\)\]\(", text)
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert {re.sub(r"\\.", "", row).count("|") for row in rows} <= {3, 5, 6}  # tables of two, four and five columns


@pytest.fixture
def full_names(board: Board) -> Board:
    """The board with nasty names."""
    nasty = {"zh": "<script>坏</script>", "en": "<script>|[x](http://x)</script>"}
    return replace(
        board,
        trends=tuple(replace(trend, names=nasty, verdict="rising", also=()) for trend in board.trends),
        gaps=tuple(replace(gap, names=nasty, state="short") for gap in board.gaps),
    )


def test_sheets_are_tidy(board: Board) -> None:
    rows = list(csv.DictReader(trends_csv(board).splitlines()))
    ahead = sum(len(trend.outlook.steps) for trend in board.trends if trend.outlook)
    assert len(rows) == len(board.trends) * len(board.overview.period.steps) + ahead
    assert len(list(csv.DictReader(terms_csv(board).splitlines()))) == len(board.terms)
    assert len(list(csv.DictReader(gaps_csv(board).splitlines()))) == len(board.gaps)


def test_a_spreadsheet_runs_nothing(board: Board) -> None:
    trend = replace(board.trends[0], names={"zh": "=1+1", "en": "@SUM(A1)"}, value="-cmd")
    row = next(csv.DictReader(trends_csv(replace(board, trends=(trend,))).splitlines()))
    assert (row["name_zh"], row["name_en"], row["value"]) == ("'=1+1", "'@SUM(A1)", "'-cmd")


def test_pieces_that_are_the_same_get_one_card(board: Board) -> None:
    twin = replace(board.trends[0], id="word=twin", verdict="rising")
    one = replace(board.trends[0], verdict="rising")
    assert movers(replace(board, trends=(one, twin)), "rising") == [one]


def test_charts_draw_what_is_known() -> None:
    assert spark([0.0, None, 1.0, 1.0], 4) == "▁ ██"
    assert spark([None]) == ""
    assert stretches([1.0, 3.0, None, None], 2) == [2.0, None]
    ElementTree.fromstring(spark_line([None, 0.1, 0.2]))


def test_a_chart_stays_in_its_frame(board: Board) -> None:
    for trend in board.trends[:20]:
        chart = trend_chart(trend, board.overview.period.steps, 'a "quoted" <label>')
        for x, y in re.findall(r"([\d.]+),([\d.-]+)", " ".join(re.findall(r'points="([^"]*)"', chart))):
            assert 0 <= float(x) <= 360
            assert 0 <= float(y) <= 130


def test_numbers_are_told_shortly() -> None:
    assert [percent(one) for one in (0.5, 0.0312, 0.00123, 0.0, None)] == ["50 %", "3.1 %", "0.12 %", "0 %", "–"]
    assert [signed(one) for one in (0.5, -0.25, 3.0, None)] == ["+50 %", "−25 %", "×4.0", "–"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_key_of_a_board_can_be_said(language: str) -> None:
    say = trend_messages(language)
    assert set(say["verdicts"]) == set(say["verdict_long"]) == set(VERDICTS)
    assert set(say["term_states"]) == set(TERM_STATES)
    assert set(say["gap_states"]) == set(GAP_STATES)
    assert set(say["alerts"]) == set(ALERT_KINDS)
    assert set(say["months"]) == {f"{month:02d}" for month in range(1, 13)}
