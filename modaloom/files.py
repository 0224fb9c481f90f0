"""Writes files whole or not at all."""

from __future__ import annotations

import json
import math
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole(file: Path, *, durable: bool = False, private: bool = False) -> Iterator[Path]:
    """A temporary name beside a file, whose place it takes when what is to be written there is; makes the folder.

    Args:
        file: what is to be written.
        durable: it is on the disk before it takes its place, so that no power cut leaves half of it there.
        private: only this process's user may read it.

    Raises:
        OSError: the file cannot be written; what stood there before stays.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_name(f".{file.name}.{os.getpid()}.{threading.get_ident()}.tmp")
    try:
        if private:
            os.close(os.open(temporary, os.O_WRONLY | os.O_CREAT, 0o600))
        yield temporary
        if durable:
            sync(temporary)
        temporary.replace(file)
    except OSError as error:  # a full disk names no file, and nobody knows the temporary one
        if error.errno is None:
            raise
        raise OSError(error.errno, error.strerror, str(file)) from error
    finally:
        temporary.unlink(missing_ok=True)


def write_text(file: Path, text: str) -> None:
    """Writes text as :func:`write_bytes` does.

    Raises:
        OSError: the file cannot be written; what stood there before stays.
    """
    write_bytes(file, text.encode())


def write_bytes(file: Path, content: bytes, *, durable: bool = False, private: bool = False) -> None:
    """Writes under a temporary name and renames, making the folder if need be; see :func:`whole`.

    Raises:
        OSError: the file cannot be written; what stood there before stays.
    """
    with whole(file, durable=durable, private=private) as temporary:
        temporary.write_bytes(content)


def sync(place: Path) -> None:
    """Lets what is in a file, or the names in a folder, survive a power cut; folders need that on POSIX alone.

    Raises:
        OSError: it cannot be brought to the disk.
    """
    if os.name != "posix" and place.is_dir():
        return
    handle = os.open(place, os.O_RDONLY if os.name == "posix" else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_json(file: Path, content: object) -> None:
    """Writes JSON that people can read; null where a number is not finite, for which JSON has no other word.

    Raises:
        OSError: the file cannot be written.
    """
    write_text(file, json.dumps(_finite(content), indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def _finite(value: object) -> object:
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
