"""How learning went, as a picture."""

from __future__ import annotations

import io
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from modaloom.files import write_bytes
from modaloom.training.loop import Progress

INK, SOFT, LOSS, GOOD = "#2b2b33", "#8a8a94", "#b4552d", "#23668c"


def write_curves(progress: Progress, file: Path) -> None:
    """Writes a PNG of loss and validation by epoch, with the best epoch marked.

    Validation starts at epoch 0, the untrained model; without validation there is one panel only.
    """
    panels = 2 if progress.validation else 1
    figure = Figure(figsize=(4.6 * panels + 0.4, 3.6), dpi=144, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, panels, squeeze=False)[0]
    _draw(axes[0], range(1, len(progress.losses) + 1), progress.losses, LOSS, "Training loss")
    if progress.validation:
        _draw(axes[1], range(len(progress.validation)), progress.validation, GOOD, "Validation: recall + NDCG at 20")
        _mark_best(axes[1], progress)
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", facecolor="white")
    write_bytes(file, drawn.getvalue())


def _draw(axes: Axes, epochs: range, values: list[float], colour: str, title: str) -> None:
    axes.set_title(title, loc="left", fontsize=11, color=INK, pad=10)
    axes.set_xlabel("epoch", fontsize=9, color=SOFT)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.tick_params(colors=SOFT, labelsize=9, length=0)
    axes.grid(axis="y", color="#ececf0", linewidth=0.8)
    axes.set_axisbelow(True)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color("#d0d0d6")
    axes.margins(x=0.08, y=0.2)
    if not values:
        axes.text(0.5, 0.5, "no epoch yet", transform=axes.transAxes, ha="center", va="center", color=SOFT)
        axes.set_xticks([])
        axes.set_yticks([])
        return
    axes.plot(epochs, values, color=colour, linewidth=2, marker="o", markersize=4.5, markeredgecolor="white")
    if len(values) == 1:
        axes.set_xticks([epochs[0]])


def _mark_best(axes: Axes, progress: Progress) -> None:
    epoch, value = progress.best_epoch, progress.validation[progress.best_epoch]
    name = "untrained" if epoch == 0 else f"epoch {epoch}"
    axes.axvline(epoch, color=GOOD, linewidth=1, linestyle=(0, (3, 3)), alpha=0.45)
    axes.plot([epoch], [value], marker="o", markersize=10, color=GOOD, markeredgecolor="white", markeredgewidth=2)
    right = epoch > (len(progress.validation) - 1) / 2
    axes.annotate(
        f"best: {name}, {value:.4g}",
        (epoch, value),
        xytext=(-10 if right else 10, 10),
        textcoords="offset points",
        ha="right" if right else "left",
        fontsize=9,
        color=INK,
    )
