"""Where shoppers agree with themselves: directions of a modality in which what one shopper had hangs together.

A picture says many things, and most of them matter to nobody. What matters is seen from pairs of things that one
shopper had: along a direction that somebody's taste lives in, they lie nearer to each other than things of different
shoppers do. Those directions come in closed form, so that learning begins where the log points, not at chance.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl
import scipy.sparse as sp

from modaloom.models.behaviour import event_weights, most_taught
from modaloom.numerics import distinct
from modaloom.types import BoolArray, FloatArray, IntArray, Snapshot

SHUFFLES = 3
RIDGE = 0.1
"""Of the spread of items, as a share of its mean over directions."""
FLOOR = 1.0
"""Agreement that every direction is granted, in units of the largest that chance brings about."""
ROWS_AT_ONCE = 16_384
"""Items or shoppers that are turned into double precision at once."""
Matrix = npt.NDArray[np.float64]


class Had(NamedTuple):
    """Who had what: one entry per shopper and item, with the weight of what was done, at most one."""

    users: IntArray  # (e,)
    items: IntArray  # (e,)
    weights: Matrix  # (e,)


class Seen(NamedTuple):
    """A modality of the catalogue as some shoppers may see it, and what these shoppers had."""

    vectors: FloatArray  # (n, d)
    mask: BoolArray  # (n,)
    had: Had


def had_by(snapshot: Snapshot) -> Had:
    """Everything that speaks for an item, by shopper and item."""
    past = snapshot.interactions.filter(pl.col("item_num").is_not_null())
    places = past["user_num"].to_numpy(), past["item_num"].to_numpy()
    weights = event_weights(past["event"].to_numpy()).astype(np.float64)
    matrix = sp.csr_matrix((weights, places), shape=(snapshot.n_users, snapshot.n_items)).tocoo()
    kept = matrix.data > 0
    return Had(matrix.row[kept].astype(np.int64), matrix.col[kept].astype(np.int64), np.minimum(matrix.data[kept], 1.0))


def agreeing_directions(views: Sequence[Seen], n_users: int, *, seed: int = 0) -> FloatArray | None:
    """A map (d, d) that stretches the directions in which shoppers agree with themselves; None without pairs.

    The agreement along a direction is what pairs of one shopper share, as a share of the spread of all; what exceeds
    the most that shuffled shoppers reach counts in full, and all directions keep :data:`FLOOR`. The mean square
    length of its rows is one.

    Args:
        views: the modality, once for all shoppers or once for each fold of them.
        n_users: number of shoppers.
        seed: of the shuffles.

    Source: canonical form of the intraclass correlation, Fisher, "Statistical Methods for Research Workers", 1925,
    chapter VII; the threshold by shuffling is that of Horn's parallel analysis, 1965.
    """
    moments = [_pair_moments(view, view.had.users, n_users) for view in views if len(view.had.users)]
    pairs = sum(made.pairs for made in moments)
    if not pairs:
        return None
    spread = np.mean([made.spread for made in moments], axis=0)
    dim = len(spread)
    spread = spread + RIDGE * np.trace(spread) / dim * np.eye(dim)
    inverse = np.linalg.inv(np.linalg.cholesky(spread))

    def turned(total: Matrix) -> Matrix:
        made: Matrix = inverse @ (total / pairs) @ inverse.T
        return made

    rng = np.random.default_rng(seed)
    chance = [np.abs(np.linalg.eigvalsh(turned(_summed(views, rng, n_users)))).max() for _ in range(SHUFFLES)]
    agreement, axes = np.linalg.eigh(turned(np.sum([made.together for made in moments], axis=0)))
    least = float(np.mean(chance))
    gains = np.sqrt(np.maximum(agreement - least, 0.0) + FLOOR * least)
    made = inverse.T @ (axes * gains) @ axes.T
    result: FloatArray = (made * np.sqrt(dim / (made**2).sum())).astype(np.float32)
    return result


class _Moments(NamedTuple):
    together: Matrix  # (d, d) sum over pairs of different items of one shopper
    spread: Matrix  # (d, d) of the items that were had
    pairs: float


def _summed(views: Sequence[Seen], rng: np.random.Generator, n_users: int) -> Matrix:
    """What pairs add up to if the same things had been had by anybody."""
    made = [_pair_moments(view, rng.permutation(view.had.users), n_users) for view in views if len(view.had.users)]
    total: Matrix = np.sum([one.together for one in made], axis=0)
    return total


def _pair_moments(view: Seen, users: IntArray, n_users: int) -> _Moments:
    """Second moments over pairs; each shopper counts by the root of the number of their pairs, to a limit.

    In blocks of shoppers and of the items that were had: nothing as large as the catalogue is in double precision.
    """
    there = view.mask[view.had.items]
    items, weights = view.had.items[there], view.had.weights[there]
    n, dim = view.vectors.shape
    if not len(items):
        return _Moments(np.zeros((dim, dim)), np.eye(dim), 0.0)
    had = sp.csr_matrix((weights, (users[there], items)), shape=(n_users, n))
    squares = had.power(2)
    of_user, of_item = (np.asarray(had.sum(axis=axis)).ravel() for axis in (1, 0))
    pairs = np.maximum(of_user**2 - np.asarray(squares.sum(axis=1)).ravel(), 0.0)
    share = np.where(pairs > 1e-6, 1 / np.maximum(np.sqrt(pairs + 1.0), pairs / most_taught(len(items))), 0.0)
    itself, known = np.asarray(squares.T @ share).ravel(), np.flatnonzero(of_item)
    mean = sum(of_item[some] @ view.vectors[some] for some in _blocks(known)) / of_item.sum()
    together, spread = np.zeros((dim, dim)), np.zeros((dim, dim))
    for some in _blocks(known):
        centred = view.vectors[some] - mean
        spread += (centred * of_item[some, None]).T @ centred
        together -= (centred * itself[some, None]).T @ centred
    for some in _blocks(np.flatnonzero(share)):
        own = had[some]
        found, places = distinct(own.indices, n)
        sums = sp.csr_matrix((own.data, places, own.indptr), (len(some), len(found))) @ (view.vectors[found] - mean)
        together += (sums * share[some, None]).T @ sums
    return _Moments(together, spread / of_item.sum(), float((share * pairs).sum()))


def _blocks(rows: IntArray) -> Iterator[IntArray]:
    yield from (rows[start : start + ROWS_AT_ONCE] for start in range(0, len(rows), ROWS_AT_ONCE))
