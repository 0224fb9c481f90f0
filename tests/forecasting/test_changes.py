"""Level shifts and alerts that were planted are found, and nothing else is."""

from __future__ import annotations

import numpy as np
import pytest

from modaloom.forecasting.changes import alerts, change_points
from modaloom.testing.forecasts import named, seasonal


def noise(seed: int, steps: int = 200) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(steps)


@pytest.mark.parametrize("seed", range(10))
def test_a_planted_shift_is_found_where_it_is(seed: int) -> None:
    line = np.where(np.arange(200) < 120, 5.0, 8.0) + noise(seed)
    found = change_points(line)
    assert len(found) == 1
    assert abs(found[0] - 120) <= 3


def test_white_noise_has_no_change_points() -> None:
    assert sum(len(change_points(noise(seed))) for seed in range(40)) <= 1


def test_noise_that_hangs_together_seldom_has_any() -> None:
    found = 0
    for seed in range(30):
        steps, line = noise(seed), np.zeros(200)
        for at in range(1, 200):
            line[at] = 0.6 * line[at - 1] + steps[at]
        found += len(change_points(line)) > 0
    assert found <= 4


def test_a_season_is_no_change_unless_it_is_said_to_be_none() -> None:
    line = seasonal(1, 208)[0] + 0.1 * noise(0, 208)
    assert change_points(line, season=52) == ()
    assert len(change_points(line)) > 0
    shifted = line + np.where(np.arange(208) < 100, 0.0, 6.0)
    (found,) = change_points(shifted, season=52)
    assert abs(found - 100) <= 6


def test_two_shifts_gaps_and_what_is_too_short() -> None:
    line = 5 + 4.0 * ((np.arange(200) >= 60) & (np.arange(200) < 140)) + 0.5 * noise(1)
    line[100:104] = np.nan
    assert [round(at, -1) for at in change_points(line)] == [60, 140]
    assert change_points(line[:5]) == ()
    assert change_points(np.full(50, 2.0)) == ()
    assert change_points(np.full(50, np.nan)) == ()


def test_alerts_name_what_is_new_rises_and_falls() -> None:
    values = seasonal(6, 156, 0.05, seed=3)
    values[0] = 0.0
    values[0, -3:] = 2.0
    values[1, -4:] *= 2.5
    values[2, -4:] *= 0.2
    found = {alert.name: alert for alert in alerts(named(values))}
    assert found["s0"].kind == "new"
    assert found["s0"].step == 153
    assert found["s1"].kind == "rise"
    assert found["s2"].kind == "fall"
    assert set(found) == {"s0", "s1", "s2"}
    assert alerts(named(values))[0].name == "s0"


def test_ordinary_series_are_quiet() -> None:
    assert len(alerts(named(seasonal(60, 156, 0.1)))) <= 3
    assert alerts(named(np.zeros((2, 50)))) == ()
    assert alerts(named(np.ones((2, 5)))) == ()
    assert alerts(named(np.ones((1, 9)))) == ()
