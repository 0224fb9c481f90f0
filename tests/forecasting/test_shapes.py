"""Level and shape of series whose level and shape are known."""

from __future__ import annotations

import numpy as np
import pytest

from modaloom.forecasting import shapes
from modaloom.forecasting.shapes import attend, lifted, season_shape, smoothed, take_apart
from modaloom.testing.forecasts import seasonal


@pytest.mark.parametrize(("season", "steps"), [(52, 209), (52, 104), (7, 120), (12, 60), (2, 30)])
def test_a_pure_season_is_found(season: int, steps: int) -> None:
    whole = seasonal(5, steps + season, season=season)
    parts = take_apart(whole[:, :steps], season)
    np.testing.assert_allclose(parts.ahead(season), whole[:, steps:], rtol=0.04)
    np.testing.assert_allclose(parts.shape.mean(axis=1), 1.0)


def test_without_a_season_the_shape_is_flat() -> None:
    parts = take_apart(np.full((2, 40), 3.0), 1)
    np.testing.assert_allclose(parts.ahead(5), 3.0)


def test_others_steady_a_noisy_shape(monkeypatch: pytest.MonkeyPatch) -> None:
    """Twenty series with one season under much noise: with the others the shape is closer to the truth."""
    rng = np.random.default_rng(0)
    truth = 1 + 0.5 * np.sin(2 * np.pi * np.arange(52) / 52)
    noisy = np.maximum(np.tile(truth, 3) * (1 + 0.6 * rng.standard_normal((20, 156))), 0)
    together = np.abs(season_shape(noisy, 52) - truth).mean()
    alone = np.mean([np.abs(season_shape(noisy[row : row + 1], 52) - truth).mean() for row in range(20)])
    assert together < 0.9 * alone


def test_a_trend_is_not_taken_for_a_season() -> None:
    line = 5 + 0.1 * np.arange(208)[None]
    np.testing.assert_allclose(season_shape(line, 52), 1.0, atol=0.01)


def test_seasons_from_before_it_began_say_nothing() -> None:
    whole = seasonal(1, 208)
    young = whole.copy()
    young[:, :104] = 0.0
    np.testing.assert_allclose(season_shape(young, 52), season_shape(whole, 52), atol=0.12)


def test_a_series_never_attends_to_itself() -> None:
    keys = np.array([[1.0, 0.0], [1.0, 0.1], [-1.0, 0.0]])
    said = attend(keys, np.array([[1.0], [2.0], [3.0]]), 0.1)
    assert said[0, 0] == pytest.approx(2.0, abs=1e-6)
    assert said[1, 0] == pytest.approx(1.0, abs=1e-6)
    assert 1.0 < said[2, 0] < 2.0


def test_many_series_attend_to_some(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shapes, "MAX_KEYS", 4)
    keys = np.random.default_rng(0).standard_normal((11, 3))
    said = attend(keys, np.ones((11, 2)), 0.1)
    np.testing.assert_allclose(said, 1.0)


def test_what_falls_below_zero_is_lifted_and_the_rest_is_not() -> None:
    values = np.array([[-2.0, 4.0], [0.0, 4.0]])
    raised, lift = lifted(values)
    assert raised.min() >= 0
    np.testing.assert_array_equal(raised - lift, values)
    assert lift[1, 0] == 0


def test_smoothing_goes_round_and_keeps_the_mean() -> None:
    profile = np.random.default_rng(0).uniform(0, 2, (3, 52))
    np.testing.assert_allclose(smoothed(profile, 9).mean(axis=1), profile.mean(axis=1))
    np.testing.assert_array_equal(smoothed(profile, 1), profile)
