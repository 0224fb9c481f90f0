"""Bodies that cost their sender nothing and a parser much: who waits for them?"""

from __future__ import annotations

import json
import time

from benchmarks.attacks.target import SHOP, Figures, Target

INTERACTIONS, ITEMS = "/v1/interactions", "/v1/items"


def unknown_members(n_bytes: int) -> bytes:
    """One object of so many bytes with a member every eleven."""
    members = ",".join(f'"{number:06}":1' for number in range(n_bytes // 11))
    return f"{{{members}}}".encode()


def faulty_rows(n_bytes: int) -> bytes:
    """A thousand events, every field of which is wrong."""
    row = json.dumps({"user_id": 1, "item_id": 2, "event": 3, "timestamp": "x", "value": "x", "a": 1, "b": 2, "c": 3})
    return f'{{"events": [{",".join([row] * min(n_bytes // len(row), 1_000))}]}}'.encode()


def large_items(n_bytes: int) -> bytes:
    """Items with as many attributes as are allowed."""
    facts = {f"attribute-{one}": "value " * (n_bytes // 800_000) for one in range(99)}
    return json.dumps({"items": [{"item_id": f"i{number}", "attributes": facts} for number in range(1_000)]}).encode()


def attack(target: Target, *, n_bytes: int = 7_500_000) -> Figures:
    """Sends each body once; how long it took, what was answered, and how long /health took meanwhile."""
    cases = {
        "page, 7.5 MB of unknown members": ("POST", INTERACTIONS, unknown_members(n_bytes), {}),
        "page, 120 KB of unknown members": ("POST", INTERACTIONS, unknown_members(120_000), {}),
        "page, 120 KB of faulty events": ("POST", INTERACTIONS, faulty_rows(120_000), {}),
        "page, 120 KB of brackets": ("POST", INTERACTIONS, b'{"events":[' + b"[]," * 40_000 + b"1]}", {}),
        "shop, 7.5 MB of unknown members": ("POST", INTERACTIONS, unknown_members(n_bytes), {"key": SHOP}),
        "shop, 7.5 MB of items": ("PUT", ITEMS, large_items(n_bytes), {"key": SHOP}),
    }
    figures: Figures = {}
    target.ask("POST", INTERACTIONS, b'{"events": []}')  # the first request of all takes longer
    for name, (method, path, body, more) in cases.items():
        one: Figures = {}
        with target.probed(one):
            began = time.perf_counter()
            one["status"] = target.ask(method, path, body, **more)
            one["answered_ms"] = round(1e3 * (time.perf_counter() - began), 1)
            time.sleep(0.2)
        one["memory_mb"] = target.memory_mb()
        figures[name] = one
    return figures
