"""From a shop to a bundle: what it says of itself, and runs that are killed and gone on with."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from modaloom.config import load_settings
from modaloom.data.shop import load_shop
from modaloom.encoders.image import ONNX_FILE, EfficientNetLite0, exported_network, with_encoders_of
from modaloom.errors import BundleError, TrainingError
from modaloom.learning import LearnOptions, Tuned, TuningPlan, bundle_writer, load_options, train_bundle
from modaloom.learning.learner import TO_ALL
from modaloom.shop.bundle import load_bundle
from modaloom.types import Snapshot

OPTIONS = LearnOptions(size="small", epochs=3, modalities=("attributes", "behaviour"))
TRAIN = """
import os, signal, sys
import modaloom.learning.bundle_writer as build
from modaloom.cli import main
save, dies_after = build.save_checkpoint, int(sys.argv[1])
def save_and_die(folder, model, optimizer, progress, *, key):
    save(folder, model, optimizer, progress, key=key)
    if progress.epoch == dies_after:
        os.kill(os.getpid(), signal.SIGKILL)
build.save_checkpoint = save_and_die
build.export_towers = lambda model, folder: None  # takes longer than everything else, and is not what is asked
sys.argv = ["modaloom", *sys.argv[2:]]
main()
"""


def start(shop: Path, out: Path, *more: str, dies_after: int = 0) -> subprocess.Popen[str]:
    arguments = [
        "train", str(shop), "--out", str(out), "--size", "small", "--epochs", "3",
        "--modalities", "attributes,behaviour", *more,
    ]  # fmt: skip
    return subprocess.Popen(
        [sys.executable, "-c", TRAIN, str(dies_after), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
    )


@pytest.fixture(scope="module")
def killed(sample_shop: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run that was killed after its second epoch, and one that was not."""
    folder = tmp_path_factory.mktemp("runs")
    runs = start(sample_shop, folder / "killed", dies_after=2), start(sample_shop, folder / "whole")
    for run in runs:
        run.communicate(timeout=300)
    assert runs[0].returncode == -signal.SIGKILL
    assert runs[1].returncode == 0
    assert not (folder / "killed").exists(), "half a run leaves no bundle"
    assert (folder / "killed.training").is_dir()
    assert not (folder / "whole.training").exists(), "a bundle needs no checkpoints"
    return folder


def test_other_options_cannot_go_on_where_these_stopped(killed: Path, sample_shop: Path) -> None:
    """Whatever is changed, and the shop too; the checkpoints stay for whoever asks rightly."""
    settings = load_settings()
    shop = load_shop(sample_shop, settings=settings)
    for name, value in (("seed", 1), ("epochs", 4), ("fusion", "gated")):
        other = LearnOptions(**{**OPTIONS.__dict__, name: value})
        with pytest.raises(TrainingError) as caught:
            train_bundle(shop, killed / "killed", other, settings=settings, resume=True)
        (checkpoint,) = sorted((killed / "killed.training").glob("*-000002.json"))
        assert str(caught.value) == (
            f"{checkpoint}: the checkpoint is of other options, another shop or another Modaloom, so it cannot be gone "
            "on with. Drop --resume to start afresh, or use another --out."
        )
    assert not (killed / "killed").exists()


def test_another_modaloom_cannot_go_on_with_a_model_of_another_shape(
    killed: Path, sample_shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = load_settings()
    shop = load_shop(sample_shop, settings=settings)
    monkeypatch.setattr(bundle_writer, "FORMAT", bundle_writer.FORMAT + 1)
    with pytest.raises(TrainingError, match="or another Modaloom, so it cannot be gone on with"):
        train_bundle(shop, killed / "killed", OPTIONS, settings=settings, resume=True)


def test_a_killed_run_goes_on_as_if_nothing_had_been(killed: Path, sample_shop: Path, tmp_path: Path) -> None:
    shutil.copytree(killed / "killed.training", tmp_path / "bundle.training")
    run = start(sample_shop, tmp_path / "bundle", "--resume")
    _, err = run.communicate(timeout=300)
    assert run.returncode == 0, err
    resumed = json.loads((tmp_path / "bundle" / "metrics.json").read_text(encoding="utf-8"))
    whole = json.loads((killed / "whole" / "metrics.json").read_text(encoding="utf-8"))
    assert resumed == whole
    assert resumed["epochs"] == len(resumed["losses"]) == 3
    for name in ("tables.npz", "part-demand.npz", "whitening.npz"):
        if (killed / "whole" / name).is_file():
            assert (tmp_path / "bundle" / name).read_bytes() == (killed / "whole" / name).read_bytes()
    assert not (tmp_path / "bundle.training").exists()


def test_nothing_is_learnt_for_a_place_that_is_taken(sample_shop: Path, tmp_path: Path) -> None:
    settings = load_settings()
    (tmp_path / "mine.txt").write_text("mine")
    said: list[str] = []
    with pytest.raises(BundleError, match="not empty and not a bundle"):
        train_bundle(
            load_shop(sample_shop, settings=settings),
            tmp_path,
            OPTIONS,
            settings=settings,
            tell=lambda what, done, total: said.append(what),
        )
    assert said == []


def test_a_bundle_says_what_it_is(sample_bundle: Path, sample_shop: Path) -> None:
    bundle = load_bundle(sample_bundle)
    config, metrics = bundle.config, bundle.metrics
    assert config["shop"]["name"] == "Modaloom sample"
    assert config["shop"]["root"] == str(sample_shop.resolve())
    assert config["options"]["size"] == "small"
    assert set(config["encoders"]) == {"image", "text", "attributes"}
    assert set(metrics) == {
        "blend", "cold_start_weights", "validation", "epochs", "best_epoch", "losses", "fusion_validation", "attention",
    }  # fmt: skip
    to_all = sum(metrics["blend"][name] for name in TO_ALL)
    assert metrics["cold_start_weights"].keys() <= set(TO_ALL)
    assert sum(metrics["cold_start_weights"].values()) == pytest.approx(to_all), (
        "they share what these parts weigh in the blend"
    )
    assert config["blend"] == metrics["blend"]
    assert {"image", "text"} <= set(config["parts"]), "they answer photos and words, whatever the blend says"
    card = (sample_bundle / "README.md").read_text(encoding="utf-8")
    for line in (
        "# Modaloom sample",
        "56 items, 80 shoppers",
        "treat that one as personal data",
        "| part | weight |",
    ):
        assert line in card
    assert all(f"| {name} | {weight:.2f} |" in card for name, weight in config["blend"].items())
    assert (sample_bundle / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_a_bundle_brings_its_picture_encoder(sample_bundle: Path, tmp_path: Path) -> None:
    """So that nothing has to be prepared where it serves: the cache stays empty."""
    settings = with_encoders_of(sample_bundle, load_settings(cache_dir=tmp_path / "empty"))
    assert exported_network(settings) == sample_bundle / ONNX_FILE
    assert EfficientNetLite0(settings).encoder_id == load_bundle(sample_bundle).config["encoders"]["image"]
    assert ONNX_FILE in json.loads((sample_bundle / "checksums.json").read_text(encoding="utf-8"))
    assert not (tmp_path / "empty").exists()


def test_a_bundle_without_pictures_brings_no_picture_encoder(killed: Path) -> None:
    assert not (killed / "whole" / ONNX_FILE).exists()


def test_tuned_options_are_learned_with_and_told(
    sample_shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = {
        "minutes": 2.0, "kept": False, "trials": [{}, {}, {}], "defaults": 0.2, "reached": 0.25, "gain": 0.05,
        "standard_error": 0.01, "options": {"learning_rate": 0.01},
    }  # fmt: skip

    def found(snapshot: Snapshot, options: LearnOptions, plan: TuningPlan, *, journal: Path, **_: object) -> Tuned:
        assert journal == tmp_path / "bundle.training" / "tuning.log"
        journal.parent.mkdir(exist_ok=True)
        journal.write_text("{}")
        return Tuned(options.with_values(report["options"]), report)

    monkeypatch.setattr(bundle_writer, "tune", found)
    monkeypatch.setattr(bundle_writer, "export_towers", lambda model, folder: None)
    settings = load_settings()
    options = LearnOptions(size="small", epochs=1, modalities=("attributes", "behaviour"))
    shop = load_shop(sample_shop, settings=settings)
    metrics = train_bundle(shop, tmp_path / "bundle", options, settings=settings, tuning=TuningPlan(2.0))
    assert metrics["tuning"] == report
    assert load_options(tmp_path / "bundle" / "config.json") == options.with_values({"learning_rate": 0.01})
    assert json.loads((tmp_path / "bundle" / "metrics.json").read_text(encoding="utf-8"))["tuning"] == report
    card = (tmp_path / "bundle" / "README.md").read_text(encoding="utf-8")
    assert "Tuned on validation for 2 minutes, 3 trials: recall plus NDCG at 20 went from 0.2000 to 0.2500" in card
    assert "with learning_rate 0.01." in card
    assert not (tmp_path / "bundle.training").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--tune-minutes", "0"), "the time for tuning is 0.0 minutes"),
        (("--options", "none.json"), "none.json: No such file"),
        (("--options", "wrong.json"), "wrong.json: unknown option 'learnin_rate'. Did you mean learning_rate?"),
    ],
)
def test_wrong_tuning_is_one_line(
    arguments: tuple[str, str],
    words: str,
    sample_shop: Path,
    tmp_path: Path,
    command: Callable[..., tuple[int, str, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("wrong.json").write_text('{"learnin_rate": 1}')
    code, _, err = command("train", sample_shop, "--out", "bundle", *arguments)
    assert code == 2
    assert words in err
    assert err.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["wrong.json"]
