"""Series sets refuse what makes no sense and cut themselves honestly."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from modaloom.errors import ForecastError
from modaloom.forecasting.contract import Backtest, SeriesSet
from modaloom.testing.forecasts import named

VALUES = np.arange(6.0).reshape(2, 3)


@pytest.mark.parametrize(
    ("names", "values", "aux", "says"),
    [
        (("a",), VALUES, None, "1 names"),
        (("a", "b"), VALUES[0], None, "2 names"),
        (("a", "b"), VALUES, VALUES[:, :2], "second signal"),
        (("a", "a"), VALUES, None, "same name"),
        (("a", "b"), np.full((2, 3), np.inf), None, "infinite"),
    ],
)
def test_what_makes_no_set_is_refused(
    names: tuple[str, ...], values: np.ndarray, aux: np.ndarray | None, says: str
) -> None:
    with pytest.raises(ForecastError, match=says):
        SeriesSet(names, values, aux)


def test_until_hides_the_rest_of_both_signals() -> None:
    past = named(VALUES, VALUES + 1).until(2)
    assert past.length == 2
    assert past.aux is not None
    np.testing.assert_array_equal(past.aux, VALUES[:, :2] + 1)


def test_rows_keep_names_and_signals_together() -> None:
    chosen = named(VALUES, VALUES + 1).rows(np.array([False, True]))
    assert chosen.names == ("s1",)
    assert chosen.aux is not None
    np.testing.assert_array_equal(chosen.aux, chosen.values + 1)


def test_days_go_on_beyond_the_end() -> None:
    weekly = SeriesSet(("a",), VALUES[:1], start=date(2025, 1, 6))
    assert weekly.day(3) == date(2025, 1, 27)
    assert named(VALUES).day(3) is None


def test_the_pooled_mase_leaves_out_what_has_none() -> None:
    one = np.ones((1, 1))
    test = Backtest((1,), 1, one, one[0], np.array([1.0, np.nan, 3.0]), 0.8, one, one, one)
    assert test.pooled_mase == 2.0
    assert np.isnan(Backtest((1,), 1, one, one[0], np.array([np.nan]), 0.8, one, one, one).pooled_mase)
