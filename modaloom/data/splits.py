"""Honest cuts through a shop's log: what a model may see, and what it is asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl

from modaloom.data.shop import Shop, read_interactions
from modaloom.errors import EvaluationError
from modaloom.types import DAY_S, BoolArray, Histories, IntArray, Snapshot, Tokens

NEW_USERS_SHARE = 0.2
"""Share of the shoppers that the protocol ``new-users`` keeps out of the log that is learned from."""
MOSTLY = 0.9
"""From which share on a file of questions counts as cut in one way: a few odd times do not make it another one."""


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
    kept_out: pl.DataFrame | None = None
    """The past of the shoppers that are asked, where the snapshot lacks it: nothing may be learned from it."""

    def histories(self) -> Histories:
        """What is known of each shopper when they are asked, (b,); kept-out shoppers are strangers to the model."""
        if self.kept_out is None:
            return self.snapshot.histories(self.user_nums)
        return as_strangers(replace(self.snapshot, interactions=self.kept_out).histories(self.user_nums))

    def take(self, number: int) -> Split:
        """The same question for the first ``number`` shoppers."""
        return replace(self, user_nums=self.user_nums[:number], truth=self.truth[:number])


def take_snapshot(shop: Shop, tokens: Mapping[str, Tokens], *, now: int | None = None) -> Snapshot:
    """The shop as it stood at ``now`` (its end by default): earlier interactions, items released by then."""
    now = shop.end if now is None else now
    past = shop.interactions if not shop.has_times else shop.interactions.filter(pl.col("timestamp") < now)
    return _snapshot(shop, tokens, past, now)


def _snapshot(shop: Shop, tokens: Mapping[str, Tokens], past: pl.DataFrame, now: int) -> Snapshot:
    released = shop.items["released_at"]
    catalogue = np.ones(shop.n_items, dtype=bool)
    if shop.has_times and released.null_count() < shop.n_items:  # without a clock there is no "not yet"
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


def _outside_time(shop: Shop, tokens: Mapping[str, Tokens], past: pl.DataFrame) -> Snapshot:
    """The shop at its end with a log in its order but without times, as if none had been written down.

    For questions that may be about any day of the log: models that were told the times would take what is newest for
    what is nearest to the question, and learn to foresee what comes after the end, which nobody asks.
    """
    return _snapshot(shop, tokens, past.with_columns(timestamp=pl.lit(0, dtype=pl.Int64)), shop.end)


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
    return Split(
        name=name,
        snapshot=snapshot,
        user_nums=grouped["user_num"].to_numpy().astype(np.int64),
        truth=[np.array(items, dtype=np.int64) for items in grouped["item_num"].to_list()],
        ever_sold=_ever_sold(snapshot),
        unreachable=pairs.height - reachable.height,
    )


def _ever_sold(snapshot: Snapshot) -> BoolArray:
    """Which items (n,) have a target event in the log."""
    ever_sold = np.zeros(snapshot.n_items, dtype=bool)
    ever_sold[snapshot.targets()["item_num"].unique().to_numpy()] = True
    return ever_sold


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
    if first <= int(shop.interactions["timestamp"][0]):  # the log is sorted
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
    cut = int(times[min(int(len(times) * (1 - test_share)), len(times) - 1)])
    return _checked(window_split(shop, tokens, cut, shop.end))


def last_out_split(shop: Shop, tokens: Mapping[str, Tokens]) -> Split:
    """Each user's last target event is asked for; see :func:`leave_last_out`.

    Raises:
        EvaluationError: nobody has two target events.
    """
    return _checked(leave_last_out(take_snapshot(shop, tokens)))


def leave_last_out(snapshot: Snapshot) -> Split:
    """Each user's last target event is asked for; their events from then on are hidden.

    Their views and carts of that very item are hidden, too: whoever is told of them needs no taste. Other users' later
    events stay visible, as in most papers: this measures taste, not foresight.
    """
    wanted = [int(event) for event in snapshot.target_events]
    log = snapshot.interactions.with_row_index("row")
    last = (
        log.filter(pl.col("event").is_in(wanted) & pl.col("item_num").is_not_null())
        .group_by("user_num")
        .agg(pl.col("row").max().alias("last"), pl.len().alias("number"))
        .filter(pl.col("number") > 1)
    )
    joined = log.join(last, on="user_num", how="left", maintain_order="left").drop("number")
    future = joined.filter(pl.col("row") == pl.col("last"))
    asked = future.select("user_num", "item_num", asked=pl.lit(True))
    marked = joined.join(asked, on=["user_num", "item_num"], how="left", maintain_order="left")
    earlier = pl.col("last").is_null() | (pl.col("row") < pl.col("last"))
    past = marked.filter(earlier & (pl.col("event").is_in(wanted) | pl.col("asked").is_null()))
    shown = replace(snapshot, interactions=past.drop("row", "last", "asked"), last_out=True)
    return ask("last event of each user", shown, future.drop("row", "last"))


def random_split(shop: Shop, tokens: Mapping[str, Tokens], *, test_share: float = 0.2, seed: int = 0) -> Split:
    """A random share of each user's distinct targets is asked for and hidden, with all events on those items.

    Models get the log without its times, see :func:`_outside_time`.
    """
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
    return _checked(ask(f"{test_share:.0%} of each user's items", _outside_time(shop, tokens, past), future))


def file_split(shop: Shop, tokens: Mapping[str, Tokens], file: str | Path) -> Split:
    """The interactions of a further file are asked for; all of the shop's own log is the past.

    Models are told how the file was cut, as far as its times show it, so that they are validated on such questions: it
    comes after the log; it follows each shopper's own past, as in :func:`leave_last_out`; or it is from any day, and
    the log is given without its times, as in :func:`random_split`.

    Raises:
        ShopError: the file cannot be used.
        EvaluationError: no user of the file is known.
    """
    future, name = read_interactions(shop, file), Path(file).name
    cut = _cut_of(shop, future)
    if cut == "any day":
        return _checked(ask(f"{name}, from any day", _outside_time(shop, tokens, shop.interactions), future))
    snapshot = take_snapshot(shop, tokens)
    if cut == "last":
        return _checked(ask(f"{name}, after each user's own past", replace(snapshot, last_out=True), future))
    return _checked(ask(name, snapshot, future))


def _cut_of(shop: Shop, future: pl.DataFrame) -> Literal["later", "last", "any day"]:
    """Where a file's targets lie in time; ``later`` than the log where there are no times to tell it by."""
    wanted = pl.col("event").is_in([int(event) for event in shop.target_events]) & pl.col("item_num").is_not_null()
    asked = future.filter(wanted & (pl.col("timestamp") > 0))
    if not shop.has_times or not asked.height:
        return "later"
    if (asked["timestamp"].to_numpy() >= int(shop.interactions["timestamp"][-1])).mean() >= MOSTLY:  # the log is sorted
        return "later"
    newest = shop.interactions.filter(wanted).group_by("user_num").agg(pl.col("timestamp").max().alias("newest"))
    first = asked.group_by("user_num").agg(pl.col("timestamp").min()).join(newest, on="user_num")
    follows = (first["timestamp"] >= first["newest"]).to_numpy()
    return "last" if len(follows) and follows.mean() >= MOSTLY else "any day"


def keep_out(split: Split, held: BoolArray) -> Split:
    """The same question to some shoppers only, from a past that lacks everything that they did.

    ``held`` (n_users,) marks them. Their own past comes with the question, see :meth:`Split.histories`, and
    ``ever_sold`` is about the log that is left. ``unreachable`` stays that of all shoppers.
    """
    log = split.snapshot.interactions
    theirs = pl.Series(held[log["user_num"].to_numpy()], dtype=pl.Boolean)
    snapshot = replace(split.snapshot, interactions=log.filter(~theirs))
    asked = held[split.user_nums]
    return replace(
        split,
        snapshot=snapshot,
        user_nums=split.user_nums[asked],
        truth=[items for items, wanted in zip(split.truth, asked, strict=True) if wanted],
        ever_sold=_ever_sold(snapshot),
        kept_out=log.filter(theirs),
    )


def new_user_splits(
    shop: Shop, tokens: Mapping[str, Tokens], *, windows: int, window_days: int, seed: int = 0
) -> Iterator[Split]:
    """Rolling windows asked of a fifth of the shoppers, of whom the model has seen nothing when it is fitted.

    Without times: some items of each of them, as in :func:`random_split`.

    Raises:
        EvaluationError: the log is too short, or none of them comes back.
    """
    held: BoolArray = np.random.default_rng([seed, shop.n_users]).random(shop.n_users) < NEW_USERS_SHARE
    whole = (
        rolling_splits(shop, tokens, windows=windows, window_days=window_days)
        if shop.has_times
        else iter([random_split(shop, tokens, seed=seed)])
    )
    for split in whole:
        asked = keep_out(split, held)
        if len(asked.user_nums) and asked.snapshot.interactions.height:
            yield asked


def as_strangers(histories: Histories) -> Histories:
    """The same pasts, but of shoppers whose number no model knows."""
    return replace(histories, user_nums=np.full(len(histories), -1, dtype=np.int64))


def newest_events(histories: Histories, number: int) -> Histories:
    """Only the newest ``number`` events of each shopper; all where there are fewer."""
    lengths = np.minimum(histories.lengths(), number)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    within = np.arange(offsets[-1], dtype=np.int64) - np.repeat(offsets[:-1], lengths)
    picks = np.repeat(histories.offsets[1:] - lengths, lengths) + within
    return replace(
        histories,
        offsets=offsets,
        item_nums=histories.item_nums[picks],
        events=histories.events[picks],
        timestamps=histories.timestamps[picks],
    )


def _checked(split: Split) -> Split:
    if not len(split.user_nums):
        raise EvaluationError(
            "no known user has anything to predict here", hint="Try another protocol or a larger share"
        )
    return split


def as_of(snapshot: Snapshot, moment: int) -> Snapshot:
    """The same shop as it stood earlier: the log before ``moment``, and the items released by then."""
    released = snapshot.items["released_at"]
    on_offer: BoolArray = snapshot.catalogue.copy()
    if released.null_count() < snapshot.n_items:
        on_offer &= (released.fill_null(0) <= moment).to_numpy()
    past = snapshot.interactions.filter(pl.col("timestamp") < moment)
    return replace(snapshot, interactions=past, catalogue=on_offer, now=moment)


def earlier_splits(snapshot: Snapshot, *, windows: int, window_days: int) -> list[Split]:
    """Questions from a snapshot's own past, oldest first: what a model may be validated on.

    The last ``windows`` windows before its end, each with its own past; fewer where the log is short, and
    none where it has no times.
    """
    times = snapshot.interactions["timestamp"]
    first = int(times[0]) if len(times) else 0  # the log is sorted
    splits = []
    for back in range(windows, 0, -1):
        start = snapshot.now - back * window_days * DAY_S
        if not times.len() or start <= first + 2 * window_days * DAY_S or not first:
            continue
        stop = start + window_days * DAY_S
        future = snapshot.interactions.filter((pl.col("timestamp") >= start) & (pl.col("timestamp") < stop))
        split = ask(f"{_day(start)} to {_day(stop - 1)}", as_of(snapshot, start), future)
        if len(split.user_nums):
            splits.append(split)
    return splits


def held_out_split(snapshot: Snapshot, *, share: float = 0.15, max_users: int = 2_000, seed: int = 0) -> Split:
    """A question from a snapshot without times: a share of the targets of some shoppers, hidden from the rest."""
    rng = np.random.default_rng(seed)
    pairs = snapshot.targets().select("user_num", "item_num").unique(maintain_order=True)
    users = pairs["user_num"].unique(maintain_order=True).to_numpy()
    chosen = pl.Series(rng.permutation(users)[:max_users], dtype=pl.UInt32)
    draw = pl.Series(rng.random(pairs.height) < share)
    held = pairs.filter(draw & pairs["user_num"].is_in(chosen.implode())).with_columns(held=pl.lit(True))
    marked = snapshot.interactions.join(held, on=["user_num", "item_num"], how="left", maintain_order="left")
    past = replace(snapshot, interactions=marked.filter(pl.col("held").is_null()).drop("held"))
    return ask("held out", past, marked.filter(pl.col("held")).drop("held"))
