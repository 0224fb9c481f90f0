"""The example is run as it stands, on a small shop."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest


def test_first_steps(example: Callable[[str], ModuleType], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    example("first_steps").main(tmp_path, items=60, users=40, epochs=1, size="small")
    said = capsys.readouterr().out
    assert "60 items, 40 shoppers" in said
    assert said.count("Query(") == 3
    assert (tmp_path / "bundle" / "checksums.json").is_file()
