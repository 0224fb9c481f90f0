"""A bundle's folder: written whole or not at all, and never in the place of something else."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from modaloom.errors import BundleError

if sys.platform != "win32":
    import fcntl

CHECKSUMS = "checksums.json"
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""The system's ways to say that there is no more room."""
ABANDONED_S = 60
"""A temporary folder that is older, and that nobody holds, was left by a killed process."""
Arrays = Mapping[str, npt.NDArray[Any]]


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
    folder = folder.resolve()  # behind a link, what the link points to is replaced
    folder.parent.mkdir(parents=True, exist_ok=True)
    _sweep(folder)
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        temporary.mkdir()
        with _held(temporary):
            write(temporary)
            sums = {path.name: checksum(path) for path in sorted(temporary.iterdir())}
            (temporary / CHECKSUMS).write_text(json.dumps(sums, indent=2) + "\n", encoding="utf-8")
            for path in temporary.iterdir():
                _sync(path)
            _swap(temporary, folder)
    except (OSError, pl.exceptions.PolarsError, RuntimeError) as error:  # not every library raises OSError here
        if fault := _cannot_write(folder, error):
            raise fault from error
        raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    """Marks a folder as being written, for as long as this process lives.

    Raises:
        OSError: somebody else holds it.
    """
    if sys.platform == "win32":  # folders cannot be held there
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(handle)


def _sweep(folder: Path) -> None:
    """Removes temporary folders that killed processes left beside a bundle."""
    if sys.platform == "win32":
        return
    for left in folder.parent.iterdir():
        if left.name.startswith(f".{folder.name}.") and left.name.endswith(".tmp"):
            with suppress(OSError), _held(left):
                if time.time() - left.stat().st_mtime > ABANDONED_S:  # a young one may be about to be held
                    shutil.rmtree(left, ignore_errors=True)


def _cannot_write(folder: Path, error: Exception) -> BundleError | None:
    """What to say of a failed write; None of an error that has nothing to do with the disk."""
    if (isinstance(error, OSError) and error.errno in FULL) or any(os.strerror(code) in str(error) for code in FULL):
        free = shutil.disk_usage(folder.parent).free
        return BundleError(
            f"the disk is full ({free // 2**20:,} MB free)",
            where=folder,
            hint="Nothing was written there; free some space and run the same command with --resume",
        )
    if isinstance(error, OSError):
        return BundleError(
            f"cannot write the bundle ({error.strerror or error})",
            where=folder,
            hint="Check the permissions of the folder above it, or give --out another name",
        )
    return None


def refuse_foreign(folder: Path) -> None:
    """Raises BundleError where something stands that is not a bundle, or a bundle with strangers' files in it."""
    if not folder.resolve().name:
        raise BundleError("this is the root of the file system", where=folder, hint="Give --out the name of a folder")
    if not folder.exists():
        return
    if not folder.is_dir():
        raise BundleError("this is a file", where=folder, hint="Give --out the name of a folder")
    there = {path.name for path in folder.iterdir()}
    if not there:
        return
    try:
        own = {*json.loads((folder / CHECKSUMS).read_text(encoding="utf-8")), CHECKSUMS}
    except (OSError, ValueError, TypeError):
        own = set()
    if "config.json" not in own:
        raise BundleError("the folder is not empty and not a bundle", where=folder, hint="Give --out another name")
    if strange := sorted(there - own):
        raise BundleError(
            f"beside a bundle the folder holds {', '.join(strange[:3])}, which would be lost",
            where=folder,
            hint="Move that away, or give --out another name",
        )


def _swap(temporary: Path, folder: Path) -> None:
    """Two renames; what was there before comes back if the second one fails."""
    old = folder.with_name(f".{folder.name}.{os.getpid()}.old")
    there = folder.exists()
    if there:
        folder.rename(old)
    try:
        temporary.rename(folder)
    except OSError:
        if there:
            old.rename(folder)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _sync(path: Path) -> None:
    with path.open("rb") as stream:
        os.fsync(stream.fileno())


def checksum(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
