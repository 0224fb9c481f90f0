"""Recall against how much is known of a shopper of whom nothing was learned: k newest events, from none to all.

    python benchmarks/new_users.py [--root PATH] [--shop DIR] [--windows 6] [--seeds 0,1] [--out FILE]

Protocol ``new-users``: in each of the last windows a fifth of the shoppers is kept out of the log before anything is
fitted, another fifth for each seed; then they are asked about with their newest k events. One shop at a time: H&M's
files with ``--root`` (windows of 28 days), else the built-in shop (drawn where ``--shop`` is not given; windows of 56
days); the figures of the other one stay in the file. All models see the same log and are asked about the same
shoppers; what is chosen is chosen on windows before each cut, of the shoppers that are left. Intervals are 95 %
bootstrap intervals over shoppers. ``curves.py`` draws them.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from hm_blend import HandMadeBlend
from studies import HM, read_shop, shop_folder

from modaloom.data.shop import Shop
from modaloom.evaluation.protocol import Protocol, evaluate
from modaloom.evaluation.report import print_report
from modaloom.learning import LearnOptions, model_factories
from modaloom.types import Tokens

HERE = Path(__file__).parent
MODELS = ("modaloom", "popularity", "ials", "item-knn", "content-knn")
KNOWN = (0, 1, 2, 5, 10)


def measure(shop: Shop, tokens: Mapping[str, Tokens], protocol: Protocol) -> dict[str, Any]:
    """Figures by model and by number of known events, ``all`` last."""
    factories = model_factories(MODELS, LearnOptions())
    factories[HandMadeBlend.name] = lambda seed: HandMadeBlend()
    result = evaluate(
        shop,
        tokens,
        protocol,
        factories,
        tell=lambda what, done, total: print(f"{done}/{total} {what}", flush=True),
    )
    print_report(result)
    rows: dict[str, Any] = {}
    for name, row in result.summary().items():
        whole = {figure: row[figure] for figure in ("recall", "ndcg", "intervals", "cold")}
        known = row["new_users"]
        assert isinstance(known, dict)
        rows[name] = {**known, "all": whole}
    return rows


def main() -> None:
    """Runs one shop and writes its figures beside those of the other."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, help="folder with the H&M files, instead of the built-in shop")
    parser.add_argument("--shop", type=Path, help="folder of the built-in shop; drawn where it is not given")
    parser.add_argument("--users", type=int, default=2_400, help="shoppers of the built-in shop, if it is drawn")
    parser.add_argument("--windows", type=int, default=6)
    parser.add_argument("--seeds", default="0,1")
    parser.add_argument("--out", type=Path, default=HERE / "results" / "new_users.json")
    asked = parser.parse_args()
    started = time.perf_counter()
    seeds = tuple(int(seed) for seed in asked.seeds.split(","))
    protocol = Protocol("new-users", windows=asked.windows, window_days=56, seeds=seeds, known_events=KNOWN)
    if asked.root:
        name, models = "H&M", measure(*read_shop(HM, root=asked.root), replace(protocol, window_days=28))
    else:
        with shop_folder(asked.shop, users=asked.users) as place:
            name, models = "the built-in shop", measure(*read_shop(place), protocol)
    row = {"windows": asked.windows, "seeds": seeds, "took_s": round(time.perf_counter() - started), "models": models}
    shops = json.loads(asked.out.read_text(encoding="utf-8"))["shops"] if asked.out.exists() else {}
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    asked.out.write_text(json.dumps({"shops": shops | {name: row}}, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
