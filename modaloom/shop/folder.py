"""A bundle's folder: written whole or not at all, and never in the place of something else.

Beside a folder ``BUNDLE`` there may be, hidden::

    .BUNDLE.lock       held by the command that learns for BUNDLE
    .BUNDLE.123.tmp    the bundle that process 123 is writing, held by it
    .BUNDLE.123.old    the one that it is replacing, held by it until the new one has its place

What nobody holds was left by a killed process.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from modaloom.errors import BundleError
from modaloom.files import sync
from modaloom.shop.locks import claimed, held

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
    put_back(folder)
    refuse_foreign(folder)
    folder = folder.resolve()  # behind a link, what the link points to is replaced
    folder.parent.mkdir(parents=True, exist_ok=True)
    _sweep(folder)
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        temporary.mkdir()
        with held(temporary):
            write(temporary)
            sums = {path.name: checksum(path) for path in sorted(temporary.iterdir())}
            (temporary / CHECKSUMS).write_text(json.dumps(sums, indent=2) + "\n", encoding="utf-8")
            for path in temporary.iterdir():
                sync(path)
            _swap(temporary, folder)
    except (OSError, pl.exceptions.PolarsError, RuntimeError) as error:  # not every library raises OSError here
        if fault := _cannot_write(folder, error):
            raise fault from error
        raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def reserved(folder: Path) -> Iterator[None]:
    """Keeps the place of a bundle for this process, so that no other one learns for it meanwhile.

    Raises:
        BundleError: another process does, the place is taken by something else, or nothing can be written there.
    """
    put_back(folder)
    refuse_foreign(folder)
    place = folder.resolve()
    with ExitStack() as stack:
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            stack.enter_context(claimed(place.with_name(f".{place.name}.lock")))
        except BlockingIOError as error:
            raise BundleError(
                f"{error.strerror} is at work on this bundle",
                where=folder,
                hint="Wait until it is done, or give --out another name",
            ) from error
        except OSError as error:
            raise _cannot_write(folder, error) or error from error
        yield


def put_back(folder: Path) -> bool:
    """Gives a bundle its place again if a writer moved it away and was killed before the new one was there.

    Gives whether the bundle is on its way: it was found under its hidden name.
    """
    place = folder.resolve()
    if place.exists():
        return False
    moved = moved_away(folder)
    for old in moved:
        with suppress(OSError), held(old):  # a living writer holds it, and is about to fill the place
            if not place.exists():
                old.rename(place)
    return bool(moved) or place.exists()  # it may have come while we looked


def moved_away(folder: Path) -> list[Path]:
    """The whole bundles, the newest first, that lie beside a place and once lay in it."""
    found = [(old, _own_files(old)) for old in _hidden(folder, "old")]
    return [old for old, own in found if own and all((old / name).is_file() for name in own)]


def _hidden(folder: Path, kind: str) -> list[Path]:
    """The folders ``.BUNDLE.<process>.<kind>`` beside a bundle, the newest first."""
    place = folder.resolve()
    named = re.compile(rf"\.{re.escape(place.name)}\.\d+\.{kind}")
    try:
        found = [beside for beside in place.parent.iterdir() if named.fullmatch(beside.name)]
    except OSError:
        return []
    return sorted(found, key=_age_s)


def _age_s(folder: Path) -> float:
    """Seconds since something was put into a folder; endless where it is gone."""
    try:
        return time.time() - folder.stat().st_mtime
    except OSError:
        return float("inf")


def _sweep(folder: Path) -> None:
    """Removes what killed processes left beside a bundle that has its place."""
    left = [one for one in _hidden(folder, "tmp") if _age_s(one) > ABANDONED_S]  # a young one may be about to be held
    if folder.exists():
        left += _hidden(folder, "old")
    for one in left:
        with suppress(OSError), held(one) as surely:
            if surely:
                shutil.rmtree(one, ignore_errors=True)


def _cannot_write(folder: Path, error: Exception) -> BundleError | None:
    """What to say of a failed write; None of an error that has nothing to do with the disk."""
    if (isinstance(error, OSError) and error.errno in FULL) or any(os.strerror(code) in str(error) for code in FULL):
        free = shutil.disk_usage(next(above for above in folder.absolute().parents if above.exists())).free
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
    own = _own_files(folder)
    if "config.json" not in own:
        raise BundleError("the folder is not empty and not a bundle", where=folder, hint="Give --out another name")
    if strange := sorted(there - own):
        raise BundleError(
            f"beside a bundle the folder holds {', '.join(strange[:3])}, which would be lost",
            where=folder,
            hint="Move that away, or give --out another name",
        )


def _own_files(folder: Path) -> set[str]:
    """Names of the files that a bundle says it has; none of what is no bundle."""
    try:
        return {*json.loads((folder / CHECKSUMS).read_text(encoding="utf-8")), CHECKSUMS}
    except (OSError, ValueError, TypeError):
        return set()


def _swap(temporary: Path, folder: Path) -> None:
    """Two renames; what was there before comes back if the second one fails, and is found again after a kill."""
    if not folder.exists():
        temporary.rename(folder)
        return
    old = folder.with_name(f".{folder.name}.{os.getpid()}.old")
    with held(folder, wait=True):  # by whatever name
        folder.rename(old)
        try:
            temporary.rename(folder)
        except BaseException:
            old.rename(folder)
            raise
        shutil.rmtree(old, ignore_errors=True)


def checksum(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
