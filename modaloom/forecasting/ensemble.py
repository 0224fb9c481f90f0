"""One forecast from many: weights from the back-test, drawn to equal ones among the models that are about as good."""

from __future__ import annotations

import numpy as np

from modaloom.forecasting.backtest import Rolled
from modaloom.forecasting.contract import Values

SIMILAR = 0.03
"""Models whose mean error is further above the best one's than a few times this share start with next to nothing."""
PULL = 0.5
"""Draws the weights to where they start; in the unit of MASE, squared."""
ROUNDS, RATE = 300, 0.5
MAX_ERRORS = 100_000


def equal_weights(models: int) -> Values:
    """(1, m): every model says as much as every other."""
    return np.full((1, models), 1.0 / models)


def combined(said: Values, weights: Values) -> Values:
    """Forecasts (..., m, s, h) joined by weights (1, m) or (s, m): (..., s, h)."""
    if len(weights) == 1:
        return np.tensordot(said, weights[0], axes=(-3, 0))
    result: Values = np.einsum("...msh,sm->...sh", said, weights)
    return result


def chosen_weights(rolled: Rolled) -> Values:
    """(1, m): weights of the least mean absolute error in the back-test, by exponentiated gradients.

    They start equal among the models that are about as good as the best, and are drawn to where they start, so that
    a model must be better by more than chance to say more than its peers.
    """
    errors = (rolled.actual[:, None] - rolled.said) / rolled.scale[:, None, :, None]
    flat = np.moveaxis(errors, 1, -1).reshape(-1, errors.shape[1])
    flat = flat[np.isfinite(flat).all(axis=1)]
    if not len(flat):
        return equal_weights(errors.shape[1])
    flat = flat[:: max(len(flat) // MAX_ERRORS, 1)]
    alone = np.abs(flat).mean(axis=0)
    best = max(float(alone.min()), 1e-9)
    start = np.exp(-(alone - alone.min()) / (SIMILAR * best))
    start /= start.sum()
    weights = start.copy()
    for _ in range(ROUNDS):
        gradient = (np.sign(flat @ weights) @ flat) / len(flat) + PULL * (weights - start)
        weights = np.maximum(weights, 1e-12) * np.exp(-RATE * (gradient - gradient.min()))
        weights /= weights.sum()
    result: Values = np.round(weights, 6)[None]
    return result / result.sum()
