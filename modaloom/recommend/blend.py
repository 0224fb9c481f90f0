"""Several parts into one score: normalised per shopper, weighted by what pays on validation.

Weights are found by coordinate search over a short grid, on candidates only: the best of every part and
what was really taken. A part that doesn't pay is dropped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from modaloom.metrics import top_n
from modaloom.numerics import squashed_zscore
from modaloom.types import BoolArray, FloatArray, IntArray

GRID = (0.0, 0.1, 0.2, 0.3, 0.45, 0.65, 1.0, 1.4, 2.0)
CANDIDATES_PER_PART = 150
CAUTION = 1.5
"""How many standard errors a gain on validation must reach before a weight moves."""
LEAST_SHOPPERS = 20
"""With fewer shoppers on validation the weights stay where they began."""
DROP_GAIN = 1.002
"""A part goes when leaving it out is better by this much."""
Values = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Exam:
    """One validation question, reduced to the candidates that can matter."""

    names: tuple[str, ...]
    values: FloatArray  # (b, c, p) normalised scores of each part
    relevant: BoolArray  # (b, c) what was really taken
    possible: BoolArray  # (b, c) False where padded
    counts: IntArray  # (b,) number of relevant items


def prepare_exam(scores: Mapping[str, FloatArray], allowed: BoolArray, truth: Sequence[IntArray]) -> Exam:
    """Normalises the parts' raw scores (b, n) and keeps their best allowed items, and the truth.

    ``allowed`` is (n,) or (b, n).
    """
    names = tuple(scores)
    normal = [squashed_zscore(scores[name]) for name in names]
    allowed = np.broadcast_to(allowed, normal[0].shape)
    best = [top_n(part, CANDIDATES_PER_PART, allowed) for part in normal]
    rows = []
    for row, items in enumerate(truth):
        picks = np.unique(np.concatenate([*(lists[row] for lists in best), items]))
        rows.append(picks[picks >= 0])
    width = max((len(picks) for picks in rows), default=1)
    values = np.zeros((len(rows), width, len(names)), dtype=np.float32)
    relevant = np.zeros((len(rows), width), dtype=bool)
    possible = np.zeros((len(rows), width), dtype=bool)
    for row, picks in enumerate(rows):
        size = len(picks)
        values[row, :size] = np.stack([part[row, picks] for part in normal], axis=1)
        relevant[row, :size] = np.isin(picks, truth[row])
        possible[row, :size] = allowed[row, picks]
    counts = np.array([len(items) for items in truth], dtype=np.int64)
    return Exam(names, values, relevant, possible, counts)


def exam_values(exam: Exam, weights: npt.NDArray[np.float32], n: int) -> tuple[Values, Values]:
    """Recall and NDCG at ``n`` of each shopper, (b,) each."""
    total = np.where(exam.possible, exam.values @ weights, -np.inf)
    n = min(n, total.shape[1])
    threshold = np.partition(total, -n, axis=1)[:, -n, None]
    rows, columns = np.nonzero(exam.relevant & (total >= threshold) & exam.possible)
    ranks = (total[rows] > total[rows, columns][:, None]).sum(axis=1)
    keep = ranks < n
    discounts = 1.0 / np.log2(np.arange(2, n + 2))
    gains = np.bincount(rows[keep], discounts[ranks[keep]], len(total))
    found = np.bincount(rows[keep], minlength=len(total))
    ideal = np.cumsum(discounts)[np.minimum(exam.counts, n) - 1]
    return found / exam.counts, gains / ideal


def validation_figures(exams: Sequence[Exam], weights: Mapping[str, float], n: int) -> dict[str, float]:
    """What the blend reaches on the exams it was chosen on: mean recall and NDCG over shoppers, and their number."""
    pairs = [
        exam_values(exam, np.array([weights.get(name, 0.0) for name in exam.names], np.float32), n) for exam in exams
    ]
    recall, ndcg = (np.concatenate(values) for values in zip(*pairs, strict=True))
    return {f"recall@{n}": float(recall.mean()), f"ndcg@{n}": float(ndcg.mean()), "shoppers": len(recall)}


def choose_weights(
    exams: Sequence[Exam], start: Mapping[str, float], *, n: int = 20, rounds: int = 3
) -> dict[str, float]:
    """Weights by part, the largest of them one; parts that don't pay are left out.

    ``start`` is where the search begins. A weight moves only if shoppers gain more than chance would give:
    with few shoppers the search stays where it began, with many it goes where they lead.
    """
    names = exams[0].names
    weights = np.array([start.get(name, 0.0) for name in names], dtype=np.float32)

    def values(candidate: npt.NDArray[np.float32]) -> Values:
        return np.concatenate([np.add(*exam_values(exam, candidate, n)) for exam in exams])

    best = values(weights)
    if len(best) < LEAST_SHOPPERS or not weights.any():
        kept = weights if weights.any() else np.ones(len(names), dtype=np.float32)
        return _named(names, kept)
    for _ in range(rounds):
        moved = False
        for place in range(len(names)):
            trials = [_with(weights, place, step) for step in GRID if step != weights[place]]
            reached = [values(trial) for trial in trials if trial.any()]
            top = int(np.argmax([value.mean() for value in reached])) if reached else -1
            if top >= 0 and _pays(reached[top] - best):
                best, weights, moved = reached[top], [trial for trial in trials if trial.any()][top], True
        if not moved:
            break
    for place in np.argsort(weights):
        trial = _with(weights, int(place), 0.0)
        if not weights[place] or not trial.any():
            continue
        reached_without = values(trial)
        if best.mean() > 0 and reached_without.mean() >= best.mean() * DROP_GAIN:
            best, weights = reached_without, trial
    return _named(names, weights)


def _named(names: Sequence[str], weights: npt.NDArray[np.float32]) -> dict[str, float]:
    shares = weights / weights.max()
    return {name: float(weight) for name, weight in zip(names, shares, strict=True) if weight > 0}


def _with(weights: npt.NDArray[np.float32], place: int, value: float) -> npt.NDArray[np.float32]:
    changed = weights.copy()
    changed[place] = value
    return changed


def _pays(gain: Values) -> bool:
    """Whether the mean gain over shoppers is more than :data:`CAUTION` of its standard errors."""
    return bool(gain.mean() > CAUTION * gain.std() / np.sqrt(len(gain)) + 1e-9)
