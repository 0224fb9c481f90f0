"""PROTECT: what shoppers' data may be used for. One rule, here; the store applies it wherever data leave it.

========== ======================================================= ==========================================
purpose    what it covers                                          while a shopper has said nothing
========== ======================================================= ==========================================
personalise the shopper's own past shapes the shopper's own lists  yes
photos     photos of the wardrobe are kept                         no
research   learning, trends, popularity, comparisons of bundles    no, unless the shop *declared* the shopper
========== ======================================================= ==========================================

A *declared* shopper is one whose data the shop brought itself, from its files or with its own key, saying that it has a
legal basis of its own for learning from them. Whoever a page has met is never declared. A shopper's own word goes before
the shop's declaration, in both directions. See ``docs/privacy.md``.
"""

from __future__ import annotations

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
