"""Items to tokens: one road for the catalogue that is learned from and for items that come in later."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

import numpy as np
import polars as pl

from modaloom.config import Settings
from modaloom.data.problems import Problems
from modaloom.data.shop import Shop, image_paths
from modaloom.encoders.attributes import AttributeEncoder
from modaloom.encoders.cache import Key, VectorCache, file_key, text_key
from modaloom.encoders.load import load_encoder
from modaloom.errors import PictureError, QueryError, TooManyBadRowsError
from modaloom.types import LANGUAGES, BoolArray, Encoder, FloatArray, Tell, Tokens, silent

CONTENT = ("image", "text", "attributes")
TOLERATED_BAD_PICTURES = 20
_CACHED_AT_ONCE = 8  # encoder batches per shard

BrokenPictures = Callable[[Sequence[tuple[Path, str]], int], None]
"""Is given pictures that cannot be used, each with the reason, and how many pictures there are in all."""


def skip_broken(faults: Sequence[tuple[Path, str]], total: int) -> None:
    """Says nothing of broken pictures: their items simply lack the modality."""


class Encoders:
    """The encoders of one shop's items, and the vectors that they gave. Safe to share by threads.

    An encoder is loaded when there is something for it to read: a shop without pictures loads no picture encoder.

    Args:
        settings: names of the encoders, batch size, where weights lie.
        attributes: fitted on the catalogue that is learned from.
        cache_dir: where vectors are kept; the settings' by default.
        must_keep: whether a disk that takes no vectors is an error; else it is logged.
        expected: ids of the encoders that a bundle was trained with, by modality.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        attributes: AttributeEncoder | None = None,
        cache_dir: Path | None = None,
        must_keep: bool = True,
        expected: Mapping[str, str] | None = None,
    ):
        self.settings = settings
        self.attributes = attributes
        self._cache_dir = settings.cache_dir if cache_dir is None else cache_dir
        self._must_keep = must_keep
        self._expected = expected or {}
        self._loaded: dict[str, Encoder] = {}
        self._caches: dict[str, VectorCache] = {}
        self._lock = threading.Lock()

    def of(self, modality: str) -> Encoder:
        """The encoder of ``image`` or ``text``, loaded on first use and kept.

        Raises:
            EncoderError: the settings' encoder is unknown or cannot be loaded.
            QueryError: it is another one than the bundle was trained with.
        """
        with self._lock:
            if modality not in self._loaded:
                name = self.settings.image_encoder if modality == "image" else self.settings.text_encoder
                encoder = load_encoder(name, self.settings, modality)
                expected = self._expected.get(modality, encoder.encoder_id)
                if encoder.encoder_id != expected:
                    raise QueryError(
                        f"the bundle was trained with the encoder {expected!r}, but the settings name "
                        f"{encoder.encoder_id!r}",
                        hint=f"Set MODALOOM_{modality.upper()}_ENCODER to the one it was trained with",
                    )
                self._loaded[modality] = encoder
            return self._loaded[modality]

    def cache(self, encoder: Encoder) -> VectorCache:
        """The vectors that an encoder gave so far."""
        with self._lock:
            if encoder.encoder_id not in self._caches:
                self._caches[encoder.encoder_id] = VectorCache(
                    self._cache_dir, encoder.encoder_id, encoder.dim, must_keep=self._must_keep
                )
            return self._caches[encoder.encoder_id]


def encode_items(
    shop: Shop,
    *,
    settings: Settings,
    modalities: Collection[str] = CONTENT,
    progress: Tell = silent,
) -> dict[str, Tokens]:
    """Tokens of the content modalities that the shop has; vectors that it brings itself come first.

    Raises:
        TooManyBadRowsError: too many pictures are broken.
        EncoderError: an encoder is unknown or cannot be loaded.
    """
    own = {name: tokens for name, tokens in shop.features.items() if name in CONTENT and tokens.mask.any()}
    wanted = [name for name in CONTENT if name in modalities and name not in own]
    encoders = Encoders(settings, attributes=AttributeEncoder().fit(shop.items) if "attributes" in wanted else None)
    encoded = encode(
        shop.items, wanted, encoders, root=shop.root, broken=_Tolerance(shop.problems, settings), progress=progress
    )
    tokens = own | encoded
    return {name: tokens[name] for name in CONTENT if name in modalities and name in tokens}


class _Tolerance:
    """Counts broken pictures among a shop's problems, up to as many as the settings bear."""

    def __init__(self, problems: Problems, settings: Settings):
        self._problems, self._share, self._count = problems, settings.max_bad_share, 0

    def __call__(self, faults: Sequence[tuple[Path, str]], total: int) -> None:
        for path, fault in faults:
            self._problems.add("broken picture", str(path), 0, fault)
        self._count += len(faults)
        if self._count > max(TOLERATED_BAD_PICTURES, self._share * total):
            raise TooManyBadRowsError(
                f"{self._count:,} of {total:,} pictures cannot be used, for example "
                f"{self._problems.of('broken picture')[0]}",
                hint="Run 'modaloom check' to list them, mend them, or raise max_bad_share",
            )


def encode(
    items: pl.DataFrame,
    modalities: Collection[str],
    encoders: Encoders,
    *,
    root: Path | None = None,
    broken: BrokenPictures = skip_broken,
    progress: Tell = silent,
) -> dict[str, Tokens]:
    """Tokens (n, d) of an item table by modality; a modality that none of the items has is left out.

    Args:
        items: with the columns of :data:`~modaloom.types.ITEM_COLUMNS` and ``attributes.*``;
            :func:`~modaloom.data.shop.item_frame` makes such a table from items.
        modalities: which of :data:`CONTENT` to read.
        encoders: of these items' shop.
        root: where relative picture paths start from; the working folder by default.
        broken: told of every picture that cannot be opened, whose item lacks the modality then.
        progress: of encoding.

    Raises:
        EncoderError: an encoder cannot be loaded, or its vectors cannot be kept.
        QueryError: an encoder is another one than the bundle was trained with.
    """
    tokens: dict[str, Tokens | None] = {}
    if "image" in modalities:
        paths = image_paths(items, Path() if root is None else root)
        tokens["image"] = _image_tokens(paths, encoders, broken, progress)
    if "text" in modalities:
        tokens["text"] = _text_tokens(items, encoders, progress)
    if "attributes" in modalities:
        tokens["attributes"] = _attribute_tokens(items, encoders.attributes)
    return {name: found for name, found in tokens.items() if found is not None and found.mask.any()}


def texts_by_version(items: pl.DataFrame) -> list[list[str]]:
    """Per language the text of every item (n,), then the text of those items that have it in no language.

    An item's title and description without a language count only where it has no translation: they would be one of
    the translations again. Empty where an item has no text in that version.
    """
    translated = [_joined(items, f"title_{language}", f"description_{language}") for language in LANGUAGES]
    plain = _joined(items, "title", "description")
    untranslated = ["" if any(texts) else own for own, *texts in zip(plain, *translated, strict=True)]
    return [*translated, untranslated]


def _joined(items: pl.DataFrame, *columns: str) -> list[str]:
    return [". ".join(part for part in row if part) for row in items.select(columns).rows()]


def _text_tokens(items: pl.DataFrame, encoders: Encoders, progress: Tell) -> Tokens | None:
    """The mean of one vector per language, so that each language weighs the same however long its text."""
    versions = [texts for texts in texts_by_version(items) if any(texts)]
    if not versions:
        return None
    encoder = encoders.of("text")
    total = np.zeros((items.height, encoder.dim), dtype=np.float32)
    count = np.zeros(items.height, dtype=np.float32)
    for texts in versions:
        rows = [row for row, text in enumerate(texts) if text]
        total[rows] += _text_vectors(encoder, [texts[row] for row in rows], encoders, progress)
        count[rows] += 1
    mask = count > 0
    total[mask] /= count[mask, None]
    return Tokens("text", encoder.encoder_id, total, mask)


def _text_vectors(encoder: Encoder, texts: Sequence[str], encoders: Encoders, progress: Tell) -> FloatArray:
    """Vectors (len(texts), d), from the cache where they are there."""
    cache, keys = encoders.cache(encoder), [text_key(text) for text in texts]
    cache.fill(
        keys,
        lambda rows: (rows, encoder.encode([texts[row] for row in rows])),
        batch_size=encoders.settings.batch_size * _CACHED_AT_ONCE * 4,
        advance=_counted("texts", len(keys), progress),
    )
    return cache.get(keys)


def _attribute_tokens(items: pl.DataFrame, encoder: AttributeEncoder | None) -> Tokens | None:
    if encoder is None or not encoder.dim:
        return None
    vectors, mask = encoder.encode_frame(items)
    return Tokens("attributes", encoder.encoder_id, vectors, mask)


def _image_tokens(
    paths: Sequence[Path | None], encoders: Encoders, broken: BrokenPictures, progress: Tell
) -> Tokens | None:
    """Of the first pictures; an item whose picture is broken or absent lacks the modality."""
    there = {row: path for row, path in enumerate(paths) if path is not None}
    if not there:
        return None
    encoder = encoders.of("image")
    found, vectors = _picture_vectors(encoder, list(there.values()), encoders, broken, progress)
    everything = np.zeros((len(paths), encoder.dim), dtype=np.float32)
    mask: BoolArray = np.zeros(len(paths), dtype=bool)
    present = np.array(list(there))[found]
    everything[present], mask[present] = vectors, True
    return Tokens("image", encoder.encoder_id, everything, mask)


def _picture_key(path: Path) -> Key:
    """Hash of the picture's bytes. A file that cannot be read gets a key of its own: opening it will report it."""
    try:
        return file_key(path)
    except OSError:
        return text_key(f"unreadable {path}")


def _picture_vectors(
    encoder: Encoder, paths: Sequence[Path], encoders: Encoders, broken: BrokenPictures, progress: Tell
) -> tuple[BoolArray, FloatArray]:
    """Which pictures could be used, and their vectors."""
    cache, keys = encoders.cache(encoder), [_picture_key(path) for path in paths]
    sharing: dict[Key, list[int]] = {}
    for row, key in enumerate(keys):
        sharing.setdefault(key, []).append(row)

    def encode_some(rows: list[int]) -> tuple[list[int], FloatArray]:
        good, vectors, faults = _encode_pictures(encoder, rows, paths)
        if faults:  # a thousand empty files are a thousand broken pictures, not one
            broken([(paths[row], fault) for first, fault in faults for row in sharing[keys[first]]], len(keys))
        return good, vectors

    cache.fill(
        keys,
        encode_some,
        batch_size=encoders.settings.batch_size * _CACHED_AT_ONCE,
        advance=_counted("pictures", len(keys), progress),
    )
    found = np.array([key in cache for key in keys])
    return found, cache.get([key for key in keys if key in cache])


def _encode_pictures(
    encoder: Encoder, rows: list[int], paths: Sequence[Path]
) -> tuple[list[int], FloatArray, list[tuple[int, str]]]:
    """All at once; where one is broken, one by one."""
    try:
        return rows, encoder.encode([paths[row] for row in rows]), []
    except PictureError:
        good, vectors, faults = [], [np.zeros((0, encoder.dim), dtype=np.float32)], []
        for row in rows:
            try:
                vectors.append(encoder.encode([paths[row]]))
                good.append(row)
            except PictureError as fault:
                faults.append((row, fault.what))
        return good, np.concatenate(vectors), faults


def _counted(what: str, total: int, progress: Tell) -> Callable[[int], None]:
    """Adds up steps, and tells how far it is."""
    done = 0

    def advance(number: int) -> None:
        nonlocal done
        done += number
        progress(what, done, total)

    return advance
