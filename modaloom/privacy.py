"""PROTECT: what shoppers' data may be used for, and who was erased. One rule, here; the store applies it.

========== ======================================================= ==========================================
purpose    what it covers                                          while a shopper has said nothing
========== ======================================================= ==========================================
personalise the shopper's own past shapes the shopper's own lists  yes
photos     photos of the wardrobe are kept                         no
research   learning, trends, popularity, comparisons of bundles    no, unless the shop *declared* the shopper
========== ======================================================= ==========================================

A *declared* shopper is one whose data the shop brought itself, from its files or with its own key, saying that it has
a legal basis of its own for learning from them. Whoever a page has met is never declared. A shopper's own word goes
before the shop's declaration, in both directions. See ``docs/privacy.md``.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

PURPOSES = ("personalise", "photos", "research")
"""What a shopper can consent to: use of their past, keeping their photos, use in learning and reports."""
RESEARCH = "research"
"""The purpose of everything that is learned from, or told of, many shoppers at once."""
ANONYMOUS = "anon-"
"""What the ids of shoppers begin with whom nobody but a page has met: anybody can make many of them."""


def is_granted(purpose: str, word: bool | None, *, personalise: bool = True, declared: bool = False) -> bool:
    """Whether a shopper's data may be used for a purpose.

    Args:
        purpose: one of :data:`PURPOSES`.
        word: the shopper's newest word on it; None for none.
        personalise: the shopper's switch of that name, which the shop may set too.
        declared: whether the shop declared a legal basis of its own for this shopper.
    """
    if purpose == "personalise":
        return personalise
    if word is not None:
        return word
    return purpose == RESEARCH and declared


def granted_sql(purpose: str) -> tuple[str, tuple[str, ...]]:
    """:func:`is_granted` as a condition on a shopper ``u``, and its parameters."""
    if purpose == "personalise":
        return "u.personalise = 1", ()
    word = (
        "(SELECT c.granted FROM consent c WHERE c.user_num = u.user_num AND c.purpose = ?"
        " ORDER BY c.timestamp DESC, c.num DESC LIMIT 1)"
    )
    return f"COALESCE({word}, {'u.declared' if purpose == RESEARCH else '0'}) = 1", (purpose,)


def is_anonymous(user_id: str) -> bool:
    """Whether nobody but a page has met this shopper: of no weight where shoppers are counted for the shop."""
    return user_id.startswith(ANONYMOUS)


@dataclass(frozen=True)
class ErasureList:
    """Who was erased, as salted hashes of ids: it tells whether an id is on it, and no id can be read from it.

    Who has the list and guesses an id can test the guess, so that it is kept like personal data.
    """

    salt: str
    """Hexadecimal."""
    hashes: Collection[str]

    @classmethod
    def new(cls) -> Self:
        """An empty list with a salt of its own."""
        return cls(secrets.token_hex(16), frozenset())

    def __contains__(self, user_id: str) -> bool:
        return self._hash(user_id) in self._known

    def added(self, user_ids: Iterable[str]) -> ErasureList:
        """The list with these on it too."""
        return replace(self, hashes=self._known | {self._hash(user_id) for user_id in user_ids})

    def taken_off(self, user_ids: Iterable[str]) -> ErasureList:
        """The list without these."""
        return replace(self, hashes=self._known - {self._hash(user_id) for user_id in user_ids})

    @cached_property
    def _known(self) -> frozenset[str]:
        return frozenset(self.hashes)

    def _hash(self, user_id: str) -> str:
        content = user_id.encode("utf-8", "surrogatepass")
        return hashlib.blake2b(content, key=bytes.fromhex(self.salt), digest_size=16).hexdigest()
