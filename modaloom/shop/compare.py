"""Two bundles on live traffic: what shoppers did with what each of them showed."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np

from modaloom.errors import QueryError
from modaloom.shop.requests import Comparison
from modaloom.storage.contract import Outcome

NORMAL_95 = 1.959964


def compare(outcomes: Sequence[Outcome], against: str) -> list[Comparison]:
    """Every other bundle against one: the difference of the mean share of shown items that was acted on.

    The shopper is the unit, because what one shopper does is not independent; the interval is Welch's.

    Source: Deng et al., "Applying the delta method in metric analytics", 2018 (why the shopper is the unit).
    """
    rates: dict[str, list[float]] = {}
    for outcome in outcomes:
        if outcome.shown:
            rates.setdefault(outcome.bundle, []).append(outcome.acted_on / outcome.shown)
    if against not in rates:
        raise QueryError(f"nothing was shown by {against!r} in this time", hint=f"Known: {', '.join(rates) or 'none'}")
    base = np.array(rates[against])
    made = []
    for name in sorted(rates):
        if name == against:
            continue
        own = np.array(rates[name])
        difference = float(own.mean() - base.mean())
        error = float(np.sqrt(_error(own) + _error(base)))
        made.append(
            Comparison(
                bundle=name,
                against=against,
                shoppers=(len(own), len(base)),
                rate=(float(own.mean()), float(base.mean())),
                difference=difference,
                low=difference - NORMAL_95 * error,
                high=difference + NORMAL_95 * error,
            )
        )
    return made


def _error(values: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> float:
    """Squared standard error of the mean; without an end for a single shopper."""
    return float(values.var(ddof=1) / len(values)) if len(values) > 1 else float("inf")


def arm_of(user_id: str, shares: Mapping[str, float]) -> str:
    """The bundle that answers a shopper: always the same one while the shares stay, and as often as they say."""
    digest = hashlib.blake2b(user_id.encode("utf-8", "surrogatepass"), digest_size=8, person=b"modaloom-arm").digest()
    place = int.from_bytes(digest) / 2**64 * sum(shares.values())
    for name, share in sorted(shares.items()):
        place -= share
        if place < 0:
            return name
    return max(shares)


def checked_shares(shares: Mapping[str, float], known: Sequence[str]) -> dict[str, float]:
    """Shares of the traffic that make sense, summing to one.

    Raises:
        QueryError: a bundle is unknown, a share is negative or no number, or all are zero.
    """
    if unknown := sorted(set(shares) - set(known)):
        raise QueryError(f"unknown bundle {unknown[0]!r}", hint=f"Known: {', '.join(known)}")
    values = list(shares.values())
    if not values or not all(np.isfinite(values)) or min(values) < 0 or sum(values) <= 0:
        raise QueryError("shares must be numbers from 0, not all of them zero", hint='For example {"name": 0.9, ...}')
    total = sum(values)
    return {name: share / total for name, share in shares.items() if share > 0}
