"""Closed-form item-item weights for large shops: sparse, column by column."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.linalg
import scipy.sparse as sp

from modaloom.models.behaviour import decayed_counts, interaction_matrix
from modaloom.models.linear import largest_per_column
from modaloom.numerics import EPSILON, best_columns, unit_rows
from modaloom.types import FloatArray, IntArray, Snapshot, Tokens

CONTENT_NEIGHBOURS = 20
"""Of an item in each modality."""
WALK_STEPS = 64
"""Neighbours of an item that a walk of two steps may start with."""
WALK_SHRINK = 20.0
"""Co-purchases that must be outweighed before an item passes on what it is bought with."""
WALK_SHARE = 1.0
"""Walks say no more about an item than this share of what the regression says: in a dense log, where everything is
two steps from everything, they would drown it in what is popular."""
DENSE_CELLS = 16_000_000
"""Numbers in one block of cosines: 64 MB."""
EXACT_ITEMS = 20_000
"""Up to here every item is compared with every other; beyond, cells are compared."""
NEAR_CELLS = 12
"""Cells that an item's neighbours are looked for in."""
MOST_MEMBERS = 20_000
"""Of a cell so many are compared with. One may hold a third of the shop: all items with the same stand-in picture."""
ROWS_AT_ONCE, PORTIONS = 65_536, 16
"""Weights are turned from columns to rows in so many portions or more, of so many rows or fewer."""
COLUMNS_AT_ONCE = 1024
"""Candidates that are solved for in one block; no result depends on it."""


@dataclass(frozen=True)
class SparseLinear:
    """EASE that never holds a dense matrix, with walks beside it and shrinkage towards content neighbours.

    The weights of a candidate ``j`` solve ``(G + ridge I) b = g_j`` over its own neighbours alone, where ``G`` counts
    co-purchases. Walks of two steps over the co-purchases are added beside the regression, which would take them for
    explained. They reach what a sparse log never shows together. In the end a candidate with few sales is shrunk to the
    weights of its content neighbours: of its own, which the ridge holds near zero, hardly anything can be told. With
    ``user_power``, ``walk`` and ``shrinkage_sales`` zero it is EASE. Memory grows with items x ``keep``.

    Source: Steck, "Embarrassingly Shallow Autoencoders for Sparse Data", 2019 (the regression); Spisak et al.,
    "Scalable Approximate NonSymmetric Autoencoder", 2023 (its sparse solution); Cooper, Lee, Radlinski & Vodopivec,
    "Random walks in recommender systems", 2014 (walks).
    """

    ridge: float = 400.0
    """Regularisation, in purchases."""
    user_power: float = 0.25
    """A user with d items counts ``d ** -user_power`` in each co-purchase."""
    walk: float = 2.0
    """How many co-purchases one that is reached in two steps is worth; zero leaves walks out."""
    keep: int = 200
    """Weights of each candidate that are kept."""
    core: int = 64
    """Strongest rows of a candidate that are solved for together; the others follow from these."""
    shrinkage_sales: float = 0.0
    """Sales with which a candidate's own weights count as much as its content neighbours'; zero: no shrinkage."""

    def fit(self, snapshot: Snapshot, neighbours: sp.csc_matrix | None = None) -> sp.csr_matrix:
        """Weights (n, n) of a past item (row) for a candidate (column): scores are ``history @ weights``.

        ``neighbours`` (n, n) is what :func:`content_neighbours` gives; it counts where there is shrinkage.
        """
        seen = interaction_matrix(snapshot)
        per_user = np.maximum(np.diff(seen.indptr), 1).astype(np.float32)
        halves = (sp.diags(per_user ** (-self.user_power / 2)) @ seen).tocsc().astype(np.float32)
        diagonal = np.asarray(halves.multiply(halves).sum(axis=0), dtype=np.float32).ravel()
        del seen
        together = _stacked(self._co_purchases(halves), snapshot.n_items)
        del halves
        blocks = self._columns(together, diagonal)
        if self.shrinkage_sales and neighbours is not None:
            own = _stacked(blocks, snapshot.n_items)
            del together, blocks
            blocks = self._shrink(own, neighbours, decayed_counts(snapshot, np.inf))
        return _as_rows(blocks, snapshot.n_items)

    def _co_purchases(self, halves: sp.csc_matrix) -> Iterator[sp.csc_matrix]:
        """Blocks of columns of the Gram matrix without its diagonal, the largest of each column."""
        rows = halves.T.tocsr()
        for span in _spans(halves.shape[1]):
            yield largest_per_column(_without_self((rows @ halves[:, span]).tocsc(), span.start), self.keep)

    def _columns(self, together: sp.csc_matrix, diagonal: FloatArray) -> Iterator[sp.csc_matrix]:
        """Blocks of columns of the weights: the regression, and the walks beside it."""
        damped = diagonal + np.float32(self.ridge)
        passing = sp.diags(1.0 / (diagonal + WALK_SHRINK)).astype(np.float32)
        leaving = sp.diags(self.walk / damped).astype(np.float32)
        for span in _spans(together.shape[1]):
            bought = together[:, span]
            block = _solved(largest_per_column(bought.tocsc(), self.keep), together, damped, self.core)
            if self.walk:
                steps = largest_per_column((passing @ bought).tocsc(), WALK_STEPS)
                walks = _without_self((leaving @ (together @ steps)).tocsc(), span.start)
                block = block + _quieter(walks, block)
            yield largest_per_column(block.tocsc(), self.keep)

    def _shrink(self, own: sp.csc_matrix, neighbours: sp.csc_matrix, sold: FloatArray) -> Iterator[sp.csc_matrix]:
        """Blocks of columns of the weights: a candidate's ``own``, and the mean of its neighbours' the fewer it sold.

        Its own count ``sold / (sold + shrinkage_sales)``, the mean of a normal prior with the worth of so many sales.
        Neighbours count by their cosines and by how much their own count; where none of them ever sold, there is none.

        Source: Efron & Morris, "Stein's estimation rule and its competitors", 1973 (the shares).
        """
        trust = (sold / (sold + np.float32(self.shrinkage_sales))).astype(np.float32)
        known = (sp.diags(trust) @ neighbours).tocsc()
        known.eliminate_zeros()
        total = np.asarray(known.sum(axis=0), dtype=np.float32).ravel()
        borrowed = np.where(total > 0, 1.0 - trust, 0.0).astype(np.float32)
        shares = known @ sp.diags(borrowed / np.maximum(total, EPSILON)) + sp.diags(1.0 - borrowed)
        shares = shares.tocsc().astype(np.float32)
        for span in _spans(own.shape[1]):
            yield largest_per_column(_without_self((own @ shares[:, span]).tocsc(), span.start), self.keep)


def _spans(n_items: int) -> Iterator[slice]:
    for start in range(0, n_items, COLUMNS_AT_ONCE):
        yield slice(start, min(start + COLUMNS_AT_ONCE, n_items))


def content_neighbours(snapshot: Snapshot) -> sp.csc_matrix | None:
    """Mean over the modalities of the cosines of each item (column) with its nearest, (n, n); None without content."""
    near = [nearest_by_cosine(tokens, CONTENT_NEIGHBOURS) for tokens in snapshot.tokens.values() if tokens.mask.any()]
    return (sum(near[1:], start=near[0]) / len(near)).tocsc() if near else None


def nearest_by_cosine(tokens: Tokens, neighbours: int) -> sp.csc_matrix:
    """Positive cosines (n, n) of each item (column) with the items nearest to it, by one modality around its mean.

    Exact up to :data:`EXACT_ITEMS` items; beyond, an item is compared with its own and the nearest cells of a
    coarse partition, so that time grows with the number of items to the power 1.5.
    """
    present = np.flatnonzero(tokens.mask)
    size = len(tokens.mask)
    if len(present) < 2 or neighbours < 1:
        return sp.csc_matrix((size, size), dtype=np.float32)
    vectors = unit_rows(tokens.vectors[present] - tokens.vectors[present].mean(axis=0))
    rows, columns, values = [], [], []
    for own, others in _compared(vectors):
        cosines = vectors[own] @ vectors[others].T
        cosines[own[:, None] == others[None, :]] = 0.0
        width = min(neighbours, len(others))
        best = best_columns(cosines, width)
        rows.append(present[others[best]].ravel())
        columns.append(np.repeat(present[own], width))
        values.append(np.maximum(np.take_along_axis(cosines, best, axis=1), 0.0).ravel())
    places = np.concatenate(rows), np.concatenate(columns)
    found = sp.csc_matrix((np.concatenate(values), places), shape=(size, size), dtype=np.float32)
    found.eliminate_zeros()
    return found


def _compared(vectors: FloatArray) -> Iterator[tuple[IntArray, IntArray]]:
    """Which rows to compare with which others: every row is in the first of exactly one pair."""
    everything = np.arange(len(vectors))
    if len(vectors) <= EXACT_ITEMS:
        yield from ((own, everything) for own in _portions(everything, len(vectors)))
        return
    number = int(np.sqrt(len(vectors)))
    centres = vectors[np.random.default_rng(0).choice(len(vectors), number, replace=False)]
    cell = np.concatenate([(vectors[own] @ centres.T).argmax(axis=1) for own in _portions(everything, number)])
    members = np.split(np.argsort(cell, kind="stable"), np.cumsum(np.bincount(cell, minlength=number))[:-1])
    for centre, own in enumerate(members):
        near = np.argsort(-(centres @ centres[centre]), kind="stable")[:NEAR_CELLS]
        others = np.concatenate([members[cell][:MOST_MEMBERS] for cell in {centre, *near.tolist()}])
        yield from ((portion, others) for portion in _portions(own, len(others)))


def _portions(rows: IntArray, width: int) -> list[IntArray]:
    """The rows in portions, so that a dense block of ``width`` columns stays small; none for no rows."""
    at_once = max(1, DENSE_CELLS // max(width, 1))
    return [rows[start : start + at_once] for start in range(0, len(rows), at_once)]


def _without_self(block: sp.csc_matrix, start: int) -> sp.csc_matrix:
    """A block of columns from ``start`` on, without what an item says about itself."""
    columns = np.repeat(np.arange(start, start + block.shape[1]), np.diff(block.indptr))
    block.data[block.indices == columns] = 0.0
    block.eliminate_zeros()
    return block


def _quieter(walks: sp.csc_matrix, block: sp.spmatrix) -> sp.csc_matrix:
    """Walks that say no more about a candidate (column) than :data:`WALK_SHARE` of what is said without them."""
    said, walked = (np.sqrt(np.asarray(part.multiply(part).sum(axis=0)).ravel()) for part in (block, walks))
    limit = np.minimum(WALK_SHARE * said / np.maximum(walked, EPSILON), 1.0)
    return (walks @ sp.diags(limit.astype(np.float32))).tocsc()


def _stacked(blocks: Iterator[sp.csc_matrix], n_items: int) -> sp.csc_matrix:
    """Blocks of columns side by side, float32; a block is let go as soon as it is copied."""
    made = list(blocks)
    counts = [np.diff(block.indptr) for block in made]
    bounds = np.concatenate([[0], *counts]).cumsum()
    values, rows = np.empty(bounds[-1], dtype=np.float32), np.empty(bounds[-1], dtype=np.int32)
    filled = 0
    for place, block in enumerate(made):
        made[place] = None
        span = slice(filled, filled + block.nnz)
        values[span], rows[span] = block.data, block.indices
        filled += block.nnz
    return sp.csc_matrix((values, rows, bounds), shape=(n_items, len(bounds) - 1))


def _as_rows(blocks: Iterator[sp.csc_matrix], n_items: int) -> sp.csr_matrix:
    """Blocks of columns side by side, as rows, float32.

    Turning the whole around would hold it twice. So each block is cut into portions of rows, whose places fit into
    two bytes each, and one portion after the other is put together and let go.
    """
    height = min(ROWS_AT_ONCE, max(n_items // PORTIONS, 1))
    pieces: list[list[Piece]] = [[] for _ in range(-(-n_items // height))]
    start = 0
    for block in blocks:
        turned = block.tocsr()
        for portion, kept in enumerate(pieces):
            bounds = turned.indptr[portion * height : (portion + 1) * height + 1]
            span = slice(bounds[0], bounds[-1])
            rows = np.repeat(np.arange(len(bounds) - 1, dtype=np.uint16), np.diff(bounds))
            columns, values = turned.indices[span].astype(np.uint16), turned.data[span].astype(np.float32)
            kept.append((start, rows, columns, values))
        start += block.shape[1]
    total = sum(len(piece[3]) for kept in pieces for piece in kept)
    made_values, made_columns = np.empty(total, dtype=np.float32), np.empty(total, dtype=np.int32)
    lengths, filled = [np.zeros(1, dtype=np.int64)], 0
    for portion, kept in enumerate(pieces):
        own = _put_together(kept, min(height, n_items - portion * height), n_items)
        kept.clear()
        span = slice(filled, filled + own.nnz)
        made_values[span], made_columns[span] = own.data, own.indices
        lengths.append(np.diff(own.indptr))
        filled += own.nnz
    return sp.csr_matrix((made_values, made_columns, np.concatenate(lengths).cumsum()), shape=(n_items, n_items))


Piece = tuple[int, npt.NDArray[np.uint16], npt.NDArray[np.uint16], FloatArray]
"""Where a block begins, rows in the portion, columns in the block, and values."""


def _put_together(kept: list[Piece], height: int, n_items: int) -> sp.csr_matrix:
    rows = np.concatenate([piece[1] for piece in kept]).astype(np.int32)
    columns = np.concatenate([piece[2].astype(np.int32) + np.int32(piece[0]) for piece in kept])
    return sp.csr_matrix((np.concatenate([piece[3] for piece in kept]), (rows, columns)), shape=(height, n_items))


def _solved(right: sp.csc_matrix, together: sp.csc_matrix, damped: FloatArray, core: int) -> sp.csc_matrix:
    """Solves each column over the rows that its right side has; ``damped`` is the diagonal with the ridge.

    The strongest ``core`` rows are solved for exactly, all others given these by one Jacobi step: what they say about
    each other would change few rankings.
    """
    place = np.full(together.shape[0], -1, dtype=np.int64)
    values = np.empty(right.nnz, dtype=np.float32)
    for column in range(right.shape[1]):
        span = slice(right.indptr[column], right.indptr[column + 1])
        rows, given = right.indices[span], right.data[span]
        if len(rows):
            order = np.argsort(-np.abs(given / damped[rows]), kind="stable")
            places = order[:core], order[core:]
            place[rows[order]] = np.arange(len(rows))
            gram = _gram(together, rows[places[0]], place, len(rows))
            place[rows] = -1
            values[span] = _one_column(gram, given, rows, places, damped)
    return sp.csc_matrix((values, right.indices, right.indptr), shape=right.shape)


def _gram(together: sp.csc_matrix, core: IntArray, place: IntArray, width: int) -> FloatArray:
    """Co-purchases (c, width) of the core with all rows; ``place`` says where an item stands, or -1."""
    starts, stops = together.indptr[core], together.indptr[core + 1]
    lengths = stops - starts
    owner = np.repeat(np.arange(len(core)), lengths)
    picks = np.repeat(starts - (np.cumsum(lengths) - lengths), lengths) + np.arange(len(owner))
    at = place[together.indices[picks]]
    there = np.flatnonzero(at >= 0)
    gram = np.zeros((len(core), width), dtype=np.float32)
    gram[owner[there], at[there]] = together.data[picks[there]]
    square = gram[:, : len(core)]
    gram[:, : len(core)] = np.maximum(square, square.T)  # each side may have dropped what the other has kept
    return gram


def _one_column(
    gram: FloatArray, given: FloatArray, rows: IntArray, places: tuple[IntArray, IntArray], damped: FloatArray
) -> FloatArray:
    """Weights of one candidate's rows: a Cholesky solution for the core, one Jacobi step for the others."""
    core, rest = places
    if not len(core):
        return given / damped[rows]
    square = np.asfortranarray(gram[:, : len(core)])
    square[np.diag_indices(len(core))] = damped[rows[core]]
    _, solution, info = scipy.linalg.lapack.sposv(square, given[core])
    if info:  # dropped entries may cost positive definiteness where the ridge is tiny
        solution = given[core] / damped[rows[core]]
    values = np.empty(len(rows), dtype=np.float32)
    values[core] = solution
    values[rest] = (given[rest] - solution @ gram[:, len(core) :]) / damped[rows[rest]]
    return values
