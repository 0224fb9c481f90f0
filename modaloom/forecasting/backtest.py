"""Looking back: what every model of a pool would have said from earlier origins, and what happened then."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from modaloom.errors import ForecastError
from modaloom.forecasting.contract import Forecaster, SeriesSet, Values
from modaloom.forecasting.gaps import filled
from modaloom.forecasting.metrics import mean_known, naive_scale
from modaloom.types import Tell

MAX_ORIGINS = 5
"""Of a horizon of a season or more; twice as many where less is asked for."""


@dataclass(frozen=True, slots=True)
class Rolled:
    """What each model said from each origin, and the truth."""

    origins: tuple[int, ...]
    horizon: int
    season: int
    said: Values  # (o, m, s, horizon)
    actual: Values  # (o, s, horizon); NaN where unknown
    scale: Values  # (o, s): the yardstick of MASE that each origin knew

    def without(self, origin: int) -> Rolled:
        """All but the origin of that number."""
        keep = [number for number in range(len(self.origins)) if number != origin]
        origins = tuple(self.origins[number] for number in keep)
        return replace(self, origins=origins, said=self.said[keep], actual=self.actual[keep], scale=self.scale[keep])

    def series_mase(self, forecasts: Values) -> Values:
        """MASE (o, s) of forecasts (o, s, horizon)."""
        result: Values = mean_known(np.abs(self.actual - forecasts)) / self.scale
        return result


def origins_of(length: int, season: int, horizon: int) -> tuple[tuple[int, ...], int]:
    """Origins to look back from, oldest first, and the horizon that fits; no origins where there is no room.

    The newest origin has the whole horizon behind it. The oldest knows two seasons; where the history is too short for
    that, a season and a half with a shorter horizon.
    """
    least = 2 * season
    if length - horizon < least:
        least = season + max(season // 2, 1)
        horizon = min(horizon, length - least)
    if horizon < 1:
        return (), 0
    newest = length - horizon
    stride = max(season // 4, horizon // 4, 1)
    most = MAX_ORIGINS if horizon >= season else 2 * MAX_ORIGINS
    origins = tuple(newest - stride * number for number in range(most) if newest - stride * number >= least)
    return tuple(reversed(origins)), horizon


def roll(series: SeriesSet, pool: Sequence[Forecaster], *, season: int, horizon: int, progress: Tell) -> Rolled | None:
    """Every model of the pool asked from every origin; None where the history is too short to look back.

    An origin's models see a copy of the series that ends there, gaps filled from that past alone.
    """
    origins, horizon = origins_of(series.length, season, horizon)
    if not origins:
        return None
    said, actual, scale = [], [], []
    for number, origin in enumerate(origins):
        past = series.until(origin)
        whole = filled(past, season)
        answers = []
        for at, model in enumerate(pool):
            progress("looking back", number * len(pool) + at, len(origins) * len(pool))
            answers.append(answer(model, whole, season, horizon))
        said.append(np.stack(answers))
        actual.append(series.values[:, origin : origin + horizon])
        scale.append(naive_scale(past.values, season))
    return Rolled(origins, horizon, season, np.stack(said), np.stack(actual), np.stack(scale))


def answer(model: Forecaster, series: SeriesSet, season: int, horizon: int) -> Values:
    """What a model says, (s, h).

    Raises:
        ForecastError: it is of another shape, or not a number.
    """
    said = np.asarray(model.forecast(series, season=season, horizon=horizon), dtype=np.float64)
    if said.shape != (len(series.names), horizon):
        raise ForecastError(f"the model {model.name!r} gives {said.shape}, not {(len(series.names), horizon)}")
    if not np.isfinite(said).all():
        raise ForecastError(
            f"the model {model.name!r} gives values that are no numbers", hint="Leave it out with models=..."
        )
    return said
