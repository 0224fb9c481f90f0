"""Every kind of fusion, every score function of attention and every sequence model, under one budget.

    python benchmarks/fusion_kinds.py [--shop PATH] [--root PATH] [--windows 2] [--before 0] [--seeds 0,1,2]
    python benchmarks/fusion_kinds.py --drawn 0,1 [--users 1200] [--seeds 0]

Rolling windows of a shop (the built-in one where none is given); ``--before 6`` leaves the newest six windows alone. Or
built-in shops, drawn with these seeds, 20 % of each shopper's items asked for: far more shoppers to tell kinds by.
All models have the same width, examples, epochs and early stopping on the same validation; what differs is named in
the row. The learned fusion is asked alone, without the rest of the blend, and without its demand. The gain over the
first row is taken shopper by shopper, with its standard error; one row of ``untrained`` shows what learning adds.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from studies import drawn, read_shop, shop_folder

from modaloom.data.splits import Split, rolling_splits
from modaloom.files import write_json
from modaloom.learning import Memory, validation_splits
from modaloom.metrics import bootstrap_interval, ranking_metrics, top_n
from modaloom.models.attention import SCORE_FUNCTIONS
from modaloom.models.fusion import FUSION_KINDS
from modaloom.models.sequence import SEQUENCE_KINDS
from modaloom.ranking.fusion import score_histories
from modaloom.training.fitting import FittedFusion, FusionConfig, fit_fusion
from modaloom.training.loop import LoopConfig

RESULT = Path(__file__).parent / "results" / "fusion_kinds.json"
START = FusionConfig()
UNTRAINED = "untrained"
USERS_AT_ONCE = 256
Values = npt.NDArray[np.float64]


def variants() -> dict[str, FusionConfig]:
    """What is compared, by name; the default comes first."""
    rows = {f"attention, {START.attention}": START}
    rows |= {f"attention, {score}": replace(START, attention=score) for score in SCORE_FUNCTIONS}
    rows |= {kind: replace(START, fusion=kind) for kind in FUSION_KINDS if kind != "attention"}
    rows |= {f"history by {kind}": replace(START, sequence=kind) for kind in SEQUENCE_KINDS if kind != START.sequence}
    return rows | {UNTRAINED: START}


def whitened(split: Split, memory: Memory) -> Split:
    """The same question; content vectors of the width that all models have, made once for all windows of a shop."""
    tokens = memory.whitened(split.snapshot.tokens, START.dim)
    return replace(split, snapshot=replace(split.snapshot, tokens=tokens))


def lists_of(fitted: FittedFusion, split: Split, n: int = 20) -> npt.NDArray[np.int64]:
    """The best n of the fusion alone (b, n)."""
    table, histories = fitted.table(split.snapshot), split.snapshot.histories(split.user_nums)
    lists = []
    for start in range(0, len(histories), USERS_AT_ONCE):
        some = histories.take(start, min(start + USERS_AT_ONCE, len(histories)))
        scores = score_histories(table, fitted.tower, some)
        lists.append(top_n(scores, n, split.snapshot.may_be_shown(some)))
    return np.concatenate(lists)


def measure(config: FusionConfig, split: Split, *, seed: int, trained: bool) -> tuple[dict[str, Values], float, int]:
    """Values by shopper, seconds to fit, and the number of parameters."""
    loop = replace(config.loop, seed=seed, epochs=LoopConfig.epochs if trained else 0)
    validation = validation_splits(split.snapshot)
    started = time.perf_counter()
    fitted = fit_fusion(validation[0].snapshot, replace(config, loop=loop), validation=validation)
    seconds = time.perf_counter() - started
    found = ranking_metrics(lists_of(fitted, split), split.truth)
    size = sum(parameter.numel() for parameter in fitted.model.parameters())
    return {name: found[name] for name in ("recall", "ndcg")}, seconds, size


def by_shopper(runs: Sequence[Values], n_seeds: int) -> Values:
    """One value for each shopper of each window: the mean over its seeds, which follow each other."""
    windows = [runs[start : start + n_seeds] for start in range(0, len(runs), n_seeds)]
    return np.concatenate([np.mean(seeds, axis=0) for seeds in windows])


def summary(
    rows: dict[str, list[dict[str, Values]]], seconds: dict[str, list[float]], n_seeds: int
) -> dict[str, dict[str, Any]]:
    """Means with intervals, and gains over the first row with standard errors."""
    out: dict[str, dict[str, Any]] = {}
    first = next(iter(rows))
    for name, runs in rows.items():
        if len(runs) < len(rows[first]):
            continue
        row: dict[str, Any] = {"fit_s": float(np.mean(seconds[name]))}
        for metric in ("recall", "ndcg"):
            own = by_shopper([run[metric] for run in runs], n_seeds)
            gain = own - by_shopper([run[metric] for run in rows[first]], n_seeds)
            by_run = [float((run[metric] - base[metric]).mean()) for run, base in zip(runs, rows[first], strict=True)]
            row[metric] = float(own.mean())
            row[f"{metric}_interval"] = list(bootstrap_interval(own))
            row[f"{metric}_gain"] = float(gain.mean())
            row[f"{metric}_gain_error"] = float(gain.std() / np.sqrt(len(gain)))
            row[f"{metric}_gain_by_run"] = by_run
        out[name] = row
    return out


def table(results: dict[str, dict[str, Any]]) -> str:
    """The results as text."""
    lines = [f"{'':<24}{'Recall@20':>10}  {'interval':<16}{'gain':>8}{'error':>8}{'NDCG@20':>10}{'fit s':>7}"]
    for name, row in sorted(results.items(), key=lambda pair: -pair[1]["recall"]):
        low, high = row["recall_interval"]
        lines.append(
            f"{name:<24}{row['recall']:>10.4f}  [{low:.4f}, {high:.4f}]{row['recall_gain']:>+8.4f}"
            f"{row['recall_gain_error']:>8.4f}{row['ndcg']:>10.4f}{row['fit_s']:>7.1f}"
        )
    return "\n".join(lines)


def chosen(only: str) -> dict[str, FusionConfig]:
    """The variants that are asked for by ``;`` between their names, the default first; all where none is named."""
    known = variants()
    wanted = [next(iter(known)), *only.split(";")] if only else list(known)
    if unknown := [name for name in wanted if name not in known]:
        raise SystemExit(f"no row is called {', '.join(unknown)}; there are {'; '.join(known)}")
    return {name: known[name] for name in wanted}


def study(splits: Sequence[Split], seeds: Sequence[int], asked: argparse.Namespace, shop: str) -> None:
    """All variants on all splits and seeds; the file is written again after every window."""
    compared = chosen(asked.only)
    rows: dict[str, list[dict[str, Values]]] = {name: [] for name in compared}
    seconds: dict[str, list[float]] = {name: [] for name in rows}
    sizes: dict[str, int] = {}
    for number, split in enumerate(splits, start=1):
        for seed in seeds:
            for name, config in compared.items():
                values, took, sizes[name] = measure(config, split, seed=seed, trained=name != UNTRAINED)
                rows[name].append(values)
                seconds[name].append(took)
                print(f"{split.name}, seed {seed}, {name}: {values['recall'].mean():.4f}, {took:.0f} s", flush=True)
        results = summary(rows, seconds, len(seeds))
        content = {
            "shop": shop,
            "windows": [split.name for split in splits[:number]],
            "seeds": list(seeds),
            "parameters": sizes,
            "models": results,
        }
        write_json(asked.out, content)
    print(table(results))


def main() -> None:
    """Runs the comparison and writes its figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shop", type=Path, help="folder or toml; the built-in shop is drawn where it is not given")
    parser.add_argument("--root", type=Path)
    parser.add_argument("--drawn", metavar="SEEDS", help="built-in shops, separated by commas, instead of windows")
    parser.add_argument("--users", type=int, default=1_200, help="shoppers of a shop that is drawn so")
    parser.add_argument("--windows", type=int, default=2)
    parser.add_argument("--window-days", type=int, default=56)
    parser.add_argument("--before", type=int, default=0, help="newest windows that are left alone")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--only", default="", help="names of rows with ';' between them; the default is always there")
    parser.add_argument("--out", type=Path, default=RESULT)
    asked = parser.parse_args()
    chosen(asked.only)  # a misspelt name is told now, not when everything has been encoded
    if asked.drawn:
        name, splits = "built-in shops", drawn(asked.drawn, asked.users)
    else:
        with shop_folder(asked.shop) as place:
            shop, tokens = read_shop(place, root=asked.root)
        number = asked.windows + asked.before
        name, windows = shop.name, rolling_splits(shop, tokens, windows=number, window_days=asked.window_days)
        splits = list(windows)[: asked.windows]
    memory, seeds = Memory(), [int(seed) for seed in asked.seeds.split(",")]
    study([whitened(split, memory) for split in splits], seeds, asked, name)


if __name__ == "__main__":
    main()
