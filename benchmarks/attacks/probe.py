"""Asks ``/health`` again and again from a process of its own, until standard input ends; prints how long that took."""

from __future__ import annotations

import json
import select
import socket
import sys
import time

REQUEST = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
LONGEST_S = 90.0


def ask(port: int, kept: socket.socket | None) -> socket.socket:
    """One answer over a kept connection, or a new one."""
    line = kept or socket.create_connection(("127.0.0.1", port), timeout=LONGEST_S)
    line.sendall(REQUEST)
    answer = b""
    while b'"version"' not in answer or not answer.endswith(b"}"):
        part = line.recv(65_536)
        if not part:
            raise ConnectionError("no answer")
        answer += part
    return line


def main() -> None:
    """Probes the port that the argument names, for a minute and a half at most."""
    port, kept = int(sys.argv[1]), None
    waits: list[float] = []
    failed, end_s = 0, time.monotonic() + LONGEST_S
    while time.monotonic() < end_s and not select.select([sys.stdin], [], [], 0.005)[0]:
        began = time.perf_counter()
        try:
            kept = ask(port, kept)
        except OSError:
            kept, failed = None, failed + 1
        waits.append(1e3 * (time.perf_counter() - began))
    waits.sort()
    at = {"p50_ms": 0.5, "p99_ms": 0.99}
    found = {name: round(waits[int(share * (len(waits) - 1))], 1) for name, share in at.items()}
    print(json.dumps({"asked": len(waits), "failed": failed, **found, "longest_ms": round(waits[-1], 1)}))


if __name__ == "__main__":
    main()
