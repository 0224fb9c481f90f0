"""The catalogue of messages: every sentence that a shopper reads, in each language."""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from modaloom.errors import QueryError
from modaloom.types import LANGUAGES

Names = Mapping[str, str]
"""What something is called, by language code: ``zh`` and ``en``."""


@functools.cache
def messages(language: str) -> Mapping[str, Any]:
    """All messages of one language.

    Raises:
        QueryError: there is no such language.
    """
    return _read(f"{_known(language)}.toml")


@functools.cache
def page_messages(language: str) -> Mapping[str, Any]:
    """All messages of the shopper's page in one language, as tables of sentences.

    Raises:
        QueryError: there is no such language.
    """
    return _read(f"page.{_known(language)}.toml")


@functools.cache
def trend_messages(language: str) -> Mapping[str, Any]:
    """All messages about trends in one language: of the board, the report and the command line.

    Raises:
        QueryError: there is no such language.
    """
    return _read(f"trends.{_known(language)}.toml")


_INNER = str.maketrans("“”", "‘’")


def inside(text: str) -> str:
    """A text as it stands inside quotation marks, in either language: its own become single ones."""
    return text.translate(_INNER)


SHARED = ("kinds", "dimensions", "months", "advice", "abstained", "notes")
"""Tables about trends that the board's screens say as the report does."""


@functools.cache
def board_messages(language: str) -> Mapping[str, Any]:
    """All messages of the trend board's screens in one language: the page's, the report's, and its own over them.

    Raises:
        QueryError: there is no such language.
    """
    joined: dict[str, dict[str, str]] = {}
    report = {table: trend_messages(language)[table] for table in SHARED}
    for told in (page_messages(language), report, _read(f"board.{_known(language)}.toml")):
        for table, sentences in told.items():
            joined.setdefault(table, {}).update(sentences)
    return joined


def _known(language: str) -> str:
    if language not in LANGUAGES:
        raise QueryError(f"unknown language {language!r}", hint=f"Choose {' or '.join(LANGUAGES)}")
    return language


def _read(name: str) -> Mapping[str, Any]:
    return tomllib.loads(files(__name__).joinpath(name).read_text(encoding="utf-8"))
