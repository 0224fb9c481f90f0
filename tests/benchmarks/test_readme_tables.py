"""The figures of README.md and docs/results.md are those of the result files."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.benchmarks.test_studies import FOLDER, study

SCRIPT = FOLDER / "readme_tables.py"
tables: Any = study("readme_tables")


@pytest.fixture
def no_results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder of results in the place of the repository's."""
    monkeypatch.setattr(tables, "HERE", tmp_path)
    (tmp_path / "results").mkdir()
    return tmp_path / "results"


def test_the_documents_quote_the_results() -> None:
    done = subprocess.run([sys.executable, str(SCRIPT), "--check"], check=False)
    assert done.returncode == 0, "run: python benchmarks/readme_tables.py"


def test_every_table_has_its_place() -> None:
    text = "".join(file.read_text(encoding="utf-8") for file in tables.DOCUMENTS)
    assert set(re.findall(r"<!-- table: (\w+) -->", text)) == set(tables.TABLES)
    assert set(re.findall(r"<!-- picture: (\w+) -->", text)) == set(tables.PICTURES)


def test_a_table_appears_with_its_result_file(no_results: Path) -> None:
    empty = "before\n<!-- table: hm_rolling -->\n<!-- end -->\nafter\n"
    missing = tables.rendered(empty)
    assert tables.NOT_MEASURED in missing
    assert tables.rendered(missing) == missing
    row = {"recall": 0.05, "intervals": {"recall": [0.04, 0.06]}, "ndcg": 0.03, "cold": {"recall": 0.02}}
    (no_results / "hm_rolling.json").write_text(json.dumps({"models": {"modaloom": row}}))
    measured = tables.rendered(missing)
    assert "| **modaloom** | 0.0500 [0.0400, 0.0600] | 0.0300 | 0.0200 |" in measured
    assert tables.NOT_MEASURED not in measured
    assert measured.startswith("before\n")
    assert measured.endswith("<!-- end -->\nafter\n")


def test_a_picture_appears_with_its_result_file(no_results: Path) -> None:
    assert tables.picture("new_users") == tables.NOT_MEASURED
    (no_results / "new_users.json").write_text("{}")
    assert "(images/new_users.png)" in tables.picture("new_users")


def test_ablations_have_a_column_for_each_study_that_was_made(no_results: Path) -> None:
    gain = {"recall": 0.1, "recall_gain": 0.02, "recall_gain_interval": [0.01, 0.03]}
    sold = {"never_sold_gain": 0.2, "never_sold_gain_interval": [0.1, 0.3]}
    parts = {"everything": {"recall": 0.12}, "demand": gain | sold}
    study_of_parts = {"rows": {"parts": parts, "alone": {"demand": {"recall": 0.01}}}}
    (no_results / "ablations_amazon.json").write_text(json.dumps(study_of_parts))
    assert "| demand | 0.0100 | +0.0200 [+0.0100, +0.0300] |" in tables.ablated_parts()
    (no_results / "ablations_hm.json").write_text(json.dumps(study_of_parts))
    head, _, row, whole = tables.ablated_parts().splitlines()
    assert head.count("|") == row.count("|") == whole.count("|") == 7
    assert "+0.2000 [+0.1000, +0.3000]" in row
    learning = {"everything": {"recall": 0.12}, "untrained": gain}
    (no_results / "ablations_shop.json").write_text(json.dumps({"rows": {"learning, whole": learning}}))
    assert tables.ablated_learning().splitlines() == [
        "| what is undone | built-in shop, whole blend: it adds |",
        "| --- | --- |",
        "| learning itself | +0.0200 [+0.0100, +0.0300] |",
        "| **nothing** | Recall@20 0.1200 |",
    ]
