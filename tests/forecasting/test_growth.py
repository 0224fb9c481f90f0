"""What is learned across series: the second signal leads, others tell, and nothing is learned from nothing."""

from __future__ import annotations

import numpy as np
import pytest

from modaloom.forecasting.classic import Shape
from modaloom.forecasting.contract import Forecaster
from modaloom.forecasting.growth import BOUNDS, Growth, least_absolute
from modaloom.testing.forecasts import ForecasterSuite, led, named, seasonal


class TestAttention(ForecasterSuite):
    def make_forecaster(self) -> Forecaster:
        return Growth("attention", attends=True)


def error(said: np.ndarray, truth: np.ndarray) -> float:
    return float(np.abs(np.log(said / truth)).mean())


@pytest.mark.parametrize("attends", [False, True])
def test_a_leading_signal_is_read(attends: bool) -> None:
    main, leader = led()
    past, truth = named(main[:, :209], leader[:, :209]), main[:, 209:235]
    model = Growth("g", attends)
    with_leader = error(model.forecast(past, season=52, horizon=26), truth)
    without = error(model.forecast(named(past.values), season=52, horizon=26), truth)
    base = error(Shape().forecast(past, season=52, horizon=26), truth)
    assert with_leader < 0.95 * without < 0.95 * base


def test_series_like_it_tell_what_a_series_does() -> None:
    """Two camps whose members move together, each member's own growth hidden by noise."""
    rng = np.random.default_rng(1)
    camps = np.cumsum(0.4 * rng.standard_normal((2, 8)), axis=1)
    slow = np.stack([np.interp(np.arange(261) / 52, np.arange(8), camp) for camp in camps])
    main = 10 * np.exp(np.repeat(slow, 30, axis=0) + 0.05 * rng.standard_normal((60, 261)))
    lead = np.stack([np.interp(np.arange(261) / 52 + 0.5, np.arange(8), camp) for camp in camps])
    leader = 10 * np.exp(np.repeat(lead, 30, axis=0) + rng.standard_normal((60, 1, 1))[:, 0] * 0.0)
    leader *= np.exp(0.5 * np.repeat(rng.standard_normal((60, 6)), 44, axis=1)[:, :261])
    past, truth = named(main[:, :209], leader[:, :209]), main[:, 209:235]
    alone = error(Growth().forecast(past, season=52, horizon=26), truth)
    together = error(Growth("a", attends=True).forecast(past, season=52, horizon=26), truth)
    assert together < alone


def test_a_short_past_teaches_nothing() -> None:
    past = named(seasonal(4, 70, 0.1))
    model = Growth()
    assert model._learn(past.values, None, 52, 52) is None
    np.testing.assert_allclose(
        model.forecast(past, season=52, horizon=52), Shape().forecast(past, season=52, horizon=52)
    )


def test_series_that_never_change_teach_nothing() -> None:
    said = Growth().forecast(named(np.full((3, 209), 2.0)), season=52, horizon=10)
    np.testing.assert_allclose(said, 2.0)


def test_nothing_moves_further_than_its_bounds() -> None:
    values = seasonal(5, 209, 0.1) * np.exp(np.arange(209) / 20)
    base = Shape().forecast(named(values), season=52, horizon=52)
    said = Growth().forecast(named(values), season=52, horizon=52)
    ratio = said / base - 1
    assert ratio.min() >= BOUNDS[0] - 1e-9
    assert ratio.max() <= BOUNDS[1] + 1e-9


def test_least_absolute_errors_pass_over_outliers() -> None:
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((500, 2))
    wanted = rows @ [1.0, -2.0]
    wanted[::10] += 50
    np.testing.assert_allclose(least_absolute(rows, wanted, 1e-6), [1, -2], atol=0.05)
    np.testing.assert_allclose(least_absolute(rows, wanted, 1e6), 0, atol=0.01)
