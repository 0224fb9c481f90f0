"""Looking back: no model ever sees what it is asked about."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest

from modaloom.errors import ForecastError
from modaloom.forecasting.backtest import answer, origins_of, roll
from modaloom.forecasting.contract import SeriesSet, Values
from modaloom.testing.forecasts import named, seasonal
from modaloom.types import silent


@dataclass
class Spy:
    """Remembers what it was shown."""

    name: str = "spy"
    seen: list[SeriesSet] = field(default_factory=list)

    def forecast(self, series: SeriesSet, *, season: int, horizon: int) -> Values:
        self.seen.append(series)
        return np.zeros((len(series.names), horizon))


@pytest.mark.parametrize(
    ("length", "season", "horizon", "expected"),
    [
        (209, 52, 52, ((105, 118, 131, 144, 157), 52)),
        (157, 52, 52, ((105,), 52)),
        (110, 52, 52, ((84,), 26)),
        (104, 52, 52, ((78,), 26)),
        (104, 52, 200, ((78,), 26)),
        (2, 1, 1, ((), 0)),
        (14, 7, 28, ((10,), 4)),
    ],
)
def test_origins(length: int, season: int, horizon: int, expected: tuple[tuple[int, ...], int]) -> None:
    origins, asked = origins_of(length, season, horizon)
    if length == 110:
        assert asked <= 52
        assert origins[-1] + asked == 110
    else:
        assert (origins, asked) == expected


def test_every_origin_sees_its_own_past_alone() -> None:
    values = seasonal(2, 209, 0.1)
    spy = Spy()
    rolled = roll(named(values, values), [spy], season=52, horizon=52, progress=silent)
    assert rolled is not None
    assert [one.length for one in spy.seen] == list(rolled.origins)
    for one, origin in zip(spy.seen, rolled.origins, strict=True):
        np.testing.assert_array_equal(one.values, values[:, :origin])
        assert one.aux is not None
        assert one.aux.shape[1] == origin
    np.testing.assert_array_equal(rolled.actual[-1], values[:, 157:])


def test_what_is_unknown_is_shown_filled_and_not_judged() -> None:
    values = seasonal(2, 209, 0.1)
    values[0, 150:160] = np.nan
    spy = Spy()
    rolled = roll(named(values), [spy], season=52, horizon=52, progress=silent)
    assert rolled is not None
    assert all(np.isfinite(one.values).all() for one in spy.seen)
    assert np.isnan(rolled.actual[-1, 0, :3]).all()
    assert np.isfinite(rolled.series_mase(rolled.said[:, 0])).all()


def test_too_short_to_look_back() -> None:
    assert roll(named(np.ones((1, 2))), [Spy()], season=1, horizon=3, progress=silent) is None


def test_without_one_origin_the_others_stay() -> None:
    rolled = roll(named(seasonal(2, 209)), [Spy()], season=52, horizon=52, progress=silent)
    assert rolled is not None
    assert rolled.without(0).origins == rolled.origins[1:]
    assert len(rolled.without(2).actual) == 4


@pytest.mark.parametrize(("answered", "says"), [(np.zeros((1, 3)), r"\(1, 3\)"), (np.full((2, 3), np.nan), "numbers")])
def test_a_useless_answer_is_an_error_that_names_the_model(answered: Values, says: str) -> None:
    @dataclass
    class Wrong(Spy):
        def forecast(self, series: SeriesSet, *, season: int, horizon: int) -> Values:
            return answered

    with pytest.raises(ForecastError, match=f"'spy'.*{says}"):
        answer(Wrong(), named(np.ones((2, 9))), 3, 3)
