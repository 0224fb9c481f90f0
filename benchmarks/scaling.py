"""How each step grows with the catalogue: seconds and memory from 10,000 to a million made-up items.

    python benchmarks/scaling.py [--sizes 10000 100000 1000000] [--steps linear demand ...] [--resume]

*linear*: fit of the closed-form part, 8 purchases an item (``linear.py``'s shop). *lent*: the same as the learner has
it, with words that say what is alike, whose weights few-sold items are lent. *neighbours*: those of 10,000 past
items among all, the inverted file built for it included. *vectors*: the index of ``storage/vectors.py`` built over 128
numbers an item. *demand*: the regression on four earlier windows with one modality of content. *epoch*: one epoch of
the learned fusion with everything around it (behaviour vectors, cross-fitted; the table of items). *lists*: 1,000 lists
of 20 from a blend of three parts, their neighbours known.

Every step runs in a process of its own, on one thread, so that its peak memory is its own. The slope is that of
processor seconds between the smallest and the largest size in the log-log plane: 1 means twice the items, twice the
time. Writes results/scaling.json and docs/images/scaling.png.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import platform
import resource
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from drawing import COLOURS, INK, LINE, PAPER
from linear import synthetic

from modaloom.files import write_json
from modaloom.models.sparse_linear import SparseLinear
from modaloom.numerics import unit_rows
from modaloom.ranking.demand import Demand
from modaloom.ranking.linear import Linear
from modaloom.storage.vectors import VectorIndex
from modaloom.types import DAY_S, FloatArray, Snapshot, Tokens

HERE = Path(__file__).parent
PICTURE = HERE.parent / "docs" / "images" / "scaling.png"
SIZES = (10_000, 30_000, 100_000, 300_000, 1_000_000)
DAYS = 400
ASKED, SHOPPERS, DIM, DRAWN_AT_ONCE = 10_000, 1_000, 128, 50_000
Row = dict[str, Any]
Step = Callable[[int], Callable[[], object]]
"""Prepares a step for so many items; what it gives is measured."""


def styled(n_items: int, dim: int) -> FloatArray:
    """Unit vectors (n, dim) around a style for every 200 items."""
    rng = np.random.default_rng(0)
    style = rng.integers(0, max(n_items // 200, 1), n_items)
    centres = rng.standard_normal((style.max() + 1, dim), dtype=np.float32)
    made = np.empty((n_items, dim), dtype=np.float32)
    for start in range(0, n_items, DRAWN_AT_ONCE):  # the peak is to be the step's, not that of drawing its input
        own = slice(start, start + DRAWN_AT_ONCE)
        noise = rng.standard_normal((len(style[own]), dim), dtype=np.float32)
        made[own] = unit_rows(centres[style[own]] + np.float32(0.5) * noise)
    return made


def dated(n_items: int) -> Snapshot:
    """The log of ``linear.py``, spread over 400 days, with words for every item."""
    made, rng = synthetic(n_items), np.random.default_rng(1)
    times = np.sort(rng.integers(1, DAYS * DAY_S, made.interactions.height))
    log = made.interactions.with_columns(timestamp=pl.Series(rng.permutation(times)).cast(pl.Int64)).sort("timestamp")
    nothing = {name: pl.lit(None, pl.String) for name in ("group_id",)}
    items = made.items.with_columns(
        **nothing, released_at=pl.lit(None, pl.Int64), release_rank=pl.Series(rng.permutation(n_items))
    )
    tokens = {"text": Tokens("text", "made-up", styled(n_items, 64), np.ones(n_items, dtype=bool))}
    return replace(made, items=items, interactions=log, tokens=tokens, now=DAYS * DAY_S)


def linear(n_items: int) -> Callable[[], object]:
    snapshot = synthetic(n_items)
    return lambda: SparseLinear().fit(snapshot)


def lent(n_items: int) -> Callable[[], object]:
    snapshot = dated(n_items)
    return lambda: Linear().fit(snapshot)


def neighbours(n_items: int) -> Callable[[], object]:
    from answering import made_up  # brings torch, which would be in the memory of every other step

    ranker, _ = made_up(n_items, 1, linear=1)
    index, items = ranker.neighbour_indices()["fusion"], np.random.default_rng(2).permutation(n_items)[:ASKED]
    return lambda: index.prepare(items)


def vectors(n_items: int) -> Callable[[], object]:
    rows = styled(n_items, DIM)

    def build() -> None:
        index = VectorIndex(DIM, exact_up_to=0)  # small ones are not indexed otherwise
        index.add(np.arange(n_items), rows)
        if index.stale():
            index.rebuild()

    return build


def demand(n_items: int) -> Callable[[], object]:
    snapshot = dated(n_items)
    return lambda: Demand().fit(snapshot)


def epoch(n_items: int) -> Callable[[], object]:
    import torch._dynamo  # noqa: F401 - three seconds, which the first optimizer of a process takes otherwise

    from modaloom.training.fitting import FusionConfig, fit_fusion
    from modaloom.training.loop import LoopConfig

    snapshot = dated(n_items)
    config = FusionConfig(modalities=("text", "behaviour"), loop=LoopConfig(epochs=1))
    return lambda: fit_fusion(snapshot, config).table(snapshot)


def lists(n_items: int) -> Callable[[], object]:
    from answering import hidden_items, made_up

    ranker, histories = made_up(n_items, SHOPPERS)
    hidden = hidden_items(histories, n_items)
    ranker.recommend(histories, 20, hidden=hidden, threads=1)  # finds neighbours, and loads the compiled loops
    return lambda: ranker.recommend(histories, 20, hidden=hidden, threads=1)


STEPS: dict[str, Step] = {
    "linear": linear,
    "lent": lent,
    "neighbours": neighbours,
    "vectors": vectors,
    "demand": demand,
    "epoch": epoch,
    "lists": lists,
}


def measured(step: str, n_items: int, answer: Any) -> None:
    """Seconds of a step, and the largest memory of this process."""
    run = STEPS[step](n_items)
    before_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    started, cpu = time.perf_counter(), time.process_time()
    run()
    wall_s, cpu_s = time.perf_counter() - started, time.process_time() - cpu
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    answer.send({"cpu_s": cpu_s, "wall_s": wall_s, "peak_mb": peak_mb, "before_mb": before_mb})


def alone(step: str, n_items: int) -> Row:
    """The same in a process of its own."""
    context = multiprocessing.get_context("spawn")
    near, far = context.Pipe(duplex=False)
    process = context.Process(target=measured, args=(step, n_items, far))
    process.start()
    far.close()
    try:
        row: Row = near.recv()
    except EOFError:
        row = {"error": "the process ended before it was done"}
    process.join()
    return {"items": n_items, **row}


def slope(rows: list[Row]) -> float | None:
    """Of processor seconds, between the smallest and the largest size."""
    done = sorted((row["items"], row["cpu_s"]) for row in rows if "error" not in row)
    if len(done) < 2:
        return None
    (small, quick), (large, slow) = done[0], done[-1]
    return float(np.log(slow / quick) / np.log(large / small))


def draw(models: Mapping[str, Row], file: Path) -> None:
    """Seconds and memory by number of items, both in the log-log plane."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4.6), facecolor=PAPER, layout="constrained")
    for number, (what, label) in enumerate((("cpu_s", "processor seconds"), ("peak_mb", "peak MB")), start=1):
        axes = figure.add_subplot(1, 2, number, facecolor=PAPER)
        for colour, (name, step) in zip(COLOURS, models.items(), strict=False):
            rows = [row for row in step["rows"] if "error" not in row]
            shown = f"{name}, slope {step['slope']:.2f}" if what == "cpu_s" and step["slope"] is not None else name
            axes.plot([r["items"] for r in rows], [r[what] for r in rows], color=colour, marker="o", label=shown)
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xlabel("items", color=INK)
        axes.set_ylabel(label, color=INK)
        axes.grid(color=LINE)
        axes.legend(frameon=False, fontsize=8)
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--steps", nargs="+", default=list(STEPS), choices=list(STEPS))
    parser.add_argument("--resume", action="store_true", help="keep what the file has")
    parser.add_argument("--out", type=Path, default=HERE / "results" / "scaling.json")
    parser.add_argument("--picture", type=Path, default=PICTURE)
    asked = parser.parse_args()
    study: Row = {"run": {"machine": f"{platform.machine()}, one thread, Python {platform.python_version()}"}}
    study["models"] = json.loads(asked.out.read_text(encoding="utf-8"))["models"] if asked.resume else {}
    for size in asked.sizes:
        for step in asked.steps:
            own = study["models"].setdefault(step, {"rows": [], "slope": None})
            if any(row["items"] == size and "error" not in row for row in own["rows"]):
                continue
            kept = [row for row in own["rows"] if row["items"] != size]
            own["rows"] = sorted([*kept, alone(step, size)], key=lambda row: row["items"])
            own["slope"] = slope(own["rows"])
            print(step, next(row for row in own["rows"] if row["items"] == size), flush=True)
            write_json(asked.out, study)
    draw(study["models"], asked.picture)


if __name__ == "__main__":
    main()
