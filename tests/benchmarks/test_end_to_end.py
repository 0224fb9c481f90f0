"""Costs of commands are theirs, and the journey's questions can be asked."""

from __future__ import annotations

import resource
import sys
from pathlib import Path

import pytest

from tests.benchmarks.test_studies import study

end_to_end = study("end_to_end")


def test_seconds_and_memory_are_those_of_the_command() -> None:
    own_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    size = own_mb + 200
    cost = end_to_end.run([sys.executable, "-c", f"import time; block = b'x' * ({size} << 20); time.sleep(0.3)"], {})
    assert cost.wall_s >= 0.3
    assert size < cost.peak_mb < size + 100
    assert end_to_end.run([sys.executable, "-c", "pass"], {}).peak_mb <= own_mb + 20


def test_a_command_gets_its_environment_and_its_failure_is_told() -> None:
    asks = "import os, sys; sys.exit(os.environ['MODALOOM_CACHE_DIR'] != 'here')"
    end_to_end.run([sys.executable, "-c", asks], {"MODALOOM_CACHE_DIR": "here"})
    with pytest.raises(RuntimeError, match=r"ended with 1.*too bad"):
        end_to_end.run([sys.executable, "-c", "raise SystemExit('too bad')"], {})


def test_the_questions_are_about_what_the_bundle_knows(sample_bundle: Path) -> None:
    asked = end_to_end.questions(sample_bundle)
    assert {name for name in asked if "photo" not in name} == {"recommend --user", "recommend --text"}
    for name, command in asked.items():
        assert command[1:5] == ["-m", "modaloom.cli", "recommend", str(sample_bundle)]
        assert name.split()[1] in command
    cost = end_to_end.run(asked["recommend --user"], {})
    assert cost.peak_mb > 50
