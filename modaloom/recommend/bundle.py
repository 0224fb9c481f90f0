"""A bundle: everything that recommending needs, in one folder, checked before it is trusted.

::

    config.json        shop, options, modalities, blend, which encoders
    metrics.json       how it did on validation
    items.parquet      the catalogue          interactions.parquet, users.parquet   pasts of known shoppers
    tables.npz         item keys, attention weights, bias, what is on offer
    part-<name>.npz    the closed-form parts  whitening.npz, attributes.npz         from new content to tokens
    item_tower.onnx, user_tower.onnx, curves.png, README.md (model card), checksums.json
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime
import polars as pl

from modaloom.errors import BundleError, ChecksumError
from modaloom.models.towers import SERVED_HISTORY, ItemTable, Queries
from modaloom.numerics import Whitening
from modaloom.recommend.demand import Demand
from modaloom.recommend.parts import ContentKernel, Linear, Part, Repurchase, Variants
from modaloom.recommend.ranker import FUSION, Ranker
from modaloom.types import MODALITIES, BoolArray, Event, FloatArray, IntArray, Snapshot

FORMAT = 1
CHECKSUMS = "checksums.json"
Arrays = Mapping[str, npt.NDArray[Any]]


class OnnxTower:
    """The user tower on ONNX Runtime, as :class:`~modaloom.models.towers.UserTower` wants it."""

    def __init__(self, file: Path, threads: int = 1):
        self._session = _session(file, threads)

    def __call__(self, keys: FloatArray, mask: BoolArray, event: IntArray, age_days: FloatArray) -> Queries:
        """Pads the past to the tower's length and runs it."""
        room = SERVED_HISTORY - keys.shape[1]
        inputs = {
            "keys": np.pad(keys, ((0, 0), (0, room), (0, 0))),
            "mask": np.pad(mask, ((0, 0), (0, room))),
            "event": np.pad(event, ((0, 0), (0, room))),
            "age_days": np.pad(age_days, ((0, 0), (0, room))),
        }
        return Queries(*self._session.run(None, inputs))


class ItemTower:
    """The item tower on ONNX Runtime: whitened tokens (b, m, d) and mask (b, m) to keys, weights and bias."""

    def __init__(self, file: Path, threads: int = 1):
        self._session = _session(file, threads)

    def __call__(self, tokens: FloatArray, mask: BoolArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Runs the tower."""
        keys, weights, bias = self._session.run(None, {"tokens": tokens.astype(np.float32), "mask": mask})
        return keys, weights, bias


def _session(file: Path, threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the runtime raises types of its own
        raise BundleError(f"the tower cannot be loaded ({error})", where=file, hint="Train the bundle again") from error


@dataclass(frozen=True)
class Bundle:
    """A loaded bundle."""

    folder: Path
    config: dict[str, Any]
    metrics: dict[str, Any]
    snapshot: Snapshot
    ranker: Ranker
    item_tower: ItemTower | None
    whitenings: dict[str, Whitening]

    @property
    def pictures_root(self) -> Path:
        """Where the shop's picture paths start from."""
        return Path(self.config["shop"]["root"])


def save_arrays(file: Path, arrays: Arrays) -> None:
    """Writes arrays without pickling."""
    with file.open("wb") as stream:
        np.savez(stream, **arrays)  # type: ignore[arg-type]


def write_bundle(folder: Path, write: Callable[[Path], None]) -> None:
    """Lets ``write`` fill a temporary folder, adds checksums, and puts it in the place of ``folder`` at once.

    A bundle that stood there before is kept until the new one is complete. Whatever goes wrong, no half
    bundle is left.

    Raises:
        BundleError: the place is taken by something else, or the disk is full.
    """
    refuse_foreign(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        temporary.mkdir()
        write(temporary)
        sums = {path.name: _checksum(path) for path in sorted(temporary.iterdir())}
        (temporary / CHECKSUMS).write_text(json.dumps(sums, indent=2) + "\n", encoding="utf-8")
        for path in temporary.iterdir():
            _sync(path)
        _swap(temporary, folder)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            free = shutil.disk_usage(folder.parent).free
            raise BundleError(
                f"the disk is full ({free // 2**20:,} MB free)",
                where=folder,
                hint="Nothing was written there; free some space and run the same command with --resume",
            ) from error
        raise BundleError(f"cannot write the bundle ({error.strerror or error})", where=folder) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def refuse_foreign(folder: Path) -> None:
    """Raises BundleError where a folder has files that are not a bundle's."""
    if folder.is_dir() and any(folder.iterdir()) and not (folder / CHECKSUMS).is_file():
        raise BundleError("the folder is not empty and not a bundle", where=folder, hint="Give --out another name")
    if folder.exists() and not folder.is_dir():
        raise BundleError("this is a file", where=folder, hint="Give --out the name of a folder")


def _swap(temporary: Path, folder: Path) -> None:
    old = folder.with_name(f".{folder.name}.{os.getpid()}.old")
    if folder.exists():
        folder.rename(old)
    temporary.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def _sync(path: Path) -> None:
    with path.open("rb") as stream:
        os.fsync(stream.fileno())


def _checksum(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def load_bundle(folder: str | Path) -> Bundle:
    """Loads a bundle after verifying every file's checksum.

    Raises:
        BundleError: there is none, or another version of Modaloom wrote it.
        ChecksumError: a file is missing or not the one that was written.
    """
    folder = Path(folder)
    verify(folder)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    if config.get("format") != FORMAT:
        raise BundleError(
            f"the bundle has format {config.get('format')}, this Modaloom reads {FORMAT}",
            where=folder,
            hint="Train it again",
        )
    tables = _arrays(folder / "tables.npz")
    snapshot = Snapshot(
        items=pl.read_parquet(folder / "items.parquet"),
        users=pl.read_parquet(folder / "users.parquet"),
        interactions=pl.read_parquet(folder / "interactions.parquet"),
        tokens={},
        catalogue=tables["catalogue"],
        now=config["now"],
        target_events=tuple(Event(code) for code in config["target_events"]),
        exclude_seen=config["exclude_seen"],
    )
    table = tower = item_tower = None
    if "keys" in tables:
        keys = tables["keys"].astype(np.float32)
        table = ItemTable(tuple(config["modalities"]), keys, tables["weights"], tables["bias"])
        tower = OnnxTower(folder / "user_tower.onnx")
        item_tower = ItemTower(folder / "item_tower.onnx")
    parts = tuple(_part(name).restore(_arrays(folder / f"part-{name}.npz")) for name in config["parts"])
    ranker = Ranker(config["blend"], parts, table, tower)
    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    return Bundle(folder, config, metrics, snapshot, ranker, item_tower, _whitenings(folder))


def verify(folder: Path) -> None:
    """Compares every file of a bundle with its checksum.

    Raises:
        BundleError: there is no bundle.
        ChecksumError: a file is missing or changed; names all of them.
    """
    if not folder.is_dir():
        raise BundleError("no such bundle", where=folder, hint="Run 'modaloom train SHOP --out BUNDLE' first")
    try:
        sums = json.loads((folder / CHECKSUMS).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise BundleError("the folder has no checksums.json: it is not a bundle", where=folder) from error
    except ValueError as error:
        raise ChecksumError("checksums.json is damaged", where=folder, hint="Train the bundle again") from error
    missing = [name for name in sums if not (folder / name).is_file()]
    changed = [name for name in sums if name not in missing and _checksum(folder / name) != sums[name]]
    if missing or changed:
        faults = [f"{name} is missing" for name in missing] + [f"{name} was changed" for name in changed]
        raise ChecksumError(", ".join(faults), where=folder, hint="Copy the bundle again, or train it again")


def _arrays(file: Path) -> dict[str, npt.NDArray[Any]]:
    try:
        with np.load(file, allow_pickle=False) as content:
            return {name: content[name] for name in content.files}
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise BundleError(f"cannot be read ({error})", where=file, hint="Train the bundle again") from error


def _part(name: str) -> Part:
    simple: dict[str, Callable[[], Part]] = {
        "demand": Demand,
        "linear": Linear,
        "repurchase": Repurchase,
        "variants": Variants,
    }
    if name in simple:
        return simple[name]()
    if name in MODALITIES:
        return ContentKernel(name)
    raise BundleError(f"unknown part {name!r}", hint="This bundle needs another version of Modaloom")


def _whitenings(folder: Path) -> dict[str, Whitening]:
    arrays = _arrays(folder / "whitening.npz")
    names = sorted({name.partition(".")[0] for name in arrays})
    return {name: Whitening(arrays[f"{name}.mean"], arrays[f"{name}.axes"]) for name in names}


def ranker_arrays(ranker: Ranker, catalogue: BoolArray) -> dict[str, npt.NDArray[Any]]:
    """What ``tables.npz`` holds of a ranker; keys are rounded to 16 bits."""
    arrays: dict[str, npt.NDArray[Any]] = {"catalogue": catalogue}
    if ranker.table is not None and ranker.weights.get(FUSION):
        table = ranker.table
        arrays |= {"keys": table.keys.astype(np.float16), "weights": table.weights, "bias": table.bias}
    return arrays
