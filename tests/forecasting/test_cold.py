"""Newcomers look like their neighbours, at their own height."""

from __future__ import annotations

import numpy as np
import pytest

from modaloom.errors import ForecastError
from modaloom.forecasting.cold import cold_forecast
from modaloom.testing.forecasts import named, seasonal


def test_the_shape_is_that_of_the_neighbours_that_count() -> None:
    whole = seasonal(4, 156)
    made = cold_forecast(named(whole[:, :104]), np.array([0.0, 2.0, 0.0, 0.0]), horizon=52)
    np.testing.assert_allclose(made.mean, whole[1, 104:], rtol=1e-6)
    assert made.neighbours == 1.0


def test_the_size_may_be_known() -> None:
    series = named(seasonal(4, 104, 0.1))
    made = cold_forecast(series, np.ones(4), horizon=52, size=3.0)
    assert made.mean.mean() == pytest.approx(3.0)
    assert made.neighbours == pytest.approx(4.0)
    free = cold_forecast(series, np.ones(4), horizon=52)
    assert (free.upper - free.lower).mean() / free.mean.mean() > (made.upper - made.lower).mean() / 3.0


def test_the_band_holds_the_mean_and_widens_with_the_level() -> None:
    series = named(seasonal(9, 104, 0.2))
    narrow, wide = (cold_forecast(series, np.ones(9), level=level) for level in (0.4, 0.9))
    for made in (narrow, wide):
        assert (made.lower <= made.mean).all()
        assert (made.mean <= made.upper).all()
        assert made.mean.shape == (26,)
    assert (wide.upper >= narrow.upper - 1e-12).all()


def test_launches_are_aligned() -> None:
    curve = np.array([4.0, 3.0, 2.0, 1.0, 1.0])
    values = np.zeros((3, 40))
    for row, first in enumerate((5, 20, 38)):
        length = min(5, 40 - first)
        values[row, first : first + length] = curve[:length]
    made = cold_forecast(named(values), np.ones(3), horizon=5, align="launch")
    np.testing.assert_allclose(made.mean, curve)
    assert made.neighbours == 2.0, "the third is too young"


@pytest.mark.parametrize("weights", [np.zeros(2), np.ones(3), np.array([1.0, -1.0]), np.array([1.0, np.nan])])
def test_weights_that_cannot_be(weights: np.ndarray) -> None:
    with pytest.raises(ForecastError):
        cold_forecast(named(seasonal(2, 104)), weights)


def test_neighbours_without_a_past_are_no_help() -> None:
    with pytest.raises(ForecastError, match="no neighbour"):
        cold_forecast(named(seasonal(2, 20)), np.ones(2))
    with pytest.raises(ForecastError, match="no neighbour"):
        cold_forecast(named(np.zeros((2, 104))), np.ones(2))
