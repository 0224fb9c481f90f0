"""The whole recommender as one scorer: learned fusion and closed-form parts, blended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from modaloom.models.towers import (
    ItemTable,
    Queries,
    UserTower,
    past_queries,
    score_queries,
    without_modality,
)
from modaloom.numerics import EPSILON, squashed_zscore
from modaloom.recommend.parts import Part
from modaloom.types import FloatArray, Histories

FUSION = "fusion"
BATCH = 128


@dataclass
class Ranker:
    """Scores the catalogue for shoppers. What is zero or absent in ``weights`` is never computed."""

    weights: Mapping[str, float]
    parts: tuple[Part, ...] = ()
    table: ItemTable | None = None
    tower: UserTower | None = None
    _by_name: dict[str, Part] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._by_name = {part.name: part for part in self.parts}

    @property
    def modalities(self) -> tuple[str, ...]:
        """Modalities that any part speaks for, in the order of the weights."""
        named = [self._by_name[name].modality for name in self.weights if name in self._by_name]
        fused = list(self.table.modalities) if self.table and self.weights.get(FUSION) else []
        return tuple(dict.fromkeys(name for name in [*fused, *named] if name))

    def part(self, name: str) -> Part | None:
        """A part by its name."""
        return self._by_name.get(name)

    def score(self, histories: Histories) -> FloatArray:
        """Scores (b, n)."""
        blocks = [
            sum_up(self.raw(histories.take(start, min(start + BATCH, len(histories)))), self.weights)
            for start in range(0, len(histories), BATCH)
        ]
        return np.concatenate(blocks) if blocks else np.zeros((0, self.n_items), dtype=np.float32)

    @property
    def n_items(self) -> int:
        """Number of items."""
        if self.table is not None:
            return len(self.table.keys)
        return int(self.parts[0].score(Histories.from_lists([[]], now=0)).shape[1])

    def raw(self, histories: Histories) -> dict[str, FloatArray]:
        """Raw scores (b, n) of every part that has a weight."""
        out: dict[str, FloatArray] = {}
        for name, weight in self.weights.items():
            if not weight:
                continue
            if name == FUSION:
                assert self.table is not None
                out[name] = score_queries(self._queries(histories), self.table)
            else:
                out[name] = self._by_name[name].score(histories)
        return out

    def _queries(self, histories: Histories) -> Queries:
        assert self.table is not None
        assert self.tower is not None
        return past_queries(self.tower, self.table, histories)

    def without(self, histories: Histories, modality: str) -> FloatArray:
        """Scores (b, n) with everything that speaks for one modality left out; see :meth:`without_each`."""
        return self.without_each(histories, (modality,))[modality]

    def without_each(self, histories: Histories, modalities: Sequence[str]) -> dict[str, FloatArray]:
        """Scores (b, n) with one modality after the other left out.

        The normalisation stays that of the full scores, so that the difference is what the modality gave.
        """
        raw = self.raw(histories)
        normal = {name: np.float32(self.weights[name]) * squashed_zscore(scores) for name, scores in raw.items()}
        return {modality: self._left(histories, modality, raw, normal) for modality in modalities}

    def _left(
        self, histories: Histories, modality: str, raw: Mapping[str, FloatArray], normal: Mapping[str, FloatArray]
    ) -> FloatArray:
        total = np.zeros(next(iter(raw.values())).shape, dtype=np.float32)
        for name, scores in raw.items():
            if name == FUSION and self.table is not None and modality in self.table.modalities:
                left = score_queries(without_modality(self._queries(histories), self.table, modality), self.table)
                total += np.float32(self.weights[name]) * normalise_like(left, scores)
            elif name == FUSION or self._by_name[name].modality != modality:
                total += normal[name]
        return total


def normalise_like(scores: FloatArray, reference: FloatArray) -> FloatArray:
    """:func:`~modaloom.numerics.squashed_zscore` of scores, centred by row but in the reference's spread.

    Where the reference says nothing (for a shopper without a past, say), this says nothing either.
    """
    spread = reference.std(axis=1, keepdims=True)
    flat = (reference.max(axis=1, keepdims=True) == reference.min(axis=1, keepdims=True)) | (spread < EPSILON)
    centred = scores - scores.mean(axis=1, keepdims=True)
    result: FloatArray = np.where(flat, 0.0, np.arcsinh(centred / (spread + EPSILON))).astype(np.float32)
    return result


def sum_up(raw: Mapping[str, FloatArray], weights: Mapping[str, float]) -> FloatArray:
    """The weighted sum (b, n) of the parts, each normalised per shopper."""
    total: FloatArray | None = None
    for name, scores in raw.items():
        part = squashed_zscore(scores) * np.float32(weights[name])
        total = part if total is None else total + part
    assert total is not None
    return total
