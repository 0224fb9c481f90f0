"""Counts what a reader of the package has to learn: lines, names, records, and comments.

python tests/counts.py
"""

from __future__ import annotations

import ast
import io
import re
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "modaloom"
RECORD_BASES = {"NamedTuple", "TypedDict", "BaseModel"}


def modules() -> Iterator[tuple[str, str]]:
    """Name and source of every module but the built-in shop's."""
    for file in sorted(PACKAGE.rglob("*.py")):
        if "samples" not in file.relative_to(PACKAGE).parts:
            yield file.relative_to(PACKAGE).as_posix(), file.read_text(encoding="utf-8")


def is_record(node: ast.ClassDef) -> bool:
    """Whether a class only holds fields: a dataclass, named tuple, typed dict or model."""
    decorators = {ast.unparse(one).split("(")[0].split(".")[-1] for one in node.decorator_list}
    bases = {ast.unparse(one).split(".")[-1] for one in node.bases}
    return "dataclass" in decorators or bool(bases & RECORD_BASES) or any(base.endswith("Model") for base in bases)


def comment_lines(source: str) -> int:
    """Lines with a comment on them."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    comments = [token.string for token in tokens if token.type == tokenize.COMMENT]
    return sum(not comment.startswith(("# noqa", "# type:", "# fmt")) for comment in comments)


def docstring_lines(tree: ast.Module) -> int:
    """Lines of docstrings, of attributes too."""
    return sum(
        (node.end_lineno or node.lineno) - node.lineno + 1
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    )


def tuple_parameters(tree: ast.Module) -> int:
    """Functions of which a parameter is a tuple of several things."""
    found = 0
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            notes = [ast.unparse(one.annotation) for one in (*node.args.args, *node.args.kwonlyargs) if one.annotation]
            found += any(re.match(r"tuple\[(?!.*\.\.\.)", note) for note in notes)
    return found


def counts() -> dict[str, float]:
    """All counts of the package as it stands."""
    lines = code = comments = names = records = tuples = 0
    for _, source in modules():
        tree = ast.parse(source)
        lines += len(source.splitlines())
        blank = sum(not line.strip() or line.strip().startswith("#") for line in source.splitlines())
        code += len(source.splitlines()) - blank - docstring_lines(tree)
        comments += comment_lines(source)
        tuples += tuple_parameters(tree)
        for node in tree.body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                names += not node.name.startswith("_")
        records += sum(is_record(node) for node in ast.walk(tree) if isinstance(node, ast.ClassDef))
    ranking = [source for name, source in modules() if name.startswith("ranking/") and not name.endswith("__init__.py")]
    return {
        "lines": lines,
        "public_names": names,
        "records": records,
        "tuple_parameters": tuples,
        "comments_per_100_code_lines": round(100 * comments / code, 1),
        "ranking_files": len(ranking),
        "ranking_lines": sum(len(source.splitlines()) for source in ranking),
    }


if __name__ == "__main__":
    for what, number in counts().items():
        sys.stdout.write(f"{what:30} {number:>8,}\n")
