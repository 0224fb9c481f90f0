"""Recall and speed of the nearest vectors under filters, beside a naive filter after the search.

Vectors are unit vectors around made-up styles; a filter keeps a share of the items by chance, or the same share of the
styles that are least like the query ("far"), which is where filters after the search fail. "naive" asks the same
inverted file for five times as many and drops what is not allowed. Prints a table and writes results/vectors.json.

    python benchmarks/vectors.py [--sizes 20000 100000 1000000] [--dim 128] [--queries 100]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from modaloom.files import write_json
from modaloom.storage.vectors import PROBES, VectorIndex
from modaloom.types import BoolArray, FloatArray, IntArray

RESULTS = Path(__file__).parent / "results" / "vectors.json"
K, NAIVE_MORE = 20, 5
FILTERS = (("none", 1.0), ("chance", 0.5), ("chance", 0.1), ("chance", 0.01), ("far", 0.5), ("far", 0.1), ("far", 0.01))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[20_000, 150_000])
    parser.add_argument("--dim", type=int, default=128)
    parser.add_argument("--queries", type=int, default=100)
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    rows = [row for size in options.sizes for row in measured(size, options.dim, options.queries)]
    table = Table("vectors", "build, s", "filter", "recall@20", "naive", "ms a query", "naive", "exact")
    for row in rows:
        table.add_row(
            f"{row['vectors']:,}",
            f"{row['build_s']:.1f}",
            f"{row['filter']} {row['share']:.0%}",
            *(f"{row[name]:.3f}" for name in ("recall", "naive_recall")),
            *(f"{row[name]:.2f}" for name in ("ms", "naive_ms", "exact_ms")),
        )
    Console().print(table)
    write_json(options.out, {"dim": options.dim, "queries": options.queries, "rows": rows})


def measured(size: int, dim: int, n_queries: int) -> list[dict[str, Any]]:
    """One row for each filter."""
    rng = np.random.default_rng(0)
    centres = unit(rng.standard_normal((max(size // 250, 50), dim)))
    style = rng.integers(0, len(centres), size)
    vectors = unit(centres[style] + 0.08 * rng.standard_normal((size, dim)))
    queries = unit(centres[rng.integers(0, len(centres), n_queries)] + 0.08 * rng.standard_normal((n_queries, dim)))
    index, exact = VectorIndex(dim), VectorIndex(dim, exact_up_to=size)
    index.add(np.arange(size), vectors)
    exact.add(np.arange(size), vectors)
    start = time.perf_counter()
    index.rebuild()
    build_s = time.perf_counter() - start
    made = []
    for name, share in FILTERS:
        chance = np.flatnonzero(rng.random(size) < share)
        figures = []
        for query in queries:
            allowed = np.zeros(size, np.bool_)
            allowed[chance] = True
            if name == "far":
                far = np.argsort(centres @ query)[: max(int(share * len(centres)), 1)]
                allowed = np.isin(style, far)
            figures.append(compared(index, exact, query[None], allowed))
        means = dict(
            zip(("recall", "naive_recall", "ms", "naive_ms", "exact_ms"), np.mean(figures, axis=0), strict=True)
        )
        made.append({"vectors": size, "build_s": build_s, "filter": name, "share": share, **means})
    return made


def compared(index: VectorIndex, exact: VectorIndex, query: FloatArray, allowed: BoolArray) -> list[float]:
    """Recall of ours and of the naive way, and the milliseconds of both and of comparing everything."""
    times = []
    calls: tuple[Callable[[], tuple[IntArray, FloatArray]], ...] = (
        lambda: index.search(query, K, allowed),
        lambda: after_the_search(index, query, allowed),
        lambda: exact.search(query, K, allowed),
    )
    for call in calls:
        start = time.perf_counter()
        ids, scores = call()
        times.append(((time.perf_counter() - start) * 1e3, ids, scores))
    worst = times[2][2][0, -1]
    recalls = [float((scores[0] >= worst - 1e-6).sum()) / K for _, _, scores in times[:2]]
    return [min(recalls[0], 1.0), min(recalls[1], 1.0), *(ms for ms, _, _ in times)]


def after_the_search(index: VectorIndex, query: FloatArray, allowed: BoolArray) -> tuple[IntArray, FloatArray]:
    """What is left of the best of all when what is not allowed is dropped."""
    cells = index._state.index
    if cells is None:
        ids, scores = index.search(query, K * NAIVE_MORE)
    else:
        cells.nprobe = PROBES
        scores, ids = cells.search(query, K * NAIVE_MORE)
        scores = np.where(ids >= 0, (index._state.base[np.maximum(ids, 0)] @ query[0]), -np.inf)
    keep = (ids[0] >= 0) & allowed[np.maximum(ids[0], 0)]
    order = np.argsort(-scores[0][keep])[:K]
    return ids[:, keep][:, order], scores[:, keep][:, order]


def unit(vectors: np.ndarray) -> FloatArray:
    """Rows of length 1."""
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


if __name__ == "__main__":
    main()
