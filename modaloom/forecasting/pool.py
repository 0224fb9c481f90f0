"""Models by name."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence

from modaloom.errors import ForecastError
from modaloom.forecasting.classic import SeasonalMean, SeasonalNaive, Theta
from modaloom.forecasting.contract import Forecaster

BUILT_IN: dict[str, Callable[[], Forecaster]] = {
    "seasonal-naive": SeasonalNaive,
    "seasonal-mean": SeasonalMean,
    "theta": Theta,
}
DEFAULT_POOL = ("seasonal-naive", "seasonal-mean", "theta")


def make_pool(models: Sequence[str | Forecaster] | None) -> tuple[Forecaster, ...]:
    """The forecasters of these names, and the forecasters among them as they are; the default pool for None.

    Raises:
        ForecastError: a name is unknown, or two models have the same one.
    """
    pool = tuple(make(model) if isinstance(model, str) else model for model in (models or DEFAULT_POOL))
    if len({model.name for model in pool}) != len(pool):
        raise ForecastError(f"two models have the same name: {', '.join(model.name for model in pool)}")
    return pool


def make(name: str) -> Forecaster:
    """The forecaster of that name, or of a dotted path.

    Raises:
        ForecastError: the name is unknown, or what it names is no forecaster.
    """
    if name in BUILT_IN:
        return BUILT_IN[name]()
    if "." not in name:
        raise ForecastError(f"unknown model {name!r}", hint=f"Known: {', '.join(BUILT_IN)}, or a dotted path")
    module, _, attribute = name.rpartition(".")
    try:
        made = getattr(importlib.import_module(module), attribute)()
    except (ImportError, AttributeError) as error:
        raise ForecastError(f"cannot import the model {name!r} ({error})", hint="Give package.module.Class") from error
    if not isinstance(made, Forecaster):
        raise ForecastError(f"{name!r} is no forecaster", hint="It needs name and forecast(series, *, season, horizon)")
    return made
