"""One forecast from many: weights from the back-test, drawn to equal ones."""

from __future__ import annotations

import numpy as np

from modaloom.forecasting.backtest import Rolled
from modaloom.forecasting.contract import Values


def equal_weights(models: int) -> Values:
    """(1, m): every model says as much as every other."""
    return np.full((1, models), 1.0 / models)


def combined(said: Values, weights: Values) -> Values:
    """Forecasts (..., m, s, h) joined by weights (1, m) or (s, m): (..., s, h)."""
    result: Values = np.einsum("...msh,sm->...sh", said, np.broadcast_to(weights, (said.shape[-2], said.shape[-3])))
    return result


def chosen_weights(rolled: Rolled) -> Values:
    """(1, m): chosen by the errors of the back-test."""
    errors = np.stack([np.nanmean(rolled.series_mase(rolled.said[:, m])) for m in range(rolled.said.shape[1])])
    if not np.isfinite(errors).all():
        return equal_weights(len(errors))
    better = np.exp(-8.0 * (errors - errors.min()))
    weights: Values = 0.5 * better / better.sum() + 0.5 / len(errors)
    return weights[None]
