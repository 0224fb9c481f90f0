"""The table, the page and the JSON of an evaluation."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from modaloom.evaluation.protocol import Evaluation, Protocol, Round
from modaloom.evaluation.report import heading, print_report, ranked, write_html, write_json
from modaloom.files import write_text

FIGURES = ("recall", "precision", "f1", "ndcg", "hit_rate", "map", "mrr")


def round_(split: str, recall: float, seed: int = 0, *, cold: float = math.nan) -> Round:
    def figures(value: float) -> dict[str, np.ndarray]:
        return {name: np.full(4, value) for name in FIGURES}

    everything = figures(recall) | {"novelty": np.full(4, 8.0)}
    return Round(split, seed, {"all": everything, "warm": figures(recall), "cold": figures(cold)}, 0.5, 1.5, 0.25)


@pytest.fixture
def evaluation() -> Evaluation:
    """Two windows; the shop's name and a reason have what HTML and the terminal would take for their own."""
    rounds = {
        "popularity": [round_("2024-01-01 to 2024-01-28", 0.1), round_("2024-01-29 to 2024-02-25", 0.2)],
        "modaloom": [
            round_("2024-01-01 to 2024-01-28", 0.3, cold=0.2),
            round_("2024-01-29 to 2024-02-25", 0.5, 0, cold=0.1),
            round_("2024-01-29 to 2024-02-25", 0.7, 1, cold=0.1),
        ],
        "newest": [],
    }
    protocol = Protocol("rolling", n=10, windows=2, window_days=28, seeds=(0, 1))
    return Evaluation("R&D [/b] <Shop>", protocol, rounds, {"newest": "no [dates] & <none>"})


def shown(evaluation: Evaluation) -> str:
    console = Console(width=200, record=True, quiet=False)
    with console.capture() as out:
        print_report(evaluation, console)
    return out.get()


def test_the_table_has_the_best_first_and_says_who_was_left_out(evaluation: Evaluation) -> None:
    text = shown(evaluation)
    assert "R&D [/b] <Shop>: rolling, 2 windows of 28 days, top 10, seeds 0, 1; 95 % intervals over shoppers" in text
    assert text.index("modaloom") < text.index("popularity")
    assert " .4500 " in text, "the mean over windows of the mean over seeds"
    assert "left out: newest: no [dates] & <none>" in text
    assert ranked(evaluation) == ["modaloom", "popularity"]


def test_the_heading_of_other_protocols_has_no_windows(evaluation: Evaluation) -> None:
    other = Evaluation("Shop", Protocol("last-out", n=5), evaluation.rounds)
    assert heading(other) == "Shop: last-out, top 5; 95 % intervals over shoppers"


def test_the_page_has_charts_and_needs_nothing_else(evaluation: Evaluation, tmp_path: Path) -> None:
    write_html(evaluation, tmp_path / "deep" / "page.html")
    page = (tmp_path / "deep" / "page.html").read_text(encoding="utf-8")
    for title in ("Recall @ 10", "NDCG @ 10", "Recall of never-sold items @ 10", "Recall @ 10 by window"):
        assert f"<h2>{title}</h2>" in page
    assert page.count("<polyline") == 2
    assert page.count('class="bar ours"') == 3
    assert page.count('class="bar"') == 2, "popularity has nothing cold to show"
    assert "R&amp;D [/b] &lt;Shop&gt;" in page
    assert "<Shop>" not in page
    assert "Left out: newest: no [dates] &amp; &lt;none&gt;" in page
    assert not re.search(r"(src|href|url|@import|https?:|//)\s*[=(]?\s*[\"']?\w", page.replace("charset", ""))
    assert "nan" not in page.lower()


def test_one_window_needs_no_line(evaluation: Evaluation, tmp_path: Path) -> None:
    single = Evaluation("Shop", Protocol("temporal"), {"modaloom": evaluation.rounds["modaloom"][:1]})
    write_html(single, tmp_path / "page.html")
    assert "by window" not in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_nothing_found_at_all_still_makes_a_page(tmp_path: Path) -> None:
    nothing = Evaluation("Shop", Protocol(), {"popularity": [round_("a", 0.0), round_("b", 0.0)]})
    write_html(nothing, tmp_path / "page.html")
    assert "Recall @ 20 by window" in (tmp_path / "page.html").read_text(encoding="utf-8")
    assert ".0000-.0000" in shown(nothing)


def test_the_json_says_null_where_there_is_no_figure(evaluation: Evaluation, tmp_path: Path) -> None:
    write_json(evaluation, tmp_path / "deep" / "figures.json")
    figures = json.loads((tmp_path / "deep" / "figures.json").read_text(encoding="utf-8"))
    assert set(figures) == {"modaloom", "popularity"}
    row = figures["popularity"]
    own = {*FIGURES, "novelty", "coverage", "fit_s", "recommend_s"}
    assert set(row) == own | {"warm", "cold", "new_users", "intervals", "windows", "protocol"}
    assert row["cold"]["recall"] is None
    assert row["cold"]["intervals"]["recall"] == [None, None]
    assert row["warm"]["recall"] == pytest.approx(0.15)
    assert row["protocol"] == {
        "shop": "R&D [/b] <Shop>", "name": "rolling", "n": 10, "windows": 2, "window_days": 28, "seeds": [0, 1],
    }  # fmt: skip
    write_json(Evaluation("Shop", Protocol("temporal"), evaluation.rounds), tmp_path / "temporal.json")
    how = json.loads((tmp_path / "temporal.json").read_text(encoding="utf-8"))["modaloom"]["protocol"]
    assert (how["windows"], how["window_days"]) == (None, None)


def test_a_file_is_whole_or_not_there(tmp_path: Path) -> None:
    file = tmp_path / "page.html"
    write_text(file, "old")
    with pytest.raises(UnicodeEncodeError):
        write_text(file, "half \ud800")
    assert file.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]
