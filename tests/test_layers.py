"""Imports point down only. The pairs of rooms that break it are named."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "modaloom"
LEVELS = (
    {"errors", "ids", "records", "types"},
    {"config", "messages", "numerics", "files", "heap", "threads"},
    {"metrics", "privacy"},
    {"data", "samples"},
    {"encoders", "forecasting", "models", "storage"},
    {"ranking"},
    {"training", "evaluation", "quality"},
    {"export", "shop"},
    {"counting", "guide"},
    {"trends"},
    {"bulletin", "learning", "doctor", "terminal"},
    {"api", "testing", "web"},
    {"client", "serving"},
    {"demo_report", "shop_commands", "trend_commands"},
    {"demo"},
    {"cli"},
)
TORCH_ROOMS = {"encoders", "forecasting", "models", "training", "export", "testing"}
WITHOUT_TORCH_ROOMS = ("api", "bulletin", "counting", "quality", "shop", "storage", "trends")
"""Everything in them is loaded, or may be, by what serves, checks or reads trends."""
WITHOUT_TORCH = (
    "cli",
    "client",
    "data.shop",
    "doctor",
    "encoders.encode",
    "encoders.image",
    "encoders.text",
    "forecasting.forecast",
    "forecasting.pool",
    "models.baselines",
    "models.behaviour",
    "models.linear",
    "models.towers",
    "serving",
)
FILES = sorted(PACKAGE.rglob("*.py"))


def room_of(module: str) -> str:
    """``modaloom.data.shop`` is in the room ``data``; the package's own front door has no name."""
    return [*module.split("."), ""][1]


def module_of(file: Path) -> str:
    parts = file.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports_of(source: str) -> Iterator[tuple[int, str]]:
    """Line and full name of everything imported, inside functions and for type checkers too."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                yield node.lineno, "." * node.level + (node.module or "")
            elif node.module == "modaloom":
                yield from ((node.lineno, f"modaloom.{alias.name}") for alias in node.names)
            else:
                yield node.lineno, node.module or ""


def faults_of(module: str, source: str) -> list[str]:
    """What is wrong with a module's imports, each with the pair's names."""
    level = {room: number for number, rooms in enumerate(LEVELS) for room in rooms}
    here, faults = room_of(module), []
    for line, name in imports_of(source):
        there = room_of(name)
        if name.startswith("."):
            faults.append(f"{module}:{line} imports {name}: write imports in full")
        elif name.split(".")[0] == "torch" and here not in TORCH_ROOMS:
            faults.append(f"{module}:{line} imports torch, which only {', '.join(sorted(TORCH_ROOMS))} may")
        elif name.split(".")[0] != "modaloom" or there in (here, "__version__") or here not in level:
            continue
        elif there not in level:
            faults.append(f"{module}:{line} imports {name}: import from the room where it lives")
        elif level[there] >= level[here]:
            way = "up" if level[there] > level[here] else "sideways"
            faults.append(f"{module}:{line} imports {name}: {here} -> {there} points {way}")
    return faults


def test_every_room_has_a_level() -> None:
    rooms = {room_of(module_of(file)) for file in FILES} - {""}
    known = set().union(*LEVELS)
    assert rooms <= known, f"say in LEVELS where these belong: {sorted(rooms - known)}"


def test_imports_point_down() -> None:
    faults = [fault for file in FILES for fault in faults_of(module_of(file), file.read_text(encoding="utf-8"))]
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize(
    ("module", "source", "words"),
    [
        ("modaloom.data.shop", "from modaloom.models.linear import Ease", "data -> models points up"),
        ("modaloom.models.linear", "def f():\n    import modaloom.encoders.text", "models -> encoders points sideways"),
        ("modaloom.models.linear", "from modaloom import training", "models -> training points up"),
        ("modaloom.learning", "import torch.nn as nn", "imports torch"),
        ("modaloom.data.shop", "from . import tables", "in full"),
        ("modaloom.data.shop", "from modaloom import Item", "where it lives"),
    ],
)
def test_a_fault_is_named(module: str, source: str, words: str) -> None:
    (fault,) = faults_of(module, source)
    assert words in fault


def test_what_is_allowed() -> None:
    source = (
        "import numpy\nfrom modaloom import __version__\nfrom modaloom.types import Item\nimport modaloom.data.splits"
    )
    assert not faults_of("modaloom.models.linear", source)


def loaded_after(modules: list[str]) -> set[str]:
    """What a fresh interpreter has in memory after importing these."""
    code = "; ".join(f"import {module}" for module in modules) + "; import sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_serving_needs_no_torch() -> None:
    """By import; ``test_serve_alone.py`` serves in an environment that has none."""
    rooms = [module_of(file) for room in WITHOUT_TORCH_ROOMS for file in sorted((PACKAGE / room).rglob("*.py"))]
    loaded = loaded_after(["modaloom", *(f"modaloom.{name}" for name in WITHOUT_TORCH), *rooms])
    assert not {"torch", "onnx", "onnxscript"} & loaded


def test_what_a_worker_is_built_from_needs_no_torch() -> None:
    """It is named as text, so that no import tells."""
    from modaloom.serving import WORKER

    assert room_of(WORKER.partition(":")[0]) in WITHOUT_TORCH_ROOMS


def test_the_front_door_is_light() -> None:
    heavy = {"numpy", "polars", "pydantic", "torch", "onnxruntime", "PIL"}
    assert not heavy & loaded_after(["modaloom"])
