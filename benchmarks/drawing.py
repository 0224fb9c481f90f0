"""Curves with bands, and figures with intervals, as one picture, for the studies in this folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

COLOURS = ("#b3473c", "#3f6fb5", "#4b7f52", "#c6912f", "#6b4a91", "#26262b", "#8c6d5a", "#6f8f9c", "#b58fb0", "#a0a04a")
"""The first is ours, where we are in the picture."""
OURS = "modaloom"
PAPER, INK, LINE = "#faf7f2", "#26262b", "#e7e1d8"
WIDTH_IN, HEIGHT_IN, DPI = 7.0, 2.9, 200
"""A README is some 700 px wide: type of 8 points is readable there, and the double number of pixels looks sharp."""
SMALL, PLAIN = 7.5, 8.5
MOST_BANDS = 5
"""With more lines than this only the first has its band: so many on top of each other are one grey."""
COLUMNS = 6
"""Of the legend."""


@dataclass(frozen=True)
class Line:
    """Values at each place of the axis, each with the ends of its interval."""

    values: Sequence[float]
    low: Sequence[float]
    high: Sequence[float]
    dashed: bool = False


@dataclass(frozen=True)
class Panel:
    """One chart: what is on its axes, and its lines by name; ``rows`` draws figures one below the other instead."""

    title: str
    x: str
    y: str
    places: Sequence[str]
    lines: Mapping[str, Line]
    rows: bool = False
    at: Sequence[float] | None = None
    """Where the places lie on the axis, if not at equal distances."""


def draw_curves(panels: Sequence[Panel], file: Path) -> None:
    """Writes the panels side by side; a name has one colour in all of them, and one entry in the legend below."""
    from matplotlib.figure import Figure

    names = sorted(dict.fromkeys(name for panel in panels for name in panel.lines), key=lambda name: name != OURS)
    colours = {name: COLOURS[place % len(COLOURS)] for place, name in enumerate(names)}
    figure = Figure(
        figsize=(WIDTH_IN, HEIGHT_IN + 0.18 * ((len(names) - 1) // COLUMNS)), facecolor=PAPER, layout="constrained"
    )
    handles: dict[str, Artist] = {}
    for number, panel in enumerate(panels, start=1):
        axes = figure.add_subplot(1, len(panels), number, facecolor=PAPER)
        _draw_panel(axes, panel, colours)
        drawn, labels = axes.get_legend_handles_labels()
        handles |= dict(zip(map(str, labels), drawn, strict=True))
    figure.legend(
        handles=[handles[name] for name in names],
        loc="outside lower center",
        ncols=min(len(names), COLUMNS),
        frameon=False,
        columnspacing=1.4,
        fontsize=SMALL,
        labelcolor=INK,
    )
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, dpi=DPI)


def _draw_panel(axes: Axes, panel: Panel, colours: Mapping[str, str]) -> None:
    for place, (name, line) in enumerate(panel.lines.items()):
        ours, colour = name == next(iter(colours)), colours[name]
        if panel.rows:
            _draw_rows(axes, name, line, colour, (place - (len(panel.lines) - 1) / 2) * 0.22)
            continue
        at = panel.at or range(len(line.values))
        axes.plot(
            at,
            list(line.values),
            label=name,
            color=colour,
            linestyle="--" if line.dashed else "-",
            linewidth=2.0 if ours else 1.2,
            marker="o",
            markersize=3,
            zorder=4 if ours else 3,
        )
        if ours or len(panel.lines) <= MOST_BANDS:
            alpha = 0.16 if ours else 0.09
            axes.fill_between(at, list(line.low), list(line.high), color=colour, alpha=alpha, linewidth=0)
    axes.set_title(panel.title, color=INK, fontsize=PLAIN)
    axes.set_xlabel(panel.x, color=INK, fontsize=SMALL)
    axes.set_ylabel(panel.y, color=INK, fontsize=SMALL)
    ticks = axes.set_yticks if panel.rows else axes.set_xticks
    ticks(panel.at or range(len(panel.places)), list(panel.places))
    if panel.rows:
        axes.invert_yaxis()
        axes.set_xlim(left=0)
    elif min(min(line.low) for line in panel.lines.values()) >= 0:  # a cut axis makes much of little
        axes.set_ylim(bottom=0)
    axes.grid(axis="x" if panel.rows else "y", color=LINE)
    axes.tick_params(labelsize=SMALL, colors=INK, length=2)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("bottom", "left"):
        axes.spines[side].set_color(INK)


def _draw_rows(axes: Axes, name: str, line: Line, colour: str, shift: float) -> None:
    """A dot a row, with its interval."""
    away = [
        [value - low for value, low in zip(line.values, line.low, strict=True)],
        [high - value for value, high in zip(line.values, line.high, strict=True)],
    ]
    rows = [row + shift for row in range(len(line.values))]
    axes.errorbar(list(line.values), rows, xerr=away, label=name, color=colour, fmt="o", markersize=3.5, elinewidth=1.2)
