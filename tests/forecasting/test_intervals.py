"""Intervals hold what they promise on data that they were not made from."""

from __future__ import annotations

import numpy as np
import pytest

from modaloom.forecasting.backtest import Rolled
from modaloom.forecasting.contract import Values
from modaloom.forecasting.intervals import calibrated, uncalibrated
from modaloom.forecasting.metrics import coverage


def rolled_of(errors: Values) -> Rolled:
    """A back-test with these errors (o, m, s, h) of forecasts of zero."""
    origins, _, series, horizon = errors.shape
    return Rolled(tuple(range(origins)), horizon, 2, 0 * errors, errors[:, 0], np.ones((origins, series)))


@pytest.mark.parametrize("level", [0.5, 0.8, 0.95])
def test_fresh_errors_of_the_same_kind_are_covered(level: float) -> None:
    rng = np.random.default_rng(0)
    sizes = rng.uniform(0.3, 3, (60, 1)) * np.linspace(1, 2, 30)
    draws = sizes * rng.standard_normal((5, 60, 30))
    rolled = rolled_of(draws[:4, None])
    positive = np.zeros(60, dtype=bool)
    made = calibrated(rolled, np.zeros((4, 60, 30)), level, positive)
    lower, upper = made.interval(np.zeros((60, 30)), np.ones(60), positive)
    assert coverage(draws[4], lower, upper) == pytest.approx(level, abs=0.04)
    width = (upper - lower).mean(axis=1)
    assert np.corrcoef(width, sizes[:, 0])[0, 1] > 0.8, "who was further off has the wider band"
    assert (upper - lower)[:, -1].mean() > 1.4 * (upper - lower)[:, 0].mean(), "the far future is less sure"


def test_lopsided_errors_give_lopsided_bands() -> None:
    draws = np.random.default_rng(0).exponential(1.0, (4, 30, 20))
    made = calibrated(rolled_of(draws[:, None]), np.zeros((4, 30, 20)), 0.8, np.zeros(30, dtype=bool))
    assert made.high.mean() > 5 * -made.low.mean()


def test_positive_series_have_no_band_below_zero_and_wider_bands_higher_up() -> None:
    made = uncalibrated(2, 4)
    mean = np.array([[0.1, 1.0, 4.0, 9.0], [0.1, 1.0, 4.0, 9.0]])
    lower, upper = made.interval(mean, np.ones(2), np.array([True, False]))
    assert lower[0].min() == 0.0
    assert lower[1].min() < 0.0
    assert (np.diff(upper[0] - mean[0])[1:] > 0).all()


def test_beyond_the_back_test_the_band_goes_on_widening() -> None:
    made = uncalibrated(1, 4)
    lower, upper = made.interval(np.full((1, 16), 50.0), np.ones(1), np.array([True]))
    width = (upper - lower)[0]
    assert width[3] == pytest.approx(width[0])
    assert width[15] == pytest.approx(2 * width[3])


def test_nothing_known_gives_no_width() -> None:
    nothing = np.full((2, 1, 1, 3), np.nan)
    made = calibrated(rolled_of(nothing), np.zeros((2, 1, 3)), 0.8, np.array([True]))
    lower, upper = made.interval(np.ones((1, 3)), np.zeros(1), np.array([True]))
    np.testing.assert_array_equal(lower, upper)
