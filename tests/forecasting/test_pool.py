"""Models by name."""

from __future__ import annotations

import pytest

from modaloom.errors import ForecastError
from modaloom.forecasting.classic import Theta
from modaloom.forecasting.contract import Forecaster
from modaloom.forecasting.pool import BUILT_IN, DEFAULT_POOL, make, make_pool


@pytest.mark.parametrize("name", BUILT_IN)
def test_every_name_makes_a_forecaster_of_that_name(name: str) -> None:
    made = make(name)
    assert isinstance(made, Forecaster)
    assert made.name == name


def test_the_default_pool() -> None:
    assert tuple(model.name for model in make_pool(None)) == DEFAULT_POOL


def test_a_dotted_path_and_an_object() -> None:
    theirs = Theta("mine")
    pool = make_pool(["modaloom.forecasting.classic.Ets", theirs])
    assert [model.name for model in pool] == ["ets", "mine"]
    assert pool[1] is theirs


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("arima", "unknown model 'arima'.*Known: seasonal-naive"),
        ("no.such.Thing", "cannot import"),
        ("modaloom.forecasting.classic.NoSuch", "cannot import"),
        ("modaloom.forecasting.pool.make_pool", "cannot import or make"),
        ("collections.OrderedDict", "is no forecaster"),
        ("prophet:x", "unknown library 'prophet'"),
    ],
)
def test_what_names_no_model(name: str, says: str) -> None:
    with pytest.raises((ForecastError), match=says):
        make(name)


def test_names_are_not_shared() -> None:
    with pytest.raises(ForecastError, match="same name"):
        make_pool(["theta", Theta()])
