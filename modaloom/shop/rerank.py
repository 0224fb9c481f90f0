"""From scores to a list that is pleasant to look at: one card a model, varied, balanced, with room for the unknown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from modaloom.types import BoolArray, FloatArray, IntArray

FRESH_CHOICE = 40
"""Exploring draws from this many of the best items of which little is known."""

REACH = 4
"""Variety may reach for items down to this many times the list's length."""


@dataclass(frozen=True)
class Shortlist:
    """Candidates of one shopper, best first."""

    scores: FloatArray  # (c,)
    groups: IntArray  # (c,) number of each one's model
    categories: Callable[[], npt.NDArray[np.int32]]  # (c,) -1 where unknown
    looks: Callable[[IntArray], FloatArray] | None
    """Unit vectors (k, d) of some places (k,); None where nothing tells how alike items are."""
    fresh: Callable[[], BoolArray]  # (c,) whether little is known of it


@dataclass(frozen=True)
class Taste:
    """How a list is to be put together."""

    n: int
    diversity: float = 0.0
    category_cap: int | None = None
    explore: float = 0.0


def rerank(shortlist: Shortlist, taste: Taste, rng: np.random.Generator) -> tuple[list[int], set[int]]:
    """Places in the shortlist, in the order to be shown, and which of them were explored.

    One item of each model; at most ``category_cap`` of one category; each next item trades its score against its
    likeness to those above it. Caps give way when a list could not be filled otherwise.

    Source: Carbonell & Goldstein, "The use of MMR, diversity-based reranking", 1998.
    """
    first = _first_of_each_model(shortlist.groups)
    explored: set[int] = set()
    if taste.explore > 0 and len(first):
        explored = _draw_fresh(shortlist, first, taste, rng)
    rest = first[~np.isin(first, list(explored))] if explored else first
    chosen = _vary(shortlist, rest, taste)
    return _interleave(chosen, sorted(explored), taste), explored


def _first_of_each_model(groups: IntArray) -> IntArray:
    """Places (m,) of the best item of each model, in the order of the shortlist."""
    first = dict(zip(groups[::-1].tolist(), range(len(groups) - 1, -1, -1), strict=True))  # what comes last stays
    return np.sort(np.fromiter(first.values(), np.int64, len(first)))


def _draw_fresh(shortlist: Shortlist, first: IntArray, taste: Taste, rng: np.random.Generator) -> set[int]:
    """Some of the best items of which little is known; better ones more often (Gumbel noise on their scores)."""
    wanted = taste.n * taste.explore
    number = int(wanted) + int(rng.random() < wanted - int(wanted))
    unknown = first[shortlist.fresh()[first]][:FRESH_CHOICE]
    if not number or not len(unknown):
        return set()
    drawn = np.argsort(-(shortlist.scores[unknown] + rng.gumbel(size=len(unknown))))[:number]
    return set(unknown[drawn].tolist())


def _vary(shortlist: Shortlist, places: IntArray, taste: Taste) -> list[int]:
    """The ``n`` places that trade score against likeness best, one after the other."""
    if not len(places):
        return []
    scores, n = shortlist.scores[places], taste.n
    spread = float(scores[0] - scores[min(len(scores), n * REACH) - 1]) or 1.0
    value = (scores - scores[0]) / spread  # 0 for the best, about -1 at the end of what may be reached for
    gain = (np.float32(1 - taste.diversity) * value).astype(np.float32)
    if taste.category_cap is None and len(gain) > n:  # one of the first n is always better than what is far behind
        gain = gain[gain >= gain[n - 1] - np.float32(taste.diversity)]
    some = places[: len(gain)]
    losses = None
    if shortlist.looks is not None and taste.diversity:
        looks = shortlist.looks(some)
        losses = gain - np.float32(taste.diversity) * (looks @ looks.T)  # what is left of each beside another
    categories = shortlist.categories()[some].tolist() if taste.category_cap is not None else []
    counts: Counter[int] = Counter()
    chosen: list[int] = []
    over: list[int] = []
    for _ in range(len(gain)):
        if len(chosen) == n:
            break
        best = int(gain.argmax())
        gain[best] = -np.inf
        if taste.category_cap is not None and categories[best] >= 0:
            if counts[categories[best]] >= taste.category_cap:
                over.append(int(some[best]))
                continue
            counts[categories[best]] += 1
        chosen.append(int(some[best]))
        if losses is not None:
            np.minimum(gain, losses[best], out=gain)
    return chosen + over[: n - len(chosen)]


def _interleave(chosen: list[int], explored: list[int], taste: Taste) -> list[int]:
    """Explored items are spread over the list, never in the first place."""
    if not explored:
        return chosen[: taste.n]
    out = chosen[: max(taste.n - len(explored), 0)]
    step = max(taste.n // (len(explored) + 1), 1)
    for number, place in enumerate(explored, start=1):
        out.insert(min(number * step, len(out)), place)
    return out[: taste.n]
