"""A shop with a catalogue and no log: from its files to a page, and what search and similar items find there.

    python benchmarks/catalogue_only.py --root PATH [--map examples/shops/hm.toml] [--queries 2000]

Takes ``[items]`` of a map and leaves its log and shoppers out, trains by the command that people type in a process of
its own, and asks the bundle:

- **known item**: two words of an item's title, one of its attributes' values and, where there is one, a word of its
  description, in a random order; found if the model is among the first 10, in any colour.
- **category**: the name of a category that at least 10 models have; precision of the first 10.
- **similar**: precision of the category, and of the colour, among the first 10 of the same items.

Beside it BM25 (k1 1.2, b .75, Robertson & Zaragoza, 2009) over titles and attributes, and over descriptions too, with
the same words. Seconds and peak memory are of the ``train`` process; with a warm cache nothing is encoded anew.
Writes results/catalogue_only.json.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
from end_to_end import modaloom, run

from modaloom.config import load_settings
from modaloom.data.shop import Shop, items_of, load_shop
from modaloom.files import write_json
from modaloom.shop.bundle import load_bundle
from modaloom.shop.recommender import Guide
from modaloom.shop.requests import Ask
from modaloom.shop.shopper import Shopper
from modaloom.storage.contract import ItemChange
from modaloom.types import ATTRIBUTE_PREFIX

HERE = Path(__file__).parent
RESULT = HERE / "results" / "catalogue_only.json"
N = 10
AIMS = {"known item, hit@10": 0.88, "category, precision@10": 0.94}
COLOUR = "colour"
NOW = 1_700_000_000
Search = Callable[[str], list[int]]
"""The first :data:`N` item numbers for some words."""


@dataclass(frozen=True)
class KnownItem:
    """Words that somebody types who has one item in mind."""

    words: str
    model: int


def tokens(text: str) -> list[str]:
    """Words as every search here reads them: lower case, plural endings cut."""
    return [word[:-1] if len(word) > 3 and word.endswith("s") else word for word in re.findall(r"\w+", text.lower())]


class BM25:
    """Okapi BM25 over one text per item."""

    def __init__(self, texts: Sequence[str], *, k1: float = 1.2, b: float = 0.75):
        counts = [Counter(tokens(text)) for text in texts]
        self._places = {word: place for place, word in enumerate(sorted({word for own in counts for word in own}))}
        rows = [row for row, own in enumerate(counts) for _ in own]
        columns = [self._places[word] for own in counts for word in own]
        often = np.array([number for own in counts for number in own.values()], dtype=np.float32)
        lengths = np.array([sum(own.values()) for own in counts], dtype=np.float32)
        norm = k1 * (1 - b + b * lengths / lengths.mean())
        idf = np.bincount(columns, minlength=len(self._places))
        idf = np.log(1 + (len(texts) - idf + 0.5) / (idf + 0.5))
        values = often * (k1 + 1) / (often + norm[rows]) * idf[columns]
        self._matrix = sp.csc_matrix((values, (rows, columns)), shape=(len(texts), len(self._places)))

    def __call__(self, words: str) -> list[int]:
        """The first items; none where no word is known."""
        known = [self._places[word] for word in tokens(words) if word in self._places]
        scores: npt.NDArray[np.float64] = np.asarray(self._matrix[:, known].sum(axis=1)).ravel()
        best = np.argsort(-scores, kind="stable")[:N]
        return [int(num) for num in best if scores[num] > 0]


def known_items(shop: Shop, models: npt.NDArray[np.int64], number: int, rng: np.random.Generator) -> list[KnownItem]:
    """Questions about items of models (n,), in words of the items themselves."""
    items = shop.items
    columns = [name for name in items.columns if name.startswith(ATTRIBUTE_PREFIX)]
    made = []
    for num in rng.permutation(items.height)[:number].tolist():
        row = items.row(num, named=True)
        filled = [name for name in columns if row[name]]
        words = rng.permutation((row["title"] or "").split())[:2].tolist()
        words += [str(row[name]) for name in rng.permutation(filled)[:1].tolist()]
        described = re.findall(r"[A-Za-z]{5,}", row["description"] or "")
        if described:
            words.append(str(rng.choice(described)))
        made.append(KnownItem(" ".join(rng.permutation(words).tolist()), int(models[num])))
    return made


def shop_without_log(mapping: Path, folder: Path) -> Path:
    """The same map with its catalogue alone."""
    text = mapping.read_text(encoding="utf-8")
    kept = re.split(r"(?m)^\[(?:users|interactions|evaluation)\b", text)[0]
    made = folder / "shop.toml"
    made.write_text(kept, encoding="utf-8")
    return made


def of_guide(guide: Guide) -> Search:
    """Our search, as the page asks it; one item of each model."""

    def search(words: str) -> list[int]:
        cards = guide.search(Ask(n=N, why=False, diversity=0.0), Shopper(None), NOW, text=words, photo=None)
        return [guide.catalogue.nums[card.item_id] for card in cards]

    return search


def hit_rate(search: Search, asked: Sequence[KnownItem], models: npt.NDArray[np.int64]) -> float:
    """Share of the questions answered among the first 10."""
    return float(np.mean([question.model in models[search(question.words)] for question in asked]))


def category_precision(search: Search, values: Sequence[str | None], models: npt.NDArray[np.int64]) -> float:
    """Mean precision of the first 10 over the names of categories that 10 models have."""
    members: dict[str, set[int]] = {}
    for value, model in zip(values, models.tolist(), strict=True):
        if value:
            members.setdefault(value, set()).add(model)
    names = sorted(name for name, own in members.items() if len(own) >= N)
    return float(np.mean([np.mean([values[num] == name for num in search(name)] or [0.0]) for name in names]))


def similar_precision(guide: Guide, nums: Sequence[int], values: Sequence[str | None]) -> float:
    """Share of the first 10 similar items that have the item's value."""
    found = []
    for num in nums:
        if values[num]:
            cards = guide.similar(num, Ask(n=N, why=False), Shopper(None), NOW)
            found.append(
                np.mean([values[guide.catalogue.nums[card.item_id]] == values[num] for card in cards] or [0.0])
            )
    return float(np.mean(found))


def measure(shop: Shop, bundle: Path, number: int) -> tuple[dict[str, dict[str, float]], dict[str, float]]:
    """What each search reaches, and the similar lists."""
    guide = Guide("catalogue", load_bundle(bundle), load_settings())
    rng, items = np.random.default_rng(0), shop.items
    described = items_of(guide.bundle.snapshot.items, guide.bundle.pictures_root)
    guide.placing.apply([ItemChange(version, item.item_id, item) for version, item in enumerate(described, start=1)])
    models = np.unique(items["group_id"].fill_null(items["item_id"]).to_numpy(), return_inverse=True)[1]
    columns = ["title", *(name for name in items.columns if name.startswith(ATTRIBUTE_PREFIX))]
    short = [" ".join(str(value) for value in row if value) for row in items.select(columns).iter_rows()]
    long = [f"{text} {more or ''}" for text, more in zip(short, items["description"].to_list(), strict=True)]
    searches: dict[str, Search] = {
        "modaloom": of_guide(guide),
        "BM25, titles and attributes": BM25(short),
        "BM25, descriptions too": BM25(long),
    }
    asked, categories = known_items(shop, models, number, rng), items[f"{ATTRIBUTE_PREFIX}category"].to_list()
    table = {}
    for name, search in searches.items():
        table[name] = {
            "known item, hit@10": hit_rate(search, asked, models),
            "category, precision@10": category_precision(search, categories, models),
        }
    some = rng.permutation(items.height)[: number // 4].tolist()
    similar = {"category, precision@10": similar_precision(guide, some, categories)}
    if f"{ATTRIBUTE_PREFIX}{COLOUR}" in items.columns:
        similar["colour, precision@10"] = similar_precision(guide, some, items[ATTRIBUTE_PREFIX + COLOUR].to_list())
    guide.placing.stop()
    return table, similar


def main() -> None:
    """Trains, asks, prints and writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--map", type=Path, default=HERE.parent / "examples" / "shops" / "hm.toml")
    parser.add_argument("--queries", type=int, default=2_000)
    arguments = parser.parse_args()
    with TemporaryDirectory() as place:
        toml, bundle = shop_without_log(arguments.map, Path(place)), Path(place) / "bundle"
        cost = run(modaloom("train", str(toml), "--root", str(arguments.root), "--out", str(bundle)), {})
        shop = load_shop(toml, root=arguments.root)
        table, similar = measure(shop, bundle, arguments.queries)
    train = {"wall_s": round(cost.wall_s, 1), "cpu_s": round(cost.cpu_s, 1), "peak_mb": cost.peak_mb}
    write_json(
        RESULT,
        {
            "shop": shop.name, "items": shop.n_items, "queries": arguments.queries, "cores": os.cpu_count(),
            "python": platform.python_version(), "train": train, "search": table, "similar": similar, "aims": AIMS,
        },
    )  # fmt: skip
    print(f"{shop.n_items:,} items, no log; train: {train}")
    for name, figures in table.items():
        print(f"{name:32s}" + "  ".join(f"{what} {value:.3f}" for what, value in figures.items()))
    print("similar".ljust(32) + "  ".join(f"{what} {value:.3f}" for what, value in similar.items()))
    missed = [what for what, aim in AIMS.items() if table["modaloom"][what] < aim]
    print("aims missed: " + ", ".join(f"{what} (aim {AIMS[what]})" for what in missed) if missed else "aims reached")


if __name__ == "__main__":
    main()
