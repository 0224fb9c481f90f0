"""Slopes are right, and every step runs at a small size."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.benchmarks.test_studies import FOLDER, study

scaling = study("scaling")


def test_the_slope_is_that_of_the_log_log_plane() -> None:
    rows = [{"items": n, "cpu_s": 2e-6 * n**1.5} for n in (100, 10_000, 1_000)]
    assert scaling.slope(rows) == pytest.approx(1.5)
    assert scaling.slope([*rows, {"items": 10**6, "error": "too large"}]) == pytest.approx(1.5)
    assert scaling.slope(rows[:1]) is None


@pytest.mark.parametrize("step", [name for name in scaling.STEPS if name != "epoch"])
def test_a_step_runs(step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(FOLDER))  # some steps import other scripts when they are asked for
    scaling.STEPS[step](400)()


def test_the_picture_is_drawn(tmp_path: Path) -> None:
    rows = [{"items": n, "cpu_s": n / 1e4, "peak_mb": n // 10} for n in (1_000, 10_000)]
    file = tmp_path / "scaling.png"
    scaling.draw({"linear": {"rows": rows, "slope": 1.0}, "demand": {"rows": rows[:1], "slope": None}}, file)
    assert file.stat().st_size > 5_000
