"""A bundle: everything that recommending needs, in one folder, checked before it is trusted.

::

    config.json        shop, options, modalities, blend, which encoders
    metrics.json       how it did on validation
    items.parquet      the catalogue
    tables.npz         item keys, attention weights, what is on offer, what was ever sold
    part-<name>.npz    the closed-form parts  whitening.npz, attributes.npz         from new content to tokens
    item_tower.onnx, user_tower.onnx, curves.png, README.md (model card), checksums.json
    efficientnet-lite0.1.onnx    the picture encoder, where that is the built-in one

Nothing in it is about a single shopper; their pasts lie beside it (:mod:`modaloom.shop.shoppers`).
"""

from __future__ import annotations

import json
import threading
import time
import zipfile
from collections.abc import Callable
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
from modaloom.ranking.content import ContentKernel
from modaloom.ranking.contract import Part
from modaloom.ranking.demand import Demand, Newness
from modaloom.ranking.fusion import FUSION, FusionPart
from modaloom.ranking.linear import Linear, Repurchase, Variants
from modaloom.ranking.ranker import Ranker
from modaloom.shop.folder import CHECKSUMS, checksum, moved_away, put_back
from modaloom.shop.shoppers import Pasts, read_pasts
from modaloom.types import MODALITIES, BoolArray, Event, FloatArray, IntArray, Snapshot

FORMAT = 4
ALWAYS = {"config.json", "metrics.json", "items.parquet", "tables.npz"}
"""Files without which there is no bundle."""
PATIENCE = 100
"""How many times a bundle is read again that is being replaced at this moment."""
_HEADERS = threading.Lock()
"""NumPy parses the heads of arrays as Python literals, which CPython 3.11 does not always survive in two threads."""


class OnnxTower:
    """The user tower on ONNX Runtime, as :class:`~modaloom.models.towers.UserTower` wants it."""

    def __init__(self, file: Path, threads: int = 1):
        self._session = _session(file, threads)
        self._any_length = not isinstance(self._session.get_inputs()[0].shape[1], int)

    def __call__(self, keys: FloatArray, mask: BoolArray, event: IntArray, age_days: FloatArray) -> Queries:
        """Runs it, on a past that is padded to the tower's length where it has one."""
        inputs = {"keys": keys, "mask": mask, "event": event, "age_days": age_days}
        if not self._any_length:
            inputs = {name: _padded(values) for name, values in inputs.items()}
        return Queries(*self._session.run(None, inputs))


def _padded(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The same (b, t, ...) with zeros behind it, up to :data:`~modaloom.models.towers.SERVED_HISTORY`."""
    made = np.zeros((len(values), SERVED_HISTORY, *values.shape[2:]), dtype=values.dtype)
    made[:, : values.shape[1]] = values
    return made


class ItemTower:
    """The item tower on ONNX Runtime: whitened tokens (b, m, d) and mask (b, m) to keys and weights."""

    def __init__(self, file: Path, threads: int = 1):
        self._session = _session(file, threads)

    def __call__(self, tokens: FloatArray, mask: BoolArray) -> tuple[FloatArray, FloatArray]:
        """Runs the tower."""
        keys, weights = self._session.run(None, {"tokens": tokens.astype(np.float32), "mask": mask})
        return keys, weights


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


def load_bundle(folder: str | Path, *, pasts: bool = True) -> Bundle:
    """Loads a bundle after verifying every file's checksum, with its shoppers' pasts if they lie beside it.

    Args:
        folder: the bundle.
        pasts: False where nobody's past is wanted: a service has them in its store.

    Raises:
        BundleError: there is none, or another version of Modaloom wrote it.
        ChecksumError: a file is missing or not the one that was written.
    """
    folder = Path(folder)
    for _ in range(PATIENCE):
        stamp = _stamp(folder)
        try:
            bundle = _load(folder, pasts_too=pasts)
        except (BundleError, OSError):
            if _stamp(folder) == stamp and not put_back(folder):
                raise
        else:
            if _stamp(folder) == stamp:
                return bundle
        time.sleep(0.02)  # somebody is putting a new bundle in its place: read that one
    return _load(folder, pasts_too=pasts)


def _stamp(folder: Path) -> tuple[bool, bytes | None]:
    """Tells one bundle from the next, and from no folder at all."""
    try:
        return True, (folder / CHECKSUMS).read_bytes()
    except OSError:
        return folder.exists(), None


def _load(folder: Path, *, pasts_too: bool) -> Bundle:
    verify(folder)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    if config.get("format") != FORMAT:
        raise BundleError(
            f"the bundle has format {config.get('format')}, this Modaloom reads {FORMAT}",
            where=folder,
            hint="Train it again",
        )
    tables = read_arrays(folder / "tables.npz")
    pasts = read_pasts(folder, config.get("shoppers", "")) if pasts_too else Pasts.none()
    snapshot = Snapshot(
        items=pl.read_parquet(folder / "items.parquet"),
        users=pasts.users,
        interactions=pasts.interactions,
        tokens={},
        catalogue=tables["catalogue"],
        now=config["now"],
        target_events=tuple(Event(code) for code in config["target_events"]),
        exclude_seen=config["exclude_seen"],
        sold=tables["sold"],
    )
    parts = [_part(name).restore(read_arrays(folder / f"part-{name}.npz")) for name in config["parts"]]
    item_tower = None
    if "keys" in tables:
        keys = tables["keys"].astype(np.float32)
        table = ItemTable(tuple(config["modalities"]), keys, tables["weights"])
        parts.append(FusionPart(table, OnnxTower(folder / "user_tower.onnx")))
        item_tower = ItemTower(folder / "item_tower.onnx")
    ranker = Ranker(config["blend"], tuple(parts), config.get("cold_start_weights", config.get("strangers", {})))
    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    return Bundle(folder, config, metrics, snapshot, ranker, item_tower, _whitenings(folder))


def verify(folder: Path) -> None:
    """Compares every file of a bundle with its checksum.

    Raises:
        BundleError: there is no bundle.
        ChecksumError: a file is missing or changed; names all of them.
    """
    if not folder.is_dir():
        if moved := moved_away(folder):  # and it could not be put back
            what = f"a command that was replacing this bundle was killed, and it lies in {moved[0].name}"
            raise BundleError(what, where=folder, hint=f"Rename that to {folder.resolve().name}")
        raise BundleError("no such bundle", where=folder, hint="Run 'modaloom train SHOP --out BUNDLE' first")
    try:
        sums = json.loads((folder / CHECKSUMS).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise BundleError("the folder has no checksums.json: it is not a bundle", where=folder) from error
    except ValueError as error:
        raise ChecksumError("checksums.json is damaged", where=folder, hint="Train the bundle again") from error
    if not isinstance(sums, dict) or not sums.keys() >= ALWAYS:
        raise ChecksumError(
            "checksums.json does not name every file of a bundle", where=folder, hint="Train the bundle again"
        )
    missing = [name for name in sums if not (folder / name).is_file()]
    changed = [name for name in sums if name not in missing and checksum(folder / name) != sums[name]]
    if missing or changed:
        faults = [f"{name} is missing" for name in missing] + [f"{name} was changed" for name in changed]
        raise ChecksumError(", ".join(faults), where=folder, hint="Copy the bundle again, or train it again")


def read_arrays(file: Path) -> dict[str, npt.NDArray[Any]]:
    """Reads what :func:`save_arrays` wrote.

    Raises:
        BundleError: the file is damaged.
    """
    try:
        with _HEADERS, np.load(file, allow_pickle=False) as content:
            return {name: content[name] for name in content.files}
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise BundleError(f"cannot be read ({error})", where=file, hint="Train the bundle again") from error


def _part(name: str) -> Part:
    simple: dict[str, Callable[[], Part]] = {
        "demand": Demand,
        "newness": Newness,
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
    arrays = read_arrays(folder / "whitening.npz")
    names = sorted({name.partition(".")[0] for name in arrays})
    return {name: Whitening(arrays[f"{name}.mean"], arrays[f"{name}.axes"]) for name in names}


def ranker_arrays(ranker: Ranker, snapshot: Snapshot) -> dict[str, npt.NDArray[Any]]:
    """What ``tables.npz`` holds; keys are rounded to 16 bits."""
    arrays: dict[str, npt.NDArray[Any]] = {"catalogue": snapshot.catalogue, "sold": snapshot.ever_sold()}
    if ranker.table is not None and ranker.weights.get(FUSION):
        table = ranker.table
        arrays |= {"keys": table.keys.astype(np.float16), "weights": table.weights}
    return arrays
