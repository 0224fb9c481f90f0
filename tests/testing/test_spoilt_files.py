"""Spoilt shops and series, a few hundred here; ``benchmarks/fuzz_files.py`` throws thousands."""

from __future__ import annotations

from pathlib import Path

import pytest

from modaloom.config import Settings
from modaloom.testing.spoilt_files import spoilt_series, spoilt_shop


@pytest.mark.parametrize("first", range(0, 160, 20))
def test_spoilt_shops_are_read_or_refused(first: int, tmp_path: Path) -> None:
    settings = Settings(cache_dir=tmp_path / "cache", threads=1)
    outcomes = set()
    for seed in range(first, first + 20):
        folder = tmp_path / str(seed)
        folder.mkdir()
        result = spoilt_shop(folder, seed, settings)
        assert result.outcome != "fault", f"seed {seed}: {result.detail}"
        outcomes.add(result.outcome)
    assert "read" in outcomes


def test_spoilt_series_are_read_or_refused(tmp_path: Path) -> None:
    for seed in range(80):
        result = spoilt_series(tmp_path, seed)
        assert result.outcome != "fault", f"seed {seed}: {result.detail}"
