"""Visitors who turn out to be shoppers: rows that name both an anonymous and a known id say that the two are one."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl

from modaloom.data.cells import to_id
from modaloom.data.numbering import Numbering
from modaloom.data.schema import ALTERNATIVE, InteractionsSpec
from modaloom.data.tables import columns_of
from modaloom.errors import ShopError

_VISITOR: Final = re.compile(
    "anonym|visitor|client_?id|device|cookie|domain_userid|user_pseudo_id|guest", re.IGNORECASE
)


class Identities:
    """Gathers from a log which anonymous ids belong to which known ids."""

    def __init__(self, columns: tuple[str, ...]):
        """``columns``: of the known id first, then of the ids that stand in for it."""
        self._columns = columns
        self._known_of: defaultdict[str, set[str]] = defaultdict(set)

    def see(self, frame: pl.DataFrame, keep_fraction: bool) -> None:
        """Takes in the rows of a batch that name several ids."""
        if len(self._columns) < 2:
            return
        known, *others = (to_id(frame[name], keep_fraction=keep_fraction) for name in self._columns)
        for other in others:
            pairs = pl.DataFrame({"other": other, "known": known}).drop_nulls().unique()
            for visitor, shopper in pairs.filter(pl.col("other") != pl.col("known")).iter_rows():
                self._known_of[visitor].add(shopper)

    def links(self) -> dict[str, str]:
        """The shopper that each visitor is; visitors of several shoppers, on a shared device, belong to none."""
        shoppers = set().union(*self._known_of.values()) if self._known_of else set()
        return {
            visitor: next(iter(known))
            for visitor, known in self._known_of.items()
            if len(known) == 1 and visitor not in shoppers
        }

    def facts(self, file: str, links: dict[str, str]) -> list[str]:
        """What was found, in a sentence; nothing where nothing was."""
        if not self._known_of:
            return []
        apart = len(self._known_of) - len(links)
        tail = f"; {apart:,} are of several shoppers and stay apart" if apart else ""
        return [f"{file}: {len(links):,} visitors were recognised as shoppers{tail}"]

    def united(
        self, links: dict[str, str], n_known: int, new_ids: list[str], log: pl.DataFrame, numbering: Numbering
    ) -> tuple[list[str], pl.DataFrame]:
        """New shoppers and the log without the visitors that are somebody known.

        Args:
            links: from :meth:`links`.
            n_known: number of users who were known before the log.
            new_ids: ids of those who came with the log, numbered from ``n_known`` on.
            log: the interactions, under these numbers.
            numbering: gives them.
        """
        visitors = pl.Series(list(links), dtype=pl.String)
        nums = numbering.number(visitors)
        targets = numbering.number(pl.Series(list(links.values()), dtype=pl.String))
        moved = (nums >= n_known) & (targets >= 0)
        if not moved.any():
            return new_ids, log
        owner = np.arange(n_known + len(new_ids))
        owner[nums[moved]] = targets[moved]
        stays = np.ones(len(owner), dtype=bool)
        stays[nums[moved]] = False
        renumbered = np.cumsum(stays) - 1
        users = renumbered[owner[log["user_num"].to_numpy()]]
        kept = [user_id for user_id, stay in zip(new_ids, stays[n_known:], strict=True) if stay]
        return kept, log.with_columns(pl.Series("user_num", users, dtype=pl.UInt32))


def suggest_visitor_column(spec: InteractionsSpec, root: Path) -> str | None:
    """What to write where rows lack a shopper and the file has a column for visitors."""
    try:
        there = columns_of(spec, root)
    except ShopError:
        return None
    used = set(spec.columns.user_id.split(ALTERNATIVE))
    found = next((name for name in there if _VISITOR.search(name) and name not in used), None)
    if found is None:
        return None
    first = spec.columns.user_id.split(ALTERNATIVE)[0]
    return f'The file has {found!r} for visitors: say user_id = ["{first}", "{found}"] in shop.toml'
