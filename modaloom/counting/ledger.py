"""Ten million events as a small table: who was interested in what, on which day; each such interest counts once.

A *thing* is an item or a query: thing ``i`` below the number of items is that item, thing ``n + q`` is query ``q``.
A look, a cart and a purchase of the same thing by the same shopper on one day are one interest, so that one long visit
does not look like many shoppers.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy import sparse

from modaloom.errors import ShopError
from modaloom.types import DAY_S, BoolArray, Event, IntArray, Tell

INTEREST = (Event.VIEW, Event.SEARCH, Event.CART, Event.PURCHASE, Event.LIKE)
"""Events that say that somebody wants a thing. Where a log has none of them, ratings do."""
LEAST_STEPS = 12
"""With fewer steps nothing can be said."""
MOST_QUERIES = 200_000
"""Different searches that are told apart; the tail of a longer list is counted only as searches."""
MOST_A_DAY = 100
"""Interests of one shopper on one day; of a longer day so many count, so that nobody weighs like a crowd."""
_TOGETHER = 1_000_000
"""Events that are looked through for repetitions at once."""
_DENSE_UP_TO = 30_000_000
_MONDAY = 4
"""1970-01-05, the first Monday, as a number of days since 1970."""


@dataclass(frozen=True)
class Ledger:
    """Interests in the order of their days; one entry of each array is one interest."""

    n_items: int
    queries: tuple[str, ...]
    user: npt.NDArray[np.uint32]
    thing: npt.NDArray[np.uint32]
    step: npt.NDArray[np.uint16]
    bought: BoolArray
    first_day: int
    """Of the first step, counted from 1970."""
    step_days: int
    n_steps: int
    events: dict[str, int] = field(default_factory=dict)
    """Everything that was read, by kind of event."""
    newest_s: int = 0

    def __len__(self) -> int:
        return len(self.user)

    @property
    def n_things(self) -> int:
        """Items and queries."""
        return self.n_items + len(self.queries)

    def day(self, step: int) -> date:
        """First day of a step."""
        return date(1970, 1, 1) + timedelta(days=self.first_day + step * self.step_days)

    def counts(self, chosen: BoolArray | None = None) -> sparse.csr_matrix:
        """Interests by thing and step, (things, steps), of all entries or of those chosen."""
        thing, step = (self.thing, self.step) if chosen is None else (self.thing[chosen], self.step[chosen])
        key = thing.astype(np.int64) * self.n_steps + step
        shape = (self.n_things, self.n_steps)
        if shape[0] * shape[1] <= _DENSE_UP_TO:
            whole = np.bincount(key, minlength=shape[0] * shape[1]).reshape(shape)
            return sparse.csr_matrix(whole.astype(np.float64))
        places, number = np.unique(key, return_counts=True)
        rows, columns = places // self.n_steps, places % self.n_steps
        return sparse.csr_matrix((number.astype(np.float64), (rows, columns)), shape=shape)

    def active(self) -> IntArray:
        """Different shoppers of each step, (steps,)."""
        key = np.unique(self.step.astype(np.int64) << 32 | self.user)
        return np.bincount(key >> 32, minlength=self.n_steps).astype(np.int64)


def read_ledger(
    batches: Iterable[pl.DataFrame], n_items: int, *, daily: bool = False, total: int = 0, tell: Tell | None = None
) -> Ledger:
    """Reads a log batch by batch.

    Args:
        batches: frames with ``user_num``, ``item_num`` (null for searches), ``event``, ``timestamp`` and perhaps
            ``query``; roughly in the order of time.
        n_items: items that there are.
        daily: days as steps, not weeks.
        total: events to come, for the progress.
        tell: progress.

    Raises:
        ShopError: the log has no times, or spans too few steps.
    """
    reading = _Reading(n_items)
    done = 0
    for batch in batches:
        reading.add(batch)
        done += batch.height
        if tell:
            tell("events", done, total)
    return reading.ledger(1 if daily else 7)


def plain_query(text: str) -> str:
    """One spelling for what reads alike: half width, lower case, single blanks."""
    return " ".join(unicodedata.normalize("NFKC", text).lower().split())


class _Reading:
    """What was read so far. Days that may still go on are held back, so that no interest is counted twice."""

    def __init__(self, n_items: int):
        self.n_items = n_items
        self.queries: dict[str, int] = {}
        self.events = np.zeros(len(Event), dtype=np.int64)
        self.newest_s = 0
        self._waiting: list[pl.DataFrame] = []
        self._waiting_rows = 0
        self._done: list[pl.DataFrame] = []

    def add(self, batch: pl.DataFrame) -> None:
        """Takes in one batch."""
        kinds = batch["event"].to_numpy()
        self.events += np.bincount(kinds, minlength=len(Event))[: len(Event)]
        batch = batch.filter(pl.col("timestamp") > 0)
        if not batch.height:
            return
        self.newest_s = max(self.newest_s, int(batch["timestamp"].max()))  # type: ignore[arg-type]
        searched = self._numbers(batch)
        thing = pl.when(pl.col("event") == int(Event.SEARCH)).then(searched).otherwise(pl.col("item_num"))
        self._waiting.append(
            batch.select(
                user=pl.col("user_num").cast(pl.UInt32),
                thing=thing.cast(pl.UInt32),
                day=(pl.col("timestamp") // DAY_S).cast(pl.Int32),
                kind=pl.col("event").cast(pl.UInt8),
            ).filter(pl.col("thing").is_not_null())
        )
        self._waiting_rows += batch.height
        if self._waiting_rows >= _TOGETHER:
            self._settle(last=False)

    def _numbers(self, batch: pl.DataFrame) -> pl.Series:
        """Thing of every row's query; null where there is none."""
        if "query" not in batch.columns:
            return pl.Series([None] * batch.height, dtype=pl.UInt32)
        texts = batch["query"]
        known: dict[str, int] = {}
        for text in texts.drop_nulls().unique(maintain_order=True).to_list():
            plain = plain_query(text)
            if plain in self.queries or (plain and len(self.queries) < MOST_QUERIES):
                known[text] = self.n_items + self.queries.setdefault(plain, len(self.queries))
        return texts.replace_strict(known, default=None, return_dtype=pl.UInt32)

    def _settle(self, *, last: bool) -> None:
        frame = pl.concat(self._waiting)
        newest = frame["day"].max()
        ready = frame if last else frame.filter(pl.col("day") < newest)
        self._waiting = [] if last else [frame.filter(pl.col("day") >= newest)]
        self._waiting_rows = sum(part.height for part in self._waiting)
        wanted = pl.col("kind").is_in([int(event) for event in INTEREST])
        kinds = {"bought": pl.col("kind") == Event.PURCHASE, "wanted": wanted, "rated": pl.col("kind") == Event.RATING}
        marked = ready.select("user", "thing", "day", **kinds)
        self._done.append(_capped(marked.group_by("user", "thing", "day").agg(pl.col(name).any() for name in kinds)))

    def ledger(self, step_days: int) -> Ledger:
        """Everything, cut into whole steps."""
        if self._waiting_rows:
            self._settle(last=True)
        frame = pl.concat(self._done) if self._done else pl.DataFrame(schema={"day": pl.Int32})
        if frame.height:
            kind = "wanted" if frame["wanted"].any() else "rated"
            frame = frame.filter(kind)
        if not frame.height:
            raise ShopError("the log has no event with a time", hint="Trends need timestamps: see docs/trends.md")
        first, n_steps = _whole_steps(int(frame["day"].min()), self.newest_s, step_days)  # type: ignore[arg-type]
        if n_steps < LEAST_STEPS:
            what = "days" if step_days == 1 else "weeks"
            raise ShopError(
                f"the log spans {max(n_steps, 0)} whole {what}", hint=f"Trends need {LEAST_STEPS} at least; try --daily"
            )
        frame = frame.with_columns(step=(pl.col("day") - first).floordiv(step_days))
        frame = frame.filter(pl.col("step").is_between(0, n_steps - 1)).sort("step", maintain_order=True)
        return Ledger(
            n_items=self.n_items,
            queries=tuple(self.queries),
            user=frame["user"].to_numpy(),
            thing=frame["thing"].to_numpy(),
            step=frame["step"].cast(pl.UInt16).to_numpy(),
            bought=frame["bought"].to_numpy(),
            first_day=first,
            step_days=step_days,
            n_steps=n_steps,
            events={event.name.lower(): int(self.events[event]) for event in Event if self.events[event]},
            newest_s=self.newest_s,
        )


def _capped(interests: pl.DataFrame) -> pl.DataFrame:
    """At most :data:`MOST_A_DAY` interests of each shopper and day, purchases first, the others by lot."""
    day = ["user", "day"]
    long = interests.group_by(day).len().filter(pl.col("len") > MOST_A_DAY).select(day)
    if not long.height:
        return interests
    lot = pl.col("thing").hash(seed=0)
    chosen = interests.join(long, on=day, how="semi").sort(~pl.col("bought"), lot, maintain_order=True)
    return pl.concat(
        [interests.join(long, on=day, how="anti"), chosen.group_by(day).head(MOST_A_DAY).select(interests.columns)]
    )


def _whole_steps(first_day: int, newest_s: int, step_days: int) -> tuple[int, int]:
    """First day and number of the steps that the log covers as a whole; weeks begin on Mondays.

    The last day counts as whole: nobody can tell a log that ends in the evening from one that goes on.
    """
    last_day = newest_s // DAY_S
    if step_days == 1:
        return first_day, last_day - first_day + 1
    start = first_day + (_MONDAY - first_day) % step_days
    return start, (last_day + 1 - start) // step_days


def moment(seconds: int) -> str:
    """A time as ISO text."""
    return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None).isoformat(timespec="seconds")
