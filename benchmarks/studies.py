"""What several studies in this folder share: the shop that they look at, a pool of processes, means by shopper."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import torch

from modaloom.config import load_settings
from modaloom.data.shop import Shop, load_shop
from modaloom.data.splits import Split, random_split, rolling_splits
from modaloom.encoders.encode import encode_items
from modaloom.samples.write import write_sample
from modaloom.types import Tokens

HM = Path(__file__).parents[1] / "examples" / "shops" / "hm.toml"
"""The map of H&M's files; where they lie is said when it is read."""
Recalls = dict[int, float]
"""Recall by user number."""
Values = npt.NDArray[np.float64]
Job = TypeVar("Job")
Key = TypeVar("Key", bound=tuple[object, ...])
Measured = tuple[Key, int, Recalls]
"""What was measured, the seed, and the values."""


@contextmanager
def shop_folder(given: Path | None, *, users: int = 800, seed: int = 0) -> Iterator[Path]:
    """The shop that was asked for; where none was, the built-in one, drawn for as long as it is needed."""
    if given:
        yield given
        return
    with TemporaryDirectory() as folder:
        write_sample(Path(folder) / "shop", users=users, seed=seed)
        yield Path(folder) / "shop"


def work_through(
    place: Path, jobs: Sequence[Job], work: Callable[[Job], list[Measured[Key]]], processes: int
) -> dict[Key, dict[int, Recalls]]:
    """What all jobs measured, by key and seed; each process has one core, and the shop is encoded once before."""
    read_shop(place)
    found: dict[Key, dict[int, Recalls]] = {}
    with ProcessPoolExecutor(processes, multiprocessing.get_context("spawn"), initializer=_one_core) as pool:
        for rows in pool.map(work, jobs):
            for key, seed, values in rows:
                found.setdefault(key, {})[seed] = values
    return found


def _one_core() -> None:
    torch.set_num_threads(1)


def read_shop(place: str | Path, *, root: Path | None = None) -> tuple[Shop, dict[str, Tokens]]:
    """A shop and the content vectors of its items."""
    settings = load_settings()
    shop = load_shop(place, root=root, settings=settings)
    return shop, encode_items(shop, settings=settings)


def read_question(place: str | Path, seed: int) -> Split:
    """The shop's protocol ``random`` with one seed, content vectors included."""
    shop, tokens = read_shop(place)
    return random_split(shop, tokens, seed=seed)


def drawn(seeds: str, users: int, *, forward: bool = False) -> list[Split]:
    """One question of each built-in shop: items of everybody's past, or with ``forward`` the last 28 days."""
    splits = []
    for seed in seeds.split(","):
        with shop_folder(None, users=users, seed=int(seed)) as place:
            if forward:
                (split,) = rolling_splits(*read_shop(place), windows=1, window_days=28)
            else:
                split = read_question(place, 0)
            splits.append(replace(split, name=f"shop {seed}"))
    return splits


def mean_and_error(values: Values) -> tuple[float, float]:
    """The mean over shoppers and its standard error."""
    return float(values.mean()), float(values.std(ddof=1) / np.sqrt(len(values)))


def by_shopper(found: Mapping[int, Recalls]) -> Recalls:
    """Each shopper's mean over seeds, in the order of their numbers."""
    rows: dict[int, list[float]] = {}
    for values in found.values():
        for user, value in values.items():
            rows.setdefault(user, []).append(value)
    return {user: float(np.mean(values)) for user, values in sorted(rows.items())}


def evened(windows: Sequence[Values]) -> Values:
    """Values of all windows in one array, scaled so that its mean is the mean over windows; without the NaN."""
    known = [values[~np.isnan(values)] for values in windows]
    there = [values for values in known if len(values)]
    total = sum(len(values) for values in there)
    return np.concatenate([values * (total / len(there) / len(values)) for values in there]) if there else np.zeros(0)
