"""The towers as ONNX answer like the model, whatever it is made of."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
import torch

from modaloom import export
from modaloom.errors import BundleError
from modaloom.export import export_towers
from modaloom.models.recommender import FusionRecommender, RecommenderConfig
from modaloom.models.towers import SERVED_HISTORY, ItemTable
from modaloom.ranking.fusion import FusionPart
from modaloom.shop.bundle import ItemTower, OnnxTower

DIM = 8
MODALITIES = ("image", "text")


def model(**config: str) -> FusionRecommender:
    torch.manual_seed(0)
    return FusionRecommender(RecommenderConfig(MODALITIES, DIM, **config)).eval()  # type: ignore[arg-type]


@pytest.mark.parametrize("any_length", [True, False])
def test_the_towers_answer_like_the_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, any_length: bool) -> None:
    """The default fusion is exported for every bundle that is tested elsewhere; here it is another.

    A tower for pasts of one length is what a GRU has, which takes half a minute to export, and bundles of before.
    """
    if not any_length:
        monkeypatch.setattr(export, "STEP_BY_STEP", ("kernel",))
    made = model(fusion="gated", sequence="kernel")
    export_towers(made, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["item_tower.onnx", "user_tower.onnx"]
    rng = np.random.default_rng(0)
    tokens = rng.standard_normal((7, len(MODALITIES), DIM)).astype(np.float32)
    mask = np.ones((7, len(MODALITIES)), dtype=bool)
    mask[2, 0] = mask[5, 1] = False
    tokens[~mask] = 0.0
    keys, weights = ItemTower(tmp_path / "item_tower.onnx")(tokens, mask)
    with torch.no_grad():
        items = made.items(torch.from_numpy(tokens), torch.from_numpy(mask))
    np.testing.assert_allclose(keys, items.keys.numpy(), atol=1e-4)
    np.testing.assert_allclose(weights, items.weights.numpy(), atol=1e-4)
    assert weights[2, 0] == pytest.approx(0.0, abs=1e-6)
    tower = OnnxTower(tmp_path / "user_tower.onnx")
    table = ItemTable(MODALITIES, keys, weights)
    for length in (1, 3, SERVED_HISTORY):
        past = np.resize(np.arange(7), (2, length))
        there = np.ones((2, length), dtype=bool)
        event, age = np.full((2, length), 3), np.full((2, length), 2.0, dtype=np.float32)
        got = tower(keys[past], there, event, age)
        with torch.no_grad():
            wanted = made.queries(*(torch.from_numpy(part) for part in (keys[past], there, event, age)))
        own = type(got)(*(part.numpy() for part in wanted))
        assert got.queries.shape[1] == (length if any_length else SERVED_HISTORY)
        part = FusionPart(table, tower)
        np.testing.assert_allclose(part.score_queries(got), part.score_queries(own), atol=1e-3)


def test_towers_that_answer_otherwise_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "TOLERANCE", -1.0)
    layer = torch.nn.Linear(2, 2)
    with pytest.raises(BundleError, match=r"layer\.onnx: out differs by .* after export\. Please report this"):
        export._export(layer, (torch.zeros(3, 2),), tmp_path / "layer.onnx", ("in",), ("out",))


def test_the_exporter_is_quiet_and_logging_is_as_before(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    level = logging.getLogger("torch.onnx").level
    with export._quiet():
        print("chatter")
        logging.getLogger("torch.onnx").warning("more of it")
    assert logging.getLogger("torch.onnx").level == level
    assert capsys.readouterr().out == ""
