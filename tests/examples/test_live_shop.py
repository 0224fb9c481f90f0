"""The example is run as it stands, on a small shop."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest


def test_live_shop(example: Callable[[str], ModuleType], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    example("live_shop").main(tmp_path, items=60, users=40, epochs=1, size="small")
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
