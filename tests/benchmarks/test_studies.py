"""What the studies do to a shop before they measure: hiding and spoiling, on a small world."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import polars as pl
import pytest

from modaloom.data.shop import load_shop
from modaloom.data.splits import Split, random_split
from modaloom.types import Tokens

FOLDER = Path(__file__).parents[2] / "benchmarks"


def study(name: str) -> ModuleType:
    """A script of the benchmarks as a module; they import each other as scripts do."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(FOLDER))
        spec = importlib.util.spec_from_file_location(f"study_{name}", FOLDER / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def split(sample_shop: Path) -> Split:
    shop = load_shop(sample_shop)
    rng = np.random.default_rng(0)
    tokens = {}
    for name in ("image", "text", "attributes"):
        mask = rng.random(shop.n_items) < 0.9
        tokens[name] = Tokens(name, "hand/1", (rng.normal(size=(shop.n_items, 8)) * mask[:, None]).astype("f4"), mask)
    return random_split(shop, tokens)


@pytest.mark.parametrize("share", [0.0, 0.4, 1.0])
def test_hidden_values_are_gone_and_every_fill_hides_the_same(share: float, split: Split) -> None:
    missing = study("missing_modalities")
    tokens = split.snapshot.tokens
    masked, zeros, means = (missing.hide(tokens, share, 3, fill) for fill in ("mask", "zeros", "means"))
    for name, made in tokens.items():
        assert not (masked[name].mask & ~made.mask).any()
        assert (masked[name].vectors[~masked[name].mask] == 0).all()
        assert zeros[name].mask.all()
        assert means[name].mask.all()
        assert (zeros[name].vectors == masked[name].vectors).all()
        there = masked[name].mask
        assert (means[name].vectors[there] == made.vectors[there]).all()
        if share == 0:
            assert (there == made.mask).all()
        if 0 < there.sum() < len(there):
            assert means[name].vectors[~there] == pytest.approx(
                np.tile(made.vectors[there].mean(axis=0), (int((~there).sum()), 1)), abs=1e-6
            )


def test_a_study_of_nothing_hidden_has_no_loss() -> None:
    missing = study("missing_modalities")
    same = {0: {1: 0.5, 2: 0.1}, 1: {1: 0.3}}
    worse = {0: {1: 0.4, 2: 0.1}, 1: {1: 0.2}}
    default = missing.DEFAULT.name
    found = {("whole", default, 0.0): same, ("whole", default, 0.4): worse, ("whole", "zeros", 0.4): same}
    complete, hidden, zeros = missing.summarise(found)
    assert complete["loss"] == complete["loss_se"] == 0
    assert complete["recall"] == pytest.approx((0.4 + 0.1) / 2), "a shopper counts once, by their mean over seeds"
    assert hidden["loss"] == pytest.approx(0.05 / 0.25)
    assert zeros["more_than_default"] == pytest.approx(-hidden["loss"])


@pytest.mark.parametrize("share", [0.05, 0.4])
def test_label_noise_spoils_that_share_and_never_the_answers(share: float, split: Split) -> None:
    robust = study("robustness")
    spoilt = robust.label_noise(share)(split, np.random.default_rng(0))
    before, after = split.snapshot.interactions, spoilt.snapshot.interactions
    changed = (before["item_num"] != after["item_num"]).fill_null(False)
    targets = before.select(robust.is_target(split.snapshot)).to_series()
    assert not (changed & ~targets).any(), "only purchases"
    assert changed.sum() / targets.sum() == pytest.approx(share, abs=0.12)
    assert after.drop("item_num").equals(before.drop("item_num"))
    for user, truth in zip(split.user_nums.tolist(), split.truth, strict=True):
        wrong = after.filter(changed & (pl.col("user_num") == user))["item_num"].to_list()
        assert not set(wrong) & set(truth.tolist())


def test_bulk_buyers_come_in_addition(split: Split) -> None:
    robust = study("robustness")
    spoilt = robust.bulk_buyers(split, np.random.default_rng(0)).snapshot
    assert spoilt.n_users == split.snapshot.n_users + robust.BULK_BUYERS
    assert spoilt.interactions.height == split.snapshot.interactions.height + robust.BULK_BUYERS * robust.BULK_EVENTS
    assert spoilt.interactions["timestamp"].is_sorted()
    assert (spoilt.interactions["timestamp"] < spoilt.now).all()
    ours = spoilt.interactions.filter(pl.col("user_num") < split.snapshot.n_users)
    assert ours.equals(split.snapshot.interactions)
    assert not spoilt.interactions["timestamp"].max(), "a log without times stays one"
    dated = split.snapshot.interactions.with_columns(timestamp=pl.lit(spoilt.now - 1, dtype=pl.Int64))
    timed = robust.bulk_buyers(robust.with_snapshot(split, interactions=dated), np.random.default_rng(0)).snapshot
    assert (timed.interactions["timestamp"] > spoilt.now - 61 * 86_400).all()


def test_doubles_share_what_was_sold(split: Split) -> None:
    robust = study("robustness")
    spoilt = robust.doubles(split, np.random.default_rng(0))
    snapshot, clean = spoilt.snapshot, split.snapshot
    assert snapshot.n_items == len(spoilt.ever_sold) == len(snapshot.catalogue) > clean.n_items
    original = robust.garments(spoilt, split)
    assert (original[: clean.n_items] == np.arange(clean.n_items)).all()
    was, now = (log.interactions["item_num"].drop_nulls().to_numpy() for log in (clean, snapshot))
    assert (original[now] == was).all(), "another number, the same garment"
    assert (now >= clean.n_items).any()
    for name, made in snapshot.tokens.items():
        assert (made.mask == clean.tokens[name].mask[original]).all()


def test_broken_vectors_and_prices_are_few(split: Split) -> None:
    robust = study("robustness")
    vectors = robust.broken_vectors(split, np.random.default_rng(0)).snapshot.tokens
    for name in ("image", "text"):
        changed = (vectors[name].vectors != split.snapshot.tokens[name].vectors).any(axis=1)
        assert 0 < changed.sum() < 0.25 * len(changed)
        assert not (changed & ~split.snapshot.tokens[name].mask).any()
    prices = robust.extreme_prices(split, np.random.default_rng(1)).snapshot
    assert prices.items["price"].max() >= split.snapshot.items["price"].max()
    assert prices.tokens["attributes"].vectors.shape[0] == split.snapshot.n_items


def test_kinds_of_fusion_are_asked_by_name_with_the_default_first() -> None:
    kinds = study("fusion_kinds")
    assert list(kinds.chosen("")) == list(kinds.variants())
    assert list(kinds.chosen("gru;untrained")) == ["attention, scaled_dot", "gru", "untrained"]
    with pytest.raises(SystemExit, match="grue"):
        kinds.chosen("grue")


def test_a_study_in_processes_from_its_shop_to_its_file(sample_shop: Path, tmp_path: Path) -> None:
    command = [sys.executable, str(FOLDER / "robustness.py"), "--shop", str(sample_shop), "--seeds", "0"]
    command += ["--models", "popularity", "content-knn", "--jobs", "1", "--out", str(tmp_path / "found.json")]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    rows = json.loads((tmp_path / "found.json").read_text())["rows"]
    assert {row["dirt"] for row in rows} == set(study("robustness").DIRT)
    assert all(row["loss"] == 0 for row in rows if row["dirt"] == "clean")
    assert any(row["loss"] for row in rows)


def test_curves_become_a_picture(tmp_path: Path) -> None:
    drawing = study("drawing")
    line = drawing.Line([0.1, 0.2], [0.05, 0.15], [0.15, 0.25])
    panel = drawing.Panel("title", "x", "y", ["0", "1"], {"one": line, "two": replace(line, dashed=True)})
    drawing.draw_curves([panel, panel], tmp_path / "deep" / "curves.png")
    assert (tmp_path / "deep" / "curves.png").read_bytes()[:4] == b"\x89PNG"
