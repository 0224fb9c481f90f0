"""Each part has one idea, and does just that."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modaloom.data.doubles import group_numbers
from modaloom.metrics import ranking_metrics, top_n
from modaloom.numerics import unit_rows
from modaloom.ranking.demand import Demand, Newness
from modaloom.ranking.linear import Linear
from modaloom.ranking.parts import MAX_HISTORY, ContentKernel, Part, Repurchase, Variants
from modaloom.testing import taste_world
from modaloom.types import DAY_S, Event, FloatArray, Histories, Snapshot, Tokens

NOW = 1_700_000_000
WORLD, TRUTH = taste_world("image")


def past(*items: int, ages_days: tuple[float, ...] = (), event: Event = Event.PURCHASE) -> Histories:
    """One shopper who had these items so many days ago."""
    made = Histories.from_lists([items], now=NOW, event=event)
    if not ages_days:
        return made
    return replace(made, timestamps=NOW - np.rint(np.array(ages_days) * DAY_S).astype(np.int64))


def with_vectors(vectors: FloatArray) -> Snapshot:
    n = len(vectors)
    mask = np.abs(vectors).sum(axis=1) > 0
    empty = WORLD.interactions.clear()
    tokens = {"image": Tokens("image", "made/1", unit_rows(vectors.astype(np.float32)), mask)}
    return replace(
        WORLD, items=WORLD.items.head(n), tokens=tokens, catalogue=np.ones(n, dtype=bool), interactions=empty
    )


class TestContentKernel:
    def test_it_finds_the_taste_that_lives_in_its_modality(self) -> None:
        histories = WORLD.histories(np.arange(WORLD.n_users))
        reached = {
            name: ranking_metrics(top_n(ContentKernel(name).fit(WORLD).score(histories), 5, WORLD.catalogue), TRUTH)[
                "precision"
            ].mean()
            for name in WORLD.tokens
        }
        assert reached["image"] > 0.95
        assert reached["text"] < 0.5
        assert reached["attributes"] < 0.5

    def test_several_tastes_stay_apart(self) -> None:
        """What lies between two tastes is like neither; the mean of the past would put it first."""
        kernel = ContentKernel("image").fit(with_vectors(np.array([[1, 0], [0, 1], [1, 0.1], [0.1, 1], [1, 1]])))
        scores = kernel.score(past(0, 1))[0]
        assert scores[4] < min(scores[2], scores[3])

    def test_items_without_the_modality_are_in_the_middle(self) -> None:
        kernel = ContentKernel("image").fit(with_vectors(np.array([[1, 0], [1, 0.1], [-1, 0], [0, 0]])))
        scores = kernel.score(past(0))[0]
        assert scores[2] < scores[3] < scores[1] < scores[0]

    @pytest.mark.parametrize("items", [(), (3,), (3, 3)])
    def test_who_has_nothing_of_the_modality_gets_no_order(self, items: tuple[int, ...]) -> None:
        kernel = ContentKernel("image").fit(with_vectors(np.array([[1, 0], [1, 0.1], [-1, 0], [0, 0]])))
        assert np.ptp(kernel.score(past(*items))) == 0

    def test_disliked_and_returned_things_do_not_count(self) -> None:
        kernel = ContentKernel("image").fit(WORLD)
        for event in (Event.DISLIKE, Event.RETURN):
            assert np.ptp(kernel.score(past(1, 2, event=event))) == 0

    def test_the_newer_counts_more(self) -> None:
        kernel = ContentKernel("image").fit(with_vectors(np.array([[1, 0], [0, 1], [1, 0.1], [0.1, 1]])))
        scores = kernel.score(past(0, 1, ages_days=(60, 1)))[0]
        assert scores[3] > scores[2]

    def test_only_the_newest_events_are_looked_at(self) -> None:
        kernel = ContentKernel("image").fit(WORLD)
        long = kernel.score(past(*[5] * 10, *[7] * MAX_HISTORY))
        assert long == pytest.approx(kernel.score(past(*[7] * MAX_HISTORY)))

    def test_a_vector_is_like_a_single_past_item(self) -> None:
        kernel = ContentKernel("image").fit(WORLD)
        vector = WORLD.tokens["image"].vectors[9]
        assert kernel.score_vector(vector) == pytest.approx(kernel.score(past(9))[0], abs=1e-4)


class TestRepurchase:
    def test_only_what_they_had_counts_and_halves_with_age(self) -> None:
        part = Repurchase(half_life_days=10.0).fit(WORLD)
        scores = part.score(past(3, 5, ages_days=(20, 10)))[0]
        assert np.flatnonzero(scores).tolist() == [3, 5]
        assert scores[5] == pytest.approx(0.5)
        assert scores[3] == pytest.approx(0.25)

    def test_twice_is_more_than_once(self) -> None:
        scores = Repurchase().fit(WORLD).score(past(3, 3, 5, ages_days=(1, 1, 1)))[0]
        assert scores[3] == pytest.approx(2 * scores[5])


class TestVariants:
    GROUPS = (["a", "a", "a", "b", "b", None, None] + [None] * 100)[: WORLD.n_items]
    SHOP = replace(WORLD, items=WORLD.items.with_columns(pl.Series("group_id", GROUPS, dtype=pl.String)))

    def test_siblings_of_what_they_had_but_not_itself(self) -> None:
        scores = Variants().fit(self.SHOP).score(past(1, 5, ages_days=(0, 0)))[0]
        assert np.flatnonzero(scores).tolist() == [0, 2]
        assert scores[0] == scores[2] > 0

    def test_two_siblings_speak_for_each_other(self) -> None:
        scores = Variants(half_life_days=10.0).fit(self.SHOP).score(past(0, 1, ages_days=(0, 10)))[0]
        assert scores[[0, 1, 2]] == pytest.approx([0.5, 1.0, 1.5])

    def test_items_without_a_group_stand_alone(self) -> None:
        groups = group_numbers(self.SHOP)
        assert len(np.unique(groups)) == 2 + WORLD.n_items - 5
        assert groups[0] == groups[1]
        assert groups[5] != groups[6]
        assert len(np.unique(group_numbers(WORLD))) == WORLD.n_items


MAKERS: dict[str, Callable[[], Part]] = {
    "image": lambda: ContentKernel("image"),
    "repurchase": Repurchase,
    "variants": Variants,
    "linear": Linear,
    "demand": Demand,
    "newness": Newness,
}
FITTED = {name: make().fit(TestVariants.SHOP) for name, make in MAKERS.items()}


@pytest.mark.parametrize("name", MAKERS)
@given(st.lists(st.lists(st.integers(0, WORLD.n_items - 1), max_size=6), max_size=4), st.sampled_from(list(Event)))
@settings(max_examples=12, deadline=None)
def test_any_past_is_answered_and_a_kept_part_is_the_same_part(name: str, pasts: list[list[int]], event: Event) -> None:
    histories = Histories.from_lists(pasts, now=NOW, event=event)
    part = FITTED[name]
    scores = part.score(histories)
    assert scores.shape == (len(pasts), WORLD.n_items)
    assert scores.dtype == np.float32
    assert np.isfinite(scores).all()
    state = part.state()
    assert all(value.dtype.kind in "fiu" for value in state.values()), "only plain arrays can be kept"
    kept = MAKERS[name]().restore(state)
    assert kept.name == part.name == name
    assert kept.modality == part.modality
    assert kept.score(histories) == pytest.approx(scores, abs=0.02)  # vectors are kept in half precision
