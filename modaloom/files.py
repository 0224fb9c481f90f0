"""Writes files whole or not at all."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole(file: Path) -> Iterator[Path]:
    """A temporary name beside a file, whose place it takes when what is to be written there is; makes the folder.

    Raises:
        OSError: the file cannot be written; what stood there before stays.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_name(f".{file.name}.{os.getpid()}.{threading.get_ident()}.tmp")
    try:
        yield temporary
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


def write_bytes(file: Path, content: bytes) -> None:
    """Writes under a temporary name and renames, making the folder if need be.

    Raises:
        OSError: the file cannot be written; what stood there before stays.
    """
    with whole(file) as temporary:
        temporary.write_bytes(content)


def write_json(file: Path, content: object) -> None:
    """Writes JSON that people can read.

    Raises:
        OSError: the file cannot be written.
    """
    write_text(file, json.dumps(content, indent=2, ensure_ascii=False) + "\n")
