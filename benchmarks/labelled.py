"""Labels predicted: ratings and fit of rentals, sentiment of Chinese reviews, kinds of photographed clothes.

Every set is read as a shop (a toml names its columns) and goes through `modaloom evaluate --protocol labels`:
70 % to learn from, 10 % to choose epochs, ridges, thresholds and calibration on, 20 % asked for once.

- `rating`: Rent the Runway, 10 of 10 or less, in order of time; what was known before each review: the garment's
  category, the shopper's size facts, the occasion, and earlier ratings of both. The words of the review itself are an
  outcome, like the rating: they are never an input here.
- `fit`: the same rentals, fits or does not (small or large), with the ordered size in place of the occasion.
- `sentiment`: Chinese reviews, words to positive or negative, dealt out by row. Beside the models of the package there
  is `tf-idf`, a logistic regression on letters and pairs of letters (ridge chosen on validation).
- `wardrobe`: photographs of people's own clothes, 17 kinds, dealt out by sender: nobody's floor is in two
  parts.
- `colour`, `kind` (on demand): H&M's colour family and product group from pictures and words, dealt out by model;
  here two modalities can be fused.

Intervals are bootstraps over shoppers, senders, models or rows. Prints a table for each and writes
results/labelled.json.

    python benchmarks/labelled.py --data PATH [--sets rating,fit,sentiment,wardrobe] [--seeds 0,1,2]
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np
import scipy.sparse as sp

from modaloom.config import load_settings
from modaloom.data.labels import LabelledData, LabelSplit, Values, read_labels
from modaloom.data.shop import load_shop
from modaloom.encoders.encode import encode_items
from modaloom.evaluation.label_report import print_report, write_json
from modaloom.evaluation.labelled import evaluate_labels
from modaloom.models.labelled import RIDGES, Classifier, fit_logistic, log_loss, softmax
from modaloom.training.labelled import LabelLoopConfig, label_classifiers

HERE = Path(__file__).parent
RUNWAY = (HERE.parent / "examples" / "shops" / "rent-the-runway.toml").read_text(encoding="utf-8")
FIT = RUNWAY.replace('value = "rating"                # 2 to 10', 'event = "fit"').replace(
    'query = "rented_for"', 'query = "size"'
).replace('[interactions.columns]', '[interactions.events]\nfit = "like"\nsmall = "dislike"\nlarge = "dislike"\n\n'
          '[interactions.columns]').replace('event = "purchase"              # a rental\n', "").replace(
    'target_events = ["purchase"]', 'target_events = ["like"]'
)  # fmt: skip
REVIEWS = """name = "Chinese reviews of clothes"
language = "zh"
[items]
file = "reviews.csv"
[items.columns]
item_id = "review"
description = "review"
[items.attributes]
sentiment = "label"
"""
WARDROBE = """name = "Photos of people's own clothes"
[items]
file = "images.csv"
[items.columns]
item_id = "image"
group_id = "sender_id"
[items.attributes]
kind = "label"
[items.images]
template = "images/{item_id}.jpg"
"""
HM = (HERE.parent / "examples" / "shops" / "hm.toml").read_text(encoding="utf-8")


@dataclass(frozen=True)
class Study:
    """One set of labels: the toml, the folder below --data, and the label."""

    toml: str
    folder: str
    label: str


STUDIES = {
    "rating": Study(RUNWAY, "rent-the-runway", "value"),
    "fit": Study(FIT, "rent-the-runway", "likes"),
    "sentiment": Study(REVIEWS, "zh-clothing-reviews", "sentiment"),
    "wardrobe": Study(WARDROBE, "wardrobe-photos", "kind"),
    "colour": Study(HM, "hm", "colour_family"),
    "kind": Study(HM, "hm", "group"),
}


class LetterPairs:
    """Logistic regression on tf-idf of letters and pairs of letters: what one does without an encoder."""

    name = "tf-idf"
    seeded = False

    def __init__(self, texts: list[str], *, least: int = 3):
        self.texts, self.least = texts, least

    def fit(self, data: LabelledData, split: LabelSplit) -> Self:
        """Counts on the training part, then solves it once per ridge."""
        grams = [[text[at : at + n] for n in (1, 2) for at in range(len(text) - n + 1)] for text in self.texts]
        own = [grams[item] for item in data.items]
        counts: dict[str, int] = {}
        for row in split.train:
            for gram in set(own[row]):
                counts[gram] = counts.get(gram, 0) + 1
        kept = {gram: place for place, gram in enumerate(gram for gram, n in counts.items() if n >= self.least)}
        rarity = np.log((len(split.train) + 1) / (np.array([counts[gram] for gram in kept]) + 1)) + 1
        pairs = [(row, kept[gram]) for row, words in enumerate(own) for gram in words if gram in kept]
        rows, columns = np.array(pairs).T
        matrix = sp.csr_matrix((np.ones(len(rows)), (rows, columns)), shape=(len(own), len(kept)))
        matrix.data = 1 + np.log(matrix.data)
        matrix = matrix @ sp.diags(rarity)
        lengths = np.sqrt(np.asarray(matrix.multiply(matrix).sum(axis=1)).ravel())
        self.matrix = (sp.diags(1 / np.maximum(lengths, 1e-9)) @ matrix).tocsr().astype(np.float32)
        found = []
        for ridge in (1e-5, 1e-4, *RIDGES):
            self.weights = fit_logistic(self.matrix[split.train], data.labels[split.train], len(data.classes), ridge)
            loss = log_loss(self.predict(data, split.validation), data.labels[split.validation])
            found.append((loss, self.weights))
        _, self.weights = min(found, key=lambda one: one[0])
        return self

    def predict(self, data: LabelledData, rows: np.ndarray) -> Values:
        """Probabilities (b, c)."""
        logits: Values = np.asarray(self.matrix[rows] @ self.weights[:-1] + self.weights[-1], dtype=np.float64)
        return softmax(logits)


def run(name: str, study: Study, data_root: Path, seeds: tuple[int, ...], limit: int) -> dict[str, object]:
    """One study: its figures as `evaluate --json` writes them."""
    settings = load_settings()
    with tempfile.TemporaryDirectory() as folder:
        toml = Path(folder) / "shop.toml"
        toml.write_text(study.toml, encoding="utf-8")
        shop = load_shop(toml, root=data_root / study.folder, settings=settings)
        tokens = encode_items(shop, settings=settings)
        data = newest(read_labels(shop, tokens, study.label), limit)
        models: Mapping[str, Callable[[int], Classifier]] = dict(label_classifiers(data, LabelLoopConfig()))
        if name == "sentiment":
            texts = [text or "" for text in shop.items["description"].to_list()]
            models = {**models, LetterPairs.name: lambda seed: LetterPairs(texts)}
        started = time.perf_counter()
        result = evaluate_labels(shop.name, data, models, seeds=seeds)
        print_report(result)
        print(f"{name}: {time.perf_counter() - started:.0f} s\n", flush=True)
        out = Path(folder) / "figures.json"
        write_json(result, out)
        figures: dict[str, object] = json.loads(out.read_text(encoding="utf-8"))
    return figures


def newest(data: LabelledData, limit: int) -> LabelledData:
    """The newest labels of a log, or all where there are no more than ``limit`` or no times."""
    if len(data) <= limit or not np.ptp(data.times):
        return data
    kept = np.sort(np.argsort(data.times, kind="stable")[-limit:])
    assert data.users is not None
    return replace(
        data,
        views={name: replace(view, rows=view.rows[kept]) for name, view in data.views.items()},
        labels=data.labels[kept],
        groups=data.groups[kept],
        times=data.times[kept],
        items=data.items[kept],
        users=data.users[kept],
        notes=(*data.notes, f"the newest {limit:,} labels; what was known before each is of the whole log"),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder that holds rent-the-runway/, hm/ and so on")
    parser.add_argument("--sets", default="rating,fit,sentiment,wardrobe", help=f"of {', '.join(STUDIES)}")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--limit", type=int, default=60_000, help="labels of a log, the newest")
    parser.add_argument("--out", type=Path, default=HERE / "results" / "labelled.json")
    asked = parser.parse_args()
    seeds = tuple(int(seed) for seed in asked.seeds.split(","))
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    results: dict[str, object] = json.loads(asked.out.read_text(encoding="utf-8")) if asked.out.exists() else {}
    for name in asked.sets.split(","):  # sets that are not asked this time keep their figures
        results[name] = run(name, STUDIES[name], asked.data, seeds, asked.limit)
        asked.out.write_text(json.dumps(results, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
