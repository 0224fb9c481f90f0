"""Gaps are filled by what is known, and slips of a digit cut down."""

from __future__ import annotations

import numpy as np
import pytest

from modaloom.forecasting.gaps import fill_gaps, filled, long_enough, tame
from modaloom.testing.forecasts import named, seasonal


def test_a_short_gap_is_a_line() -> None:
    line = np.arange(20.0)[None]
    holes = line.copy()
    holes[0, 7:9] = np.nan
    np.testing.assert_allclose(fill_gaps(holes, 12), line)


@pytest.mark.parametrize("gap", [slice(60, 100), slice(0, 52), slice(120, 156), slice(0, 104)])
def test_a_long_gap_keeps_the_season(gap: slice) -> None:
    whole = seasonal(2, 156)
    holes = whole.copy()
    holes[:, gap] = np.nan
    np.testing.assert_allclose(fill_gaps(holes, 52), whole, rtol=1e-6)


def test_what_is_known_stays_and_nothing_known_is_zero() -> None:
    values = seasonal(3, 110)
    values[0] = np.nan
    values[1, ::3] = np.nan
    result = fill_gaps(values, 52)
    known = ~np.isnan(values)
    np.testing.assert_array_equal(result[known], values[known])
    assert not result[0].any()
    assert np.isfinite(result).all()


def test_both_signals_are_filled() -> None:
    values = seasonal(2, 110)
    aux = np.full_like(values, np.nan)
    result = filled(named(values, aux), 52)
    assert result.aux is not None
    assert np.isfinite(result.aux).all()


def test_two_seasons_from_the_first_known_value_on_are_enough() -> None:
    values = np.ones((5, 110))
    values[1, :7] = np.nan  # 103 steps are left
    values[2, :6] = np.nan
    values[3] = np.nan
    values[4, 1:80] = np.nan  # mostly a gap
    np.testing.assert_array_equal(long_enough(values, 52), [True, False, True, False, False])


def test_a_slip_of_a_digit_is_cut_down_and_a_season_is_not() -> None:
    values = seasonal(1, 209)
    np.testing.assert_array_equal(tame(values), values)
    values[0, 100] = 1e6
    assert tame(values)[0, 100] < 200
    rare = np.zeros((1, 200))
    rare[0, 50] = 3.0
    np.testing.assert_array_equal(tame(rare), rare)
