"""From new content to scores: what a photo, words or an item that just came in look like to a bundle."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from modaloom.config import Settings
from modaloom.data.shop import item_frame
from modaloom.encoders.attributes import AttributeEncoder
from modaloom.encoders.encode import CONTENT, Encoders, encode
from modaloom.encoders.image import with_encoders_of
from modaloom.errors import EncoderError, QueryError
from modaloom.models.towers import pad_histories
from modaloom.ranking.content import ContentKernel
from modaloom.ranking.contract import HistoryBatch
from modaloom.ranking.fusion import FUSION
from modaloom.shop.bundle import Bundle, read_arrays
from modaloom.types import Event, FloatArray, Histories, Item, QueryEncoder, Tokens

ARRIVALS = "arrivals"
"""Folder in the cache."""
logger = logging.getLogger(__name__)


class ContentReader:
    """Reads pictures, words and whole items as the bundle's own encoders and maps do. Safe to share by threads.

    The picture encoder comes from the bundle where that holds one, so that reading needs no torch.
    """

    def __init__(self, bundle: Bundle, settings: Settings):
        self.bundle = bundle
        self.settings = with_encoders_of(bundle.folder, settings)
        self.ranker = bundle.ranker
        self.encoders = Encoders(
            self.settings,
            attributes=_attribute_encoder(bundle.folder),  # now: the folder may be moved while serving
            cache_dir=settings.cache_dir / ARRIVALS,  # apart from the catalogue's vectors, which may be many
            must_keep=False,
            expected=bundle.config["encoders"],
        )
        self._unreadable: set[str] = set()

    def tokens(self, items: Sequence[Item]) -> dict[str, Tokens]:
        """Whitened unit vectors (k, d) of items by modality; what the items lack or nobody here can read is missing."""
        table, tokens = item_frame(items), dict[str, Tokens]()
        for modality in CONTENT:
            if not self.reads(modality):
                continue
            try:
                raw = encode(table, (modality,), self.encoders)
            except (EncoderError, QueryError) as error:  # the other modalities are worth having all the same
                if modality not in self._unreadable:
                    logger.error("new items are read without the modality %r: %s", modality, error)
                self._unreadable.add(modality)
                continue
            whitening = self.bundle.whitenings[modality]
            for name, made in raw.items():
                tokens[name] = replace(made, vectors=whitening.apply(made.vectors, made.mask))
        return tokens

    def keys(self, tokens: dict[str, Tokens]) -> tuple[FloatArray, FloatArray] | None:
        """What the item tower makes of items: keys (k, D) and attention (k, m); None without a fusion."""
        table, tower = self.ranker.table, self.bundle.item_tower
        if table is None or tower is None:
            return None
        count = len(next(iter(tokens.values())).mask) if tokens else 0
        stacked = np.zeros((count, len(table.modalities), table.dim), dtype=np.float32)
        mask = np.zeros(stacked.shape[:2], dtype=bool)
        for place, modality in enumerate(table.modalities):
            if modality in tokens:
                stacked[:, place], mask[:, place] = tokens[modality].vectors, tokens[modality].mask
        return tower(stacked, mask)

    def reads(self, modality: str) -> bool:
        """Whether there are an encoder and a map for new content: a shop's own vectors cannot be made again."""
        made_by = str(self.bundle.config["encoders"].get(modality, "shop:"))
        return modality in self.bundle.whitenings and not made_by.startswith("shop:")

    def vector(self, modality: str, content: Path | str) -> FloatArray:
        """What a shopper shows or types, as a whitened unit vector (d,)."""
        if not self.reads(modality):
            raise QueryError(
                f"this bundle was trained without an encoder for the modality {modality!r}",
                hint=f"Train it with --modalities {modality},... on a shop that has {modality}s",
            )
        encoder = self.encoders.of(modality)
        read = encoder.encode_queries if isinstance(encoder, QueryEncoder) else encoder.encode
        vector: FloatArray = self.bundle.whitenings[modality].apply(read([content]))[0]
        return vector

    def scores(self, modality: str, vector: FloatArray) -> dict[str, FloatArray]:
        """Raw scores (1, n) of the parts that can read one vector of one modality."""
        raw: dict[str, FloatArray] = {}
        kernel = self.ranker.part(modality)
        if isinstance(kernel, ContentKernel):
            raw[modality] = kernel.score_vector(vector)[None, :]
        if (
            self.bundle.item_tower is not None
            and self.ranker.table is not None
            and modality in self.ranker.table.modalities
        ):
            raw[FUSION] = self._fusion_scores(modality, vector)
        if not raw:
            raise QueryError(
                f"this bundle knows nothing of the modality {modality!r}", hint="Train it with that modality"
            )
        return raw | self.demand()

    def demand(self) -> dict[str, FloatArray]:
        """Raw scores (1, n) of what sells, to settle ties."""
        demand = self.ranker.part("demand")
        return {} if demand is None else {"demand": demand.score(HistoryBatch(Histories.from_lists([[]], now=0)))}

    def _fusion_scores(self, modality: str, vector: FloatArray) -> FloatArray:
        """Scores (1, n) as if the shopper's past were one garment of which only this modality is known."""
        fusion = self.ranker.fusion
        assert fusion is not None
        table = fusion.table
        assert self.bundle.item_tower is not None
        place = table.modalities.index(modality)
        tokens = np.zeros((1, len(table.modalities), table.dim), dtype=np.float32)
        mask = np.zeros(tokens.shape[:2], dtype=bool)
        tokens[0, place], mask[0, place] = vector, True
        keys, _ = self.bundle.item_tower(tokens, mask)
        past = pad_histories(Histories.from_lists([[0]], now=self.bundle.snapshot.now, event=Event.PURCHASE))
        return fusion.score_past(keys[:, None, :], past)


def _attribute_encoder(folder: Path) -> AttributeEncoder:
    state = json.loads((folder / "attributes.json").read_text(encoding="utf-8"))
    return AttributeEncoder.from_state(state | read_arrays(folder / "attributes.npz"))
