"""Ours, a blend made by hand and every baseline on H&M: the last six windows of 28 days, each fitted on its past only.

Needs the H&M files (articles.csv, customers.csv, transactions_train.csv, images/); prints a table and writes
results/hm_rolling.json. Weights and epochs are chosen on windows before each cut. The six windows were also looked
at a few times while the parts were being designed (benchmarks/LOG.md), so they are not untouched.

    python benchmarks/hm_rolling.py --root PATH [--seeds 0,1,2]
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import time
from pathlib import Path

from hm_blend import HandMadeBlend
from studies import HM, read_shop

from modaloom.config import load_settings
from modaloom.evaluation.protocol import Protocol, evaluate
from modaloom.evaluation.report import print_report, write_json
from modaloom.learning import LearnOptions, model_factories

RESULT = Path(__file__).parent / "results" / "hm_rolling.json"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, required=True, help="folder with the H&M files")
    parser.add_argument("--seeds", default="0")
    parser.add_argument("--models", default="all")
    parser.add_argument("--out", type=Path, default=RESULT)
    arguments = parser.parse_args()
    started = time.perf_counter()
    shop, tokens = read_shop(HM, root=arguments.root)
    encoded = time.perf_counter()
    protocol = Protocol("rolling", seeds=tuple(int(seed) for seed in arguments.seeds.split(",")))
    factories = model_factories(tuple(arguments.models.split(",")), LearnOptions())
    factories[HandMadeBlend.name] = lambda seed: HandMadeBlend()
    result = evaluate(
        shop, tokens, protocol, factories, tolerant=True, tell=lambda what, done, total: print(f"{done}/{total} {what}")
    )
    print_report(result)
    write_json(result, arguments.out)
    content = json.loads(arguments.out.read_text(encoding="utf-8"))
    run = {
        "encode_s": round(encoded - started, 1),
        "total_s": round(time.perf_counter() - started, 1),
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "machine": f"{platform.machine()}, {load_settings().threads} cores, Python {platform.python_version()}",
    }
    arguments.out.write_text(json.dumps({"run": run, "models": content}, indent=2) + "\n", encoding="utf-8")
    print(run)


if __name__ == "__main__":
    main()
