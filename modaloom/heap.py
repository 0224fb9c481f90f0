"""Memory that the process has freed, back to the system.

Learning allocates and frees millions of arrays of every size. What is left of them lies scattered over the heap, so
that the C library keeps nearly all of it, and one fit after the other makes the process larger.
"""

from __future__ import annotations

import ctypes
import gc
import time
from dataclasses import dataclass
from functools import cache
from typing import Any

SHARE = 0.03
"""Of the time that passes, so much may be spent on giving back."""


@dataclass
class _Rest:
    until: float = float("-inf")


_REST = _Rest()


def give_back() -> bool:
    """Gives pages of the heap that nobody uses to the system; False where the C library has no call for that.

    For the pauses between pieces of work, however short these are: the larger the process, the longer it takes, up to
    tenths of a second. So it does nothing where too little time has passed since it last did, by :data:`SHARE`.

    Source: malloc_trim(3) of the GNU C library.
    """
    trim = _trim()
    if trim is None:
        return False
    started = time.monotonic()
    if started >= _REST.until:
        gc.collect()
        trim(0)
        ended = time.monotonic()
        _REST.until = ended + (ended - started) / SHARE
    return True


@cache
def _trim() -> Any:
    try:
        return getattr(ctypes.CDLL(None), "malloc_trim", None)
    except (OSError, TypeError):  # no C library that can be asked, as on Windows
        return None
