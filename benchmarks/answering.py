"""How fast lists are made, and whether candidates lose anything against scoring everything.

With --amazon FOLDER (train.tsv and val.tsv of ids): learns from train.tsv, makes top-20 lists for every shopper, and
compares a sample of shoppers with scoring the whole catalogue (overlap of the lists, recall on val.tsv; nothing is
tuned here). With --items: made-up catalogues of those sizes, whose linear weights, keys and demand are random around
styles, for speed and memory alone. "first" is the once-only search for the neighbours of everything in the pasts;
"loading" what the first lists of a process take longer (compiled loops); "all" the quickest of three times; "single" is
one shopper at a time, all neighbours found, by the exported tower and with one thread for matrix products, as served.
Each size runs in a process of its own, so that its peak memory is its own.
Prints a table and writes results/answering.json.

    python benchmarks/answering.py --amazon PATH --items 23000,100000,1000000 [--threads 2]
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import scipy.sparse as sp

from modaloom.config import load_settings
from modaloom.data.shop import load_shop
from modaloom.data.splits import file_split
from modaloom.export import export_towers
from modaloom.learning.learner import Modaloom
from modaloom.learning.options import LearnOptions
from modaloom.metrics import ranking_metrics, top_n
from modaloom.models.towers import ABSENT, ItemTable, Queries
from modaloom.numerics import unit_rows
from modaloom.ranking.demand import Demand
from modaloom.ranking.fusion import FUSION, FusionPart
from modaloom.ranking.linear import Linear
from modaloom.ranking.ranker import BATCH, Ranker, select_histories
from modaloom.shop.bundle import OnnxTower
from modaloom.threads import OneCoreEach, available_threads
from modaloom.types import BoolArray, Event, FloatArray, Histories, IntArray

HERE = Path(__file__).parent
RESULT = HERE / "results" / "answering.json"
LENGTH = 20
SINGLES = 200
DRAWN_AT_ONCE = 50_000
SEED = 0
Row = dict[str, float | int | str]


def kernel_tower(keys: FloatArray, mask: BoolArray, event: IntArray, age_days: FloatArray) -> Queries:
    """One query per past item, as the default sequence gives."""
    weights = np.where(mask, 0.0, ABSENT).astype(np.float32)
    return Queries(keys * np.float32(10.0), weights, np.ones((len(keys), 2), dtype=np.float32))


def made_up(n_items: int, n_users: int, dim: int = 64, linear: int = 100) -> tuple[Ranker, Histories]:
    """A blend over a made-up catalogue, and pasts of 5 purchases on average, by popularity and style."""
    rng = np.random.default_rng(SEED)
    style = rng.integers(0, max(n_items // 200, 1), n_items)
    centres = unit_rows(rng.standard_normal((style.max() + 1, 2 * dim), dtype=np.float32))
    keys = rng.standard_normal((n_items, 2 * dim), dtype=np.float32)
    for start in range(0, n_items, DRAWN_AT_ONCE):  # the peak is to be that of answering, not of drawing the shop
        own = slice(start, start + DRAWN_AT_ONCE)
        keys[own] = unit_rows(centres[style[own]] + keys[own] / np.float32(dim**0.5))
    popularity = 1.0 / (1.0 + rng.permutation(n_items)) ** 0.7
    lengths = np.clip(rng.geometric(0.2, n_users), 1, 100)
    items = rng.choice(n_items, int(lengths.sum()), p=popularity / popularity.sum())
    histories = Histories(
        user_nums=np.arange(n_users),
        offsets=np.concatenate([[0], np.cumsum(lengths)]),
        item_nums=items,
        events=np.full(len(items), int(Event.PURCHASE), dtype=np.uint8),
        timestamps=np.zeros(len(items), dtype=np.int64),
        now=0,
    )
    part = Linear().restore(
        {
            "active": np.arange(n_items),
            "indptr": np.arange(n_items + 1) * linear,
            "indices": rng.integers(0, n_items, n_items * linear, dtype=np.int32),
            "data": rng.standard_gamma(0.5, n_items * linear, dtype=np.float32) * np.float32(0.1),
            "n_items": np.array([n_items]),
        }
    )
    demand = Demand().restore({"scores": np.log(popularity)})
    table = ItemTable(("behaviour",), keys, np.ones((n_items, 1), np.float32))
    parts = part, demand, FusionPart(table, kernel_tower)
    return Ranker({"linear": 1.0, FUSION: 0.45, "demand": 0.3}, parts), histories


def hidden_items(histories: Histories, n_items: int) -> sp.csr_matrix:
    """What each shopper had, which is not shown again."""
    ones = np.ones(len(histories.item_nums), dtype=np.float32)
    return sp.csr_matrix((ones, histories.item_nums, histories.offsets), shape=(len(histories), n_items))


def quickest(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds by the clock and of the processor, the smallest of three times."""
    taken = []
    for _ in range(3):
        started, cpu = time.perf_counter(), time.process_time()
        work()
        taken.append((time.perf_counter() - started, time.process_time() - cpu))
    return min(wall for wall, _ in taken), min(cpu for _, cpu in taken)


def timed(ranker: Ranker, histories: Histories, threads: int) -> Row:
    """Seconds for everybody, again and again so that every neighbour is known, and for one at a time."""
    hidden = hidden_items(histories, ranker.n_items)
    started = time.perf_counter()
    ranker.prepare(histories, threads)
    prepared = time.perf_counter()
    ranker.recommend(histories, LENGTH, hidden=hidden, threads=threads)
    loaded = time.perf_counter()
    all_s, cpu_s = quickest(lambda: ranker.recommend(histories, LENGTH, hidden=hidden, threads=threads))
    single = []
    with OneCoreEach():  # as in a service
        for row in range(min(SINGLES, len(histories))):
            begun = time.perf_counter()
            ranker.recommend(histories.take(row, row + 1), LENGTH, hidden=hidden[row], threads=1)
            single.append(time.perf_counter() - begun)
    return {
        "items": ranker.n_items,
        "shoppers": len(histories),
        "threads": threads,
        "first_s": round(prepared - started, 2),
        "loading_s": round(loaded - prepared - all_s, 2),
        "all_s": round(all_s, 3),
        "all_cpu_s": round(cpu_s, 3),
        "shoppers_per_s": round(len(histories) / all_s),
        "single_ms": round(float(np.median(single)) * 1e3, 2),
        "single_p99_ms": round(float(np.quantile(single, 0.99)) * 1e3, 2),
    }


def as_in_a_bundle(model: Modaloom) -> Ranker:
    """The learned blend with the exported tower: torch, for one shopper, spends its time on waking threads."""
    assert model.ranker is not None
    assert model.fusion is not None
    with tempfile.TemporaryDirectory() as folder:
        export_towers(model.fusion.model, Path(folder))
        tower = OnnxTower(Path(folder) / "user_tower.onnx")
    assert model.ranker.table is not None
    parts = *model.ranker.closed_form, FusionPart(model.ranker.table, tower)
    return Ranker(model.ranker.weights, parts, model.ranker.cold_start_weights)


def amazon(root: Path, threads: int, sample: int) -> Row:
    """The learned blend on real ids: time for every shopper with their pasts read anew, and what candidates lose."""
    shop = load_shop(HERE.parent / "examples" / "shops" / "amazon-clothing.toml", root=root, settings=load_settings())
    split = file_split(shop, {}, root / "val.tsv")
    model = Modaloom(LearnOptions(seed=SEED)).fit(split.snapshot)
    ranker, users = as_in_a_bundle(model), np.arange(shop.n_users)
    row = timed(ranker, split.snapshot.histories(users), threads)

    def everybody() -> None:
        histories = split.snapshot.histories(users)
        hidden = hidden_items(histories, shop.n_items)
        ranker.recommend(histories, LENGTH, allowed=split.snapshot.catalogue, hidden=hidden, threads=threads)

    all_s, cpu_s = quickest(everybody)
    row |= {"all_s": round(all_s, 3), "all_cpu_s": round(cpu_s, 3), "shoppers_per_s": round(len(users) / all_s)}
    chosen = np.sort(np.random.default_rng(SEED).permutation(len(split.user_nums))[:sample])
    asked = select_histories(split.snapshot.histories(split.user_nums), chosen)
    truth = [split.truth[place] for place in chosen]
    fast = ranker.recommend(asked, LENGTH, hidden=hidden_items(asked, shop.n_items), threads=threads).items
    started, full = time.perf_counter(), []
    for start in range(0, len(asked), BATCH):
        some = asked.take(start, min(start + BATCH, len(asked)))
        full.append(top_n(ranker.score(some), LENGTH, split.snapshot.may_be_shown(some)))
    dense = np.concatenate(full)
    row["dense_shoppers_per_s"] = round(len(asked) / (time.perf_counter() - started), 1)
    same = [len(set(a) & set(b)) / LENGTH for a, b in zip(fast.tolist(), dense.tolist(), strict=True)]
    row["overlap"] = round(float(np.mean(same)), 4)
    gain = ranking_metrics(fast, truth)["recall"] - ranking_metrics(dense, truth)["recall"]
    row["recall_dense"] = round(float(ranking_metrics(dense, truth)["recall"].mean()), 5)
    row["recall_change"] = round(float(gain.mean()), 5)
    row["recall_change_error"] = round(float(gain.std() / np.sqrt(len(gain))), 5)
    row["blend"] = json.dumps({name: round(weight, 3) for name, weight in ranker.weights.items()})
    return row


def one(what: str, arguments: argparse.Namespace) -> Row:
    """One line of the table, with the peak memory of this process."""
    if what == "amazon":
        row = amazon(arguments.amazon, arguments.threads, arguments.sample)
    else:
        n_items = int(what)
        ranker, histories = made_up(n_items, min(arguments.users, 2 * 10**9 // n_items))
        row = timed(ranker, histories, arguments.threads)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return {"catalogue": "amazon" if what == "amazon" else "made up", **row, "peak_memory_mb": peak}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--amazon", type=Path, help="folder with train.tsv and val.tsv")
    parser.add_argument("--items", default="", help="sizes of made-up catalogues, separated by commas")
    parser.add_argument("--users", type=int, default=39_387)
    parser.add_argument("--sample", type=int, default=2_000, help="shoppers compared with scoring everything")
    parser.add_argument("--threads", type=int, default=available_threads())
    parser.add_argument("--one", help="run one of them in this process and print its line as JSON")
    parser.add_argument("--out", type=Path, default=RESULT)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(one(arguments.one, arguments)))
        return
    wanted = (["amazon"] if arguments.amazon else []) + [size for size in arguments.items.split(",") if size]
    rows = []
    for what in wanted:
        command = [sys.executable, __file__, *sys.argv[1:], "--one", what]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        rows.append(json.loads(done.stdout.splitlines()[-1]))
        print("  ".join(f"{name} {value}" for name, value in rows[-1].items()), flush=True)
    run = {"machine": f"{platform.machine()}, {arguments.threads} threads, Python {platform.python_version()}"}
    arguments.out.write_text(json.dumps({"run": run, "rows": rows}, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
