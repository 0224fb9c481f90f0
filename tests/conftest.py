"""For every test: no setting of whoever runs them, no cache of theirs, no clock that fails a slow machine."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest

try:
    import fcntl
except ImportError:  # Windows has none; without parallel test processes none is needed
    fcntl = None  # type: ignore[assignment]

hypothesis.settings.register_profile("modaloom", deadline=None)
hypothesis.settings.load_profile("modaloom")
os.environ.setdefault("MPLBACKEND", "Agg")
for _name in [
    name
    for name in os.environ
    if name.startswith("MODALOOM_") and name not in ("MODALOOM_REAL_DATA", "MODALOOM_REQUIRE_POSTGRES")
]:
    del os.environ[_name]


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Vectors and encoders of the tests go to a folder that goes with them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MODALOOM_CACHE_DIR", str(tmp_path_factory.mktemp("modaloom-cache")))
        yield


@pytest.fixture(scope="session")
def sample_shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built-in shop with 56 garments and 80 shoppers, for reading only; drawn once for all test processes."""
    from modaloom.samples.write import write_sample

    return _once(tmp_path_factory, "sample-shop", lambda folder: write_sample(folder, items=56, users=80))


@pytest.fixture(scope="session")
def sample_bundle(sample_shop: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small bundle of that shop, for reading only; trained once for all test processes.

    ``sample-scores.npy`` beside it has what the learner in memory said of every shopper.
    """
    import numpy as np

    from modaloom.config import load_settings
    from modaloom.data.shop import load_shop
    from modaloom.learning import bundle_writer
    from modaloom.learning.learner import Modaloom
    from modaloom.learning.options import LearnOptions
    from modaloom.types import Snapshot

    def make(folder: Path) -> None:
        class Remembering(Modaloom):
            def fit(self, snapshot: Snapshot) -> Remembering:
                super().fit(snapshot)
                scores = self.score(snapshot.histories(np.arange(snapshot.n_users)))
                np.save(folder.with_name("sample-scores.npy"), scores)
                return self

        settings = load_settings()
        options = LearnOptions(size="small", epochs=1)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(bundle_writer, "Modaloom", Remembering)
            bundle_writer.train_bundle(load_shop(sample_shop, settings=settings), folder, options, settings=settings)

    return _once(tmp_path_factory, "sample-bundle", make)


@pytest.fixture
def own_bundle(sample_bundle: Path, tmp_path: Path) -> Path:
    """A copy of that bundle and of its shoppers' pasts, to be spoilt."""
    from modaloom.shop.shoppers import shoppers_folder

    shutil.copytree(shoppers_folder(sample_bundle), tmp_path / "bundle.shoppers")
    return Path(shutil.copytree(sample_bundle, tmp_path / "bundle"))


@pytest.fixture
def own_shop(sample_shop: Path, tmp_path: Path) -> Path:
    """A copy of that shop, to be spoilt."""
    return Path(shutil.copytree(sample_shop, tmp_path / "shop"))


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, str, str]]:
    """Runs ``modaloom`` in this process; gives the exit code, standard output and standard error."""
    from modaloom.cli import main

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["modaloom", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as stop:
            main()
        code = stop.value.code
        return code if isinstance(code, int) else int(code is not None), *capsys.readouterr()

    return run


def _once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """A folder that the first test process makes and the others wait for."""
    base = factory.getbasetemp()
    base = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folder, lock = base / name, base / f"{name}.lock"
    with lock.open("w") as held:
        if fcntl is not None:
            fcntl.flock(held, fcntl.LOCK_EX)
        if not folder.exists():
            make(folder)
    return folder
