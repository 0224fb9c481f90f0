"""Ids as strings on the outside, row numbers on the inside."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import polars as pl

from modaloom.errors import QueryError
from modaloom.types import IntArray


class Numbering:
    """Gives each id the number of its row; can grow while a log is being read."""

    def __init__(self, ids: Iterable[str] = (), aliases: Mapping[str, str] | None = None):
        """``aliases``: other ids of the same things, such as those of variants, and the id that each stands for."""
        self._nums: dict[str, int] = {}
        for item_id in ids:
            self._nums.setdefault(item_id, len(self._nums))
        pairs = (aliases or {}).items()
        self._aliases = {alias: self._nums[item_id] for alias, item_id in pairs if item_id in self._nums}

    def __len__(self) -> int:
        return len(self._nums)

    def ids(self) -> list[str]:
        """All ids in the order of their numbers."""
        return list(self._nums)

    def number(self, cells: pl.Series, *, grow: bool = False) -> IntArray:
        """Numbers of a column of ids; -1 for null and, unless it may ``grow``, for unknown ids."""
        unique = cells.unique(maintain_order=True).drop_nulls()
        if grow:
            for item_id in unique.filter(~unique.is_in(list(self._aliases))) if self._aliases else unique:
                self._nums.setdefault(item_id, len(self._nums))
        nums = [self._num(item_id) for item_id in unique]
        table = pl.DataFrame({"id": unique, "num": pl.Series(nums, dtype=pl.Int64)})
        joined = cells.rename("id").to_frame().join(table, on="id", how="left", maintain_order="left")
        return joined["num"].fill_null(-1).to_numpy()

    def _num(self, item_id: str) -> int:
        return self._nums.get(item_id, self._aliases.get(item_id, -1))

    def of(self, ids: Sequence[str], noun: str) -> IntArray:
        """Numbers of ids that must all be known.

        Raises:
            QueryError: names the first unknown ids and what is near them.
        """
        unknown = [item_id for item_id in ids if self._num(item_id) < 0]
        if unknown:
            near = difflib.get_close_matches(unknown[0], list(self._nums)[:200_000], n=3, cutoff=0.5)
            hint = f"Did you mean {', '.join(near)}?" if near else f"The shop knows {len(self._nums):,} {noun}s"
            raise QueryError(f"unknown {noun} {', '.join(unknown[:3])}", hint=hint)
        return np.array([self._num(item_id) for item_id in ids], dtype=np.int64)
