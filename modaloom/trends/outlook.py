"""What comes: forecasts of shares with their back-test, what breaks off, and what new pieces may expect."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.ndimage import gaussian_filter1d
from scipy.stats import norm

from modaloom.counting.ledger import Ledger, moment
from modaloom.data.shop import Shop
from modaloom.errors import ForecastError
from modaloom.forecasting.changes import change_points
from modaloom.forecasting.cold import cold_forecast
from modaloom.forecasting.contract import Forecast, Forecaster, SeriesSet
from modaloom.forecasting.forecast import forecast
from modaloom.forecasting.pool import DEFAULT_POOL
from modaloom.numerics import unit_rows
from modaloom.trends.board import Arrival, BackTest, ChangePoint, Outlook
from modaloom.trends.loglinear import LogLinear
from modaloom.types import DAY_S, BoolArray, FloatArray, Tell, Tokens

Values = npt.NDArray[np.float64]
RECENT_STEPS = 4
"""A forecast is broken where it fails for most of so many steps, all on one side."""
LEAST_KNOWN = 0.6
"""Part of the steps of a series that must be known for a forecast."""
NEW_DAYS = 56
"""Items younger than this are arrivals."""
NEIGHBOURS = 20
MOST_ARRIVALS = 60
LAUNCH_STEPS = 12
STEADY_WEEKS = 2.0
"""Standard deviation of the window over which a launch is smoothed."""


def make_series(ledger: Ledger, names: Sequence[str], shares: Values, aux: Values | None) -> SeriesSet:
    """Shares (s, t) as the forecasting room wants them."""
    return SeriesSet(tuple(names), shares, aux, ledger.day(0), ledger.step_days)


def season_of(ledger: Ledger) -> int:
    """Steps after which things repeat: a year of weeks, a week of days."""
    return 52 if ledger.step_days == 7 else 7


def pool(series: SeriesSet, traffic: Values) -> tuple[str | Forecaster, ...]:
    """The models that are mixed: the usual ones, and the one behind the verdicts. ``traffic`` is (s, t)."""
    return (*DEFAULT_POOL, LogLinear(tuple(tuple(row) for row in traffic.tolist()), series.names))


def outlooks(
    series: SeriesSet, traffic: Values, ledger: Ledger, horizon: int, level: float, tell: Tell
) -> list[Outlook]:
    """The forecast of every series, or why there is none; ``traffic`` (s, t) are the interests behind the shares."""
    season = season_of(ledger)
    if series.length < 2 * season or not len(series.names):
        return [Outlook(level=level, abstained="short") for _ in series.names]
    whole, models = _known(series), pool(series, traffic)
    if not whole.any():
        return [Outlook(level=level, abstained="sparse") for _ in series.names]
    said = forecast(series.rows(whole), season=season, horizon=horizon, level=level, models=models, progress=tell)
    steps = tuple(
        (ledger.day(0) + timedelta(days=(series.length + step) * ledger.step_days)).isoformat()
        for step in range(horizon)
    )
    place = np.cumsum(whole) - 1
    return [
        _outlook(said, int(place[row]), steps, series.values[row], ledger)
        if whole[row] else Outlook(level=level, abstained="sparse")
        for row in range(len(series.names))
    ]  # fmt: skip


def _known(series: SeriesSet) -> BoolArray:
    """Series with enough steps that can be told, and something in them, (s,)."""
    there = np.isfinite(series.values)
    enough: BoolArray = (there.mean(axis=1) >= LEAST_KNOWN) & (np.nan_to_num(series.values).sum(axis=1) > 0)
    return enough


def _outlook(said: Forecast, row: int, steps: tuple[str, ...], past: Values, ledger: Ledger) -> Outlook:
    if said.abstained[row] or not np.isfinite(said.mean[row]).all():
        return Outlook(level=said.level, abstained="sparse")
    mean, lower, upper = (np.clip(line[row], 0.0, 1.0) for line in (said.mean, said.lower, said.upper))
    known = past[-len(mean) :][np.isfinite(past[-len(mean) :])]
    before = float(known.mean()) if len(known) else 0.0
    weights = said.weights[min(row, len(said.weights) - 1)]
    models = {name: round(float(part), 3) for name, part in zip(said.models, weights, strict=True) if part > 0.005}
    return Outlook(
        steps, _plain(mean), _plain(lower), _plain(upper), said.level,
        float(mean.mean()) / before - 1 if before > 0 else None, models, _back_test(said, row, past, ledger),
    )  # fmt: skip


def _back_test(said: Forecast, row: int, past: Values, ledger: Ledger) -> BackTest | None:
    test = said.backtest
    if test is None or not test.origins:
        return None
    mase = float(test.series_mase[row])
    if not np.isfinite(mase) or not np.isfinite(test.mean[row]).all():
        return None
    origin, length = test.origins[-1], test.horizon
    mean, lower, upper = (np.clip(line[row], 0.0, 1.0) for line in (test.mean, test.lower, test.upper))
    actual = past[origin : origin + length]
    known = np.isfinite(actual)
    if not known.any():
        return None
    error = float(np.abs(actual - mean[: len(actual)])[known].mean() / max(float(actual[known].mean()), 1e-9))
    inside = (actual >= lower[: len(actual)]) & (actual <= upper[: len(actual)])
    return BackTest(
        mase, float(inside[known].mean()), error, length, len(test.origins),
        tuple(ledger.day(origin + step).isoformat() for step in range(length)),
        _plain(mean), _plain(lower), _plain(upper),
    )  # fmt: skip


def _plain(values: Values) -> tuple[float, ...]:
    return tuple(round(float(value), 6) for value in values)


def broken(
    series: SeriesSet, traffic: Values, ledger: Ledger, level: float, tell: Tell
) -> dict[int, tuple[float, float]]:
    """Series whose last steps lie outside what was forecast just before them: expected and actual mean by row."""
    season, known = season_of(ledger), series.length - RECENT_STEPS
    if known < 2 * season or not len(series.names):
        return {}
    whole, models = _known(series), pool(series, traffic)
    if not whole.any():
        return {}
    rows, told = np.flatnonzero(whole), series.rows(whole)
    said = forecast(told.until(known), season=season, horizon=RECENT_STEPS, level=level, models=models, progress=tell)
    found = {}
    for row in range(len(rows)):
        actual = told.values[row, known:]
        if said.abstained[row] or np.isnan(actual).any():
            continue
        above, below = actual > said.upper[row], actual < said.lower[row]
        mean, width = float(said.mean[row].mean()), float((said.upper[row] - said.mean[row]).mean())
        far = abs(float(actual.mean()) - mean) > 2 * width / norm.ppf((1 + level) / 2) / np.sqrt(RECENT_STEPS)
        if max(above.sum(), below.sum()) >= RECENT_STEPS - 1 and far:
            found[int(rows[row])] = (mean, float(actual.mean()))
    return found


def changes(counts: Values, totals: Values, level: Values, ledger: Ledger) -> tuple[ChangePoint, ...]:
    """Steps from which a share (t,) has another level beside its trend and season, with how sure that is.

    ``level`` is the fitted share. Only changes that are more than noise and by a quarter at least.
    """
    share = counts.sum() / max(totals.sum(), 1.0)
    expected = totals * np.nan_to_num(level)
    beside = np.where(expected > 0, counts / np.maximum(expected, 1e-9), np.nan) * share
    found = []
    bounds = [0, *change_points(beside), len(beside)]
    for before, at, after in zip(bounds, bounds[1:], bounds[2:], strict=False):
        (low, low_n), (high, high_n) = (
            (counts[a:b].sum(), expected[a:b].sum()) for a, b in ((before, at), (at, after))
        )
        if low_n < 1 or high_n < 1:
            continue
        # how much more than expected came, before and after: Poisson counts, compared on the scale of square roots
        distance = 2 * abs(np.sqrt(low / low_n) - np.sqrt(high / high_n)) / np.sqrt(1 / low_n + 1 / high_n)
        confidence = float(2 * norm.cdf(distance) - 1)
        one, other = float(share * low / low_n), float(share * high / high_n)
        if confidence >= 0.999 and max(one, other) >= 1.25 * min(one, other):
            found.append(ChangePoint(ledger.day(at).isoformat(), one, other, confidence))
    return tuple(found)


def arrivals(
    shop: Shop, ledger: Ledger, counts: sparse.csr_matrix, tokens: Mapping[str, Tokens], level: float
) -> list[Arrival]:
    """What the newest items may expect, from the launches of the pieces most like them in picture and words."""
    fused, there = _fused(tokens, shop.n_items)
    released = shop.items["released_at"].fill_null(0).to_numpy()
    new = np.flatnonzero(there & (released > ledger.newest_s - NEW_DAYS * DAY_S) & (released > 0))
    launched = (released // DAY_S - ledger.first_day) // ledger.step_days
    steps = LAUNCH_STEPS if ledger.step_days == 7 else LAUNCH_STEPS * 7
    old = np.flatnonzero(there & (released > 0) & (launched >= 0) & (launched + steps <= ledger.n_steps))
    if not len(new) or len(old) < NEIGHBOURS:
        return []
    totals = np.maximum(np.asarray(counts.sum(axis=0)).ravel(), 1.0)
    series = np.asarray(counts[old].todense()) / totals
    curves = np.stack([line[at : at + steps] for line, at in zip(series, launched[old], strict=True)])
    # a piece has a handful of interests a week: which week each fell into says nothing about the next piece
    curves = gaussian_filter1d(curves, STEADY_WEEKS * 7 / ledger.step_days, axis=1, mode="nearest")
    new = new[np.argsort(-released[new], kind="stable")][:MOST_ARRIVALS]
    likeness = fused[new] @ fused[old].T
    found = []
    for row, item in enumerate(new.tolist()):
        nearest = np.argsort(-likeness[row], kind="stable")[:NEIGHBOURS]
        weights = np.exp(8 * (likeness[row, nearest] - likeness[row, nearest[0]])).astype(np.float64)
        names = tuple(str(old[place]) for place in nearest)
        # a launch that nobody looked at counts too, as a fifth of an interest a step: heights are compared as factors
        past = SeriesSet(names, curves[nearest] + 0.2 / float(totals.mean()), None, ledger.day(0), ledger.step_days)
        try:
            said = cold_forecast(past, weights, season=season_of(ledger), horizon=steps, level=level, align="launch")
        except ForecastError:
            continue
        found.append((item, old[nearest], said))
    sizes = np.array([float(said.mean.sum()) for *_, said in found])
    ids, titles = shop.items["item_id"], shop.items.select("title", "title_zh", "title_en")
    return [
        Arrival(
            ids[item], _titles(titles.row(item)), moment(int(released[item]))[:10],
            tuple(ids[int(one)] for one in near[:5]),
            _plain(said.mean), _plain(said.lower), _plain(said.upper), float((sizes < size).mean()),
        )
        for (item, near, said), size in sorted(zip(found, sizes, strict=True), key=lambda pair: -pair[1])
    ]  # fmt: skip


def _titles(row: tuple[str | None, ...]) -> dict[str, str]:
    title, chinese, english = row
    return {"zh": chinese or title or "", "en": english or title or ""}


def _fused(tokens: Mapping[str, Tokens], n_items: int) -> tuple[FloatArray, npt.NDArray[np.bool_]]:
    """Picture and words side by side, each centred and of the same weight, as unit rows (n, d)."""
    parts, there = [], np.zeros(n_items, dtype=bool)
    for token in tokens.values():
        rows = unit_rows(token.vectors)
        rows[token.mask] -= rows[token.mask].mean(axis=0)
        rows[~token.mask] = 0.0
        parts.append(unit_rows(rows))
        there |= token.mask
    if not parts:
        return np.zeros((n_items, 1), dtype=np.float32), there
    return unit_rows(np.concatenate(parts, axis=1)), there
