"""The report that follows while the demonstration's page is up: its steps, its failures, its end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from modaloom import demo_report
from modaloom.config import load_settings
from modaloom.demo_report import PROGRESS_FILE, STEPS, BackgroundReport, Report, make_report, shoppers
from modaloom.errors import QueryError, ShopError


def steps_of(folder: Path) -> dict[str, dict[str, object]]:
    kept = json.loads((folder / PROGRESS_FILE).read_text(encoding="utf-8"))
    return {step["name"]: step for step in kept["steps"]}


def wait_until(holds: Callable[[], bool], seconds: float = 90) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_one_step_fails_alone(tmp_path: Path) -> None:
    lines: list[str] = []
    report = Report(tmp_path, lines.append, "http://localhost:1")
    with report.step("check") as tell:
        assert steps_of(tmp_path)["check"]["state"] == "running"
        assert steps_of(tmp_path)["lists"]["state"] == "waiting"
        tell("looking", 3, 9)
        assert (steps_of(tmp_path)["check"]["done"], steps_of(tmp_path)["check"]["total"]) == (3, 9)
        report.ready("check", "data check")
    with report.step("lists"):
        raise ShopError("it is closed")
    assert {name: step["state"] for name, step in steps_of(tmp_path).items()} == {
        "check": "ready",
        "lists": "failed",
        "measure": "waiting",
        "trends": "waiting",
    }
    assert steps_of(tmp_path)["lists"]["error"] == "it is closed."
    assert lines == [
        "[report 1/4] data check: http://localhost:1/demo/quality.html",
        "[report 2/4] failed: it is closed.",
    ]


def test_a_fault_of_ours_is_not_hidden(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), Report(tmp_path, print).step("check"):
        _ = 1 // 0


def test_the_whole_report(
    sample_shop: Path, sample_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo_report, "MODELS", ("popularity", "item-knn"))
    (tmp_path / "shop").symlink_to(sample_shop)
    (tmp_path / "bundle").symlink_to(sample_bundle)
    (tmp_path / "bundle.shoppers").symlink_to(sample_bundle.with_name(sample_bundle.name + ".shoppers"))
    lines: list[str] = []
    report = Report(tmp_path / "report", lines.append)
    evaluation = make_report(tmp_path, load_settings(), report, store_url=None)
    assert {step["state"] for step in steps_of(report.folder).values()} == {"ready"}, lines
    assert evaluation is not None
    assert set(evaluation.rounds) == {"popularity", "item-knn"}
    for number, file in enumerate(STEPS.values()):
        assert lines[number].endswith(str(report.folder / file))
        assert "<title>" in (report.folder / file).read_text(encoding="utf-8")
    page = (report.folder / STEPS["lists"]).read_text(encoding="utf-8")
    assert "popularity" in page
    assert all(user_id in page for (user_id,) in shoppers(tmp_path / "shop", 1).values())


def test_a_store_without_a_board_says_why(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'empty.db'}"
    with (
        demo_report._board_of(tmp_path, load_settings(), url) as board_of,
        pytest.raises(QueryError, match=r"events|trend|log|store|weeks"),
    ):
        board_of(lambda *_: None)


def test_a_report_that_dies_is_told_on_the_page_and_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "report").mkdir()
    lines: list[str] = []
    report = BackgroundReport(tmp_path, load_settings(), lines.append, store_url="sqlite:///x", address="http://x")
    wait_until(lambda: bool(lines))
    report.close()
    (line,) = lines
    assert "could not be finished" in line
    assert "ShopNotFoundError" in (tmp_path / "report" / demo_report.LOG_FILE).read_text(encoding="utf-8")
    assert {step["state"] for step in steps_of(tmp_path / "report").values()} == {"failed"}


def test_it_ends_with_who_started_it(tmp_path: Path) -> None:
    """Even where that was killed: the end of the input is what ends it."""
    shop = tmp_path / "shop"
    shop.mkdir()
    os.mkfifo(shop / "shop.toml")  # which is never written to: reading the shop would wait for ever
    process = subprocess.Popen([sys.executable, "-m", "modaloom.demo_report"], stdin=subprocess.PIPE)
    assert process.stdin is not None
    told = {"demo": str(tmp_path), "settings": {}, "store_url": "sqlite:///x", "address": "http://x"}
    process.stdin.write(json.dumps(told).encode() + b"\n")
    process.stdin.flush()
    process.stdin.close()
    assert process.wait(60) == 1
