"""The catalogue of messages: every sentence that a shopper reads, in each language."""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from modaloom.errors import QueryError
from modaloom.types import LANGUAGES


@functools.cache
def messages(language: str) -> Mapping[str, Any]:
    """All messages of one language.

    Raises:
        QueryError: there is no such language.
    """
    if language not in LANGUAGES:
        raise QueryError(f"unknown language {language!r}", hint=f"Choose {' or '.join(LANGUAGES)}")
    text = files(__name__).joinpath(f"{language}.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)
