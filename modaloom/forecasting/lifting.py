"""Lifts series that fall below zero, so that a season can be a share of a level."""

from __future__ import annotations

import numpy as np

from modaloom.forecasting.contract import Values


def lifted(values: Values) -> tuple[Values, Values]:
    """Series (s, t) without negative values, and what was added to each, (s, 1).

    A series that falls below zero is raised until its spread is a fraction of its level: its season then adds up
    instead of multiplying. What never falls below zero stays as it is.
    """
    lowest = values.min(axis=1, keepdims=True)
    lift = np.where(lowest < 0, 2 * (values.max(axis=1, keepdims=True) - lowest) - lowest, 0.0)
    return values + lift, lift
