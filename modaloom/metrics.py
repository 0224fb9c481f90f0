"""How good a list or a prediction is. Vectorised NumPy, one value per shopper unless said otherwise.

Lists are (b, n) item numbers, best first, -1 where a list is shorter. Truth is one array of distinct
item numbers per shopper.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from modaloom.numerics import best_columns
from modaloom.types import BoolArray, FloatArray, IntArray

Values = npt.NDArray[np.float64]

EXACT_PAIRS, FLIPS = 12, 10_000
"""Up to so many pairs a randomisation test tries all signs; of more, so many draws of them."""


def top_n(scores: FloatArray, n: int, allowed: BoolArray | None = None) -> IntArray:
    """The best ``n`` items of each row of scores (b, items); equal scores by item number.

    ``allowed`` (items,) or (b, items) says what may be listed; lists that run out end in -1.
    """
    scores = scores if allowed is None else np.where(allowed, scores, -np.inf)
    columns = best_columns(scores, n)
    values = np.take_along_axis(scores, columns, axis=1)
    order = np.argsort(-values, axis=1, kind="stable")
    lists = np.where(np.isfinite(values), columns, -1)
    return np.take_along_axis(lists, order, axis=1)


def hits(lists: IntArray, truth: Sequence[IntArray]) -> BoolArray:
    """Which entries of the lists are in the truth, (b, n)."""
    size = int(max((items.max() for items in truth if len(items)), default=0)) + 1
    size = max(size, int(lists.max(initial=0)) + 1)
    rows = np.repeat(np.arange(len(truth)), [len(items) for items in truth])
    keys = rows * size + (np.concatenate(truth) if len(truth) else np.zeros(0, dtype=np.int64))
    asked = np.arange(len(lists))[:, None] * size + lists
    return np.isin(asked, keys) & (lists >= 0)


def ranking_metrics(lists: IntArray, truth: Sequence[IntArray]) -> dict[str, Values]:
    """Per shopper, with ``r`` relevant items, ``h`` of them in a list of length ``n``:

    precision h/n, recall h/r, f1 their harmonic mean, hit_rate h>0, ndcg (binary gain, the ideal list
    has min(n, r) hits), map (mean of the precisions at the hits, over min(n, r)), mrr (1 / rank of the first hit).
    Shoppers without any relevant item get NaN.

    Source: Jarvelin & Kekalainen, "Cumulated gain-based evaluation of IR techniques", 2002 (ndcg).
    """
    found = hits(lists, truth).astype(np.float64)
    n = lists.shape[1]
    relevant = np.array([len(items) for items in truth], dtype=np.float64)
    relevant[relevant == 0] = np.nan
    number = found.sum(axis=1)
    precision, recall = number / n, number / relevant
    with np.errstate(invalid="ignore"):
        f1 = np.where(number > 0, 2 * precision * recall / np.maximum(precision + recall, 1e-12), 0.0)
    discounts = 1.0 / np.log2(np.arange(2, n + 2))
    ideal = np.concatenate([[0.0], np.cumsum(discounts)])
    best = np.minimum(n, np.nan_to_num(relevant, nan=1.0)).astype(np.int64)
    ranks = np.arange(1, n + 1)
    precisions = np.cumsum(found, axis=1) / ranks
    first = np.where(number > 0, 1.0 / (found.argmax(axis=1) + 1), 0.0)
    values = {
        "precision": precision,
        "recall": recall,
        "f1": f1,
        "hit_rate": (number > 0).astype(np.float64),
        "ndcg": (found * discounts).sum(axis=1) / ideal[best],
        "map": (precisions * found).sum(axis=1) / best,
        "mrr": first,
    }
    absent = np.isnan(relevant)
    return {name: np.where(absent, np.nan, value) for name, value in values.items()}


def coverage(lists: IntArray, catalogue: BoolArray) -> float:
    """Share of the catalogue that appears in at least one list."""
    shown = np.unique(lists[lists >= 0])
    return float(len(shown) / max(int(catalogue.sum()), 1))


def novelty(lists: IntArray, counts: Values) -> Values:
    """Mean surprise of the listed items in bits: -log2 of the share of past events that each had (plus one).

    Source: Zhou et al., "Solving the apparent diversity-accuracy dilemma", 2010.
    """
    surprise = -np.log2((counts + 1.0) / (counts.sum() + len(counts)))
    shown = lists >= 0
    total = np.where(shown, surprise[np.maximum(lists, 0)], 0.0).sum(axis=1)
    result: Values = total / np.maximum(shown.sum(axis=1), 1)
    return result


def intra_list_diversity(lists: IntArray, vectors: FloatArray) -> Values:
    """One minus the mean cosine of all pairs in a list; ``vectors`` (items, d) have length one or zero."""
    values = np.zeros(len(lists))
    for row, items in enumerate(lists):
        there = items[items >= 0]
        number = len(there)
        if number > 1:
            total = vectors[there].sum(axis=0)
            own = float((vectors[there] ** 2).sum())
            values[row] = 1.0 - (float(total @ total) - own) / (number * (number - 1))
    return values


def bootstrap_interval(
    values: Values, *, level: float = 0.95, rounds: int = 1000, seed: int = 0
) -> tuple[float, float]:
    """Interval of the mean over shoppers by the percentile bootstrap; NaN values are left out.

    Source: Efron & Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13.
    """
    there = values[~np.isnan(values)]
    if not len(there):
        return float("nan"), float("nan")
    rng = np.random.default_rng(seed)
    means = np.empty(rounds)
    for start in range(0, rounds, 100):
        picks = rng.integers(0, len(there), (min(100, rounds - start), len(there)))
        means[start : start + len(picks)] = there[picks].mean(axis=1)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def randomisation_p(difference: FloatArray, *, seed: int = 0) -> float:
    """One-sided p-value of the mean of paired differences (b,): how often flipped signs give as much.

    Needs no distribution, so that it holds for a handful of shoppers.

    Source: Smucker, Allan & Carterette, "A comparison of statistical significance tests for information retrieval
    evaluation", 2007 (Fisher's randomisation test).
    """
    values = difference[difference != 0].astype(np.float64)
    if not len(values):
        return 1.0
    if len(values) <= EXACT_PAIRS:
        bits = np.arange(2 ** len(values))[:, None] >> np.arange(len(values)) & 1
        sums = (1 - 2 * bits) @ values
        return float((sums >= values.sum() - 1e-12).mean())
    rng = np.random.default_rng(seed)
    sums = np.concatenate([rng.choice([-1.0, 1.0], (FLIPS // 10, len(values))) @ values for _ in range(10)])
    return float(((sums >= values.sum() - 1e-12).sum() + 1) / (len(sums) + 1))
