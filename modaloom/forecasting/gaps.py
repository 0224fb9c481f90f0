"""Fills what is unknown, so that models need not care; what was filled is never judged."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from modaloom.forecasting.contract import SeriesSet, Values
from modaloom.types import BoolArray

LARGEST = 1e60
"""Beyond this, and below one by this, a series is a mistake in a file: nothing that is counted is so large."""
USUAL_SHARE, WILD = 0.98, 5.0
"""A value is wild from so many times the largest of nearly all on."""


def long_enough(values: Values, season: int) -> BoolArray:
    """Which series (s, t) span two seasons from their first known value on, and know at least half of it: (s,)."""
    known = ~np.isnan(values)
    started = np.where(known.any(axis=1), values.shape[1] - known.argmax(axis=1), 0)
    result: BoolArray = (started >= 2 * season) & (known.sum(axis=1) >= season)
    return result


def beyond_reckoning(series: SeriesSet) -> BoolArray:
    """Which series have values so large, or are so small throughout, that their squares are no numbers: (s,)."""
    result: BoolArray = np.zeros(len(series.names), dtype=bool)
    for values in (series.values, series.aux):
        if values is not None and values.shape[1]:
            size = np.nanmax(np.nan_to_num(np.abs(values)), axis=1)
            result |= (size > LARGEST) | ((size > 0) & (size < 1 / LARGEST))
    return result


def filled(series: SeriesSet, season: int) -> SeriesSet:
    """The same series without gaps and without single impossible values, in both signals."""
    aux = None if series.aux is None else tame(fill_gaps(series.aux, season))
    return replace(series, values=tame(fill_gaps(series.values, season)), aux=aux)


def tame(values: Values) -> Values:
    """Values (s, t) with what is far beyond nearly all others cut down: a slip of a digit must not make a level."""
    size = np.abs(values)
    limit = WILD * np.quantile(size, USUAL_SHARE, axis=1, keepdims=True)
    return np.where((limit > 0) & (size > limit), np.sign(values) * limit, values)


def fill_gaps(values: Values, season: int) -> Values:
    """Gaps in values (s, t) filled: short ones along the line between their ends, long ones by neighbouring seasons.

    What lies before the first known value is taken to be like the first season that is known. A series of which
    nothing is known becomes zero.
    """
    result = values.copy()
    for row in np.flatnonzero(np.isnan(values).any(axis=1)):
        result[row] = _fill(values[row], season)
    return result


def _fill(line: Values, season: int) -> Values:
    known = ~np.isnan(line)
    if not known.any():
        return np.zeros_like(line)
    steps = np.arange(len(line))
    straight = np.interp(steps, steps[known], line[known])
    result = np.where(known, line, straight)
    # A gap longer than a quarter of a season would lose the season; a neighbouring season knows it.
    for first, last in _gaps(known):
        if last - first < max(season // 4, 2) and first > 0 and last < len(line):
            continue
        for step in range(first, last):  # what was known before, one season later
            if first > 0 and step >= season:
                result[step] = result[step - season]
        for step in range(last - 1, first - 1, -1):  # where nothing was: what is known after, one season earlier
            if (first == 0 or step < season) and step + season < len(line):
                result[step] = result[step + season]
    return result


def _gaps(known: BoolArray) -> list[tuple[int, int]]:
    """First step of each gap, and the first step after it."""
    edges = np.flatnonzero(np.diff(np.concatenate(([True], known, [True])).astype(np.int8)))
    return [(int(first), int(last)) for first, last in zip(edges[::2], edges[1::2], strict=True)]
