"""What every record that is answered as JSON has in common."""

from __future__ import annotations

import ast
import inspect
import sys
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from pydantic import GetJsonSchemaHandler


class Record:
    """Base of the dataclasses that are answered as JSON: the docstring of a field describes it in ``/openapi.json``."""

    __slots__ = ()
    OPTIONAL: ClassVar[tuple[str, ...]] = ()
    """Fields that whoever writes the JSON leaves out where they are None; all others are always there."""

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: Any, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """The schema of the record, with the docstrings of its fields."""
        # pydantic's use_attribute_docstrings parses a class's file again for each class, when the service starts
        schema = handler(core_schema)
        described = handler.resolve_ref_schema(schema)
        properties = described["properties"]
        described["required"] = [name for name in properties if name not in cls.OPTIONAL]
        for owner in cls.__mro__:
            for name, text in _docstrings(owner.__module__).get(owner.__name__, {}).items():
                if name in properties:
                    properties[name].setdefault("description", text)
        return schema


@cache
def _docstrings(module: str) -> dict[str, dict[str, str]]:
    """Docstrings of fields, by class and field; none where the source is not at hand."""
    try:
        tree = ast.parse(inspect.getsource(sys.modules[module]))
    except (OSError, TypeError):
        return {}
    classes = (node for node in tree.body if isinstance(node, ast.ClassDef))
    return {node.name: dict(_field_docstrings(node)) for node in classes}


def _field_docstrings(node: ast.ClassDef) -> list[tuple[str, str]]:
    found = []
    for field, after in zip(node.body, node.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(after, ast.Expr):
            text = after.value.value if isinstance(after.value, ast.Constant) else None
            if isinstance(text, str):
                found.append((field.target.id, inspect.cleandoc(text).replace("\n", " ").replace("``", "`")))
    return found
