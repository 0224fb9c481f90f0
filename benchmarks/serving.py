"""What the service bears: lists a second, waiting times at half of that, events a second, and memory over time.

Starts the service on a bundle (see large_shop.py for one of 100,000 items and shoppers), asks for lists for shoppers
drawn at random, and sends events in batches of 100. The load comes from a process of its own on the same machine, so
the cores are shared with it; it speaks plain HTTP/1.1 over kept connections, which costs little (what it took is told).
Every list is for another shopper and every answer is computed: nothing is cached. Prints a table, and writes
results/serving.json.

    python benchmarks/serving.py BUNDLE [--workers 2] [--seconds 20] [--minutes 0] [--store URL]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import numpy as np

from modaloom.config import load_settings
from modaloom.shop.open import prepare_store
from modaloom.storage.open import open_store

RESULT = Path(__file__).parent / "results" / "serving.json"
SHOP_KEY, ADMIN_KEY = "benchmark-shop-key-0001", "benchmark-admin-key-0001"
CONNECTIONS = 16
BATCH = 100
ROUNDS = 6
SHARES: list[float] = []
"""Cores that the load took in each closed loop."""
Row = dict[str, float | int | str]


class Connection(asyncio.Protocol):
    """One kept HTTP connection, with as little work for each answer as can be."""

    def __init__(self, port: int):
        self.port = port
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[tuple[int, bytes]] | None = None
        self._buffer, self._body_at, self._end = bytearray(), 0, 0

    async def ask(self, method: str, path: str, body: bytes = b"") -> tuple[int, bytes]:
        """Sends a request, and gives the whole answer."""
        loop = asyncio.get_running_loop()
        if self._transport is None:
            self._transport, _ = await loop.create_connection(lambda: self, "127.0.0.1", self.port)
        head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nX-API-Key: {SHOP_KEY}\r\n"
        if body:
            head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        self._answer = loop.create_future()
        self._transport.write(head.encode() + b"\r\n" + body)
        return await self._answer

    def data_received(self, data: bytes) -> None:
        """Takes in a part of the answer."""
        self._buffer += data
        if not self._end:
            head = self._buffer.find(b"\r\n\r\n")
            if head < 0:
                return
            start = self._buffer.index(b"content-length: ", 0, head) + 16
            self._body_at = head + 4
            self._end = self._body_at + int(self._buffer[start : self._buffer.index(b"\r", start)])
        if len(self._buffer) >= self._end and self._answer is not None:
            answer = int(self._buffer[9:12]), bytes(self._buffer[self._body_at : self._end])
            self._buffer, self._end = bytearray(), 0
            self._answer.set_result(answer)

    def close(self) -> None:
        """A client that is done goes away: open connections count as its worker's load."""
        if self._transport is not None:
            self._transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        """Tells whoever waits."""
        self._transport = None
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(ConnectionResetError("the service closed the connection"))


def list_path(users: list[str], rng: random.Random, *, why: bool) -> str:
    return f"/v1/recommendations?user_id={rng.choice(users)}&n=20&why={'true' if why else 'false'}"


async def closed_loop(port: int, seconds: float, work: Callable[[Connection], Awaitable[int]]) -> tuple[float, int]:
    """Units of work a second with every connection always busy, and failures."""
    stop = time.monotonic() + seconds
    done = failed = 0

    async def run() -> None:
        nonlocal done, failed
        connection = Connection(port)
        while time.monotonic() < stop:
            number = await work(connection)
            done, failed = done + max(number, 0), failed + (number < 0)
        connection.close()

    started, spent = time.monotonic(), time.process_time()
    await asyncio.gather(*(run() for _ in range(CONNECTIONS)))
    took = time.monotonic() - started
    SHARES.append((time.process_time() - spent) / took)
    return done / took, failed


async def open_loop(port: int, rate: float, seconds: float, path: Callable[[], str]) -> list[float]:
    """Waiting times in ms of requests that come at random moments, whether earlier ones are done or not."""
    idle = deque(Connection(port) for _ in range(64))  # in turn: a connection stays with its worker
    waits: list[float] = []

    async def one(due: float) -> None:
        connection = idle.popleft() if idle else Connection(port)
        status, _ = await connection.ask("GET", path())
        waits.append(1e3 * (time.monotonic() - due) if status == 200 else float("inf"))
        idle.append(connection)

    rng, due, tasks = random.Random(1), time.monotonic(), []
    stop = due + seconds
    while due < stop:
        due += rng.expovariate(rate)
        await asyncio.sleep(max(due - time.monotonic(), 0))
        tasks.append(asyncio.create_task(one(due)))
    await asyncio.gather(*tasks)
    for connection in idle:
        connection.close()
    return waits


def batch(users: list[str], items: list[str], rng: random.Random) -> bytes:
    """A hundred events nobody has sent before."""
    now = int(time.time())
    events = [
        {
            "event_id": f"{rng.getrandbits(64):x}",
            "user_id": rng.choice(users),
            "item_id": rng.choice(items),
            "event": rng.choice(["view", "view", "cart", "purchase"]),
            "timestamp": now,
        }
        for _ in range(BATCH)
    ]
    return json.dumps({"events": events}).encode()


async def measure(port: int, users: list[str], items: list[str], seconds: float) -> list[Row]:
    """Both kinds of lists in turn, several rounds, then waiting times at half of the middle rate, then events."""
    rng, rows = random.Random(0), []
    rates: dict[bool, list[float]] = {True: [], False: []}
    failed = 0
    for turn in range(2 * ROUNDS + 2):
        why = turn % 2 == 0

        async def ask(connection: Connection, why: bool = why) -> int:
            status, _ = await connection.ask("GET", list_path(users, rng, why=why))
            return 1 if status == 200 else -1

        rate, missed = await closed_loop(port, seconds / ROUNDS, ask)
        print(f"  {'with' if why else 'without'} reasons: {rate:.0f}/s, load {SHARES[-1]:.2f} cores", flush=True)
        failed += missed
        if turn >= 2:  # the first of each kind warm up
            rates[why].append(rate)
    for why, name in ((True, "lists of 20 with reasons"), (False, "lists of 20 without reasons")):
        middle = float(np.median(rates[why]))
        rows.append({"what": name, "per_s": middle, "best_per_s": max(rates[why]), "failed": failed})
        half = min(middle / 2, 150.0)
        waits = await open_loop(port, half, seconds, lambda why=why: list_path(users, rng, why=why))
        p50, p99 = (float(value) for value in np.quantile(waits, (0.5, 0.99)))
        rows.append({"what": f"{name}, at {half:.0f}/s", "per_s": half, "p50_ms": p50, "p99_ms": p99, "failed": 0})

    async def send(connection: Connection) -> int:
        status, _ = await connection.ask("POST", "/v1/interactions", batch(users, items, rng))
        return BATCH if status == 200 else -1

    rate, missed = await closed_loop(port, seconds, send)
    rows.append({"what": "events in batches of 100", "per_s": rate, "failed": missed})
    return rows


def memory_mb(process: int) -> float:
    """Resident memory of a process and its children, shared pages counted once by their share (PSS)."""
    children = subprocess.run(["pgrep", "-P", str(process)], capture_output=True, text=True, check=False).stdout.split()
    total = 0
    for number in (str(process), *children):
        try:
            lines = Path(f"/proc/{number}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        total += next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total / 1024


async def soak(port: int, process: int, users: list[str], items: list[str], minutes: float) -> list[Row]:
    """Lists and events for a while, and memory on the way."""
    rng, rows, stop = random.Random(2), [], time.monotonic() + 60 * minutes

    async def ask() -> None:
        connection = Connection(port)
        while time.monotonic() < stop:
            if rng.random() < 0.1:
                await connection.ask("POST", "/v1/interactions", batch(users, items, rng))
            else:
                await connection.ask("GET", list_path(users, rng, why=True))
            await asyncio.sleep(0.02)

    async def watch() -> None:
        started = time.monotonic()
        while time.monotonic() < stop:
            rows.append({"minute": (time.monotonic() - started) / 60, "mb": memory_mb(process)})
            await asyncio.sleep(min(10.0, max(stop - time.monotonic(), 0.1)))

    await asyncio.gather(watch(), *(ask() for _ in range(4)))
    return rows


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def start(bundle: Path, store: str, port: int, workers: int) -> subprocess.Popen[bytes]:
    """The service, ready to answer."""
    environment = os.environ | {
        "MODALOOM_SERVE_SHOP_KEYS": json.dumps([SHOP_KEY]),
        "MODALOOM_SERVE_ADMIN_KEYS": json.dumps([ADMIN_KEY]),
        "MODALOOM_SERVE_LOG_REQUESTS": "false",
    }
    command = ["-m", "modaloom.cli", "serve", str(bundle), "--store", store, "--port", str(port)]
    log = Path(tempfile.gettempdir()) / f"modaloom-benchmark-{port}.log"
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [sys.executable, *command, "--workers", str(workers)], env=environment, stdout=stream, stderr=stream
        )
    deadline = time.monotonic() + 600
    while time.monotonic() < deadline and process.poll() is None:
        if b"Serving on" in log.read_bytes():  # all workers are there
            return process
        time.sleep(0.3)
    raise SystemExit(f"the service did not start:\n{log.read_text()[-2000:]}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--minutes", type=float, default=0, help="of the memory run; none by default")
    parser.add_argument("--store", help="a store to use; a new one in a temporary folder by default")
    parser.add_argument("--out", type=Path, default=RESULT)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        url = args.store or f"sqlite:///{folder}/shop.db"
        with open_store(url) as store:
            store.migrate()
            prepare_store(store, args.bundle, load_settings(), today=True)
            users, items = store.user_ids(limit=100_000), [one.item_id for one in store.item_changes(0, limit=100_000)]
        port = free_port()
        process = start(args.bundle, url, port, args.workers)
        try:
            rows = asyncio.run(measure(port, users, items, args.seconds))
            memory = asyncio.run(soak(port, process.pid, users, items, args.minutes)) if args.minutes else []
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)
    report(rows, memory)
    about: dict[str, Any] = {"cores": os.cpu_count(), "workers": args.workers, "items": len(items), "users": len(users)}
    about |= {"machine": platform.machine(), "load_cores": float(np.median(SHARES[2 : 2 * ROUNDS + 2]))}
    content = {"about": about, "rows": rows, "memory": memory}
    args.out.parent.mkdir(exist_ok=True)
    args.out.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def report(rows: list[Row], memory: list[Row]) -> None:
    print(f"{'what':44} {'per s':>8} {'best':>8} {'p50 ms':>8} {'p99 ms':>8} {'failed':>7}")
    for row in rows:
        cells = [f"{row[key]:8.1f}" if key in row else " " * 8 for key in ("best_per_s", "p50_ms", "p99_ms")]
        print(f"{row['what']:44} {row['per_s']:8.0f} {' '.join(cells)} {row['failed']:7}")
    if memory:
        settled = [row for row in memory if float(row["minute"]) >= 0.2 * float(memory[-1]["minute"])]
        first, last = float(settled[0]["mb"]), float(settled[-1]["mb"])
        print(f"memory: {first:.0f} MB after warming up, {last:.0f} MB at the end ({100 * (last / first - 1):+.1f} %)")


if __name__ == "__main__":
    main()
