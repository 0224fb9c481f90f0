"""The recommender in NumPy is the recommender in torch."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from modaloom.models.recommender import FusionRecommender, RecommenderConfig, scores
from modaloom.models.towers import (
    ABSENT,
    SERVED_HISTORY,
    ItemTable,
    Queries,
    UserTower,
    gather_past,
    pad_histories,
)
from modaloom.ranking.contract import HistoryBatch
from modaloom.ranking.fusion import FusionPart, score_histories
from modaloom.types import DAY_S, BoolArray, Event, FloatArray, Histories, IntArray

NAMES = ("image", "text", "behaviour")
N_ITEMS, DIM = 30, 8
NOW = 1_700_000_000
PASTS = st.lists(st.lists(st.integers(0, N_ITEMS - 1), max_size=6), min_size=1, max_size=5)


def make_model(sequence: str) -> FusionRecommender:
    torch.manual_seed(1)
    model = FusionRecommender(RecommenderConfig(NAMES, DIM, sequence=sequence)).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return model


def past_queries(tower: UserTower, table: ItemTable, histories: Histories) -> Queries:
    past = pad_histories(histories)
    return tower(table.keys[past.items], past.mask, past.event, past.age_days)


class Towers:
    """A model with random weights, and its table of random items of which some tokens are missing."""

    def __init__(self, sequence: str):
        self.model = make_model(sequence)
        rng = np.random.default_rng(0)
        mask = torch.from_numpy(rng.random((N_ITEMS, 3)) < 0.7)
        tokens = torch.from_numpy(rng.standard_normal((N_ITEMS, 3, DIM)).astype(np.float32))
        with torch.no_grad():
            self.items = self.model.items(tokens * mask[..., None], mask)
        self.table = ItemTable(NAMES, self.items.keys.numpy(), self.items.weights.numpy())

    def __call__(self, keys: FloatArray, mask: BoolArray, event: IntArray, age_days: FloatArray) -> Queries:
        with torch.no_grad():
            made = self.model.queries(*(torch.from_numpy(part) for part in (keys, mask, event, age_days)))
        return Queries(*(part.numpy() for part in made))


@pytest.fixture(scope="module", params=["kernel", "mean", "gru", "transformer"])
def towers(request: pytest.FixtureRequest) -> Towers:
    return Towers(request.param)


KERNEL = Towers("kernel")


def aged(items: list[list[int]]) -> Histories:
    made = Histories.from_lists(items, now=NOW)
    ages = np.random.default_rng(len(made.item_nums)).integers(0, 90, len(made.item_nums))
    return replace(made, timestamps=NOW - ages * DAY_S)


def test_scores_are_those_of_torch(towers: Towers) -> None:
    histories = aged([[1], [2, 3, 4], [5, 5], list(range(20))])
    queries = past_queries(towers, towers.table, histories)
    with torch.no_grad():
        expected = scores(
            torch.from_numpy(queries.queries),
            torch.from_numpy(queries.log_weights),
            towers.items.keys,
        )
    assert FusionPart(towers.table, towers).score_queries(queries) == pytest.approx(
        expected.numpy(), rel=1e-4, abs=1e-4
    )
    assert queries.view_weights.shape == (4, 4)
    assert queries.view_weights.sum(axis=1) == pytest.approx(4.0, rel=1e-4)


@given(PASTS)
@settings(max_examples=25, deadline=None)
def test_company_in_the_batch_does_not_matter(pasts: list[list[int]]) -> None:
    together = score_histories(KERNEL.table, KERNEL, aged(pasts))
    histories = aged(pasts)
    for row in range(len(pasts)):
        alone = histories.take(row, row + 1)
        own = score_histories(KERNEL.table, KERNEL, alone)
        assert own[0] == pytest.approx(together[row], rel=1e-4, abs=1e-4)
    assert np.isfinite(together).all()


def test_an_empty_past_says_nothing() -> None:
    queries = past_queries(KERNEL, KERNEL.table, aged([[], [3]]))
    assert (queries.log_weights[0] <= ABSENT / 2).all()
    part, batch = FusionPart(KERNEL.table, KERNEL), HistoryBatch(aged([[], [3]]))
    given_scores = part.score(batch)
    assert not given_scores[0].any()
    assert given_scores[1].any()
    assert not part.score(batch, np.arange(5))[0].any()


def test_the_views_cover_the_keys_but_for_the_fused_one() -> None:
    table = KERNEL.table
    places = np.concatenate([np.arange(table.keys.shape[1])[table.view(name)] for name in NAMES])
    assert table.dim == DIM
    assert places.tolist() == list(range(3 * DIM))


def test_only_the_newest_events_are_served() -> None:
    long = [num % N_ITEMS for num in range(SERVED_HISTORY + 10)]
    past = pad_histories(aged([long, [7]]))
    assert past.items.shape == (2, SERVED_HISTORY)
    assert past.items[0].tolist() == long[10:]
    assert past.items[1].tolist() == [7] + [0] * (SERVED_HISTORY - 1)
    assert past.mask.sum(axis=1).tolist() == [SERVED_HISTORY, 1]


def test_a_gathered_past_says_who_what_and_how_old() -> None:
    log = np.array([4, 5, 6]), np.array([int(Event.VIEW), 3, 3]), np.array([NOW - 2 * DAY_S, 0, NOW + DAY_S])
    spans = np.array([0, 3]), np.array([3, 3])
    past = gather_past(log, spans, np.array([NOW, NOW]))
    assert past.items.tolist() == [[4, 5, 6], [0, 0, 0]]
    assert past.event.tolist() == [[0, 3, 3], [0, 0, 0]]
    assert past.mask.tolist() == [[True] * 3, [False] * 3]
    assert past.age_days.tolist() == [[2.0, 0.0, 0.0], [0.0] * 3]  # without a time, or from the future: of now
    assert past.age_days.dtype == np.float32


def test_nobody_has_any_past() -> None:
    past = pad_histories(aged([[], []]))
    assert past.items.shape == (2, 1)
    assert not past.mask.any()
    assert not score_histories(KERNEL.table, KERNEL, aged([[], []])).any()
