"""Demand beside assortment: what is wanted more than it is offered, and the other way round."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

from modaloom.counting.ledger import Ledger
from modaloom.trends.board import Gap
from modaloom.trends.movers import Judged
from modaloom.types import DAY_S, BoolArray, IntArray

MATTERS = 1.25
"""Demand over assortment from which on there is a gap; one over it the other way."""
LEAST_SHARE = 0.002
"""Of demand or of the assortment; rarer values are no news."""
NORMAL = 1.96


def on_offer(items: pl.DataFrame, newest_s: int) -> BoolArray:
    """Items that are out and not known to be sold out, (n,)."""
    stock = items["stock"].fill_null(1).to_numpy() > 0
    released = items["released_at"].fill_null(0).to_numpy() <= newest_s + DAY_S
    result: BoolArray = stock & released
    return result


def find_gaps(
    ledger: Ledger, judged: Sequence[Judged], offered: BoolArray, shoppers: Sequence[IntArray], k: int
) -> list[Gap]:
    """Gaps of every attribute, of colours and of prices, the widest first; nothing about fewer than ``k`` shoppers."""
    quarter = max(ledger.n_steps // 4, 1)
    recent = ledger.step >= ledger.n_steps - quarter
    by_thing = [
        np.bincount(ledger.thing[rows], minlength=ledger.n_things).astype(np.float64)
        for rows in (recent, recent & (ledger.thing >= ledger.n_items), recent & ledger.bought)
    ]
    gaps = []
    for one, reached in zip(judged, shoppers, strict=True):
        if one.dimension.name in ("word", "look"):
            continue
        gaps += _gaps(one, reached, by_thing, offered, k)
    return sorted(gaps, key=lambda gap: (gap.state == "balanced", -abs(np.log(max(gap.ratio, 1e-3)))))


def _gaps(
    one: Judged, reached: IntArray, by_thing: list[npt.NDArray[np.float64]], offered: BoolArray, k: int
) -> list[Gap]:
    dimension, n_items = one.dimension, len(offered)
    items = np.asarray(dimension.incidence[:, :n_items] @ offered.astype(np.float64)).ravel()
    stocked = max(float((dimension.known()[:n_items] & offered).sum()), 1.0)
    number, searched, bought = (np.asarray(dimension.incidence @ weights).ravel() for weights in by_thing)
    known = dimension.known()
    whole, all_searched, all_bought = (float(weights[known].sum()) for weights in by_thing)
    gaps = []
    for row in range(len(dimension)):
        demand, assortment = number[row] / max(whole, 1.0), items[row] / stocked
        if reached[row] < k or max(demand, assortment) < LEAST_SHARE:
            continue
        low, high = wilson(demand, whole / float(one.fits.dispersion[row]))
        ratio = demand / assortment if assortment > 0 else demand / (0.5 / stocked)
        state = "short" if low > assortment * MATTERS else "long" if high < assortment / MATTERS else "balanced"
        verdict = one.verdicts[row]
        gaps.append(Gap(
            f"{dimension.name}={dimension.values[row]}", dimension.name, dimension.values[row], dimension.names[row],
            state, float(demand), (low, high), float(assortment), int(items[row]), float(ratio),
            float(searched[row] / all_searched) if all_searched >= k else None,
            float(bought[row] / all_bought) if all_bought >= k else None,
            verdict, _advice(state, verdict, one.also[row], int(items[row])),
        ))  # fmt: skip
    return gaps


def wilson(share: float, number: float) -> tuple[float, float]:
    """95 % interval of a share of so many independent interests.

    Source: Wilson, "Probable inference, the law of succession, and statistical inference", 1927.
    """
    if number <= 0:
        return 0.0, 1.0
    square = NORMAL**2 / number
    middle = (share + square / 2) / (1 + square)
    half = NORMAL / (1 + square) * float(np.sqrt(share * (1 - share) / number + square / number / 4))
    return float(max(middle - half, 0.0)), float(min(middle + half, 1.0))


def _advice(state: str, verdict: str, also: Sequence[str], items: int) -> str:
    """Key of the catalogue's ``[advice]``."""
    moves = {verdict, *also}
    if state == "short":
        if not items:
            return "start"
        return "widen_now" if "rising" in moves else "widen_season" if "seasonal" in moves else (
            "hold" if "falling" in moves else "widen")  # fmt: skip
    if state == "long":
        return "clear" if "falling" in moves else "wait_season" if "seasonal" in moves else (
            "watch" if "rising" in moves else "narrow")  # fmt: skip
    return "keep"
