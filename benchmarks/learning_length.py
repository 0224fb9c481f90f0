"""How long and how fast to learn: epochs, patience and learning rate, by validation and on development windows.

Every combination learns on each asked window's past. Printed are the fusion alone and the blend on validation (recall
plus NDCG at 20), and the blend on the window itself, with the gain over the first combination, shopper by shopper.
Choose by validation; the windows only say whether that was wise. H&M's last six windows are never asked.

    python benchmarks/learning_length.py [--rates 0.003,0.01] [--epochs 5,15] [--patience 2,5] [--exam 200,1000]
                                         [--shop FOLDER] [--hm PATH] [--out FILE]
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from studies import shop_folder
from tuning import HERE, HM_ASKED, HM_WINDOWS, SHOP_ASKED, SHOP_WINDOWS, windows_of

import modaloom.training.fitting as fitting
from modaloom.build import LearnOptions, Memory, Modaloom
from modaloom.config import load_settings
from modaloom.data.shop import load_shop
from modaloom.data.splits import Split
from modaloom.metrics import ranking_metrics, top_n

RESULT = HERE / "results" / "learning_length.json"
Values = np.ndarray[Any, np.dtype[np.float64]]


def one_combination(splits: Sequence[Split], options: LearnOptions, memory: Memory) -> tuple[dict[str, float], Values]:
    """Means over windows, and recall plus NDCG at 20 of every shopper of every window (b,)."""
    means, held, started = [], [], time.perf_counter()
    for split in splits:
        learner = Modaloom(options, memory=memory).fit(split.snapshot)
        histories = split.snapshot.histories(split.user_nums)
        lists = top_n(learner.score(histories), 20, split.snapshot.may_be_shown(histories))
        found = ranking_metrics(lists, split.truth)
        held.append(found["recall"] + found["ndcg"])
        assert learner.fusion is not None
        progress, reached = learner.fusion.progress, learner.validation
        means.append(
            {
                "best_epoch": progress.best_epoch,
                "epochs": progress.epoch,
                "fusion_validation": max(progress.validation, default=0.0),
                "blend_validation": reached["recall@20"] + reached["ndcg@20"],
                "recall": float(found["recall"].mean()),
                "ndcg": float(found["ndcg"].mean()),
            }
        )
    row = {name: float(np.mean([one[name] for one in means])) for name in means[0]}
    return row | {"seconds": time.perf_counter() - started}, np.concatenate(held)


def compare(name: str, splits: Sequence[Split], grid: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One row per combination; gains are over the first."""
    rows: list[dict[str, Any]] = []
    first: Values | None = None
    memory = Memory()
    for values in grid:
        fitting.VALIDATION_USERS = values["exam"]
        options = LearnOptions().with_values({key: value for key, value in values.items() if key != "exam"})
        row, held = one_combination(splits, options, memory)
        first = held if first is None else first
        gain = held - first
        row |= {"gain": float(gain.mean()), "error": float(gain.std() / np.sqrt(len(gain)))}
        rows.append({"shop": name, **values, **row})
        print(name, *(f"{key}={value}" for key, value in values.items()), end=": ")
        print(", ".join(f"{key} {value:.4g}" for key, value in row.items()), flush=True)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("rates", "0.003,0.01"), ("epochs", "5,15"), ("patience", "2,5"), ("exam", "200,1000")):
        parser.add_argument(f"--{name}", default=default)
    parser.add_argument("--shop", type=Path, help="folder of the built-in shop, written anew without")
    parser.add_argument("--hm", type=Path, help="folder with the H&M files")
    parser.add_argument("--out", type=Path, default=RESULT)
    arguments = parser.parse_args()
    grid = [
        {"learning_rate": float(rate), "epochs": int(epochs), "patience": int(patience), "exam": int(exam)}
        for rate, epochs, patience, exam in product(
            *(text.split(",") for text in (arguments.rates, arguments.epochs, arguments.patience, arguments.exam))
        )
    ]
    settings = load_settings()
    with shop_folder(arguments.shop) as place:
        built_in = load_shop(place, settings=settings)
        rows = compare("built-in", windows_of(built_in, settings, SHOP_WINDOWS, SHOP_ASKED), grid)
        if arguments.hm:
            shop = load_shop(HERE.parent / "examples" / "shops" / "hm.toml", root=arguments.hm, settings=settings)
            rows += compare("hm, development", windows_of(shop, settings, HM_WINDOWS, HM_ASKED), grid)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
