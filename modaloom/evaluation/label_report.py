"""An evaluation of labels as a table on the terminal, a page with a reliability diagram, and JSON."""

from __future__ import annotations

import base64
import io
import math
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, StrictUndefined
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from modaloom.evaluation.labelled import LabelEvaluation, reliability
from modaloom.files import write_json as write_json_file
from modaloom.files import write_text

OURS = "modaloom"
COLUMNS = ("auc", "accuracy", "precision", "recall", "f1", "log_loss", "brier", "calibration_error")
CHOSEN = ("accuracy_at_threshold", "precision_at_threshold", "recall_at_threshold", "f1_at_threshold")
INK, SOFT, BEFORE, AFTER = "#26262b", "#6f6d68", "#b9b2a6", "#b3473c"


def print_report(evaluation: LabelEvaluation, console: Console | None = None) -> None:
    """Prints one line per classifier, the best log loss first, and what each view is good for."""
    console = console or Console()
    summary = evaluation.summary()
    console.print(heading(evaluation), style="italic", markup=False, highlight=False, soft_wrap=True)
    table = Table(header_style="bold", box=SIMPLE_HEAD, padding=0)
    table.add_column("model", no_wrap=True)
    for column in ("AUC", "interval", "acc.", "prec.", "recall", "F1", "Brier", "ECE", "fit s"):
        table.add_column(column, justify="right", no_wrap=True)
    for name, row in ranked(summary).items():
        low, high = _interval(row, "auc")
        cells = [_short(_number(row, "auc")), f"{_short(low)}-{_short(high)}"]
        cells += [
            _short(_number(row, one)) for one in ("accuracy", "precision", "recall", "f1", "brier", "calibration_error")
        ]
        table.add_row(name, *cells, f"{_number(row, 'fit_s'):.1f}", style="bold green" if name == OURS else None)
    console.print(table)
    for line in notes(evaluation, summary):
        console.print(line, style="dim", markup=False, highlight=False, soft_wrap=True)


def heading(evaluation: LabelEvaluation) -> str:
    """One line: the shop, the label, and how many were learned from, chosen on and asked for."""
    data, split = evaluation.data, evaluation.split
    how = "in order of time" if data.times.max() > data.times.min() else "dealt out at random by group"
    counts = f"{len(split.train):,} + {len(split.validation):,} + {len(split.test):,} labels {how}"
    return f"{evaluation.shop}: {data.name}, {len(data.classes)} classes; {counts}; 95 % intervals"


def ranked(summary: dict[str, dict[str, object]]) -> dict[str, dict[str, object]]:
    """The rows, the best log loss first."""
    return dict(sorted(summary.items(), key=lambda pair: _number(pair[1], "log_loss")))


def notes(evaluation: LabelEvaluation, summary: dict[str, dict[str, object]]) -> list[str]:
    """What the table cannot say: thresholds, calibration before and after, and the views."""
    lines = list(evaluation.data.notes)
    if evaluation.data.binary:
        share = float(evaluation.asked.mean())
        lines.append(f"precision, recall and F1 of {evaluation.data.classes[1]!r} at .5; its share is {share:.3f}")
    else:
        lines.append("precision, recall, F1 and AUC are means over the classes")
    for name, row in summary.items():
        if name != OURS:
            continue
        raw, own = _number(row, "raw_calibration_error"), _number(row, "calibration_error")
        lines.append(f"{name}: calibration error {raw:.4f} before calibration on validation, {own:.4f} after")
        if evaluation.data.binary:
            found = ", ".join(f"{one.removesuffix('_at_threshold')} {_number(row, one):.3f}" for one in CHOSEN)
            lines.append(f"{name} at {_number(row, 'threshold'):.2f}, which validation chose for F1: {found}")
        views = row["contributions"]
        if isinstance(views, dict) and views:
            shown = ", ".join(f"{view} {value:+.4f}" for view, value in sorted(views.items(), key=lambda one: -one[1]))
            lines.append(f"{name}: rise of the log loss without {shown}")
    return lines


def write_json(evaluation: LabelEvaluation, file: Path) -> None:
    """Writes the summary with the labels' own facts, null where there is no figure.

    Raises:
        OSError: the file cannot be written.
    """
    data, split = evaluation.data, evaluation.split
    content = {
        "shop": evaluation.shop,
        "label": data.name,
        "classes": list(data.classes),
        "notes": list(data.notes),
        "labels": {"train": len(split.train), "validation": len(split.validation), "test": len(split.test)},
        "models": evaluation.summary(),
    }
    write_json_file(file, content)


@dataclass(frozen=True)
class LabelPage:
    """What ``labels.html`` may use."""

    heading: str
    ours: str
    columns: tuple[str, ...]
    rows: list[dict[str, str]]
    notes: list[str]
    diagram: str
    """PNG as base64."""


def write_html(evaluation: LabelEvaluation, file: Path) -> None:
    """Writes one page without any outside file.

    Raises:
        OSError: the file cannot be written.
    """
    summary = evaluation.summary()
    columns = (*COLUMNS, "raw_calibration_error", *(CHOSEN if evaluation.data.binary else ()), "fit_s")
    rows = [
        {"model": name, **{column: _cell(row, column) for column in columns}} for name, row in ranked(summary).items()
    ]
    diagram = base64.b64encode(reliability_png(evaluation)).decode("ascii")
    template = files("modaloom.evaluation").joinpath("labels.html").read_text(encoding="utf-8")
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    page = LabelPage(heading(evaluation), OURS, columns, rows, notes(evaluation, summary), diagram)
    write_text(file, environment.from_string(template).render(page=page))


def reliability_png(evaluation: LabelEvaluation, model: str | None = None) -> bytes:
    """A reliability diagram of one classifier (ours, or the first), before and after calibration, as PNG."""
    name = model or (OURS if OURS in evaluation.rounds else next(iter(evaluation.rounds)))
    round_ = evaluation.rounds[name][0]
    figure = Figure(figsize=(5.0, 4.6), dpi=144, layout="constrained")
    FigureCanvasAgg(figure)
    axes, below = figure.subplots(2, 1, sharex=True, height_ratios=(4, 1))
    axes.plot([0, 1], [0, 1], color=SOFT, linewidth=1, linestyle=(0, (3, 3)))
    for said, colour, what in ((round_.raw, BEFORE, "before"), (round_.calibrated, AFTER, "after calibration")):
        points = reliability(said, evaluation.asked)
        axes.plot(
            [one[0] for one in points], [one[1] for one in points], color=colour, marker="o", linewidth=2, label=what
        )
    below.bar([one[0] for one in points], [one[2] for one in points], width=0.05, color=AFTER, alpha=0.6)
    binary = evaluation.data.binary
    what = f"chance of {evaluation.data.classes[1]!r}" if binary else "probability of the answer"
    axes.set_title(f"{name}: what was said, and what came true", loc="left", fontsize=11, color=INK)
    axes.set_ylabel("true share" if binary else "share of right answers", color=SOFT, fontsize=9)
    below.set_xlabel(f"predicted {what}", color=SOFT, fontsize=9)
    below.set_ylabel("labels", color=SOFT, fontsize=9)
    axes.set_ylim(0, 1)
    below.set_xlim(0, 1)
    axes.legend(frameon=False, fontsize=9)
    for one in (axes, below):
        one.tick_params(colors=SOFT, labelsize=9, length=0)
        for side in ("top", "right"):
            one.spines[side].set_visible(False)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", facecolor="white")
    return buffer.getvalue()


def _cell(row: dict[str, object], column: str) -> str:
    value, (low, high) = _number(row, column), _interval(row, column)
    if math.isnan(value):
        return "–"
    return f"{value:.1f}" if column == "fit_s" else f"{value:.4f} [{low:.3f}, {high:.3f}]"


def _number(row: dict[str, object], name: str) -> float:
    value = row.get(name)
    return float(value) if isinstance(value, int | float) else float("nan")


def _interval(row: dict[str, object], name: str) -> tuple[float, float]:
    intervals = row["intervals"]
    assert isinstance(intervals, dict)
    low, high = intervals.get(name, (float("nan"), float("nan")))
    return float(low), float(high)


def _short(value: float) -> str:
    """Three digits without the leading zero: ten columns fit on a terminal of 80."""
    return "–" if math.isnan(value) else f"{value:.3f}".replace("0.", ".", 1) if value < 1 else f"{value:.3f}"
