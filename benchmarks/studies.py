"""What several studies in this folder begin and end with: the shop that they look at, and means by shopper."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from modaloom.samples.write import write_sample

Recalls = dict[int, float]
"""Recall by user number."""


@contextmanager
def shop_folder(given: Path | None, *, users: int = 800, seed: int = 0) -> Iterator[Path]:
    """The shop that was asked for; where none was, the built-in one, drawn for as long as it is needed."""
    if given:
        yield given
        return
    with TemporaryDirectory() as folder:
        write_sample(Path(folder) / "shop", users=users, seed=seed)
        yield Path(folder) / "shop"


def by_shopper(found: Mapping[int, Recalls]) -> Recalls:
    """Each shopper's mean over seeds, in the order of their numbers."""
    rows: dict[int, list[float]] = {}
    for values in found.values():
        for user, value in values.items():
            rows.setdefault(user, []).append(value)
    return {user: float(np.mean(values)) for user, values in sorted(rows.items())}
