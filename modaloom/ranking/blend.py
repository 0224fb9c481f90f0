"""Several parts into one score: normalised per shopper, weighted by what pays on validation.

Weights are fitted on validation as a conditional logit drawn to a prior, on candidates only: the best of every
part and what was really taken. A part that doesn't pay is dropped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.special import softmax

from modaloom.metrics import top_n
from modaloom.numerics import nth_largest
from modaloom.types import BoolArray, FloatArray, IntArray

CANDIDATES_PER_PART = 300
CHOICES = 300
"""How many of a blend's first items its weights are fitted on."""
PRIOR_STRENGTH = 24.0
"""About how many users the prior is worth."""
NEGLIGIBLE = 0.02
"""A part with less than this share of the largest weight doesn't pay for its work, and goes."""
MIN_USERS = 20
"""With fewer users on validation the weights stay where they began."""
Values = npt.NDArray[np.float64]


@dataclass(frozen=True)
class ValidationBatch:
    """One validation question, reduced to the candidates that can matter."""

    names: tuple[str, ...]
    values: FloatArray  # (b, c, p) normalised scores of each part
    relevant: BoolArray  # (b, c) what was really taken
    possible: BoolArray  # (b, c) False where padded
    counts: IntArray  # (b,) number of relevant items

    def only(self, names: Sequence[str]) -> ValidationBatch:
        """The same with some of the parts."""
        places = [self.names.index(name) for name in names]
        return replace(self, names=tuple(names), values=self.values[..., places])


def validation_batch(
    scores: Mapping[str, FloatArray],
    allowed: BoolArray,
    truth: Sequence[IntArray],
    start: Mapping[str, float] | None = None,
) -> ValidationBatch:
    """Keeps the best allowed items of each part, and the truth, of the parts' normalised scores (b, n).

    ``allowed`` is (n,) or (b, n). The best of the blend with weights ``start`` are kept too.
    """
    names = tuple(scores)
    normal = [scores[name] for name in names]
    allowed = np.broadcast_to(allowed, normal[0].shape)
    blend = sum(part * np.float32((start or {}).get(name, 0.0)) for name, part in zip(names, normal, strict=True))
    best = [top_n(part, CANDIDATES_PER_PART, allowed) for part in [*normal, np.asarray(blend)]]
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
    return ValidationBatch(names, values, relevant, possible, counts)


def user_metrics(batch: ValidationBatch, weights: npt.NDArray[np.float32], n: int) -> tuple[Values, Values]:
    """Recall and NDCG at ``n`` of each shopper, (b,) each."""
    total = np.where(batch.possible, batch.values @ weights, -np.inf)
    n = min(n, total.shape[1])
    threshold = nth_largest(total, n)[:, None]
    rows, columns = np.nonzero(batch.relevant & (total >= threshold) & batch.possible)
    own = total[rows, columns][:, None]
    ahead = (total[rows] > own) | ((total[rows] == own) & ~batch.relevant[rows])  # a tie is no find
    ranks = ahead.sum(axis=1)
    keep = ranks < n
    discounts = 1.0 / np.log2(np.arange(2, n + 2))
    gains = np.bincount(rows[keep], discounts[ranks[keep]], len(total))
    found = np.bincount(rows[keep], minlength=len(total))
    ideal = np.cumsum(discounts)[np.minimum(batch.counts, n) - 1]
    return found / batch.counts, gains / ideal


def blend_metrics(batches: Sequence[ValidationBatch], weights: Mapping[str, float], n: int) -> tuple[Values, Values]:
    """Recall and NDCG at ``n`` of the blend, for each shopper of all batches, (b,) each."""
    pairs = [
        user_metrics(batch, np.array([weights.get(name, 0.0) for name in batch.names], np.float32), n)
        for batch in batches
    ]
    recall, ndcg = (np.concatenate(values) for values in zip(*pairs, strict=True))
    return recall, ndcg


def validation_figures(batches: Sequence[ValidationBatch], weights: Mapping[str, float], n: int) -> dict[str, float]:
    """What the blend reaches on the batches it was chosen on: mean recall and NDCG over users, and their number."""
    recall, ndcg = blend_metrics(batches, weights, n)
    return {f"recall@{n}": float(recall.mean()), f"ndcg@{n}": float(ndcg.mean()), "shoppers": len(recall)}


def choose_weights(batches: Sequence[ValidationBatch], start: Mapping[str, float]) -> dict[str, float]:
    """Weights by part, the largest of them one; parts that don't pay are left out.

    A conditional logit: among the items that the blend itself puts first, weights make what was really taken
    as likely as they can. Only those items are looked at, because whatever a single part puts first is there on
    account of that part, and would speak against it. ``start`` is both the blend to begin with and the prior
    that the weights are drawn to: with few users they stay near it, with many they go where users lead.

    Source: McFadden, "Conditional logit analysis of qualitative choice behavior", 1974.
    """
    names = batches[0].names
    prior = np.array([start.get(name, 0.0) for name in names], dtype=np.float64)
    users = sum(len(batch.counts) for batch in batches)
    if not prior.any():
        prior = np.ones(len(names))
    if users < MIN_USERS:
        return _named(names, prior)
    choices = [_choices(batch, prior) for batch in batches]
    if not any(choice.taken.any() for choice in choices):
        return _named(names, prior)
    weights = _most_likely(choices, prior, PRIOR_STRENGTH / users)
    return _named(names, np.where(weights < NEGLIGIBLE * weights.max(), 0.0, weights))


def cold_start_weights(
    batches: Sequence[ValidationBatch], start: Mapping[str, float], weights: Mapping[str, float]
) -> dict[str, float]:
    """What some parts of a blend weigh where the others say nothing, together as much as they have in the blend.

    Args:
        batches: what the blend was chosen on.
        start: as of :func:`choose_weights`, for those parts only.
        weights: the blend.

    Returns:
        Weights by part; none where fewer than two of them are in the blend, since then nothing is to be chosen.
    """
    names = [name for name in start if weights.get(name)]
    if len(names) < 2:
        return {}
    chosen = choose_weights([batch.only(names) for batch in batches], start)
    size = sum(weights[name] for name in names) / sum(chosen.values())
    return {name: weight * size for name, weight in chosen.items()}


class Choices(NamedTuple):
    """What users chose among the first items of a blend."""

    values: FloatArray  # (b, k, p) normalised scores of each part
    taken: BoolArray  # (b, k)
    possible: BoolArray  # (b, k)


def _choices(batch: ValidationBatch, weights: Values) -> Choices:
    """The first :data:`CHOICES` items of each shopper."""
    total = np.where(batch.possible, batch.values @ weights.astype(np.float32), -np.inf)
    first = np.argsort(-total, axis=1, kind="stable")[:, :CHOICES]
    values = np.take_along_axis(batch.values, first[..., None], axis=1)
    return Choices(values, *(np.take_along_axis(part, first, axis=1) for part in (batch.relevant, batch.possible)))


def _most_likely(choices: Sequence[Choices], prior: Values, strength: float) -> Values:
    """Weights that are not negative; how sharp the choices are is a parameter of its own, which is thrown away."""

    def loss(parameters: Values) -> tuple[float, Values]:
        sharpness, weights = np.exp(parameters[0]), parameters[1:]
        total, gradient, users = 0.0, np.zeros(len(prior)), 0
        for values, taken, possible in choices:
            score = np.where(possible, values @ (sharpness * weights).astype(np.float32), -np.inf).astype(np.float64)
            counts = (taken & possible).sum(axis=1)
            share = softmax(score, axis=1)
            weight = np.where(counts > 0, 1 / np.sqrt(np.maximum(counts, 1)), 0.0)  # not n times as much
            logs = np.where(taken & possible, np.log(np.maximum(share, 1e-300)), 0.0)
            total -= float((weight * logs.sum(axis=1)).sum())
            away = weight[:, None] * (counts[:, None] * share - (taken & possible))
            gradient += np.einsum("bk,bkp->p", away, values)
            users += len(counts)
        gradient /= users
        change = weights - prior
        by_weight = sharpness * gradient + 2 * strength * change
        by_sharpness = sharpness * float(gradient @ weights)
        return total / users + strength * float(change @ change), np.concatenate([[by_sharpness], by_weight])

    bounds = [(-3.0, 4.0)] + [(0.0, None)] * len(prior)
    found = minimize(loss, np.concatenate([[0.5], prior]), jac=True, method="L-BFGS-B", bounds=bounds)
    made: Values = found.x[1:]
    return made if made.any() else prior


def _named(names: Sequence[str], weights: Values) -> dict[str, float]:
    shares = weights / weights.max()
    return {name: float(weight) for name, weight in zip(names, shares, strict=True) if weight > 0}
