"""Weights go to who is better, and stay even among equals."""

from __future__ import annotations

import numpy as np
import pytest

from modaloom.forecasting.backtest import Rolled
from modaloom.forecasting.contract import Values
from modaloom.forecasting.ensemble import chosen_weights, combined, equal_weights


def rolled_of(errors: Values) -> Rolled:
    """A back-test with these errors (o, m, s, h) of forecasts of zero."""
    origins, _, series, horizon = errors.shape
    actual = np.zeros((origins, series, horizon))
    return Rolled(tuple(range(origins)), horizon, 2, -errors, actual, np.ones((origins, series)))


def errors_of(sizes: list[float], series: int = 40, seed: int = 0) -> Values:
    rng = np.random.default_rng(seed)
    return np.array(sizes)[None, :, None, None] * rng.standard_normal((3, len(sizes), series, 20))


def test_equals_share() -> None:
    np.testing.assert_allclose(chosen_weights(rolled_of(errors_of([1.0, 1.0, 1.0]))), 1 / 3, atol=0.1)


def test_the_better_one_says_more_and_the_useless_one_nothing() -> None:
    (weights,) = chosen_weights(rolled_of(errors_of([1.0, 1.6, 5.0])))
    assert weights[0] > 0.7
    assert weights[2] < 0.05
    assert weights.sum() == pytest.approx(1.0)


def test_errors_that_cancel_are_used() -> None:
    noise = np.random.default_rng(0).standard_normal((3, 1, 40, 20))
    (weights,) = chosen_weights(rolled_of(np.concatenate([noise, -noise], axis=1)))
    np.testing.assert_allclose(weights, 0.5, atol=0.05)


def test_newer_origins_count_more() -> None:
    old, new = errors_of([1.0, 2.0]), errors_of([2.0, 1.0])
    (weights,) = chosen_weights(rolled_of(np.concatenate([old, new])))
    assert weights[1] > weights[0]


def test_without_anything_known_all_are_equal() -> None:
    np.testing.assert_array_equal(chosen_weights(rolled_of(np.full((2, 3, 1, 2), np.nan))), equal_weights(3))


def test_weights_join_models_for_all_or_for_each() -> None:
    said = np.arange(12.0).reshape(2, 3, 2)  # (m, s, h)
    np.testing.assert_allclose(combined(said, np.array([[0.25, 0.75]])), 0.25 * said[0] + 0.75 * said[1])
    each = np.array([[1.0, 0.0], [0.0, 1.0], [0.5, 0.5]])
    np.testing.assert_allclose(combined(said, each), [said[0, 0], said[1, 1], said[:, 2].mean(axis=0)])
