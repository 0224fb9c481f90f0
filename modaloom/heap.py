"""Memory that the process has freed, back to the system.

Learning allocates and frees millions of arrays of every size. What is left of them lies scattered over the heap, so
that the C library keeps nearly all of it, and one fit after the other makes the process larger.
"""

from __future__ import annotations

import ctypes
import gc
from functools import cache
from typing import Any


def give_back() -> bool:
    """Gives pages of the heap that nobody uses to the system; False where the C library has no call for that.

    Takes some milliseconds, so it is for the pauses between long pieces of work.

    Source: malloc_trim(3) of the GNU C library.
    """
    trim = _trim()
    if trim is None:
        return False
    gc.collect()
    trim(0)
    return True


@cache
def _trim() -> Any:
    try:
        return getattr(ctypes.CDLL(None), "malloc_trim", None)
    except (OSError, TypeError):  # no C library that can be asked, as on Windows
        return None
