"""Bodies with the page's key that are announced as large and never come: can the shop still send its own?"""

from __future__ import annotations

import json
import time

from benchmarks.attacks.target import JSON, PAGE, SHOP, Figures, Target, head, is_open

EVENTS = json.dumps({"events": [{"user_id": "u", "item_id": "dress-red", "event": "view"}]}).encode()

KINDS = (("/v1/interactions", JSON, 8 * 1024**2), ("/v1/search/photo", "image/jpeg", 10 * 1024**2))


def attack(target: Target, *, n_bodies: int = 34, seconds: float = 8) -> Figures:
    """Holds the bodies open, a byte a second each, and sends the shop's events meanwhile."""
    slow = [target.connect() for _ in range(n_bodies * len(KINDS))]
    for number, line in enumerate(slow):
        path, kind, length = KINDS[number // n_bodies]
        line.sendall(head("POST", path, key=PAGE, kind=kind, length=length))
    answered: list[int] = []
    end_s = time.monotonic() + seconds
    while time.monotonic() < end_s:
        for line in slow:
            try:
                line.sendall(b" ")
            except OSError:
                continue
        answered.append(target.ask("POST", "/v1/interactions", EVENTS, key=SHOP))
        time.sleep(0.5)
    figures: Figures = {
        "slow bodies": len(slow),
        "shop's batches sent": len(answered),
        "shop's batches kept": answered.count(200),
        "slow bodies still open": sum(is_open(line) for line in slow),
        "seconds": seconds,
    }
    for line in slow:
        line.close()
    return figures
