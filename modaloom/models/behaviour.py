"""Behaviour as sparse matrices: who had what, and how much each past event still counts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import scipy.sparse as sp

from modaloom.numerics import leading_axes
from modaloom.types import DAY_S, BoolArray, Event, FloatArray, Histories, IntArray, Snapshot, Tokens

EVENT_WEIGHTS = {Event.VIEW: 0.15, Event.CART: 0.5, Event.PURCHASE: 1.0, Event.RATING: 0.7, Event.LIKE: 0.8}
"""Events that speak for an item, and how much. Dislikes and returns never count as taste."""

_WEIGHT_TABLE: FloatArray = np.zeros(256, dtype=np.float32)
_WEIGHT_TABLE[[int(event) for event in EVENT_WEIGHTS]] = list(EVENT_WEIGHTS.values())

MOST_EVENTS = 100
"""Target events after which a shopper counts no more in what sells: a reseller's basket is nobody's taste."""
MOST_TAUGHT = 0.01
"""Share of all that is learned from that one shopper may make, if it is more than those events."""


def interaction_matrix(snapshot: Snapshot) -> sp.csr_matrix:
    """Users x items, 1 where there was a target event."""
    targets = snapshot.targets()
    rows, columns = targets["user_num"].to_numpy(), targets["item_num"].to_numpy()
    values = np.ones(targets.height, dtype=np.float32)
    matrix = sp.csr_matrix((values, (rows, columns)), shape=(snapshot.n_users, snapshot.n_items))
    matrix.data[:] = 1.0
    return matrix


def event_weights(events: npt.NDArray[np.uint8]) -> FloatArray:
    """How much each event says about taste, by :data:`EVENT_WEIGHTS`."""
    weights: FloatArray = _WEIGHT_TABLE[events]
    return weights


def history_weights(histories: Histories, half_life_days: float | None = None) -> FloatArray:
    """Weight of each packed history entry: by event, halved every ``half_life_days``."""
    weights = event_weights(histories.events)
    if half_life_days is None:
        return weights
    age_days = np.maximum(histories.now - histories.timestamps, 0) / DAY_S
    if (histories.timestamps == 0).all():  # a log without times: nothing is older than anything else
        return weights
    result: FloatArray = (weights * 0.5 ** (age_days / half_life_days)).astype(np.float32)
    return result


def history_matrix(histories: Histories, n_items: int, half_life_days: float | None = None) -> sp.csr_matrix:
    """Shoppers x items with the summed weights of :func:`history_weights`; plain 0/1 targets without a half-life."""
    weights = history_weights(histories, half_life_days)
    matrix = sp.csr_matrix((weights, histories.item_nums, histories.offsets), shape=(len(histories), n_items))
    matrix.sum_duplicates()
    if half_life_days is None:
        matrix.data = np.minimum(matrix.data, 1.0)
    return matrix


def shopper_weights(users: npt.NDArray[np.integer[Any]], most: float = MOST_EVENTS) -> npt.NDArray[np.float64]:
    """Weight of each target event, by whose it is (e,), so that no shopper's add up to more than ``most``.

    For everybody else it is one: in a shop without resellers and robots nothing changes.
    """
    weights: npt.NDArray[np.float64] = np.minimum(1.0, most / np.bincount(users)[users])
    return weights


def most_taught(n_events: int) -> float:
    """How many of so many events one shopper may teach: in a large shop nobody outweighs the others, however busy."""
    return max(float(MOST_EVENTS), MOST_TAUGHT * n_events)


def decayed_counts(snapshot: Snapshot, half_life_days: float) -> FloatArray:
    """Target events of each item (n,), halved every ``half_life_days``; plain counts without times.

    No shopper counts for more than :data:`MOST_EVENTS`.
    """
    targets = snapshot.targets()
    times = targets["timestamp"].to_numpy()
    weights = shopper_weights(targets["user_num"].to_numpy())
    if times.any():
        weights = weights * 0.5 ** ((snapshot.now - times) / DAY_S / half_life_days)
    return np.bincount(targets["item_num"].to_numpy(), weights, minlength=snapshot.n_items).astype(np.float32)


def behaviour_tokens(snapshot: Snapshot, dim: int) -> Tokens:
    """Item vectors (n, dim) from who had what: singular vectors of the normalised users x items matrix.

    Items that nobody has touched are missing, not zero. All positive events count, by :data:`EVENT_WEIGHTS`.

    Source: the propagation-free limit of graph convolutions, Peng et al., "SVD-GCN", 2022.
    """
    matrix, mask = _normalised(snapshot)
    values, axes = leading_axes(matrix, dim)
    vectors = np.zeros((snapshot.n_items, dim), dtype=np.float32)
    np.multiply(axes, values, out=vectors[:, : len(values)])
    vectors[~mask] = 0.0
    return Tokens("behaviour", f"svd/{dim}/2", vectors, mask)


def _normalised(snapshot: Snapshot) -> tuple[sp.csr_matrix, BoolArray]:
    """Users x items, each divided by the root of what there is of it; and which items (n,) there is anything of."""
    past = snapshot.interactions.filter(pl.col("item_num").is_not_null())
    weights = event_weights(past["event"].to_numpy())
    places = (past["user_num"].to_numpy(), past["item_num"].to_numpy())
    matrix = sp.csr_matrix((weights, places), shape=(snapshot.n_users, snapshot.n_items))
    matrix.data = np.minimum(matrix.data, 2.0)
    per_user, per_item = (np.asarray(matrix.sum(axis=axis)).ravel() for axis in (1, 0))
    normalised = sp.diags(1 / np.sqrt(per_user + 1.0)) @ matrix @ sp.diags(1 / np.sqrt(per_item + 1.0))
    return normalised.tocsr().astype(np.float32), per_item > 0


@dataclass(frozen=True)
class CrossFit:
    """Behaviour vectors that never saw the shoppers they are used for.

    A shopper's own purchases shape the vectors of what they bought. A model trained on such vectors learns
    to trust them far more than the future will justify. So shoppers are put into folds, and while learning
    from one fold the vectors come from the other folds alone, turned into the axes of the full ones.

    Source: Chernozhukov et al., "Double/debiased machine learning", 2018 (cross-fitting);
    Schonemann, "A generalized solution of the orthogonal Procrustes problem", 1966 (the turn).
    """

    fold_of_user: IntArray  # (n_users,)
    tokens: tuple[Tokens, ...]  # one per fold


def cross_fit(
    snapshot: Snapshot,
    full: Tokens,
    *,
    folds: int = 4,
    seed: int = 0,
    finish: Callable[[Tokens], Tokens] = lambda tokens: tokens,
) -> CrossFit:
    """Behaviour tokens for each fold of shoppers, aligned with ``full``; ``finish`` is applied to each at once."""
    fold_of_user = np.random.default_rng(seed).integers(0, folds, snapshot.n_users)
    users = snapshot.interactions["user_num"].to_numpy()
    made = []
    for fold in range(folds):
        others = replace(snapshot, interactions=snapshot.interactions.filter(pl.Series(fold_of_user[users] != fold)))
        made.append(finish(turn_to(behaviour_tokens(others, full.dim), full)))
    return CrossFit(fold_of_user, tuple(made))


def turn_to(tokens: Tokens, reference: Tokens) -> Tokens:
    """The same tokens turned so that the items they share with ``reference`` lie as near to it as they can."""
    left, _, right = np.linalg.svd(tokens.vectors.T @ reference.vectors)  # what one of them lacks is zero there
    turned = np.asarray(tokens.vectors @ (left @ right), dtype=np.float32)
    return Tokens(tokens.modality, tokens.encoder_id, turned, tokens.mask)
