"""What tuning gains: options found in a few minutes on a shop's past, against the defaults on later windows.

The search sees nothing later than the first window that is asked: it validates on windows before that. Both sets of
options are then measured on every asked window, each fitted on its own past. Gains are shopper by shopper, with
standard errors over shoppers; the gain on validation is of the questions that the options were chosen on.

On the built-in shop the last windows are asked; on H&M only development windows (the fourth and the sixth of
thirteen), never the last six.

    python benchmarks/tuning.py [--minutes 2,5,10] [--shop FOLDER] [--hm PATH] [--seeds 0] [--out FILE]
"""

from __future__ import annotations

import argparse
import json
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from studies import HM, read_shop, shop_folder

from modaloom.config import load_settings
from modaloom.data.shop import Shop
from modaloom.data.splits import Split, rolling_splits
from modaloom.learning import LearnOptions, Memory, Modaloom, TuningPlan, tune
from modaloom.metrics import ranking_metrics, top_n
from modaloom.types import Tokens

RESULT = Path(__file__).parent / "results" / "tuning.json"
HM_WINDOWS, HM_ASKED = 13, (3, 5)
SHOP_WINDOWS, SHOP_ASKED = 3, (0, 1, 2)


def windows_of(shop: Shop, tokens: Mapping[str, Tokens], windows: int, asked: Sequence[int]) -> list[Split]:
    """The asked windows of 28 days."""
    splits = list(rolling_splits(shop, tokens, windows=windows, window_days=28))
    return [splits[number] for number in asked if number < len(splits)]


def held_out(splits: Sequence[Split], options: LearnOptions) -> dict[str, np.ndarray[Any, Any]]:
    """Recall and NDCG at 20 of every shopper of every window."""
    memory, found = Memory(), []
    for split in splits:
        scorer = Modaloom(options, memory=memory).fit(split.snapshot)
        histories = split.snapshot.histories(split.user_nums)
        lists = top_n(scorer.score(histories), 20, split.snapshot.may_be_shown(histories))
        found.append(ranking_metrics(lists, split.truth))
    return {name: np.concatenate([one[name] for one in found]) for name in ("recall", "ndcg")}


def gained(tuned: Mapping[str, np.ndarray[Any, Any]], start: Mapping[str, np.ndarray[Any, Any]]) -> dict[str, float]:
    """Means of both, the mean gain and its standard error, by metric."""
    row: dict[str, float] = {}
    for name in start:
        gain = tuned[name] - start[name]
        row |= {f"{name}_defaults": float(start[name].mean()), f"{name}_tuned": float(tuned[name].mean())}
        row |= {f"{name}_gain": float(gain.mean()), f"{name}_error": float(gain.std() / np.sqrt(len(gain)))}
    return row


def measure(name: str, splits: Sequence[Split], minutes: Sequence[float], seed: int) -> list[dict[str, Any]]:
    """One row per budget."""
    base = LearnOptions(seed=seed)
    start, rows = held_out(splits, base), []
    for budget in minutes:
        found = tune(splits[0].snapshot, base, TuningPlan(budget), tell=lambda line: print(" ", line, flush=True))
        report = found.report
        held = gained(start if found.options == base else held_out(splits, found.options), start)
        row = {"shop": name, "seed": seed, "minutes": budget, "shoppers": len(start["recall"])} | held
        rows.append(row | {"validation": {k: v for k, v in report.items() if k != "trials"}})
        rows[-1]["trials"] = len(report["trials"])
        gain, error = report.get("gain", 0.0), report.get("standard_error", 0.0)
        print(
            f"{name} seed {seed}, {budget:g} min, {rows[-1]['trials']} trials: validation +{gain:.4f} ± {error:.4f}; "
            f"held out recall {row['recall_defaults']:.4f} -> {row['recall_tuned']:.4f} "
            f"({row['recall_gain']:+.4f} ± {row['recall_error']:.4f}), "
            f"NDCG {row['ndcg_defaults']:.4f} -> {row['ndcg_tuned']:.4f}; {report['options'] or 'defaults kept'}",
            flush=True,
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", default="2,5,10")
    parser.add_argument("--shop", type=Path, help="folder of the built-in shop, written anew without")
    parser.add_argument("--hm", type=Path, help="folder with the H&M files")
    parser.add_argument("--seeds", default="0")
    parser.add_argument("--out", type=Path, default=RESULT)
    arguments = parser.parse_args()
    minutes = [float(one) for one in arguments.minutes.split(",")]
    with shop_folder(arguments.shop) as place:
        asked = {"built-in": windows_of(*read_shop(place), SHOP_WINDOWS, SHOP_ASKED)}
        if arguments.hm:
            asked["hm, development"] = windows_of(*read_shop(HM, root=arguments.hm), HM_WINDOWS, HM_ASKED)
        rows = []
        for seed in map(int, arguments.seeds.split(",")):
            for name, splits in asked.items():
                rows += measure(name, splits, minutes, seed)
    machine = f"{platform.machine()}, {load_settings().threads} cores, Python {platform.python_version()}"
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps({"machine": machine, "rows": rows}, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
