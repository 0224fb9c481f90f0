"""What pictures show and no word says: looks (prints, cuts, textures) as clusters, and attributes filled in.

Shapes: n items, d dim.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl
from scipy.cluster.vq import kmeans2

from modaloom.numerics import principal_axes, unit_rows
from modaloom.types import BoolArray, FloatArray, IntArray

ITEMS_A_LOOK = 47
LEAST_LOOKS, MOST_LOOKS = 6, 40
AXES = 48
NEIGHBOURS = 10
AGREEMENT = 0.8
"""Share of an item's nearest neighbours that must have a value before it is filled in."""
LEAST_ACCURACY = 0.85
"""Of what would be filled in where the truth is known: an attribute that pictures tell less surely stays empty."""
_TRIED = 1_500
_STARTS = 4
_BLOCK = 2_000


def telling_attribute(vectors: FloatArray, mask: BoolArray, attributes: Mapping[str, pl.Series]) -> str | None:
    """The attribute that explains most of what pictures have in common, allowing for its number of values.

    As a rule that is the kind of garment: what is left is how it looks.
    """
    best, name = 0.0, None
    unit = unit_rows(vectors)
    for attribute, series in attributes.items():
        codes = _codes(series)
        known = mask & (codes >= 0)
        groups = np.unique(codes[known])
        if not 2 <= len(groups) <= known.sum() / 8:
            continue
        rows = unit[known]
        inner = rows - _group_means(rows, codes[known])
        total = float(((rows - rows.mean(axis=0)) ** 2).sum())
        left = float((inner**2).sum()) / max(known.sum() - len(groups), 1) * (known.sum() - 1)
        explained = 1 - left / max(total, 1e-9)
        if explained > best:
            best, name = explained, attribute
    return name


def find_looks(vectors: FloatArray, mask: BoolArray, kind: pl.Series | None, *, seed: int = 0) -> IntArray:
    """Look of every item, (n,); -1 without a picture or where there are too few.

    The mean picture of each kind of garment is taken away first, so that clusters are not simply the kinds again.

    Args:
        vectors: of the pictures, (n, d).
        mask: which items have one.
        kind: what kind of garment each item is, from :func:`telling_attribute`.
        seed: of the clustering.
    """
    looks = np.full(len(mask), -1, dtype=np.int64)
    number = int(mask.sum())
    n_looks = min(max(number // ITEMS_A_LOOK, LEAST_LOOKS), MOST_LOOKS)
    if number < 4 * LEAST_LOOKS:
        return looks
    rows = unit_rows(vectors[mask])
    if kind is not None:
        codes = _codes(kind)[mask]
        rows = rows - _group_means(rows, codes)
    mean, axes, _ = principal_axes(rows, np.ones(number, dtype=bool), AXES)
    reduced = unit_rows(np.asarray((rows - mean) @ axes.T, dtype=np.float32)).astype(np.float64)
    best = np.inf
    for start in range(_STARTS):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an empty cluster is no harm: its look has no items
            centres, labels = kmeans2(reduced, n_looks, iter=30, minit="++", seed=seed + start)
        loss = float(((reduced - centres[labels]) ** 2).sum())
        if loss < best:
            best, looks[mask] = loss, labels
    return looks


def _group_means(rows: FloatArray, codes: IntArray) -> FloatArray:
    """The mean of each row's group, shrunk a little towards 0, (n, d); codes below 0 share the mean of all."""
    means = np.broadcast_to(rows.mean(axis=0), rows.shape).copy()
    for code in np.unique(codes[codes >= 0]):
        there = codes == code
        number = int(there.sum())
        means[there] = rows[there].sum(axis=0) / (number + 1)
    return means


def _codes(series: pl.Series) -> IntArray:
    """Small numbers for the values of a column, (n,); -1 where there is none."""
    return series.cast(pl.String).cast(pl.Categorical).to_physical().cast(pl.Int64).fill_null(-1).to_numpy().copy()


def fill_in(values: Sequence[str | None], vectors: FloatArray, mask: BoolArray, *, seed: int = 0) -> dict[int, str]:
    """Values for the items that lack one, by what the most similar pictures have; only where these agree.

    It is tried first on items whose value is known: an attribute that pictures do not tell surely is left alone.

    Args:
        values: of one attribute, (n,).
        vectors: of the pictures, (n, d).
        mask: which items have a picture.
        seed: chooses the items that it is tried on.
    """
    known = np.array([value is not None for value in values])
    donors, lacking = np.flatnonzero(known & mask), np.flatnonzero(~known & mask)
    if len(donors) < 5 * NEIGHBOURS or not len(lacking):
        return {}
    mean, axes, _ = principal_axes(unit_rows(vectors), mask, 2 * AXES)
    reduced = unit_rows(np.asarray((unit_rows(vectors) - mean) @ axes.T, dtype=np.float32))
    names = sorted({value for value in values if value is not None})
    codes = np.array([-1 if value is None else names.index(value) for value in values])
    tried = np.random.default_rng(seed).permutation(donors)[:_TRIED]
    guesses, agreement = _vote(reduced, tried, donors, codes, len(names))
    sure = agreement >= AGREEMENT
    if sure.sum() < NEIGHBOURS or (guesses[sure] == codes[tried[sure]]).mean() < LEAST_ACCURACY:
        return {}
    guesses, agreement = _vote(reduced, lacking, donors, codes, len(names))
    pairs = zip(lacking.tolist(), guesses.tolist(), agreement.tolist(), strict=True)
    return {row: names[guess] for row, guess, share in pairs if share >= AGREEMENT}


def _vote(
    rows: FloatArray, asked: IntArray, donors: IntArray, codes: IntArray, n_values: int
) -> tuple[IntArray, FloatArray]:
    """The value most of an item's nearest donors have, itself left out, and the share of them that have it."""
    guesses, agreement = np.zeros(len(asked), dtype=np.int64), np.zeros(len(asked), dtype=np.float32)
    for start in range(0, len(asked), _BLOCK):
        some = asked[start : start + _BLOCK]
        likeness = rows[some] @ rows[donors].T
        likeness[some[:, None] == donors] = -np.inf
        nearest = np.argpartition(-likeness, NEIGHBOURS, axis=1)[:, :NEIGHBOURS]
        votes = np.zeros((len(some), n_values), dtype=np.float32)
        np.add.at(votes, (np.repeat(np.arange(len(some)), NEIGHBOURS), codes[donors[nearest]].ravel()), 1.0)
        guesses[start : start + _BLOCK] = votes.argmax(axis=1)
        agreement[start : start + _BLOCK] = votes.max(axis=1) / NEIGHBOURS
    return guesses, agreement
