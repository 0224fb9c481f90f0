"""One thread for the tiny tensors of these tests, and logs written out by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import torch

from modaloom.numerics import Whitening
from modaloom.testing import checkerboard_world, taste_world
from modaloom.training.fitting import whiten
from modaloom.types import INTERACTION_COLUMNS, ITEM_COLUMNS, Event, Snapshot

torch.set_num_threads(1)

MakeSnapshot = Callable[..., Snapshot]


def _made(rows: Iterable[tuple[int, int, int, int]], *, n_items: int | None = None) -> Snapshot:
    table = np.array(sorted(rows, key=lambda row: row[3]), dtype=np.int64).reshape(-1, 4)
    columns = dict(zip(("user_num", "item_num", "event", "timestamp"), table.T, strict=True))
    n_items = n_items or int(table[:, 1].max(initial=0)) + 1
    n_users = int(table[:, 0].max(initial=0)) + 1
    return Snapshot(
        items=pl.DataFrame([pl.Series(name, [None] * n_items, dtype=kind) for name, kind in ITEM_COLUMNS.items()]),
        users=pl.DataFrame({"user_id": [str(num) for num in range(n_users)]}),
        interactions=pl.DataFrame({**columns, "value": np.full(len(table), np.nan)}).select(
            pl.col(name).cast(kind) for name, kind in INTERACTION_COLUMNS.items()
        ),
        tokens={},
        catalogue=np.ones(n_items, dtype=bool),
        now=int(table[:, 3].max(initial=0)) + 1,
        target_events=(Event.PURCHASE,),
    )


@pytest.fixture(scope="session")
def make_snapshot() -> MakeSnapshot:
    """A snapshot of (user, item, event, timestamp) rows."""
    return _made


def _whitened(snapshot: Snapshot, dim: int) -> Snapshot:
    tokens = {name: whiten(raw, Whitening.fit(raw.vectors, raw.mask, dim)) for name, raw in snapshot.tokens.items()}
    return replace(snapshot, tokens=tokens)


@pytest.fixture(scope="session")
def text_world() -> Snapshot:
    """A shop in which taste lives in words, ready to learn from at dim 16."""
    return _whitened(taste_world("text", dim=16)[0], 16)


@pytest.fixture(scope="session")
def board() -> Snapshot:
    """A shop in which behaviour is all there is."""
    return checkerboard_world()[0]
