"""An evaluation as a table on the terminal, a page with charts, and JSON."""

from __future__ import annotations

import math
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, StrictUndefined
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from modaloom.evaluation.protocol import Evaluation
from modaloom.files import write_json as write_json_file
from modaloom.files import write_text

OURS = "modaloom"
IN_WINDOWS = ("rolling", "new-users")
DRAWN = 5
"""Lines in one chart, and colours for them."""
COLUMNS = ("recall", "ndcg", "precision", "hit_rate", "map", "mrr", "coverage", "novelty", "diversity")


def print_report(evaluation: Evaluation, console: Console | None = None) -> None:
    """Prints one line per model, the best recall first, and why models were left out."""
    console = console or Console()
    summary = evaluation.summary()
    console.print(heading(evaluation), style="italic", markup=False, highlight=False, soft_wrap=True)
    table = Table(header_style="bold", box=SIMPLE_HEAD, padding=0)
    table.add_column("model", no_wrap=True)
    for column in ("recall", "interval", "ndcg", "cold", "warm", "cover", "fit s", "ask s"):
        table.add_column(column, justify="right", no_wrap=True)
    for name in ranked(evaluation):
        row = summary[name]
        low, high = _interval(row, "recall")
        cells = [_short(_number(row, "recall")), f"{_short(low)}-{_short(high)}", _short(_number(row, "ndcg"))]
        cells += [_short(_number(row[group], "recall")) for group in ("cold", "warm")]
        cells += [
            _short(_number(row, "coverage"), 3),
            *(f"{_number(row, column):.1f}" for column in ("fit_s", "recommend_s")),
        ]
        table.add_row(name, *cells, style="bold green" if name == OURS else None)
    console.print(table)
    note = "cold, warm: recall of never-sold and of other items; cover: share of the catalogue shown"
    console.print(note, style="dim", highlight=False)
    _print_new_users(evaluation, console)
    for name, reason in evaluation.skipped.items():
        console.print(f"left out: {name}: {reason}", style="dim", markup=False, highlight=False)


def _print_new_users(evaluation: Evaluation, console: Console) -> None:
    """Recall by how much is known of a shopper; a line that says so for models that cannot be asked."""
    numbers, curves = new_user_curves(evaluation)
    if not numbers:
        return
    console.print("\nnew shoppers: recall when only their newest events are known", style="italic", highlight=False)
    table = Table(header_style="bold", box=SIMPLE_HEAD, padding=0)
    table.add_column("model", no_wrap=True)
    for column in numbers:
        table.add_column(f"{column} events" if column != "1" else "1 event", justify="right", no_wrap=True)
    for curve in curves:
        cells = [_short(point.value) for point in curve.points]
        table.add_row(curve.name, *cells, style="bold green" if curve.ours else None)
    console.print(table)
    console.print(new_users_note(evaluation), style="dim", highlight=False)
    for name in _without_curve(evaluation):
        line = f"{name}: knows only the shoppers that it was fitted with"
        console.print(line, style="dim", markup=False, highlight=False)


def new_users_note(evaluation: Evaluation) -> str:
    """Whether the model had seen the rest of these shoppers' past, in a sentence."""
    if evaluation.protocol.name == "new-users":
        return "kept-out shoppers: nothing that they did was there when the models were fitted"
    return "their earlier events were there when the models were fitted: --protocol new-users keeps them out"


def heading(evaluation: Evaluation) -> str:
    """One line: the shop, the protocol, the length of the lists."""
    protocol = evaluation.protocol
    how = protocol.name
    if protocol.name == "rolling":
        how = f"rolling, {protocol.windows} windows of {protocol.window_days} days"
    if protocol.name == "new-users":
        how = f"new users, never learned from, {protocol.windows} windows of {protocol.window_days} days"
    seeds = f", seeds {', '.join(map(str, protocol.seeds))}" if len(protocol.seeds) > 1 else ""
    return f"{evaluation.shop}: {how}, top {protocol.n}{seeds}; 95 % intervals over shoppers"


def ranked(evaluation: Evaluation) -> list[str]:
    """Model names, the best recall first."""
    summary = evaluation.summary()
    return sorted(summary, key=lambda name: -_number(summary[name], "recall"))


def write_json(evaluation: Evaluation, file: Path) -> None:
    """Writes :meth:`~modaloom.evaluation.protocol.Evaluation.summary`, with null where there is no figure.

    Raises:
        OSError: the file cannot be written.
    """
    protocol = evaluation.protocol
    how = {
        "shop": evaluation.shop,
        "name": protocol.name,
        "n": protocol.n,
        "windows": protocol.windows if protocol.name in IN_WINDOWS else None,
        "window_days": protocol.window_days if protocol.name in IN_WINDOWS else None,
        "seeds": list(protocol.seeds),
    }
    write_json_file(file, {name: {**row, "protocol": how} for name, row in evaluation.summary().items()})


@dataclass(frozen=True)
class Bar:
    """One line of a bar chart, in per cent of the chart's width."""

    name: str
    value: float
    width: float
    low: float
    high: float
    ours: bool


@dataclass(frozen=True)
class Point:
    """Recall when so many events are known, with its interval."""

    known: str
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Curve:
    """One model's recall by how much is known of a shopper."""

    name: str
    points: tuple[Point, ...]
    ours: bool


@dataclass(frozen=True)
class Page:
    """What ``page.html`` may use."""

    heading: str
    n: int
    charts: dict[str, list[Bar]]
    rows: list[dict[str, str]]
    columns: tuple[str, ...]
    windows: list[str]
    lines: dict[str, list[float]]
    top: float
    skipped: dict[str, str]
    known: tuple[str, ...]
    curves: list[Curve]
    curves_top: float
    curves_note: str
    without_curve: list[str]


def write_html(evaluation: Evaluation, file: Path) -> None:
    """Writes one page without any outside file.

    Raises:
        OSError: the file cannot be written.
    """
    template = files("modaloom.evaluation").joinpath("page.html").read_text(encoding="utf-8")
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    write_text(file, environment.from_string(template).render(page=_page(evaluation)))


def _page(evaluation: Evaluation) -> Page:
    summary = evaluation.summary()
    order = ranked(evaluation)
    charts = {
        "Recall": _bars({name: summary[name] for name in order}, "recall"),
        "NDCG": _bars({name: summary[name] for name in order}, "ndcg"),
        "Recall of never-sold items": _bars({name: summary[name]["cold"] for name in order}, "recall"),
    }
    rows = []
    for name in order:
        cells = {column: _figure(_number(summary[name], column)) for column in COLUMNS}
        cells |= {f"{group} recall": _figure(_number(summary[name][group], "recall")) for group in ("warm", "cold")}
        cells |= {column: _figure(_number(summary[name], column), 1) for column in ("fit_s", "recommend_s")}
        rows.append({"model": name, **cells})
    windows, lines = _lines(evaluation, order[:DRAWN])
    top = max((value for line in lines.values() for value in line), default=1.0) or 1.0
    columns = (*COLUMNS, "warm recall", "cold recall", "fit_s", "recommend_s")
    known, curves = new_user_curves(evaluation)
    return Page(
        heading(evaluation),
        evaluation.protocol.n,
        charts,
        rows,
        columns,
        windows,
        lines,
        top,
        evaluation.skipped,
        known,
        curves,
        curves_top=max((point.high for curve in curves[:DRAWN] for point in curve.points), default=0.0) or 1.0,
        curves_note=new_users_note(evaluation),
        without_curve=_without_curve(evaluation),
    )


def _bars(rows: dict[str, object], metric: str) -> list[Bar]:
    highest = max((_interval(row, metric)[1] for row in rows.values()), default=0.0)
    scale = 100 / highest if highest > 0 else 0.0
    bars = []
    for name, row in rows.items():
        value = _number(row, metric)
        low, high = _interval(row, metric)
        if not math.isnan(value):
            bars.append(Bar(name, value, value * scale, low * scale, high * scale, name == OURS))
    return bars


def _lines(evaluation: Evaluation, names: list[str]) -> tuple[list[str], dict[str, list[float]]]:
    """Recall by window of the best models, mean over seeds."""
    windows = list(dict.fromkeys(round_.split for round_ in evaluation.rounds[names[0]]))
    lines = {}
    for name in names:
        line = []
        for window in windows:
            values = [
                round_.values["all"]["recall"].mean() for round_ in evaluation.rounds[name] if round_.split == window
            ]
            line.append(float(sum(values) / len(values)) if values else 0.0)
        lines[name] = line
    return windows, lines


def new_user_curves(evaluation: Evaluation) -> tuple[tuple[str, ...], list[Curve]]:
    """Numbers of known events, ``all`` last, and a curve per model that can be asked so, the best recall first."""
    summary = evaluation.summary()
    curves = []
    for name in ranked(evaluation):
        rows = summary[name]["new_users"]
        if not isinstance(rows, dict) or not rows:
            continue
        known = {**rows, "all": summary[name]}
        points = [Point(number, _number(row, "recall"), *_interval(row, "recall")) for number, row in known.items()]
        curves.append(Curve(name, tuple(points), name == OURS))
    return tuple(point.known for point in curves[0].points) if curves else (), curves


def _without_curve(evaluation: Evaluation) -> list[str]:
    there = {curve.name for curve in new_user_curves(evaluation)[1]}
    return [name for name in ranked(evaluation) if name not in there]


def _number(row: object, metric: str) -> float:
    value = row.get(metric) if isinstance(row, dict) else None
    return float(value) if isinstance(value, int | float) else float("nan")


def _interval(row: object, metric: str) -> tuple[float, float]:
    intervals = row.get("intervals", {}) if isinstance(row, dict) else {}
    low, high = intervals.get(metric, (0.0, 0.0))
    return (0.0, 0.0) if math.isnan(low) else (float(low), float(high))


def _figure(value: float, digits: int = 4) -> str:
    return "–" if math.isnan(value) else f"{value:.{digits}f}"


def _short(value: float, digits: int = 4) -> str:
    """Without the leading zero: nine columns fit on a terminal of 80."""
    return _figure(value, digits).replace("0.", ".", 1) if value < 1 else _figure(value, digits)
