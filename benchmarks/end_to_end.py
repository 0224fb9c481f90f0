"""The whole way on real data by the commands that people type: seconds and memory of each, with cold and warm caches.

    python benchmarks/end_to_end.py --root PATH [--map examples/shops/hm.toml] [--threads 1] [--skip-evaluate]

Every command runs in a process of its own, with a cache folder of its own that begins empty. ``check``, ``train`` and
``recommend`` (for a shopper, words, a photo) run once cold, so that pictures and texts are encoded and encoders
written, and ``train`` and ``recommend`` once more with what is then in the cache; ``evaluate`` asks our model on six
windows. Peak memory is the largest resident size of that process, at least
that of this script when it starts it. Writes results/end_to_end.json.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl

from modaloom.files import write_json
from modaloom.shop.shoppers import read_pasts

HERE = Path(__file__).parent
MAPS = HERE.parent / "examples" / "shops"
RESULT = HERE / "results" / "end_to_end.json"
WORDS = "black summer dress"
THREADS = "MODALOOM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"


@dataclass(frozen=True)
class Cost:
    """What one command cost."""

    wall_s: float
    cpu_s: float
    peak_mb: int


def run(command: Sequence[str], environment: Mapping[str, str]) -> Cost:
    """Runs a command to its end.

    Raises:
        RuntimeError: it failed; the message is the end of what it said.
    """
    with TemporaryDirectory() as folder:
        said = Path(folder) / "said.txt"
        started = time.perf_counter()
        with said.open("wb") as out:
            process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, env={**os.environ, **environment})
            _, status, usage = os.wait4(process.pid, 0)
        wall_s = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}: {said.read_text()[-2000:]}")
    divisor = 1 << 20 if sys.platform == "darwin" else 1 << 10
    return Cost(wall_s, usage.ru_utime + usage.ru_stime, int(usage.ru_maxrss // divisor))


def modaloom(*arguments: str) -> list[str]:
    """One of our commands, in a fresh interpreter."""
    return [sys.executable, "-m", "modaloom.cli", *arguments]


def questions(bundle: Path) -> dict[str, list[str]]:
    """``recommend`` for the shopper with most purchases, for words, and for the picture of what they had last."""
    config = json.loads((bundle / "config.json").read_text(encoding="utf-8"))
    pasts = read_pasts(bundle, config["shoppers"])
    log = pasts.interactions.filter(pl.col("item_num").is_not_null())
    user = log.group_by("user_num").len().sort("len", "user_num", descending=[True, False])["user_num"][0]
    users, items = pasts.users, pl.read_parquet(bundle / "items.parquet")
    had = log.filter(pl.col("user_num") == user)["item_num"].to_list()[::-1]
    root = Path(config["shop"]["root"])
    pictures = [root / items["images"][num][0] for num in had if len(items["images"][num])]
    asked = {
        "recommend --user": modaloom("recommend", str(bundle), "--user", str(users["user_id"][user])),
        "recommend --text": modaloom("recommend", str(bundle), "--text", WORDS),
    }
    photo = next((picture for picture in pictures if picture.is_file()), None)
    return asked | ({"recommend --photo": modaloom("recommend", str(bundle), "--photo", str(photo))} if photo else {})


def journey(shop: Sequence[str], folder: Path, threads: int, evaluate: bool) -> list[dict[str, object]]:
    """Costs of every command in turn; ``shop`` is how the commands are told of it."""
    environment = {"MODALOOM_CACHE_DIR": str(folder / "cache"), **dict.fromkeys(THREADS, str(threads))}
    bundle, rows = folder / "bundle", []

    def step(cache: str, name: str, command: Sequence[str]) -> None:
        cost = run(command, environment)
        rows.append({"cache": cache, "what": name, **vars(cost)})
        print(f"{cache:>5}  {name:<18}{cost.wall_s:9.1f} s  {cost.cpu_s:9.1f} CPU s  {cost.peak_mb:6} MB", flush=True)

    step("cold", "check", modaloom("check", *shop))
    for cache in ("cold", "warm"):
        step(cache, "train", modaloom("train", *shop, "--out", str(bundle)))
        for name, command in questions(bundle).items():
            step(cache, name, command)
    step("warm", "check", modaloom("check", *shop))
    if evaluate:
        step("warm", "evaluate", modaloom("evaluate", *shop, "--models", "modaloom"))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, required=True, help="folder with the shop's files")
    parser.add_argument("--map", type=Path, default=MAPS / "hm.toml", help="the shop.toml")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="of each command")
    parser.add_argument("--skip-evaluate", action="store_true")
    parser.add_argument("--out", type=Path, default=RESULT)
    asked = parser.parse_args()
    shop = [str(asked.map), "--root", str(asked.root.resolve())]
    with TemporaryDirectory() as folder:
        rows = journey(shop, Path(folder), asked.threads, not asked.skip_evaluate)
    machine = f"{platform.machine()}, {asked.threads} of {os.cpu_count()} cores, Python {platform.python_version()}"
    totals = {f"train_and_recommend_{what}": total(rows, what) for what in ("wall_s", "cpu_s")}
    write_json(asked.out, {"run": {"machine": machine, **totals}, "rows": rows})


def total(rows: Sequence[Mapping[str, object]], what: str) -> dict[str, float]:
    """Of learning and recommending, by the state of the cache."""
    own = [row for row in rows if row["what"] not in ("check", "evaluate")]
    caches = ("cold", "warm")
    return {cache: round(sum(float(str(row[what])) for row in own if row["cache"] == cache), 1) for cache in caches}


if __name__ == "__main__":
    main()
