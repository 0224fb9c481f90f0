"""A board on the terminal: the movers with small charts, and what wants attention."""

from __future__ import annotations

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from modaloom.bulletin.report import movers, told_gaps
from modaloom.bulletin.wording import Wording, percent, signed, spark
from modaloom.trends.board import Board, Gap, Term

SHOWN, ALERTS, GAPS, TERMS = 10, 6, 6, 6
_STYLES = {"rising": "green", "falling": "red", "seasonal": "magenta"}
_SIGNS = {"rising": "↑", "falling": "↓", "seasonal": "∿"}
_WIDEST = (19, 10, 2, 6, 6, 5, 12, 7)
"""Cells of each column, so that all of them fit into 80."""


def print_board(board: Board, language: str, console: Console) -> None:
    """Prints facts, movers, alerts, gaps and unanswered or moving terms."""
    wording = Wording(language)

    def line(text: str, style: str = "") -> None:
        console.print(text, style=style, markup=False, highlight=False, soft_wrap=True)

    for fact in wording.facts(board.overview):
        line(fact, "dim")
    for note in wording.notes(board.overview):
        line(note, "yellow")
    console.print(_movers(board, wording))
    _list(line, wording.report["alerts"], [wording.alert(one) for one in board.alerts[:ALERTS]])
    _list(line, wording.report["gaps"], [_gap(one, wording) for one in told_gaps(board)[:GAPS]])
    moving = [one for one in board.terms if not one.answered or one.state != "steady"][:TERMS]
    _list(line, wording.report["terms"], [_term(one, wording) for one in moving])


def _gap(gap: Gap, wording: Wording) -> str:
    return f"{wording.name(gap.names)}: {percent(gap.demand)} / {percent(gap.assortment)}. {wording.advice(gap.advice)}"


def _term(term: Term, wording: Wording) -> str:
    say = wording.report
    found = f"{term.matches:,}" if term.answered else say["unanswered"]
    state = wording.say["term_states"][term.state]
    return f"{term.term}: {state}, {say['searches']} {term.searches:,}, {say['answered']} {found}"


def _list(line: object, heading: str, entries: list[str]) -> None:
    assert callable(line)
    if entries:
        line(f"\n{heading}", "bold")
        for entry in entries:
            line(f"  {entry}")


def _tight(number: str) -> str:
    """Without blanks, for narrow columns."""
    return number.replace(" ", "")


def _movers(board: Board, wording: Wording) -> Table:
    table = Table(header_style="bold", box=SIMPLE_HEAD, padding=0)
    for place, heading in enumerate(wording.say["table"]["columns"]):
        table.add_column(
            heading.format(horizon=board.overview.horizon),
            justify="right" if place in (3, 4, 5, 7) else "left",
            no_wrap=True,
            overflow="ellipsis",
            max_width=_WIDEST[place],
        )
    for verdict, style in _STYLES.items():
        for trend in movers(board, verdict)[:SHOWN]:
            moved = f"×{trend.swing:.1f}" if verdict == "seasonal" and trend.swing else signed(trend.change)
            coming = trend.outlook.change if trend.outlook and not trend.outlook.abstained else None
            cells = (wording.name(trend.names), wording.dimension(trend.dimension))
            table.add_row(
                *(escape(cell) for cell in cells), "".join(_SIGNS[one] for one in (trend.verdict, *trend.also)),
                _tight(percent(trend.share)), f"[{style}]{_tight(moved)}[/]",
                _tight(percent(trend.confidence)), spark(trend.series, 12), _tight(signed(coming)),
            )  # fmt: skip
    if not table.row_count:
        table.add_row(wording.report["none"])
    return table
