"""The ranker adds up what the parts say, and can say it again without one modality."""

from __future__ import annotations

from typing import Self

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modaloom.metrics import top_n
from modaloom.models.towers import ItemTable, Queries
from modaloom.numerics import squashed_zscore, unit_rows
from modaloom.ranking.demand import Demand, Newness
from modaloom.ranking.fast import MANY_SHOPPERS
from modaloom.ranking.linear import Linear
from modaloom.ranking.parts import Arrivals, ContentKernel, State
from modaloom.ranking.personal import Personal
from modaloom.ranking.ranker import BATCH, FAST_PLACES, FUSION, Ranker, blocks_of, normalise_like, sum_up
from modaloom.testing import taste_world
from modaloom.types import BoolArray, FloatArray, Histories, IntArray, Snapshot

WORLD, _ = taste_world("image")
N, DIM = WORLD.n_items, 4
RNG = np.random.default_rng(0)
IMAGE, TEXT, LINEAR = ContentKernel("image").fit(WORLD), ContentKernel("text").fit(WORLD), Linear().fit(WORLD)
TABLE = ItemTable(
    ("image", "text"),
    unit_rows(RNG.standard_normal((N, 3 * DIM)).astype(np.float32)),
    np.full((N, 2), 0.5, dtype=np.float32),
)
ALL = {FUSION: 0.5, "image": 0.3, "text": 0.2, "linear": 0.1}


def tower(keys: FloatArray, mask: BoolArray, event: IntArray, age_days: FloatArray) -> Queries:
    """Every past item is a query of its own."""
    log_weights = np.where(mask, 0.0, -1e4).astype(np.float32)
    return Queries(keys * 3, log_weights, np.ones((len(keys), 3), dtype=np.float32))


class Untouchable:
    """A part that must not be asked."""

    name = "expensive"
    modality: str | None = None

    def fit(self, snapshot: Snapshot) -> Self:
        raise AssertionError

    def score(self, histories: Histories) -> FloatArray:
        raise AssertionError("computed for nothing")

    def state(self) -> State:
        raise AssertionError

    def restore(self, state: State) -> Self:
        raise AssertionError


def ranker(**changed: float) -> Ranker:
    return Ranker({**ALL, **changed}, (IMAGE, TEXT, LINEAR, Untouchable()), TABLE, tower)


HISTORIES = WORLD.histories(np.arange(12))


def test_the_score_is_the_weighted_sum_of_normalised_parts() -> None:
    made = ranker()
    raw = made.raw(HISTORIES)
    assert set(raw) == set(ALL)
    expected = sum(ALL[name] * squashed_zscore(scores) for name, scores in raw.items())
    assert made.score(HISTORIES) == pytest.approx(np.asarray(expected), abs=1e-5)
    assert raw["image"] == pytest.approx(IMAGE.score(HISTORIES))


def test_what_has_no_weight_is_never_computed() -> None:
    assert ranker(expensive=0.0).score(HISTORIES).shape == (12, N)
    with pytest.raises(AssertionError, match="computed for nothing"):
        ranker(expensive=0.1).score(HISTORIES)
    assert set(Ranker({FUSION: 0.0, "image": 1.0}, (IMAGE,)).raw(HISTORIES)) == {"image"}


def test_many_shoppers_are_scored_like_few() -> None:
    users = np.arange(2 * BATCH + 3) % WORLD.n_users
    together = ranker().score(WORLD.histories(users))
    assert together.shape == (len(users), N)
    assert together[:12] == pytest.approx(ranker().score(HISTORIES), abs=1e-4)
    assert ranker().score(WORLD.histories(np.zeros(0, dtype=np.int64))).shape == (0, N)


@pytest.mark.parametrize("pasts", [[[], []], [[3, 4], []], [[], [1], [], [2, 5]]])
def test_strangers_have_a_blend_of_their_own_and_others_keep_theirs(pasts: list[list[int]]) -> None:
    """Those of whom something is known are scored as if strangers had no weights of their own."""
    demand, newness = Demand().restore({"scores": RNG.random(N)}), Newness().restore({"scores": RNG.random(N)})
    weights = {"image": 0.5, "demand": 0.3, "newness": 0.3}
    plain = Ranker(weights, (IMAGE, demand, newness))
    made = Ranker(weights, (IMAGE, demand, newness), strangers={"demand": 0.5, "newness": 0.1})
    histories = Histories.from_lists(pasts, now=1)
    unknown = np.array([not past for past in pasts])
    raw = {part.name: part.score(histories) for part in (demand, newness)}
    scores = made.score(histories)
    assert scores[~unknown] == pytest.approx(plain.score(histories)[~unknown], abs=1e-5)
    assert scores[unknown] == pytest.approx(sum_up(raw, {"demand": 0.5, "newness": 0.1})[unknown], abs=1e-5)
    items, found = made.recommend(histories, 7, allowed=np.arange(N) % 2 == 0)
    expected = top_n(scores, 7, np.arange(N) % 2 == 0)
    assert items.tolist() == expected.tolist()
    assert found == pytest.approx(np.take_along_axis(scores, expected, axis=1), abs=1e-5)
    for row in range(len(pasts)):
        alone = Personal(made, histories.take(row, row + 1))
        assert alone.scores(np.arange(N)) == pytest.approx(scores[row], abs=1e-4)
        given = alone.contributions(items[row])
        assert given.scores == pytest.approx(found[row], abs=1e-4)
        assert (given.demand + given.newness == pytest.approx(given.scores, abs=1e-4)) == (not pasts[row])


def test_what_came_in_later_is_shown_to_strangers_too() -> None:
    parts = Demand().restore({"scores": RNG.random(N)}), Newness().restore({"scores": -5 - RNG.random(N)})
    made = Ranker({"demand": 0.3, "newness": 0.3}, parts, strangers={"demand": 0.1, "newness": 0.5})
    nobody = Histories.from_lists([[]], now=1)
    assert made.score(nobody).shape == (1, N)
    made.place(Arrivals(places=np.array([N]), tokens={}, groups=np.array([N])), None)
    assert made.recommend(nobody, 1).items.tolist() == [[N]]
    assert Personal(made, nobody).scores(np.array([N])) == pytest.approx(made.score(nobody)[0, [N]], abs=1e-5)


def test_modalities_are_those_that_some_part_speaks_for() -> None:
    assert ranker().modalities == ("image", "text", "behaviour")
    assert Ranker({"text": 1.0, "image": 0.5}, (IMAGE, TEXT)).modalities == ("text", "image")
    assert Ranker({FUSION: 0.0, "linear": 1.0}, (LINEAR,), TABLE, tower).modalities == ("behaviour",)


def test_parts_are_found_by_name_and_the_number_of_items_is_known() -> None:
    assert ranker().part("text") is TEXT
    assert ranker().part("smell") is None
    assert ranker().n_items == Ranker({"linear": 1.0}, (LINEAR,)).n_items == N


def test_without_a_modality_its_parts_are_left_out() -> None:
    """A part of its own goes altogether; the others stay exactly as they were."""
    made = ranker(fusion=0.0)
    raw = made.raw(HISTORIES)
    expected = ALL["image"] * squashed_zscore(raw["image"]) + ALL["linear"] * squashed_zscore(raw["linear"])
    assert made.without(HISTORIES, "text") == pytest.approx(expected, abs=1e-5)
    assert made.without(HISTORIES, "smell") == pytest.approx(made.score(HISTORIES), abs=1e-5)
    only = Ranker({"image": 1.0}, (IMAGE,))
    assert not only.without(HISTORIES, "image").any()


@pytest.mark.parametrize("modality", ["image", "text"])
def test_without_a_modality_the_fusion_loses_its_view(modality: str) -> None:
    made = Ranker({FUSION: 0.7}, (), TABLE, tower)
    cut = TABLE.keys.copy()
    cut[:, TABLE.view(modality)] = 0.0
    blind = Ranker({FUSION: 0.7}, (), ItemTable(TABLE.modalities, cut, TABLE.weights), tower)
    expected = 0.7 * normalise_like(blind.raw(HISTORIES)[FUSION], made.raw(HISTORIES)[FUSION])
    assert made.without(HISTORIES, modality) == pytest.approx(expected, abs=1e-4)
    assert made.without(HISTORIES, "behaviour") == pytest.approx(made.score(HISTORIES), abs=1e-5)


def test_normalising_like_itself_is_the_zscore() -> None:
    scores = RNG.standard_normal((3, 50)).astype(np.float32)
    assert normalise_like(scores, scores) == pytest.approx(squashed_zscore(scores), abs=1e-5)
    smaller = normalise_like(scores * np.float32(0.1), scores)
    assert np.abs(smaller).max() < 0.5, "what shrinks must stay small"


def test_an_empty_past_gets_finite_scores() -> None:
    scores = ranker().score(Histories.from_lists([[], [1, 2]], now=WORLD.now))
    assert np.isfinite(scores).all()


@given(st.lists(st.integers(0, 50), max_size=400), st.integers(1, 300))
def test_blocks_hold_everybody_once_and_few_long_pasts(pasts: list[int], size: int) -> None:
    lengths = np.sort(np.array(pasts, dtype=np.int64))
    blocks = blocks_of(np.arange(len(lengths)), lengths, size)
    assert [row for block in blocks for row in block] == list(range(len(lengths)))
    for block in blocks:
        assert 0 < len(block) <= size
        assert len(block) <= MANY_SHOPPERS or len(block) * lengths[block].max() <= FAST_PLACES
