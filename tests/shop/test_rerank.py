"""Lists that are varied, balanced and leave room for the unknown."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from modaloom.numerics import unit_rows
from modaloom.shop.rerank import Shortlist, Taste, rerank


def shortlist(n: int = 40, **changes: object) -> Shortlist:
    rng = np.random.default_rng(0)
    fields = {
        "scores": np.linspace(3, 0, n).astype(np.float32),
        "groups": np.arange(n),
        "categories": lambda: (np.arange(n) % 4).astype(np.int32),
        "looks": unit_rows(rng.standard_normal((n, 8), dtype=np.float32)).__getitem__,
        "fresh": lambda: np.zeros(n, dtype=bool),
    }
    return Shortlist(**(fields | changes))  # type: ignore[arg-type]


def ordered(listed: Shortlist, taste: Taste, seed: int = 0) -> list[int]:
    return rerank(listed, taste, np.random.default_rng(seed))[0]


def test_without_wishes_the_scores_decide() -> None:
    assert ordered(shortlist(), Taste(10)) == list(range(10))
    assert ordered(shortlist(3), Taste(10)) == [0, 1, 2]
    assert ordered(shortlist(0), Taste(10)) == []


def test_one_card_for_each_model() -> None:
    listed = shortlist(groups=np.arange(40) // 4)
    assert ordered(listed, Taste(20)) == list(range(0, 40, 4))


def test_no_more_of_a_category_than_wanted_unless_the_list_would_be_short() -> None:
    listed = shortlist(categories=lambda: np.where(np.arange(40) < 30, 0, 1).astype(np.int32))
    capped = ordered(listed, Taste(8, category_cap=3))
    assert capped[:3] == [0, 1, 2]
    assert capped == [0, 1, 2, 30, 31, 32, 3, 4]
    only = shortlist(categories=lambda: np.zeros(40, dtype=np.int32))
    assert sorted(ordered(only, Taste(8, category_cap=3))) == list(range(8))
    unknown = shortlist(categories=lambda: np.full(40, -1, dtype=np.int32))
    assert ordered(unknown, Taste(8, category_cap=1)) == list(range(8))


def test_more_diversity_makes_a_list_less_alike() -> None:
    def likeness(places: list[int]) -> float:
        assert listed.looks is not None
        looks = listed.looks(np.array(places))
        similar = looks @ looks.T
        return float(similar[np.triu_indices(len(places), 1)].mean())

    rng = np.random.default_rng(1)
    centres = rng.standard_normal((3, 8), dtype=np.float32)
    crowd = np.where(np.arange(60) < 20, 0, rng.integers(0, 3, 60))
    looks = unit_rows(centres[crowd] + 0.2 * rng.standard_normal((60, 8), dtype=np.float32))
    listed = shortlist(60, looks=looks.__getitem__)
    lists = [ordered(listed, Taste(12, diversity=wanted)) for wanted in (0.0, 0.3, 0.6, 0.9)]
    alike = [likeness(places) for places in lists]
    assert alike[0] > alike[1] + 0.1, "the default dial already tells"
    assert all(less <= more + 1e-6 for more, less in pairwise(alike))
    assert all(places[0] == 0 for places in lists), "the best item stays the first"


def test_without_looks_diversity_changes_nothing() -> None:
    assert ordered(shortlist(looks=None), Taste(10, diversity=0.9)) == list(range(10))


def test_exploring_takes_its_share_from_what_little_is_known_of() -> None:
    listed = shortlist(fresh=lambda: np.arange(40) >= 20)
    counts = []
    for seed in range(200):
        places, explored = rerank(listed, Taste(10, explore=0.15), np.random.default_rng(seed))
        assert len(places) == 10 == len(set(places))
        assert all(place >= 20 for place in explored)
        assert explored <= set(places)
        assert places[0] == 0
        counts.append(len(explored))
    assert np.mean(counts) == pytest.approx(1.5, abs=0.15)
    assert not rerank(shortlist(), Taste(10, explore=0.5), np.random.default_rng(0))[1], "everything is known"
