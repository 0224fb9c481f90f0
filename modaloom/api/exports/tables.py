"""Parts of the trend board as CSV that a spreadsheet opens: UTF-8 with a mark, dates as ISO, shares from 0 to 1."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from typing import Any

from modaloom.trends.board import Board, Series, Trend

MARK = "\ufeff"
"""Tells spreadsheets that this is UTF-8; without it they garble Chinese."""
FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet would run; shoppers type search terms, so that nothing of theirs may begin so."""


def board_table(board: Board, part: str) -> bytes:
    """One part of the board: ``trends``, ``terms``, ``gaps``, ``alerts`` or ``arrivals``."""
    rows = {"trends": _trends, "terms": _terms, "gaps": _gaps, "alerts": _alerts, "arrivals": _arrivals}[part](board)
    return _table(rows, COLUMNS[part])


COLUMNS: Mapping[str, tuple[str, ...]] = {
    "trends": (
        *("id", "dimension", "value", "name_zh", "name_en", "verdict", "also", "confidence", "share", "change"),
        *("change_low", "change_high", "forecast", "abstained", "mase", "covered", "peak", "novel"),
        *("events", "shoppers", "items", "seen"),
    ),
    "terms": (
        *("term", "language", "spellings", "searches", "shoppers", "state", "confidence", "share", "change"),
        *("matches", "in_stock", "answered", "first_seen"),
    ),
    "gaps": (
        *("trend_id", "dimension", "value", "name_zh", "name_en", "state", "verdict", "demand", "demand_low"),
        *("demand_high", "assortment", "items", "ratio", "searches", "purchases", "advice"),
    ),
    "alerts": ("kind", "subject", "name_zh", "name_en", "step", "urgent", "confidence", "before", "after", "count"),
    "arrivals": ("item_id", "name_zh", "name_en", "released", "rank", "expected", "expected_low", "expected_high"),
}


def _plain(thing: Any, part: str) -> dict[str, Any]:
    """What stands in the columns under its own name."""
    row = {name: getattr(thing, name) for name in COLUMNS[part] if hasattr(thing, name)}
    names = getattr(thing, "names", {})
    return row | {"name_zh": names.get("zh"), "name_en": names.get("en")}


def _trends(board: Board) -> Iterable[Mapping[str, Any]]:
    for trend in board.trends:
        low, high = trend.interval or (None, None)
        outlook = trend.outlook
        test = outlook.back_test if outlook else None
        yield _plain(trend, "trends") | {
            "also": "|".join(trend.also),
            "change_low": low,
            "change_high": high,
            "forecast": outlook.change if outlook else None,
            "abstained": outlook.abstained if outlook else None,
            "mase": test.mase if test else None,
            "covered": test.covered if test else None,
        }


def _terms(board: Board) -> Iterable[Mapping[str, Any]]:
    for term in board.terms:
        yield _plain(term, "terms") | {"spellings": "|".join(f"{name}:{n}" for name, n in term.spellings)}


def _gaps(board: Board) -> Iterable[Mapping[str, Any]]:
    for gap in board.gaps:
        yield _plain(gap, "gaps") | {"demand_low": gap.interval[0], "demand_high": gap.interval[1]}


def _alerts(board: Board) -> Iterable[Mapping[str, Any]]:
    return (_plain(alert, "alerts") for alert in board.alerts)


def _arrivals(board: Board) -> Iterable[Mapping[str, Any]]:
    for arrival in board.arrivals:
        expected = {"expected": arrival.mean, "expected_low": arrival.lower, "expected_high": arrival.upper}
        yield _plain(arrival, "arrivals") | {name: sum(values) for name, values in expected.items()}


def series_table(board: Board, trend: Trend) -> bytes:
    """One row for every step: what happened, what was fitted, what was tested, what is forecast."""
    rows: dict[str, dict[str, Any]] = {}

    def put(name: str, steps: Iterable[str], values: Series | tuple[float, ...]) -> None:
        for step, value in zip(steps, values, strict=False):
            rows.setdefault(step, {"step": step})[name] = value

    steps = board.overview.period.steps
    put("share", steps, trend.series)
    put("level", steps, trend.level)
    if trend.crowd:
        put("trendsetters", steps, trend.crowd.setters)
        put("mainstream", steps, trend.crowd.mainstream)
    if trend.outlook:
        for name, values in (("forecast", "mean"), ("forecast_low", "lower"), ("forecast_high", "upper")):
            put(name, trend.outlook.steps, getattr(trend.outlook, values))
        if test := trend.outlook.back_test:
            for name, values in (("back_test", "mean"), ("back_test_low", "lower"), ("back_test_high", "upper")):
                put(name, test.steps, getattr(test, values))
    columns = dict.fromkeys(name for row in rows.values() for name in row)
    return _table((rows[step] for step in sorted(rows)), tuple(columns) or ("step",))


def _table(rows: Iterable[Mapping[str, Any]], columns: tuple[str, ...]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, extrasaction="ignore", lineterminator="\r\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: _cell(row.get(name)) for name in columns})
    return (MARK + text.getvalue()).encode()


def _cell(value: Any) -> Any:
    """A cell that is only ever read: no formula, no digits that mean nothing."""
    if isinstance(value, str):
        return f"'{value}" if value.startswith(FORMULA) else value
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.7g}" if isinstance(value, float) else value
