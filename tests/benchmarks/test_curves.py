"""The pictures show what the result files say, whatever rows a study happens to have."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.benchmarks.test_studies import FOLDER, study

curves: Any = study("curves")


def figures(recall: float) -> dict[str, Any]:
    cold = {"recall": recall / 2, "intervals": {"recall": [0.0, recall]}}
    return {"recall": recall, "intervals": {"recall": [recall - 0.01, recall + 0.01]}, "cold": cold}


STRANGERS = {
    "shops": {
        "H&M": {
            "models": {
                name: {"0": figures(low), "all": figures(low * 2)} for name, low in (("ials", 0.1), ("modaloom", 0.2))
            }
        },
        "another": {"models": {"modaloom": {"0": figures(0.3)}}},
    }
}


def test_new_users_are_a_chart_per_shop_with_ours_first() -> None:
    hm, other = curves.new_users(STRANGERS)
    assert [hm.title, other.title] == ["H&M", "another"]
    assert list(hm.lines) == ["modaloom", "ials"]
    assert hm.places == ["0", "all"]
    assert hm.lines["ials"].values == [0.1, 0.2]
    assert hm.lines["ials"].high == pytest.approx([0.11, 0.21])


def test_a_treatment_is_drawn_where_it_was_measured_at_every_share() -> None:
    rows = [
        {"setup": setup, "kind": kind, "share": share, "recall": 0.2 - share / 10, "recall_se": 0.01}
        for setup in ("whole", "content", "something new")
        for kind in ("imputer", "imputer, dropout", "zeros")
        for share in (0.0, 0.4)
        if (setup, kind, share) != ("content", "zeros", 0.4)
    ]
    made = {panel.title: panel for panel in curves.missing_modalities({"rows": rows})}
    assert list(made) == [curves.SETUPS["content"], curves.SETUPS["whole"], "something new"]
    assert list(made["something new"].lines) == ["imputer", "zeros"]
    assert list(made[curves.SETUPS["content"]].lines) == ["imputer"], "zeros lack a share"
    line = made["something new"].lines["zeros"]
    assert line.values == pytest.approx([0.2, 0.16])
    assert line.high[1] - line.low[1] == pytest.approx(2 * 1.96 * 0.01)


def test_never_sold_is_drawn_with_and_without_strangers() -> None:
    rolling = {"models": {"modaloom": figures(0.2), "ials": figures(0.1), "unheard of": figures(0.9)}}
    (alone,) = curves.never_sold(rolling, None)
    assert alone.places == ["modaloom", "ials"]
    assert alone.lines["never sold before"].values == [0.1, 0.05]
    assert alone.lines["all"].values == [0.2, 0.1]
    _, strangers = curves.never_sold(rolling, STRANGERS)
    assert strangers.lines["modaloom"].values == [0.1, 0.2]


def test_losses_are_percents() -> None:
    rows = [
        {"model": "modaloom", "dirt": dirt, "loss": loss, "loss_se": 0.01}
        for dirt, loss in (("clean", 0.0), ("label noise 20%", 0.1), ("bulk buyers", 0.05))
    ]
    noise, other = curves.robustness({"rows": rows})
    assert noise.places == ["0%", "20%"]
    assert noise.lines["modaloom"].values == [0.0, 10.0]
    assert other.lines["modaloom"].values == [5.0]


def test_what_was_not_measured_is_not_drawn(tmp_path: Path) -> None:
    assert not dict(curves.pictures(tmp_path))
    (tmp_path / "new_users.json").write_text(json.dumps(STRANGERS))
    assert list(dict(curves.pictures(tmp_path))) == ["new_users"]


def test_every_picture_of_the_repository_has_a_file_of_results() -> None:
    for name, make in curves.pictures(FOLDER / "results"):
        assert make(), name
        assert (FOLDER.parent / "docs" / "images" / f"{name}.png").exists(), "run: python benchmarks/curves.py"
