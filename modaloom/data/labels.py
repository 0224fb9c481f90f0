"""Labels out of a shop: what somebody thought of an item, or what an item is, beside all that was known before.

An example is one label with its *views*: a row of a token table per modality. Whatever describes the past of a
label (the shopper's earlier likes, the item's earlier ratings) stops strictly before the label's own moment. In a
log without times the labels are put in a random order first, and other events are left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import polars as pl

from modaloom.data.shop import Shop
from modaloom.errors import EvaluationError
from modaloom.numerics import Whitening
from modaloom.types import ATTRIBUTE_PREFIX, BoolArray, Event, FloatArray, IntArray, Tokens

Values = npt.NDArray[np.float64]
LIKES, VALUE = "likes", "value"
"""Sources of labels beside the items' attributes: events that say what somebody thought; the value of any event."""
SHARES = (0.7, 0.1, 0.2)
"""Of the examples, to learn from, to choose on and to ask for."""
RARE_CLASS = 10
MAX_CLASSES = 200
PAST_LENGTH = 50
"""Newest events of a shopper that an item is compared with."""
SIMILARITY_DIM = 64
PRIOR_STRENGTH = 5.0
NUMERIC_SHARE = 0.95
RARE_FACT = 20
MAX_FACTS = 64
_LIKED, _DISLIKED, _TAKEN = range(3)
_TAKING = (Event.VIEW, Event.CART, Event.PURCHASE)


@dataclass(frozen=True)
class View:
    """One modality of n examples: example ``i`` has row ``rows[i]`` of the token table."""

    tokens: Tokens
    rows: IntArray  # (n,)

    @property
    def mask(self) -> BoolArray:
        """Which examples have it, (n,)."""
        present: BoolArray = self.tokens.mask[self.rows]
        return present


@dataclass(frozen=True)
class LabelledData:
    """n labels with their views. ``times`` are all equal where nothing is known of the order."""

    name: str
    views: Mapping[str, View]
    labels: IntArray  # (n,) class numbers
    classes: tuple[str, ...]
    groups: IntArray  # (n,) examples of one group are never split, and count as one shopper in intervals
    times: IntArray  # (n,)
    items: IntArray  # (n,)
    users: IntArray | None = None  # (n,); None where items are labelled, not opinions
    notes: tuple[str, ...] = field(default=())

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def binary(self) -> bool:
        """Whether there are two classes, of which the second is the positive one."""
        return len(self.classes) == 2


@dataclass(frozen=True)
class LabelSplit:
    """Which examples are learned from, chosen on, and asked for; all (n,) example numbers."""

    train: IntArray
    validation: IntArray
    test: IntArray


def split_labels(data: LabelledData, *, seed: int = 0) -> LabelSplit:
    """The oldest 70 % to learn from, the next 10 % to choose on, the newest 20 % to ask for.

    Examples of one moment stay together. Without times whole groups are dealt out at random in the same shares.

    Raises:
        EvaluationError: there are too few examples, or some part has one class only.
    """
    if len(data) and np.ptp(data.times):
        before = np.searchsorted(np.sort(data.times), data.times) / len(data)
        part = np.searchsorted(np.cumsum(SHARES)[:-1], before, side="right")
    else:
        part = _dealt(data.groups, seed)
    rows = [np.flatnonzero(part == number) for number in range(len(SHARES))]
    for name, own in zip(("train", "validation", "test"), rows, strict=True):
        there = np.unique(data.labels[own])
        if len(there) < 2:
            only = f"only {data.classes[there[0]]!r}" if len(there) else "none"
            raise EvaluationError(
                f"{data.name}: of {len(data):,} labels {len(own):,} are for {name}, {only}",
                hint="Every part needs labels of two kinds: give more labels, or for ratings another --threshold",
            )
    return LabelSplit(*rows)


def _dealt(groups: IntArray, seed: int) -> IntArray:
    """The part of every example: each group goes, in random order, to the part that lacks most of its share."""
    _, group = np.unique(groups, return_inverse=True)
    sizes = np.bincount(group)
    wanted = np.array(SHARES) * len(groups)
    lacking, part = wanted.copy(), np.zeros(len(sizes), dtype=np.int64)
    for number in np.random.default_rng(seed).permutation(len(sizes)).tolist():
        part[number] = (lacking / wanted).argmax()
        lacking[part[number]] -= sizes[number]
    dealt: IntArray = part[group]
    return dealt


def read_labels(
    shop: Shop, tokens: Mapping[str, Tokens], label: str = LIKES, *, threshold: float | None = None, seed: int = 0
) -> LabelledData:
    """The labels of a shop with all their views.

    Args:
        shop: the shop.
        tokens: content vectors of its catalogue.
        label: ``likes`` (ratings, likes, dislikes, returns), ``value`` (the value of any event), or an attribute.
        threshold: a rating counts as liked from here on; by default what splits the older ratings most evenly.
        seed: of the order of labels without times.

    Raises:
        EvaluationError: the shop has no such labels, or of one kind only.
    """
    if label in (LIKES, VALUE):
        return _opinions(shop, tokens, label, threshold, seed)
    return _attribute_labels(shop, tokens, label)


def even_threshold(values: Values) -> float:
    """The value from which on ratings count as good, so that good and bad ones are as even as can be.

    It needs to know nothing about the scale: 5 stars, 10 points or 100 per cent.
    """
    levels = np.unique(values[~np.isnan(values)])
    if len(levels) < 2:
        raise EvaluationError(
            f"all ratings are {levels[0]:g}" if len(levels) else "there is no rating",
            hint="Two kinds of labels are needed; check the column 'value' in shop.toml",
        )
    shares = np.array([(values >= level).mean() for level in levels[1:]])
    return float(levels[1:][np.abs(shares - 0.5).argmin()])


def earlier_sums(keys: IntArray, times: IntArray, values: Values) -> tuple[Values, Values]:
    """Per row the number and the sum of the values with the same key at strictly earlier times, each (n,)."""
    order = np.lexsort((times, keys))
    own_key, own_time = keys[order], times[order]
    total = np.concatenate([[0.0], np.cumsum(values[order])])
    places = np.arange(len(order))
    new_key = np.r_[True, own_key[1:] != own_key[:-1]] if len(order) else np.zeros(0, dtype=bool)
    new_moment = new_key | np.r_[True, own_time[1:] != own_time[:-1]] if len(order) else new_key
    first = np.maximum.accumulate(np.where(new_key, places, 0))
    stop = np.maximum.accumulate(np.where(new_moment, places, 0))
    number, earlier = np.empty(len(order)), np.empty(len(order))
    number[order], earlier[order] = stop - first, total[stop] - total[first]
    return number, earlier


def _opinions(shop: Shop, tokens: Mapping[str, Tokens], label: str, threshold: float | None, seed: int) -> LabelledData:
    log = shop.interactions.filter(pl.col("item_num").is_not_null()).with_row_index("place")
    event, value = pl.col("event"), pl.col("value")
    rated = value.is_not_nan() & value.is_not_null() & ((event == int(Event.RATING)) | pl.lit(label == VALUE))
    said = pl.lit(False) if label == VALUE else event.is_in([int(Event.LIKE), int(Event.DISLIKE), int(Event.RETURN)])
    marked = log.with_columns(rated=rated, said=said)
    opinions = marked.filter(pl.col("rated") | pl.col("said"))
    _refuse_none(shop, opinions.height, label)
    order = np.arange(len(opinions))
    if not shop.has_times:
        order = np.random.default_rng(seed).permutation(opinions.height)
    notes, liked = _liked(opinions, order, threshold)
    opinions = opinions.with_columns(
        label=pl.Series(liked), moment=pl.col("timestamp") if shop.has_times else pl.Series(order + 1)
    ).unique(["user_num", "item_num", "moment"], keep="last", maintain_order=True)
    rest = marked.filter(~(pl.col("rated") | pl.col("said")) & pl.lit(shop.has_times))
    labels = opinions["label"].to_numpy().astype(np.int64)
    items, users = (opinions[name].to_numpy().astype(np.int64) for name in ("item_num", "user_num"))
    times = opinions["moment"].to_numpy().astype(np.int64)
    views = {name: View(made, items) for name, made in tokens.items()}
    views |= _facts_views(shop, opinions, users)
    views |= _past_views(shop, tokens, (items, users, times, labels), rest)
    return LabelledData(label, views, labels, ("disliked", "liked"), users, times, items, users, notes)


def _refuse_none(shop: Shop, number: int, label: str) -> None:
    if number:
        return
    ways = []
    if label == LIKES and shop.interactions["value"].is_not_nan().fill_null(False).any():
        ways.append("the log has values: if they are ratings, use --label value")
    if shop.attribute_names:
        ways.append(f"--label NAME predicts an attribute of the items: {', '.join(shop.attribute_names[:8])}")
    ways.append("docs/shop.md shows how to map events and values")
    what = "no ratings, likes, dislikes or returns" if label == LIKES else "no event with a value"
    raise EvaluationError(f"the log has {what} to predict", where=shop.name, hint="; ".join(ways).capitalize())


def _liked(opinions: pl.DataFrame, order: IntArray, threshold: float | None) -> tuple[tuple[str, ...], IntArray]:
    """Class numbers of opinions; the threshold of ratings is read off the part that is learned from."""
    rated = opinions["rated"].to_numpy()
    values = opinions["value"].to_numpy().astype(np.float64)
    liked = (opinions["event"] == int(Event.LIKE)).to_numpy().astype(np.int64)
    if not rated.any():
        return (), liked
    older = rated & (order < SHARES[0] * len(order))
    level = even_threshold(values[older if older.any() else rated]) if threshold is None else threshold
    liked[rated] = values[rated] >= level
    how = "splits the older ratings most evenly" if threshold is None else "as asked"
    return (f"a rating of {level:g} or more counts as liked ({how})",), liked


def _facts_views(shop: Shop, opinions: pl.DataFrame, users: IntArray) -> dict[str, View]:
    """What is known of the shopper, and what they were looking for when it came to this."""
    views = {}
    told = [name for name in shop.users.columns if name.startswith(ATTRIBUTE_PREFIX)]
    if (made := facts(shop.users.select(told), "shopper")) is not None:
        views["shopper"] = View(made, users)
    if "query" in opinions.columns and (made := facts(opinions.select("query"), "occasion")) is not None:
        views["occasion"] = View(made, np.arange(opinions.height))
    return views


def facts(frame: pl.DataFrame, modality: str) -> Tokens | None:
    """Side facts as vectors: numbers standardised with their squares, frequent words as zero or one; or None."""
    columns: list[Values] = []
    there = np.zeros(frame.height, dtype=bool)
    for name in frame.columns:
        text = frame[name].cast(pl.String)
        numbers = text.cast(pl.Float64, strict=False).to_numpy().astype(np.float64)
        known = text.is_not_null().to_numpy()
        there |= known
        if known.sum() and np.isfinite(numbers).sum() >= NUMERIC_SHARE * known.sum() and np.nanstd(numbers) > 0:
            score = np.clip((numbers - np.nanmean(numbers)) / np.nanstd(numbers), -3, 3)
            score = np.nan_to_num(score)
            columns += [score, score**2 - 1.0]
            continue
        counts = text.drop_nulls().value_counts().sort("count", name, descending=[True, False])
        words = [word for word, count in counts.iter_rows() if count >= RARE_FACT][:MAX_FACTS]
        columns += [(text == word).fill_null(False).to_numpy().astype(np.float64) for word in words]
    if not columns:
        return None
    vectors = np.stack(columns, axis=1).astype(np.float32)
    vectors[~there] = 0.0
    return Tokens(modality, f"facts/{vectors.shape[1]}/1", vectors, there)


def _past_views(
    shop: Shop,
    tokens: Mapping[str, Tokens],
    opinions: tuple[IntArray, IntArray, IntArray, IntArray],
    rest: pl.DataFrame,
) -> dict[str, View]:
    items, users, times, labels = opinions
    older = np.argsort(times, kind="stable")[: max(int(SHARES[0] * len(times)), 1)]
    prior = float(labels[older].mean())
    views = {}
    everyone = np.arange(len(labels))
    for name, keys in (("item record", items), ("shopper record", users)):
        number, liked = earlier_sums(keys, times, labels.astype(np.float64))
        rate = (liked + PRIOR_STRENGTH * prior) / (number + PRIOR_STRENGTH)
        vectors = np.stack([4 * (rate - prior), np.log1p(number), (number > 0) * 1.0], axis=1).astype(np.float32)
        views[name] = View(_masked(name, vectors, number > 0), everyone)
    taking = rest.filter(pl.col("event").is_in([int(one) for one in _TAKING]))
    log = (
        np.concatenate([users, taking["user_num"].to_numpy().astype(np.int64)]),
        np.concatenate([times, taking["timestamp"].to_numpy().astype(np.int64)]),
        np.concatenate([items, taking["item_num"].to_numpy().astype(np.int64)]),
        np.concatenate([np.where(labels == 1, _LIKED, _DISLIKED), np.full(taking.height, _TAKEN)]),
    )
    content = {name: _whitened(made) for name, made in tokens.items()}
    if content:
        vectors = _affinity((items, users, times), log, content)
        views["affinity"] = View(_masked("affinity", vectors, np.abs(vectors).sum(axis=1) > 0), everyone)
    return views


def _masked(name: str, vectors: FloatArray, mask: BoolArray) -> Tokens:
    return Tokens(name, f"{name}/1", vectors * mask[:, None], mask)


def _whitened(made: Tokens) -> FloatArray:
    whitening = Whitening.fit(made.vectors, made.mask, min(SIMILARITY_DIM, made.dim))
    return whitening.apply(made.vectors, made.mask)


def _affinity(
    asked: tuple[IntArray, IntArray, IntArray],
    log: tuple[IntArray, IntArray, IntArray, IntArray],
    content: Mapping[str, FloatArray],
) -> FloatArray:
    """How like the items of the shopper's past an item is: per modality, and per kind of past, mean and highest cosine.

    ``asked`` are (items, users, times), ``log`` (users, times, items, kinds). What was taken of the item itself does
    not count: it says that an opinion is to follow, not which.
    """
    items, users, times = asked
    order = np.lexsort((log[1], log[0]))
    owner, moment, had, kind = (values[order] for values in log)
    scale = int(max(moment.max(initial=0), times.max(initial=0))) + 1
    keys = owner * scale + moment
    stops = np.searchsorted(keys, users * scale + times, side="left")
    starts = np.maximum(np.searchsorted(owner, users, side="left"), stops - PAST_LENGTH)
    out = np.zeros((len(items), 3 * (2 * len(content) + 1)), dtype=np.float32)
    for low in range(0, len(items), 4_096):
        rows = np.arange(low, min(low + 4_096, len(items)))
        lengths = stops[rows] - starts[rows]
        row = np.repeat(np.arange(len(rows)), lengths)
        ends = np.cumsum(lengths)
        place = np.arange(int(lengths.sum())) - np.repeat(ends - lengths, lengths) + np.repeat(starts[rows], lengths)
        own = (kind[place] != _TAKEN) | (had[place] != items[rows][row])
        row, place = row[own], place[own]
        cell = row * 3 + kind[place]
        number = np.bincount(cell, minlength=3 * len(rows)).astype(np.float64)
        parts = [np.log1p(number)]
        for vectors in content.values():
            cosine = (vectors[items[rows][row]] * vectors[had[place]]).sum(axis=1)
            highest = np.full(3 * len(rows), -1.0)
            np.maximum.at(highest, cell, cosine)
            mean = np.bincount(cell, cosine, minlength=3 * len(rows)) / np.maximum(number, 1)
            parts += [mean, np.where(number > 0, highest, 0.0)]
        out[rows] = np.stack(parts, axis=1).reshape(len(rows), -1)
    return out


def _attribute_labels(shop: Shop, tokens: Mapping[str, Tokens], label: str) -> LabelledData:
    """What the items are, from their pictures and words; attributes stay hidden, since they repeat one another."""
    if label not in shop.attribute_names:
        known = ", ".join((LIKES, VALUE, *shop.attribute_names))
        raise EvaluationError(f"no label {label!r}", where=shop.name, hint=f"Choose one of {known}")
    content = {name: made for name, made in tokens.items() if name in ("image", "text")}
    if not content:
        raise EvaluationError(
            f"nothing to predict {label!r} from: the items have neither pictures nor words", where=shop.name
        )
    values = shop.items[f"{ATTRIBUTE_PREFIX}{label}"]
    counts = values.drop_nulls().value_counts().sort("count", values.name, descending=[True, False])
    kept = sorted(value for value, count in counts.iter_rows() if count >= RARE_CLASS)
    if not 2 <= len(kept) <= MAX_CLASSES:
        raise EvaluationError(
            f"{label!r} has {len(kept)} values with {RARE_CLASS} or more items; 2 to {MAX_CLASSES} can be told apart",
            where=shop.name,
            hint=f"Choose another of {', '.join((LIKES, VALUE, *shop.attribute_names))}",
        )
    number = values.replace_strict({value: place for place, value in enumerate(kept)}, default=-1).to_numpy()
    seen = np.any([made.mask for made in content.values()], axis=0)
    items = np.flatnonzero((number >= 0) & seen)
    families = shop.items["group_id"].fill_null(pl.lit("item ") + shop.items["item_id"])
    groups = np.unique(families.to_numpy(), return_inverse=True)[1][items].astype(np.int64)
    left = shop.n_items - len(items)
    notes = (f"left out: {left:,} items without the label, with a rare one, or without content",) if left else ()
    return LabelledData(
        name=label,
        views={name: View(made, items) for name, made in content.items()},
        labels=number[items].astype(np.int64),
        classes=tuple(kept),
        groups=groups,
        times=np.zeros(len(items), dtype=np.int64),
        items=items,
        notes=notes,
    )
