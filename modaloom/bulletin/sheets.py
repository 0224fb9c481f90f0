"""A board as sheets for other programs, and as pictures."""

from __future__ import annotations

import csv
import unicodedata
from collections.abc import Iterable, Sequence
from io import StringIO
from pathlib import Path

from modaloom.bulletin.picture import chart_png, chart_svg
from modaloom.files import write_bytes, write_text
from modaloom.trends.board import Board, Outlook, Trend

FORMULA = ("=", "+", "-", "@", "|", "%")
"""A cell that begins so would be run by a spreadsheet, in full width too, and after blanks."""
MARK = "\ufeff"
"""Spreadsheets take a sheet for UTF-8 only where it begins with this."""
PICTURES = 12
"""Trends of each verdict that get a picture of their own."""


def trends_csv(board: Board) -> str:
    """One row for each trend and step: what was, what was fitted, what is forecast."""
    header = (
        "id", "dimension", "value", "name_zh", "name_en", "verdict", "confidence", "step", "share", "fitted",
        "forecast", "lower", "upper",
    )  # fmt: skip
    return _sheet(header, (row for trend in board.trends for row in _steps(trend, board)))


def _steps(trend: Trend, board: Board) -> Iterable[Sequence[object]]:
    facts = (
        trend.id, trend.dimension, trend.value, trend.names.get("zh", ""), trend.names.get("en", ""), trend.verdict,
        trend.confidence,
    )  # fmt: skip
    level = trend.level or (None,) * len(trend.series)
    for step, share, fitted in zip(board.overview.period.steps, trend.series, level, strict=True):
        yield *facts, step, share, _short(fitted), None, None, None
    if trend.outlook:
        for step, *said in zip(
            trend.outlook.steps, trend.outlook.mean, trend.outlook.lower, trend.outlook.upper, strict=True
        ):
            yield *facts, step, None, None, *said


def movers_csv(board: Board) -> str:
    """One row for each trend: what it does, how sure that is, and what is expected."""
    header = (
        "id", "dimension", "value", "name_zh", "name_en", "verdict", "also", "confidence", "share", "change", "low",
        "high", "forecast", "abstained", "mase", "covered", "peak", "novel", "events", "shoppers", "items", "seen",
    )  # fmt: skip
    return _sheet(header, map(_mover, board.trends))


def _mover(trend: Trend) -> Sequence[object]:
    low, high = trend.interval or (None, None)
    outlook = trend.outlook or Outlook()
    test = outlook.back_test
    return (
        trend.id, trend.dimension, trend.value, trend.names.get("zh", ""), trend.names.get("en", ""), trend.verdict,
        " | ".join(trend.also), _short(trend.confidence), _short(trend.share), _short(trend.change), _short(low),
        _short(high), _short(outlook.change), outlook.abstained, _short(test.mase if test else None),
        _short(test.covered if test else None), trend.peak, trend.novel, trend.events, trend.shoppers, trend.items,
        trend.seen,
    )  # fmt: skip


def steps_csv(board: Board, trend: Trend) -> str:
    """One row for each step of one trend: what was, what was fitted, what was tested, what is forecast."""
    rows: dict[str, dict[str, float | None]] = {step: {} for step in board.overview.period.steps}

    def put(name: str, steps: Sequence[str], values: Sequence[float | None]) -> None:
        for step, value in zip(steps, values, strict=False):
            rows.setdefault(step, {})[name] = _short(value)

    put("share", board.overview.period.steps, trend.series)
    put("fitted", board.overview.period.steps, trend.level)
    if trend.crowd:
        put("trendsetters", board.overview.period.steps, trend.crowd.setters)
        put("mainstream", board.overview.period.steps, trend.crowd.mainstream)
    for prefix, told in (("", trend.outlook), ("tested_", trend.outlook and trend.outlook.back_test)):
        if told:
            put(f"{prefix}forecast", told.steps, told.mean)
            put(f"{prefix}lower", told.steps, told.lower)
            put(f"{prefix}upper", told.steps, told.upper)
    names = tuple(dict.fromkeys(name for row in rows.values() for name in row))
    return _sheet(("step", *names), ((step, *(rows[step].get(name) for name in names)) for step in sorted(rows)))


def alerts_csv(board: Board) -> str:
    """One row for each alert."""
    header = ("kind", "subject", "name_zh", "name_en", "step", "urgent", "confidence", "before", "after", "count")
    rows = (
        (
            one.kind, one.subject, one.names.get("zh", ""), one.names.get("en", ""), one.step, one.urgent,
            _short(one.confidence), _short(one.before), _short(one.after), one.count,
        )
        for one in board.alerts
    )  # fmt: skip
    return _sheet(header, rows)


def arrivals_csv(board: Board) -> str:
    """One row for each new piece, with the sum of what is expected of it."""
    header = ("item_id", "name_zh", "name_en", "released", "rank", "expected", "lower", "upper", "neighbours")
    rows = (
        (
            one.item_id, one.names.get("zh", ""), one.names.get("en", ""), one.released, _short(one.rank),
            _short(sum(one.mean)), _short(sum(one.lower)), _short(sum(one.upper)), " | ".join(one.neighbours),
        )
        for one in board.arrivals
    )  # fmt: skip
    return _sheet(header, rows)


def terms_csv(board: Board) -> str:
    """One row for each search term."""
    header = (
        "term", "language", "state", "confidence", "searches", "shoppers", "share", "change", "matches", "in_stock",
        "answered", "first_seen", "spellings",
    )  # fmt: skip
    rows = (
        (
            one.term, one.language, one.state, _short(one.confidence), one.searches, one.shoppers, _short(one.share),
            _short(one.change), one.matches, one.in_stock, one.answered, one.first_seen,
            " | ".join(f"{name} {number}" for name, number in one.spellings),
        )
        for one in board.terms
    )  # fmt: skip
    return _sheet(header, rows)


def gaps_csv(board: Board) -> str:
    """One row for each value: demand beside assortment."""
    header = (
        "id", "dimension", "name_zh", "name_en", "state", "demand", "low", "high", "assortment", "items", "ratio",
        "searches", "purchases", "verdict", "advice",
    )  # fmt: skip
    rows = (
        (
            one.trend_id, one.dimension, one.names.get("zh", ""), one.names.get("en", ""), one.state,
            _short(one.demand), _short(one.interval[0]), _short(one.interval[1]), _short(one.assortment), one.items,
            _short(one.ratio), _short(one.searches), _short(one.purchases), one.verdict, one.advice,
        )
        for one in board.gaps
    )  # fmt: skip
    return _sheet(header, rows)


def _short(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.6g}")


def _sheet(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    stream = StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([_cell(value) for value in row] for row in rows)
    return MARK + stream.getvalue()


def _cell(value: object) -> object:
    """Text in one line; one that a spreadsheet would take for a formula gets an apostrophe in front.

    A lone carriage return is the end of a row to some spreadsheets, and the rest of the cell a cell of its own.
    """
    if not isinstance(value, str):
        return value
    plain = "".join(" " if unicodedata.category(letter) in ("Cc", "Zl", "Zp") else letter for letter in value)
    return f"'{plain}" if unicodedata.normalize("NFKC", plain).lstrip().startswith(FORMULA) else plain


def write_pictures(board: Board, folder: Path, language: str) -> list[Path]:
    """PNG charts of the trends that move most; the files' names."""
    written = []
    folder.mkdir(parents=True, exist_ok=True)
    for verdict in ("rising", "falling", "seasonal"):
        chosen = [trend for trend in board.trends if trend.verdict == verdict and trend.dimension != "word"][:PICTURES]
        for place, trend in enumerate(chosen, start=1):
            file = folder / f"{verdict}-{place:02d}.png"
            write_bytes(file, chart_png(chart_svg(board, trend, language)))
            written.append(file)
    return written


def write_sheets(board: Board, folder: Path) -> None:
    """Writes the three sheets."""
    for name, text in (("trends", trends_csv(board)), ("terms", terms_csv(board)), ("gaps", gaps_csv(board))):
        write_text(folder / f"{name}.csv", text)
