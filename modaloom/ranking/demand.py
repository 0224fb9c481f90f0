"""What will sell in the coming weeks, new items included: a Poisson regression on the shop's own past; what is new.

The model is fitted on earlier cuts through the log: what an item looked like then (its sales, its model's
sales, its age, how much its content is in fashion) against how often it sold in the window that followed.
So an item that was never sold gets its fair expectation from what it is like. The snapshot's tokens must be
whitened unit vectors.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt
import polars as pl

from modaloom.data.doubles import group_numbers
from modaloom.data.splits import as_of
from modaloom.models.behaviour import decayed_counts, shopper_weights
from modaloom.numerics import GrowingRows
from modaloom.ranking.contract import HistoryBatch, Moments, NewItems, Part, State, moments_of
from modaloom.types import DAY_S, FloatArray, IntArray, Snapshot

HALF_LIVES_DAYS = (10.0, 28.0, 90.0, 365.0)
RELEASE_KNOTS = np.linspace(-0.3, 0.3, 31)
"""Places relative to the front of sales, in shares of the catalogue ordered by release."""
KNOT_WIDTH = 0.02
CONTENT_TEMPERATURE = 0.2
MAX_DENSITY_ITEMS = 1_000
RELEASE_OFFSET_DAYS = 14.0
"""Added to the days since an item's release: how many of them it was out is of little account in its first weeks."""
CACHED_SNAPSHOTS = 16
"""Cuts whose features are kept; consecutive windows share all but one of theirs, and each takes megabytes."""
CACHED_NUMBERS = 100_000_000
"""Numbers that they may have in all: of a large catalogue fewer cuts are kept."""
ROWS_AT_ONCE = 16_384
"""Rows that are turned into double precision at once."""

Features = npt.NDArray[np.float32]
"""Single precision is what they are counted in; whatever is summed over them is summed in double."""
Doubles = npt.NDArray[np.float64]
WindowSample = tuple[Features, Doubles]
"""Features of items at the start of a window (k, f), and how often each sold in it (k,)."""
SnapshotKey = tuple[int, int, int, tuple[tuple[str, int, int], ...]]
"""Identifies a snapshot of one shop: the moment, the log, and the tokens."""


class GlobalPart(Part):
    """Base of the parts that are not personalised: one number for each item, which learning has found."""

    personalised = False

    def __init__(self) -> None:
        self._scores: FloatArray = np.zeros(0, dtype=np.float32)
        self._moments: tuple[FloatArray, Moments] | None = None

    @property
    def n_items(self) -> int:
        """See :class:`~modaloom.ranking.contract.Part`."""
        return len(self._scores)

    def score(self, batch: HistoryBatch, items: IntArray | None = None) -> FloatArray:
        """See :class:`~modaloom.ranking.contract.Part`; equal in every row."""
        scores = self._scores if items is None else self._scores[items]
        return np.broadcast_to(scores, (len(batch), scores.shape[-1]))

    def moments(self, batch: HistoryBatch) -> Moments:
        """See :class:`~modaloom.ranking.contract.Part`; exact, and computed once for all users."""
        if self._moments is None or self._moments[0] is not self._scores:
            self._moments = self._scores, moments_of(self._scores[None, :])
        return Moments(*(np.repeat(moment, len(batch)) for moment in self._moments[1]))

    def state(self) -> State:
        """See :class:`~modaloom.ranking.contract.Part`."""
        return {"scores": self._scores}

    def restore(self, state: State) -> Self:
        """See :class:`~modaloom.ranking.contract.Part`."""
        self._scores = state["scores"].astype(np.float32)
        return self


class Newness(GlobalPart):
    """How new each item is, where release dates are known; the same for everybody.

    Minus the logarithm of the days since release, with :data:`RELEASE_OFFSET_DAYS` added. Demand allows for age, but
    the fusion and the linear part know an item by what was done with it so far, which holds new ones back; the blend
    finds out by how much. Items that come after learning are newest.
    """

    name = "newness"

    def fit(self, snapshot: Snapshot) -> Self:
        """Reads the release dates; an item without one, or not out yet, is as new as the mean of the others."""
        released = snapshot.items["released_at"].cast(pl.Float64).to_numpy()
        now = snapshot.now or np.nanmax(released)  # without a log the newest item is the only clock
        age_days = np.maximum((now - released) / DAY_S, 0.0)
        known = np.isfinite(age_days) & snapshot.catalogue
        made = -np.log(age_days + RELEASE_OFFSET_DAYS)
        middle = float(made[known].mean()) if known.any() else 0.0
        self._scores = np.where(known, made, middle).astype(np.float32)
        return self

    def add_items(self, new: NewItems) -> None:
        """See :class:`~modaloom.ranking.contract.Part`; items that only changed are as new as they were."""
        added = new.nums[new.nums >= len(self._scores)]
        if len(added):
            newest = np.full(len(added), -np.log(RELEASE_OFFSET_DAYS), dtype=np.float32)
            self._scores = GrowingRows(self._scores).put(added, newest)


class Demand(GlobalPart):
    """Expected sales of each item in the coming window, in logarithms; the same for everybody.

    ``cache`` keeps features by cut, so that fitting several cuts of one log repeats no work.

    Source: the idea of fitting demand on earlier cuts of the same log follows standard forecasting practice
    (rolling origin: Tashman, "Out-of-sample tests of forecasting accuracy", 2000).
    """

    name = "demand"

    def __init__(
        self,
        *,
        windows: int = 4,
        window_days: int = 28,
        ridge: float = 3.0,
        cache: dict[SnapshotKey, Features] | None = None,
    ):
        super().__init__()
        self.windows = windows
        self.window_days = window_days
        self.ridge = ridge
        self._cache = cache if cache is not None else {}

    def fit(self, snapshot: Snapshot) -> Self:
        """Fits the regression on earlier windows; without times, or too few sales, falls back to counts."""
        samples = self._window_samples(snapshot)
        if sum(float(counts.sum()) for _, counts in samples) < 50:
            self._scores = np.log(decayed_counts(snapshot, 28.0) + 0.1).astype(np.float32)
            return self
        scale = scale_of([features for features, _ in samples])
        weights, bias = fit_poisson(samples, scale, self.ridge)
        logs = [rows @ weights + bias for rows in blocks_of(self._features(snapshot), scale)]
        self._scores = np.clip(np.concatenate(logs), -14.0, 8.0).astype(np.float32)
        return self

    def add_items(self, new: NewItems) -> None:
        """See :class:`~modaloom.ranking.contract.Part`; a new item is expected to sell like its content neighbours.

        Items that only changed keep what was expected of them.
        """
        known = len(self._scores)
        added = new.nums >= known
        if not added.any():
            return
        expected = np.full(int(added.sum()), np.median(self._scores) if known else 0.0, dtype=np.float32)
        if new.neighbours is not None and known:
            near = new.neighbours[added]
            usable = (near >= 0) & (near < known)
            sums = np.where(usable, self._scores[np.clip(near, 0, known - 1)], 0.0).sum(axis=1)
            counts = usable.sum(axis=1)
            expected = np.where(counts > 0, sums / np.maximum(counts, 1), expected).astype(np.float32)
        self._scores = GrowingRows(self._scores).put(new.nums[added], expected)

    def _window_samples(self, snapshot: Snapshot) -> list[WindowSample]:
        """Features and sales counts of the items on offer, for each earlier window with a past."""
        targets = snapshot.targets()
        times, items = targets["timestamp"].to_numpy(), targets["item_num"].to_numpy()
        weights = shopper_weights(targets["user_num"].to_numpy())
        if not times.any():
            return []
        samples = []
        for back in range(1, self.windows + 1):
            start = snapshot.now - int(back * self.window_days * DAY_S)
            if start <= times.min() + self.window_days * DAY_S:
                break
            then = as_of(snapshot, start)
            stop = start + self.window_days * DAY_S
            inside = (times >= start) & (times < stop)
            counts = np.bincount(items[inside], weights[inside], minlength=snapshot.n_items).astype(np.float64)
            rows, offered = self._features(then), then.catalogue
            samples.append((rows, counts) if offered.all() else (rows[offered], counts[offered]))
        return samples

    def _features(self, snapshot: Snapshot) -> Features:
        key = snapshot_key(snapshot)
        if key not in self._cache:
            made = item_features(snapshot)
            while self._cache and len(self._cache) >= min(CACHED_SNAPSHOTS, CACHED_NUMBERS // max(made.size, 1)):
                self._cache.pop(next(iter(self._cache)))
            self._cache[key] = made
        return self._cache[key]


def snapshot_key(snapshot: Snapshot) -> SnapshotKey:
    """The key of a snapshot among others of the same shop."""
    pairs = pl.col("user_num").cast(pl.Int64).dot(pl.col("item_num").cast(pl.Int64))
    tokens = tuple((name, made.dim, int(made.mask.sum())) for name, made in sorted(snapshot.tokens.items()))
    return snapshot.now, snapshot.interactions.height, int(snapshot.interactions.select(pairs).item() or 0), tokens


def item_features(snapshot: Snapshot) -> Features:
    """What is known of each item at this moment (n, f)."""
    counts = {half_life: decayed_counts(snapshot, half_life) for half_life in HALF_LIVES_DAYS}
    columns = [np.log1p(3 * count) for count in counts.values()]
    columns.append((counts[HALF_LIVES_DAYS[-1]] < 1e-9).astype(np.float32))
    groups = group_numbers(snapshot)
    for half_life in (28.0, 365.0):
        siblings = np.bincount(groups, counts[half_life])[groups] - counts[half_life]
        columns.append(np.log1p(3 * np.maximum(siblings, 0)))
    columns += content_trend_features(snapshot, counts)
    columns += release_order_features(snapshot)
    return np.stack(columns, axis=1, dtype=np.float32, casting="same_kind")


def content_trend_features(snapshot: Snapshot, counts: dict[float, FloatArray]) -> list[FloatArray]:
    """Per content modality, similarity of each item to what sold lately, and to what sold over a year."""
    columns: list[FloatArray] = []
    for modality, tokens in sorted(snapshot.tokens.items()):
        if modality == "behaviour" or not tokens.mask.any():
            continue
        for half_life in (28.0, 365.0):
            logs = np.log(_density(tokens.vectors, counts[half_life]) + 1e-3)
            columns.append(np.where(tokens.mask, logs, logs[tokens.mask].mean()).astype(np.float32))
    return columns


def _density(vectors: FloatArray, counts: FloatArray) -> FloatArray:
    """Mean kernel value (n,) of each row with the rows that have the most counts."""
    chosen = np.argsort(-counts, kind="stable")[:MAX_DENSITY_ITEMS]
    chosen = chosen[counts[chosen] > 0]
    if not len(chosen):
        return np.zeros(len(vectors), dtype=np.float32)
    weights = (counts[chosen] / counts[chosen].sum()).astype(np.float32)
    out = np.empty(len(vectors), dtype=np.float32)
    for start in range(0, len(vectors), 4096):
        similar = vectors[start : start + 4096] @ vectors[chosen].T
        out[start : start + 4096] = np.exp((similar - 1.0) / CONTENT_TEMPERATURE) @ weights
    return out


def release_order_features(snapshot: Snapshot) -> list[FloatArray]:
    """Position of each item in the order of release, relative to the median of recent sales, as smooth steps."""
    positions = release_positions(snapshot)
    targets = snapshot.targets()
    if positions is None or not targets.height:
        return []
    age_days = (snapshot.now - targets["timestamp"].to_numpy()) / DAY_S
    sold = positions[targets["item_num"].to_numpy()]
    recent = sold[age_days < 28.0]
    away = positions - float(np.median(recent if len(recent) else sold))
    return [np.exp(-0.5 * ((away - knot) / KNOT_WIDTH) ** 2).astype(np.float32) for knot in RELEASE_KNOTS]


def release_positions(snapshot: Snapshot) -> npt.NDArray[np.float64] | None:
    """Position of each item in the order of release, 0 oldest to 1 newest; None where nothing is known."""
    for column in ("released_at", "release_rank"):
        known = snapshot.items[column]
        if known.null_count() < snapshot.n_items:
            ranks = known.rank("average").cast(pl.Float64).fill_null(snapshot.n_items / 2).to_numpy()
            return ranks / snapshot.n_items
    return None


class Scale(NamedTuple):
    """What makes features comparable."""

    mean: Doubles  # (f,)
    spread: Doubles  # (f,)


def scale_of(tables: Sequence[Features]) -> Scale:
    """Mean and spread of each feature over all rows of several tables."""
    number = sum(len(rows) for rows in tables)
    plain = Scale(np.zeros(tables[0].shape[1]), np.ones(tables[0].shape[1]))
    mean = sum(block.sum(axis=0) for rows in tables for block in blocks_of(rows, plain)) / number
    centred = Scale(mean, plain.spread)
    square = sum((block**2).sum(axis=0) for rows in tables for block in blocks_of(rows, centred)) / number
    return Scale(mean, np.sqrt(square) + 1e-6)


def blocks_of(rows: Features, scale: Scale) -> Iterator[Doubles]:
    """Portions of the rows, scaled, in double precision."""
    for start in range(0, len(rows), ROWS_AT_ONCE):
        yield (rows[start : start + ROWS_AT_ONCE] - scale.mean) / scale.spread


def fit_poisson(
    samples: Sequence[WindowSample], scale: Scale, ridge: float, *, rounds: int = 25
) -> tuple[Doubles, float]:
    """Weights (f,) and bias of a Poisson regression with log link on scaled features, by damped Newton steps.

    Goes through the rows portion by portion: a large catalogue's, four windows of it, are not held twice.

    Source: McCullagh & Nelder, "Generalized Linear Models", 1989, section 2.5.
    """
    size, number = samples[0][0].shape[1] + 1, sum(len(counts) for _, counts in samples)
    penalty = np.full(size, ridge)
    penalty[-1] = 1e-6
    weights = np.zeros(size)
    weights[-1] = np.log(sum(float(counts.sum()) for _, counts in samples) / max(number, 1) + 1e-9)

    def portions() -> Iterator[tuple[Doubles, Doubles]]:
        for features, counts in samples:
            for place, rows in enumerate(blocks_of(features, scale)):
                own = counts[place * ROWS_AT_ONCE : place * ROWS_AT_ONCE + len(rows)]
                yield np.hstack([rows, np.ones((len(rows), 1))]), own

    def loss(candidate: Doubles) -> float:
        total = 0.5 * float((penalty * candidate**2).sum())
        for design, counts in portions():
            eta = np.clip(design @ candidate, -30, 10)
            total += float((np.exp(eta) - counts * eta).sum())
        return total

    current = loss(weights)
    for _ in range(rounds):
        gradient, hessian = penalty * weights, np.diag(penalty)
        for design, counts in portions():
            rate = np.exp(np.clip(design @ weights, -30, 10))
            gradient += design.T @ (rate - counts)
            hessian += (design.T * rate) @ design
        step, fraction = np.linalg.solve(hessian, gradient), 1.0
        while fraction > 1e-4 and (reached := loss(weights - fraction * step)) > current:
            fraction /= 2
        if fraction <= 1e-4 or current - reached < 1e-6 * abs(current):
            break
        weights, current = weights - fraction * step, reached
    return weights[:-1], float(weights[-1])
