"""Items that belong on one card though the shop does not say so, found by what they look like and how they are told.

*Doubles* are one garment that a catalogue has several times: nearly the same picture, and no words against it.
*Variants* are colours of one model: they look different, but the shop tells the same of them but for the colour. Only
content is read, never behaviour, and where the shop gives a group, that holds.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np
import polars as pl

from modaloom.numerics import unit_rows
from modaloom.types import ATTRIBUTE_PREFIX, BoolArray, FloatArray, IntArray, Snapshot, Tokens

SAME_PICTURE = 0.98
"""Least cosine of two pictures' vectors."""
SAME_PICTURE_ALONE = 0.995
"""The same where one of the two items has no words that could speak against it."""
SAME_WORDS = 0.9
"""Least cosine of two texts' vectors, where both items have words."""
EXACT_ITEMS = 1_024
"""Buckets of about this many items are compared pair by pair."""
STAND_IN = 100
"""A picture that more items have, or nearly have, stands in for one that the shop lacks, and says nothing."""
CELLS_AT_ONCE = 4_000_000
"""Numbers that are held at once while pairs are looked at."""
TABLES = 12
MAX_BITS = 14
GROUP_PREFIX = "double of "
COLOURS = ("colour", "color")
CATEGORY = "category"
TOLD = ("text", "attributes")
"""What the colours of a model have in common. Pictures are what they differ in."""
LEAST_WORDS = 12
"""Letters of a description: where less is told than that, equal words say too little."""


def near_duplicates(tokens: Mapping[str, Tokens], n_items: int) -> IntArray:
    """For each item (n,) the number of the first item that it doubles; its own where there is none.

    Every member of a group is like its first item, so that no chain of small steps leads from a sock to a hat. Items
    without a picture of their own are never doubles: two plain titles say too little.

    Memory grows with the number of items and of pairs found. Up to :data:`EXACT_ITEMS` all pairs are compared; beyond,
    those that fall into one bucket of at least one of several random partitions.

    Source: Charikar, "Similarity Estimation Techniques from Rounding Algorithms", 2002 (the partitions).
    """
    leaders = np.arange(n_items, dtype=np.int64)
    pictures = tokens.get("image")
    if pictures is None:
        return leaders
    likes: defaultdict[int, set[int]] = defaultdict(set)
    for first, second in _pairs(pictures, tokens.get("text")):
        likes[second].add(first)
    for item in sorted(likes):
        leaders[item] = min((other for other in likes[item] if leaders[other] == other), default=item)
    return leaders


def _pairs(pictures: Tokens, words: Tokens | None) -> Iterator[tuple[int, int]]:
    """Pairs (smaller number, larger number) with the same picture, and the same words where both have any."""
    there = _with_a_picture_of_their_own(pictures)
    looks = unit_rows(pictures.vectors[there])
    texts = unit_rows(words.vectors[there]) if words is not None else np.zeros((len(there), 1), dtype=np.float32)
    worded: BoolArray = words.mask[there] if words is not None else np.zeros(len(there), dtype=bool)
    size = max(CELLS_AT_ONCE // (looks.shape[1] + texts.shape[1]), 1)
    for first, second in _near(looks):
        for start in range(0, len(first), size):
            one, other = first[start : start + size], second[start : start + size]
            closer = np.einsum("pd,pd->p", looks[one], looks[other]) >= SAME_PICTURE_ALONE
            alike = np.einsum("pd,pd->p", texts[one], texts[other]) >= SAME_WORDS
            kept = np.where(worded[one] & worded[other], alike, closer)
            yield from zip(there[one[kept]].tolist(), there[other[kept]].tolist(), strict=True)


def _with_a_picture_of_their_own(pictures: Tokens) -> IntArray:
    """Items whose picture is no stand-in, bit for bit: many of these would be compared with each other in vain."""
    there = np.flatnonzero(pictures.mask)
    marks = np.array([hash(row.tobytes()) for row in pictures.vectors[there]], dtype=np.int64)
    _, which, counts = np.unique(marks, return_inverse=True, return_counts=True)
    return there[counts[which] <= STAND_IN]


def _near(looks: FloatArray) -> Iterator[tuple[IntArray, IntArray]]:
    """Pairs of rows (p,), the smaller number first, that look the same."""
    for bucket in _buckets(looks):
        size = min(EXACT_ITEMS, max(CELLS_AT_ONCE // len(bucket), 1))
        for start in range(0, len(bucket), size):
            own = bucket[start : start + size]
            same = looks[own] @ looks[bucket].T >= SAME_PICTURE
            same[np.count_nonzero(same, axis=1) > STAND_IN] = False
            rows, columns = np.nonzero(same)
            one, other = own[rows], bucket[columns]
            yield one[one < other], other[one < other]


def _buckets(looks: FloatArray) -> Iterator[IntArray]:
    """Sets of rows that may be alike: all of them at once, or by the sides of random planes that they lie on."""
    if len(looks) < 2:
        return
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


def model_keys(title: str, description: str, attributes: Mapping[str, str]) -> tuple[str, ...]:
    """What colours of one model share at least one of: title, description and category, with and without the colour.

    None at all where the shop tells too little: a bare title such as "T-shirt" is that of many models.
    """
    colours = [plain for name in COLOURS if (plain := _plain(attributes.get(name, "")))]
    category, keys = _plain(attributes.get(CATEGORY, "")), []
    for name, told in (
        (_plain(title), _plain(description)),
        (_without(_plain(title), colours), _without(_plain(description), colours)),
    ):
        if name and len(told) >= LEAST_WORDS:
            keys.append(f"{name}\n{told}\n{category}")
    return tuple(dict.fromkeys(keys))


def _plain(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def _without(text: str, colours: list[str]) -> str:
    for colour in colours:
        text = re.sub(rf"(?<![a-z]){re.escape(colour)}(?![a-z])", " ", text)
    return " ".join(text.split())


def _told_alike(items: pl.DataFrame) -> IntArray:
    """For each item (n,) the number of the first one that the shop tells the same of; its own where there is none."""
    names = [name for name in items.columns if name in {ATTRIBUTE_PREFIX + one for one in (*COLOURS, CATEGORY)}]
    texts = [pl.coalesce(pl.col(f"^{kind}(_en|_zh)?$")).fill_null("").alias(kind) for kind in ("title", "description")]
    first: dict[str, int] = {}
    found = np.arange(items.height, dtype=np.int64)
    for num, row in enumerate(items.select(*texts, *names).iter_rows(named=True)):
        facts = {name.removeprefix(ATTRIBUTE_PREFIX): row[name] or "" for name in names}
        keys = model_keys(row["title"], row["description"], facts)
        found[num] = min((first[key] for key in keys if key in first), default=num)
        for key in keys:
            first.setdefault(key, int(found[num]))
    return found


def _together(leaders: IntArray, others: IntArray) -> IntArray:
    """The first item (n,) of what hangs together by either."""
    roots = list(range(len(leaders)))

    def root(num: int) -> int:
        while roots[num] != num:
            roots[num] = roots[roots[num]]
            num = roots[num]
        return num

    for links in (leaders, others):
        for num, other in enumerate(links.tolist()):
            one, two = root(num), root(other)
            roots[max(one, two)] = min(one, two)
    return np.array([root(num) for num in range(len(roots))], dtype=np.int64)


def group_doubles(snapshot: Snapshot, leaders: IntArray | None = None) -> Snapshot:
    """The same snapshot; items without a ``group_id`` that belong together share one. What has a group keeps it.

    ``leaders`` is what :func:`near_duplicates` gave, if it is known already.
    """
    known = snapshot.items["group_id"]
    if not known.null_count():
        return snapshot
    leaders = near_duplicates(snapshot.tokens, snapshot.n_items) if leaders is None else leaders
    leaders = _together(leaders, _told_alike(snapshot.items))
    counts = np.bincount(leaders, minlength=snapshot.n_items)
    names = GROUP_PREFIX + snapshot.items["item_id"].gather(leaders)
    doubled = pl.select(pl.when(pl.Series(counts[leaders] > 1)).then(names)).to_series()
    return replace(snapshot, items=snapshot.items.with_columns(group_id=pl.coalesce("group_id", doubled)))


def group_numbers(snapshot: Snapshot) -> IntArray:
    """Number of each item's model (n,); an item without a group is a group of its own."""
    known = snapshot.items["group_id"]
    nums = known.rank("dense").fill_null(0).to_numpy().astype(np.int64)
    alone = nums == 0
    nums[alone] = nums.max(initial=0) + 1 + np.arange(int(alone.sum()))
    return nums


def borrow_words(snapshot: Snapshot) -> Snapshot:
    """The same snapshot; an item without words, or without attributes, takes the mean of its model's other colours'."""
    groups = group_numbers(snapshot)
    lent = {name: _borrowed(made, groups) for name, made in snapshot.tokens.items() if name in TOLD}
    return replace(snapshot, tokens={**snapshot.tokens, **lent})


def _borrowed(tokens: Tokens, groups: IntArray) -> Tokens:
    """Vectors of items without one, from those of the same group."""
    gaps = ~tokens.mask
    wanted, place = np.unique(groups[gaps], return_inverse=True)
    givers = np.flatnonzero(tokens.mask & np.isin(groups, wanted))
    if not len(givers):
        return tokens
    owner = np.searchsorted(wanted, groups[givers])
    total = np.zeros((len(wanted), tokens.vectors.shape[1]))
    np.add.at(total, owner, tokens.vectors[givers])
    number = np.bincount(owner, minlength=len(wanted))
    found = number[place] > 0
    takers, lent = np.flatnonzero(gaps)[found], place[found]
    vectors, mask = tokens.vectors.copy(), tokens.mask.copy()
    vectors[takers] = total[lent] / number[lent, None]
    mask[takers] = True
    return replace(tokens, vectors=vectors, mask=mask)
