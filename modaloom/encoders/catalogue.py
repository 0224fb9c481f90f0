"""A whole catalogue to tokens: one vector and one mask bit per item and modality."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np

from modaloom.config import Settings
from modaloom.data.problems import Problems
from modaloom.data.shop import Shop
from modaloom.encoders.attributes import AttributeEncoder
from modaloom.encoders.cache import Key, VectorCache, file_key, text_key
from modaloom.encoders.load import load_encoder
from modaloom.errors import PictureError, TooManyBadRowsError
from modaloom.types import LANGUAGES, BoolArray, Encoder, FloatArray, Tell, Tokens, silent

CONTENT = ("image", "text", "attributes")
TOLERATED_BAD_PICTURES = 20
_CACHED_AT_ONCE = 8  # encoder batches per shard


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
    makers = {"image": _image_tokens, "text": _text_tokens, "attributes": _attribute_tokens}
    tokens: dict[str, Tokens] = {}
    for modality in CONTENT:
        if modality not in modalities:
            continue
        own = shop.features.get(modality)
        made = own if own is not None and own.mask.any() else makers[modality](shop, settings, progress)
        if made is not None and made.mask.any():
            tokens[modality] = made
    return tokens


def _text_tokens(shop: Shop, settings: Settings, progress: Tell) -> Tokens | None:
    """The mean of one vector per language, so that each language weighs the same however long its text."""
    versions = [texts for texts in _texts_by_language(shop) if any(texts)]
    if not versions:
        return None
    encoder = load_encoder(settings.text_encoder, settings, "text")
    total = np.zeros((shop.n_items, encoder.dim), dtype=np.float32)
    count = np.zeros(shop.n_items, dtype=np.float32)
    for texts in versions:
        rows = [row for row, text in enumerate(texts) if text]
        total[rows] += _cached_texts(encoder, [texts[row] for row in rows], settings, progress)
        count[rows] += 1
    mask = count > 0
    total[mask] /= count[mask, None]
    return Tokens("text", encoder.encoder_id, total, mask)


def _texts_by_language(shop: Shop) -> list[list[str]]:
    """Per language the text of every item; one list from the main columns where there are no translations."""
    items = shop.items
    translated = [
        [
            ". ".join(part for part in row if part)
            for row in items.select(f"title_{language}", f"description_{language}").rows()
        ]
        for language in LANGUAGES
    ]
    if any(any(texts) for texts in translated):
        return translated
    return [[". ".join(part for part in row if part) for row in items.select("title", "description").rows()]]


def _cached_texts(encoder: Encoder, texts: Sequence[str], settings: Settings, progress: Tell) -> FloatArray:
    cache = VectorCache(settings.cache_dir, encoder.encoder_id, encoder.dim)
    keys = [text_key(text) for text in texts]
    done = 0

    def advance(number: int) -> None:
        nonlocal done
        done += number
        progress("texts", done, len(keys))

    cache.fill(
        keys,
        lambda rows: (rows, encoder.encode([texts[row] for row in rows])),
        batch_size=settings.batch_size * _CACHED_AT_ONCE * 4,
        advance=advance,
    )
    return cache.get(keys)


def _attribute_tokens(shop: Shop, settings: Settings, progress: Tell) -> Tokens | None:
    encoder = AttributeEncoder().fit(shop.items)
    if not encoder.dim:
        return None
    vectors, mask = encoder.encode_frame(shop.items)
    return Tokens("attributes", encoder.encoder_id, vectors, mask)


def _image_tokens(shop: Shop, settings: Settings, progress: Tell) -> Tokens | None:
    paths = shop.image_paths()
    there = {row: path for row, path in enumerate(paths) if path is not None}
    if not there:
        return None
    encoder = load_encoder(settings.image_encoder, settings, "image")
    found, vectors = _cached_pictures(encoder, list(there.values()), settings, shop.problems, progress)
    everything = np.zeros((shop.n_items, encoder.dim), dtype=np.float32)
    mask: BoolArray = np.zeros(shop.n_items, dtype=bool)
    present = np.array(list(there))[found]
    everything[present], mask[present] = vectors, True
    return Tokens("image", encoder.encoder_id, everything, mask)


def _picture_key(path: Path) -> Key:
    """Hash of the picture's bytes. A file that cannot be read gets a key of its own: opening it will report it."""
    try:
        return file_key(path)
    except OSError:
        return text_key(f"unreadable {path}")


def _cached_pictures(
    encoder: Encoder, paths: Sequence[Path], settings: Settings, problems: Problems, progress: Tell
) -> tuple[BoolArray, FloatArray]:
    """Which pictures could be used, and their vectors."""
    cache = VectorCache(settings.cache_dir, encoder.encoder_id, encoder.dim)
    keys = [_picture_key(path) for path in paths]
    sharing: dict[Key, list[int]] = {}
    for row, key in enumerate(keys):
        sharing.setdefault(key, []).append(row)
    done = broken = 0

    def advance(number: int) -> None:
        nonlocal done
        done += number
        progress("pictures", done, len(keys))

    def encode(rows: list[int]) -> tuple[list[int], FloatArray]:
        nonlocal broken
        good, vectors, faults = _encode_pictures(encoder, rows, paths)
        for first, fault in faults:
            for row in sharing[keys[first]]:  # a thousand empty files are a thousand broken pictures, not one
                problems.add("broken picture", str(paths[row]), 0, fault)
                broken += 1
        if broken > max(TOLERATED_BAD_PICTURES, settings.max_bad_share * len(keys)):
            raise TooManyBadRowsError(
                f"{broken:,} of {len(keys):,} pictures cannot be used, for example {problems.of('broken picture')[0]}",
                hint="Run 'modaloom check' to list them, mend them, or raise max_bad_share",
            )
        return good, vectors

    cache.fill(keys, encode, batch_size=settings.batch_size * _CACHED_AT_ONCE, advance=advance)
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
