"""The tree of errors, and what they say."""

from __future__ import annotations

import inspect
import re
import tomllib
from pathlib import Path

import pytest

from modaloom import errors
from modaloom.errors import ChecksumError, EncoderError, MissingExtraError, ModaloomError, SettingsError, ShopError

ROOT = Path(__file__).parents[1]
KINDS = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, ModaloomError)]


def test_the_drawn_tree_is_the_tree() -> None:
    drawn: dict[str, str] = {}
    above: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        found = re.match(r"^    (?P<lead>[│ ├└─]*)(?P<name>\w+Error)\b", line)
        if found:
            depth = len(found["lead"]) // 4
            above = [*above[:depth], found["name"]]
            drawn[found["name"]] = above[depth - 1] if depth else "Exception"
    assert drawn == {kind.__name__: kind.__bases__[0].__name__ for kind in KINDS}


@pytest.mark.parametrize("kind", KINDS)
def test_every_error_says_what_it_means(kind: type[ModaloomError]) -> None:
    said = inspect.cleandoc(kind.__doc__ or "")
    assert said.endswith(".")
    if kind is not ModaloomError:
        assert said.removesuffix(".").replace("`", "").lower() in (errors.__doc__ or "").lower()


def test_a_message_says_where_what_and_what_next() -> None:
    error = ShopError("no column 'id'", where=Path("items.csv"), hint="Name it in shop.toml")
    assert str(error) == "items.csv: no column 'id'. Name it in shop.toml."
    assert (error.what, error.where, error.hint) == ("no column 'id'", "items.csv", "Name it in shop.toml")


@pytest.mark.parametrize("end", [".", "?", "!"])
def test_a_sentence_that_ends_is_left_alone(end: str) -> None:
    assert str(ModaloomError("So" + end)) == "So" + end


def test_what_alone_is_enough() -> None:
    error = ModaloomError("it broke")
    assert (str(error), error.where, error.hint) == ("it broke.", None, None)


def test_a_missing_extra_names_the_command() -> None:
    error = MissingExtraError("torch", "train", "Learning")
    assert isinstance(error, EncoderError)
    assert (error.package, error.extra) == ("torch", "train")
    assert str(error) == (
        "Learning needs the package 'torch', which is not installed. Run: pip install 'modaloom[train]'."
    )


def test_the_table_of_extras_is_that_of_the_package() -> None:
    """Every package of an extra that users install is named, by its module, with an extra that brings it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    modules = {
        "faiss-cpu": "faiss", "open-clip-torch": "open_clip", "psycopg[binary,pool]": "psycopg",
        "python-multipart": "python_multipart",
    }  # fmt: skip
    brought = {
        (modules.get(name, name.replace("-", "_")), extra)
        for extra, needs in project["optional-dependencies"].items()
        if extra not in ("all", "dev", "peers")
        for name in (re.split(r"[>=;]", need)[0].strip() for need in needs)
    }
    assert {module for module, _ in brought} <= errors.EXTRA_OF.keys()
    directly = {module: extra for module, extra in errors.EXTRA_OF.items() if module in dict(brought)}
    assert set(directly.items()) <= brought
    assert set(errors.EXTRA_OF.values()) <= project["optional-dependencies"].keys()


def test_one_clause_catches_them_all() -> None:
    for kind in (SettingsError, ChecksumError):
        with pytest.raises(ModaloomError):
            raise kind("no")
