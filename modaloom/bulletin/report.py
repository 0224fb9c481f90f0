"""The weekly report: Markdown for a mail or a wiki, HTML in one file for everything else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from jinja2 import Environment, StrictUndefined

from modaloom.bulletin.charts import spark_line, trend_chart
from modaloom.bulletin.sheets import write_pictures, write_sheets
from modaloom.bulletin.wording import Wording, percent, signed
from modaloom.files import write_text
from modaloom.trends.board import Board, Gap, Term, Trend
from modaloom.types import LANGUAGES

MOVERS = 8
"""Trends of each verdict that get a card; words get one only where nothing else says the same."""
GAPS, TERMS, ALERTS, ARRIVALS, SEGMENTS = 12, 14, 10, 8, 3
SAME = 0.75
"""Part of the examples that two trends must share to be told as one."""
LEAST_INDEX = 120
"""A group of shoppers is named where it goes for something at least so much more than everybody."""


@dataclass(frozen=True)
class Card:
    """One trend as the report shows it."""

    trend: Trend
    name: str
    dimension: str
    sentence: str
    outlook: str
    drivers: str
    segments: str
    crowd: str
    seen: str
    chart: str


def movers(board: Board, verdict: str) -> list[Trend]:
    """The trends of a verdict worth a card, most telling first; one of several that are the same pieces."""
    chosen: list[Trend] = []
    for trend in board.trends:
        same = any(
            len(set(one.examples) & set(trend.examples)) >= SAME * max(len(trend.examples), 1)
            and (trend.dimension == "word" or abs(one.events - trend.events) <= 0.1 * trend.events)
            for one in chosen
        )
        if trend.verdict == verdict and not same:
            chosen.append(trend)
    return chosen


def make_card(trend: Trend, board: Board, wording: Wording) -> Card:
    """A trend in words and as a chart."""
    comma = str(wording.say["comma"])
    eager = [one for one in sorted(trend.segments, key=lambda one: -one.index) if one.index >= LEAST_INDEX][:SEGMENTS]
    report = wording.report
    return Card(
        trend=trend,
        name=wording.name(trend.names),
        dimension=wording.dimension(trend.dimension),
        sentence=wording.sentence(trend),
        outlook=wording.outlook(trend, board.overview),
        drivers=comma.join(dict.fromkeys(wording.name(one.names) for one in trend.drivers)),
        segments=comma.join(f"{wording.kind(one.kind)} {wording.name(one.names)} ({one.index:.0f})" for one in eager),
        crowd=wording.crowd(trend),
        seen=report["seen"].format(seen=trend.seen, items=trend.items)
        if trend.seen and trend.dimension.startswith("attribute") else "",
        chart=trend_chart(trend, board.overview.period.steps, wording.sentence(trend)),
    )  # fmt: skip


def _context(board: Board, wording: Wording) -> dict[str, object]:
    sections = []
    for verdict in ("rising", "falling", "seasonal"):
        found = movers(board, verdict)
        cards = [make_card(trend, board, wording) for trend in found[:MOVERS]]
        sections.append((verdict, wording.report[verdict], cards, max(len(found) - MOVERS, 0)))
    return {
        "w": wording,
        "t": wording.report,
        "board": board,
        "title": wording.report["title"].format(shop=board.overview.shop),
        "facts": wording.facts(board.overview),
        "notes": wording.notes(board.overview),
        "sections": sections,
        "gaps": told_gaps(board),
        "terms": told_terms(board),
        "alerts": board.alerts[:ALERTS],
        "arrivals": board.arrivals[:ARRIVALS],
        "level": percent(board.overview.level),
        "percent": percent,
        "signed": signed,
        "spark": spark_line,
    }


def told_gaps(board: Board) -> list[Gap]:
    """The gaps that matter: those with something to do, what is wanted most first within each state."""
    open_ones = [gap for gap in board.gaps if gap.state != "balanced" and gap.dimension != "price"]
    weight = {gap.trend_id: abs(gap.demand - gap.assortment) for gap in open_ones}
    return sorted(open_ones, key=lambda gap: -weight[gap.trend_id])[:GAPS]


def told_terms(board: Board) -> Sequence[Term]:
    """Unanswered, new and moving terms, then the most frequent ones."""
    return board.terms[:TERMS]


def render_html(board: Board, language: str) -> str:
    """The report as one HTML file that needs nothing else."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    source = resources.files("modaloom.bulletin").joinpath("report.html").read_text(encoding="utf-8")
    return environment.from_string(source).render(**_context(board, Wording(language)))


def render_markdown(board: Board, language: str) -> str:
    """The report as Markdown."""
    environment = Environment(autoescape=False, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["cell"] = _cell
    source = resources.files("modaloom.bulletin").joinpath("report.md").read_text(encoding="utf-8")
    return environment.from_string(source).render(**_context(board, Wording(language)))


def _cell(text: object) -> str:
    """Text that cannot break a table or become a link, whatever a shop calls its things."""
    plain = " ".join(str(text).split())
    return "".join(f"\\{letter}" if letter in "\\|[]<>*_`#" else letter for letter in plain)


def write_report(board: Board, folder: Path, language: str) -> list[Path]:
    """Writes the board, its sheets, its charts, and the report in both languages.

    ``report.md`` and ``report.html`` are in the language asked for, ``report.zh.html`` and so on in each.

    Raises:
        OSError: the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / "board.json", board.to_json() + "\n")
    write_sheets(board, folder)
    pictures = write_pictures(board, folder / "charts", language)
    for one in LANGUAGES:
        write_text(folder / f"report.{one}.html", render_html(board, one))
        write_text(folder / f"report.{one}.md", render_markdown(board, one))
    write_text(folder / "report.html", render_html(board, language))
    write_text(folder / "report.md", render_markdown(board, language))
    return [*sorted(folder.glob("*.*")), *pictures]
