"""The learned fusion asked for candidates: those that scoring everything puts first, also when items come later."""

from __future__ import annotations

import numpy as np
import pytest

from modaloom.models.towers import ABSENT, ItemTable, Queries, pad_histories, past_queries, score_queries
from modaloom.numerics import unit_rows
from modaloom.ranking.learned import FusionIndex
from modaloom.ranking.nearest import NEIGHBOURS
from modaloom.ranking.retrieve import near
from modaloom.types import BoolArray, FloatArray, Histories, IntArray

N, DIM = 200, 6
RNG = np.random.default_rng(0)
TABLE = ItemTable(
    ("image", "text"),
    unit_rows(RNG.standard_normal((N, 3 * DIM)).astype(np.float32)),
    np.full((N, 2), 0.5, dtype=np.float32),
)
PASTS = Histories.from_lists([[3], [5, 9, 3], [], [7] * 60], now=0)


def kernel_tower(keys: FloatArray, mask: BoolArray, event: IntArray, age_days: FloatArray) -> Queries:
    """Every past item is a query of its own."""
    return Queries(keys * 4, np.where(mask, 0.0, ABSENT).astype(np.float32), np.ones((len(keys), 3), dtype=np.float32))


def summing_tower(keys: FloatArray, mask: BoolArray, event: IntArray, age_days: FloatArray) -> Queries:
    """One query for the whole past."""
    mean = (keys * mask[..., None]).sum(axis=1, keepdims=True) / np.maximum(mask.sum(axis=1), 1)[:, None, None]
    logs = np.where(mask.any(axis=1, keepdims=True), 0.0, ABSENT).astype(np.float32)
    return Queries((4 * mean).astype(np.float32), logs, np.ones((len(keys), 3), dtype=np.float32))


@pytest.mark.parametrize("tower", [kernel_tower, summing_tower])
def test_scores_at_items_are_those_of_scoring_everything(tower: object) -> None:
    index = FusionIndex(TABLE, tower)  # type: ignore[arg-type]
    expected = score_queries(past_queries(tower, TABLE, PASTS), TABLE)  # type: ignore[arg-type]
    items = np.array([0, 7, 199])
    answer = index.ask(PASTS)
    np.testing.assert_allclose(answer.at(items), expected[:, items], atol=1e-4)
    np.testing.assert_allclose(answer.moments().mean[:, 0], expected.mean(axis=1), atol=1e-3)


@pytest.mark.parametrize("tower", [kernel_tower, summing_tower])
def test_what_it_proposes_is_what_comes_first(tower: object) -> None:
    index = FusionIndex(TABLE, tower)  # type: ignore[arg-type]
    expected = score_queries(past_queries(tower, TABLE, PASTS), TABLE)  # type: ignore[arg-type]
    proposals = near(index.ask(PASTS).reach())
    for row in (0, 1, 3):
        proposed = set(proposals[[row]].indices.tolist())
        assert set(np.argsort(-expected[row])[:10].tolist()) <= proposed
        assert len(proposed) <= NEIGHBOURS * 3
    single = proposals[[0]]
    np.testing.assert_allclose(single.data, expected[0, single.indices], atol=1e-3)


def test_a_modality_is_left_out_of_the_queries() -> None:
    index, one = FusionIndex(TABLE, kernel_tower), PASTS.take(1, 2)
    items = np.array([1, 2])
    left = index.ask(one).without_each(items)
    assert set(left) == {"image", "text"}
    cut = TABLE.keys.copy()
    cut[:, TABLE.view("image")] = 0.0
    expected = score_queries(past_queries(kernel_tower, ItemTable(TABLE.modalities, cut, TABLE.weights), one), TABLE)
    np.testing.assert_allclose(left["image"][0], expected[0, items], atol=1e-4)
    np.testing.assert_allclose(left["image"][1], expected[0].mean(), atol=1e-3)


def test_an_item_that_comes_later_is_scored_and_proposed() -> None:
    index = FusionIndex(TABLE, kernel_tower)
    near(index.ask(PASTS).reach())  # neighbours are found before
    places = np.array([N, N + 1, 3])  # two come, one changes
    keys = np.concatenate([TABLE.keys[[9]], TABLE.keys[[10]], TABLE.keys[[11]]])
    table = index.place(places, keys, np.full((3, 2), 0.5, dtype=np.float32))
    assert len(table.keys) == N + 2
    np.testing.assert_array_equal(table.keys[:3], TABLE.keys[:3])
    later = Histories.from_lists([[N]], now=0)
    expected = score_queries(past_queries(kernel_tower, table, later), table)
    answer = index.ask(later)
    np.testing.assert_allclose(answer.at(np.arange(N + 2)), expected, atol=1e-4)
    assert set(np.argsort(-expected[0])[:10].tolist()) <= set(near(answer.reach()).indices.tolist())
    changed = near(index.ask(Histories.from_lists([[3]], now=0)).reach())
    assert 11 in changed.indices, "its neighbours are those of what it is now"
    voice = index.voice(pad_histories(later))
    assert voice is not None
    np.testing.assert_allclose(voice.at(np.arange(N + 2)), expected[0], atol=1e-4)


def test_a_past_in_one_query_has_no_voice_of_its_own() -> None:
    index = FusionIndex(TABLE, summing_tower)
    assert index.voice(pad_histories(Histories.from_lists([[5, 9, 3]], now=0))) is None
