"""What a reader of the package has to learn does not grow unseen: raise a bound here, with a reason, or simplify."""

from __future__ import annotations

import ast

import pytest

from tests.counts import comment_lines, counts, docstring_lines, is_record, tuple_parameters

BOUNDS = {
    "lines": 43_000,
    "public_names": 1_150,
    "records": 250,
    "tuple_parameters": 30,
    "ranking_files": 8,
    "ranking_lines": 2_900,
}
"""As of 2026-12-01, with a little room; the aim is fewer of each."""


def test_counts_stay_within_their_bounds() -> None:
    found = counts()
    assert not {name: found[name] for name, bound in BOUNDS.items() if found[name] > bound}


SOURCE = '''
"""Two
lines."""
@dataclass(frozen=True)
class Point:
    x: int  # in metres
    """Where."""

class Plain: ...

def move(span: tuple[int, int], many: tuple[int, ...]) -> None: ...
'''


def test_what_is_counted() -> None:
    tree = ast.parse(SOURCE)
    classes = {node.name: node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}
    assert is_record(classes["Point"])
    assert not is_record(classes["Plain"])
    assert comment_lines(SOURCE) == 1
    assert docstring_lines(tree) == 3
    assert tuple_parameters(tree) == 1


@pytest.mark.parametrize(
    ("source", "expected"),
    [("def f(a: tuple[int, ...]): ...", 0), ("def f(a: tuple[int, str] | None): ...", 1), ("def f(a: int): ...", 0)],
)
def test_tuples_of_several_things_are_counted(source: str, expected: int) -> None:
    assert tuple_parameters(ast.parse(source)) == expected
