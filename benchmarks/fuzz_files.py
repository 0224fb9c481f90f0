"""Throws spoilt shops at ``check`` and spoilt files at ``forecast``, and counts what comes out.

Nothing may come out but what was written, a bad cell or row that is listed, or an error that says what to do.

    python benchmarks/fuzz_files.py [--shops 5000] [--series 2000] [--first 0] [--out FILE]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from rich.progress import track

from modaloom.config import Settings
from modaloom.files import write_json
from modaloom.testing.spoilt_files import Spoilt, spoilt_series, spoilt_shop

RESULTS = Path(__file__).parent / "results" / "fuzz_files.json"
SHOWN = 10


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--shops", type=int, default=5_000)
    parser.add_argument("--series", type=int, default=2_000)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="modaloom-fuzz-") as cache:
        settings = Settings(cache_dir=Path(cache), threads=1)
        seeds = range(options.first, options.first + options.shops)
        shops = thrown(lambda folder, seed: spoilt_shop(folder, seed, settings), seeds, "shops")
        series = thrown(spoilt_series, range(options.first, options.first + options.series), "series")
    write_json(options.out, {"shops": shops, "series": series})
    print(f"shops {shops}, series {series}")
    return 1 if shops["fault"] or series["fault"] else 0


def thrown(one: Callable[[Path, int], Spoilt], seeds: range, what: str) -> Counter[str]:
    """How many of each outcome; prints the first faults."""
    outcomes: Counter[str] = Counter(dict.fromkeys(("read", "refused", "fault"), 0))
    for seed in track(seeds, what):
        with tempfile.TemporaryDirectory() as folder:
            result = one(Path(folder), seed)
        outcomes[result.outcome] += 1
        if result.outcome == "fault" and outcomes["fault"] <= SHOWN:
            print(f"{what} {seed}: {result.detail}")
    return outcomes


if __name__ == "__main__":
    sys.exit(main())
