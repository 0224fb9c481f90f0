"""The whole way: series in, forecasts with intervals out; hard series, short ones, and the real ones of HERMES."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from modaloom.errors import ForecastError
from modaloom.forecasting.contract import Forecast, SeriesSet, Values
from modaloom.forecasting.forecast import forecast
from modaloom.forecasting.metrics import coverage, mase, pooled_mase
from modaloom.forecasting.series import read_series
from modaloom.testing.forecasts import led, named, seasonal

HERMES = Path(os.environ.get("MODALOOM_REAL_DATA", Path(__file__).parents[3] / "shared" / "data")) / "hermes"


def sound(made: Forecast, horizon: int) -> None:
    """What holds for every forecast."""
    claimed = ~made.abstained
    assert made.mean.shape == made.lower.shape == made.upper.shape == (len(made.names), horizon)
    assert np.isfinite(made.mean[claimed]).all()
    assert (made.lower[claimed] <= made.upper[claimed]).all()
    assert np.isnan(made.mean[made.abstained]).all()
    np.testing.assert_allclose(made.weights.sum(axis=1), 1.0)


def hard_series() -> dict[str, Values]:
    rng = np.random.default_rng(0)
    wave = seasonal(3, 209, 0.1)
    holes, late, spike = wave.copy(), wave.copy(), wave.copy()
    holes[rng.random(holes.shape) < 0.2] = np.nan
    holes[0, 60:100] = np.nan
    late[0, :80] = np.nan
    spike[0, -1] = 1e6
    return {
        "zeros": np.zeros((2, 209)),
        "constant and wave": np.concatenate([np.full((1, 209), 3.0), wave]),
        "gaps": holes,
        "late": late,
        "negative": wave - 20,
        "tiny": wave * 1e-12,
        "huge": wave * 1e15,
        "spike": spike,
        "rare": (rng.random((5, 209)) < 0.05) * 1.0,
        "newly born": np.where(np.arange(209) < 150, 0.0, wave),
        "one": wave[:1],
        "long": seasonal(1, 3_000, 0.1),
    }


@pytest.mark.parametrize("kind", hard_series())
def test_hard_series_get_sound_forecasts(kind: str) -> None:
    values = hard_series()[kind]
    made = forecast(named(values, np.abs(values)), horizon=20)
    sound(made, 20)
    assert not made.abstained.any()
    size = np.nanmax(np.abs(values), axis=1)
    assert (np.abs(made.mean).max(axis=1) <= 4 * size + 1e-9).all()
    if kind == "spike":
        assert made.mean[0].max() < 200
    if np.nanmin(values) >= 0:
        assert made.lower.min() >= 0


@pytest.mark.parametrize(
    ("season", "steps", "horizon"), [(7, 120, 28), (7, 14, 28), (12, 60, 12), (1, 60, 9), (52, 105, 52)]
)
def test_any_season(season: int, steps: int, horizon: int) -> None:
    sound(forecast(named(seasonal(3, steps, 0.1, max(season, 2))), season=season, horizon=horizon), horizon)


def test_too_short_is_no_forecast_and_says_so() -> None:
    values = seasonal(3, 120, 0.1)
    values[1, :30] = np.nan
    made = forecast(named(values), horizon=10)
    sound(made, 10)
    assert made.abstained.tolist() == [False, True, False]
    assert made.backtest is not None
    assert np.isnan(made.backtest.series_mase[1])
    assert np.isnan(made.backtest.mean[1]).all()
    nothing = forecast(named(values[:, :50]), horizon=10)
    assert nothing.abstained.all()
    assert nothing.backtest is None


def test_two_steps_without_a_season_have_a_forecast_without_back_test() -> None:
    made = forecast(named(np.array([[1.0, 2.0]])), season=1, horizon=3)
    sound(made, 3)
    assert made.backtest is None
    assert (made.upper > made.lower).all()


@pytest.mark.parametrize("slope", [0.1, -0.1])
def test_a_pure_trend_goes_on(slope: float) -> None:
    line = 30 + slope * np.arange(261)
    made = forecast(named(line[None, :209]), horizon=52)
    before = np.abs(line[209:] - line[157:209]).mean()
    assert np.abs(made.mean[0] - line[209:]).mean() < 0.4 * before


def test_a_level_shift_does_not_blow_up_the_band() -> None:
    rng = np.random.default_rng(0)
    line = np.where(np.arange(209) < 130, 5.0, 9.0) + 0.1 * rng.standard_normal(209)
    made = forecast(named(line[None]), horizon=52)
    assert np.abs(made.mean[0] - 9).mean() < 1.5
    assert made.upper.max() < 30


def test_intervals_cover_and_the_ensemble_beats_the_naive_forecast() -> None:
    values, leader = led(40, 261)
    values = values * np.exp(0.1 * np.random.default_rng(5).standard_normal(values.shape))
    past = named(values[:, :209], leader[:, :209])
    made = forecast(past, horizon=52)
    actual = values[:, 209:]
    assert 0.65 < coverage(actual, made.lower, made.upper) < 0.95
    naive = past.values[:, -52:]
    ours = pooled_mase(mase(actual, made.mean, past.values, 52))
    assert ours < 0.85 * pooled_mase(mase(actual, naive, past.values, 52))
    assert made.backtest is not None
    assert made.backtest.mase.shape == (5, len(made.models))
    assert made.backtest.mean.shape == (40, 52)
    assert 0.7 < made.backtest.coverage < 0.9


def test_a_higher_level_is_wider() -> None:
    past = named(seasonal(4, 209, 0.2))
    narrow, wide = (forecast(past, horizon=10, level=level) for level in (0.5, 0.95))
    assert ((wide.upper - wide.lower) >= (narrow.upper - narrow.lower) - 1e-12).all()


def test_the_future_is_never_seen() -> None:
    """Whatever comes after the cut, the forecast is the same to the last bit."""
    values = seasonal(3, 261, 0.2)
    other = values.copy()
    other[:, 209:] = 1e3
    first, second = (forecast(named(one, one).until(209), horizon=52) for one in (values, other))
    np.testing.assert_array_equal(first.mean, second.mean)
    np.testing.assert_array_equal(first.upper, second.upper)


@dataclass
class Flat:
    name: str = "flat"

    def forecast(self, series: SeriesSet, *, season: int, horizon: int) -> Values:
        return np.full((len(series.names), horizon), 7.0)


def test_a_forecaster_of_ones_own_joins_the_pool() -> None:
    made = forecast(
        named(np.full((1, 120), 7.0) + seasonal(1, 120, 0.1) * 0), horizon=5, models=["seasonal-naive", Flat()]
    )
    assert made.models == ("seasonal-naive", "flat")
    np.testing.assert_allclose(made.mean, 7.0)
    alone = forecast(named(seasonal(2, 209, 0.1)), horizon=5, models=[Flat()])
    np.testing.assert_allclose(alone.weights, [[1.0]])


@pytest.mark.parametrize(
    ("options", "says"),
    [({"horizon": 0}, "at least 1"), ({"season": 0}, "at least 1"), ({"level": 1.0}, "between 0 and 1")],
)
def test_options_out_of_range(options: dict[str, int], says: str) -> None:
    with pytest.raises(ForecastError, match=says):
        forecast(named(np.ones((1, 120))), **options)


def test_nothing_to_forecast() -> None:
    with pytest.raises(ForecastError, match="no series"):
        forecast(SeriesSet((), np.zeros((0, 5))))


def test_progress_is_told() -> None:
    heard: list[str] = []
    forecast(named(seasonal(1, 209)), horizon=5, progress=lambda what, done, total: heard.append(what))
    assert {"looking back", "forecasting"} <= set(heard)


@pytest.mark.real
def test_hermes_within_the_training_part() -> None:
    """The bar of the benchmark, asked of weeks 158 to 209: what is held out there is not read here."""
    if not HERMES.is_dir():
        pytest.skip(f"{HERMES} is absent")
    whole = read_series(
        HERMES / "f1_main_100_sequences.csv", aux=HERMES / "f1_fashion_forward_100_sequences.csv"
    ).until(209)
    made = forecast(whole.until(157), horizon=52)
    actual = whole.values[:, 157:]
    assert pooled_mase(mase(actual, made.mean, whole.values[:, :157], 52)) < 0.66
    assert 0.76 < coverage(actual, made.lower, made.upper) < 0.84


@pytest.mark.parametrize("season", [1, 2, 3, 4, 12])
@pytest.mark.parametrize("length", [1, 2, 3, 5, 9, 24, 30])
def test_short_seasons_and_lengths_are_answered_or_abstained_from(season: int, length: int) -> None:
    values = np.random.default_rng(0).poisson(5, (3, length)).astype(float)
    for horizon in (1, 52):
        made = forecast(SeriesSet(("a", "b", "c"), values), season=season, horizon=horizon)
        assert np.isfinite(made.mean[~made.abstained]).all()
        assert made.abstained.all() == (length < 2 * season)


@pytest.mark.parametrize("size", [1e200, -1e200, 1e-200])
def test_an_absurd_series_is_named_and_the_others_are_answered(size: float) -> None:
    good = np.tile([10.0, 11, 12, 13], 6)
    made = forecast(SeriesSet(("good", "bad"), np.stack([good, good * size])), season=4, horizon=4)
    assert made.absurd is not None
    assert made.absurd.tolist() == [False, True]
    assert made.abstained.tolist() == [False, True]
    alone = forecast(SeriesSet(("good",), good[None]), season=4, horizon=4)
    assert np.allclose(made.mean[0], alone.mean[0])
