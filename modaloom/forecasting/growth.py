"""How the level moves on, learned over all series at once: each series' own signs, and what series like it show.

The base is :func:`~modaloom.forecasting.shapes.take_apart`; what is learned is by how much the coming steps depart
from it. Signs are growth over the year before and slope, of the series and of its second signal (what trendsetters
did). ``attention`` lets every series attend to all others: keys are the histories of their levels, values their signs,
and the output of each head has weights of its own. Every window that is learned from lies in the past.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from modaloom.forecasting.contract import SeriesSet, Values
from modaloom.forecasting.metrics import naive_scale
from modaloom.forecasting.shapes import LEAST_SHAPE, Parts, attend, cycle, lifted, past_shape, season_shape, take_apart

MAX_ORIGINS = 24
"""Past origins that are learned from."""
MAX_ROWS = 200_000
RIDGE = 0.2
"""Draws every weight to zero: without evidence nothing departs from the base."""
TEMPERATURE = 0.1
"""Of the attention over cosines of level histories."""
ROUNDS, LEAST_ERROR = 15, 0.05
"""Of the weighted least squares that finds the least absolute error; errors are in units of MASE."""
BOUNDS = (-0.6, 0.8)
"""Nothing that was learned moves a forecast further from its base."""


@dataclass(frozen=True)
class Growth:
    """The base, moved by what was learned about earlier windows of all series."""

    name: str = "linear"
    attends: bool = False

    def forecast(self, series: SeriesSet, *, season: int, horizon: int) -> Values:
        """The base times one plus the learned departure: (s, h)."""
        values, lift = lifted(series.values)
        aux = None if series.aux is None else lifted(series.aux)[0]
        now = _Window.of(values, aux, season, self.attends)
        learned = self._learn(values, aux, season, horizon)
        base = now.parts.ahead(horizon)
        if learned is None:
            return base - lift
        moved = np.clip(_columns(now.signs, _clock(horizon, season)) @ learned, *BOUNDS)
        result: Values = base * (1 + moved) - lift
        return result

    def _learn(self, values: Values, aux: Values | None, season: int, horizon: int) -> Values | None:
        """Weights (2 c,) of the signs and of the signs over time; None where the past is too short."""
        length = values.shape[1]
        first = cycle(season) + max(cycle(season) // 4, 1)
        steps = min(horizon, length - first - 1)
        if steps < max(horizon // 4, 1):
            return None
        last = length - steps
        stride = -(-(last - first + 1) // MAX_ORIGINS)
        rows, wanted = [], []
        keep = slice(None, None, max(len(values) * steps * min(MAX_ORIGINS, last - first + 1) // MAX_ROWS, 1))
        for origin in range(last, first - 1, -stride):
            past = values[:, :origin]
            scale = naive_scale(past, season)
            usable = np.isfinite(scale)
            window = _Window.of(past, None if aux is None else aux[:, :origin], season, self.attends)
            base = window.parts.ahead(steps) / np.where(usable, scale, 1.0)[:, None]
            gap = values[:, origin : origin + steps] / np.where(usable, scale, 1.0)[:, None] - base
            columns = _columns(window.signs, _clock(steps, season)) * base[:, :, None]
            rows.append(columns[usable].reshape(-1, columns.shape[2])[keep])
            wanted.append(gap[usable].ravel()[keep])
        if not sum(map(len, wanted)):
            return None
        return least_absolute(np.concatenate(rows), np.concatenate(wanted), RIDGE)


@dataclass(frozen=True, slots=True)
class _Window:
    """What can be known about all series at one origin."""

    parts: Parts
    signs: Values  # (s, c)

    @classmethod
    def of(cls, values: Values, aux: Values | None, season: int, attends: bool) -> _Window:
        """Base and signs from the past (s, t)."""
        parts = take_apart(values, season)
        own = [_growth(values, season), _slope(values, parts.shape)]
        if aux is not None:
            own += [_growth(aux, season), _slope(aux, season_shape(aux, season))]
        signs = np.stack([np.ones(len(values)), *own], axis=1)
        if attends and len(values) > 2:
            others = attend(_level_history(values, parts.shape), signs[:, 1:], TEMPERATURE)
            signs = np.concatenate([signs, others], axis=1)
        return cls(parts, signs)


def _growth(values: Values, season: int) -> Values:
    """Log growth of the last half cycle over the same steps one cycle before, (s,), between -1 and 1."""
    length, whole = values.shape[1], cycle(season)
    steps = min(whole // 2, length - whole)
    if steps < 1:
        return np.zeros(len(values))
    now = values[:, length - steps :].mean(axis=1)
    before = values[:, length - steps - whole : length - whole].mean(axis=1)
    return _log_ratio(now, before, 0.1 * values.mean(axis=1))


def _slope(values: Values, shape: Values) -> Values:
    """Log growth per cycle along the line through the last two cycles, freed from the season: (s,)."""
    steps = min(values.shape[1], 2 * cycle(shape.shape[1]))
    level = values[:, -steps:] / np.maximum(past_shape(shape, steps), 0.2)
    size = values.mean(axis=1, keepdims=True)
    logs = np.log(np.where(size > 0, level / np.where(size > 0, size, 1.0), 0.0) + 0.3)
    clock = np.arange(steps) - (steps - 1) / 2
    result: Values = np.clip(logs @ clock / max(float(clock @ clock), 1.0) * cycle(shape.shape[1]), -1.0, 1.0)
    return result


def _log_ratio(above: Values, below: Values, floor: Values) -> Values:
    safe = np.where(floor > 0, floor, 1.0)
    result: Values = np.clip(np.log((above + safe) / (below + safe)), -1.0, 1.0)
    return np.where(floor > 0, result, 0.0)


def _level_history(values: Values, shape: Values) -> Values:
    """The level of each quarter cycle of the past, in logs around its mean: (s, blocks)."""
    block = min(max(cycle(shape.shape[1]) // 4, 1), values.shape[1])
    steps = values.shape[1] // block * block
    level = values[:, -steps:] / np.maximum(past_shape(shape, steps), LEAST_SHAPE)
    blocks = level.reshape(len(values), -1, block).mean(axis=2)
    size = blocks.mean(axis=1, keepdims=True)
    logs = np.log(blocks / np.where(size > 0, size, 1.0) + 0.01)
    result: Values = logs - logs.mean(axis=1, keepdims=True)
    return result


def _clock(steps: int, season: int) -> Values:
    """Time ahead, from -1 at once to 1 a season ahead and later: (steps,)."""
    return np.minimum((np.arange(steps) + 0.5) / cycle(season) * 2 - 1, 1.0)


def _columns(signs: Values, clock: Values) -> Values:
    """Signs (s, c) for each step ahead, as they are and times the clock: (s, h, 2 c)."""
    flat = np.repeat(signs[:, None], len(clock), axis=1)
    return np.concatenate([flat, flat * clock[None, :, None]], axis=2)


def least_absolute(rows: Values, wanted: Values, ridge: float) -> Values:
    """Weights that make the mean absolute error of rows (n, c) to what is wanted (n,) small, drawn to zero.

    Source: iteratively reweighted least squares, Schlossmacher, 1973.
    """
    weights: Values = np.zeros(rows.shape[1])
    for _ in range(ROUNDS):
        trust = 1.0 / np.maximum(np.abs(wanted - rows @ weights), LEAST_ERROR)
        weighted = rows * trust[:, None]
        gram = weighted.T @ rows / len(rows) + ridge * np.eye(rows.shape[1])
        weights = np.asarray(np.linalg.solve(gram, weighted.T @ wanted / len(rows)), dtype=np.float64)
    return weights
