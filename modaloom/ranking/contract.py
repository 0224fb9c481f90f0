"""What a part of the blend is: a class with ``fit``, ``candidates``, ``score``, ``add_items``, ``state``, ``restore``.

A part gives raw scores of items for a batch of users. The blend makes them comparable: each is turned into the arcsinh
of its z-score over the catalogue, and weighted. One user is a batch of one, and an explanation is a batch of versions
of one user's history, the whole and then without one past item at a time. The letters in shapes are those of
:mod:`modaloom.ranking.kernels`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, NamedTuple, Self, TypeVar, cast

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from modaloom.models.towers import Past, pad_histories
from modaloom.ranking import kernels
from modaloom.types import BoolArray, FloatArray, Histories, IntArray, Snapshot, Tokens

State = dict[str, npt.NDArray[Any]]
Memo = TypeVar("Memo")
NO_ITEMS: IntArray = np.zeros(0, dtype=np.int64)
REFERENCE_ITEMS = 512
"""Mean and spread of a part without a closed form are taken over this many items of a large catalogue."""
SMALL_CATALOGUE = 2_000
"""Up to this many items they are taken over all of them."""


@dataclass(frozen=True)
class NewItems:
    """k items that came, or changed, after learning."""

    nums: IntArray  # (k,) item numbers; new ones follow the last number so far, without gaps
    tokens: Mapping[str, Tokens]  # whitened unit vectors by modality, (k, d)
    groups: IntArray  # (k,) numbers of their variant groups, as :func:`~modaloom.data.doubles.group_numbers` gives them
    neighbours: IntArray | None = None  # (k, j) the items most similar in content to each of them, -1 where fewer
    keys: FloatArray | None = None  # (k, D) what the item tower gives; None without a learned fusion
    attention: FloatArray | None = None  # (k, m) its attention over the modalities


class Moments(NamedTuple):
    """Mean and spread of each user's scores over the catalogue, (b,) each; spread 0 where all are equal."""

    mean: FloatArray
    spread: FloatArray


class Table(NamedTuple):
    """Packed sparse rows: row r is ``bounds[r]:bounds[r + 1]`` of columns and values. See :func:`table_of`."""

    bounds: IntArray
    columns: npt.NDArray[np.uint32]
    values: FloatArray


class Candidates(NamedTuple):
    """What each user's past items vote for: rows of a table, times what each past item counts.

    With ``eps`` zero the sums are the raw scores. Otherwise ``log(sums + eps) + shift`` approximates them from below,
    near enough to choose candidates by.
    """

    offsets: IntArray  # (b + 1,) where each user's entries begin
    rows: npt.NDArray[np.uint32]  # (e,) rows of the table
    counts: FloatArray  # (e,)
    items: IntArray  # (e,) the past item of each entry
    table: Table
    eps: float = 0.0
    shift: FloatArray | None = None  # (b,)


class HistoryBatch:
    """Histories of b users as the parts read them, with what parts computed of them.

    ``left_out`` makes v = 1 + len(left_out) versions of one user's history: the whole, then without each of the items.
    """

    def __init__(self, histories: Histories, *, left_out: IntArray = NO_ITEMS, whole: HistoryBatch | None = None):
        self.histories, self.left_out = histories, left_out
        self.whole = whole or self
        """The batch without versions; what does not depend on them is computed there once."""
        self._memo: dict[tuple[int, str], Any] = {}

    def __len__(self) -> int:
        """Number of rows: users, or versions of one user."""
        return len(self.histories) + len(self.left_out)

    def leave_one_out(self, items: IntArray) -> HistoryBatch:
        """The versions of a single user's history without each of the past items (v - 1,)."""
        assert len(self.histories) == 1
        return HistoryBatch(self.histories, left_out=items, whole=self)

    @cached_property
    def past(self) -> Past:
        """The newest events of each user, padded."""
        return self.whole.past if self.whole is not self else pad_histories(self.histories)

    def keep(self, items: IntArray) -> BoolArray:
        """Which entries, of these past items (e,), count in which version, (v, e)."""
        kept = np.ones((1 + len(self.left_out), len(items)), dtype=np.bool_)
        kept[1:] = items != self.left_out[:, None]
        return kept

    def memo(self, owner: object, name: str, compute: Callable[[], Memo]) -> Memo:
        """A value that is computed once for this batch."""
        key = id(owner), name
        if key not in self._memo:
            self._memo[key] = compute()
        return cast(Memo, self._memo[key])

    def distinct(self, n_items: int, weights: FloatArray) -> tuple[IntArray, IntArray, FloatArray]:
        """Each user's distinct items with the sums of positive weights (e,) of their events: packed rows."""
        histories, count = self.histories, len(weights)
        out = np.empty(len(histories) + 1, np.int64), np.empty(count, np.int64), np.empty(count, np.float32)
        slot = np.full(n_items, -1, dtype=np.int64)
        filled = kernels.merge_duplicates(
            histories.offsets, histories.item_nums, np.ascontiguousarray(weights, np.float32), slot, out
        )
        return out[0], out[1][:filled], out[2][:filled]


class Part(ABC):
    """One component of the blend."""

    name: str
    modality: str | None = None
    """The modality it reads; leaving that modality out leaves the part out."""
    personalised: bool = True
    """Whether scores depend on the user."""

    @abstractmethod
    def fit(self, snapshot: Snapshot) -> Self:
        """Learns from the past; the snapshot's tokens are whitened unit vectors."""

    @property
    @abstractmethod
    def n_items(self) -> int:
        """Number of items it scores."""

    @abstractmethod
    def score(self, batch: HistoryBatch, items: IntArray | None = None) -> FloatArray:
        """Raw scores (b, c) of items (b, c), of the same items (c,) for everybody, or (b, n) of all of them."""

    def candidates(self, batch: HistoryBatch) -> Candidates | None:
        """Sparse votes to choose candidates by; None if it can only score, so that all items have to be scored."""
        return None

    def moments(self, batch: HistoryBatch) -> Moments:
        """Mean and spread over the catalogue; by default of a fixed sample of it."""
        return batch.memo(self, "moments", lambda: moments_of(self.score(batch, reference_items(self.n_items))))

    def scores_without(self, batch: HistoryBatch, items: IntArray) -> dict[str, tuple[FloatArray, FloatArray]]:
        """For a part that reads several modalities: raw scores (b, c) without each, and their mean (b,)."""
        return {}

    @abstractmethod
    def add_items(self, new: NewItems) -> None:
        """Takes in items that came or changed after learning."""

    @abstractmethod
    def state(self) -> State:
        """Everything learned, as plain arrays."""

    @abstractmethod
    def restore(self, state: State) -> Self:
        """Takes over what :meth:`state` gave."""


@dataclass(frozen=True)
class ItemMask:
    """Eligibility: which items each of b users may be shown."""

    allowed: BoolArray | None = None  # (n,) or (b, n)
    hidden: sp.csr_matrix | None = None  # (b, n), nonzero where a user is not to see an item

    def any_user(self) -> BoolArray | None:
        """Items (n,) that somebody may be shown; None for all."""
        if self.allowed is None or self.allowed.ndim == 1:
            return self.allowed
        return np.asarray(self.allowed.any(axis=0))

    def narrow_rows(self, users: int, share: float) -> BoolArray:
        """Which users (b,) have a filter of their own that leaves less than this share of the items."""
        if self.allowed is None or self.allowed.ndim == 1:
            return np.zeros(users, dtype=bool)
        return np.asarray(self.allowed.mean(axis=1) < share)

    def of_users(self, rows: IntArray) -> ItemMask:
        """The mask of some of the users."""
        per_user = self.allowed is not None and self.allowed.ndim == 2
        return ItemMask(
            self.allowed[rows] if per_user and self.allowed is not None else self.allowed,
            None if self.hidden is None else self.hidden[rows],
        )

    def at(self, items: IntArray, users: int) -> BoolArray:
        """Which of the same items (c,) each of the users may be shown, (b, c)."""
        eligible = np.ones((users, len(items)), dtype=bool)
        if self.allowed is not None:
            eligible &= self.allowed[..., items]
        if self.hidden is not None:
            eligible &= self.hidden[:, items].toarray() == 0
        return eligible


def table_of(bounds: npt.NDArray[Any], columns: npt.NDArray[Any], values: npt.NDArray[Any]) -> Table:
    """A table, always of the same types: each other mixture would be compiled anew while somebody waits."""
    return Table(
        np.ascontiguousarray(bounds, dtype=np.int64),
        np.ascontiguousarray(columns, dtype=np.uint32),
        np.ascontiguousarray(values, dtype=np.float32),
    )


def summarise(scores: FloatArray, present: BoolArray) -> FloatArray:
    """Mean, spread, and the score imputed to items that are not ``present`` (q,), of scores (b, q): (3, b)."""
    out = np.empty((3, len(scores)), dtype=np.float32)
    kernels.row_moments(np.ascontiguousarray(scores, dtype=np.float32), present, out)
    return out


def moments_of(scores: FloatArray) -> Moments:
    """Moments of the rows of scores (b, q)."""
    return Moments(*summarise(scores, np.ones(scores.shape[1], dtype=np.bool_))[:2])


@lru_cache(maxsize=8)
def reference_items(n_items: int) -> IntArray:
    """The items that moments are taken over: all of them, or a fixed even sample."""
    if n_items <= max(REFERENCE_ITEMS, SMALL_CATALOGUE):
        return np.arange(n_items, dtype=np.int64)
    return np.sort(np.random.default_rng(0).permutation(n_items)[:REFERENCE_ITEMS]).astype(np.int64)
