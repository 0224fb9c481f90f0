"""The worlds are what they claim to be."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from modaloom.testing import checkerboard_world, taste_world
from modaloom.types import INTERACTION_COLUMNS, ITEM_COLUMNS

WORLDS = ("image", "text", "attributes", "behaviour")


@pytest.mark.parametrize("modality", WORLDS)
def test_a_taste_world_is_a_sound_snapshot(modality: str) -> None:
    snapshot, truth = taste_world(modality, n_users=12, n_items=80, seed=3)
    assert dict(snapshot.items.schema) == ITEM_COLUMNS
    assert dict(snapshot.interactions.schema) == INTERACTION_COLUMNS
    assert snapshot.interactions["timestamp"].is_sorted()
    assert snapshot.interactions["timestamp"].max() < snapshot.now
    assert (snapshot.n_users, snapshot.n_items, len(truth)) == (12, 80, 12)
    histories = snapshot.histories(np.arange(12))
    assert (histories.lengths() == 8).all()
    for user, items in enumerate(truth):
        assert len(items)
        assert snapshot.catalogue[items].all()
        assert not set(items) & set(histories.of(user)), "the truth was bought before"


@pytest.mark.parametrize("modality", WORLDS[:3])
def test_taste_lives_in_one_modality_only(modality: str) -> None:
    snapshot, truth = taste_world(modality)
    bought = np.zeros(snapshot.n_items, dtype=bool)
    bought[snapshot.interactions["item_num"].to_numpy()] = True
    assert not bought[snapshot.catalogue].any(), "behaviour knows something of the new items"
    for name, tokens in snapshot.tokens.items():
        past = snapshot.histories(np.arange(1)).of(0)
        similar = tokens.vectors[past].mean(axis=0) @ tokens.vectors[snapshot.catalogue].T
        good = np.isin(np.flatnonzero(snapshot.catalogue), truth[0])
        assert (similar[good].min() > similar[~good].max()) == (name == modality)


def test_worlds_repeat_with_their_seed_and_change_without() -> None:
    for make in (lambda seed: taste_world("text", seed=seed), lambda seed: checkerboard_world(seed=seed)):
        (first, _), (same, _), (other, _) = make(1), make(1), make(2)
        assert first.interactions.equals(same.interactions)
        assert not first.interactions.equals(other.interactions)


def test_the_checkerboard_is_one() -> None:
    snapshot, truth = checkerboard_world(n_users=10, n_items=20)
    pairs = snapshot.interactions.select("user_num", "item_num").to_numpy().astype(int)
    assert (pairs.sum(axis=1) % 2 == 0).all()
    assert [len(items) for items in truth] == [4] * 10
    assert not snapshot.tokens


def test_impossible_worlds_are_refused() -> None:
    with pytest.raises(ValueError, match="must be one of"):
        taste_world("smell")
    with pytest.raises(ValueError, match="too few"):
        taste_world("image", n_items=10)


def test_the_room_imports_without_pytest_and_torch() -> None:
    code = (
        "import sys; sys.modules['pytest'] = None; sys.modules['torch'] = None; "
        "import modaloom.testing as t; t.taste_world('image')"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
