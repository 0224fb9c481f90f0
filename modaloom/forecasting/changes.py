"""When a series changed its level for good, and what is new or out of the ordinary now."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from modaloom.forecasting.contract import SeriesSet, Values
from modaloom.forecasting.gaps import fill_gaps
from modaloom.numerics import EPSILON

MIN_SEGMENT = 4
"""A level that lasted for fewer steps is a spike, not a level."""
SEASON_ROUNDS = 3
NORMAL_SPREAD = 1.4826
"""Median absolute deviation to standard deviation, for normal noise."""

AlertKind = Literal["new", "rise", "fall"]


@dataclass(frozen=True, slots=True)
class Alert:
    """Something about one series that its own past did not lead to expect."""

    name: str
    kind: AlertKind
    step: int
    """Step of history at which it began."""
    size: float
    """How many times its usual noise the recent mean is away from what was expected; for ``new``, the recent mean."""


def change_points(values: Values, *, season: int | None = None, strength: float = 3.0) -> tuple[int, ...]:
    """Steps at which the level of values (t,) changed for good; the first step of each new level.

    The series is cut into pieces of constant level so that squared errors and a price for each cut are least. Noise
    that hangs together from step to step raises the price. With ``season``, what repeats is taken out first.

    Args:
        values: one series, NaN where unknown.
        season: steps after which things repeat.
        strength: the price of a cut, in units of what white noise would need; lower finds more.

    Source: Jackson et al., "An algorithm for optimal partitioning of data on an interval", 2005.
    """
    line = fill_gaps(values[None], season or 1)[0]
    if len(line) < 2 * MIN_SEGMENT or float(line.std()) <= EPSILON * float(np.abs(line).max()):
        return ()
    if season is None or season < 2 or len(line) < 2 * season:
        return _cuts(line, _price(line, strength))
    price = _price(line - _season_of(line, season), strength)
    # A shift hides the season and the season a shift: from two guesses at the season, each is found without the other.
    found = [_alternating(line, guess, season, price) for guess in (_season_of(line, season), _steps_of(line, season))]
    return min(found)[1]


def _alternating(line: Values, profile: Values, season: int, price: float) -> tuple[float, tuple[int, ...]]:
    """Cuts, and what they cost together with what they leave unexplained."""
    cuts: tuple[int, ...] = ()
    for _ in range(SEASON_ROUNDS):
        cuts = _cuts(line - profile, price)
        rest = line - _levels(line - profile, cuts)
        profile = _by_phase(rest, season)
    rest = line - profile - _levels(line - profile, cuts)
    return float(rest @ rest) + price * len(cuts), cuts


def _levels(line: Values, cuts: tuple[int, ...]) -> Values:
    """The mean of each piece, as long as the piece."""
    return np.concatenate([np.full(len(part), part.mean()) for part in np.split(line, cuts)])


def _by_phase(rest: Values, season: int) -> Values:
    """The median of each phase of the season, repeated, with mean 0."""
    phase = np.arange(len(rest)) % season
    profile = np.array([np.median(rest[phase == at]) for at in range(season)])
    result: Values = (profile - profile.mean())[phase]
    return result


def _steps_of(line: Values, season: int) -> Values:
    """What repeats, put together from the median step of each phase, which one shift does not touch."""
    steps = np.diff(line, prepend=line[0])
    phase = np.arange(len(line)) % season
    usual = np.array([np.median(steps[phase == at]) for at in range(season)])
    profile = np.cumsum(usual - usual.mean())
    result: Values = (profile - profile.mean())[phase]
    return result


def _price(line: Values, strength: float) -> float:
    """What a cut costs: more where noise is large, and where it hangs together from step to step."""
    steps = np.diff(line)
    noise = NORMAL_SPREAD * float(np.median(np.abs(steps - np.median(steps)))) / np.sqrt(2)
    noise = max(noise, 1e-3 * float(line.std()))
    return float(strength * 2 * np.log(len(line)) * noise**2 * _persistence(line))


def _season_of(line: Values, season: int) -> Values:
    """What repeats in a series (t,): the median by phase of what is left beside a moving mean over a season."""
    padded = np.pad(line, (season // 2, season - 1 - season // 2), mode="edge")
    return _by_phase(line - np.convolve(padded, np.full(season, 1.0 / season), mode="valid"), season)


def _persistence(line: Values) -> float:
    """How much more a mean of neighbouring steps varies than with independent noise: 1 for white noise."""
    steps = np.diff(line)
    bound = 3 * NORMAL_SPREAD * float(np.median(np.abs(steps))) + EPSILON
    calm = np.clip(steps, -bound, bound)  # a jump itself is no noise
    variance = float((calm**2).mean())
    if variance <= 0:
        return 1.0
    # White noise has differences that turn back half of the way; those of a random walk do not.
    back = float((calm[1:] * calm[:-1]).mean()) / variance
    kept = float(np.clip(1 + 2 * back, 0.0, 0.9))
    return (1 + kept) / (1 - kept)


def _cuts(line: Values, price: float) -> tuple[int, ...]:
    """Where to cut so that squared errors and prices are least, by dynamic programming."""
    total = np.concatenate(([0.0], np.cumsum(line)))
    squares = np.concatenate(([0.0], np.cumsum(line**2)))
    best = np.full(len(line) + 1, np.inf)
    best[0], came_from = -price, np.zeros(len(line) + 1, dtype=np.int64)
    for end in range(MIN_SEGMENT, len(line) + 1):
        starts = np.arange(0, end - MIN_SEGMENT + 1)
        cost = squares[end] - squares[starts] - (total[end] - total[starts]) ** 2 / (end - starts)
        whole = best[starts] + cost + price
        came_from[end] = int(whole.argmin())
        best[end] = whole[came_from[end]]
    cuts, at = [], len(line)
    while came_from[at] > 0:
        at = int(came_from[at])
        cuts.append(at)
    return tuple(reversed(cuts))


def alerts(series: SeriesSet, *, season: int = 52, recent: int = 4, threshold: float = 4.0) -> tuple[Alert, ...]:
    """Series whose last ``recent`` steps their own past did not lead to expect, the most surprising first.

    ``new``: nothing but zeros or unknowns before. ``rise`` and ``fall``: the recent mean is further from what was
    expected (the recent level, with the season of earlier years) than ``threshold`` times the noise of such means.
    """
    found = [
        _alert(name, line, season, recent, threshold) for name, line in zip(series.names, series.values, strict=True)
    ]
    order = {"new": 0, "rise": 1, "fall": 1}
    kept = [alert for alert in found if alert is not None]
    return tuple(sorted(kept, key=lambda alert: (order[alert.kind], -abs(alert.size), alert.name)))


def _alert(name: str, line: Values, season: int, recent: int, threshold: float) -> Alert | None:
    known = np.nan_to_num(line)
    if len(line) <= 2 * recent:
        return None
    before, now = known[:-recent], known[-recent:]
    if not before.any():
        began = len(before) + int((now != 0).argmax())
        return Alert(name, "new", began, float(now.mean())) if (now > 0).sum() >= min(2, recent) else None
    whole = fill_gaps(line[None], season)[0]
    if len(whole) >= 2 * season + recent:
        whole = whole - _season_of(whole, season)
    means = np.convolve(whole, np.full(recent, 1.0 / recent), mode="valid")
    moves = means[recent:] - means[:-recent]
    usual, last = moves[:-recent], float(moves[-1])
    if not len(usual):
        return None
    noise = NORMAL_SPREAD * float(np.median(np.abs(usual - np.median(usual))))
    size = last / max(noise, 1e-3 * float(np.abs(whole).max()), EPSILON)
    if abs(size) < threshold:
        return None
    return Alert(name, "rise" if size > 0 else "fall", len(line) - recent, size)
