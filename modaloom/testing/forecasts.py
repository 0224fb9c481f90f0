"""A conformance suite for whoever plugs in a forecaster, and series whose future is known."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from modaloom.forecasting.contract import Forecaster, SeriesSet

Values = npt.NDArray[np.float64]


def named(values: Values, aux: Values | None = None) -> SeriesSet:
    """Series with made-up names."""
    return SeriesSet(tuple(f"s{row}" for row in range(len(values))), values, aux)


def seasonal(series: int = 4, steps: int = 209, noise: float = 0.0, season: int = 52, seed: int = 0) -> Values:
    """Waves around levels of their own, (s, t), never below zero."""
    rng = np.random.default_rng(seed)
    level = rng.uniform(5, 20, (series, 1))
    wave = np.sin(2 * np.pi * (np.arange(steps) / season + rng.uniform(0, 1, (series, 1))))
    values: Values = level * (1 + 0.4 * wave + noise * rng.standard_normal((series, steps)))
    return np.maximum(values, 0.0)


def led(series: int = 30, steps: int = 261, seed: int = 0) -> tuple[Values, Values]:
    """Levels, and a second signal that is half a year of weeks ahead of them: (s, t) each."""
    rng = np.random.default_rng(seed)
    knots = np.cumsum(0.35 * rng.standard_normal((series, steps // 52 + 3)), axis=1)
    at = np.arange(steps + 40) / 52
    leader = np.stack([np.interp(at, np.arange(knots.shape[1]), line) for line in knots])
    noise = 0.05 * rng.standard_normal((2, series, steps))
    main: Values = 10 * np.exp(leader[:, :steps] + noise[0])
    second: Values = 8 * np.exp(leader[:, 26 : steps + 26] + noise[1])
    return main, second


class ForecasterSuite:
    """What every forecaster must do; a subclass says how one is made."""

    def make_forecaster(self) -> Forecaster:
        """The forecaster under test."""
        raise NotImplementedError

    def test_it_is_a_forecaster(self) -> None:
        """It has a name and the one method."""
        made = self.make_forecaster()
        assert isinstance(made, Forecaster)
        assert made.name

    def test_it_answers_every_horizon(self) -> None:
        """One finite number for each series and step, for any season."""
        for season, horizon in ((52, 1), (52, 60), (7, 20)):
            series = named(seasonal(3, 120, 0.1, season))
            said = self.make_forecaster().forecast(series, season=season, horizon=horizon)
            assert said.shape == (3, horizon)
            assert np.isfinite(said).all()

    def test_it_says_the_same_twice(self) -> None:
        """Equal input gives equal output."""
        series = named(seasonal(3, 160, 0.1))
        first = self.make_forecaster().forecast(series, season=52, horizon=10)
        np.testing.assert_array_equal(first, self.make_forecaster().forecast(series, season=52, horizon=10))

    def test_it_leaves_its_input_alone(self) -> None:
        """What is handed over is not changed."""
        values = seasonal(3, 160, 0.1)
        before = values.copy()
        self.make_forecaster().forecast(named(values), season=52, horizon=10)
        np.testing.assert_array_equal(values, before)

    def test_it_copes_with_zeros_and_constants(self) -> None:
        """Series that never change are forecast as they are, within a tenth."""
        values = np.stack([np.zeros(120), np.full(120, 3.0)])
        said = self.make_forecaster().forecast(named(values), season=52, horizon=10)
        np.testing.assert_allclose(said, values[:, :10], atol=0.3)
