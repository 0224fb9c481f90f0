"""Settings whose cache lies in a temporary folder; the exported EfficientNet is shared by the whole run."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch

from modaloom.config import Settings
from modaloom.encoders.image import EfficientNetLite0

torch.set_num_threads(1)  # tiny tensors: more threads only wait for each other on a busy machine


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache folder that holds the exported picture encoder and nothing else."""
    folder = tmp_path_factory.mktemp("exported")
    EfficientNetLite0(Settings(cache_dir=folder, threads=1))
    return folder


@pytest.fixture
def settings(exported: Path, tmp_path: Path) -> Settings:
    """Two threads, small batches, and a cache of the test's own that already knows the picture encoder."""
    cache = tmp_path / "cache"
    shutil.copytree(exported, cache)
    return Settings(cache_dir=cache, threads=2, batch_size=4)
