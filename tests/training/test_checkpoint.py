"""A run may be killed at any moment and goes on as if nothing had happened."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from modaloom.errors import TrainingError
from modaloom.training.checkpoint import load_checkpoint, save_checkpoint
from modaloom.training.loop import Progress

CHILD = Path(__file__).with_name("train_in_child.py")


@dataclass
class Run:
    """A model in training, one step an epoch."""

    model: nn.Module
    optimizer: torch.optim.Optimizer
    progress: Progress

    def step(self) -> None:
        torch.manual_seed(self.progress.epoch)
        loss = (self.model(torch.randn(8, 3)) ** 2).mean()
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.progress.epoch += 1
        self.progress.losses.append(float(loss.detach()))
        self.progress.validation.append(1 / 3 + self.progress.epoch)
        if self.progress.epoch < 3:
            self.progress.best_epoch = self.progress.epoch
            self.progress.best = deepcopy(dict(self.model.state_dict()))
        self.progress.mean = {name: value * 0.5 for name, value in self.model.state_dict().items()}

    def save(self, folder: Path, key: str = "k") -> None:
        save_checkpoint(folder, self.model, self.optimizer, self.progress, key=key)

    def resume(self, folder: Path, key: str = "k") -> bool:
        found = load_checkpoint(folder, key=key)
        if found is None:
            return False
        self.model.load_state_dict(found[0])
        self.optimizer.load_state_dict(found[1])
        self.progress = found[2]
        return True


def new_run() -> Run:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))
    return Run(model, torch.optim.AdamW(model.parameters(), lr=0.01, fused=True), Progress())


def epochs_kept(folder: Path) -> list[int]:
    return [json.loads(file.read_text())["epoch"] for file in sorted(folder.glob("*.json"))]


def equal(left: Run, right: Run) -> bool:
    pairs = [(run.model.state_dict(), run.progress.best, run.progress.mean) for run in (left, right)]
    numbers = [(p.epoch, p.losses, p.validation, p.best_epoch) for p in (left.progress, right.progress)]
    return numbers[0] == numbers[1] and all(
        a.keys() == b.keys() and all(torch.equal(a[name], b[name]) and a[name].dtype == b[name].dtype for name in a)
        for a, b in zip(*pairs, strict=True)
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "out" / "checkpoints"


def test_what_was_saved_comes_back_and_goes_on_alike(folder: Path) -> None:
    first, second = new_run(), new_run()
    for _ in range(4):
        first.step()
    first.save(folder)
    assert second.resume(folder)
    assert equal(first, second)
    assert second.optimizer.param_groups[0]["betas"] == first.optimizer.param_groups[0]["betas"]
    assert second.optimizer.param_groups[0]["fused"]
    for _ in range(3):
        first.step()
        second.step()
    assert equal(first, second)


def test_parameters_that_never_had_a_gradient_are_no_trouble(folder: Path) -> None:
    first, second = new_run(), new_run()
    for run in (first, second):
        next(run.model.parameters()).requires_grad_(False)
    first.step()
    first.save(folder)
    assert second.resume(folder)
    first.step()
    second.step()
    assert equal(first, second)


def test_without_validation_there_is_no_best_model(folder: Path) -> None:
    run = new_run()
    run.save(folder)
    found = load_checkpoint(folder, key="k")
    assert found is not None
    assert found[2] == Progress()


def test_no_folder_is_no_checkpoint(folder: Path) -> None:
    assert load_checkpoint(folder, key="k") is None
    folder.mkdir(parents=True)
    assert load_checkpoint(folder, key="k") is None


def test_the_newest_wins_and_the_older_go(folder: Path) -> None:
    run = new_run()
    for _ in range(5):
        run.step()
        run.save(folder)
    assert epochs_kept(folder) == [4, 5]
    assert len(list(folder.iterdir())) == 4
    again = new_run()
    assert again.resume(folder)
    assert again.progress.epoch == 5


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-20])


def flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def lie(file: Path) -> None:
    if file.suffix == ".json":
        file.write_text(json.dumps({**json.loads(file.read_text()), "epoch": 77}))
    else:
        np.savez(file, allow_pickle=False, a=np.zeros(3))


DAMAGES = (cut, flip, lie, lambda file: file.write_bytes(b""), lambda file: file.unlink())


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("kind", ["npz", "json"])
def test_a_damaged_one_is_passed_over(folder: Path, damage: Callable[[Path], object], kind: str) -> None:
    run, again = new_run(), new_run()
    for _ in range(3):
        run.step()
        run.save(folder)
    damage(sorted(folder.glob(f"*.{kind}"))[-1])
    assert again.resume(folder)
    assert again.progress.epoch == 2
    again.step()
    assert equal(run, again)
    again.save(folder)
    fresh = new_run()
    assert fresh.resume(folder)
    assert fresh.progress.epoch == 3
    for file in folder.iterdir():
        damage(file)
    assert not new_run().resume(folder)


@pytest.mark.parametrize("content", ["[]", "3", '{"format": 1}', '{"format": 99, "checksum": "x"}', "\x00"])
def test_a_json_of_something_else_is_passed_over(folder: Path, content: str) -> None:
    folder.mkdir(parents=True)
    (folder / "checkpoint-000009.json").write_text(content)
    (folder / "checkpoint-notes.json").write_text("{}")
    assert load_checkpoint(folder, key="k") is None


def test_what_a_killed_save_leaves_does_no_harm(folder: Path) -> None:
    run = new_run()
    run.step()
    run.save(folder)
    whole = (folder / "checkpoint-000001.npz").read_bytes()
    for leftover in (".checkpoint-000002.npz.9.9.tmp", "checkpoint-000002.npz", ".checkpoint-000002.json.9.9.tmp"):
        (folder / leftover).write_bytes(whole[:100])
        again = new_run()
        assert again.resume(folder)
        assert equal(run, again)
    run.step()
    run.save(folder)
    assert sorted(file.suffix for file in folder.iterdir()) == [".json", ".json", ".npz", ".npz"]
    assert epochs_kept(folder) == [1, 2]


def test_other_options_are_refused(folder: Path) -> None:
    run = new_run()
    run.save(folder, key="small")
    refused = r"other options, another shop or another Modaloom.*Drop --resume.*--out"
    with pytest.raises(TrainingError, match=refused) as caught:
        load_checkpoint(folder, key="large")
    assert caught.value.where is not None
    assert caught.value.where.endswith(".json")


def test_a_run_that_starts_afresh_replaces_the_old_one(folder: Path) -> None:
    old, new = new_run(), new_run()
    for _ in range(4):
        old.step()
    old.save(folder, key="old")
    new.step()
    new.save(folder, key="new")
    assert epochs_kept(folder) == [1]
    with pytest.raises(TrainingError):
        load_checkpoint(folder, key="old")
    assert new_run().resume(folder, key="new")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize("kind", ["npz", "json"])
def test_a_full_disk_is_said_and_leaves_nothing_half_written(folder: Path, kind: str) -> None:
    run = new_run()
    run.step()
    run.save(folder)
    temporary = f".checkpoint-000002.{kind}.{os.getpid()}.{threading.get_ident()}.tmp"
    (folder / temporary).symlink_to("/dev/full")  # every write there fails with ENOSPC
    run.step()
    with pytest.raises(TrainingError, match=r"disk is full.*Free some space.*--resume"):
        run.save(folder)
    assert not list(folder.glob("*.tmp"))
    again = new_run()
    assert again.resume(folder)
    assert again.progress.epoch == 1
    run.save(folder)
    assert again.resume(folder)
    assert again.progress.epoch == 2


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(TrainingError, match=r"cannot be written.*permissions"):
        new_run().save(tmp_path / "file" / "checkpoints")


def test_nothing_in_a_checkpoint_can_run_code(folder: Path) -> None:
    run = new_run()
    run.step()
    run.save(folder)
    with np.load(folder / "checkpoint-000001.npz", allow_pickle=False) as packed:
        assert all(packed[name].dtype.kind in "fi" for name in packed.files)


def child(folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-W", "error", str(CHILD), str(folder)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
    )


def test_a_killed_run_ends_as_if_it_had_not_been(tmp_path: Path) -> None:
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    uninterrupted = child(whole)
    with child(killed) as first:
        assert first.stdout is not None
        for line in first.stdout:
            if line == "epoch 2\n":
                first.kill()  # SIGKILL, somewhere in the third epoch
                break
    assert first.returncode < 0
    assert 2 <= epochs_kept(killed)[-1] < 4
    after, _ = child(killed).communicate(timeout=120)
    expected, _ = uninterrupted.communicate(timeout=120)
    assert len(expected.splitlines()) == 5
    assert after.splitlines()[0] in {"epoch 3", "epoch 4"}, "it began again"
    assert after.splitlines()[-1] == expected.splitlines()[-1]
