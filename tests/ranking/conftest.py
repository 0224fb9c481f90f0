"""For tests of what NumPy and the compiled loops must say alike."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from modaloom.ranking import fast


@pytest.fixture(scope="module", params=["numpy", "compiled"])
def either_way(request: pytest.FixtureRequest) -> Iterator[str]:
    """One shopper at a time is answered by NumPy, and once more by the loops."""
    before = list(fast._loaded)
    fast._loaded.clear()
    if request.param == "compiled":
        pytest.importorskip("numba")
        assert fast.load_alone()
    yield request.param
    fast._loaded[:] = before
