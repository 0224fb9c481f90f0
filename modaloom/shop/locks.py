"""Places that a process holds for as long as it lives, so that others can tell its work from what a killed one left."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

if sys.platform != "win32":
    import fcntl


@contextmanager
def held(place: Path, *, wait: bool = False) -> Iterator[bool]:
    """Holds a file or folder that is there; gives whether that was possible.

    It is not on Windows, and on file systems that keep no locks: there nobody can tell either who is at work.

    Raises:
        BlockingIOError: somebody else holds it, and ``wait`` is not set.
        OSError: it cannot be opened.
    """
    if sys.platform == "win32":  # folders cannot be held there
        yield False
        return
    handle = os.open(place, os.O_RDONLY)
    try:
        yield _lock(handle, wait=wait)
    finally:
        os.close(handle)


@contextmanager
def claimed(file: Path) -> Iterator[None]:
    """Holds a file that stands for a piece of work, and that goes with it; says inside who works.

    Raises:
        BlockingIOError: another process holds it; its words are what that one said of itself.
        OSError: the file cannot be made.
    """
    handle = _own_file(file)
    try:
        with suppress(OSError):  # on a full disk it is held all the same
            os.ftruncate(handle, 0)
            os.write(handle, f"process {os.getpid()} on {socket.gethostname()}".encode())
        yield
    finally:
        if sys.platform == "win32":  # an open file cannot be removed there
            os.close(handle)
        with suppress(OSError):
            file.unlink()  # before it is let go: whoever gets it then sees that it is gone
        if sys.platform != "win32":
            os.close(handle)


def _own_file(file: Path) -> int:
    """A handle of the file at this path that nobody else holds."""
    while True:
        handle = os.open(file, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            if not _lock(handle) or os.path.samestat(os.fstat(handle), file.stat()):
                return handle
        except FileNotFoundError:  # who held it has removed it since it was opened
            pass
        except BlockingIOError as error:
            said = os.read(handle, 200).decode(errors="replace").strip()
            os.close(handle)
            raise BlockingIOError(error.errno, said or "another process", str(file)) from error
        os.close(handle)


def _lock(handle: int, *, wait: bool = False) -> bool:
    """Locks an open file; False where that cannot be done at all."""
    if sys.platform == "win32":
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        raise
    except OSError:
        return False
    return True
