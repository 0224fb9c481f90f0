"""Small synthetic shops in which the right answer is known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl

from modaloom.metrics import ranking_metrics, top_n
from modaloom.numerics import unit_rows
from modaloom.types import (
    DAY_S,
    INTERACTION_COLUMNS,
    ITEM_COLUMNS,
    Event,
    FloatArray,
    Histories,
    IntArray,
    Snapshot,
    Tokens,
)

Truth = list[IntArray]
"""Per user the items that a perfect model lists first."""
NOW = 1_700_000_000
CONTENT = ("image", "text", "attributes")


def taste_world(
    modality: str,
    *,
    n_users: int = 60,
    n_items: int = 96,
    n_styles: int = 4,
    dim: int = 16,
    events_per_user: int = 8,
    noise: float = 0.3,
    seed: int = 0,
) -> tuple[Snapshot, Truth]:
    """A shop in which taste lives in one modality only, and the items that each user is bound to like.

    Every user buys items of one style. The vectors of ``modality`` lie around the style's own direction,
    those of the other modalities are noise. With ``image``, ``text`` or ``attributes`` only new items may be
    recommended, which nobody has bought yet: behaviour knows nothing of them. The truth is those of the
    user's style. With ``behaviour`` all vectors are noise and the truth is what others of the same taste bought.

    Args:
        modality: ``image``, ``text``, ``attributes`` or ``behaviour``.
        n_users: shoppers.
        n_items: items; the second half of each style is new where taste lives in content.
        n_styles: tastes.
        dim: width of all vectors.
        events_per_user: purchases of each user.
        noise: length of the random part of a vector, beside a style's unit vector.
        seed: of everything that is random.

    Raises:
        ValueError: the modality is unknown, or there are too few items for so many purchases.
    """
    if modality not in (*CONTENT, "behaviour"):
        raise ValueError(f"modality must be one of {', '.join(CONTENT)} or behaviour, not {modality!r}")
    rng = np.random.default_rng(seed)
    style = rng.permutation(np.arange(n_items) % n_styles)
    rank = np.argsort(np.argsort(style, kind="stable")) - np.searchsorted(np.sort(style), style)  # place in its style
    is_new = (rank >= np.bincount(style)[style] // 2) & (modality in CONTENT)
    taste = rng.permutation(np.arange(n_users) % n_styles)
    if np.bincount(style[~is_new], minlength=n_styles).min() < events_per_user:
        raise ValueError(f"{n_items} items in {n_styles} styles are too few for {events_per_user} purchases each")
    bought = [rng.permutation(np.flatnonzero((style == own) & ~is_new))[:events_per_user] for own in taste]
    if modality in CONTENT:
        truth = [np.flatnonzero((style == own) & is_new) for own in taste]
    else:
        truth = [np.setdiff1d(np.flatnonzero(style == own), items) for own, items in zip(taste, bought, strict=True)]
    tokens = {name: _tokens(name, style if name == modality else None, n_items, dim, noise, rng) for name in CONTENT}
    snapshot = _snapshot(bought, n_items, tokens, is_new, rng)
    return (replace(snapshot, catalogue=is_new) if modality in CONTENT else snapshot), truth


def checkerboard_world(
    *, n_users: int = 60, n_items: int = 40, seen_share: float = 0.6, seed: int = 0
) -> tuple[Snapshot, Truth]:
    """A shop without content in which even users like even items and odd users odd ones.

    Each has bought a random part of them; the truth is the rest. Whoever has learnt to tell the colours of the
    board from co-purchases alone gets every answer right.
    """
    rng = np.random.default_rng(seed)
    liked = [np.arange(user % 2, n_items, 2) for user in range(n_users)]
    bought = [rng.permutation(items)[: max(1, round(seen_share * len(items)))] for items in liked]
    truth = [np.setdiff1d(items, own) for items, own in zip(liked, bought, strict=True)]
    return _snapshot(bought, n_items, {}, np.zeros(n_items, dtype=bool), rng), truth


class GrowingWorld:
    """A shop of any number of events, from none, in which a perfect model is known.

    A shopper buys an item with odds of ``exp(taste . looks + popularity)``. Pictures tell the looks, words less so.
    Shoppers come in one after the other, about one for five events, and the log of more events contains that of fewer.

    Args:
        popularity: spread of how well items sell whatever they are like; 0 where all sell alike.
        n_items: items.
        n_users: shoppers at most.
        seed: of everything that is random.
    """

    def __init__(self, *, popularity: float, n_items: int = 240, n_users: int = 240, seed: int = 0):
        self._rng = rng = np.random.default_rng(seed)
        self._n_items, self._n_users = n_items, n_users
        centres = unit_rows(rng.standard_normal((10, 16)).astype(np.float32))
        looks = _around(centres[rng.integers(0, 10, n_items)], 0.5, rng)
        taste = _around(centres[rng.integers(0, 10, n_users)], 0.4, rng)
        odds = np.exp(6.0 * taste @ looks.T + rng.normal(0.0, 1.0, n_items) * popularity)
        self._odds = odds / odds.sum(axis=1, keepdims=True)
        full = np.ones(n_items, dtype=bool)
        self._tokens = {
            "image": Tokens("image", "world/16", looks, full),
            "text": Tokens("text", "world/16", _around(looks, 0.7, rng), full),
        }
        self._cases = [self._case(user) for user in rng.integers(0, n_users, 500)]
        self._newcomers = np.random.default_rng([seed, 1])
        self._log: list[tuple[int, int]] = []

    def _case(self, user: int) -> tuple[list[int], IntArray]:
        """A few past items of somebody, and what they take next."""
        past = int(self._rng.integers(1, 6))
        drawn = self._rng.choice(self._n_items, past + 5, replace=False, p=self._odds[user])
        return drawn[:past].tolist(), drawn[past:]

    def snapshot(self, events: int) -> Snapshot:
        """The shop after so many events, one every hour or more."""
        while len(self._log) < events:
            user = int(self._newcomers.integers(0, min(len(self._log) // 5 + 1, self._n_users)))
            self._log.append((user, int(self._newcomers.choice(self._n_items, p=self._odds[user]))))
        owner, items = (np.array([row[side] for row in self._log[:events]], dtype=np.int64) for side in (0, 1))
        days = min(120, 5 + events // 10)
        columns: dict[str, Any] = {
            "user_num": owner,
            "item_num": items,
            "event": np.full(events, int(Event.PURCHASE)),
            "value": np.full(events, np.nan),
            "timestamp": NOW - days * DAY_S + np.arange(events) * (days * DAY_S) // max(events, 1),
        }
        ids: dict[str, Any] = {"item_id": [f"item-{num}" for num in range(self._n_items)]}
        return Snapshot(
            items=pl.DataFrame(
                [
                    pl.Series(name, ids.get(name, [None] * self._n_items), dtype=kind)
                    for name, kind in ITEM_COLUMNS.items()
                ]
            ),
            users=pl.DataFrame({"user_id": [f"user-{num}" for num in range(self._n_users)]}),
            interactions=pl.DataFrame(columns).select(
                pl.col(name).cast(kind) for name, kind in INTERACTION_COLUMNS.items()
            ),
            tokens=self._tokens,
            catalogue=np.ones(self._n_items, dtype=bool),
            now=NOW if events else 0,
        )

    def recall(self, score: Callable[[Histories], FloatArray]) -> FloatArray:
        """Recall at 20 (b,) on shoppers whose pasts and next purchases are the same for whoever is asked."""
        histories = Histories.from_lists([past for past, _ in self._cases], now=NOW)
        allowed = self.snapshot(0).may_be_shown(histories)
        found = ranking_metrics(top_n(score(histories), 20, allowed), [truth for _, truth in self._cases])
        return found["recall"].astype(np.float32)


def _around(centres: FloatArray, noise: float, rng: np.random.Generator) -> FloatArray:
    """Unit vectors near others (n, d)."""
    random = unit_rows(rng.standard_normal(centres.shape).astype(np.float32))
    made: FloatArray = unit_rows(centres + np.float32(noise) * random)
    return made


def _tokens(
    name: str, style: IntArray | None, n_items: int, dim: int, noise: float, rng: np.random.Generator
) -> Tokens:
    """Vectors around the styles' directions, or pure noise without styles."""
    random = unit_rows(rng.standard_normal((n_items, dim)).astype(np.float32))
    vectors: FloatArray = random
    if style is not None:
        centres = unit_rows(rng.standard_normal((int(style.max()) + 1, dim)).astype(np.float32))
        vectors = unit_rows(centres[style] + noise * random)
    return Tokens(name, f"world/{dim}", vectors, np.ones(n_items, dtype=bool))


def _snapshot(
    bought: list[IntArray], n_items: int, tokens: dict[str, Tokens], is_new: np.ndarray, rng: np.random.Generator
) -> Snapshot:
    owner = np.repeat(np.arange(len(bought)), [len(items) for items in bought])
    times = np.sort(NOW - rng.integers(1, 60, len(owner)) * DAY_S)
    order = rng.permutation(len(owner))  # whose purchase falls on which of the sorted days
    released = np.where(is_new, NOW - DAY_S, NOW - 90 * DAY_S) - rng.permutation(n_items)
    columns: dict[str, Any] = {
        "item_id": [f"item-{num}" for num in range(n_items)],
        "released_at": released,
        "release_rank": released.astype(np.float64),
    }
    return Snapshot(
        items=pl.DataFrame(
            [pl.Series(name, columns.get(name, [None] * n_items), dtype=kind) for name, kind in ITEM_COLUMNS.items()]
        ),
        users=pl.DataFrame({"user_id": [f"user-{num}" for num in range(len(bought))]}),
        interactions=pl.DataFrame(
            {
                "user_num": owner[order],
                "item_num": np.concatenate(bought)[order],
                "event": np.full(len(owner), int(Event.PURCHASE)),
                "value": np.full(len(owner), np.nan),
                "timestamp": times,
            },
        ).select(pl.col(name).cast(kind) for name, kind in INTERACTION_COLUMNS.items()),
        tokens=tokens,
        catalogue=np.ones(n_items, dtype=bool),
        now=NOW,
    )
