"""What an id is: one rule for the files of a shop, for the store and for the API."""

from __future__ import annotations

import re
from typing import Final

MAX_ID_LENGTH: Final = 500
"""Characters of an id: an entry of an index of PostgreSQL holds no more than 2,704 bytes."""
ID_PATTERN: Final = r"^[^\x00-\x1f\x7f]*$"
"""No control characters: no store, address or log line holds them well, and nobody sees them."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def id_fault(text: object) -> str | None:
    """What keeps a value from being an id, as the rest of a sentence; None where nothing does."""
    if not isinstance(text, str) or not text:
        return "must be text and not empty"
    if len(text) > MAX_ID_LENGTH:
        return f"has {len(text)} characters; at most {MAX_ID_LENGTH} are allowed"
    if found := _CONTROL.search(text):
        return f"has a character of code {ord(found[0])}, which cannot be kept"
    try:
        text.encode()
    except UnicodeEncodeError:
        return "has half a surrogate pair, which is no text"
    return None
