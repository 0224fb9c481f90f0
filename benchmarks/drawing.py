"""Curves with intervals as one picture, for the studies in this folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

COLOURS = ("#b3473c", "#3f6fb5", "#4b7f52", "#c6912f", "#6b4a91", "#26262b", "#8c6d5a", "#6f8f9c", "#b58fb0", "#a0a04a")
PAPER, INK, LINE = "#faf7f2", "#26262b", "#e7e1d8"


@dataclass(frozen=True)
class Line:
    """Values at each place of the axis, each with the ends of its interval."""

    values: Sequence[float]
    low: Sequence[float]
    high: Sequence[float]
    dashed: bool = False


@dataclass(frozen=True)
class Panel:
    """One chart: what is on its axes, and its lines by name."""

    title: str
    x: str
    y: str
    places: Sequence[str]
    lines: Mapping[str, Line]


def draw_curves(panels: Sequence[Panel], file: Path) -> None:
    """Writes the panels side by side; whiskers are the intervals, moved apart a little so that each can be seen."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.2 * len(panels) + 0.6, 4.6), facecolor=PAPER, layout="constrained")
    for number, panel in enumerate(panels, start=1):
        axes = figure.add_subplot(1, len(panels), number, facecolor=PAPER)
        for place, (name, line) in enumerate(panel.lines.items()):
            shift = (place - (len(panel.lines) - 1) / 2) * 0.035
            away = [
                [value - low for value, low in zip(line.values, line.low, strict=True)],
                [high - value for value, high in zip(line.values, line.high, strict=True)],
            ]
            axes.errorbar(
                [at + shift for at in range(len(line.values))],
                list(line.values),
                yerr=away,
                label=name,
                color=COLOURS[place % len(COLOURS)],
                linewidth=2.2 if place == 0 else 1.5,
                linestyle="--" if line.dashed else "-",
                marker="o",
                markersize=4,
                elinewidth=0.9,
                capsize=2,
            )
        axes.set_title(panel.title, color=INK, fontsize=11)
        axes.set_xlabel(panel.x, color=INK)
        axes.set_ylabel(panel.y, color=INK)
        axes.set_xticks(range(len(panel.places)), list(panel.places))
        axes.grid(axis="y", color=LINE)
        axes.legend(frameon=False, fontsize=8)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, dpi=110)
