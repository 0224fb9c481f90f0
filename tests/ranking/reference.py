"""What parts and blends are to give, in a few lines of NumPy each, over a small world; for the tests of this room."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import polars as pl
from hypothesis import strategies as st

from modaloom.models.behaviour import event_weights, history_matrix
from modaloom.models.towers import ABSENT, ItemTable, Queries, UserTower, pad_histories
from modaloom.numerics import arcsinh_zscore, unit_rows
from modaloom.ranking.content import ContentKernel
from modaloom.ranking.contract import Part
from modaloom.ranking.demand import Demand, GlobalPart, Newness
from modaloom.ranking.fusion import FUSION, FusionPart
from modaloom.ranking.linear import Linear, Repurchase, Variants
from modaloom.ranking.ranker import Ranker
from modaloom.testing import taste_world
from modaloom.types import DAY_S, BoolArray, FloatArray, Histories, IntArray

WORLD, TRUTH = taste_world("image")
GROUPS = pl.Series("group_id", [f"model-{num // 3}" for num in range(WORLD.n_items)], dtype=pl.String)
HAS_TEXT = np.arange(WORLD.n_items) % 5 > 0
TEXT = replace(WORLD.tokens["text"], mask=HAS_TEXT, vectors=WORLD.tokens["text"].vectors * HAS_TEXT[:, None])
SHOP = replace(WORLD, items=WORLD.items.with_columns(GROUPS), tokens={**WORLD.tokens, "text": TEXT})
N, DIM = WORLD.n_items, 4
TABLE = ItemTable(
    ("image", "text"),
    unit_rows(np.random.default_rng(0).standard_normal((N, 3 * DIM)).astype(np.float32)),
    np.full((N, 2), 0.5, dtype=np.float32),
)


def kernel_tower(keys: FloatArray, mask: BoolArray, event: IntArray, age_days: FloatArray) -> Queries:
    """Every past item is a query of its own, the newer ones louder."""
    weights = np.where(mask, -0.01 * age_days - 0.1 * np.arange(mask.shape[1])[::-1], ABSENT).astype(np.float32)
    return Queries(keys * np.float32(3), weights, np.ones((len(keys), 3), dtype=np.float32))


def mean_tower(keys: FloatArray, mask: BoolArray, event: IntArray, age_days: FloatArray) -> Queries:
    """The history summed up in one query."""
    mean = (keys * mask[..., None]).sum(axis=1, keepdims=True) / np.maximum(mask.sum(axis=1), 1)[:, None, None]
    logs = np.where(mask.any(axis=1, keepdims=True), 0.0, ABSENT).astype(np.float32)
    return Queries((mean * 3).astype(np.float32), logs, np.ones((len(keys), 3), dtype=np.float32))


CLOSED_FORM: tuple[Part, ...] = tuple(
    part.fit(SHOP)
    for part in (ContentKernel("image"), ContentKernel("text"), Linear(), Repurchase(), Variants(), Demand(), Newness())
)
NAMES = [part.name for part in CLOSED_FORM] + [FUSION]
PASTS = st.lists(st.lists(st.integers(0, N - 1), max_size=7), min_size=1, max_size=5)
WEIGHTS = st.dictionaries(st.sampled_from(NAMES), st.sampled_from([0.1, 0.5, 1.0]), min_size=1)


def all_parts(tower: UserTower = kernel_tower) -> tuple[Part, ...]:
    return (*CLOSED_FORM, FusionPart(TABLE, tower))


def blend(weights: Mapping[str, float], tower: UserTower = kernel_tower) -> Ranker:
    return Ranker(dict(weights), all_parts(tower))


def histories_of(pasts: Sequence[Sequence[int]], **options: object) -> Histories:
    return Histories.from_lists([list(past) for past in pasts], now=WORLD.now, **options)  # type: ignore[arg-type]


def reference_scores(part: Part, histories: Histories) -> FloatArray:
    """Raw scores (b, n) by the formula in the part's docstring."""
    if isinstance(part, GlobalPart):
        return np.repeat(part.state()["scores"][None, :], len(histories), axis=0)
    if isinstance(part, ContentKernel):
        return _kernel_scores(part, histories)
    if isinstance(part, FusionPart):
        return _fusion_scores(part, histories)
    if isinstance(part, Linear):
        return np.asarray((history_matrix(histories, part.n_items) @ part.weights).todense(), dtype=np.float32)
    assert isinstance(part, Repurchase | Variants)
    had = history_matrix(histories, part.n_items, part.half_life_days).toarray()
    if isinstance(part, Repurchase):
        return had
    groups = part.state()["groups"]
    same = (groups[:, None] == groups[None, :]) & ~np.eye(len(groups), dtype=bool)
    return (had @ same).astype(np.float32)


def _kernel_scores(part: ContentKernel, histories: Histories) -> FloatArray:
    vectors = part.vectors(np.arange(part.n_items))
    present = np.abs(vectors).sum(axis=1) > 0
    out = np.zeros((len(histories), len(vectors)), dtype=np.float32)
    for row in range(len(histories)):
        span = slice(histories.offsets[row], histories.offsets[row + 1])
        items, events, times = (
            values[span][-50:] for values in (histories.item_nums, histories.events, histories.timestamps)
        )
        age_days = np.where(times > 0, (histories.now - times) / DAY_S, 0.0)
        weights = event_weights(events) / (1 + age_days / part.AGE_SCALE_DAYS) ** 0.7 * present[items]
        if weights.any():
            out[row] = np.log(weights @ np.exp((vectors[items] @ vectors.T - 1) / part.TEMPERATURE) + 1e-12)
        lowest = min(out[row][present].min(initial=0.0), 0.0)
        out[row][~present] = (lowest + out[row].mean()) / 2
    return out


def _fusion_scores(part: FusionPart, histories: Histories) -> FloatArray:
    past = pad_histories(histories)
    queries, logs, _ = part.tower(part.table.keys[past.items], past.mask, past.event, past.age_days)
    exponents = queries.astype(np.float64) @ part.table.keys.T + logs[..., None]
    scores = np.log(np.exp(exponents).sum(axis=1) + 1e-300)
    return np.where((logs > ABSENT / 2).any(axis=1)[:, None], scores, 0.0).astype(np.float32)


def reference_blend(ranker: Ranker, histories: Histories) -> FloatArray:
    """Scores (b, n): the weighted sum of the parts, each as the arcsinh of its z-score."""
    total = np.zeros((len(histories), ranker.n_items), dtype=np.float32)
    for name, weight in ranker.weights.items():
        part = ranker.part(name)
        assert part is not None
        total += np.float32(weight) * arcsinh_zscore(reference_scores(part, histories))
    return total


def without_item(histories: Histories, item: int) -> Histories:
    """A single user's history without one item."""
    keep = histories.item_nums != item
    return replace(
        histories,
        offsets=np.array([0, keep.sum()]),
        item_nums=histories.item_nums[keep],
        events=histories.events[keep],
        timestamps=histories.timestamps[keep],
    )
