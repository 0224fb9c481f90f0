"""What was freed goes back to the system, where it would stay otherwise."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from modaloom import heap

STATM = Path("/proc/self/statm")
SCATTERED = """
import os
import numpy as np
from modaloom.heap import give_back

def resident_mb():
    return int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGE_SIZE") >> 20

arrays = [np.ones(8_000) for _ in range(4_000)]  # 64 kB each: too small to be mapped one by one
kept = arrays[::100]  # lie everywhere, the last one near the end
full = resident_mb()
del arrays
freed = resident_mb()
print(give_back(), full, freed, resident_mb())
"""


@pytest.mark.skipif(not STATM.exists() or heap._trim() is None, reason="needs Linux with the GNU C library")
def test_freed_memory_goes_back() -> None:
    made = subprocess.run([sys.executable, "-c", SCATTERED], capture_output=True, text=True, check=True, env=os.environ)
    said, full, freed, left = made.stdout.split()
    assert said == "True"
    assert int(freed) > int(full) - 50, "the C library gives it back by itself: the call is of no use here"
    assert int(left) < int(full) - 150


def test_where_there_is_no_such_call_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heap, "_trim", lambda: None)
    assert not heap.give_back()


def test_it_takes_a_small_share_of_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, calls = [100.0], []

    def trim(_: int) -> None:
        calls.append(clock[0])
        clock[0] += 0.3  # what one takes in a large process

    monkeypatch.setattr(heap, "_trim", lambda: trim)
    monkeypatch.setattr(heap, "_REST", heap._Rest())
    monkeypatch.setattr(heap.time, "monotonic", lambda: clock[0])
    for _ in range(200):  # pieces of work of a fifth of a second each
        assert heap.give_back()
        clock[0] += 0.2
    assert calls[0] == 100.0
    assert 3 <= len(calls) <= 1 + 0.03 * (clock[0] - 100.0) / 0.3
