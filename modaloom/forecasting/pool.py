"""Models by name."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence

from modaloom.errors import ForecastError
from modaloom.forecasting.classic import Ets, SeasonalMean, SeasonalNaive, Shape, Theta
from modaloom.forecasting.contract import Forecaster
from modaloom.forecasting.growth import Growth

BUILT_IN: dict[str, Callable[[], Forecaster]] = {
    "seasonal-naive": SeasonalNaive,
    "seasonal-mean": SeasonalMean,
    "shape": Shape,
    "theta": Theta,
    "ets": Ets,
    "linear": Growth,
    "attention": lambda: Growth("attention", attends=True),
}
DEFAULT_POOL = ("seasonal-naive", "seasonal-mean", "shape", "theta", "ets", "linear", "attention")


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
    if ":" in name:
        from modaloom.forecasting.adapters import load_adapter

        return load_adapter(name)
    if "." not in name:
        raise ForecastError(
            f"unknown model {name!r}",
            hint=f"Known: {', '.join(BUILT_IN)}; statsforecast:..., chronos:..., timesfm:..., or a dotted path",
        )
    module, _, attribute = name.rpartition(".")
    try:
        made = getattr(importlib.import_module(module), attribute)()
    except (ImportError, AttributeError, TypeError) as error:
        raise ForecastError(
            f"cannot import or make the model {name!r} ({error})", hint="Give package.module.Class"
        ) from error
    if not isinstance(made, Forecaster):
        raise ForecastError(f"{name!r} is no forecaster", hint="It needs name and forecast(series, *, season, horizon)")
    return made
