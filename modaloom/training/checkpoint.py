"""Training that survives being killed: the state after each epoch, on disk, whole or not at all.

A checkpoint is two files, ``checkpoint-000007.npz`` (every array) and ``checkpoint-000007.json`` (numbers, and
the checksums of both). The JSON comes last, so a checkpoint without it was never finished. Nothing in either
file can run code. The newest checkpoint and the one before it are kept.
"""

from __future__ import annotations

import errno
import hashlib
import io
import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from modaloom.errors import TrainingError
from modaloom.files import sync, write_bytes
from modaloom.training.loop import Progress, Resume

FORMAT = 3
KEPT = 2
"""Checkpoints that stay: the newest, and the one before in case the disk loses the newest."""
STEM = "checkpoint-"
Arrays = dict[str, npt.NDArray[Any]]


def save_checkpoint(
    folder: Path, model: nn.Module, optimizer: torch.optim.Optimizer, progress: Progress, *, key: str
) -> None:
    """Writes the state after an epoch, so that a kill at any moment leaves the last whole one in place.

    Args:
        folder: is made if need be; holds nothing but checkpoints.
        model: its parameters and buffers are kept.
        optimizer: its moments and step counts are kept.
        progress: epochs so far, losses, validation, the best model and the running mean.
        key: hash of the shop and of all options; :func:`load_checkpoint` must be given the same.

    Raises:
        TrainingError: the disk is full or cannot be written to; no half-written file is left.
    """
    optimizer_state = optimizer.state_dict()
    arrays = _prefixed("model", model.state_dict())
    arrays |= _prefixed("best", progress.best) | _prefixed("mean", progress.mean)
    for number, values in optimizer_state["state"].items():
        arrays |= _prefixed(f"optimizer/{number}", values)
    packed = io.BytesIO()
    np.savez(packed, allow_pickle=False, **arrays)
    header = {
        "format": FORMAT,
        "key": key,
        "epoch": progress.epoch,
        "losses": progress.losses,
        "validation": progress.validation,
        "best_epoch": progress.best_epoch,
        "param_groups": optimizer_state["param_groups"],
        "arrays": _digest(packed.getvalue()),
    }
    try:
        there = _serials(folder)
        serial = max(there, default=0) + 1
        write_bytes(_file(folder, serial, "npz"), packed.getvalue(), durable=True)
        write_bytes(_file(folder, serial, "json"), _sealed(header), durable=True)
        sync(folder)
        _remove_all_but(folder, [serial, *[old for old in there if _header_key(folder, old) == key][: KEPT - 1]])
    except OSError as error:
        raise _cannot_write(folder, error) from error


def load_checkpoint(folder: Path, *, key: str) -> Resume | None:
    """The newest whole checkpoint, to be handed to ``learn(resume=...)``; None where there is none.

    Damaged and half-written checkpoints are passed over.

    Raises:
        TrainingError: the newest whole checkpoint is of other options, another shop or another Modaloom.
    """
    for serial in _serials(folder):
        header, arrays = _header(folder, serial), None
        if header is not None:
            arrays = _arrays(_file(folder, serial, "npz"), str(header["arrays"]))
        if header is None or arrays is None:
            continue
        if header["key"] != key:
            raise TrainingError(
                "the checkpoint is of other options, another shop or another Modaloom, so it cannot be gone on with",
                where=_file(folder, serial, "json"),
                hint="Drop --resume to start afresh, or use another --out",
            )
        return _resume(header, arrays)
    return None


def _resume(header: Mapping[str, Any], arrays: Arrays) -> Resume:
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in _under("optimizer", arrays).items():
        number, _, field = name.partition("/")
        state.setdefault(int(number), {})[field] = value
    groups = [
        {name: tuple(value) if name == "betas" else value for name, value in group.items()}
        for group in header["param_groups"]
    ]
    progress = Progress(
        epoch=header["epoch"],
        losses=list(header["losses"]),
        validation=list(header["validation"]),
        best_epoch=header["best_epoch"],
        best=_under("best", arrays),
        mean=_under("mean", arrays),
    )
    return _under("model", arrays), {"state": state, "param_groups": groups}, progress


def _prefixed(prefix: str, tensors: Mapping[str, Tensor]) -> Arrays:
    return {f"{prefix}/{name}": value.detach().cpu().numpy() for name, value in tensors.items()}


def _under(prefix: str, arrays: Arrays) -> dict[str, Tensor]:
    """Tensors in memory of their own, aligned as torch likes it."""
    start = f"{prefix}/"
    return {name.removeprefix(start): torch.tensor(value) for name, value in arrays.items() if name.startswith(start)}


def _file(folder: Path, serial: int, kind: str) -> Path:
    return folder / f"{STEM}{serial:06d}.{kind}"


def _serials(folder: Path) -> list[int]:
    """Numbers of the checkpoints that claim to be finished, newest first.

    They count saves, not epochs: a run that starts afresh in the same folder is newer than the one it replaces.
    """
    names = [file.stem.removeprefix(STEM) for file in folder.glob(f"{STEM}*.json")]
    return sorted((int(name) for name in names if name.isdecimal()), reverse=True)


def _digest(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def _plain(header: Mapping[str, Any]) -> bytes:
    return json.dumps(header, sort_keys=True).encode()


def _sealed(header: Mapping[str, Any]) -> bytes:
    return json.dumps({**header, "checksum": _digest(_plain(header))}, indent=1).encode()


def _header(folder: Path, serial: int) -> dict[str, Any] | None:
    """What the JSON says, or None where it is not as it was written."""
    try:
        header = json.loads(_file(folder, serial, "json").read_bytes())
    except (OSError, ValueError):
        return None
    if not isinstance(header, dict) or header.pop("checksum", None) != _digest(_plain(header)):
        return None
    return header if header.get("format") == FORMAT else None


def _header_key(folder: Path, serial: int) -> str | None:
    header = _header(folder, serial)
    return None if header is None else str(header["key"])


def _arrays(file: Path, checksum: str) -> Arrays | None:
    """Everything in the file, or None where it is not as it was written."""
    try:
        content = file.read_bytes()
    except OSError:
        return None
    if _digest(content) != checksum:
        return None
    with np.load(io.BytesIO(content), allow_pickle=False) as packed:
        return dict(packed)


def _remove_all_but(folder: Path, serials: list[int]) -> None:
    kept = {_file(folder, serial, kind) for serial in serials for kind in ("npz", "json")}
    for file in _ours(folder):
        if file not in kept:
            with suppress(OSError):  # what cannot be removed takes room, but does no harm
                file.unlink()


def _ours(folder: Path) -> list[Path]:
    """Checkpoints, and what killed processes left of them under temporary names."""
    return [file for file in folder.iterdir() if file.name.lstrip(".").startswith(STEM)]


def _cannot_write(folder: Path, error: OSError) -> TrainingError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return TrainingError(
            "the disk is full, the checkpoint was not written",
            where=folder,
            hint="Free some space and go on with --resume, or use another --out",
        )
    return TrainingError(
        f"the checkpoint cannot be written: {error.strerror or error}",
        where=error.filename or folder,
        hint="Check the permissions of the folder, or use another --out",
    )


def clear_checkpoints(folder: Path) -> None:
    """Removes the checkpoints in a folder, and the folder if nothing else is in it."""
    if not folder.is_dir():
        return
    for file in _ours(folder):
        file.unlink(missing_ok=True)
    with suppress(OSError):
        folder.rmdir()
