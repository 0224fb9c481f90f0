"""Reads a shop's trends: from its log to the whole board."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

import numpy as np
import numpy.typing as npt
from scipy import sparse

from modaloom.config import Settings
from modaloom.counting.catalogue import Catalogue, Dimension, read_catalogue
from modaloom.counting.ledger import Ledger, moment, read_ledger
from modaloom.counting.source import Source
from modaloom.errors import QueryError
from modaloom.messages.stated import StatedWords
from modaloom.shop.words import all_words
from modaloom.trends.alerts import find_alerts
from modaloom.trends.baseline import make_baseline
from modaloom.trends.board import VERDICTS, Board, Crowd, Outlook, Overview, Period, Segment, Trend
from modaloom.trends.drivers import Drivers
from modaloom.trends.gaps import find_gaps, on_offer
from modaloom.trends.movers import Judged, judge_all
from modaloom.trends.outlook import arrivals, broken, changes, make_series, outlooks
from modaloom.trends.people import Grouping, People, Reach, read_groupings
from modaloom.trends.setters import Setters, as_series, crowd_of, few_setters, find_setters, setter_shares
from modaloom.trends.terms import mine_terms, without_blocked
from modaloom.types import BoolArray, IntArray, Tell, silent

Values = npt.NDArray[np.float64]
STEADY_WORDS = 40
"""Words that do not move are many: only the most frequent of them are shown."""


@dataclass(frozen=True)
class TrendOptions:
    """How trends are read."""

    k: int = 20
    """Nothing is shown that is about fewer shoppers."""
    daily: bool = False
    """Days as steps, not weeks."""
    horizon_weeks: int = 26
    level: float = 0.8
    """Of forecasts' intervals."""
    by: str | None = None
    """One dimension only: ``colour``, ``look``, ``word``, ``price``, or an attribute's name."""
    forecasts: bool = True

    def __post_init__(self) -> None:
        if self.k < 1:
            raise QueryError(f"k is {self.k}", hint="Groups have one shopper at least; 20 is the default")
        if not 1 <= self.horizon_weeks <= 260:
            raise QueryError(f"a horizon of {self.horizon_weeks} weeks", hint="Choose 1 to 260")
        if not 0.5 <= self.level <= 0.99:
            raise QueryError(f"an interval of {self.level}", hint="Choose 0.5 to 0.99")


@dataclass
class _State:
    """Everything that the parts of a board are made from."""

    source: Source
    options: TrendOptions
    ledger: Ledger
    counts: sparse.csr_matrix
    catalogue: Catalogue
    judged: list[Judged]
    people: People
    reach: list[Reach]
    groupings: list[Grouping]
    active: IntArray
    offered: BoolArray
    setters: Setters | None
    like_for_like: bool
    hidden: int = 0
    notes: list[str] = field(default_factory=list)

    def shown(self, place: int) -> BoolArray:
        """Which values of a dimension have enough shoppers."""
        enough: BoolArray = self.reach[place].shoppers >= self.options.k
        return enough


def read_trends(
    source: Source, options: TrendOptions | None = None, *, settings: Settings, tell: Tell = silent
) -> Board:
    """The board of a shop.

    Args:
        source: the shop and its log.
        options: how it is read.
        settings: of the encoders.
        tell: progress.

    Raises:
        ShopError: the log has no times, or is too short.
        QueryError: there is no such dimension.
    """
    state = _prepare(source, options or TrendOptions(), settings, tell)
    tell("judging", 0, 0)
    rows = _chosen(state)
    shares = np.reshape([state.judged[place].shares()[row] for place, row in rows], (len(rows), len(state.active)))
    shares[:, state.active < state.options.k] = np.nan
    theirs = _setters_shares(state)
    foreseen, failed = _foresee(state, rows, shares, theirs, tell)
    drivers = Drivers(state.ledger, state.counts, state.judged, state.options.k)
    shown = {one.dimension.name: state.shown(place) for place, one in enumerate(state.judged)}
    segments = [
        state.people.segments(one.dimension, reach) for one, reach in zip(state.judged, state.reach, strict=True)
    ]
    few = None if state.setters is None else few_setters(state.ledger, state.setters, state.options.k)
    trends = []
    for number, (place, row) in enumerate(rows):
        found = segments[place](row)
        one = state.judged[place]
        trend = _trend(state, place, row, shares[number], foreseen[number])
        crowd = None
        if state.setters is not None:
            crowd = crowd_of(*theirs[place], one, row, state.setters, state.options.k, few)
        trends.append(_completed(trend, found, crowd, drivers, one, row, shown, state))
    return _board(state, trends, {trends[row].id: pair for row, pair in failed.items()}, tell)


def _prepare(source: Source, options: TrendOptions, settings: Settings, tell: Tell) -> _State:
    shop = source.shop
    ledger = read_ledger(source.batches(), shop.n_items, daily=options.daily, total=source.total, tell=tell)
    ledger = without_blocked(ledger, settings.blocked_terms)
    counts = ledger.counts()
    weights = np.asarray(counts.sum(axis=1)).ravel()
    catalogue = read_catalogue(shop, ledger.queries, weights, settings=settings, tell=tell)
    baseline = make_baseline(ledger, shop.items, counts)
    judged = judge_all(_by(catalogue.dimensions, options.by), ledger, counts, baseline)
    n_users = max(shop.users.height, int(ledger.user.max()) + 1)
    active = np.zeros(n_users, dtype=bool)
    active[ledger.user] = True
    stated = StatedWords({str(language): names for language, names in shop.spec.labels.items()})
    groupings = read_groupings(shop.users, active, options.k, stated)
    hidden = sum(int((~one.shown).sum()) for one in groupings)
    tell("shoppers", 0, 0)
    people = People(ledger, groupings, n_users, options.k)
    reach = [people.reach(one.dimension) for one in judged]
    state = _State(
        source, options, ledger, counts, catalogue, judged, people, reach, groupings, ledger.active(),
        on_offer(shop.items, ledger.newest_s), find_setters(ledger, judged, options.k), baseline.like_for_like, hidden,
    )  # fmt: skip
    state.notes = _notes(state)
    return state


def _by(dimensions: Sequence[Dimension], by: str | None) -> list[Dimension]:
    if by is None:
        return list(dimensions)
    chosen = [one for one in dimensions if by in (one.name, one.name.removeprefix("attribute."))]
    if not chosen:
        names = ", ".join(one.name.removeprefix("attribute.") for one in dimensions)
        raise QueryError(f"nothing is counted by {by!r}", hint=f"Choose one of {names}")
    return chosen


def _notes(state: _State) -> list[str]:
    notes = []
    if not state.judged or not state.judged[0].fits.seasonal:
        notes.append("short")
    if not state.ledger.queries:
        notes.append("no_searches")
    if not state.like_for_like:
        notes.append("fast_catalogue")
    if not any(one.dimension.name == "look" for one in state.judged) and state.options.by is None:
        notes.append("no_pictures")
    if not state.groupings:
        notes.append("no_segments")
    if (state.active < state.options.k).mean() > 0.25:
        notes.append("thin")
    return notes


def _chosen(state: _State) -> list[tuple[int, int]]:
    """(dimension, value) of everything worth a place on the board."""
    rows = []
    for place, one in enumerate(state.judged):
        enough = state.shown(place)
        state.hidden += int((~enough & (one.counts.sum(axis=1) > 0)).sum())
        moves = np.array([verdict in ("rising", "falling", "seasonal") for verdict in one.verdicts], dtype=bool)
        steady = list(np.flatnonzero(enough & ~moves))
        if one.dimension.name == "word":
            steady = sorted(steady, key=lambda row: -float(one.counts[row].sum()))[:STEADY_WORDS]
        rows += [(place, int(row)) for row in [*np.flatnonzero(enough & moves), *steady]]
    return rows


def _setters_shares(state: _State) -> list[tuple[Values, Values]]:
    if state.setters is None:
        return []
    return [setter_shares(state.ledger, state.setters, one) for one in state.judged]


def _foresee(
    state: _State, rows: Sequence[tuple[int, int]], shares: Values, theirs: Sequence[tuple[Values, Values]], tell: Tell
) -> tuple[list[Outlook], dict[int, tuple[float, float]]]:
    """Forecasts of all rows, and those that broke in the last steps."""
    options = state.options
    if not options.forecasts or not rows:
        return [Outlook(level=options.level, abstained="off") for _ in rows], {}
    names = [f"{place}/{row}" for place, row in rows]
    aux = np.stack([theirs[place][0][row] for place, row in rows]) if theirs else None
    series = make_series(state.ledger, names, shares, aux)
    horizon = options.horizon_weeks * 7 // state.ledger.step_days
    traffic = np.stack([state.judged[place].totals for place, _ in rows])
    foreseen = outlooks(series, traffic, state.ledger, horizon, options.level, tell)
    return foreseen, broken(series, traffic, state.ledger, options.level, tell)


def _trend(state: _State, place: int, row: int, shares: Values, outlook: Outlook) -> Trend:
    one, reach = state.judged[place], state.reach[place]
    dimension, fits, counts = one.dimension, one.fits, one.counts[row]
    judged = bool(fits.judged[row])
    change, interval = one.change(row) if judged else (None, None)
    month = state.ledger.day(int(fits.peak[row])).strftime("%m") if one.season_sure[row] else None
    half = len(counts) // 2
    early = counts.sum() / max(one.totals.sum(), 1) * one.totals[:half].sum()
    last = slice(-4, None)
    return Trend(
        id=f"{dimension.name}={dimension.values[row]}", dimension=dimension.name, value=dimension.values[row],
        names=dimension.names[row], verdict=one.verdicts[row], also=one.also[row],
        confidence=round(float(one.confidence[row]), 4),
        share=float(counts[last].sum() / max(one.totals[last].sum(), 1.0)), change=change, interval=interval,
        series=as_series(shares), level=as_series(fits.level[row]) if judged else (), events=int(counts.sum()),
        shoppers=int(reach.shoppers[row]), items=int(dimension.incidence[row, : state.ledger.n_items].sum()),
        peak=month, swing=float(np.exp(fits.swing[row])) if one.season_sure[row] else None,
        seen=int(dimension.seen[row]), novel=bool(counts[:half].sum() == 0 and early >= 3), outlook=outlook,
        change_points=changes(counts, one.totals, fits.level[row], state.ledger) if judged else (),
    )  # fmt: skip


def _completed(
    trend: Trend,
    segments: tuple[Segment, ...],
    crowd: Crowd | None,
    drivers: Drivers,
    one: Judged,
    row: int,
    shown: Mapping[str, BoolArray],
    state: _State,
) -> Trend:
    ids = state.source.shop.items["item_id"].to_list()
    return replace(
        trend,
        segments=segments,
        crowd=crowd,
        drivers=drivers.of(one, row, shown),
        examples=drivers.examples(one, row, state.offered, ids),
    )


def _board(state: _State, trends: list[Trend], failed: Mapping[str, tuple[float, float]], tell: Tell) -> Board:
    ledger, options, shop = state.ledger, state.options, state.source.shop
    named = [one for one in state.catalogue.dimensions if one.name == "colour" or one.name.startswith("attribute.")]
    terms, hidden = mine_terms(ledger, all_words(shop.items), state.offered, named, options.k, tell)
    steps = tuple(ledger.day(step).isoformat() for step in range(ledger.n_steps))
    gaps = find_gaps(ledger, state.judged, state.offered, [one.shoppers for one in state.reach], options.k)
    new = arrivals(shop, ledger, state.counts, state.catalogue.tokens, options.level) if options.by is None else []
    ordered = sorted(trends, key=_telling)
    overview = Overview(
        shop=shop.name,
        made_at=moment(ledger.newest_s),
        period=Period(steps, ledger.step_days, steps[0], (ledger.day(ledger.n_steps) - timedelta(days=1)).isoformat()),
        events=ledger.events,
        traffic=tuple(np.bincount(ledger.step, minlength=ledger.n_steps).tolist()),
        shoppers=len(np.unique(ledger.user)),
        items=shop.n_items,
        k=options.k,
        hidden=state.hidden + hidden,
        verdicts=dict(Counter(trend.verdict for trend in trends)),
        horizon=options.horizon_weeks * 7 // ledger.step_days,
        level=options.level,
        like_for_like=state.like_for_like,
        notes=tuple(state.notes),
    )
    alerts = find_alerts(ordered, terms, failed, steps)
    return Board(overview, tuple(ordered), tuple(terms), tuple(gaps), tuple(alerts), tuple(new))


def _telling(trend: Trend) -> tuple[int, int, float]:
    """Order of trends: what moves first, the shop's own attributes before words, the larger change first."""
    if trend.verdict == "seasonal":
        size = float(np.log(trend.swing or 1.0))
    else:
        size = abs(float(np.log1p(trend.change or 0.0))) if trend.verdict in ("rising", "falling") else trend.share
    kind = 1 if trend.dimension == "word" else 0
    return VERDICTS.index(trend.verdict), kind, -size
