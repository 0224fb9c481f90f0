"""Attributes to vectors: an open set of names and values, and the price."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import polars as pl
import scipy.sparse as sp

from modaloom.numerics import leading_axes
from modaloom.types import ATTRIBUTE_PREFIX, NOT_STYLE, BoolArray, FloatArray

FREQUENT_SHARE = 0.98
"""A value that nearly every item has says nothing and is left out."""
MAX_DIM = 256


class AttributeEncoder:
    """One weighted column per ``name=value``, then their leading singular directions.

    The weight of a value is the square root of its inverse document frequency, so that the inner product
    of two items adds up the information of the values that they share. ``group_id`` counts as an
    attribute. Unknown values of new items are ignored.
    """

    modality = "attributes"

    def __init__(self) -> None:
        self._columns: dict[str, int] = {}
        self._weights: FloatArray = np.zeros(0, dtype=np.float32)
        self._price: tuple[float, float] | None = None
        self._axes: FloatArray = np.zeros((0, 0), dtype=np.float32)

    @property
    def dim(self) -> int:
        """Width of the vectors: at most :data:`MAX_DIM`."""
        return int(self._axes.shape[0])

    @property
    def width(self) -> int:
        """Number of known values, plus one for the price where there are prices."""
        return len(self._columns) + (1 if self._price else 0)

    @property
    def encoder_id(self) -> str:
        """Changes with anything that was learned: the values, their weights, the prices or the axes."""
        digest = hashlib.blake2b("\n".join(self._columns).encode(), digest_size=6)
        for part in (self._weights, np.array(self._price or (), dtype=np.float64), self._axes):
            digest.update(np.ascontiguousarray(part).tobytes())
        return f"attributes/idf-svd/{self.width}/{self.dim}/{digest.hexdigest()}/1"

    def fit(self, items: pl.DataFrame) -> Self:
        """Learns the values, their weights and the spread of prices from an item table; forgets what it knew."""
        self._columns, self._price = {}, None
        for name in _attribute_columns(items):
            counts = items[name].drop_nulls().value_counts().sort("count", name, descending=[True, False])
            for value, count in counts.iter_rows():
                if count >= 2 and count <= FREQUENT_SHARE * items.height:
                    self._columns[_key(name, value)] = len(self._columns)
        frequency = np.zeros(len(self._columns))
        for keys in _keys(items):
            known = keys.replace_strict(self._columns, default=None, return_dtype=pl.Int64).drop_nulls()
            frequency += np.bincount(known.to_numpy(), minlength=len(self._columns))
        self._weights = np.sqrt(np.log((items.height + 1) / (frequency + 1)) + 0.1).astype(np.float32)
        prices = _log_prices(items).drop_nulls()
        if prices.len() > 1 and (spread := float(np.std(prices.to_numpy()))) > 0:
            self._price = (float(np.mean(prices.to_numpy())), spread)
        self._axes = np.zeros((0, self.width), dtype=np.float32)
        matrix, mask = self.matrix(items)
        if mask.any():
            self._axes = np.ascontiguousarray(leading_axes(matrix[mask], MAX_DIM)[1].T)
        return self

    def matrix(self, items: pl.DataFrame) -> tuple[sp.csr_matrix, BoolArray]:
        """Sparse weights (n, width), and which items have any attribute at all."""
        rows, columns = [], []
        for keys in _keys(items):
            nums = keys.replace_strict(self._columns, default=-1, return_dtype=pl.Int64).fill_null(-1).to_numpy()
            rows.append(np.flatnonzero(nums >= 0))
            columns.append(nums[nums >= 0])
        row = np.concatenate(rows) if rows else np.zeros(0, dtype=np.int64)
        column = np.concatenate(columns) if columns else np.zeros(0, dtype=np.int64)
        values = self._weights[column]
        mask = np.zeros(items.height, dtype=bool)
        mask[row] = True
        if self._price:
            prices = ((_log_prices(items) - self._price[0]) / self._price[1]).fill_null(0.0).to_numpy()
            there = np.flatnonzero(mask)
            row, column = np.concatenate([row, there]), np.concatenate([column, np.full(len(there), self.width - 1)])
            values = np.concatenate([values, np.clip(prices[there], -3, 3)])
        matrix = sp.csr_matrix(
            (values.astype(np.float32), (row, column)), shape=(items.height, self.width), dtype=np.float32
        )
        return matrix, mask

    def encode_frame(self, items: pl.DataFrame) -> tuple[FloatArray, BoolArray]:
        """Vectors (n, dim) of an item table, and which items have any known attribute."""
        matrix, mask = self.matrix(items)
        return np.asarray(matrix @ self._axes.T, dtype=np.float32), mask

    def encode(self, inputs: Sequence[Any]) -> FloatArray:
        """Vectors (b, dim) of attribute dictionaries (keys without prefix; ``group_id`` and ``price`` allowed)."""
        return self.encode_known(inputs)[0]

    def encode_known(self, inputs: Sequence[Any]) -> tuple[FloatArray, BoolArray]:
        """The same, and which of them (b,) have any known attribute."""
        rows = [
            {(key if key in ("price", "group_id") else ATTRIBUTE_PREFIX + key): value for key, value in row.items()}
            for row in inputs
        ]
        names = sorted({key for row in rows for key in row} | {"price", "group_id"})
        return self.encode_frame(pl.DataFrame([_column(name, [row.get(name) for row in rows]) for name in names]))

    def state(self) -> dict[str, Any]:
        """All that was learned: plain values and one array, ``axes`` (dim, width)."""
        return {
            "columns": list(self._columns),
            "weights": self._weights.tolist(),
            "price": list(self._price) if self._price else None,
            "axes": self._axes,
        }

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Self:
        """The encoder that :meth:`state` describes."""
        encoder = cls()
        encoder._columns = {key: num for num, key in enumerate(state["columns"])}
        encoder._weights = np.array(state["weights"], dtype=np.float32)
        encoder._price = (float(state["price"][0]), float(state["price"][1])) if state["price"] else None
        encoder._axes = np.asarray(state["axes"], dtype=np.float32)
        return encoder


def _column(name: str, values: list[Any]) -> pl.Series:
    """Prices as numbers, everything else as text: a size may come as 38."""
    if name == "price":
        return pl.Series(name, values, dtype=pl.Float64)
    return pl.Series(name, [None if value is None else str(value) for value in values], dtype=pl.String)


def _attribute_columns(items: pl.DataFrame) -> list[str]:
    style = {name for name in items.columns if name.startswith(ATTRIBUTE_PREFIX)}
    style -= {ATTRIBUTE_PREFIX + name for name in NOT_STYLE}
    return [name for name in items.columns if name in style or name == "group_id"]


def _key(name: str, value: str) -> str:
    return f"{name.removeprefix(ATTRIBUTE_PREFIX)}={value}"


def _keys(items: pl.DataFrame) -> list[pl.Series]:
    """Per attribute column the keys of all items, null where absent."""
    return [
        (pl.Series([name.removeprefix(ATTRIBUTE_PREFIX) + "="]) + items[name]) for name in _attribute_columns(items)
    ]


def _log_prices(items: pl.DataFrame) -> pl.Series:
    prices = items["price"]
    return pl.select(pl.when(prices > 0).then(prices)).to_series().log()
