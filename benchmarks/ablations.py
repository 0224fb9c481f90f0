"""Does every kept component pay for itself? One is taken out at a time, and everything else is chosen anew without it.

    python benchmarks/ablations.py --root PATH [--windows 6] [--before 0] [--seeds 0] [--learning 3] [--only NAMES]
    python benchmarks/ablations.py --drawn 0,1 [--forward] [--users 1200] [--only NAMES]
    python benchmarks/ablations.py --amazon PATH

Rolling windows of H&M, each with its own past; ``--before 6`` leaves the newest six alone. Or built-in shops, drawn
with these seeds, 20 % of each shopper's items asked for (protocol ``random``), or with ``--forward`` the last 28 days:
there it matters how old things are. Two kinds of rows:

- *parts*: the blend without one of its parts, or without some that can stand in for each other; its weights are fitted
  again on validation without them. All rows of a window share one fit, so that nothing but the part differs.
- *learning*: the fusion is trained again without one ingredient of its learning or of its shape, with the same epochs
  and the same early stopping, and asked both alone and in a blend whose weights are fitted again with it. Only in the
  newest ``--learning`` windows and with the first seed, since each row is a training of its own.

``--amazon`` asks the parts on a log of bare ids, one split, the half of val.tsv's shoppers that nothing was chosen on.
A gain is what the component adds: with it less without it, shopper by shopper, with a 95 % bootstrap interval over
shoppers (who count by their mean over seeds; windows weigh the same, however many shoppers they ask).
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from ingredients import LEARNING, Variant
from studies import HM, drawn, evened, read_shop

from modaloom.data.doubles import borrow_words
from modaloom.data.shop import load_shop
from modaloom.data.splits import Split, file_split, rolling_splits
from modaloom.learning import LearnOptions, Memory, Modaloom, validation_splits
from modaloom.learning.learner import VALIDATION_USERS, prior_weights
from modaloom.metrics import bootstrap_interval, ranking_metrics, top_n
from modaloom.ranking.blend import choose_weights, validation_batch
from modaloom.ranking.contract import Part
from modaloom.ranking.fusion import FUSION, FusionPart
from modaloom.ranking.ranker import Ranker
from modaloom.training.fitting import FittedFusion, fit_fusion
from modaloom.types import FloatArray, Histories

HERE = Path(__file__).parent
RESULTS = HERE / "results"
N, USERS_AT_ONCE = 20, 256
TOGETHER = {
    "image, text, attributes": ("image", "text", "attributes"),
    "the same and fusion": ("image", "text", "attributes", FUSION),
}
"""Parts that can stand in for each other, and so are taken out together too."""
WHOLE = "everything"
Values = npt.NDArray[np.float64]
Metrics = dict[str, Values]
Scores = Mapping[str, FloatArray]
Found = dict[tuple[str, str], dict[int, list[Metrics]]]
"""By kind and name of row: for each seed the values of each window's shoppers."""


class Window:
    """One question, its validation, and what the parts say on each: everything that does not hang on the fusion."""

    def __init__(self, asked: Split, options: LearnOptions, memory: Memory, *, keep: bool = True):
        config = options.fusion_config()
        content = {name: made for name, made in asked.snapshot.tokens.items() if name in config.modalities}
        snapshot = borrow_words(replace(asked.snapshot, tokens=content))
        snapshot = replace(snapshot, tokens=memory.whitened(snapshot.tokens, config.dim))
        self.asked, self.start = replace(asked, snapshot=snapshot), config
        self.validation = validation_splits(snapshot, seed=options.seed)
        self._exams = [split.take(VALIDATION_USERS) for split in self.validation]
        self._fit = partial(_fitted, options=options, memory=memory)
        self._kept = [self._said(split) for split in self._exams]
        self._parts = self._fit(self.asked)
        self._last = self._said(self.asked) if keep else None

    def _said(self, split: Split) -> dict[str, FloatArray]:
        parts = self._parts if split is self.asked else self._fit(split)
        histories = split.snapshot.histories(split.user_nums)
        return Ranker({part.name: 1.0 for part in parts}, tuple(parts)).part_scores(histories)

    def learned(self, variant: Variant) -> FittedFusion:
        """The fusion, trained on what lies before validation."""
        return fit_fusion(self.validation[0].snapshot, variant.applied(self.start), validation=self.validation)

    def weights(self, exams: Sequence[Scores], without: Sequence[str] = ()) -> dict[str, float]:
        """The blend that validation wants, without some parts."""
        prior = prior_weights(self.asked.snapshot)
        made = []
        for split, scores in zip(self._exams, exams, strict=True):
            left = {name: values for name, values in scores.items() if name not in without}
            allowed = split.snapshot.may_be_shown(split.snapshot.histories(split.user_nums))
            made.append(validation_batch(left, allowed, split.truth, prior))
        return choose_weights(made, prior)

    def exams(self, fitted: FittedFusion) -> list[dict[str, FloatArray]]:
        """Normalised scores of all parts on each validation question."""
        return [
            parts | _fusion(fitted, split).part_scores(split.snapshot.histories(split.user_nums))
            for parts, split in zip(self._kept, self._exams, strict=True)
        ]

    def judged(self, fitted: FittedFusion, blends: Mapping[str, Mapping[str, float]]) -> dict[str, Metrics]:
        """Recall and NDCG of every shopper by blend, and recall among what nobody had bought before."""
        fused, asked = _fusion(fitted, self.asked), self.asked
        histories = asked.snapshot.histories(asked.user_nums)
        lists: dict[str, list[npt.NDArray[np.int64]]] = {name: [] for name in blends}
        for start in range(0, len(histories), USERS_AT_ONCE):
            span = slice(start, min(start + USERS_AT_ONCE, len(histories)))
            some = histories.take(span.start, span.stop)
            normal = self._asked_of(span, some) | fused.part_scores(some)
            allowed = asked.snapshot.may_be_shown(some)
            for name, weights in blends.items():
                total = np.sum([normal[part] * np.float32(weight) for part, weight in weights.items()], axis=0)
                lists[name].append(top_n(total, N, allowed))
        cold = [items[~asked.ever_sold[items]] for items in asked.truth]
        out = {}
        for name, blocks in lists.items():
            made = ranking_metrics(np.concatenate(blocks), asked.truth)
            never_sold = ranking_metrics(np.concatenate(blocks), cold)["recall"]
            out[name] = {"recall": made["recall"], "ndcg": made["ndcg"], "never_sold": never_sold}
        return out

    def _asked_of(self, span: slice, some: Histories) -> dict[str, FloatArray]:
        if self._last is not None:
            return {name: scores[span] for name, scores in self._last.items()}
        return Ranker({part.name: 1.0 for part in self._parts}, tuple(self._parts)).part_scores(some)


def _fitted(split: Split, options: LearnOptions, memory: Memory) -> list[Part]:
    learner = Modaloom(options, memory=memory)
    return [memory.fitted(part, split.snapshot) for part in learner._parts(split.snapshot)]


def _fusion(fitted: FittedFusion, split: Split) -> Ranker:
    return Ranker({FUSION: 1.0}, (FusionPart(fitted.table(split.snapshot), fitted.tower),))


def ask_parts(window: Window, seed: int, found: Found) -> None:
    """Everything, everything but one part, and each part alone; all of one fit."""
    fitted = window.learned(Variant(loop={"seed": seed}))
    exams = window.exams(fitted)
    names = list(exams[0])
    blends = {("parts", WHOLE): window.weights(exams)}
    groups = {group: [name for name in gone if name in names] for group, gone in TOGETHER.items()}
    taken = {**{name: [name] for name in names}, **{group: gone for group, gone in groups.items() if len(gone) > 1}}
    blends |= {("parts", name): window.weights(exams, gone) for name, gone in taken.items()}
    blends |= {("alone", name): {name: 1.0} for name in names}
    keyed = {f"{kind}/{name}": weights for (kind, name), weights in blends.items()}
    for key, values in window.judged(fitted, keyed).items():
        kind, name = key.split("/", 1)
        found.setdefault((kind, name), {}).setdefault(seed, []).append(values)
    print(f"  {window.asked.name}, seed {seed}, weights {_shown(blends['parts', WHOLE])}", flush=True)


def ask_learning(window: Window, name: str, seed: int, found: Found) -> None:
    """The fusion alone and the whole blend without one ingredient."""
    variant, started = LEARNING[name], time.perf_counter()
    with variant.replaced():
        fitted = window.learned(replace(variant, loop={"seed": seed, **variant.loop}))
        blends = {"whole": window.weights(window.exams(fitted)), "fusion": {FUSION: 1.0}}
        made = window.judged(fitted, blends)
    for kind, values in made.items():
        found.setdefault((f"learning, {kind}", name), {}).setdefault(seed, []).append(values)
    alone, whole = (made[kind]["recall"].mean() for kind in ("fusion", "whole"))
    took = time.perf_counter() - started
    print(f"  {window.asked.name}, {name}: alone {alone:.4f}, whole {whole:.4f} ({took:.0f} s)", flush=True)


def _shown(weights: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {weight:.2f}" for name, weight in weights.items())


def mean_by_shopper(runs: Mapping[int, Sequence[Metrics]], metric: str) -> Values:
    """One value per shopper of all windows: the mean over seeds, with windows weighing the same."""
    windows = [np.mean([window[metric] for window in seeds], axis=0) for seeds in zip(*runs.values(), strict=True)]
    return evened(windows)


def summary(found: Found) -> dict[str, dict[str, dict[str, Any]]]:
    """Rows by kind and name: what is reached without the component, and what it adds."""
    out: dict[str, dict[str, dict[str, Any]]] = {}
    for (kind, name), runs in found.items():
        row: dict[str, Any] = {}
        base = found["parts" if kind == "alone" else kind, WHOLE]
        for metric in ("recall", "ndcg", "never_sold"):
            own = mean_by_shopper(runs, metric)
            if not len(own):  # nobody took anything that was never sold before
                continue
            row[metric] = float(own.mean())
            if name != WHOLE:
                gain = mean_by_shopper(base, metric) - own
                row[f"{metric}_gain"] = float(gain.mean())
                row[f"{metric}_gain_interval"] = list(bootstrap_interval(gain))
        out.setdefault(kind, {})[name] = row
    return out


def print_rows(rows: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> None:
    """The table as text."""
    for kind, models in rows.items():
        print(f"\n{kind:<38}{'recall':>8}{'gain of the component':>34}{'NDCG':>9}{'gain':>9}{'never sold':>12}")
        for name, row in sorted(models.items(), key=lambda pair: -pair[1].get("recall_gain", 1.0)):
            low, high = row.get("recall_gain_interval", (0.0, 0.0))
            print(
                f"{name:<38}{row['recall']:>8.4f}{row.get('recall_gain', 0.0):>+14.4f} [{low:+.4f}, {high:+.4f}]"
                f"{row['ndcg']:>9.4f}{row.get('ndcg_gain', 0.0):>+9.4f}{row.get('never_sold', 0.0):>12.4f}"
            )


def hm(asked: argparse.Namespace) -> list[Split]:
    """Windows of H&M."""
    splits = rolling_splits(*read_shop(HM, root=asked.root), windows=asked.windows + asked.before, window_days=28)
    return list(splits)[: asked.windows]


def work_through(splits: Sequence[Split], asked: argparse.Namespace, found: Found) -> dict[str, Any]:
    """The parts in all windows, then one ingredient of learning after the other in the newest; written as it grows."""
    seeds, memory = [int(seed) for seed in asked.seeds.split(",")], Memory()
    late: list[Window] = []
    about: dict[str, Any] = {"seeds": seeds, "windows": [one.name for one in splits]}
    for split in splits:
        window = Window(split, LearnOptions(), memory)
        for seed in seeds:
            ask_parts(window, seed, found)
        late = [*late, window][-asked.learning :] if asked.learning else []
        write(asked.out, about, found)
    if not late:
        return about
    about["learning_windows"] = [window.asked.name for window in late]
    for ours, kind in ((("alone", FUSION), "fusion"), (("parts", WHOLE), "whole")):
        found[f"learning, {kind}", WHOLE] = {seeds[0]: found[ours][seeds[0]][len(splits) - len(late) :]}
    for name in asked.only.split(",") if asked.only else LEARNING:
        for window in late:
            ask_learning(window, name, seeds[0], found)
        write(asked.out, about, found)
    return about


def amazon(asked: argparse.Namespace, found: Found) -> dict[str, Any]:
    """The parts on bare ids."""
    from peers import halves

    toml = HERE.parent / "examples" / "shops" / "amazon-clothing.toml"
    shop = load_shop(toml, root=asked.amazon)
    _, half = halves(file_split(shop, {}, asked.amazon / "val.tsv"), 0)
    window = Window(half, LearnOptions(), Memory(), keep=False)
    seeds = [int(seed) for seed in asked.seeds.split(",")]
    for seed in seeds:
        ask_parts(window, seed, found)
    return {"seeds": seeds, "windows": [half.name], "shoppers": len(half.truth)}


def write(out: Path, about: Mapping[str, Any], found: Found) -> None:
    """The figures as they stand; kinds of rows that this run does not ask stay what they were."""
    before = json.loads(out.read_text(encoding="utf-8")) if out.exists() else {"rows": {}}
    content = {**before, **about, "rows": {**before["rows"], **summary(found)}}
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def main() -> None:
    """Runs the study on one kind of shop."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--root", type=Path, help="folder with the H&M files")
    where.add_argument("--amazon", type=Path, help="folder with train.tsv and val.tsv")
    where.add_argument("--drawn", metavar="SEEDS", help="of built-in shops, separated by commas")
    parser.add_argument("--users", type=int, default=1_200, help="shoppers of a built-in shop")
    parser.add_argument("--forward", action="store_true", help="ask a built-in shop for its last 28 days instead")
    parser.add_argument("--windows", type=int, default=6)
    parser.add_argument("--before", type=int, default=0, help="newest windows that are left alone")
    parser.add_argument("--seeds", default="0")
    parser.add_argument("--learning", type=int, default=3, help="newest of these windows in which learning is asked")
    parser.add_argument("--only", help=f"ingredients of learning, separated by commas, of {', '.join(LEARNING)}")
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    if asked.only and (unknown := [name for name in asked.only.split(",") if name not in LEARNING]):
        parser.error(f"no ingredient is called {', '.join(unknown)}")
    which = "amazon" if asked.amazon else "shop" + "_forward" * asked.forward if asked.drawn else "hm"
    asked.out = asked.out or RESULTS / f"ablations_{which}.json"
    found: Found = {}
    started = time.perf_counter()
    if asked.amazon:
        about = amazon(asked, found)
    else:
        splits = drawn(asked.drawn, asked.users, forward=asked.forward) if asked.drawn else hm(asked)
        about = work_through(splits, asked, found)
    write(asked.out, {**about, "took_s": round(time.perf_counter() - started)}, found)
    print_rows(summary(found))


if __name__ == "__main__":
    main()
