"""SHRINK: the two towers as ONNX, so that serving needs no torch."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from torch import Tensor, nn

from modaloom.errors import BundleError
from modaloom.models.recommender import FusionRecommender
from modaloom.models.towers import SERVED_HISTORY

TOLERANCE = 1e-3
LONGEST_HISTORY = 4_096
SHORT_HISTORY = 7
"""Of a past that the exported tower is tried on."""
STEP_BY_STEP = ("gru",)
"""Sequence models that are written out step by step, and so for pasts of one length."""


class _UserTower(nn.Module):
    """The user tower."""

    def __init__(self, model: FusionRecommender):
        super().__init__()
        self.model = model

    def forward(self, keys: Tensor, mask: Tensor, event: Tensor, age_days: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, log weights, view weights."""
        return self.model.queries(keys, mask, event, age_days)


class _ItemTower(nn.Module):
    """The item tower from whitened tokens."""

    def __init__(self, model: FusionRecommender):
        super().__init__()
        self.model = model

    def forward(self, tokens: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Keys, attention weights."""
        made = self.model.items(tokens, mask)
        return made.keys, made.weights


def export_towers(model: FusionRecommender, folder: Path) -> None:
    """Writes ``item_tower.onnx`` and ``user_tower.onnx`` and checks that they answer like the model.

    Item tower: tokens (b, m, d) float32 and mask (b, m) bool to keys (b, D) and weights (b, m).
    User tower: keys (b, t, D), mask (b, t) bool, event (b, t) int64 and age_days (b, t) float32 to queries
    (b, q, D), log_weights (b, q), view_weights (b, m + 1); t is 50 where the sequence is a GRU, and free otherwise.

    Raises:
        BundleError: the exported towers give other numbers.
    """
    model.eval()
    m, d = len(model.config.modalities), model.config.dim
    generator = torch.Generator().manual_seed(0)
    tokens = torch.nn.functional.normalize(torch.randn(3, m, d, generator=generator), dim=-1)
    mask = torch.ones(3, m, dtype=torch.bool)
    mask[1, 0] = m == 1
    keys = torch.randn(3, SERVED_HISTORY, (m + 1) * d, generator=generator) * 0.1
    there = torch.arange(SERVED_HISTORY)[None, :] < torch.tensor([5, SERVED_HISTORY, 1])[:, None]
    event = torch.randint(0, 8, (3, SERVED_HISTORY), generator=generator)
    age_days = torch.rand(3, SERVED_HISTORY, generator=generator) * 300
    _export(
        _ItemTower(model),
        (tokens * mask[..., None], mask),
        folder / "item_tower.onnx",
        ("tokens", "mask"),
        ("keys", "weights"),
    )
    _export(
        _UserTower(model),
        (keys, there, event, age_days),
        folder / "user_tower.onnx",
        ("keys", "mask", "event", "age_days"),
        ("queries", "log_weights", "view_weights"),
        any_length=model.config.sequence not in STEP_BY_STEP,
    )


def _export(
    module: nn.Module,
    inputs: tuple[Tensor, ...],
    file: Path,
    names: tuple[str, ...],
    outputs: tuple[str, ...],
    *,
    any_length: bool = False,
) -> None:
    """Writes a module whose inputs have any number of rows; and any number of columns, if they are a history."""
    free = {0: torch.export.Dim("b", min=1, max=65_536)}
    if any_length:
        free[1] = torch.export.Dim("t", min=1, max=LONGEST_HISTORY)
    module.eval()
    with _quiet():
        torch.onnx.export(
            module,
            inputs,
            str(file),
            input_names=list(names),
            output_names=list(outputs),
            dynamic_shapes=tuple(free for _ in inputs),
            dynamo=True,
            external_data=False,
            verbose=False,
        )
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    for rows, length in ((3, None), (1, SHORT_HISTORY if any_length else None)):
        some = tuple(part[:rows, :length] if length else part[:rows] for part in inputs)
        with torch.no_grad():
            wanted = module(*some)
        got = session.run(None, {name: part.numpy() for name, part in zip(names, some, strict=True)})
        for name, expected, value in zip(outputs, wanted, got, strict=True):
            worst = float(np.abs(expected.numpy() - value).max())
            if worst > TOLERANCE:
                raise BundleError(f"{file.name}: {name} differs by {worst:.2g} after export", hint="Please report this")


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """The exporter talks a lot; its errors still come through as exceptions."""
    level = logging.getLogger("torch.onnx").level
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    try:
        with (
            warnings.catch_warnings(),
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.getLogger("torch.onnx").setLevel(level)
