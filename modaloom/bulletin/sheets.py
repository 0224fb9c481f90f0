"""A board as sheets for other programs, and as pictures."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from io import StringIO
from pathlib import Path

import numpy as np
import numpy.typing as npt

from modaloom.bulletin.wording import Wording
from modaloom.files import write_text
from modaloom.trends.board import Board, Trend

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""A cell that begins so would be run by a spreadsheet."""
PICTURES = 12
"""Trends of each verdict that get a picture of their own."""
_FONTS = ("Noto Sans CJK SC", "Microsoft YaHei", "PingFang SC", "SimHei", "DejaVu Sans")


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
    return stream.getvalue()


def _cell(value: object) -> object:
    """Text that a spreadsheet would take for a formula gets an apostrophe in front."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value


def write_pictures(board: Board, folder: Path, wording: Wording) -> list[Path]:
    """PNG charts of the trends that move most; the files' names."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    written = []
    folder.mkdir(parents=True, exist_ok=True)
    for verdict in ("rising", "falling", "seasonal"):
        chosen = [trend for trend in board.trends if trend.verdict == verdict and trend.dimension != "word"][:PICTURES]
        for place, trend in enumerate(chosen, start=1):
            file = folder / f"{verdict}-{place:02d}.png"
            with pyplot.rc_context({"font.family": _known_fonts(), "axes.unicode_minus": False}):
                _draw(trend, board, wording, file)
            written.append(file)
    return written


def _known_fonts() -> list[str]:
    """Those of the fonts for both scripts that are installed, so that none is missed aloud."""
    from matplotlib import font_manager

    there = set(font_manager.get_font_names())
    return [name for name in _FONTS if name in there] or ["sans-serif"]


def _draw(trend: Trend, board: Board, wording: Wording, file: Path) -> None:
    from matplotlib import pyplot
    from matplotlib.ticker import PercentFormatter

    figure, axes = pyplot.subplots(figsize=(7, 3.2), dpi=120, layout="constrained")
    try:
        days = np.array(board.overview.period.steps, dtype="datetime64[D]")
        axes.plot(days, _plottable(trend.series), ".", color="#9aa3b2", markersize=3)
        if trend.level:
            axes.plot(days, _plottable(trend.level), color="#2b59c3", linewidth=2)
        if trend.outlook and trend.outlook.steps:
            ahead = np.array(trend.outlook.steps, dtype="datetime64[D]")
            axes.fill_between(ahead, trend.outlook.lower, trend.outlook.upper, color="#e07a3f", alpha=0.25, linewidth=0)
            axes.plot(ahead, trend.outlook.mean, color="#e07a3f", linewidth=2)
        axes.set_title(f"{wording.name(trend.names)} · {wording.verdict(trend)}", loc="left", fontsize=11)
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=None))
        axes.set_ylim(bottom=0)
        axes.spines[["top", "right"]].set_visible(False)
        figure.savefig(file)
    finally:
        pyplot.close(figure)


def _plottable(series: Sequence[float | None]) -> npt.NDArray[np.float64]:
    return np.array([np.nan if value is None else value for value in series])


def write_sheets(board: Board, folder: Path) -> None:
    """Writes the three sheets."""
    for name, text in (("trends", trends_csv(board)), ("terms", terms_csv(board)), ("gaps", gaps_csv(board))):
        write_text(folder / f"{name}.csv", "\ufeff" + text)  # spreadsheets take it for UTF-8 only with this mark
