"""What goes into a forecast, what comes out, and the one small interface that every model has.

Shapes: s series, t steps of history, h steps of horizon, m models, o origins of the back-test.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from modaloom.errors import ForecastError
from modaloom.types import BoolArray

Values = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class SeriesSet:
    """Series side by side, one step apart; NaN where a value is unknown.

    ``aux`` is a second signal for each series, such as what trendsetters do; ``start`` is the day of the first step.
    """

    names: tuple[str, ...]
    values: Values  # (s, t)
    aux: Values | None = None  # (s, t)
    start: date | None = None
    step_days: int = 7

    def __post_init__(self) -> None:
        if self.values.ndim != 2 or len(self.values) != len(self.names):
            raise ForecastError(f"{len(self.names)} names for values of the shape {self.values.shape}")
        if self.aux is not None and self.aux.shape != self.values.shape:
            raise ForecastError(
                f"the second signal has the shape {self.aux.shape}, the series have {self.values.shape}",
                hint="Both need the same series and the same steps",
            )
        if len(set(self.names)) != len(self.names):
            raise ForecastError("two series have the same name")
        if np.isinf(self.values).any() or (self.aux is not None and np.isinf(self.aux).any()):
            raise ForecastError("a value is infinite", hint="Use NaN for what is not known")

    @property
    def length(self) -> int:
        """Steps of history, t."""
        return int(self.values.shape[1])

    def until(self, step: int) -> SeriesSet:
        """The first ``step`` steps alone."""
        return replace(self, values=self.values[:, :step], aux=None if self.aux is None else self.aux[:, :step])

    def rows(self, chosen: BoolArray) -> SeriesSet:
        """The series that ``chosen`` (s,) marks."""
        names = tuple(name for name, keep in zip(self.names, chosen, strict=True) if keep)
        aux = None if self.aux is None else self.aux[chosen]
        return replace(self, names=names, values=self.values[chosen], aux=aux)

    def day(self, step: int) -> date | None:
        """The day of a step, also of one that is yet to come; None where no dates are known."""
        return None if self.start is None else self.start + timedelta(days=step * self.step_days)


@runtime_checkable
class Forecaster(Protocol):
    """Anything that forecasts. It sees the past alone; whatever it learns, it learns in this call."""

    @property
    def name(self) -> str:
        """What it is called in a table of weights."""
        ...

    def forecast(self, series: SeriesSet, *, season: int, horizon: int) -> Values:
        """The next ``horizon`` steps of every series, (s, h).

        The pool's own callers hand over series without gaps and with more than one season.
        """
        ...


@dataclass(frozen=True, slots=True)
class Backtest:
    """How the same way of forecasting would have fared from earlier origins, each with its own past alone."""

    origins: tuple[int, ...]
    """Steps of history that each origin knew."""
    horizon: int
    """Steps that were asked for; less than the forecast's own where the history is short."""
    mase: Values
    """(o, m): mean over series, for each model."""
    ensemble_mase: Values
    """(o,): of the ensemble, its weights chosen on the other origins."""
    series_mase: Values
    """(s,): of the ensemble, mean over origins; NaN where it cannot be told."""
    coverage: float
    """Share of actual values inside the intervals, each origin judged by intervals of the others; NaN if unknown."""
    mean: Values
    """(s, horizon): the last origin's forecast, to be drawn beside what happened."""
    lower: Values
    upper: Values

    @property
    def pooled_mase(self) -> float:
        """Mean over the series that have one; NaN without any."""
        known = self.series_mase[np.isfinite(self.series_mase)]
        return float(known.mean()) if len(known) else float("nan")


@dataclass(frozen=True, slots=True)
class Forecast:
    """What is expected, how sure that is, and how well the same would have done before."""

    names: tuple[str, ...]
    mean: Values  # (s, h); NaN where ``abstained``
    lower: Values  # (s, h)
    upper: Values  # (s, h)
    level: float
    """Share of the future values that should lie between ``lower`` and ``upper``."""
    models: tuple[str, ...]
    weights: Values
    """(1, m) or (s, m): how much each model says; rows sum to 1."""
    backtest: Backtest | None
    """None where no series is long enough to look back."""
    abstained: BoolArray
    """(s,): no forecast is claimed: less than two seasons of history, or :attr:`absurd`."""
    absurd: BoolArray | None = None
    """(s,): with values so large or small that nothing can be reckoned with them; None where nobody looked."""
