"""The example is run as it stands, on a small shop."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

FILE = Path(__file__).parents[2] / "examples" / "first_steps.py"


def test_first_steps(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec = importlib.util.spec_from_file_location("first_steps", FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.main(tmp_path, items=60, users=40, epochs=1, size="small")
    said = capsys.readouterr().out
    assert "60 items, 40 shoppers" in said
    assert said.count("Query(") == 3
    assert (tmp_path / "bundle" / "checksums.json").is_file()
