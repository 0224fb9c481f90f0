"""Neighbours of every item, found once for a bundle and kept in the cache for all processes."""

from __future__ import annotations

import logging
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from modaloom.config import Settings
from modaloom.files import whole
from modaloom.ranking.contract import SMALL_CATALOGUE
from modaloom.shop.bundle import Bundle
from modaloom.shop.folder import save_arrays
from modaloom.types import Tell

logger = logging.getLogger(__name__)


def warm(bundle: Bundle, name: str, settings: Settings, tell: Tell) -> None:
    """Finds what is not in the cache yet. Without it the first answers of a large shop take long."""
    file = _file(name, settings)
    if bundle.ranker.n_items <= SMALL_CATALOGUE or file.is_file():
        return
    items = np.arange(bundle.ranker.n_items, dtype=np.int64)
    arrays: dict[str, npt.NDArray[Any]] = {}
    indices = bundle.ranker.neighbour_indices()
    for done, (part, index) in enumerate(indices.items()):
        tell("neighbours", done, len(indices))
        index.prepare(items, settings.threads)
        arrays |= {f"{part}.{key}": value for key, value in index.state().items()}
    try:
        with whole(file) as temporary:
            save_arrays(temporary, arrays)
    except OSError as error:
        logger.warning("%s: cannot keep neighbours (%s): the first answers will take long", file.parent, error.strerror)
    tell("neighbours", len(indices), len(indices))


def take_warm(bundle: Bundle, name: str, settings: Settings) -> bool:
    """Gives a bundle the neighbours that are in the cache; whether there were any. A damaged file is removed."""
    file = _file(name, settings)
    try:
        with file.open("rb") as stream, np.load(stream, allow_pickle=False) as content:
            arrays = {key: content[key] for key in content.files}
    except OSError:
        return False
    except (ValueError, EOFError, zipfile.BadZipFile):  # an empty file ends too early
        file.unlink(missing_ok=True)
        return False
    for part, index in bundle.ranker.neighbour_indices().items():
        own = {key.partition(".")[2]: value for key, value in arrays.items() if key.partition(".")[0] == part}
        if own.keys() == index.state().keys() and len(own["slot"]) == index.n_items:
            index.restore(own)
    return True


def _file(name: str, settings: Settings) -> Path:
    return settings.cache_dir / "neighbours" / f"{name}.npz"
