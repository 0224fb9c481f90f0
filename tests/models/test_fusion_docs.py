"""docs/fusion.md runs, and names every kind and score function."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import torch

from modaloom.models.attention import SCORE_FUNCTIONS
from modaloom.models.fusion import FUSION_KINDS

TEXT = (Path(__file__).parents[2] / "docs" / "fusion.md").read_text(encoding="utf-8")


def test_the_examples_run_and_the_suite_passes() -> None:
    torch.manual_seed(0)
    names: dict[str, Any] = {}
    blocks = re.findall(r"```python\n(.*?)```", TEXT, re.S)
    assert len(blocks) == 4
    for block in blocks:
        exec(block, names)
    suite = names["TestMean"]
    for name in dir(suite):
        if name.startswith("test_"):
            getattr(suite(), name)()


def test_every_kind_is_described() -> None:
    for name in (*FUSION_KINDS, *SCORE_FUNCTIONS):
        assert f"| `{name}` |" in TEXT, name
