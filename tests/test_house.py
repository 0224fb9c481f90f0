"""The house rules that can be counted: sizes, names, the front door, and the tree in docs/architecture.md."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

import modaloom

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "modaloom"
MAX_FILE_LINES, MAX_FUNCTION_LINES, MAX_PARAMETERS, MAX_ROOM_FILES = 500, 50, 8, 7
LARGER_ROOMS = {
    "data": (
        23,
        "a merchant's table goes from bytes through records, cells, numbers, times, ids and variants to rows, and is"
        " guessed for a first shop.toml: each is one file that a test mirrors",
    ),
    "encoders": (10, "every model family that may fail to load is isolated in a file of its own"),
    "forecasting": (16, "each kind of model, and each step from a file to an interval, is read and tested alone"),
    "models": (12, "the architecture, its losses and the models it is compared with are read side by side"),
    "ranking": (8, "each kind of part is one file; the contract, the compiled loops and the ranker are the others"),
    "shop": (20, "a bundle on disk, a catalogue that changes, and each step from a request to cards"),
    "quality": (8, "catalogue, log, overlap, leaks and looks are checked separately, and each is tested alone"),
    "testing": (8, "worlds, suites, kills, stores and spoilt files prove different things"),
    "storage": (9, "two backends share their statements; records, connections and vectors are read separately"),
    "trends": (
        14,
        "a board is made of verdicts, people, terms, gaps, forecasts and alerts, each of which is tested alone",
    ),
    "samples": (15, "drawing: every kind of garment has its own file of outlines"),
}
LONGER_FILES = {
    "modaloom/ranking/kernels.py": (750, "the compiled loops stand once, and together"),
    "modaloom/ranking/ranker.py": (520, "every road from histories to lists and reasons, which share all steps"),
}
LONGER_FUNCTIONS: dict[str, tuple[int, str]] = {
    "modaloom/ranking/kernels.py:sparse_scores": (60, "one pass per user: sums, versions, moments"),
    "modaloom/ranking/kernels.py:select_candidates": (85, "one pass per user over arrays that all its steps share"),
}
MORE_PARAMETERS = {
    "modaloom.cli": (16, "the command line's library makes one option of each parameter"),
    "modaloom.ranking.kernels": (9, "compiled loops take arrays, and write into arrays that are given"),
    "modaloom.trend_commands": (16, "the command line's library makes one option of each parameter"),
}
DRAWERS = {"utils", "util", "common", "helpers", "helper", "manager", "managers", "misc"}
OPENERS = {"np.load": "allow_pickle=False", "torch.load": "weights_only=True"}
"""Functions that run code out of a file unless told not to."""
TEXT_SUFFIXES = {".py", ".md", ".toml", ".html", ".css", ".js", ".json", ".svg", ".yml", ".yaml", ".txt", ""}

SOURCES = sorted(PACKAGE.rglob("*.py"))
PROGRAMS = sorted(
    file for folder in ("modaloom", "tests", "examples", "benchmarks") for file in (ROOT / folder).rglob("*.py")
)
Function = ast.FunctionDef | ast.AsyncFunctionDef


def shown(file: Path) -> str:
    return file.relative_to(ROOT).as_posix()


def parsed(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


def functions_of(tree: ast.Module) -> Iterator[Function]:
    yield from (node for node in ast.walk(tree) if isinstance(node, Function))


def our_files() -> list[Path]:
    """Every text file that belongs to the repository, also the new ones."""
    done = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True
    )
    if done.returncode:  # an unpacked archive has no history to ask
        ignored = {line.strip("/") for line in (ROOT / ".gitignore").read_text().splitlines() if line.endswith("/")}
        files = [file for file in ROOT.rglob("*") if not ignored & set(file.relative_to(ROOT).parts)]
    else:
        files = [ROOT / name for name in done.stdout.splitlines()]
    return [file for file in files if file.is_file() and file.suffix in TEXT_SUFFIXES]


def test_files_are_short() -> None:
    lengths = {shown(file): len(file.read_text(encoding="utf-8").splitlines()) for file in PROGRAMS}
    assert not {name: n for name, n in lengths.items() if n > LONGER_FILES.get(name, (MAX_FILE_LINES, ""))[0]}


def test_functions_are_short() -> None:
    long = {}
    for file in PROGRAMS:
        for node in functions_of(parsed(file)):
            number = (node.end_lineno or node.lineno) - node.lineno + 1
            name = f"{shown(file)}:{node.name}"
            if number > LONGER_FUNCTIONS.get(name, (MAX_FUNCTION_LINES, ""))[0]:
                long[name] = number
    assert not long


def test_parameters_are_few() -> None:
    many = {}
    for file in PROGRAMS:
        allowed = MORE_PARAMETERS.get(shown(file).removesuffix(".py").replace("/", "."), (MAX_PARAMETERS, ""))[0]
        for node in functions_of(parsed(file)):
            names = [one.arg for one in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
            number = len([name for name in names if name not in ("self", "cls")])
            if number > allowed:
                many[f"{shown(file)}:{node.name}"] = number
    assert not many


def test_rooms_are_small() -> None:
    for room in sorted(folder for folder in PACKAGE.iterdir() if (folder / "__init__.py").exists()):
        number = len([file for file in room.glob("*.py") if file.name != "__init__.py"])
        allowed, _ = LARGER_ROOMS.get(room.name, (MAX_ROOM_FILES, ""))
        assert number <= allowed, f"{room.name} has {number} files, {allowed} are allowed"


def test_no_drawers() -> None:
    assert not [shown(file) for file in PROGRAMS if file.stem in DRAWERS or file.parent.name in DRAWERS]


def test_no_pickles() -> None:
    faults = []
    for file in PROGRAMS:
        for node in ast.walk(parsed(file)):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            if {name.split(".")[0] for name in names} & {
                "pickle",
                "cPickle",
                "dill",
                "joblib",
                "cloudpickle",
                "shelve",
            }:
                faults.append(f"{shown(file)}:{node.lineno}")  # type: ignore[attr-defined]
            if isinstance(node, ast.Call) and (needed := OPENERS.get(ast.unparse(node.func))):
                said = {f"{word.arg}={ast.unparse(word.value)}" for word in node.keywords}
                faults += [] if needed in said else [f"{shown(file)}:{node.lineno} lacks {needed}"]
    assert not faults


def undocumented(body: list[ast.stmt], name: str) -> Iterator[str]:
    """Public classes, functions and methods without a docstring; what is private hides what is inside."""
    for node in body:
        if isinstance(node, ast.ClassDef | Function) and not node.name.startswith("_"):
            overload = any("overload" in ast.unparse(mark) for mark in node.decorator_list)
            setter = any(ast.unparse(mark).endswith(".setter") for mark in node.decorator_list)
            if not ast.get_docstring(node) and not overload and not setter:
                yield f"{name}.{node.name}"
            if isinstance(node, ast.ClassDef):
                yield from undocumented(node.body, f"{name}.{node.name}")


def test_public_things_are_documented() -> None:
    missing = [name for file in SOURCES for name in undocumented(parsed(file).body, shown(file))]
    missing += [shown(file) for file in SOURCES if not ast.get_docstring(parsed(file))]
    assert not missing


def test_no_path_of_somebodys_machine() -> None:
    foreign = re.compile("/" + r"(?:work|root|Users|home/\w+)/")
    faults = [
        f"{shown(file)}:{number}"
        for file in our_files()
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1)
        if foreign.search(line)
    ]
    assert not faults


@pytest.mark.parametrize("name", modaloom.__all__)
def test_public_names_resolve(name: str) -> None:
    assert getattr(modaloom, name).__name__ == name


def test_the_front_door_agrees_with_itself() -> None:
    assert set(modaloom.__all__) <= set(dir(modaloom))
    checked = {}
    for node in parsed(PACKAGE / "__init__.py").body:
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            for imported in node.body:
                assert isinstance(imported, ast.ImportFrom)
                checked |= {alias.name: (imported.module or "").removeprefix("modaloom.") for alias in imported.names}
    assert checked == modaloom._HOMES
    assert sorted(modaloom.__all__) == sorted(checked)


def test_a_wrong_public_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = modaloom.no_such_name


def tree_of(text: str) -> list[str]:
    """Paths that a tree lists: two blanks further in is one folder down, a comment follows two blanks."""
    found = re.search(r"^## Package tree\n.*?^```text\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert found, "docs/architecture.md needs a heading '## Package tree' and below it a block ```text"
    above: list[tuple[int, str]] = []
    paths = []
    for line in found[1].splitlines():
        if not line.strip():
            continue
        depth = len(line) - len(line.lstrip())
        above = [(at, name) for at, name in above if at < depth]
        for name in re.split(r"\s{2,}", line.strip())[0].split(" "):
            paths.append("".join(folder for _, folder in above) + name)
        above.append((depth, name))
    return paths


def test_the_reading_of_a_tree() -> None:
    text = "## Package tree\n\n```text\nmodaloom/\n  data/  reads\n    a.py b.py  two\n  build.py  joins\ndocs/\n```\n"
    wanted = ["modaloom/", "modaloom/data/", "modaloom/data/a.py", "modaloom/data/b.py", "modaloom/build.py", "docs/"]
    assert tree_of(text) == wanted


def test_the_documented_tree_is_the_tree() -> None:
    listed = tree_of((ROOT / "docs" / "architecture.md").read_text(encoding="utf-8"))
    assert not [path for path in listed if not (ROOT / path).exists()], "listed, but not there"
    assert not [path for path in listed if path.endswith("/") != (ROOT / path).is_dir()], "folders end with /"
    parts = [file.relative_to(ROOT).parts for file in our_files()]
    there = {one[0] + ("/" if len(one) > 1 else "") for one in parts}
    there |= {f"modaloom/{one[1]}" + ("/" if len(one) > 2 else "") for one in parts if one[0] == "modaloom"}
    assert not sorted(there - set(listed)), "there, but not listed"
