"""docs/encoders.md runs, and its table is the one in the code."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from modaloom.config import Settings
from modaloom.encoders.encode import TOLERATED_BAD_PICTURES
from modaloom.encoders.load import BUILT_IN
from modaloom.encoders.text import MAX_CHARACTERS, normalise_text
from modaloom.encoders.weights import KNOWN_WEIGHTS

TEXT = (Path(__file__).parents[2] / "docs" / "encoders.md").read_text(encoding="utf-8")


def test_the_example_keeps_the_contract() -> None:
    names: dict[str, Any] = {}
    for block in re.findall(r"```python\n(.*?)```", TEXT, re.S):
        exec(block, names)
    suite = names["TestWordCounts"]
    for name in dir(suite):
        if name.startswith("test_"):
            getattr(suite(), name)()


def test_the_table_tells_what_the_code_knows() -> None:
    rows = {line.split("|")[1].strip(" `").lower(): line for line in TEXT.splitlines() if line.startswith("| `")}
    for name in BUILT_IN:
        assert name in rows
    for weights in KNOWN_WEIGHTS:
        if "*" not in weights.pattern:
            assert f"| {weights.size_mb} MB | {weights.licence} |" in rows[weights.pattern]
    assert set(rows) == set(BUILT_IN) | {weights.pattern for weights in KNOWN_WEIGHTS if "*" not in weights.pattern}


def test_settings_and_limits_are_the_codes_own() -> None:
    settings = Settings.model_fields
    assert f'image_encoder = "{settings["image_encoder"].default}"' in TEXT
    assert f'text_encoder = "{settings["text_encoder"].default}"' in TEXT
    assert settings["accept_noncommercial"].default is False
    assert f"beyond {MAX_CHARACTERS} characters" in TEXT
    assert f"more than {TOLERATED_BAD_PICTURES})" in TEXT
    assert normalise_text("Ａ") == "A"
