"""How fast a large log becomes shares, verdicts and counts of shoppers, and how much memory that takes.

A made-up log of ten million events by 500,000 shoppers on 20,000 items over two years lies in a Parquet file (written
before the clock starts) and is read in batches, as ``modaloom trends`` reads a store page by page. Timed is everything
from the first batch to the judged series of all attributes with their shoppers, whole and by age and gender. Pictures
and texts of items are left out: they are encoded once and then come from the cache.

    python benchmarks/trends_speed.py [--events 10000000]
"""

from __future__ import annotations

import argparse
import itertools
import resource
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow.parquet as pq
from scipy import sparse

from modaloom.counting.catalogue import Dimension
from modaloom.counting.ledger import read_ledger
from modaloom.files import write_json
from modaloom.messages.stated import StatedWords
from modaloom.trends.baseline import make_baseline
from modaloom.trends.movers import judge_all
from modaloom.trends.people import People, read_groupings
from modaloom.types import DAY_S, Event

RESULTS = Path(__file__).parent / "results" / "trends_speed.json"
ITEMS, USERS, DAYS, START_S = 20_000, 500_000, 728, 1_704_067_200
VALUES = {"category": 60, "material": 25, "colour": 22, "brand": 200, "season": 4}
CHUNK = 500_000


def write_log(file: Path, events: int) -> None:
    """Events in the order of time; half of the items are popular, as in shops."""
    rng = np.random.default_rng(0)
    writer = None
    for start in range(0, events, CHUNK):
        number = min(CHUNK, events - start)
        low, high = START_S + np.array([start, start + number]) / events * DAYS * DAY_S
        kind = rng.choice([int(Event.VIEW), int(Event.CART), int(Event.PURCHASE), int(Event.SEARCH)], number,
                          p=[0.75, 0.1, 0.05, 0.1])  # fmt: skip
        item = (ITEMS * rng.random(number) ** 2).astype(np.uint32)
        words = np.array([f"words {place}" for place in range(5_000)])[rng.integers(0, 5_000, number)]
        frame = pl.DataFrame({
            "user_num": (USERS * rng.random(number) ** 1.5).astype(np.uint32),
            "item_num": pl.Series(item).set(pl.Series(kind == int(Event.SEARCH)), None),
            "event": kind.astype(np.uint8),
            "timestamp": np.sort(rng.uniform(low, high, number)).astype(np.int64),
            "query": pl.Series(words).set(pl.Series(kind != int(Event.SEARCH)), None),
        })  # fmt: skip
        table = frame.to_arrow()
        writer = writer or pq.ParquetWriter(file, table.schema)
        writer.write_table(table, row_group_size=CHUNK)
    assert writer is not None
    writer.close()


def batches(file: Path) -> Iterator[pl.DataFrame]:
    reader = pq.ParquetFile(file)
    for batch in reader.iter_batches(batch_size=CHUNK):
        frame = pl.from_arrow(batch)
        assert isinstance(frame, pl.DataFrame)
        yield frame


def dimensions(n_things: int) -> list[Dimension]:
    rng = np.random.default_rng(1)
    found = []
    for name, number in VALUES.items():
        place = (rng.integers(0, number, ITEMS), np.arange(ITEMS))
        incidence = sparse.csr_matrix((np.ones(ITEMS), place), shape=(number, n_things))
        values = tuple(str(value) for value in range(number))
        names = tuple({"zh": value, "en": value} for value in values)
        found.append(Dimension(f"attribute.{name}", values, names, incidence, np.zeros(number, dtype=np.int64)))
    return found


def shoppers() -> pl.DataFrame:
    rng = np.random.default_rng(2)
    return pl.DataFrame({
        "user_id": [str(user) for user in range(USERS)],
        "attributes.age": rng.integers(16, 70, USERS).astype(str),
        "attributes.gender": np.array(["female", "male"])[rng.integers(0, 2, USERS)],
    })  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=10_000_000)
    parser.add_argument("--json", type=Path, default=RESULTS)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "log.parquet"
        write_log(file, options.events)
        users = shoppers()
        items = pl.DataFrame({"released_at": pl.Series([None] * ITEMS, dtype=pl.Int64)})
        before_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        marks = [("start", time.perf_counter())]
        ledger = read_ledger(batches(file), ITEMS)
        marks.append(("ledger", time.perf_counter()))
        counts = ledger.counts()
        judged = judge_all(dimensions(ledger.n_things), ledger, counts, make_baseline(ledger, items, counts))
        marks.append(("series and verdicts", time.perf_counter()))
        active = np.zeros(USERS, dtype=bool)
        active[ledger.user] = True
        groupings = read_groupings(users, active, 20, StatedWords({}))
        people = People(ledger, groupings, USERS, 20)
        for one in judged:
            people.segments(one.dimension, people.reach(one.dimension))(0)
        marks.append(("shoppers and segments", time.perf_counter()))
    figures = {
        "events": options.events,
        "interests": len(ledger),
        "series": sum(len(one.dimension) for one in judged),
        "seconds": round(marks[-1][1] - marks[0][1], 1),
        "steps": {name: round(at - before, 1) for (_, before), (name, at) in itertools.pairwise(marks)},
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "before_mb": round(before_mb),
    }
    print(figures)
    write_json(options.json, figures)


if __name__ == "__main__":
    main()
