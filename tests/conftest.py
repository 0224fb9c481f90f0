"""For every test: no setting of whoever runs them, no cache of theirs, no clock that fails a slow machine."""

from __future__ import annotations

import os
from collections.abc import Iterator

import hypothesis
import pytest

hypothesis.settings.register_profile("modaloom", deadline=None)
hypothesis.settings.load_profile("modaloom")
os.environ.setdefault("MPLBACKEND", "Agg")
for _name in [name for name in os.environ if name.startswith("MODALOOM_") and name != "MODALOOM_REAL_DATA"]:
    del os.environ[_name]


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Vectors and encoders of the tests go to a folder that goes with them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MODALOOM_CACHE_DIR", str(tmp_path_factory.mktemp("modaloom-cache")))
        yield
