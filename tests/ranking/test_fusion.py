"""The learned fusion as a part: candidates are what scoring everything puts first, also when items come later."""

from __future__ import annotations

import numpy as np
import pytest

from modaloom.models.towers import ItemTable, UserTower
from modaloom.numerics import unit_rows
from modaloom.ranking.content import N_NEIGHBOURS
from modaloom.ranking.contract import HistoryBatch, NewItems
from modaloom.ranking.fusion import FusionPart, score_histories
from modaloom.types import FloatArray, Histories
from tests.ranking.reference import kernel_tower, mean_tower

N, DIM = 200, 6
RNG = np.random.default_rng(0)
TABLE = ItemTable(
    ("image", "text"),
    unit_rows(RNG.standard_normal((N, 3 * DIM)).astype(np.float32)),
    np.full((N, 2), 0.5, dtype=np.float32),
)
PASTS = Histories.from_lists([[3], [5, 9, 3], [], [7] * 60], now=0)


def proposed(part: FusionPart, histories: Histories) -> list[dict[int, float]]:
    """The items that each user's history votes for, and what is approximated of their scores."""
    votes, out = part.candidates(HistoryBatch(histories)), []
    for row in range(len(histories)):
        sums: dict[int, float] = {}
        for entry in range(votes.offsets[row], votes.offsets[row + 1]):
            span = slice(*votes.table.bounds[votes.rows[entry] : votes.rows[entry] + 2])
            for item, value in zip(votes.table.columns[span].tolist(), votes.table.values[span].tolist(), strict=True):
                sums[item] = sums.get(item, 0.0) + value * float(votes.counts[entry])
        assert votes.shift is not None
        out.append({item: float(np.log(total + votes.eps) + votes.shift[row]) for item, total in sums.items()})
    return out


@pytest.mark.parametrize("tower", [kernel_tower, mean_tower])
def test_candidates_are_what_comes_first(tower: UserTower) -> None:
    part = FusionPart(TABLE, tower)
    expected = part.score(HistoryBatch(PASTS))
    for row, votes in enumerate(proposed(part, PASTS)):
        assert bool(votes) == (row != 2), "an empty history proposes nothing"
        if votes:
            assert set(np.argsort(-expected[row])[:10].tolist()) <= votes.keys()
            assert len(votes) <= N_NEIGHBOURS * 3
    for item, approximated in proposed(part, PASTS)[0].items():
        assert approximated == pytest.approx(expected[0, item], abs=1e-3)


def test_items_that_come_later_are_scored_and_proposed() -> None:
    part = FusionPart(TABLE, kernel_tower)
    proposed(part, PASTS)  # neighbours are found before
    nums, keys = np.array([N, N + 1, 3]), TABLE.keys[[9, 10, 11]]  # two come, one changes
    part.add_items(NewItems(nums, {}, nums, keys=keys, attention=np.full((3, 2), 0.25, dtype=np.float32)))
    assert len(part.table.keys) == part.n_items == N + 2
    np.testing.assert_array_equal(part.table.keys[:3], TABLE.keys[:3])
    assert part.table.weights[N].tolist() == [0.25, 0.25]
    later = Histories.from_lists([[N]], now=0)
    expected = FusionPart(part.table, kernel_tower).score(HistoryBatch(later))
    np.testing.assert_allclose(part.score(HistoryBatch(later)), expected, atol=1e-5)
    assert set(np.argsort(-expected[0])[:10].tolist()) <= proposed(part, later)[0].keys()
    assert 11 in proposed(part, Histories.from_lists([[3]], now=0))[0], "neighbours of what it is now"


def test_an_item_without_keys_scores_nothing() -> None:
    part = FusionPart(TABLE, kernel_tower)
    part.add_items(NewItems(np.array([N]), {}, np.array([N])))
    assert part.score(HistoryBatch(PASTS), np.array([N]))[2, 0] == 0
    assert not part.table.keys[N].any()


def test_one_modality_is_left_out_of_the_products() -> None:
    part, one, items = FusionPart(TABLE, kernel_tower), PASTS.take(1, 2), np.array([1, 2])
    left = part.scores_without(HistoryBatch(one), items)
    assert set(left) == {"image", "text"}
    keys = TABLE.keys.copy()
    keys[:, TABLE.view("image")] = 0.0
    expected = score_histories(ItemTable(TABLE.modalities, keys, TABLE.weights), kernel_tower, one)
    np.testing.assert_allclose(left["image"][0], expected[:, items], atol=1e-4)
    np.testing.assert_allclose(left["image"][1], expected.mean(axis=1), atol=1e-3)
    assert part.scores_without(HistoryBatch(PASTS.take(2, 3)), items) == {}


def test_a_history_of_new_things_is_scored_by_their_keys() -> None:
    part = FusionPart(TABLE, kernel_tower)
    past = HistoryBatch(Histories.from_lists([[5, 9]], now=0)).past
    keys: FloatArray = TABLE.keys[past.items]
    expected = part.score(HistoryBatch(Histories.from_lists([[5, 9]], now=0)))
    np.testing.assert_allclose(part.score_past(keys, past), expected, atol=1e-5)
