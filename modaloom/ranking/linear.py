"""What others with the same past had, as one part of the blend; new items are lent what their look-alikes have."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import scipy.sparse as sp

from modaloom.models.behaviour import history_matrix
from modaloom.models.sparse_linear import SparseEase
from modaloom.models.towers import Past
from modaloom.ranking.fast import Proposals, Table, table_of
from modaloom.ranking.parts import Arrivals, had
from modaloom.ranking.retrieve import Answer, SparseAnswer
from modaloom.ranking.single import SparseVoice, Voice
from modaloom.types import Fingerprint, Histories, Snapshot

LENT_SALES = 5.0
"""So many sales of an item tell as much of who wants it as its look-alikes' sales do."""
Alike = dict[tuple[Fingerprint, ...], sp.csc_matrix | None]
"""What looks and reads alike, by the tokens that say so."""


class Linear(SparseEase):
    """What others with the same past had, in closed form; what items look like is for the kernels to say.

    An item that few had is lent the weights of its look-alikes. Without them it would score lowest of all here,
    whatever anybody had: for want of sales, not of taste.

    ``seen`` keeps what looks alike, so that fitting several cuts of one log finds it once.
    """

    name = "linear"
    modality: str | None = "behaviour"
    lend = LENT_SALES

    def __init__(self, *, seen: Alike | None = None) -> None:
        super().__init__(content=0.0)
        self._seen = seen if seen is not None else {}

    def alike(self, snapshot: Snapshot) -> sp.csc_matrix | None:
        """See :class:`~modaloom.models.sparse_linear.SparseEase`."""
        key = tuple(made.fingerprint for _, made in sorted(snapshot.tokens.items()))
        if key not in self._seen:
            self._seen.clear()
            self._seen[key] = super().alike(snapshot)
        return self._seen[key]

    def ask(self, histories: Histories) -> Answer:
        """See :class:`~modaloom.ranking.retrieve.Answer`."""
        return SparseAnswer(history_matrix(histories, self.weights.shape[0]), self.weights)

    def voice(self, histories: Histories, past: Past) -> Voice:
        """See :class:`Part`."""
        n = self.weights.shape[1]
        items, counts = had(histories, n, None)
        return SparseVoice(items, Proposals(items, np.minimum(counts, np.float32(1.0)), self._table), n)

    @cached_property
    def _table(self) -> Table:
        return table_of(self.weights.indptr, self.weights.indices, self.weights.data)

    def place(self, arrivals: Arrivals) -> None:
        """See :class:`Part`; nobody had an arrival yet, so that it is lent the weights of its look-alikes."""
        known = self.weights.shape[0]
        n = max(known, int(arrivals.places.max(initial=-1)) + 1)
        if n == known:
            return
        lent = self.weights @ _means(arrivals, known, n)
        self._weights = sp.hstack([self.weights, lent], format="csr", dtype=np.float32)
        self._weights.resize(n, n)
        self.__dict__.pop("_table", None)


def _means(arrivals: Arrivals, known: int, n: int) -> sp.csr_matrix:
    """What makes means over look-alikes out of weights (known, n - known): a column for each new item."""
    new = arrivals.places >= known
    if arrivals.like is None or not new.any():
        return sp.csr_matrix((known, n - known), dtype=np.float32)
    near = arrivals.like[new]
    usable = (near >= 0) & (near < known)
    rows, at = np.nonzero(usable)
    shares = (1.0 / usable.sum(axis=1)[rows]).astype(np.float32)
    return sp.csr_matrix((shares, (near[rows, at], arrivals.places[new][rows] - known)), shape=(known, n - known))
