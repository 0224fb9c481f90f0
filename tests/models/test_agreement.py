"""Directions in which shoppers agree with themselves are found, and only those."""

from __future__ import annotations

import numpy as np
import pytest

from modaloom.models import agreement
from modaloom.models.agreement import Had, Seen, agreeing_directions
from modaloom.types import FloatArray

DIM, ITEMS, USERS, EACH = 8, 400, 200, 8
TASTE = slice(0, 2)


def a_log(*, taste: float, seed: int = 0) -> tuple[FloatArray, Had]:
    """Random items; each shopper has what lies nearest to a taste of their own in the first two directions."""
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(ITEMS, DIM)).astype(np.float32)
    wanted = taste * rng.normal(size=(USERS, 2)) @ vectors[:, TASTE].T + rng.gumbel(size=(USERS, ITEMS))
    items = np.argsort(-wanted, axis=1)[:, :EACH]
    users = np.repeat(np.arange(USERS), EACH)
    return vectors, Had(users, items.ravel(), np.ones(USERS * EACH))


def lengths(made: FloatArray | None) -> FloatArray:
    assert made is not None
    return np.linalg.norm(made, axis=1)


def test_what_shoppers_agree_in_is_stretched() -> None:
    vectors, had = a_log(taste=2.0)
    made = agreeing_directions([Seen(vectors, np.ones(ITEMS, dtype=bool), had)], USERS)
    found = lengths(made)
    assert found[TASTE].min() > 2 * found[2:].max()
    assert (found**2).mean() == pytest.approx(1.0, rel=1e-4)


def test_chance_stretches_nothing() -> None:
    vectors, had = a_log(taste=0.0)
    found = lengths(agreeing_directions([Seen(vectors, np.ones(ITEMS, dtype=bool), had)], USERS))
    assert found.max() < 1.5 * found.min()


def test_folds_are_added_up() -> None:
    """Each fold of shoppers may see vectors of its own; together they say what all say."""
    vectors, had = a_log(taste=2.0)
    there = np.ones(ITEMS, dtype=bool)
    halves = [Had(*(column[had.users % 2 == half] for column in had)) for half in (0, 1)]
    whole = agreeing_directions([Seen(vectors, there, had)], USERS)
    parts = agreeing_directions([Seen(vectors, there, own) for own in halves], USERS)
    assert whole is not None
    assert parts is not None
    assert np.abs(whole - parts).max() < 0.2


def test_what_is_missing_says_nothing() -> None:
    vectors, had = a_log(taste=2.0)
    there = np.arange(ITEMS) % 2 == 0
    broken = np.where(there[:, None], vectors, np.float32(1e6))
    found = lengths(agreeing_directions([Seen(broken, there, had)], USERS))
    assert found[TASTE].min() > 1.5 * found[2:].max()


def test_nothing_without_two_things_of_one_shopper() -> None:
    vectors, _ = a_log(taste=0.0)
    had = Had(np.arange(5), np.arange(5), np.ones(5))
    assert agreeing_directions([Seen(vectors, np.ones(ITEMS, dtype=bool), had)], 5) is None
    assert agreeing_directions([Seen(vectors, np.zeros(ITEMS, dtype=bool), a_log(taste=0.0)[1])], USERS) is None


def test_blocks_give_what_the_whole_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors, had = a_log(taste=2.0)
    view = Seen(vectors, np.arange(ITEMS) % 3 > 0, had)
    whole = agreeing_directions([view], USERS)
    monkeypatch.setattr(agreement, "ROWS_AT_ONCE", 37)
    parts = agreeing_directions([view], USERS)
    assert whole is not None
    assert parts is not None
    assert np.abs(whole - parts).max() < 1e-5
