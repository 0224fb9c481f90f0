"""Honest cuts through a shop's log: what a model may see, and what it is asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl

from modaloom.data.shop import Shop, read_interactions
from modaloom.errors import EvaluationError
from modaloom.types import BoolArray, IntArray, Snapshot, Tokens

DAY_S = 86_400


@dataclass(frozen=True)
class Split:
    """One question: knowing ``snapshot``, what will ``user_nums`` take next?"""

    name: str
    snapshot: Snapshot
    user_nums: IntArray  # (b,)
    truth: list[IntArray]  # distinct item numbers of each user, never empty
    ever_sold: BoolArray  # (n,) items with a target event in the snapshot
    unreachable: int = 0
    """True items that are outside the catalogue at the cut; they are left out of the truth."""


def take_snapshot(shop: Shop, tokens: Mapping[str, Tokens], *, now: int | None = None) -> Snapshot:
    """The shop as it stood at ``now`` (its end by default): earlier interactions, items released by then."""
    now = shop.end if now is None else now
    past = shop.interactions if not shop.has_times else shop.interactions.filter(pl.col("timestamp") < now)
    return _snapshot(shop, tokens, past, now)


def _snapshot(shop: Shop, tokens: Mapping[str, Tokens], past: pl.DataFrame, now: int) -> Snapshot:
    released = shop.items["released_at"]
    catalogue = np.ones(shop.n_items, dtype=bool)
    if released.null_count() < shop.n_items:
        catalogue = (released.fill_null(0) <= now).to_numpy().copy()
    return Snapshot(
        items=shop.items,
        users=shop.users,
        interactions=past,
        tokens=tokens,
        catalogue=catalogue,
        now=now,
        target_events=shop.target_events,
        exclude_seen=shop.exclude_seen,
    )


def ask(name: str, snapshot: Snapshot, future: pl.DataFrame) -> Split:
    """The question that later interactions put to a snapshot: known users only, distinct new targets."""
    wanted = [int(event) for event in snapshot.target_events]
    targets = future.filter(pl.col("event").is_in(wanted) & pl.col("item_num").is_not_null())
    past = snapshot.interactions.filter(pl.col("item_num").is_not_null())
    targets = targets.filter(pl.col("user_num").is_in(past["user_num"].unique().implode()))
    pairs = targets.select("user_num", "item_num").unique()
    sold = snapshot.targets()
    if snapshot.exclude_seen:
        pairs = pairs.join(sold.select("user_num", "item_num").unique(), on=["user_num", "item_num"], how="anti")
    reachable = pairs.filter(pl.Series(snapshot.catalogue[pairs["item_num"].to_numpy()]))
    grouped = reachable.sort("user_num", "item_num").group_by("user_num", maintain_order=True).agg("item_num")
    ever_sold = np.zeros(snapshot.n_items, dtype=bool)
    ever_sold[sold["item_num"].unique().to_numpy()] = True
    return Split(
        name=name,
        snapshot=snapshot,
        user_nums=grouped["user_num"].to_numpy().astype(np.int64),
        truth=[np.array(items, dtype=np.int64) for items in grouped["item_num"].to_list()],
        ever_sold=ever_sold,
        unreachable=pairs.height - reachable.height,
    )


def _day(moment: int) -> str:
    return datetime.fromtimestamp(moment, tz=UTC).strftime("%Y-%m-%d")


def _needs_times(shop: Shop, protocol: str) -> None:
    if not shop.has_times:
        raise EvaluationError(
            f"the protocol {protocol!r} needs times, and this shop's log has none",
            hint="Use --protocol random, last-out or file",
        )


def window_split(shop: Shop, tokens: Mapping[str, Tokens], start: int, stop: int) -> Split:
    """Fit on everything before ``start``, ask for what follows until ``stop``."""
    snapshot = take_snapshot(shop, tokens, now=start)
    future = shop.interactions.filter((pl.col("timestamp") >= start) & (pl.col("timestamp") < stop))
    return ask(f"{_day(start)} to {_day(stop - 1)}", snapshot, future)


def rolling_splits(shop: Shop, tokens: Mapping[str, Tokens], *, windows: int, window_days: int) -> Iterator[Split]:
    """The last ``windows`` windows of ``window_days`` days, oldest first, each with its own past.

    Raises:
        EvaluationError: no times, or the log is too short.
    """
    _needs_times(shop, "rolling")
    last_day = shop.end - 1 - (shop.end - 1) % DAY_S + DAY_S
    first = last_day - windows * window_days * DAY_S
    if first <= int(shop.interactions["timestamp"].min() or 0):  # type: ignore[call-overload]
        raise EvaluationError(
            f"{windows} windows of {window_days} days are longer than the log", hint="Use fewer or shorter windows"
        )
    for number in range(windows):
        start = first + number * window_days * DAY_S
        split = window_split(shop, tokens, start, start + window_days * DAY_S)
        if len(split.user_nums):
            yield split


def temporal_split(shop: Shop, tokens: Mapping[str, Tokens], *, test_share: float = 0.1) -> Split:
    """One cut date: the last ``test_share`` of the interactions are asked for.

    Raises:
        EvaluationError: no times, or nobody known comes back after the cut.
    """
    _needs_times(shop, "temporal")
    times = shop.interactions["timestamp"]
    cut = int(times[int(len(times) * (1 - test_share))])
    return _checked(window_split(shop, tokens, cut, shop.end))


def last_out_split(shop: Shop, tokens: Mapping[str, Tokens]) -> Split:
    """Each user's last target event is asked for; their events from then on are hidden.

    Other users' later events stay visible, as in most papers: this measures taste, not foresight.
    """
    wanted = [int(event) for event in shop.target_events]
    log = shop.interactions.with_row_index("row")
    last = (
        log.filter(pl.col("event").is_in(wanted) & pl.col("item_num").is_not_null())
        .group_by("user_num")
        .agg(pl.col("row").max().alias("last"), pl.len().alias("number"))
        .filter(pl.col("number") > 1)
    )
    joined = log.join(last, on="user_num", how="left", maintain_order="left")
    past = joined.filter(pl.col("last").is_null() | (pl.col("row") < pl.col("last"))).drop("row", "last", "number")
    future = joined.filter(pl.col("row") == pl.col("last")).drop("row", "last", "number")
    return _checked(ask("last event of each user", _snapshot(shop, tokens, past, shop.end), future))


def random_split(shop: Shop, tokens: Mapping[str, Tokens], *, test_share: float = 0.2, seed: int = 0) -> Split:
    """A random share of each user's distinct targets is asked for and hidden, with all events on those items."""
    wanted = [int(event) for event in shop.target_events]
    log = shop.interactions
    pairs = (
        log.filter(pl.col("event").is_in(wanted) & pl.col("item_num").is_not_null())
        .select("user_num", "item_num")
        .unique(maintain_order=True)
    )
    draw = np.random.default_rng(seed).random(pairs.height)
    held = pairs.filter(pl.Series(draw < test_share)).with_columns(held=pl.lit(True))
    marked = log.join(held, on=["user_num", "item_num"], how="left", maintain_order="left")
    past = marked.filter(pl.col("held").is_null()).drop("held")
    future = marked.filter(pl.col("held")).drop("held")
    return _checked(ask(f"{test_share:.0%} of each user's items", _snapshot(shop, tokens, past, shop.end), future))


def file_split(shop: Shop, tokens: Mapping[str, Tokens], file: str | Path) -> Split:
    """The interactions of a further file are asked for; all of the shop's own log is the past.

    Raises:
        ShopError: the file cannot be used.
        EvaluationError: no user of the file is known.
    """
    return _checked(ask(Path(file).name, take_snapshot(shop, tokens), read_interactions(shop, file)))


def _checked(split: Split) -> Split:
    if not len(split.user_nums):
        raise EvaluationError("no known user has anything to predict here", hint="Try another protocol or a larger share")
    return split
