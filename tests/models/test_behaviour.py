"""What sells is what many buy, not what one buys often."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from modaloom.models.behaviour import MOST_EVENTS, shopper_weights


@given(st.lists(st.integers(0, 400), min_size=1, max_size=6))
@settings(max_examples=50, deadline=None)
def test_no_shopper_counts_for_more_than_the_limit(numbers: list[int]) -> None:
    users = np.random.default_rng(0).permutation(np.repeat(np.arange(len(numbers)), numbers))
    weights = shopper_weights(users)
    for user, number in enumerate(numbers):
        own = weights[users == user]
        assert np.isclose(own.sum(), min(number, MOST_EVENTS))
        assert len(set(own.tolist())) <= 1
