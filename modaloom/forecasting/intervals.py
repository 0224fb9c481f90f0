"""How far off the future may be: intervals from the errors of the back-test, so that they cover what they promise."""

from __future__ import annotations

import numpy as np

from modaloom.forecasting.contract import Values


def interval_widths(errors: Values, scale: Values, level: float, horizon: int) -> tuple[Values, Values]:
    """How far below and above its forecast each series may fall, by the quantiles of earlier errors: (h,) each.

    Args:
        errors: actual minus forecast, (o, s, horizon of the back-test).
        scale: (o, s), what makes the series comparable.
        level: share of the future values that should lie inside.
        horizon: steps to give; beyond the back-test's horizon the last width is kept.
    """
    scaled = errors / scale[:, :, None]
    low = np.nanquantile(scaled, (1 - level) / 2, axis=(0, 1))
    high = np.nanquantile(scaled, (1 + level) / 2, axis=(0, 1))
    steps = np.minimum(np.arange(horizon), errors.shape[2] - 1)
    return np.minimum(low, 0.0)[steps], np.maximum(high, 0.0)[steps]
