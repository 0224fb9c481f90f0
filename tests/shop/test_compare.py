"""Two bundles on live traffic: who gets which, and how sure a difference is."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from modaloom.errors import QueryError
from modaloom.shop.compare import arm_of, checked_shares, compare
from modaloom.storage.contract import Outcome


def outcomes(bundle: str, rate: float, shoppers: int, seed: int) -> list[Outcome]:
    rng = np.random.default_rng(seed)
    return [Outcome(bundle, f"{bundle}{num}", 20, int(rng.binomial(20, rate))) for num in range(shoppers)]


def test_shoppers_keep_their_bundle_and_shares_are_kept_to() -> None:
    shares = {"old": 0.8, "new": 0.2}
    arms = {f"u{num}": arm_of(f"u{num}", shares) for num in range(5_000)}
    assert Counter(arms.values())["new"] / 5_000 == pytest.approx(0.2, abs=0.02)
    assert all(arm_of(user, shares) == arm for user, arm in arms.items())
    assert {arm_of(f"u{num}", {"only": 1.0, "none": 0.0}) for num in range(100)} == {"only"}
    assert arm_of("\ud800", shares) in shares, "an id that is no proper text gets an arm as well"


def test_a_difference_is_found_and_equal_bundles_differ_by_chance_only() -> None:
    (better,) = compare(outcomes("old", 0.10, 800, 1) + outcomes("new", 0.14, 800, 2), "old")
    assert (better.bundle, better.against, better.shoppers) == ("new", "old", (800, 800))
    assert better.low > 0
    assert better.difference == pytest.approx(0.04, abs=0.01)
    covered = 0
    for seed in range(200):
        (equal,) = compare(outcomes("old", 0.1, 60, 2 * seed) + outcomes("new", 0.1, 60, 2 * seed + 1), "old")
        covered += equal.low <= 0 <= equal.high
    assert 180 <= covered <= 199, "95 % intervals"


def test_a_single_shopper_proves_nothing() -> None:
    (one,) = compare([*outcomes("old", 0.1, 50, 0), Outcome("new", "u", 10, 10)], "old")
    assert one.low == -np.inf
    assert one.high == np.inf


def test_what_nobody_saw_cannot_be_compared_with() -> None:
    with pytest.raises(QueryError, match="nothing was shown by 'older'"):
        compare(outcomes("old", 0.1, 5, 0), "older")
    assert compare(outcomes("old", 0.1, 5, 0), "old") == []


@pytest.mark.parametrize("shares", [{}, {"a": 0.0}, {"a": -1.0, "b": 2.0}, {"a": float("nan")}, {"a": float("inf")}])
def test_shares_that_make_no_sense(shares: dict[str, float]) -> None:
    with pytest.raises(QueryError):
        checked_shares(shares, ["a", "b"])


def test_shares_sum_to_one_and_name_bundles_that_there_are() -> None:
    assert checked_shares({"a": 3.0, "b": 1.0, "c": 0.0}, ["a", "b", "c"]) == {"a": 0.75, "b": 0.25}
    with pytest.raises(QueryError, match="unknown bundle 'x'"):
        checked_shares({"x": 1.0}, ["a"])
