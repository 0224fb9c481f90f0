"""What shoppers state of themselves: lists of words, split the way people write them, and told in either language."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass

from modaloom.messages import Names, trend_messages
from modaloom.types import LANGUAGES

SEPARATORS = ",;/|、，；"
"""Whatever stands between the words of a list, in English or Chinese."""
BETWEEN = re.compile(f"[{SEPARATORS}]+")
COLOUR_NAME = re.compile("colou?r|颜色", re.IGNORECASE)
"""In the name of an attribute that holds colours."""
PERSONS = ("gender", "sex", "性别")
"""Attributes of people alone: what a shop calls clothes for women is no word for a woman."""


def words_in(text: str) -> list[str]:
    """The words of a list: of ``藏青、 绿色；`` they are ``藏青`` and ``绿色``. A word may hold spaces."""
    return [word for part in BETWEEN.split(text) if (word := part.strip())]


@dataclass(frozen=True)
class Known:
    """A value that has a name: the key that stands for it, and what it is called in each language."""

    key: str
    names: Names


class StatedWords:
    """Words that a shop has names for, whichever of the names was used; for attributes that hold colours, these too."""

    def __init__(self, labels: Mapping[str, Mapping[str, Mapping[str, str]]]):
        """``labels``: the shop's names by language, attribute and value."""
        self._own: dict[str, dict[str, Known]] = {}
        self._anywhere: dict[str, Known] = {}
        for attribute in dict.fromkeys(name for table in labels.values() for name in table):
            tables = {language: labels.get(language, {}).get(attribute, {}) for language in LANGUAGES}
            own = self._own[attribute] = {}
            for key in dict.fromkeys(key for table in tables.values() for key in table):
                known = Known(key, {language: table.get(key, key) for language, table in tables.items()})
                for word in (key, *known.names.values()):
                    own.setdefault(word.casefold(), known)
                    self._anywhere.setdefault(word.casefold(), known)

    def find(self, attribute: str, word: str) -> Known | None:
        """What a word of an attribute stands for: a value of that attribute, a colour, or a value of another one."""
        word = word.casefold()
        elsewhere = {} if attribute.lower() in PERSONS else self._anywhere
        colour = _colours().get(word) if COLOUR_NAME.search(attribute) else None
        return self._own.get(attribute, {}).get(word) or colour or elsewhere.get(word)

    def tell(self, attribute: str, text: str, language: str) -> str:
        """A list of words in one language: ``藏青、绿色`` is ``navy, green``.

        Words that nobody has a name for stay as they are, and so does a text without any other.

        Raises:
            QueryError: there is no such language.
        """
        comma, words = str(trend_messages(language)["comma"]), words_in(text)
        found = [self.find(attribute, word) for word in words]
        if not any(found):
            return text
        return comma.join(known.names[language] if known else word for known, word in zip(found, words, strict=True))


@functools.cache
def _colours() -> Mapping[str, Known]:
    """Each colour by everything it is called, Chinese ones also without the word for colour."""
    tables = {language: trend_messages(language)["colours"] for language in LANGUAGES}
    found: dict[str, Known] = {}
    for key in tables[LANGUAGES[0]]:
        known = Known(key, {language: table[key] for language, table in tables.items()})
        for name in known.names.values():
            found |= {key: known, name.casefold(): known, name.removesuffix("色").casefold(): known}
    return found
