"""Ours beside other people's recommenders, all in one process: accuracy, seconds, shoppers per second, memory.

    pip install torch && pip install -e '.[all,peers]'       # in a virtual environment of its own
    python benchmarks/peers.py --data amazon --root PATH     # train.tsv and val.tsv
    python benchmarks/peers.py --data hm --root PATH         # articles.csv, customers.csv, transactions_train.csv,
                                                             # images/

Everybody gets the same splits, the same threads and the same time for tuning on validation (``--tune-s``): a start
from the literature, the package's documented defaults, then random points of a published grid (``peer_trials.py``),
chosen by Recall@20 + NDCG@20. Ours is fitted once, with its defaults: what it chooses, it chooses on its own past.

* amazon: fitted on train.tsv. The shoppers of val.tsv are halved at random; settings are chosen on the first half,
  the figures are those of the second.
* hm: settings are chosen on the windows right before the last ``--windows`` windows of 28 days, the figures are
  those of the last ones, each fitted on its own past. Never-sold items stay in the catalogue for everybody.

The whole catalogue is ranked. Seconds to fit include bringing the log into the package's own form. Shoppers per
second is what one request for the top 20 of all shoppers with a past takes, the quickest of three: by the package's own
batched call (implicit, ours), else by its scores and one selection that is the same for all. Memory is the largest
resident size while fitting and asking, with what everything that is loaded takes anyway, and what it is above the size
before. A peer that fails, or that needs what the data lack, is reported with the reason. Results are written after each
model; ``--resume`` goes on with what the file lacks. ``--chosen FILE`` measures anew with the settings that an earlier
run chose and tunes nothing; how long that took, and what was tried, is taken over from the file.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import importlib.metadata
import json
import platform
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import peer_models
import psutil
import torch
from hm_blend import HandMadeBlend
from peer_trials import PEERS, Entry, Params, Trial, search
from threadpoolctl import threadpool_limits

from modaloom.config import Settings, load_settings
from modaloom.data.shop import Shop, load_shop
from modaloom.data.splits import Split, file_split, rolling_splits
from modaloom.encoders.encode import encode_items
from modaloom.evaluation.protocol import Protocol, evaluate
from modaloom.metrics import bootstrap_interval, ranking_metrics
from modaloom.types import FloatArray, Histories, IntArray, Scorer, Snapshot, Tokens

HERE = Path(__file__).parent
N = 20
WINDOW_DAYS = 28
USERS_AT_ONCE = 1024
ASK_S = 30.0
"""Who has taken longer than this is not asked again."""
MB = 1 << 20
Row = dict[str, Any]


class Watch:
    """The largest resident memory of this process while the block runs, looked at every 10 ms."""

    def __enter__(self) -> Self:
        gc.collect()
        if platform.system() == "Linux" and hasattr(libc := ctypes.CDLL(None), "malloc_trim"):
            libc.malloc_trim(0)  # what the model before has given back goes back to the system
        self._process = psutil.Process()
        self.before = self.peak = self._process.memory_info().rss
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(0.01):
            self.peak = max(self.peak, self._process.memory_info().rss)

    def figures(self) -> dict[str, int]:
        """MB, as the results name them."""
        return {"peak_mb": self.peak // MB, "added_mb": (self.peak - self.before) // MB}


def top_lists(model: Scorer, split: Split, n: int = N) -> IntArray:
    """Lists (b, n) for the shoppers of a split, by the model's own batched call where it has one."""
    own = getattr(model, "lists", None)
    if own is not None:
        found: IntArray = own(split, n)
        return found
    histories = split.snapshot.histories(split.user_nums)
    blocks = []
    for start in range(0, len(histories), USERS_AT_ONCE):
        some = histories.take(start, min(start + USERS_AT_ONCE, len(histories)))
        scores = np.require(model.score(some), np.float32, ("C", "W", "O"))
        if not split.snapshot.catalogue.all():
            scores[:, ~split.snapshot.catalogue] = -np.inf
        if split.snapshot.exclude_seen:
            had = np.isin(some.events, [int(event) for event in split.snapshot.target_events])
            scores[some.rows()[had], some.item_nums[had]] = -np.inf
        best = torch.from_numpy(scores).topk(min(n, scores.shape[1]), dim=1)
        if (best.values.isnan() | best.values.isposinf()).any():  # either would be at the top
            raise ValueError(f"{model.name} gave scores that are not finite")
        blocks.append(np.where(best.values.isneginf().numpy(), -1, best.indices.numpy()))
    return np.concatenate(blocks)


def asked_again(model: Scorer, split: Split) -> tuple[IntArray, list[float]]:
    """The lists, and the seconds that they took each time: three times at most, and no longer than half a minute."""
    taken: list[float] = []
    while len(taken) < 3 and sum(taken) < ASK_S:
        started = time.perf_counter()
        lists = top_lists(model, split)
        taken.append(time.perf_counter() - started)
    return lists, taken


def everybody(snapshot: Snapshot) -> Split:
    """The question for the lists of all shoppers with a past; nothing is known to be right."""
    known = np.unique(snapshot.targets()["user_num"].to_numpy()).astype(np.int64)
    return Split("everybody", snapshot, known, [], np.zeros(snapshot.n_items, dtype=bool))


def value_of(lists: IntArray, truth: Sequence[IntArray]) -> float:
    """What settings are chosen by."""
    figures = ranking_metrics(lists, truth)
    return float(figures["recall"].mean() + figures["ndcg"].mean())


def halves(split: Split, seed: int) -> tuple[Split, Split]:
    """The shoppers of a question in two halves at random: to tune on, to report."""
    order = np.random.default_rng(seed).permutation(len(split.user_nums))
    parts = (np.sort(order[: len(order) // 2]), np.sort(order[len(order) // 2 :]))
    first, second = (
        replace(split, user_nums=split.user_nums[rows], truth=[split.truth[row] for row in rows]) for rows in parts
    )
    return first, second


def made(entry: Entry, params: Params, asked: argparse.Namespace) -> Scorer:
    """A model that is not fitted yet; one that can watch the clock itself gets the time there is."""
    limit = {entry.limit: asked.tune_s} if entry.limit else {}
    return entry.make(seed=asked.seed, **limit, **params)


class Remembered:
    """A model that puts itself and what it was fitted on aside; the one before is let go first, for the memory."""

    seeded = True

    def __init__(self, model: Scorer, kept: list[tuple[Scorer, Snapshot]]):
        self.name = model.name
        self._model = model
        self._kept = kept

    def fit(self, snapshot: Snapshot) -> Self:
        """Learns, and is put aside."""
        self._kept.clear()
        self._model.fit(snapshot)
        self._kept.append((self._model, snapshot))
        return self

    def score(self, histories: Histories) -> FloatArray:
        """Scores (b, n)."""
        return self._model.score(histories)


class Amazon:
    """The split of ids: every trial is fitted on the same log and asked for everybody; halves of the truth differ."""

    def __init__(self, asked: argparse.Namespace, settings: Settings):
        shop = load_shop(
            HERE.parent / "examples" / "shops" / "amazon-clothing.toml", root=asked.root, settings=settings
        )
        self.asked = asked
        self.split = file_split(shop, {}, asked.root / "val.tsv")
        self.tune, self.test = halves(self.split, asked.seed)
        self.everybody = everybody(self.split.snapshot)
        self.content = False

    def attempt(self, entry: Entry, params: Params) -> tuple[float, Row]:
        """Value on the first half of the shoppers, and all figures on the second."""
        with Watch() as watch:
            started = time.perf_counter()
            model = made(entry, params, self.asked).fit(self.split.snapshot)
            fitted = time.perf_counter()
            lists, taken = asked_again(model, self.everybody)
        place = np.searchsorted(self.everybody.user_nums, self.test.user_nums)
        values = ranking_metrics(lists[place], self.test.truth)
        row: Row = {metric: float(values[metric].mean()) for metric in ("recall", "ndcg")}
        row["intervals"] = {metric: bootstrap_interval(values[metric]) for metric in ("recall", "ndcg")}
        row |= {"fit_s": fitted - started, "ask_s": min(taken), "first_ask_s": taken[0], "users_asked": len(lists)}
        row |= {"users_per_s": len(lists) / min(taken), **watch.figures()}
        place = np.searchsorted(self.everybody.user_nums, self.tune.user_nums)
        return value_of(lists[place], self.tune.truth), row

    def measure(self, entry: Entry, best: Trial) -> Row:
        """The best trial's own figures: what was tuned is what is reported, so that nothing is fitted twice."""
        row: Row = best.found
        return row


class Hm:
    """Rolling windows: settings are chosen on the windows before the last ones."""

    def __init__(self, asked: argparse.Namespace, settings: Settings):
        self.asked = asked
        self.shop: Shop = load_shop(HERE.parent / "examples" / "shops" / "hm.toml", root=asked.root, settings=settings)
        self.tokens: Mapping[str, Tokens] = encode_items(self.shop, settings=settings)
        number = asked.windows + asked.tune_windows
        windows = list(rolling_splits(self.shop, self.tokens, windows=number, window_days=WINDOW_DAYS))
        self.tune = windows[: -asked.windows]
        self.content = True

    def attempt(self, entry: Entry, params: Params) -> tuple[float, None]:
        """Mean value on the windows before the last ones."""
        values = []
        for split in self.tune:
            model = made(entry, params, self.asked).fit(split.snapshot)
            values.append(value_of(top_lists(model, split), split.truth))
        return float(np.mean(values)), None

    def measure(self, entry: Entry, best: Trial) -> Row:
        """Figures on the last windows with the chosen settings."""
        kept: list[tuple[Scorer, Snapshot]] = []
        windows, seeds = self.asked.windows, (self.asked.seed,)
        protocol = Protocol(n=N, windows=windows, window_days=WINDOW_DAYS, seeds=seeds, known_events=())
        with Watch() as watch:
            factory = lambda seed: Remembered(made(entry, best.params, self.asked), kept)  # noqa: E731
            result = evaluate(self.shop, self.tokens, protocol, {entry.name: factory})
            model, snapshot = kept[0]
            everyone = everybody(snapshot)
            lists, seconds = asked_again(model, everyone)
        number, taken = len(lists), min(seconds)
        row: Any = result.summary()[entry.name]
        figures: Row = {name: row[name] for name in ("recall", "ndcg", "fit_s", "windows")}
        figures["intervals"] = {metric: row["intervals"][metric] for metric in ("recall", "ndcg")}
        figures |= {"cold_recall": row["cold"]["recall"], "cold_interval": row["cold"]["intervals"]["recall"]}
        return figures | {"ask_s": taken, "users_asked": number, "users_per_s": number / taken, **watch.figures()}


def competitors(asked: argparse.Namespace) -> list[Entry]:
    """Ours, the hand-made blend where there is content, and all peers; or those that were named."""
    everyone = [Entry("modaloom", "modaloom", peer_models.Ours)]
    if asked.data == "hm":
        everyone.append(Entry(HandMadeBlend.name, "modaloom", lambda seed: HandMadeBlend(), content=True))
    everyone += [entry for entry in PEERS if asked.data in entry.data]
    wanted = asked.models.split(",")
    unknown = [name for name in wanted if name not in {"all", *(entry.name for entry in everyone)}]
    if unknown:
        raise SystemExit(f"unknown model {', '.join(unknown)}; choose from {', '.join(e.name for e in everyone)}")
    return [entry for entry in everyone if wanted == ["all"] or entry.name in wanted]


def run(entry: Entry, world: Amazon | Hm, asked: argparse.Namespace, before: Row) -> Row:
    """One competitor's row: figures, or why there are none. ``before`` is one whose settings are kept, or empty."""
    try:
        row: Row = {"package": f"{entry.package} {importlib.metadata.version(entry.package)}"}
    except importlib.metadata.PackageNotFoundError:
        return {"package": entry.package, "error": "not installed"}
    if entry.content and not world.content:
        return row | {"error": "needs pictures or words, and these data are ids only"}
    started = time.perf_counter()
    if before:
        entry = replace(entry, start=before["params"], grid={})
    nothing_to_choose = bool(before) or (not entry.grid and not entry.start)
    if nothing_to_choose and isinstance(world, Hm):
        trials = [Trial(entry.start, 0.0, value=0.0)]
    else:
        most = 1 if nothing_to_choose else asked.trials
        trials = search(entry, asked.tune_s, asked.seed, lambda params: world.attempt(entry, params), most)
    tuned_s = time.perf_counter() - started
    best = max(trials, key=lambda trial: trial.value)
    row |= {
        "params": best.params,
        "tuned_s": round(tuned_s, 1),
        "trials": [{"params": t.params, "value": t.value if not t.error else None, "error": t.error} for t in trials],
    }
    row |= {name: before[name] for name in ("tuned_s", "trials") if before}
    if best.error:
        return row | {"error": best.error}
    try:
        return row | world.measure(entry, best)
    except Exception as error:  # whatever goes wrong in somebody else's package is part of the result
        return row | {"error": f"{type(error).__name__}: {error}"}


def table(rows: Mapping[str, Row]) -> str:
    """The results as text, the best recall first, failures last."""
    lines = [
        f"{'model':<22}{'Recall@20':>26}{'NDCG@20':>9}{'cold':>8}{'fit s':>8}{'users/s':>9}{'MB':>7}{'+MB':>7}  trials"
    ]
    for name, row in sorted(rows.items(), key=lambda pair: -pair[1].get("recall", -1)):
        if "error" in row:
            lines.append(f"{name:<22}  {row['error']}")
            continue
        low, high = row["intervals"]["recall"]
        shown = f"{row['recall']:.4f} [{low:.4f}, {high:.4f}]"
        cold = format(row["cold_recall"], ".4f") if "cold_recall" in row else ""
        lines.append(
            f"{name:<22}{shown:>26}{row['ndcg']:>9.4f}{cold:>8}{row['fit_s']:>8.1f}"
            f"{row['users_per_s']:>9.0f}{row['peak_mb']:>7}{row['added_mb']:>7}  {len(row['trials'])}"
        )
    return "\n".join(lines)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", choices=("amazon", "hm"), required=True)
    parser.add_argument("--root", type=Path, required=True, help="folder with the files")
    parser.add_argument("--models", default="all", help="names, with commas between them")
    parser.add_argument("--tune-s", type=float, default=25.0, help="seconds of tuning for each model")
    parser.add_argument("--trials", type=int, default=30, help="no more trials than this for each model")
    parser.add_argument("--windows", type=int, default=6, help="hm: windows that are reported")
    parser.add_argument("--tune-windows", type=int, default=1, help="hm: windows before them that are tuned on")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--resume", action="store_true", help="keep the rows that the file has")
    parser.add_argument("--chosen", type=Path, help="an earlier file of results whose settings are measured anew")
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    asked.out = asked.out or HERE / "results" / f"peers_{asked.data}.json"
    return asked


def main() -> None:
    asked = parse()
    peer_models.THREADS = asked.threads
    torch.set_num_threads(asked.threads)
    settings = load_settings(threads=asked.threads)
    how = {name: getattr(asked, name) for name in ("data", "tune_s", "trials", "threads", "seed")}
    how |= {name: getattr(asked, name) for name in ("windows", "tune_windows") if asked.data == "hm"}
    how["machine"] = f"{platform.machine()}, {psutil.cpu_count()} cores, Python {platform.python_version()}"
    content: dict[str, Any] = {"run": how, "models": {}}
    chosen = json.loads(asked.chosen.read_text(encoding="utf-8"))["models"] if asked.chosen else {}
    if asked.resume and asked.out.exists():
        content["models"] = json.loads(asked.out.read_text(encoding="utf-8"))["models"]
    with threadpool_limits(asked.threads):
        world: Amazon | Hm = Amazon(asked, settings) if asked.data == "amazon" else Hm(asked, settings)
        for entry in competitors(asked):
            if entry.name in content["models"]:
                continue
            started = time.perf_counter()
            before = chosen.get(entry.name, {})
            row = run(entry, world, asked, before if "params" in before else {})
            content["models"][entry.name] = row
            row["total_s"] = round(time.perf_counter() - started, 1)
            asked.out.parent.mkdir(parents=True, exist_ok=True)
            asked.out.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
            print(f"{row['total_s']:7.1f} s  {entry.name}: {row.get('error') or round(row['recall'], 4)}", flush=True)
    print(table(content["models"]))


if __name__ == "__main__":
    main()
