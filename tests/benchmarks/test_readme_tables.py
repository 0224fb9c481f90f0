"""The README's figures are those of the result files."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "readme_tables.py"


def test_the_readme_quotes_the_results() -> None:
    done = subprocess.run([sys.executable, str(SCRIPT), "--check"], check=False)
    assert done.returncode == 0, "run: python benchmarks/readme_tables.py"
