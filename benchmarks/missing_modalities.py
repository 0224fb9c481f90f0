"""Recall when a share of all modality values is missing: masks and learned tokens against filling with zeros.

    python benchmarks/missing_modalities.py [--shop DIR] [--seeds 0 1 2] [--shares 0.2 0.4 0.8] [--out FILE]

On the built-in shop (drawn where ``--shop`` is not given), that share of the (item, modality) values of image, text
and attributes is hidden at random, in learning and in answering alike. *Masked* is the learner as it is: the mask says
what is absent. *Zero-filled* is the same learner that is told that everything is there, with zero vectors in the
places of the hidden values. Behaviour is computed from the log in both.

Every seed is another hiding, another cut of the log and another start of the learner. All kinds of one seed are asked
about the same purchases of the same shoppers, so that losses are compared shopper by shopper; the standard error is
that of the mean over the shoppers of all seeds (a shopper who is asked in several seeds counts once, by their mean).
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from modaloom.build import LearnOptions, Modaloom
from modaloom.config import load_settings
from modaloom.data.shop import Shop, load_shop
from modaloom.data.splits import Split
from modaloom.encoders.catalogue import encode_items
from modaloom.evaluation.protocol import Protocol, recommend_lists
from modaloom.metrics import ranking_metrics
from modaloom.samples.write import write_sample
from modaloom.types import Tokens

LIMITS = {0.2: 0.05, 0.4: 0.10, 0.8: 0.25}
"""Share that is hidden, and the loss of Recall@20 that is aimed at."""
N = 20
Values = dict[tuple[int, str, int], float]
"""Recall@20 of one shopper in one question: by seed, question and shopper."""


def hide(tokens: Mapping[str, Tokens], share: float, seed: int, *, zero_fill: bool) -> dict[str, Tokens]:
    """Tokens without a share of the values that are there: absent, or zeros that pass for values."""
    rng = np.random.default_rng([seed, round(share * 1000)])
    left = {}
    for name, made in sorted(tokens.items()):
        hidden = made.mask & (rng.random(len(made.mask)) < share)
        vectors = made.vectors.copy()
        vectors[hidden] = 0.0
        left[name] = replace(made, vectors=vectors, mask=made.mask if zero_fill else made.mask & ~hidden)
    return left


def recalls(split: Split, tokens: Mapping[str, Tokens], seed: int, epochs: int) -> dict[int, float]:
    """Recall@20 of every shopper of the question, by the whole learner on these tokens."""
    asked = replace(split, snapshot=replace(split.snapshot, tokens=dict(tokens)))
    learner = Modaloom(LearnOptions(seed=seed, epochs=epochs)).fit(asked.snapshot)
    found = ranking_metrics(recommend_lists(learner, asked, N), asked.truth)["recall"]
    return dict(zip(asked.user_nums.tolist(), found.tolist(), strict=True))


def measure(
    shop: Shop, tokens: Mapping[str, Tokens], protocol: Protocol, shares: Sequence[float], epochs: int
) -> dict[str, Values]:
    """Recalls by kind: ``complete``, then ``masked`` and ``zero-filled`` for each share."""
    kinds: dict[str, Values] = {}
    started = time.monotonic()
    for split, seeds in protocol.splits(shop, tokens):
        for seed in seeds:
            worlds = {"complete": dict(tokens)}
            for share in shares:
                worlds[f"masked {share:g}"] = hide(tokens, share, seed, zero_fill=False)
                worlds[f"zero-filled {share:g}"] = hide(tokens, share, seed, zero_fill=True)
            for kind, made in worlds.items():
                found = recalls(split, made, seed, epochs)
                kinds.setdefault(kind, {}).update({(seed, split.name, user): got for user, got in found.items()})
                mean = np.mean(list(found.values()))
                print(f"{time.monotonic() - started:5.0f} s  {split.name}, seed {seed}, {kind}: {mean:.4f}", flush=True)
    return kinds


def by_shopper(values: Values) -> dict[int, float]:
    """Each shopper's mean over seeds and questions."""
    rows: dict[int, list[float]] = {}
    for (_, _, user), got in values.items():
        rows.setdefault(user, []).append(got)
    return {user: float(np.mean(got)) for user, got in sorted(rows.items())}


def seed_means(values: Values, seeds: Sequence[int]) -> npt.NDArray[np.float64]:
    """Mean recall of each seed."""
    return np.array([np.mean([got for (own, _, _), got in values.items() if own == seed]) for seed in seeds])


def summarise(kinds: Mapping[str, Values], seeds: Sequence[int]) -> list[dict[str, object]]:
    """One row per kind: recall, loss against the complete catalogue, and their standard errors."""
    base = np.array(list(by_shopper(kinds["complete"]).values()))
    rows: list[dict[str, object]] = []
    for kind, values in kinds.items():
        own = np.array(list(by_shopper(values).values()))
        name, _, share = kind.partition(" ")
        lost = (base - own) / base.mean()
        rows.append(
            {
                "kind": name,
                "share": float(share or 0),
                "recall": float(own.mean()),
                "recall_se": float(own.std(ddof=1) / np.sqrt(len(own))),
                "loss": float(lost.mean()),
                "loss_se": float(lost.std(ddof=1) / np.sqrt(len(own))),
                "loss_by_seed": (1 - seed_means(values, seeds) / seed_means(kinds["complete"], seeds)).tolist(),
                "shoppers": len(own),
            }
        )
    return rows


def table(rows: Sequence[Mapping[str, object]]) -> str:
    """The rows as text."""
    lines = ["hidden  kind         recall@20        loss              aim    by seed"]
    for row in rows:
        share, kind = float(str(row["share"])), str(row["kind"])
        aim = f"{LIMITS[share]:.0%}" if share in LIMITS and kind == "masked" else ""
        seeds = row["loss_by_seed"]
        assert isinstance(seeds, list)
        lines.append(
            f"{share:>6.0%}  {kind:<11}  {row['recall']:.4f} ± {row['recall_se']:.4f}  {row['loss']:>6.1%} ± "
            f"{row['loss_se']:>4.1%}   {aim:>4}   {' '.join(f'{loss:.1%}' for loss in seeds)}"
        )
    return "\n".join(lines)


def main() -> None:
    """Runs the study and writes its figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shop", type=Path, help="folder of the built-in shop; drawn where it is not given")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--shares", type=float, nargs="+", default=list(LIMITS))
    parser.add_argument("--protocol", choices=("random", "rolling"), default="random")
    parser.add_argument("--windows", type=int, default=3, help="of 28 days, for rolling")
    parser.add_argument("--epochs", type=int, default=LearnOptions().epochs)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "missing_modalities.json")
    asked = parser.parse_args()
    settings = load_settings()
    with tempfile.TemporaryDirectory() as folder:
        place = asked.shop or Path(folder) / "shop"
        if not asked.shop:
            write_sample(place)
        shop = load_shop(place, settings=settings)
        tokens = encode_items(shop, settings=settings)
        protocol = Protocol(asked.protocol, n=N, windows=asked.windows, seeds=tuple(asked.seeds))
        rows = summarise(measure(shop, tokens, protocol, asked.shares, asked.epochs), asked.seeds)
    print(table(rows))
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    study = {"protocol": asked.protocol, "epochs": asked.epochs, "seeds": asked.seeds, "rows": rows}
    asked.out.write_text(json.dumps(study, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
