"""From new content to scores: what a photo, words or an item that just came in look like to a bundle."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np

from modaloom.config import Settings
from modaloom.encoders.attributes import AttributeEncoder
from modaloom.encoders.cache import Key, VectorCache, file_key, text_key
from modaloom.encoders.load import load_encoder
from modaloom.errors import EncoderError, PictureError, QueryError
from modaloom.models.towers import pad_histories
from modaloom.ranking.content import ContentKernel
from modaloom.ranking.contract import HistoryBatch
from modaloom.ranking.fusion import FUSION
from modaloom.recommend.bundle import Bundle, read_arrays
from modaloom.types import LANGUAGES, BoolArray, Encoder, Event, FloatArray, Histories, Item, QueryEncoder, Tokens

ARRIVALS = "arrivals"
"""Folder in the cache."""
logger = logging.getLogger(__name__)


class ContentReader:
    """Reads pictures, words and whole items as the bundle's own encoders and maps do. Safe to share by threads."""

    def __init__(self, bundle: Bundle, settings: Settings):
        self.bundle = bundle
        self.settings = settings
        self.ranker = bundle.ranker
        self._encoders: dict[str, Encoder] = {}
        self._caches: dict[str, VectorCache] = {}
        self._lock = threading.Lock()
        self._attribute_encoder = _attribute_encoder(bundle.folder)  # now: the folder may be moved while serving

    def tokens(self, items: Sequence[Item]) -> dict[str, Tokens]:
        """Whitened unit vectors (k, d) of items by modality; what the bundle cannot read is missing."""
        made = {}
        for modality, whitening in self.bundle.whitenings.items():
            if modality == "attributes":
                raw, mask = self._attribute_encoder.encode_known([_facts(item) for item in items])
                encoder_id = self._attribute_encoder.encoder_id
            elif modality in ("image", "text") and self.reads(modality):
                encoder = self._encoder(modality)
                raw, mask = self._pictures(encoder, items) if modality == "image" else self._texts(encoder, items)
                encoder_id = encoder.encoder_id
            else:
                continue
            made[modality] = Tokens(modality, encoder_id, whitening.apply(raw, mask), mask)
        return made

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

    def _pictures(self, encoder: Encoder, items: Sequence[Item]) -> tuple[FloatArray, BoolArray]:
        """Vectors (k, d) of the first pictures; an item whose picture is broken or absent lacks the modality."""
        vectors = np.zeros((len(items), encoder.dim), dtype=np.float32)
        mask = np.zeros(len(items), dtype=bool)
        rows = [row for row, item in enumerate(items) if item.images]
        for row, vector in zip(rows, self._read(encoder, [items[row].images[0] for row in rows]), strict=True):
            if vector is not None:  # else the item is still worth showing for its words
                vectors[row], mask[row] = vector, True
        return vectors, mask

    def _texts(self, encoder: Encoder, items: Sequence[Item]) -> tuple[FloatArray, BoolArray]:
        """Vectors (k, d): the mean over languages, as the catalogue was read for learning."""
        vectors = np.zeros((len(items), encoder.dim), dtype=np.float32)
        mask = np.zeros(len(items), dtype=bool)
        told = [_told(item) for item in items]
        read = iter(self._read(encoder, [text for texts in told for text in texts]))
        for row, texts in enumerate(told):
            own = [vector for vector in (next(read) for _ in texts) if vector is not None]
            if own:
                vectors[row], mask[row] = np.mean(own, axis=0), True
        return vectors, mask

    def _read(self, encoder: Encoder, contents: Sequence[Path | str]) -> list[FloatArray | None]:
        """A vector (d,) of each content, None of a broken picture; kept, so that the next start reads nothing anew."""
        kept, made = self._kept(encoder), dict[Key, FloatArray]()
        keys = [_key(content) for content in contents]
        for content, key in zip(contents, keys, strict=True):
            if key not in kept and key not in made:
                with suppress(PictureError):
                    made[key] = encoder.encode([content])[0].astype(np.float16).astype(np.float32)
        if made:
            try:
                kept.add(list(made), np.stack(list(made.values())))
            except EncoderError as error:  # a full disk, say: it will be read again
                logger.warning("new items will be read again: %s", error)
        return [made[key] if key in made else kept.get([key])[0] if key in kept else None for key in keys]

    def _kept(self, encoder: Encoder) -> VectorCache:
        """What was read of items that came in after learning; apart from the catalogue's, which may be large."""
        with self._lock:
            if encoder.encoder_id not in self._caches:
                folder = self.settings.cache_dir / ARRIVALS
                self._caches[encoder.encoder_id] = VectorCache(folder, encoder.encoder_id, encoder.dim)
            return self._caches[encoder.encoder_id]

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
        encoder, made_by = self._encoder(modality), self.bundle.config["encoders"][modality]
        if encoder.encoder_id != made_by:
            raise QueryError(
                f"the bundle was trained with the encoder {made_by!r}, but the settings name {encoder.encoder_id!r}",
                hint=f"Set MODALOOM_{modality.upper()}_ENCODER to the one it was trained with",
            )
        encode = encoder.encode_queries if isinstance(encoder, QueryEncoder) else encoder.encode
        vector: FloatArray = self.bundle.whitenings[modality].apply(encode([content]))[0]
        return vector

    def _encoder(self, modality: str) -> Encoder:
        """The settings' encoder of a modality, loaded on first use and kept."""
        with self._lock:
            if modality not in self._encoders:
                name = self.settings.image_encoder if modality == "image" else self.settings.text_encoder
                self._encoders[modality] = load_encoder(name, self.settings, modality)
        return self._encoders[modality]

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


def _facts(item: Item) -> dict[str, object]:
    return {**item.attributes, "price": item.price, "group_id": item.group_id}


def _told(item: Item) -> list[str]:
    """An item's text in every language that it has, else in none in particular."""
    translated = [
        ". ".join(part for part in (item.titles.get(language), item.descriptions.get(language)) if part)
        for language in LANGUAGES
    ]
    texts = [text for text in translated if text]
    return texts or [text for text in [". ".join(part for part in (item.title, item.description) if part)] if text]


def _key(content: Path | str) -> Key:
    if isinstance(content, str):
        return text_key(content)
    try:
        return file_key(content)
    except OSError:  # opening it will say why
        return text_key(f"unreadable {content}")
