"""A bundle is whole and trusted, or it is refused; what stood there before is never lost."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from modaloom.errors import BundleError, ChecksumError
from modaloom.shop.bundle import Bundle, ItemTower, load_bundle, verify
from modaloom.shop.folder import (
    CHECKSUMS,
    checksum,
    put_back,
    refuse_foreign,
    reserved,
    save_arrays,
    write_bundle,
)
from modaloom.shop.locks import held


@pytest.fixture(scope="module")
def bundle(sample_bundle: Path) -> Bundle:
    return load_bundle(sample_bundle)


@pytest.fixture
def own_bundle(sample_bundle: Path, tmp_path: Path) -> Path:
    """A copy without its shoppers' pasts: what lies beside it is of what is written here."""
    return Path(shutil.copytree(sample_bundle, tmp_path / "bundle"))


def reseal(folder: Path) -> None:
    """New checksums, as if the folder had been written like this."""
    sums = {path.name: checksum(path) for path in sorted(folder.iterdir()) if path.name != CHECKSUMS}
    (folder / CHECKSUMS).write_text(json.dumps(sums), encoding="utf-8")


def copier(source: Path, marker: str = "") -> Callable[[Path], None]:
    """Fills a new bundle with an old one's files."""

    def write(folder: Path) -> None:
        for file in source.iterdir():
            if file.name != CHECKSUMS:
                shutil.copyfile(file, folder / file.name)
        if marker:
            for name in ("config.json", "metrics.json"):
                content = json.loads((folder / name).read_text(encoding="utf-8"))
                (folder / name).write_text(json.dumps({**content, "marker": marker}), encoding="utf-8")

    return write


def test_a_bundle_has_what_its_docstring_says(sample_bundle: Path, bundle: Bundle) -> None:
    names = {path.name for path in sample_bundle.iterdir()}
    assert names >= {
        "config.json", "metrics.json", "items.parquet", "tables.npz",
        "whitening.npz", "attributes.npz", "curves.png", "README.md", CHECKSUMS,
    }  # fmt: skip
    assert {f"part-{name}.npz" for name in bundle.config["parts"]} <= names
    assert set(json.loads((sample_bundle / CHECKSUMS).read_text())) == names - {CHECKSUMS}
    assert bundle.ranker.weights == json.loads((sample_bundle / "metrics.json").read_text())["blend"]
    assert (
        bundle.ranker.cold_start_weights
        == json.loads((sample_bundle / "metrics.json").read_text())["cold_start_weights"]
    )
    assert bundle.snapshot.n_items == 56
    assert bundle.pictures_root.is_dir()
    assert not {path.suffix for path in sample_bundle.iterdir()} & {".pkl", ".pt", ".pickle"}


def test_every_flipped_byte_is_noticed(sample_bundle: Path, own_bundle: Path) -> None:
    for file in sorted(sample_bundle.iterdir()):
        if file.name == CHECKSUMS:
            continue
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 1
        (own_bundle / file.name).write_bytes(content)
        with pytest.raises(ChecksumError, match=rf"{file.name} was changed\. Copy the bundle again, or train it again"):
            verify(own_bundle)
        shutil.copyfile(file, own_bundle / file.name)
    verify(own_bundle)


def test_every_missing_file_is_noticed(own_bundle: Path) -> None:
    (own_bundle / "items.parquet").unlink()
    (own_bundle / "tables.npz").write_bytes(b"")
    with pytest.raises(ChecksumError, match=r"items\.parquet is missing, tables\.npz was changed"):
        load_bundle(own_bundle)


def test_what_is_no_bundle_is_refused(tmp_path: Path, own_bundle: Path) -> None:
    with pytest.raises(BundleError, match=r"no such bundle\. Run 'modaloom train SHOP --out BUNDLE' first"):
        load_bundle(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(BundleError, match=r"no checksums\.json: it is not a bundle"):
        load_bundle(tmp_path / "empty")
    (own_bundle / CHECKSUMS).write_text("{")
    with pytest.raises(ChecksumError, match=r"checksums\.json is damaged"):
        load_bundle(own_bundle)
    for content in ("[]", "3", "{}", '{"config.json": "0"}'):
        (own_bundle / CHECKSUMS).write_text(content)
        with pytest.raises(ChecksumError, match=r"checksums\.json does not name every file of a bundle"):
            load_bundle(own_bundle)


def test_another_format_is_refused(own_bundle: Path) -> None:
    config = json.loads((own_bundle / "config.json").read_text(encoding="utf-8"))
    (own_bundle / "config.json").write_text(json.dumps({**config, "format": 99}))
    reseal(own_bundle)
    with pytest.raises(BundleError, match=r"the bundle has format 99, this Modaloom reads 4\. Train it again"):
        load_bundle(own_bundle)
    (own_bundle / "config.json").write_text(json.dumps({**config, "parts": ["astrology"]}))
    reseal(own_bundle)
    with pytest.raises(BundleError, match="unknown part 'astrology'"):
        load_bundle(own_bundle)


def test_files_that_are_not_what_they_should_be_are_named(own_bundle: Path) -> None:
    """Their checksums are right: somebody wrote them like this."""
    with pytest.raises(BundleError, match="the tower cannot be loaded"):
        ItemTower(own_bundle / "README.md")
    np.savez(own_bundle / "tables.npz", catalogue=np.array([object()], dtype=object))
    reseal(own_bundle)
    with pytest.raises(BundleError, match=r"tables\.npz: cannot be read"):
        load_bundle(own_bundle)
    (own_bundle / "tables.npz").write_bytes(b"no archive")
    reseal(own_bundle)
    with pytest.raises(BundleError, match=r"tables\.npz: cannot be read"):
        load_bundle(own_bundle)


def test_nothing_of_a_stranger_is_replaced(tmp_path: Path, own_bundle: Path) -> None:
    write = copier(own_bundle)
    photos = tmp_path / "photos"
    photos.mkdir()
    (photos / "me.jpg").write_bytes(b"x")
    with pytest.raises(BundleError, match=r"the folder is not empty and not a bundle\. Give --out another name"):
        write_bundle(photos, write)
    (photos / CHECKSUMS).write_text('{"me.jpg": "0"}')
    with pytest.raises(BundleError, match="not a bundle"):
        write_bundle(photos, write)
    (photos / CHECKSUMS).write_text("3")
    with pytest.raises(BundleError, match="not a bundle"):
        refuse_foreign(photos)
    with pytest.raises(BundleError, match="this is a file"):
        write_bundle(photos / "me.jpg", write)
    with pytest.raises(BundleError, match="the root of the file system"):
        refuse_foreign(Path(photos.anchor))
    (own_bundle / "notes.txt").write_text("mine")
    with pytest.raises(BundleError, match=r"beside a bundle the folder holds notes\.txt, which would be lost"):
        write_bundle(own_bundle, write)
    assert (photos / "me.jpg").read_bytes() == b"x"
    assert (own_bundle / "notes.txt").read_text() == "mine"


def test_a_new_bundle_takes_the_place_of_the_old(tmp_path: Path, sample_bundle: Path) -> None:
    folder = tmp_path / "deep" / "bundle"
    write_bundle(folder, copier(sample_bundle, "old"))
    write_bundle(folder, copier(sample_bundle, "new"))
    assert load_bundle(folder).config["marker"] == "new"
    assert [path.name for path in folder.parent.iterdir()] == ["bundle"]
    empty = tmp_path / "empty"
    empty.mkdir()
    write_bundle(empty, copier(sample_bundle))
    link = tmp_path / "link"
    link.symlink_to(folder)
    write_bundle(link, copier(sample_bundle, "newest"))
    assert link.is_symlink()
    assert load_bundle(folder).config["marker"] == "newest"


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "the disk is full"),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), "the disk is full"),
        (pl.exceptions.ComputeError("No space left on device (os error 28)"), "the disk is full"),
        (RuntimeError("write failed: No space left on device"), "the disk is full"),
        (OSError(errno.EACCES, "Permission denied"), r"cannot write the bundle \(Permission denied\)"),
        (RuntimeError("something else"), "something else"),
        (KeyboardInterrupt("stopped"), "stopped"),
    ],
)
def test_a_failed_write_leaves_the_old_bundle(own_bundle: Path, error: BaseException, message: str) -> None:
    def write(folder: Path) -> None:
        (folder / "half.npz").write_bytes(b"half")
        raise error

    with pytest.raises((BundleError, type(error)), match=message) as caught:
        write_bundle(own_bundle, write)
    if message.startswith("the disk"):
        assert isinstance(caught.value, BundleError)
        assert "Nothing was written there; free some space and run the same command with --resume" in str(caught.value)
    verify(own_bundle)
    assert sorted(path.name for path in own_bundle.parent.iterdir()) == ["bundle"]


def test_a_swap_that_fails_half_way_brings_the_old_bundle_back(
    own_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename = Path.rename

    def refuse(self: Path, target: Path) -> Path:
        if self.name.endswith(".tmp"):
            raise OSError(errno.EIO, "Input/output error")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(BundleError, match="Input/output error"):
        write_bundle(own_bundle, copier(own_bundle, "new"))
    verify(own_bundle)
    assert sorted(path.name for path in own_bundle.parent.iterdir()) == ["bundle"]


@pytest.mark.skipif(sys.platform == "win32", reason="open files cannot be replaced on Windows")
def test_readers_see_the_old_bundle_or_the_new_one(own_bundle: Path, sample_bundle: Path) -> None:
    write_bundle(own_bundle, copier(sample_bundle, "0"))
    faults: list[BaseException] = []
    seen: set[str] = set()
    done = threading.Event()

    def read() -> None:
        try:
            while not done.is_set():
                loaded = load_bundle(own_bundle)
                assert loaded.config["marker"] == loaded.metrics["marker"]
                seen.add(loaded.config["marker"])
        except BaseException as fault:
            faults.append(fault)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for number in range(1, 12):
        write_bundle(own_bundle, copier(sample_bundle, str(number)))
    done.set()
    for reader in readers:
        reader.join()
    assert not faults
    assert len(seen) >= 1
    assert load_bundle(own_bundle).config["marker"] == "11"


def test_a_bundle_without_fusion_needs_no_tower(own_bundle: Path) -> None:
    config = json.loads((own_bundle / "config.json").read_text(encoding="utf-8"))
    config["blend"].pop("fusion", None)
    (own_bundle / "config.json").write_text(json.dumps(config))
    with np.load(own_bundle / "tables.npz", allow_pickle=False) as tables:
        kept = {name: tables[name] for name in ("catalogue", "sold")}
    save_arrays(own_bundle / "tables.npz", kept)
    for tower in own_bundle.glob("*.onnx"):
        tower.unlink()
    reseal(own_bundle)
    plain = load_bundle(own_bundle)
    assert plain.item_tower is None
    assert plain.ranker.table is None
    scores = plain.ranker.score(plain.snapshot.histories(np.arange(5)))
    assert scores.shape == (5, 56)
    assert np.isfinite(scores).all()


@pytest.mark.skipif(sys.platform == "win32", reason="folders cannot be held on Windows")
def test_what_a_killed_writer_left_is_swept_and_a_living_one_is_let_be(own_bundle: Path) -> None:
    killed = own_bundle.with_name(".bundle.999999.tmp")
    writing = own_bundle.with_name(".bundle.999998.tmp")
    another = own_bundle.with_name(".other.999999.tmp")
    young = own_bundle.with_name(".bundle.999997.tmp")
    for folder in (killed, writing, another, young):
        folder.mkdir()
        (folder / "config.json").write_text("{}")
    for folder in (killed, writing, another):
        os.utime(folder, (0, 0))
    with held(writing):
        write_bundle(own_bundle, copier(own_bundle, "new"))
        assert sorted(path.name for path in own_bundle.parent.iterdir()) == sorted(
            [writing.name, young.name, another.name, "bundle"]
        )
    write_bundle(own_bundle, copier(own_bundle, "newer"))
    assert not writing.exists()


KILLED_BETWEEN_THE_RENAMES = """
import os, shutil, signal, sys
from pathlib import Path
from modaloom.shop.folder import CHECKSUMS, write_bundle
place, killed_at, rename = Path(sys.argv[1]), sys.argv[2], Path.rename
def rename_and_die(self, target):
    moved = rename(self, target)
    if self.suffix == killed_at:
        os.kill(os.getpid(), signal.SIGKILL)
    return moved
Path.rename = rename_and_die
source = shutil.copytree(place, place.with_name("source"))
(source / CHECKSUMS).unlink()
(source / "config.json").write_text((source / "config.json").read_text().replace("{", '{"marker": "new",', 1))
write_bundle(place, lambda folder: shutil.copytree(source, folder, dirs_exist_ok=True))
"""


def killed_writer(place: Path, killed_at: str) -> None:
    """Leaves what a process leaves that is killed right after renaming a folder that ends on ``killed_at``."""
    done = subprocess.run([sys.executable, "-c", KILLED_BETWEEN_THE_RENAMES, str(place), killed_at], timeout=120)
    assert done.returncode == -signal.SIGKILL
    shutil.rmtree(place.with_name("source"))


def beside(place: Path) -> list[str]:
    """What lies beside a bundle, by the ends of the names, but for the bundle itself."""
    return sorted(path.suffix for path in place.parent.iterdir() if path.name != place.name)


@pytest.mark.skipif(sys.platform == "win32", reason="nobody is killed like this on Windows")
def test_a_bundle_whose_writer_was_killed_between_the_renames_is_found_again(own_bundle: Path) -> None:
    killed_writer(own_bundle, "")
    assert not own_bundle.exists()
    assert beside(own_bundle) == [".old", ".tmp"]
    assert "marker" not in load_bundle(own_bundle).config, "nobody was told that the new one was there"
    assert beside(own_bundle) == [".tmp"], "it is too young to be swept"

    killed_writer(own_bundle, "")
    with reserved(own_bundle):
        verify(own_bundle)
    killed_writer(own_bundle, ".tmp")
    assert load_bundle(own_bundle).config["marker"] == "new"
    assert beside(own_bundle) == [".old", ".tmp", ".tmp"]
    write_bundle(own_bundle, copier(own_bundle, "newer"))
    assert beside(own_bundle) == [".tmp", ".tmp"]


def test_what_could_not_be_put_back_is_named(own_bundle: Path) -> None:
    old, other = own_bundle.with_name(".bundle.999999.old"), own_bundle.with_name(".bundle.b.999999.old")
    own_bundle.rename(other)
    with pytest.raises(BundleError, match="no such bundle"):  # that one is another's
        load_bundle(own_bundle)
    other.rename(old)
    with pytest.raises(BundleError) as caught:
        verify(own_bundle)
    assert str(caught.value) == (
        f"{own_bundle}: a command that was replacing this bundle was killed, and it lies in {old.name}. "
        "Rename that to bundle."
    )
    (old / "tables.npz").unlink()
    assert not put_back(own_bundle), "half a bundle is none"
    with pytest.raises(BundleError, match="no such bundle"):
        load_bundle(own_bundle)


@pytest.mark.skipif(sys.platform == "win32", reason="folders cannot be held on Windows")
def test_a_bundle_that_a_living_writer_moved_is_let_be(own_bundle: Path) -> None:
    old = own_bundle.rename(own_bundle.with_name(".bundle.999999.old"))
    with held(old):
        assert put_back(own_bundle), "it is on its way"
        assert not own_bundle.exists()
    assert put_back(own_bundle)
    verify(own_bundle)


@pytest.mark.skipif(sys.platform == "win32", reason="files cannot be held on Windows")
def test_a_place_is_reserved_once(tmp_path: Path, own_bundle: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(own_bundle)
    with reserved(own_bundle):
        for name in (own_bundle, link):
            with pytest.raises(BundleError) as caught, reserved(name):
                pass
            assert str(caught.value) == (
                f"{name}: process {os.getpid()} on {socket.gethostname()} is at work on this bundle. "
                "Wait until it is done, or give --out another name."
            )
        with reserved(tmp_path / "another"):
            pass
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bundle", "link"]
    (tmp_path / ".bundle.lock").write_text("process 1 on a killed machine")
    with reserved(link):
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bundle", "link"]
