"""A tiny training run with checkpoints, to be killed: ``python train_in_child.py FOLDER``.

Says ``epoch N`` after each checkpoint, and at the end ``done`` with a hash of everything that was learned.
"""

from __future__ import annotations

import hashlib
import sys
from dataclasses import replace
from pathlib import Path

import torch

from modaloom.models.recommender import FusionRecommender
from modaloom.numerics import Whitening
from modaloom.testing import taste_world
from modaloom.training.checkpoint import load_checkpoint, save_checkpoint
from modaloom.training.fitting import FusionConfig, fit_fusion, whiten
from modaloom.training.loop import LoopConfig, Progress


def train(folder: Path) -> str:
    """Goes on from the newest checkpoint; gives the hash of the final model and of all numbers on the way."""
    torch.set_num_threads(1)
    world, _ = taste_world("text", n_users=100, n_items=120)
    tokens = {name: whiten(raw, Whitening.fit(raw.vectors, raw.mask, 16)) for name, raw in world.tokens.items()}

    def keep(model: FusionRecommender, optimizer: torch.optim.Optimizer, progress: Progress) -> None:
        save_checkpoint(folder, model, optimizer, progress, key="world")
        print(f"epoch {progress.epoch}", flush=True)

    fitted = fit_fusion(
        replace(world, tokens=tokens),
        FusionConfig(dim=16, loop=LoopConfig(epochs=4, batch_size=64, negatives=128)),
        after_epoch=keep,
        resume=load_checkpoint(folder, key="world"),
    )
    digest = hashlib.sha256(repr((fitted.progress.losses, fitted.progress.epoch)).encode())
    for name, value in fitted.model.state_dict().items():
        digest.update(name.encode() + value.numpy().tobytes())
    return digest.hexdigest()


def main() -> None:
    print("done", train(Path(sys.argv[1])), flush=True)


if __name__ == "__main__":
    main()
