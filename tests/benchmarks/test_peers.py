"""The comparison with other people's recommenders: every adapter learns, and one yardstick measures all."""

from __future__ import annotations

import argparse
import importlib
import itertools
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from modaloom.data.splits import Split
from modaloom.evaluation.protocol import recommend_lists
from modaloom.metrics import ranking_metrics
from modaloom.models.baselines import Popularity
from modaloom.testing import checkerboard_world, taste_world
from modaloom.types import Histories, Snapshot

for package in ("psutil", "threadpoolctl", "implicit", "torch", "irspack", "cornac", "mmrec"):
    pytest.importorskip(package, reason="the extra 'peers' is not installed", exc_type=ImportError)

FOLDER = str(Path(__file__).parents[2] / "benchmarks")
pytestmark = pytest.mark.filterwarnings("ignore")  # other people's packages


def load(name: str) -> Any:
    """A script as a module; its folder is no package."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(FOLDER)
        return importlib.import_module(name)


peers, trials = load("peers"), load("peer_trials")
ENTRIES = {entry.name: entry for entry in trials.PEERS}
SMALL: dict[str, dict[str, Any]] = {
    "implicit-als": {"factors": 8}, "implicit-bpr": {"factors": 8, "learning_rate": 0.1},
    "irspack-ials": {"n_components": 8, "alpha0": 0.1}, "irspack-ease": {"reg": 10.0},
    "cornac-bpr": {"k": 8, "max_iter": 200, "learning_rate": 0.1}, "cornac-vbpr": {"n_epochs": 30, "batch_size": 32},
    "mmrec-lightgcn": {"factors": 16}, "mmrec-vbpr": {"epochs": 150, "learning_rate": 0.1, "batch_size": 64},
    "mmrec-freedom": {"factors": 16, "epochs": 20}, "mmrec-bm3": {"factors": 16, "epochs": 20},
}  # fmt: skip


def question(entry: Any) -> Split:
    """A board of two colours for those who know behaviour only; taste in pictures for those who see."""
    snapshot, truth = taste_world("image") if entry.content else checkerboard_world()
    sold = np.zeros(snapshot.n_items, dtype=bool)
    return Split("world", replace(snapshot, exclude_seen=True), np.arange(snapshot.n_users), truth, sold)


def recall(lists: np.ndarray, split: Split) -> float:
    return float(ranking_metrics(lists, split.truth)["recall"].mean())


@pytest.mark.parametrize("name", sorted(ENTRIES))
def test_every_peer_learns_and_is_read_right(name: str) -> None:
    entry = ENTRIES[name]
    split = question(entry)
    model = entry.make(seed=0, **SMALL.get(name, entry.start)).fit(split.snapshot)
    lists = peers.top_lists(model, split, 8)
    chance = recall(recommend_lists(Popularity().fit(split.snapshot), split, 8), split)
    assert recall(lists, split) > 1.15 * chance
    assert recall(recommend_lists(model, split, 8), split) == pytest.approx(recall(lists, split), abs=0.05)


@pytest.mark.parametrize("name", sorted(ENTRIES))
def test_shoppers_are_not_mixed_up(name: str) -> None:
    split = question(ENTRIES[name])
    model = ENTRIES[name].make(seed=0, **SMALL.get(name, ENTRIES[name].start)).fit(split.snapshot)
    users = np.array([7, 3, 11])
    some, everybody = (model.score(split.snapshot.histories(of)) for of in (users, split.user_nums))
    assert some.shape == (3, split.snapshot.n_items)
    np.testing.assert_allclose(some, everybody[users], atol=2e-4)


def test_trials_begin_with_the_start_and_the_defaults_and_never_repeat() -> None:
    for entry in trials.PEERS:
        drawn = list(itertools.islice(entry.trials(0), 60))
        assert drawn[0] == entry.start
        assert {} in drawn[:2]
        assert all(one not in drawn[:place] for place, one in enumerate(drawn))
        assert drawn == list(itertools.islice(entry.trials(0), 60))
        assert len(drawn) == 60 or len(drawn) >= np.prod([len(values) for values in entry.grid.values()])


def test_the_search_keeps_the_best_and_survives_failures() -> None:
    entry = trials.Entry("toy", "toy", object, {"a": 1}, {"a": (1, 2, 3, 4)})

    def attempt(params: dict[str, int]) -> tuple[float, int]:
        if params.get("a") == 3:
            raise MemoryError("too large")
        return float(params.get("a", 0)), params.get("a", 0)

    done = trials.search(entry, 60.0, 0, attempt)
    assert {trial.params.get("a") for trial in done} == {None, 1, 2, 3, 4}
    assert [trial.error for trial in done if trial.params == {"a": 3}] == ["MemoryError: too large"]
    best = max(done, key=lambda trial: trial.value)
    assert (best.params, best.found) == ({"a": 4}, 4)
    assert [trial.found for trial in done if trial is not best] == [None] * 4
    assert len(trials.search(entry, 0.0, 0, attempt)) == trials.LEAST_TRIALS


def test_top_lists_masks_what_may_not_be_shown() -> None:
    snapshot, truth = checkerboard_world()
    hidden = replace(snapshot, catalogue=np.arange(snapshot.n_items) != 4)
    split = Split("world", hidden, np.arange(snapshot.n_users), truth, np.zeros(snapshot.n_items, dtype=bool))
    popular = Popularity().fit(hidden)
    lists = peers.top_lists(popular, split, 20)
    assert recall(lists, split) == pytest.approx(recall(recommend_lists(popular, split, 20), split), abs=0.02)
    assert 4 not in lists
    past = hidden.histories(split.user_nums)
    assert not any(np.isin(lists[row], past.of(row)).any() for row in range(len(lists)))


def test_scores_that_are_not_finite_are_no_result() -> None:
    class Broken(Popularity):
        def score(self, histories: Histories) -> np.ndarray:
            scores = super().score(histories)
            scores[0, 3] = np.nan
            return scores

    snapshot, truth = checkerboard_world()
    split = Split("world", snapshot, np.arange(snapshot.n_users), truth, np.zeros(snapshot.n_items, dtype=bool))
    with pytest.raises(ValueError, match="not finite"):
        peers.top_lists(Broken().fit(snapshot), split)


def test_halves_share_nobody() -> None:
    snapshot, truth = checkerboard_world()
    split = Split("world", snapshot, np.arange(snapshot.n_users), truth, np.zeros(snapshot.n_items, dtype=bool))
    first, second = peers.halves(split, 0)
    assert not set(first.user_nums) & set(second.user_nums)
    assert len(first.user_nums) + len(second.user_nums) == snapshot.n_users
    for part in (first, second):
        for user, items in zip(part.user_nums, part.truth, strict=True):
            np.testing.assert_array_equal(items, truth[user])


def test_memory_is_seen_while_it_is_held() -> None:
    with peers.Watch() as watch:
        block = np.ones(40_000_000)  # 320 MB
        del block
    assert 250 < watch.figures()["added_mb"] < 1_000


def shop_of_ids(folder: Path) -> Path:
    """train.tsv and val.tsv of a board of two colours."""
    snapshot, truth = checkerboard_world(n_users=80)
    bought = snapshot.interactions.select("user_num", "item_num").rows()
    held = [(user, int(item)) for user, items in enumerate(truth) for item in items[:3]]
    for name, pairs in (("train.tsv", bought), ("val.tsv", held)):
        (folder / name).write_text("".join(f"{user}\t{item}\t1.0\n" for user, item in pairs), encoding="utf-8")
    return folder


def asked(root: Path, out: Path, **more: Any) -> argparse.Namespace:
    given = {"data": "amazon", "root": root, "out": out, "tune_s": 0.0, "trials": 2, "threads": 1, "seed": 0}
    return argparse.Namespace(**{**given, "models": "all", "resume": False, "chosen": None, **more})


def test_the_script_reports_figures_reasons_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root, out = shop_of_ids(tmp_path), tmp_path / "out" / "peers.json"
    names = "modaloom,implicit-als,irspack-ease,cornac-vbpr"

    def run(parse: Callable[[], argparse.Namespace]) -> dict[str, Any]:
        monkeypatch.setattr(peers, "parse", parse)
        peers.main()
        models: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))["models"]
        return models

    models = run(lambda: asked(root, out, models=names))
    assert "ids only" in models["cornac-vbpr"]["error"]
    for name, number in (("modaloom", 1), ("implicit-als", 2), ("irspack-ease", 2)):
        row = models[name]
        assert row["intervals"]["recall"][0] <= row["recall"] <= row["intervals"]["recall"][1]
        assert row["users_asked"] == 80
        assert len(row["trials"]) == number
        assert min(row["fit_s"], row["users_per_s"], row["peak_mb"]) > 0
    assert models["irspack-ease"]["recall"] > 0.9
    again = run(lambda: asked(root, out, models=names + ",implicit-item-knn", resume=True))
    assert {name: again[name] for name in models} == models
    assert "implicit-item-knn" in again
    earlier = tmp_path / "earlier.json"
    kept = models["implicit-als"]["params"] | {"iterations": 3}
    earlier.write_text(json.dumps({"models": {"implicit-als": models["implicit-als"] | {"params": kept}}}))
    anew = run(lambda: asked(root, out, models="implicit-als", chosen=earlier))["implicit-als"]
    assert anew["params"] == kept
    assert anew["trials"] == models["implicit-als"]["trials"]
    printed = capsys.readouterr().out
    assert "cornac-vbpr" in printed
    assert "ids only" in printed


def test_each_package_is_there_on_both_data_sets(tmp_path: Path) -> None:
    for data in ("amazon", "hm"):
        there = peers.competitors(asked(tmp_path, tmp_path, data=data))
        able = {entry.package for entry in there if data == "hm" or not entry.content}
        assert able == {"modaloom", "implicit", "irspack", "cornac", "multimodal-recommender"}
        assert there[0].name == "modaloom"


def test_windows_are_measured_as_everywhere_else(sample_shop: Path, tmp_path: Path) -> None:
    from modaloom.config import load_settings
    from modaloom.data.shop import load_shop
    from modaloom.data.splits import rolling_splits
    from modaloom.evaluation.protocol import Protocol, evaluate

    shop = load_shop(sample_shop, settings=load_settings())
    given = asked(sample_shop, tmp_path, data="hm", windows=2, tune_windows=1)
    world = peers.Hm.__new__(peers.Hm)  # the sample shop in the place of H&M
    world.asked, world.shop, world.tokens, world.content = given, shop, {}, True
    entry = trials.Entry("popularity", "modaloom", lambda seed: Popularity())
    row = world.measure(entry, trials.Trial({}, 0.0))
    direct = evaluate(shop, {}, Protocol(windows=2), {"popularity": lambda seed: Popularity()}).summary()["popularity"]
    assert row["recall"] == direct["recall"] > 0
    np.testing.assert_equal(row["cold_recall"], direct["cold"]["recall"])  # NaN where nothing is new
    *_, last = rolling_splits(shop, {}, windows=2, window_days=28)
    assert row["users_asked"] == last.snapshot.targets()["user_num"].n_unique()


def test_an_unknown_name_is_told(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="unknown model nobody"):
        peers.competitors(asked(tmp_path, tmp_path, models="nobody"))


def test_world_of_a_snapshot_without_times_is_everybody() -> None:
    snapshot: Snapshot = checkerboard_world(n_users=12)[0]
    np.testing.assert_array_equal(peers.everybody(snapshot).user_nums, np.arange(12))
