"""One forecast from many: weights from the back-test, drawn to equal ones among the models that are about as good."""

from __future__ import annotations

import numpy as np

from modaloom.forecasting.backtest import Rolled
from modaloom.forecasting.contract import Values

SIMILAR, PULL = 0.03, 0.5
"""Models whose mean error is above the best one's by a few times the first share start with next to nothing; the second
draws the weights to where they start, in the unit of MASE. Both are for many series."""
FEW_SERIES = 10.0
"""With so many series both are doubled: what one series shows may be chance."""
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
    newer = np.arange(1.0, len(errors) + 1)[:, None, None]  # later origins know more, and are nearer to what is asked
    counts = np.broadcast_to(newer, (len(errors), *errors.shape[2:])).ravel()
    flat = np.moveaxis(errors, 1, -1).reshape(-1, errors.shape[1])
    known = np.isfinite(flat).all(axis=1)
    if not known.any():
        return equal_weights(errors.shape[1])
    stride = max(int(known.sum()) // MAX_ERRORS, 1)
    flat, counts = flat[known][::stride], counts[known][::stride]
    counts /= counts.sum()
    alone = counts @ np.abs(flat)
    doubt = 1 + FEW_SERIES / errors.shape[2]
    start = np.exp(-(alone - alone.min()) / (SIMILAR * doubt * max(float(alone.min()), 1e-9)))
    start /= start.sum()
    weights = start.copy()
    for _ in range(ROUNDS):
        gradient = (np.sign(flat @ weights) * counts) @ flat + PULL * doubt * (weights - start)
        weights = np.maximum(weights, 1e-12) * np.exp(-RATE * (gradient - gradient.min()))
        weights /= weights.sum()
    result: Values = np.round(weights, 6)[None]
    result /= result.sum()
    return result
