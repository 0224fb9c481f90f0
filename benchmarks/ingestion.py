"""How fast the stores take events and give histories, and whether a kill ever loses one.

Each backend gets a made-up past (100,000 shoppers with 10 events each unless told otherwise), then batches of 100 and
single events; every commit waits for the disk. Then processes that ingest are killed at random moments; on PostgreSQL
the server is crashed too, after every tenth. Prints a table and writes results/ingestion.json.

    python benchmarks/ingestion.py [--users 100000] [--kills 200] [--backends sqlite postgres] [--out FILE]
"""

from __future__ import annotations

import argparse
import os
import platform
import random
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from modaloom.files import write_json
from modaloom.storage.contract import Store
from modaloom.storage.open import open_store
from modaloom.testing.kills import kill_round
from modaloom.testing.postgres import LocalPostgres
from modaloom.types import Event, Interaction

RESULTS = Path(__file__).parent / "results" / "ingestion.json"
EVENTS_EACH, ITEMS, BATCH = 10, 20_000, 100
CLOCK, PER_S = count(), 10  # events come in the order of their times, ten a second
FIGURES = {
    "bulk_events_per_s": "events/s in batches of 10,000",
    "batched_events_per_s": "events/s in batches of 100",
    "batches_per_s": "batches of 100 a second",
    "batched_events_per_s_4_threads": "events/s in batches of 100, 4 threads",
    "single_commits_per_s": "single events a second",
    "single_commits_per_s_4_threads": "single events a second, 4 threads",
    "history_p50_ms": "history of a shopper, p50, ms",
    "history_p99_ms": "history of a shopper, p99, ms",
    "catalogue_version_p50_us": "catalogue_version, p50, µs",
    "counts_of_a_day_ms": "counts of a day's events (about 700,000), ms",
    "erase_ms": "erasing a shopper, ms",
    "kills": "kills",
    "acknowledged_batches": "batches acknowledged before them",
    "faults": "faults after them",
}


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--users", type=int, default=100_000)
    parser.add_argument("--kills", type=int, default=0)
    parser.add_argument("--backends", nargs="+", default=["sqlite", "postgres"], choices=["sqlite", "postgres"])
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    results = {}
    for backend in options.backends:
        with {"sqlite": sqlite, "postgres": postgres}[backend]() as (new_url, crash):
            results[backend] = measured(new_url(), options.users) | killed(new_url(), options.kills, crash, backend)
    show(results)
    machine = {"cores": os.cpu_count(), "python": platform.python_version(), "users": options.users}
    write_json(options.out, {"machine": machine, "backends": results})
    return 1 if any(one["faults"] for one in results.values()) else 0


@contextmanager
def sqlite() -> Iterator[tuple[Callable[[], str], Callable[[], None]]]:
    """New URLs, and a crash that doesn't exist: there is no server."""
    with tempfile.TemporaryDirectory(prefix="modaloom-ingestion-") as folder:
        yield lambda: f"sqlite:///{folder}/{random.getrandbits(64)}.db", lambda: None


@contextmanager
def postgres() -> Iterator[tuple[Callable[[], str], Callable[[], None]]]:
    """New URLs, and what crashes the server and starts it again."""
    with LocalPostgres(durable=True) as server:

        def crash() -> None:
            server.stop(mode="immediate")
            server.start()

        yield server.new_url, crash


def made_up(source: random.Random, users: int, number: int, *, name: str) -> list[Interaction]:
    """That many events with ids of their own."""
    return [
        Interaction(
            f"u{source.randrange(users)}",
            f"i{source.randrange(ITEMS)}",
            Event.VIEW if source.random() < 0.8 else Event.PURCHASE,
            next(CLOCK) // PER_S,
            session_id=f"s{source.getrandbits(40)}",
            event_id=f"{name}-{source.getrandbits(64):x}-{place}",
        )
        for place in range(number)
    ]


def measured(url: str, users: int) -> dict[str, Any]:
    """The speeds."""
    source, figures = random.Random(0), dict[str, Any]()
    with open_store(url) as store:
        took = 0.0
        for _ in track(range(users * EVENTS_EACH // 10_000), "filling"):
            took += timed(store.add_interactions, made_up(source, users, 10_000, name="past"))
        figures["bulk_events_per_s"] = users * EVENTS_EACH / took
        for size, name in ((BATCH, "batched_events_per_s"), (1, "single_commits_per_s")):
            batches = [made_up(source, users, size, name=f"{name}{place}") for place in range(400)]
            figures[name] = size * 200 / sum(timed(store.add_interactions, batch) for batch in batches[:200])
            figures[f"{name}_4_threads"] = size * 200 / timed(in_threads, store, batches[200:])
        figures["batches_per_s"] = figures["batched_events_per_s"] / BATCH
        asked = [f"u{source.randrange(users)}" for _ in range(5_000)]
        times = [timed(store.history, user_id) for user_id in asked]
        figures["history_p50_ms"], figures["history_p99_ms"] = (np.percentile(times, [50, 99]) * 1e3).tolist()
        figures["catalogue_version_p50_us"] = float(np.median([timed(store.catalogue_version) for _ in asked]) * 1e6)
        figures["counts_of_a_day_ms"] = timed(store.event_counts, next(CLOCK) // PER_S - 86_400, [Event.VIEW]) * 1e3
        figures["erase_ms"] = float(np.median([timed(store.erase_user, user_id) for user_id in asked[:3]]) * 1e3)
    return figures


def timed(call: Callable[..., object], *arguments: object) -> float:
    """Seconds that a call took."""
    start = time.perf_counter()
    call(*arguments)
    return time.perf_counter() - start


def in_threads(store: Store, batches: list[list[Interaction]], threads: int = 4) -> None:
    """Sends the batches from several threads at once."""

    def send(some: list[list[Interaction]]) -> None:
        for batch in some:
            store.add_interactions(batch)

    running = [threading.Thread(target=send, args=(batches[place::threads],)) for place in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()


def killed(url: str, kills: int, crash: Callable[[], None], backend: str) -> dict[str, Any]:
    """What was found after killing."""
    open_store(url).close()
    rounds, faults = [], list[str]()
    for number in track(range(kills), f"killing {backend}"):
        rounds.append(kill_round(url, f"r{number}", seed=number))
        faults += rounds[-1].faults
        if number % 10 == 9:
            crash()
    with open_store(url) as store:  # what was kept must have stayed, also when the server was crashed later
        lost = sum(one.events for one in rounds) - store.counts()["interaction"]
    faults += [f"{lost} events were lost later"] if lost else []
    return {"kills": len(rounds), "acknowledged_batches": sum(one.acknowledged for one in rounds), "faults": faults}


def show(results: dict[str, dict[str, Any]]) -> None:
    """Prints the table."""
    table = Table("", *results)
    for name, words in FIGURES.items():
        cells = [one[name] if name != "faults" else len(one[name]) for one in results.values()]
        table.add_row(words, *(f"{cell:,.3g}" if 0 < cell < 100 else f"{cell:,.0f}" for cell in cells))
    Console().print(table)
    for one in results.values():
        for fault in one["faults"]:
            print(fault)


if __name__ == "__main__":
    sys.exit(main())
