"""Takes series apart: a level, and the shape of a season, which attention over the other series steadies.

Three or four seasons of a rare trend are mostly noise. Each harmonic of a series' own mean season is kept as far as it
stands out from how much it changes from season to season (a Wiener filter); what is not kept is drawn to what series
with a similar season do, found by attention over all of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from modaloom.forecasting.contract import Values
from modaloom.numerics import EPSILON
from modaloom.types import BoolArray

MAX_SEASONS, MAX_STEPS = 4, 208
"""The shape is read from the last four seasons; from more, up to so many steps, where seasons are short."""
SHAPE_TEMPERATURE = 0.1
"""Of the attention over cosines of shapes."""
MAX_KEYS = 1_000
"""Series that are attended to; of more, every so-manieth, so that memory grows with the number of series alone."""
LEAST_SHAPE = 0.1
"""A step of the season with less than this share of the mean says little about the level."""
ONE_STEP = 0.3
"""How far a single step from season to season is believed to be a trend."""
QUIET_SEASON = 0.05
"""A season whose mean is a smaller share of the largest one's was before the thing began."""


@dataclass(frozen=True, slots=True)
class Parts:
    """Series taken apart: ``level * shape`` is what the next season looks like if nothing moves."""

    shape: Values
    """(s, season), mean 1, beginning at the first step to come."""
    level: Values
    """(s,), zero or more."""

    def ahead(self, horizon: int) -> Values:
        """The next steps, (s, h)."""
        result: Values = self.level[:, None] * repeated(self.shape, horizon)
        return result


def lifted(values: Values) -> tuple[Values, Values]:
    """Series (s, t) without negative values, and what was added to each, (s, 1).

    A series that falls below zero is raised until its spread is a fraction of its level: its season then adds up
    instead of multiplying. What never falls below zero stays as it is.
    """
    lowest = values.min(axis=1, keepdims=True)
    lift = np.where(lowest < 0, 2 * (values.max(axis=1, keepdims=True) - lowest) - lowest, 0.0)
    return values + lift, lift


def last_seasons(values: Values, season: int, number: int) -> Values:
    """The last seasons of (s, t), newest last, aligned with the steps to come: (s, number, season).

    Only whole seasons are there, so ``number`` may come out smaller.
    """
    number = min(number, values.shape[1] // season)
    result: Values = values[:, values.shape[1] - number * season :].reshape(len(values), number, season)
    return result


def repeated(profile: Values, horizon: int) -> Values:
    """A profile (s, season) that starts at the first step to come, as long as the horizon: (s, h)."""
    return np.tile(profile, (1, -(-horizon // profile.shape[1])))[:, :horizon]


def take_apart(values: Values, season: int) -> Parts:
    """Shape and level of non-negative series without gaps, (s, t)."""
    shape = season_shape(values, season)
    steady = [_level(values, shape, steps) for steps in level_windows(season)]
    return Parts(shape, np.mean(steady, axis=0))


def level_windows(season: int) -> tuple[int, int, int]:
    """How far the level looks back: a quarter, a half and the whole of a :func:`cycle`."""
    whole = cycle(season)
    return whole // 4, whole // 2, whole


def cycle(season: int) -> int:
    """Whole seasons that make at least 24 steps: what is long enough to tell a level from noise."""
    return season * max(-(-24 // season), 1)


def _level(values: Values, shape: Values, steps: int) -> Values:
    """The level of the last steps: half their mean, half their median, freed from the season. (s,)."""
    steps = min(steps, values.shape[1])
    recent, usual = values[:, -steps:], past_shape(shape, steps)
    mean = recent.sum(axis=1) / np.maximum(usual.sum(axis=1), LEAST_SHAPE)
    median = np.median(recent / np.maximum(usual, LEAST_SHAPE), axis=1)
    result: Values = 0.5 * mean + 0.5 * median
    return result


def past_shape(shape: Values, steps: int) -> Values:
    """The season under the last steps of the past, (s, steps)."""
    season = shape.shape[1]
    result: Values = shape[:, np.arange(-steps, 0) % season]
    return result


def season_shape(values: Values, season: int) -> Values:
    """The shape of the season that begins with the first step to come: (s, season), mean 1, never below zero."""
    if season < 2:
        return np.ones((len(values), 1))
    seasons, counted = _relative_seasons(values, season)
    told = counted.sum(axis=1)[:, None]
    number = np.maximum(told, 1.0)
    mean = np.where(told > 0, np.where(counted[:, :, None], seasons, 0.0).sum(axis=1) / number, 1.0)
    like = alike_shapes(smoothed(mean, _odd(season * 7 / 52)) - 1, smoothed(mean, _odd(season * 9 / 52)) - 1)
    shape = 1 + _filtered(seasons - 1, mean - 1, like, counted, number)
    shape = np.maximum(smoothed(np.maximum(shape, 0.02), _odd(season * 3 / 52)), 0.02)
    result: Values = shape / shape.mean(axis=1, keepdims=True)
    return result


def _relative_seasons(values: Values, season: int) -> tuple[Values, BoolArray]:
    """The last seasons over their own means, (s, k, season), and which of them say something, (s, k)."""
    number = min(values.shape[1] // season, max(MAX_SEASONS, MAX_STEPS // season))
    seasons = values[:, values.shape[1] - number * season :].reshape(len(values), number, season)
    means = seasons.mean(axis=2)
    counted: BoolArray = np.greater(means, QUIET_SEASON * means.max(axis=1, keepdims=True))
    safe = np.where(counted, means, 1.0)
    clock = (np.arange(season) - (season - 1) / 2) / season
    tilt = _tilts(np.where(counted, means, np.nan)) / safe
    return seasons / safe[:, :, None] - tilt[:, :, None] * clock, counted


def _tilts(means: Values) -> Values:
    """How much a level moves within each season, judged by the seasons beside it: (s, k); zero where unknown."""
    if means.shape[1] < 2:
        return np.zeros_like(means)
    steps = np.diff(means, axis=1)
    before = np.concatenate([steps[:, :1], steps], axis=1)
    after = np.concatenate([steps, steps[:, -1:]], axis=1)
    result: Values = np.nan_to_num(0.5 * (before + after)) * _steadiness(steps)[:, None]
    return result


def _steadiness(steps: Values) -> Values:
    """How far steps (s, k) from season to season are one trend and not chance: 1 if all are equal, (s,)."""
    known = ~np.isnan(steps)
    number = known.sum(axis=1)
    steps = np.where(known, steps, 0.0)
    squares = (steps**2).sum(axis=1) * number
    alike = np.where(squares > 0, steps.sum(axis=1) ** 2 / np.where(squares > 0, squares, 1.0), 0.0)
    chance = 1.0 / np.maximum(number, 1)
    result: Values = np.where(number > 1, (alike - chance) / np.maximum(1 - chance, EPSILON), ONE_STEP)
    return np.clip(result, 0.0, 1.0)


def _filtered(seasons: Values, mean: Values, like: Values, counted: BoolArray, number: Values) -> Values:
    """The mean season (s, season), each harmonic drawn to ``like`` as far as it cannot be told from chance."""
    harmonics, centre = np.fft.rfft(seasons, axis=2), np.fft.rfft(mean, axis=1)
    prior = np.fft.rfft(like, axis=1)
    apart = np.where(counted[:, :, None], np.abs(harmonics - centre[:, None]) ** 2, 0.0).sum(axis=1)
    noise = apart / np.maximum(number - 1, 1.0)
    if (number < 2).any():  # one season alone: its fast half is taken for noise
        fast = (np.abs(centre[:, centre.shape[1] // 2 :]) ** 2).mean(axis=1, keepdims=True)
        noise = np.where(number < 2, fast, noise)
    noise = 0.5 * noise.mean(axis=1, keepdims=True) + 0.5 * _neighbours(noise)
    signal = np.maximum(np.abs(centre - prior) ** 2 - noise / number, 0.0)
    usual = (signal / np.maximum(noise, EPSILON)).mean(axis=0, keepdims=True) * noise
    signal = 0.5 * _neighbours(signal) + 0.5 * usual
    kept = signal / np.maximum(signal + noise / number, EPSILON * EPSILON)
    kept = np.where(noise <= EPSILON, 1.0, kept)
    result: Values = np.fft.irfft(prior + kept * (centre - prior), mean.shape[1], axis=1)
    return result


def _neighbours(rows: Values) -> Values:
    """Rows smoothed by a quarter, a half, a quarter; nothing lies beyond the ends."""
    padded = np.pad(rows, ((0, 0), (1, 1)))
    result: Values = 0.25 * padded[:, :-2] + 0.5 * padded[:, 1:-1] + 0.25 * padded[:, 2:]
    return result


def alike_shapes(shapes: Values, keys: Values) -> Values:
    """For each series what the others' shapes (s, season) say, by attention over keys; at the series' own amplitude.

    A series never attends to itself. Zero where there is no other.
    """
    if len(shapes) < 2:
        return np.zeros_like(shapes)
    said = attend(keys, shapes, SHAPE_TEMPERATURE)
    amplitude = (shapes * said).sum(axis=1) / np.maximum((said**2).sum(axis=1), EPSILON)
    result: Values = said * np.clip(amplitude, 0.0, 4.0)[:, None]
    return result


def attend(keys: Values, values: Values, temperature: float) -> Values:
    """Attention of each series over all others by the cosine of their keys (s, d): the mean of values (s, v)."""
    directions = keys / np.maximum(np.linalg.norm(keys, axis=1, keepdims=True), EPSILON)
    asked = np.arange(0, len(keys), -(-len(keys) // MAX_KEYS))
    result = np.empty_like(values)
    for start in range(0, len(keys), MAX_KEYS):
        rows = np.arange(start, min(start + MAX_KEYS, len(keys)))
        scores = directions[rows] @ directions[asked].T / temperature
        scores[rows[:, None] == asked[None]] = -np.inf
        scores = np.exp(scores - scores.max(axis=1, keepdims=True))
        result[rows] = scores @ values[asked] / scores.sum(axis=1, keepdims=True)
    return result


def smoothed(profiles: Values, width: int) -> Values:
    """Profiles (s, season), which go round, under a bell of that odd width."""
    if width < 3:
        return profiles
    bell = np.hanning(width + 2)[1:-1]
    half = width // 2
    padded = np.concatenate([profiles[:, -half:], profiles, profiles[:, :half]], axis=1)
    windows = np.lib.stride_tricks.sliding_window_view(padded, width, axis=1)
    result: Values = windows @ (bell / bell.sum())
    return result


def _odd(width: float) -> int:
    """The nearest odd number."""
    return max(2 * round((width - 1) / 2) + 1, 1)
