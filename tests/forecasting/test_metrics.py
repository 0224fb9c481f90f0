"""Metrics of forecasts: known values, and what must hold for any series."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from modaloom.forecasting.metrics import (
    coverage,
    direction_accuracy,
    mase,
    mean_known,
    naive_scale,
    pooled_mase,
    smape,
)

NUMBERS = st.floats(-1e3, 1e3, allow_subnormal=False, width=32)
"""Nothing as small as 1e-300, whose ratios to larger ones no double holds."""
TRAIN = arrays(np.float64, (3, 12), elements=NUMBERS)
FUTURE = arrays(np.float64, (3, 5), elements=NUMBERS)


def test_mase_by_hand() -> None:
    train = np.array([[1.0, 2.0, 2.0, 4.0]])  # season 2: |2-1|, |4-2| -> 1.5
    assert naive_scale(train, 2)[0] == 1.5
    assert mase(np.array([[3.0, 3.0]]), np.array([[0.0, 6.0]]), train, 2)[0] == 2.0


def test_the_pool_is_a_mean_of_ratios_over_series_that_have_one() -> None:
    assert pooled_mase(np.array([0.5, 1.5, np.nan])) == 1.0
    assert np.isnan(pooled_mase(np.array([np.nan])))


@given(TRAIN, FUTURE, FUTURE, st.floats(0.1, 50))
def test_mase_does_not_depend_on_the_unit(train: np.ndarray, actual: np.ndarray, said: np.ndarray, unit: float) -> None:
    np.testing.assert_allclose(
        mase(unit * actual, unit * said, unit * train, 4), mase(actual, said, train, 4), rtol=1e-6, atol=1e-9
    )


@given(TRAIN, FUTURE)
def test_a_perfect_forecast_has_no_error(train: np.ndarray, actual: np.ndarray) -> None:
    found = mase(actual, actual, train, 4)
    assert (found[np.isfinite(found)] == 0).all()
    assert (smape(actual, actual) == 0).all()
    assert coverage(actual, actual, actual) == 1.0


@given(FUTURE, FUTURE)
def test_smape_lies_between_0_and_2_and_is_symmetric(actual: np.ndarray, said: np.ndarray) -> None:
    found = smape(actual, said)
    assert ((found >= 0) & (found <= 2)).all()
    np.testing.assert_allclose(found, smape(said, actual))


@given(TRAIN, FUTURE, FUTURE)
def test_directions_that_are_right_are_wrong_upside_down(
    train: np.ndarray, actual: np.ndarray, said: np.ndarray
) -> None:
    right = direction_accuracy(actual, said, train, 4)
    wrong = direction_accuracy(-actual, said, -train, 4)
    assert np.isnan(right) or 0 <= right <= 1
    assert np.isnan(wrong) or 0 <= wrong <= 1


def test_directions_by_hand() -> None:
    train = np.array([[1.0, 3.0], [1.0, 3.0], [1.0, 3.0]])
    actual = np.array([[2.0, 4.0], [0.0, 1.0], [1.0, 3.0]])  # up, down, neither
    assert direction_accuracy(actual, np.array([[5.0, 5.0], [5.0, 5.0], [5.0, 5.0]]), train, 2) == 0.5
    assert direction_accuracy(actual, actual, train, 2) == 1.0
    assert np.isnan(direction_accuracy(actual[2:], actual[2:], train[2:], 2))


def test_the_season_is_no_direction() -> None:
    """From a peak the next steps go down every year; that is no falling trend."""
    train = np.array([[10.0, 1.0, 10.0, 1.0, 10.0]])
    assert direction_accuracy(np.array([[2.0]]), np.array([[1.5]]), train, 2) == 1.0


def test_what_is_unknown_counts_nowhere() -> None:
    train, nan = np.array([[1.0, 2.0, np.nan, 4.0]]), np.nan
    assert naive_scale(train, 2)[0] == 2.0
    assert mase(np.array([[nan, 3.0]]), np.array([[9.0, 1.0]]), train, 2)[0] == 1.0
    assert coverage(np.array([[nan, 3.0]]), np.array([[9.0, 1.0]]), np.array([[9.0, 4.0]])) == 1.0
    assert np.isnan(mean_known(np.array([[nan, nan]]))[0])
    assert np.isnan(coverage(np.array([[nan]]), np.array([[0.0]]), np.array([[1.0]])))


@pytest.mark.parametrize("train", [np.full((1, 8), 3.1), np.arange(3.0)[None], 1e9 + 1e-8 * np.arange(8.0)[None] % 2])
def test_what_never_changes_or_is_too_short_has_no_yardstick(train: np.ndarray) -> None:
    assert np.isnan(naive_scale(train, 4)[0])
