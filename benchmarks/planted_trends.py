"""Whether the built-in shop's planted trends are found, and whether a shuffled calendar stays quiet.

How it is counted, value by value and kind by kind (rising, falling, seasonal; a value may be two of them):

* What is *true* follows from the generator's weights alone: each item's factor on each day is the product of the
  planted trends that touch it, its level is its mean pull; the expected share of a value, like for like, is the sum
  over its items. It truly moves where the same model, fitted to this noiseless curve, moves by more than the
  thresholds that verdicts use. So wool is truly seasonal because wool coats are.
* *Recall*: of the planted ones, how many are reported with their kind. A print has no name in this shop, so it counts
  as found only if a look is reported most of whose items have the print.
* *Strict precision*, over category, material and print: of what is reported there, what is planted; everything else is
  counted as false, also what truly moves because of a planted trend.
* *Precision*: of what is reported there, what truly moves; and the same over everything that is counted.

The thresholds were chosen on the seeds 100 and 101.

    python benchmarks/planted_trends.py --folder shops --seeds 0,1,2
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from modaloom.config import load_settings
from modaloom.counting.catalogue import Dimension, read_catalogue
from modaloom.counting.ledger import read_ledger
from modaloom.data.shop import Shop, load_shop
from modaloom.files import write_json
from modaloom.samples.words import MATERIALS
from modaloom.samples.world import TRENDS
from modaloom.samples.write import write_sample
from modaloom.trends.baseline import make_baseline
from modaloom.trends.movers import Judged, judge_all
from modaloom.trends.verdicts import SEASON_THAT_MATTERS, TREND_THAT_MATTERS, design

RESULTS = Path(__file__).parent / "results" / "planted_trends.json"
SHOPS = Path(tempfile.gettempdir()) / "modaloom-shops"
FIELDS = ("attribute.category", "attribute.material", "look")
KINDS = ("rising", "falling", "seasonal")
Values = npt.NDArray[np.float64]


def reports(one: Judged, row: int) -> set[str]:
    return {one.verdicts[row], *one.also[row]} & set(KINDS)


class Truth:
    """What the generator's weights say of any value of a shop."""

    def __init__(self, folder: Path, shop: Shop, pull: Values, n_steps: int):
        known = json.loads((folder / "truth.json").read_text(encoding="utf-8"))["items"]
        self.items = [known[item_id] for item_id in shop.items["item_id"].to_list()]
        days = np.arange(n_steps) * 7 + 3
        factor = np.ones((len(self.items), n_steps))
        for trend in TRENDS:
            touched = [item[trend.field] == trend.value for item in self.items]
            factor[touched] *= [trend.weight(float(day)) for day in days]
        self.level = pull[: len(self.items), None] * factor
        self.columns = design(n_steps, 7)[0]

    def kinds(self, dimension: Dimension) -> list[set[str]]:
        """Which kinds each value truly is."""
        curves = np.asarray(dimension.incidence[:, : len(self.items)] @ self.level)
        result: list[set[str]] = []
        for curve in curves:
            if not curve.any():
                result.append(set())
                continue
            beta = np.linalg.lstsq(self.columns, np.log(curve / self.level.sum(axis=0)), rcond=None)[0]
            true = {"rising"} if beta[1] > TREND_THAT_MATTERS else set()
            true |= {"falling"} if beta[1] < -TREND_THAT_MATTERS else set()
            true |= {"seasonal"} if 2 * np.hypot(beta[2], beta[3]) > SEASON_THAT_MATTERS else set()
            result.append(true)
        return result

    def share(self, dimension: Dimension, row: int, field: str, value: str) -> float:
        """Part of a value's items that have a hidden value."""
        places = dimension.incidence[row, : len(self.items)].indices
        return float(np.mean([self.items[place][field] == value for place in places])) if len(places) else 0.0


def planted(one: Judged, row: int, truth: Truth) -> set[str]:
    """Kinds that are planted in a value of one of the three fields."""
    field = one.dimension.name.removeprefix("attribute.")
    kinds = set()
    for trend in TRENDS:
        name = MATERIALS[trend.value][1] if trend.field == "material" else trend.value
        if field == trend.field and one.dimension.values[row] == name:
            kinds.add(trend.kind)
        if field == "look" and trend.field == "print" and truth.share(one.dimension, row, "print", trend.value) > 0.5:
            kinds.add(trend.kind)
    return kinds


def judge(shop: Shop, log: pl.DataFrame, cache: Path) -> tuple[list[Judged], Values, int]:
    ledger = read_ledger([log], shop.n_items)
    counts = ledger.counts()
    weights = np.asarray(counts.sum(axis=1)).ravel()
    settings = load_settings(cache_dir=cache)
    catalogue = read_catalogue(shop, ledger.queries, weights, settings=settings, tell=lambda what, done, total: None)
    baseline = make_baseline(ledger, shop.items, counts)
    return judge_all(catalogue.dimensions, ledger, counts, baseline), baseline.pull, ledger.n_steps


def study(folder: Path, cache: Path, seed: int) -> dict[str, object]:
    if not (folder / "truth.json").exists():
        write_sample(folder, seed=seed)
    shop = load_shop(folder)
    started = time.perf_counter()
    judged, pull, n_steps = judge(shop, shop.interactions, cache)
    seconds = time.perf_counter() - started
    truth = Truth(folder, shop, pull, n_steps)
    counted: Counter[str] = Counter()
    by_kind = {kind: Counter[str]() for kind in KINDS}
    false: list[str] = []
    for one in judged:
        true = truth.kinds(one.dimension)
        for row in range(len(one.dimension)):
            for kind in reports(one, row):
                counted["reported"] += 1
                counted["right"] += kind in true[row]
                if one.dimension.name in FIELDS:
                    by_kind[kind]["reported"] += 1
                    by_kind[kind]["right"] += kind in true[row]
                    by_kind[kind]["planted"] += kind in planted(one, row, truth)
                if kind not in true[row]:
                    false.append(f"{one.dimension.name}={one.dimension.values[row]} {kind}")
    found = {kind: [trend for trend in TRENDS if trend.kind == kind] for kind in KINDS}
    missed = [trend for trend in TRENDS if not is_found(trend, judged, truth)]
    return {
        "seed": seed, "events": shop.interactions.height, "seconds": round(seconds, 1),
        "kinds": {
            kind: {
                "planted": len(found[kind]),
                "found": len([trend for trend in found[kind] if trend not in missed]),
                "reported": by_kind[kind]["reported"],
                "right": by_kind[kind]["right"],
                "strictly_right": by_kind[kind]["planted"],
            }
            for kind in KINDS
        },
        "everywhere": {"reported": counted["reported"], "right": counted["right"]},
        "missed": [f"{trend.field}={trend.value} {trend.kind}" for trend in missed],
        "false": false,
    }  # fmt: skip


def is_found(trend: object, judged: list[Judged], truth: Truth) -> bool:
    for one in judged:
        for row in range(len(one.dimension)):
            if one.dimension.name in FIELDS and trend.kind in reports(one, row) & planted(one, row, truth):  # type: ignore[attr-defined]
                field = one.dimension.name.removeprefix("attribute.")
                value = one.dimension.values[row]
                name = MATERIALS[trend.value][1] if trend.field == "material" else trend.value  # type: ignore[attr-defined]
                if (field == trend.field and value == name) or (  # type: ignore[attr-defined]
                    field == "look" and truth.share(one.dimension, row, trend.field, trend.value) > 0.5  # type: ignore[attr-defined]
                ):
                    return True
    return False


def shuffled(folder: Path, cache: Path, seed: int) -> dict[str, object]:
    """The same events at each other's times: whatever is reported now is false."""
    shop = load_shop(folder)
    order = np.random.default_rng(seed).permutation(shop.interactions.height)
    log = shop.interactions.with_columns(pl.col("timestamp").gather(pl.Series(order))).sort("timestamp")
    # release dates would now come after first sales, so they are as unknown as the calendar
    blank = replace(shop, items=shop.items.with_columns(released_at=pl.lit(None, dtype=pl.Int64)))
    judged, _, _ = judge(blank, log, cache)
    named = [
        f"{one.dimension.name}={one.dimension.values[row]} {kind}"
        for one in judged
        for row in range(len(one.dimension))
        for kind in sorted(reports(one, row))
    ]
    tested = sum(int(one.fits.judged.sum()) for one in judged)
    return {"seed": seed, "series": tested, "reported": len(named), "named": named}


def pooled(shops: list[dict[str, object]]) -> dict[str, dict[str, float]]:
    """Recall and precision over all seeds, kind by kind."""
    result = {}
    for kind in KINDS:
        rows = [shop["kinds"][kind] for shop in shops]  # type: ignore[index]
        total = {name: sum(row[name] for row in rows) for name in rows[0]}
        result[kind] = {
            "recall": round(total["found"] / total["planted"], 3),
            "precision": round(total["right"] / max(total["reported"], 1), 3),
            "strict_precision": round(total["strictly_right"] / max(total["reported"], 1), 3),
        }
    everywhere = [shop["everywhere"] for shop in shops]
    reported = sum(row["reported"] for row in everywhere)  # type: ignore[index]
    right = sum(row["right"] for row in everywhere)  # type: ignore[index]
    result["everything counted"] = {"precision": round(right / max(reported, 1), 3), "reported": reported}
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=SHOPS, help="where the shops are, or are drawn")
    parser.add_argument("--cache", type=Path, default=SHOPS / "cache", help="for vectors")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--shuffles", type=int, default=5, help="of each shop's calendar")
    parser.add_argument("--json", type=Path, default=RESULTS)
    options = parser.parse_args()
    shops, quiet = [], []
    for seed in map(int, options.seeds.split(",")):
        folder = options.folder / f"shop{seed}"
        shops.append(study(folder, options.cache, seed))
        print(json.dumps(shops[-1], ensure_ascii=False), flush=True)
        for turn in range(options.shuffles):
            quiet.append({"shop": seed, **shuffled(folder, options.cache, turn)})
            print(json.dumps(quiet[-1], ensure_ascii=False), flush=True)
    figures = {"pooled": pooled(shops), "shuffled_reports": sum(int(str(one["reported"])) for one in quiet)}
    print(json.dumps(figures, indent=1))
    write_json(options.json, {**figures, "shops": shops, "shuffled": quiet})


if __name__ == "__main__":
    main()
