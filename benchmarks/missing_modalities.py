"""Recall when a share of all modality values is missing: what stands in the gaps, and what it costs.

    python benchmarks/missing_modalities.py [--shop DIR] [--users 2400] [--seeds 0 1 2] [--jobs 2]

The built-in shop is drawn with more shoppers than usual, so that standard errors are small. That share of the (item,
modality) values of pictures, words and attributes is hidden at random, in learning and in answering alike.

- *mask*: the mask says what is absent, and nothing stands there (the default). *token*: a learned token. *imputer*: a
  guess from the modalities that are there. Each without modality dropout in training (the default) and with 0.2 of it.
- *zeros* and *means*: the encoder's vector is zero, or the mean of those that are there, and the mask says that all is
  well. Everything else is the same: the same whitening, training, dropout, blend.

Three set-ups: *content* is the fusion alone, of pictures, words and attributes, without behaviour: there missing
content must hurt most. *fusion* is the fusion alone with behaviour. *whole* is the learner as it is served, with its
parts and its blend; there the default meets zeros.

20 % of each shopper's items are asked for (protocol ``random``). Every seed is another hiding, another cut of the log
and another start. All kinds of one seed are asked about the same purchases, so that they are compared shopper by
shopper; a standard error is that of the mean over shoppers (who count once, by their mean over seeds). Nothing is
chosen on these questions: training is the same for all kinds, and the blend chooses on its own validation.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from studies import Measured, Recalls, by_shopper, mean_and_error, read_question, shop_folder, work_through

from modaloom.data.splits import Split
from modaloom.evaluation.protocol import recommend_lists
from modaloom.learning import LearnOptions, Memory, Modaloom
from modaloom.metrics import ranking_metrics
from modaloom.ranking.fusion import FUSION, FusionPart
from modaloom.ranking.ranker import Ranker
from modaloom.training.fitting import FusionConfig, fit_fusion
from modaloom.training.loop import LoopConfig
from modaloom.types import Tokens

LIMITS = {0.2: 0.05, 0.4: 0.10, 0.8: 0.25}
"""Share that is hidden, and the loss of Recall@20 that is aimed at with the learner as it is."""
N = 20
DIM, EPOCHS, RATE = 32, 8, 1e-2
"""Of the fusion alone: small and short, the same for all kinds."""
CONTENT = ("image", "text", "attributes")
HERE = Path(__file__).parent
Key = tuple[str, str, float]
"""Set-up, kind, and share that is hidden."""


@dataclass(frozen=True)
class Kind:
    """What stands in the gaps, and whether modalities are dropped in training."""

    fill: str
    dropout: bool = False

    @property
    def name(self) -> str:
        """As it is shown."""
        return f"{self.fill}, dropout" if self.dropout else self.fill

    @property
    def missing(self) -> str:
        """The same for the model; what is filled leaves no gaps to it."""
        return {"imputer": "impute", "token": "token"}.get(self.fill, "mask")


DEFAULT = Kind("mask")
EVERY = tuple(
    Kind(fill, dropout) for fill in ("mask", "token", "imputer", "zeros", "means") for dropout in (False, True)
)
SETUPS = {"content": EVERY, "fusion": (DEFAULT, Kind("imputer"), Kind("zeros")), "whole": (DEFAULT, Kind("zeros"))}


@dataclass(frozen=True)
class Job:
    """One set-up, one seed: what a process works through."""

    place: str
    setup: str
    seed: int
    shares: tuple[float, ...]


def hide(tokens: Mapping[str, Tokens], share: float, seed: int, fill: str) -> dict[str, Tokens]:
    """Tokens without a share of the values that are there: absent, or zeros or means that pass for values."""
    rng = np.random.default_rng([seed, round(share * 1000)])
    left = {}
    for name, made in sorted(tokens.items()):
        gone = made.mask & (rng.random(len(made.mask)) < share)
        there = made.mask & ~gone
        vectors = np.where(there[:, None], made.vectors, np.float32(0.0))
        if fill in ("zeros", "means"):
            if fill == "means" and there.any():
                vectors[~there] = made.vectors[there].mean(axis=0)
            left[name] = replace(made, vectors=vectors, mask=np.ones_like(made.mask))
        else:
            left[name] = replace(made, vectors=vectors, mask=there)
    return left


class Alone:
    """The fusion without parts and blend."""

    name = "fusion"

    def __init__(self, split: Split, setup: str, kind: Kind, seed: int):
        modalities = CONTENT if setup == "content" else (*CONTENT, "behaviour")
        loop = LoopConfig(epochs=EPOCHS, learning_rate=RATE, seed=seed, modality_dropout=0.2 if kind.dropout else 0.0)
        config = FusionConfig(modalities, DIM, missing=kind.missing, loop=loop)
        snapshot = replace(split.snapshot, tokens=Memory().whitened(split.snapshot.tokens, DIM))
        fitted = fit_fusion(snapshot, config)
        self.score = Ranker({FUSION: 1.0}, (FusionPart(fitted.table(snapshot), fitted.tower),)).score


def recalls(split: Split, setup: str, kind: Kind, seed: int) -> Recalls:
    """Recall@20 of every shopper of the question."""
    scorer = (
        Modaloom(LearnOptions(seed=seed)).fit(split.snapshot) if setup == "whole" else Alone(split, setup, kind, seed)
    )
    found = ranking_metrics(recommend_lists(scorer, split, N), split.truth)["recall"]  # type: ignore[arg-type]
    return dict(zip(split.user_nums.tolist(), found.tolist(), strict=True))


def work(job: Job) -> list[Measured[Key]]:
    """Every kind at every share of one job."""
    split = read_question(job.place, job.seed)
    rows: list[Measured[Key]] = []
    for kind in SETUPS[job.setup]:
        for share in (0.0, *job.shares):
            started = time.process_time()
            hidden = hide(split.snapshot.tokens, share, job.seed, kind.fill)
            asked = replace(split, snapshot=replace(split.snapshot, tokens=hidden))
            found = recalls(asked, job.setup, kind, job.seed)
            rows.append(((job.setup, kind.name, share), job.seed, found))
            mean, took = np.mean(list(found.values())), time.process_time() - started
            print(
                f"{job.setup}, seed {job.seed}, {share:.0%} hidden, {kind.name}: {mean:.4f} ({took:.0f} s)", flush=True
            )
    return rows


def summarise(found: Mapping[Key, Mapping[int, Recalls]]) -> list[dict[str, object]]:
    """One row per set-up, kind and share: recall, loss against the default with everything, and against the default."""
    rows: list[dict[str, object]] = []
    for (setup, kind, share), values in found.items():
        whole = found[setup, DEFAULT.name, 0.0]
        same = found[setup, DEFAULT.name, share]
        own, base, rival = (np.array(list(by_shopper(one).values())) for one in (values, whole, same))
        recall, recall_se = mean_and_error(own)
        loss, loss_se = mean_and_error((base - own) / base.mean())
        more, more_se = mean_and_error((rival - own) / base.mean())
        row = {"setup": setup, "kind": kind, "share": share, "recall": recall, "recall_se": recall_se}
        row |= {"loss": loss, "loss_se": loss_se, "more_than_default": more, "more_than_default_se": more_se}
        seeds = {seed: np.mean(list(one.values())) for seed, one in values.items()}
        row["loss_by_seed"] = [float(1 - mean / np.mean(list(whole[seed].values()))) for seed, mean in seeds.items()]
        rows.append({**row, "shoppers": len(own)})
    return rows


def table(rows: Sequence[Mapping[str, object]]) -> str:
    """The rows as text."""
    head = (
        "setup    hidden  kind                 recall@20        loss              aim   more than the default  by seed"
    )
    lines = [head]
    for row in rows:
        aim = LIMITS.get(float(str(row["share"])))
        shown = f"{aim:.0%}" if aim and row["setup"] == "whole" and row["kind"] == DEFAULT.name else ""
        seeds = row["loss_by_seed"]
        assert isinstance(seeds, list)
        lines.append(
            f"{row['setup']:<8} {row['share']:>6.0%}  {row['kind']:<19}  {row['recall']:.4f} ± {row['recall_se']:.4f}  "
            f"{row['loss']:>6.1%} ± {row['loss_se']:>4.1%}   {shown:>4}  {row['more_than_default']:>8.1%} ± "
            f"{row['more_than_default_se']:>4.1%}        {' '.join(f'{loss:.1%}' for loss in seeds)}"
        )
    return "\n".join(lines)


def main() -> None:
    """Runs the study and writes its figures; ``curves.py`` draws them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shop", type=Path, help="folder of the built-in shop; drawn where it is not given")
    parser.add_argument("--users", type=int, default=2_400)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--shares", type=float, nargs="+", default=list(LIMITS))
    parser.add_argument("--setups", nargs="+", choices=list(SETUPS), default=list(SETUPS))
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--out", type=Path, default=HERE / "results" / "missing_modalities.json")
    asked = parser.parse_args()
    started = time.perf_counter()
    with shop_folder(asked.shop, users=asked.users) as place:
        shares = tuple(asked.shares)
        jobs = [Job(str(place), setup, seed, shares) for setup in reversed(asked.setups) for seed in asked.seeds]
        found = work_through(place, jobs, work, asked.jobs)
    summary = summarise(found)
    print(table(summary))
    took = time.perf_counter() - started
    study = {
        "users": asked.users,
        "seeds": asked.seeds,
        "setups": {name: [asdict(kind) for kind in SETUPS[name]] for name in asked.setups},
        "fusion_alone": {"dim": DIM, "epochs": EPOCHS, "learning_rate": RATE},
        "took_s": round(took),
        "rows": summary,
    }
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    asked.out.write_text(json.dumps(study, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
