"""What interests are counted by: the dimensions of a catalogue, and which things have which value.

Shapes: v values, n items; things are items and then queries (see :mod:`modaloom.counting.ledger`).
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy import sparse

from modaloom.config import Settings
from modaloom.counting.colours import PALETTE, read_colours
from modaloom.counting.looks import fill_in, find_looks, telling_attribute
from modaloom.counting.spelling import as_written
from modaloom.data.shop import Shop
from modaloom.encoders.encode import encode_items
from modaloom.messages import Names, trend_messages
from modaloom.shop.words import TEXT_COLUMNS, longest, terms
from modaloom.types import ATTRIBUTE_PREFIX, LANGUAGES, NOT_STYLE, BoolArray, FloatArray, IntArray, Tell, Tokens

MOST_VALUES = 300
"""Of one attribute; what is rarer is left out."""
OWN_SHARE = 0.7
"""An attribute with more different values than this part of its items tells items apart, not kinds."""
MOST_WORDS = 400
WORD_ITEMS = (4, 0.5)
"""A word must be said of so many items, and of no more than this part of them."""
LONG_TEXTS_UP_TO = 30_000
"""Items; of larger catalogues only the titles are read for words."""
DESCRIBED_SHARE = 0.3
"""Of the items, from which on descriptions are read for words."""
NO_VALUE = frozenset(("unknown", "undefined", "n/a", "na", "nan", "none", "null", "-", "未知", "无", "其他"))
"""What shops write where they know nothing."""
_SAYS_NOTHING = frozenset({
    "about", "added", "also", "all", "any", "as", "at", "be", "both", "but", "by", "can", "content", "down", "each",
    "feel", "get", "good", "has", "have", "into", "its", "just", "large", "less", "like", "made", "minimum", "more",
    "most", "new", "not", "number", "off", "one", "other", "our", "out", "over", "same", "small", "so", "than",
    "that", "them", "these", "they", "this", "those", "through", "under", "up", "very", "was", "we", "when",
    "which", "will", "you", "your",
})  # fmt: skip
_LATIN = re.compile(r"[a-z0-9][a-z0-9'-]*")
_DESCRIPTIONS = ("description", "description_zh", "description_en")
SAME_ITEMS = 0.5
"""Of the items that say a word or have the fact that is called so, from which on the word says nothing of its own."""
READ_QUERIES = 20_000
"""The most frequent searches are looked through for values that they name."""
BANDS = 5


@dataclass(frozen=True)
class Dimension:
    """One way to tell things apart."""

    name: str
    """``attribute.category``, ``word``, ``colour``, ``look`` or ``price``."""
    values: tuple[str, ...]
    names: tuple[Names, ...]
    incidence: sparse.csr_matrix  # (v, things), 1 where a thing has the value
    seen: IntArray  # (v,) items that have it by their picture alone

    def __len__(self) -> int:
        return len(self.values)

    def known(self) -> BoolArray:
        """Things that have any value, (things,)."""
        return np.asarray(self.incidence.sum(axis=0)).ravel() > 0


@dataclass(frozen=True)
class Catalogue:
    """All dimensions of a shop, and what its content looks like as vectors."""

    dimensions: tuple[Dimension, ...]
    tokens: Mapping[str, Tokens]


def read_catalogue(
    shop: Shop, queries: Sequence[str], weights: npt.NDArray[np.float64], *, settings: Settings, tell: Tell
) -> Catalogue:
    """Reads the dimensions.

    Args:
        shop: items, labels and pictures.
        queries: what was typed; query ``q`` is thing ``n + q``.
        weights: interests in each thing, (things,): decides what is worth a place.
        settings: of the encoders.
        tell: progress.
    """
    making = _Making(shop, queries, weights)
    tokens = encode_items(shop, settings=settings, modalities=("image", "text"), progress=tell)
    image = tokens.get("image")
    columns = _attributes(shop)
    dimensions = [making.attribute(name, column, image) for name, column in columns.items()]
    dimensions.append(making.words(dimensions))
    paths = shop.image_paths()
    if any(path is not None for path in paths):
        dimensions.append(making.colours(*read_colours(paths, settings, tell)))
    if image is not None:
        kind = telling_attribute(image.vectors, image.mask, columns)
        looks = find_looks(image.vectors, image.mask, columns[kind] if kind else None)
        colour = dimensions[-1] if dimensions[-1].name == "colour" else None
        dimensions.append(making.looks(looks, colour, [one for one in dimensions if one is not colour]))
    dimensions.append(making.prices())
    return Catalogue(tuple(one for one in dimensions if len(one)), tokens)


def _attributes(shop: Shop) -> dict[str, pl.Series]:
    """Attributes worth a dimension: neither sizes nor something of its own for nearly every item."""
    kept = {}
    for name in shop.attribute_names:
        column = shop.items[ATTRIBUTE_PREFIX + name].cast(pl.String)
        there, different = column.len() - column.null_count(), column.drop_nulls().n_unique()
        if name not in NOT_STYLE and 2 <= different <= OWN_SHARE * there:
            kept[name] = column
    return kept


class _Making:
    """Turns columns into dimensions."""

    def __init__(self, shop: Shop, queries: Sequence[str], weights: npt.NDArray[np.float64]):
        self.shop, self.queries, self.weights = shop, queries, weights
        self.n = shop.n_items
        often = np.argsort(-weights[self.n :], kind="stable")[:READ_QUERIES]
        self.asked = {int(place): " ".join(terms(queries[place])) for place in often}

    def attribute(self, name: str, column: pl.Series, image: Tokens | None) -> Dimension:
        """One attribute of the shop's own, filled in from pictures where these are sure, and asked for by name."""
        values = [None if value is None or value.strip().lower() in NO_VALUE else value for value in column.to_list()]
        filled = fill_in(values, image.vectors, image.mask) if image is not None else {}
        seen: dict[str, int] = {}
        for row, guess in filled.items():
            values[row] = guess
            seen[guess] = seen.get(guess, 0) + 1
        number: dict[str, float] = {}
        for value, weight in zip(values, self.weights[: self.n].tolist(), strict=True):
            if value is not None:
                number[value] = number.get(value, 0.0) + weight + 1e-6
        kept = sorted(sorted(number, key=lambda value: -number[value])[:MOST_VALUES])
        names = [self._label(name, value) for value in kept]
        rows = [(kept.index(value), row) for row, value in enumerate(values) if value in number and value in set(kept)]
        return self._dimension(f"attribute.{name}", kept, names, rows, [seen.get(value, 0) for value in kept])

    def _label(self, attribute: str, value: str) -> Names:
        plain = value.replace("_", " ")
        return {
            language: self.shop.spec.labels.get(language, {}).get(attribute, {}).get(value, plain)  # type: ignore[call-overload]
            for language in LANGUAGES
        }

    def words(self, facts: Sequence[Dimension]) -> Dimension:
        """Words of titles and descriptions, and of searches, but for those that only say again what facts say."""
        texts = self._texts()
        said: dict[str, list[int]] = {}
        for thing, text in enumerate(texts):
            for word in longest(terms(text or "")):
                said.setdefault(word, []).append(thing)
        for word in self._names_of(facts, said):
            del said[word]
        number = {
            word: float(self.weights[there].sum())
            for word, there in said.items()
            if WORD_ITEMS[0] <= len(there) <= WORD_ITEMS[1] * self.n and _worth_telling(word)
        }
        kept = sorted(sorted(number, key=lambda word: -number[word])[:MOST_WORDS])
        place = {word: row for row, word in enumerate(kept)}
        rows = [(place[word], thing) for word in kept for thing in said[word]]
        for query, text in self.asked.items():
            rows += [(place[word], self.n + query) for word in text.split() if word in place]
        written = Counter(word for text in texts for word in _LATIN.findall((text or "").lower()))
        names = [dict.fromkeys(LANGUAGES, as_written(word, written)) for word in kept]
        return self._dimension("word", kept, names, rows, None)

    def _names_of(self, facts: Sequence[Dimension], said: Mapping[str, list[int]]) -> set[str]:
        """Words that are a fact's name and stand in the same items: linen would rise as a material and as two words."""
        found = set()
        for fact in facts:
            for row, (value, called) in enumerate(zip(fact.values, fact.names, strict=True)):
                having = {thing for thing in fact.incidence[row].indices.tolist() if thing < self.n}
                names = {" ".join(terms(name)) for name in (value.replace("_", " "), *called.values())}
                for word in names & said.keys():
                    saying = set(said[word])
                    if len(saying & having) >= SAME_ITEMS * len(saying | having):
                        found.add(word)
        return found

    def _texts(self) -> list[str | None]:
        """What words are looked for in: titles and descriptions, or titles alone where few items are described.

        Where some items are described and others are not, only the described ones are read: else every word of a
        description would rise as soon as a shop begins to describe its pieces.
        """
        items = self.shop.items
        described = items.select(pl.any_horizontal(pl.col(name).is_not_null() for name in _DESCRIPTIONS)).to_series()
        long = self.n <= LONG_TEXTS_UP_TO and float(described.mean() or 0.0) >= DESCRIBED_SHARE  # type: ignore[arg-type]
        columns = [name for name in TEXT_COLUMNS if long or name.startswith("title")]
        texts = items.select(pl.concat_str(columns, separator=" ", ignore_nulls=True))[columns[0]].to_list()
        return [text if not long or there else None for text, there in zip(texts, described, strict=True)]

    def colours(self, shares: FloatArray, mask: BoolArray) -> Dimension:
        """The colour that covers most of the garment in the picture."""
        colours, said = list(PALETTE), {language: trend_messages(language)["colours"] for language in LANGUAGES}
        main = shares.argmax(axis=1)
        rows = [(int(main[item]), item) for item in np.flatnonzero(mask).tolist()]
        names = [{language: said[language][colour] for language in LANGUAGES} for colour in colours]
        seen = np.bincount(main[mask], minlength=len(colours))
        return self._dimension("colour", colours, names, rows, seen.tolist())

    def looks(self, looks: IntArray, colour: Dimension | None, others: Sequence[Dimension]) -> Dimension:
        """Clusters of pictures, named by what is most telling of their items."""
        present = sorted({int(look) for look in looks if look >= 0})
        names = name_looks(looks, present, colour, others)
        rows = [(present.index(int(looks[item])), item) for item in np.flatnonzero(looks >= 0).tolist()]
        seen = [int((looks == look).sum()) for look in present]
        return self._dimension("look", [str(look + 1) for look in present], names, rows, seen, asked=False)

    def prices(self) -> Dimension:
        """Bands of price with about as many items each, cut at round numbers."""
        prices = self.shop.items["price"].to_numpy().astype(np.float64)
        known = np.isfinite(prices)
        if known.sum() < 10 * BANDS:
            return self._dimension("price", [], [], [], None)
        edges = np.unique([_round(float(edge)) for edge in np.quantile(prices[known], np.arange(1, BANDS) / BANDS)])
        bands = np.searchsorted(edges, prices, side="right")
        shown = [f"{edge:g}" for edge in edges]

        def told(sign: str) -> list[str]:
            between = [f"{sign}{low}–{high}" for low, high in itertools.pairwise(shown)]
            return [f"< {sign}{shown[0]}", *between, f"≥ {sign}{shown[-1]}"]

        values, names = told(""), [dict.fromkeys(LANGUAGES, name) for name in told(self.shop.spec.currency)]
        rows = [(int(bands[item]), item) for item in np.flatnonzero(known).tolist()]
        return self._dimension("price", values, names, rows, None, asked=False)

    def _dimension(
        self,
        name: str,
        values: Sequence[str],
        names: Sequence[Names],
        rows: Iterable[tuple[int, int]],
        seen: Sequence[int] | None,
        *,
        asked: bool = True,
    ) -> Dimension:
        pairs = list(rows)
        if asked and name != "word":
            pairs += self._named(values, names)
        place = np.array(sorted(set(pairs)), dtype=np.int64).reshape(-1, 2)
        shape = (len(values), self.n + len(self.queries))
        incidence = sparse.csr_matrix((np.ones(len(place)), (place[:, 0], place[:, 1])), shape=shape)
        return Dimension(name, tuple(values), tuple(names), incidence, np.array(seen or [0] * len(values)))

    def _named(self, values: Sequence[str], names: Sequence[Names]) -> list[tuple[int, int]]:
        """(value, thing) of the searches that ask for a value by one of its names; the longest name wins."""
        spoken = [
            sorted({" ".join(terms(name)) for name in (*called.values(), value.replace("_", " "))} - {""})
            for value, called in zip(values, names, strict=True)
        ]
        found = []
        for query, text in self.asked.items():
            padded = f" {text} "
            hits = [
                (label, row)
                for row, labels in enumerate(spoken)
                for label in labels
                if f" {label} " in padded or (not label.isascii() and label.replace(" ", "") in text.replace(" ", ""))
            ]
            for label, row in hits:
                if not any(label != other and label in other for other, _ in hits):
                    found.append((row, self.n + query))
        return found


def _worth_telling(word: str) -> bool:
    """Numbers, single letters and words between words say nothing of clothes."""
    if word in _SAYS_NOTHING:
        return False
    return not word.replace("-", "").isdecimal() and (len(word) > 2 or not word.isascii()) and len(word) > 1


def _round(price: float) -> float:
    """A price with two figures that count."""
    if price <= 0:
        return price
    step = 10.0 ** (np.floor(np.log10(price)) - 1)
    return float(np.round(np.round(price / step) * step, 10))


def name_looks(
    looks: IntArray, present: Sequence[int], colour: Dimension | None, others: Sequence[Dimension]
) -> list[Names]:
    """A name for every look: the values and words most over-represented in it, else its colours."""
    named: list[Names] = []
    for look in present:
        inside = looks == look
        found: list[tuple[float, Names]] = []
        for dimension in others:
            found += _telling(dimension, inside, lift=2.5, share=0.4)[:1]
        telling = [names for _, names in sorted(found, key=lambda pair: -pair[0])[:2]]
        if colour is not None and len(telling) < 2:
            telling += [names for _, names in _telling(colour, inside, lift=1.5, share=0.12)[: 3 - len(telling)]]
        named.append({
            language: trend_messages(language)["look"].format(
                number=look + 1, words=trend_messages(language)["comma"].join(names[language] for names in telling)
            ).rstrip(" :：")
            for language in LANGUAGES
        })  # fmt: skip
    return named


def _telling(dimension: Dimension, inside: BoolArray, *, lift: float, share: float) -> list[tuple[float, Names]]:
    """Values so much more frequent inside than elsewhere, and so frequent inside, most telling first."""
    incidence = dimension.incidence[:, : len(inside)]
    here = np.asarray(incidence @ inside.astype(np.float64)).ravel()
    everywhere = np.asarray(incidence.sum(axis=1)).ravel()
    part = here / max(inside.sum(), 1)
    more = part / np.maximum(everywhere / len(inside), 1e-9)
    good = np.flatnonzero((more >= lift) & (part >= share))
    order = good[np.argsort(-part[good] * np.log(more[good]))]
    return [(float(part[row] * np.log(more[row])), dimension.names[row]) for row in order]
