"""Headers without end, connections without a request, and HEAD: what does the service hold on to?"""

from __future__ import annotations

import time

from benchmarks.attacks.target import Figures, Target, head, is_open, status_of

BLOCK = b"".join(b"X-%06d: %s\r\n" % (number, b"a" * 1_000) for number in range(1_000))


def attack(target: Target, *, header_mb: int = 64, idle: int = 400, seconds: float = 14) -> Figures:
    """Sends header lines for as long as they are taken, holds idle connections, and asks twice by HEAD."""
    figures: Figures = {"MB of header lines taken": endless_headers(target, header_mb)}
    figures["memory_mb"] = target.memory_mb()
    lines = [target.connect() for _ in range(idle)]
    slow = [target.connect() for _ in range(10)]
    end_s = time.monotonic() + seconds
    for number in range(1_000_000):
        for line in slow:
            try:
                line.sendall(b"GET / HTTP/1.1\r\n" if not number else b"X-%d: a\r\n" % number)
            except OSError:
                continue
        if time.monotonic() > end_s:
            break
        time.sleep(1)
    figures |= {
        "idle connections made": idle,
        "idle connections left": sum(is_open(line) for line in lines),
        "slow headers made": len(slow),
        "slow headers left": sum(is_open(line) for line in slow),
        "seconds": seconds,
        "answered meanwhile": target.ask("GET", "/health"),
    }
    for line in lines + slow:
        line.close()
    figures["ms for a cookie of 15 KB of backslashes"] = odd_cookie(target)
    return {**figures, "HEAD, twice over one connection": heads(target)}


def odd_cookie(target: Target) -> float:
    """How long an answer takes whose cookie is hard to parse, without any key."""
    with target.connect() as line:
        began = time.perf_counter()
        line.sendall(b'GET /health HTTP/1.1\r\nHost: localhost\r\nCookie: a="' + b"\\" * 15_000 + b'"\r\n\r\n')
        status_of(line)
        return round(1e3 * (time.perf_counter() - began), 1)


def endless_headers(target: Target, most_mb: int) -> float:
    """MB of header lines of one request that the service takes, up to a bound."""
    sent = 0
    with target.connect(timeout_s=10) as line:
        try:
            line.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n")
            while sent < most_mb * 1_000_000:
                line.sendall(BLOCK)
                sent += len(BLOCK)
        except OSError:
            pass
    return round(sent / 1e6, 1)


def heads(target: Target) -> list[int]:
    """Statuses of two HEAD requests over one connection."""
    with target.connect(timeout_s=10) as line:
        statuses = []
        for _ in range(2):
            try:
                line.sendall(head("HEAD", "/v1/shop"))
            except OSError:
                statuses.append(0)
                continue
            statuses.append(status_of(line, has_body=False))
            time.sleep(0.2)
    return statuses
