"""What dirt in a shop's data costs: relative loss of Recall@20 against the same model on clean data.

    python benchmarks/robustness.py [--shop DIR] [--users 800] [--seeds 0 1 2] [--jobs 2] [--out FILE]

The built-in shop (drawn where ``--shop`` is not given), 20 % of each shopper's items asked for (protocol ``random``).
The questions are always clean; what is spoilt is what models learn from and the pasts that they are told:

- *label noise*: 5, 10, 20 or 40 % of the purchases are of a random item instead;
- *bulk buyers*: five more accounts with 2,000 random purchases each (in the last 60 days, where the log has times);
- *extreme prices*: 2 % of the prices a million times too high;
- *broken vectors*: 5 % of the pictures' and of the texts' vectors are noise a thousand times as long;
- *doubles*: 20 % of the items are in the catalogue twice, with nearly the same vectors, and every purchase is of
  either; a list is right if it has either, but two places go to one garment.

Ours against the linear and the factor model of behaviour, item-kNN and content-kNN, none tuned for dirt. Every seed is
another cut, another dirt and another start. Losses are compared shopper by shopper; the standard error is that of the
mean over shoppers, who count once, by their mean over seeds.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl
from studies import Measured, Recalls, by_shopper, mean_and_error, read_question, shop_folder, work_through

from modaloom.data.splits import Split
from modaloom.encoders.attributes import AttributeEncoder
from modaloom.evaluation.protocol import recommend_lists
from modaloom.learning import LearnOptions, model_factories
from modaloom.metrics import ranking_metrics
from modaloom.types import DAY_S, Event, IntArray, Snapshot, Tokens

N = 20
MODELS = ("modaloom", "ease", "ials", "item-knn", "content-knn")
NOISE = (0.05, 0.1, 0.2, 0.4)
BULK_BUYERS, BULK_EVENTS, BULK_DAYS = 5, 2_000, 60
HERE = Path(__file__).parent
Key = tuple[str, str]
"""Model and dirt."""
Spoil = Callable[[Split, np.random.Generator], Split]


@dataclass(frozen=True)
class Job:
    """One model, one seed: what a process works through."""

    place: str
    model: str
    seed: int


def with_snapshot(split: Split, **changes: object) -> Split:
    """The same question put to another past."""
    return replace(split, snapshot=replace(split.snapshot, **changes))  # type: ignore[arg-type]


def is_target(snapshot: Snapshot) -> pl.Expr:
    """Rows of the log that count as success."""
    return pl.col("event").is_in([int(event) for event in snapshot.target_events]) & pl.col("item_num").is_not_null()


def label_noise(share: float) -> Spoil:
    """That share of the purchases is of a random item, but of none that the shopper will be asked for."""

    def spoil(split: Split, rng: np.random.Generator) -> Split:
        log = split.snapshot.interactions
        wrong = log.select(is_target(split.snapshot)).to_series().to_numpy() & (rng.random(log.height) < share)
        users = log["user_num"].to_numpy()
        items = log["item_num"].cast(pl.Int64).fill_null(0).to_numpy().copy()
        asked = dict(zip(split.user_nums.tolist(), split.truth, strict=True))
        choice = np.flatnonzero(split.snapshot.catalogue)
        for row in np.flatnonzero(wrong):
            truth = asked.get(int(users[row]), np.zeros(0, dtype=np.int64))
            items[row] = rng.choice(np.setdiff1d(choice, truth))
        spoilt = pl.Series("item_num", items).cast(pl.UInt32)
        return with_snapshot(
            split,
            interactions=log.with_columns(
                pl.when(pl.Series(wrong)).then(spoilt).otherwise(pl.col("item_num")).alias("item_num")
            ),
        )

    return spoil


def bulk_buyers(split: Split, rng: np.random.Generator) -> Split:
    """A few more accounts that buy anything."""
    snapshot, number = split.snapshot, BULK_BUYERS * BULK_EVENTS
    new = pl.DataFrame({"user_id": [f"bulk-{place}" for place in range(BULK_BUYERS)]})
    timed = bool(snapshot.interactions["timestamp"].max())
    log = pl.DataFrame(
        {
            "user_num": np.repeat(np.arange(BULK_BUYERS) + snapshot.n_users, BULK_EVENTS),
            "item_num": rng.choice(np.flatnonzero(snapshot.catalogue), number),
            "event": np.full(number, int(Event.PURCHASE)),
            "timestamp": timed * (snapshot.now - 1 - rng.integers(0, BULK_DAYS * DAY_S, number)),
        }
    ).cast({"user_num": pl.UInt32, "item_num": pl.UInt32, "event": pl.UInt8, "timestamp": pl.Int64})
    whole = pl.concat([snapshot.interactions, log], how="diagonal").sort("timestamp", maintain_order=True)
    return with_snapshot(split, users=pl.concat([snapshot.users, new], how="diagonal"), interactions=whole)


def extreme_prices(split: Split, rng: np.random.Generator) -> Split:
    """A decimal point slipped, and attributes are encoded anew."""
    snapshot = split.snapshot
    wrong = rng.random(snapshot.n_items) < 0.02
    items = snapshot.items.with_columns(price=pl.when(pl.Series(wrong)).then(pl.col("price") * 1e6).otherwise("price"))
    encoder = AttributeEncoder().fit(items)
    vectors, mask = encoder.encode_frame(items)
    tokens = {**snapshot.tokens, "attributes": Tokens("attributes", encoder.encoder_id, vectors, mask)}
    return with_snapshot(split, items=items, tokens=tokens)


def broken_vectors(split: Split, rng: np.random.Generator) -> Split:
    """Some vectors are long noise."""
    tokens = dict(split.snapshot.tokens)
    for name in ("image", "text"):
        vectors = tokens[name].vectors.copy()
        wrong = tokens[name].mask & (rng.random(len(vectors)) < 0.05)
        vectors[wrong] = rng.normal(0, 1e3, (int(wrong.sum()), vectors.shape[1]))
        tokens[name] = replace(tokens[name], vectors=vectors)
    return with_snapshot(split, tokens=tokens)


def doubles(split: Split, rng: np.random.Generator) -> Split:
    """Some items are there twice; who bought one has bought either."""
    snapshot = split.snapshot
    chosen = np.flatnonzero(rng.random(snapshot.n_items) < 0.2)
    copies = np.arange(len(chosen)) + snapshot.n_items
    other = np.arange(snapshot.n_items)
    other[chosen] = copies
    items = snapshot.items[chosen].with_columns(item_id=pl.col("item_id") + "-copy", group_id=pl.lit(None, pl.String))
    log = snapshot.interactions
    nums = log["item_num"].cast(pl.Int64).fill_null(0).to_numpy()
    swapped = np.where(rng.random(log.height) < 0.5, other[nums], nums)
    named = pl.Series("item_num", swapped).cast(pl.UInt32)
    log = log.with_columns(pl.when(pl.col("item_num").is_null()).then(None).otherwise(named).alias("item_num"))
    tokens = {}
    for name, made in snapshot.tokens.items():
        noise = rng.normal(0, 0.02 * made.vectors[made.mask].std(), (len(chosen), made.dim)).astype(np.float32)
        extra = (made.vectors[chosen] + noise) * made.mask[chosen, None]
        tokens[name] = replace(
            made, vectors=np.vstack([made.vectors, extra]), mask=np.append(made.mask, made.mask[chosen])
        )
    spoilt = with_snapshot(
        split,
        items=pl.concat([snapshot.items, items]),
        interactions=log,
        tokens=tokens,
        catalogue=np.append(snapshot.catalogue, snapshot.catalogue[chosen]),
    )
    return replace(spoilt, ever_sold=np.append(split.ever_sold, split.ever_sold[chosen]))


def garments(split: Split, clean: Split) -> IntArray:
    """The original of every item."""
    ids = split.snapshot.items["item_id"].str.strip_suffix("-copy")
    first = {item_id: num for num, item_id in enumerate(clean.snapshot.items["item_id"])}
    return np.array([first[item_id] for item_id in ids], dtype=np.int64)


DIRT: dict[str, Spoil] = {
    "clean": lambda split, rng: split,
    **{f"label noise {share:.0%}": label_noise(share) for share in NOISE},
    "bulk buyers": bulk_buyers,
    "extreme prices": extreme_prices,
    "broken vectors": broken_vectors,
    "doubles": doubles,
}


def recalls(split: Split, clean: Split, model: str, seed: int) -> Recalls:
    """Recall@20 of every shopper, counted in garments."""
    scorer = model_factories((model,), LearnOptions(seed=seed))[model](seed).fit(split.snapshot)
    original = garments(split, clean)
    lists = recommend_lists(scorer, split, N)
    told = np.where(lists >= 0, original[np.maximum(lists, 0)], -1)
    for row in told:  # the second of two copies is no second hit
        _, first = np.unique(row, return_index=True)
        row[np.setdiff1d(np.arange(len(row)), first)] = -1
    found = ranking_metrics(told, split.truth)["recall"]
    return dict(zip(split.user_nums.tolist(), found.tolist(), strict=True))


def work(job: Job) -> list[Measured[Key]]:
    """One model through all dirt."""
    clean = read_question(job.place, job.seed)
    rows: list[Measured[Key]] = []
    for number, (name, spoil) in enumerate(DIRT.items()):
        started = time.process_time()
        spoilt = spoil(clean, np.random.default_rng([job.seed, number]))
        found = recalls(spoilt, clean, job.model, job.seed)
        rows.append(((job.model, name), job.seed, found))
        took = time.process_time() - started
        print(f"{job.model}, seed {job.seed}, {name}: {np.mean(list(found.values())):.4f} ({took:.0f} s)", flush=True)
    return rows


def summarise(found: Mapping[Key, Mapping[int, Recalls]]) -> list[dict[str, object]]:
    """One row per model and dirt: recall, and its loss against the same model on clean data."""
    rows: list[dict[str, object]] = []
    for (model, dirt), values in found.items():
        own, base = (np.array(list(by_shopper(one).values())) for one in (values, found[model, "clean"]))
        lost = (base - own) / base.mean()
        loss, error = mean_and_error(lost)
        row: dict[str, object] = {"model": model, "dirt": dirt, "recall": float(own.mean()), "shoppers": len(own)}
        rows.append({**row, "loss": loss, "loss_se": error})
    return rows


def table(rows: Sequence[Mapping[str, object]]) -> str:
    """Losses, a line per dirt and a column per model."""
    models = list(dict.fromkeys(str(row["model"]) for row in rows))
    lines = [f"{'loss of Recall@20':<20}" + "".join(f"{model:>18}" for model in models)]
    for dirt in dict.fromkeys(str(row["dirt"]) for row in rows):
        cells = {str(row["model"]): row for row in rows if row["dirt"] == dirt}
        shown = [
            f"{cells[model]['recall']:.4f}"
            if dirt == "clean"
            else f"{cells[model]['loss']:.1%} ± {cells[model]['loss_se']:.1%}"
            for model in models
        ]
        lines.append(f"{dirt:<20}" + "".join(f"{cell:>18}" for cell in shown))
    return "\n".join(lines)


def main() -> None:
    """Runs the study and writes its figures; ``curves.py`` draws them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shop", type=Path, help="folder of the built-in shop; drawn where it is not given")
    parser.add_argument("--users", type=int, default=800)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--models", nargs="+", default=list(MODELS))
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--out", type=Path, default=HERE / "results" / "robustness.json")
    asked = parser.parse_args()
    started = time.perf_counter()
    with shop_folder(asked.shop, users=asked.users) as place:
        jobs = [Job(str(place), model, seed) for model in asked.models for seed in asked.seeds]
        found = work_through(place, jobs, work, asked.jobs)
    summary = summarise(found)
    print(table(summary))
    study = {
        "users": asked.users,
        "seeds": asked.seeds,
        "took_s": round(time.perf_counter() - started),
        "rows": summary,
    }
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    asked.out.write_text(json.dumps(study, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
