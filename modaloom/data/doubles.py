"""Near-duplicate items: one garment that a catalogue has several times, found by its picture and its words.

A double is not a variant. Variants are colours of one model and look different; doubles are the same thing under
several numbers, and a list that shows all of them shows one thing. Only content is read, never behaviour.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np
import polars as pl

from modaloom.numerics import unit_rows
from modaloom.types import BoolArray, FloatArray, IntArray, Snapshot, Tokens

SAME_PICTURE = 0.98
"""Least cosine of two pictures' vectors."""
SAME_PICTURE_ALONE = 0.995
"""The same where one of the two items has no words that could speak against it."""
SAME_WORDS = 0.9
"""Least cosine of two texts' vectors, where both items have words."""
EXACT_ITEMS = 1_024
"""Buckets of about this many items are compared pair by pair."""
TABLES = 12
MAX_BITS = 14
GROUP_PREFIX = "double of "


def near_duplicates(tokens: Mapping[str, Tokens], n_items: int) -> IntArray:
    """For each item (n,) the number of the first item that it doubles; its own where there is none.

    Every member of a group is like its first item, so that no chain of small steps leads from a sock to a hat. Items
    without a picture are never doubles: two plain titles say too little.

    Memory grows with the number of items and of pairs found. Up to :data:`EXACT_ITEMS` all pairs are compared; beyond,
    those that fall into one bucket of at least one of several random partitions.

    Source: Charikar, "Similarity Estimation Techniques from Rounding Algorithms", 2002 (the partitions).
    """
    leaders = np.arange(n_items, dtype=np.int64)
    pictures = tokens.get("image")
    if pictures is None or pictures.mask.sum() < 2:
        return leaders
    likes: defaultdict[int, set[int]] = defaultdict(set)
    for first, second in _pairs(pictures, tokens.get("text")):
        likes[second].add(first)
    for item in sorted(likes):
        leaders[item] = min((other for other in likes[item] if leaders[other] == other), default=item)
    return leaders


def _pairs(pictures: Tokens, words: Tokens | None) -> Iterator[tuple[int, int]]:
    """Pairs (smaller number, larger number) with the same picture, and the same words where both have any."""
    there = np.flatnonzero(pictures.mask)
    looks = unit_rows(pictures.vectors[there])
    texts = unit_rows(words.vectors[there]) if words is not None else np.zeros((len(there), 1), dtype=np.float32)
    worded: BoolArray = words.mask[there] if words is not None else np.zeros(len(there), dtype=bool)
    for bucket in _buckets(looks):
        for start in range(0, len(bucket), EXACT_ITEMS):
            own = bucket[start : start + EXACT_ITEMS]
            rows, columns = np.nonzero(looks[own] @ looks[bucket].T >= SAME_PICTURE)
            one, other = own[rows], bucket[columns]
            one, other = one[one < other], other[one < other]
            closer = np.einsum("pd,pd->p", looks[one], looks[other]) >= SAME_PICTURE_ALONE
            alike = np.einsum("pd,pd->p", texts[one], texts[other]) >= SAME_WORDS
            kept = np.where(worded[one] & worded[other], alike, closer)
            yield from zip(there[one[kept]].tolist(), there[other[kept]].tolist(), strict=True)


def _buckets(looks: FloatArray) -> Iterator[IntArray]:
    """Sets of rows that may be alike: all of them at once, or by the sides of random planes that they lie on."""
    bits = min(max(int(np.ceil(np.log2(len(looks) / EXACT_ITEMS))), 0), MAX_BITS)
    if not bits:
        yield np.arange(len(looks), dtype=np.int64)
        return
    rng = np.random.default_rng(0)
    middle = looks.mean(axis=0)
    for _ in range(TABLES):
        planes = rng.standard_normal((looks.shape[1], bits)).astype(np.float32)
        codes = (looks @ planes > middle @ planes) @ (1 << np.arange(bits))
        order = np.argsort(codes, kind="stable")
        for bucket in np.split(order, np.flatnonzero(np.diff(codes[order])) + 1):
            if len(bucket) > 1:
                yield bucket.astype(np.int64)


def group_doubles(snapshot: Snapshot, leaders: IntArray | None = None) -> Snapshot:
    """The same snapshot; items without a ``group_id`` that double each other share one. What has a group keeps it.

    ``leaders`` is what :func:`near_duplicates` gave, if it is known already.
    """
    known = snapshot.items["group_id"]
    if not known.null_count():
        return snapshot
    leaders = near_duplicates(snapshot.tokens, snapshot.n_items) if leaders is None else leaders
    counts = np.bincount(leaders, minlength=snapshot.n_items)
    names = GROUP_PREFIX + snapshot.items["item_id"].gather(leaders)
    doubled = pl.select(pl.when(pl.Series(counts[leaders] > 1)).then(names)).to_series()
    return replace(snapshot, items=snapshot.items.with_columns(group_id=pl.coalesce("group_id", doubled)))


def first_of_each(items: IntArray, leaders: IntArray) -> IntArray:
    """A list of item numbers, best first, without those that double one further up."""
    _, first = np.unique(leaders[items], return_index=True)
    return items[np.sort(first)]
