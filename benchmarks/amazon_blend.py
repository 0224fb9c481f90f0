"""The blend against each of its parts on a log of bare ids: does putting them together pay?

Fitted on train.tsv with the defaults; the figures are those of the half of val.tsv's shoppers that nothing was chosen
on, the same as in peers.py. Needs the extra `peers`, whose split it shares.

    python benchmarks/amazon_blend.py --root PATH
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
from peers import halves

from modaloom.config import load_settings
from modaloom.data.shop import load_shop
from modaloom.data.splits import Split, file_split
from modaloom.learning import LearnOptions, Modaloom
from modaloom.metrics import bootstrap_interval, ranking_metrics, top_n

HERE = Path(__file__).parent
RESULT = HERE / "results" / "amazon_blend.json"
AT_ONCE = 256


def figures(learner: Modaloom, split: Split, n: int = 20) -> dict[str, dict[str, Any]]:
    """Recall and NDCG of each part alone and of the blend, with the blend's gain over each part."""
    assert learner.ranker is not None
    found: dict[str, list[dict[str, Any]]] = {}
    histories = split.snapshot.histories(split.user_nums)
    for start in range(0, len(histories), AT_ONCE):
        stop = min(start + AT_ONCE, len(histories))
        some = histories.take(start, stop)
        parts, allowed = learner.ranker.part_scores(some), split.snapshot.may_be_shown(some)
        for name, scores in {**parts, "blend": learner.ranker.score(some)}.items():
            found.setdefault(name, []).append(ranking_metrics(top_n(scores, n, allowed), split.truth[start:stop]))
    values = {
        name: {metric: np.concatenate([block[metric] for block in blocks]) for metric in ("recall", "ndcg")}
        for name, blocks in found.items()
    }
    rows: dict[str, dict[str, Any]] = {}
    for name, own in values.items():
        gain = values["blend"]["recall"] - own["recall"]
        rows[name] = {
            "recall": float(own["recall"].mean()),
            "ndcg": float(own["ndcg"].mean()),
            "interval": list(bootstrap_interval(own["recall"])),
            "blend_gain": float(gain.mean()),
            "blend_gain_error": float(gain.std() / np.sqrt(len(gain))),
        }
    return rows


def main() -> None:
    """Fits once and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, required=True, help="folder with train.tsv and val.tsv")
    parser.add_argument("--out", type=Path, default=RESULT)
    asked = parser.parse_args()
    shop = load_shop(
        HERE.parent / "examples" / "shops" / "amazon-clothing.toml", root=asked.root, settings=load_settings()
    )
    _, half = halves(file_split(shop, {}, asked.root / "val.tsv"), 0)
    started = time.perf_counter()
    learner = Modaloom(LearnOptions()).fit(half.snapshot)
    fit_s = time.perf_counter() - started
    rows = figures(learner, half)
    for name, row in sorted(rows.items(), key=lambda pair: -pair[1]["recall"]):
        low, high = row["interval"]
        print(
            f"{name:<10}{row['recall']:.4f} [{low:.4f}, {high:.4f}]  NDCG {row['ndcg']:.4f}  "
            f"blend gains {row['blend_gain']:+.4f} ± {row['blend_gain_error']:.4f}"
        )
    assert learner.ranker is not None
    content = {"weights": learner.ranker.weights, "fit_s": round(fit_s, 1), "shoppers": len(half.truth), "models": rows}
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    asked.out.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
