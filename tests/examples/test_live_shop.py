"""The example is run as it stands, on a small shop."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

FILE = Path(__file__).parents[2] / "examples" / "live_shop.py"


def test_live_shop(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec = importlib.util.spec_from_file_location("live_shop", FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.main(tmp_path, items=60, users=40, epochs=1, size="small")
    said = capsys.readouterr().out
    assert "kept: 2 events, 2 words; erased: {" in said
    assert "after erasure the same as at first: True" in said
    assert "a new item is found after" in said
    assert "deleted: no item 'brand-new'" in said
    assert "personal: False" in said
    lists = {heading: part for heading, _, part in (block.partition(":\n") for block in said.split("\n\n"))}
    liked = next(name for name in lists if name.startswith("after a like of"))
    assert lists["after two clicks"].splitlines()[:8] != lists[liked].splitlines()[:8]
    assert liked.rpartition(" ")[2] not in lists[liked], "what is disliked is not listed"
    assert "Traceback" not in (tmp_path / "service.log").read_text(encoding="utf-8")
