"""Vectors kept on disk by content, so that nothing is encoded twice and a killed run goes on where it stopped.

The key is the hash of the content *and* the encoder's id. Vectors are kept in small shards; each is
written under a temporary name and renamed, so that any number of processes may write at once and a
kill leaves at most a temporary file. A shard is a zip with checksums: a damaged one is thrown away.
"""

from __future__ import annotations

import hashlib
import logging
import re
import uuid
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from modaloom.encoders.text import normalise_text
from modaloom.errors import EncoderError
from modaloom.files import whole
from modaloom.types import FloatArray

Key = bytes
KEY_BYTES = 16
logger = logging.getLogger(__name__)


def text_key(text: str) -> Key:
    """Hash of a text's normalised spelling."""
    return hashlib.blake2b(normalise_text(text).encode(), digest_size=KEY_BYTES).digest()


def file_key(path: Path) -> Key:
    """Hash of a file's bytes.

    Raises:
        OSError: it cannot be read.
    """
    return hashlib.blake2b(path.read_bytes(), digest_size=KEY_BYTES).digest()


def cannot_keep(what: str, folder: Path, error: OSError, comfort: str = "") -> EncoderError:
    """What to say when the cache cannot be written to."""
    hint = f"Free some space, or set MODALOOM_CACHE_DIR to another folder{comfort}"
    return EncoderError(f"cannot keep {what} here ({error.strerror or error})", where=folder, hint=hint)


class VectorCache:
    """The vectors of one encoder. Values are rounded to 16 bits, on the first use as on every later one.

    Where they need not be kept (``must_keep``), a disk that takes none is logged, and they are held in memory.
    """

    def __init__(self, cache_dir: Path, encoder_id: str, dim: int, *, must_keep: bool = True):
        slug = re.sub(r"[^A-Za-z0-9.-]+", "_", encoder_id)[:80]
        tag = hashlib.blake2b(encoder_id.encode(), digest_size=6).hexdigest()
        self.folder = cache_dir / "vectors" / f"{slug}-{tag}"
        self.dim = dim
        self._must_keep = must_keep
        self._vectors: dict[Key, npt.NDArray[np.float16]] = {}
        self._load()

    def __len__(self) -> int:
        return len(self._vectors)

    def __contains__(self, key: Key) -> bool:
        return key in self._vectors

    def get(self, keys: Sequence[Key]) -> FloatArray:
        """Vectors (len(keys), dim) of keys that are there.

        Raises:
            KeyError: one is not.
        """
        out = np.empty((len(keys), self.dim), dtype=np.float32)
        for row, key in enumerate(keys):
            out[row] = self._vectors[key]
        return out

    def add(self, keys: Sequence[Key], vectors: FloatArray) -> None:
        """Keeps vectors, safely on disk when this returns.

        Raises:
            EncoderError: the folder cannot be written to; what was kept before stays.
        """
        rounded = vectors.astype(np.float16)
        try:
            self._write(keys, rounded)
        except OSError as error:
            fault = cannot_keep("vectors", self.folder, error, "; what is encoded is not lost")
            if self._must_keep:
                raise fault from error
            logger.warning("what was encoded will be encoded again after the next start: %s", fault)
        self._vectors.update(zip(keys, rounded, strict=True))

    def _write(self, keys: Sequence[Key], rounded: npt.NDArray[np.float16]) -> None:
        names = np.frombuffer(b"".join(keys), dtype=np.uint8).reshape(-1, KEY_BYTES)
        with (
            whole(self.folder / f"{uuid.uuid4().hex}.npz", durable=True) as temporary,
            temporary.open("wb") as stream,
        ):
            np.savez(stream, keys=names, vectors=rounded)

    def fill(
        self,
        keys: Sequence[Key],
        encode: Callable[[list[int]], tuple[list[int], FloatArray]],
        *,
        batch_size: int,
        advance: Callable[[int], None],
    ) -> None:
        """Encodes what is missing, batch by batch, keeping each batch at once.

        ``encode`` gets positions in ``keys`` and gives back those that could be encoded, with their vectors.
        """
        first = {key: position for position, key in reversed(list(enumerate(keys)))}
        missing = sorted(position for key, position in first.items() if key not in self)
        advance(len(keys) - len(missing))
        for start in range(0, len(missing), batch_size):
            wanted = missing[start : start + batch_size]
            done, vectors = encode(wanted)
            if done:
                self.add([keys[position] for position in done], vectors)
            advance(len(wanted))

    def _load(self) -> None:
        for shard in sorted(self.folder.glob("*.npz")):
            try:
                with shard.open("rb") as stream, np.load(stream, allow_pickle=False) as content:
                    keys, vectors = content["keys"], content["vectors"]
                if vectors.shape != (len(keys), self.dim):
                    raise ValueError("wrong shape")
            except OSError:  # gone by now, or not ours to read: no reason to delete it
                continue
            except (ValueError, KeyError, EOFError, NotImplementedError, RuntimeError, zipfile.BadZipFile):
                shard.unlink(missing_ok=True)  # damaged: its vectors are simply made again
                continue
            self._vectors.update(zip((key.tobytes() for key in keys), vectors, strict=True))
