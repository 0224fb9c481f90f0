"""Per-series models on series whose future is known."""

from __future__ import annotations

import numpy as np
import pytest

from modaloom.forecasting.classic import Ets, SeasonalMean, SeasonalNaive, Shape, Theta, smoothed_states
from modaloom.forecasting.contract import Forecaster
from modaloom.testing.forecasts import ForecasterSuite, named, seasonal


class TestShape(ForecasterSuite):
    def make_forecaster(self) -> Forecaster:
        return Shape()


class TestTheta(ForecasterSuite):
    def make_forecaster(self) -> Forecaster:
        return Theta()


class TestEts(ForecasterSuite):
    def make_forecaster(self) -> Forecaster:
        return Ets()


ALL = (SeasonalNaive(), SeasonalMean(), Shape(), Theta(), Ets())


@pytest.mark.parametrize("model", ALL, ids=lambda model: model.name)
def test_a_pure_season_goes_on(model: Forecaster) -> None:
    whole = seasonal(3, 261)
    said = model.forecast(named(whole[:, :209]), season=52, horizon=52)
    np.testing.assert_allclose(said, whole[:, 209:], rtol=0.06)


@pytest.mark.parametrize("model", ALL, ids=lambda model: model.name)
def test_series_below_zero_are_no_problem(model: Forecaster) -> None:
    whole = seasonal(3, 261) - 30
    said = model.forecast(named(whole[:, :209]), season=52, horizon=52)
    assert np.abs(said - whole[:, 209:]).mean() < 0.05 * (whole.max() - whole.min())


@pytest.mark.parametrize("model", ALL, ids=lambda model: model.name)
@pytest.mark.parametrize(("season", "horizon"), [(52, 1), (52, 130), (7, 20), (1, 5)])
def test_any_horizon(model: Forecaster, season: int, horizon: int) -> None:
    said = model.forecast(named(seasonal(2, 209, 0.1)), season=season, horizon=horizon)
    assert said.shape == (2, horizon)
    assert np.isfinite(said).all()
    assert (said >= 0).all()


def test_the_naive_forecast_is_the_last_season() -> None:
    values = np.arange(10.0)[None]
    np.testing.assert_array_equal(
        SeasonalNaive().forecast(named(values), season=4, horizon=6), [[6.0, 7.0, 8.0, 9.0, 6.0, 7.0]]
    )
    np.testing.assert_array_equal(SeasonalMean(seasons=2).forecast(named(values), season=4, horizon=2), [[4.0, 5.0]])


def test_smoothing_follows_a_trend_and_theta_half_of_it() -> None:
    line = (5 + 0.1 * np.arange(209))[None]
    truth = 5 + 0.1 * np.arange(209, 261)
    np.testing.assert_allclose(Ets().forecast(named(line), season=52, horizon=52)[0], truth, rtol=0.01)
    half = Theta().forecast(named(line), season=52, horizon=52)[0]
    assert half[-1] - half[0] == pytest.approx(0.05 * 51, rel=0.1)


def test_a_level_shift_is_followed() -> None:
    rng = np.random.default_rng(0)
    line = np.where(np.arange(209) < 130, 5.0, 9.0) + 0.05 * rng.standard_normal(209)
    said = Ets().forecast(named(line[None]), season=52, horizon=20)
    assert np.abs(said - 9).mean() < 0.6


def test_nothing_runs_away() -> None:
    burst = np.concatenate([np.full(200, 1.0), 2.0 ** np.arange(8)])[None]
    said = Ets().forecast(named(burst), season=52, horizon=200)
    assert said.max() < 10 * burst.max()


def test_the_best_kind_is_chosen_for_each_series() -> None:
    steps = np.arange(80.0)
    values = np.stack([steps, np.full(80, 4.0)])
    level, trend, damping = smoothed_states(values, [(0.5, 0.0, 1.0), (0.5, 0.2, 1.0)])
    np.testing.assert_allclose(level, [79, 4], atol=0.2)
    np.testing.assert_allclose(trend, [1, 0], atol=0.05)
    assert (damping == 1).all()
