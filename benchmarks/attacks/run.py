"""Attacks a service of its own on loopback, each attack bounded in number and time, and writes what it bore.

    python -m benchmarks.attacks.run [NAME ...] [--label after]

``--label before`` is for another checkout's code: put that first on PYTHONPATH. Figures of one label replace those of
the same label in results/attacks.json; the others stay.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.attacks import connections, decoding, json_bodies, slow_bodies, stopping
from benchmarks.attacks.target import PAGE, SHOP, Figures, Target
from tests.api.running import Running

RESULT = Path(__file__).parents[1] / "results" / "attacks.json"
ATTACKS: dict[str, Callable[[Target], Figures]] = {
    "json_bodies": json_bodies.attack,
    "slow_bodies": slow_bodies.attack,
    "connections": connections.attack,
    "decoding": decoding.attack,
    "stopping": stopping.attack,
}
SHOPS: dict[str, dict[str, Any]] = {"stopping": {"workers": 2}}
SETTINGS = {"page_keys": [PAGE], "shop_keys": [SHOP], "log_requests": False, "address_burst": 1_000_000}


def run(name: str) -> Figures:
    """The figures of one attack on a new service."""
    with tempfile.TemporaryDirectory() as folder:
        service = Running(Path(folder), {}, {**SETTINGS, **SHOPS.get(name, {})})
        try:
            port = int(service.wait_for("up")["url"].rsplit(":", 1)[1])
            return ATTACKS[name](Target(port, service.process.pid))
        finally:
            if service.process.poll() is None:
                service.process.kill()
                service.process.wait()


def main() -> None:
    """Runs the attacks that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help=f"of {', '.join(ATTACKS)}; all unless some are named")
    parser.add_argument("--label", default="after", help="where the figures stand")
    parser.add_argument("--out", type=Path, default=RESULT)
    arguments = parser.parse_args()
    for name in arguments.names or list(ATTACKS):
        found = run(name)
        kept = json.loads(arguments.out.read_text(encoding="utf-8")) if arguments.out.exists() else {}
        kept.setdefault(name, {})[arguments.label] = found
        arguments.out.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        print(name, json.dumps(found, indent=1, ensure_ascii=False), flush=True)


if __name__ == "__main__":
    main()
