"""Items as cards: names, prices, colours and reasons in the shopper's language."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np

from modaloom.messages import messages
from modaloom.messages.stated import StatedWords
from modaloom.shop.catalogue import CATEGORY, COLOURS, Catalogue
from modaloom.shop.explain import in_words, is_new
from modaloom.shop.requests import Card, Swatch, Why, picture_url
from modaloom.types import LANGUAGES, BoolArray, IntArray, Reason

SHOWN_SWATCHES = 8
FACES_KEPT = 30_000
"""Cards without what is of one list, by language: some ten megabytes."""


class CardMaker:
    """Makes cards from a catalogue; ``labels`` are the shop's words by language, attribute and value.

    For whoever holds the catalogue's lock.
    """

    def __init__(self, catalogue: Catalogue, labels: Mapping[str, Mapping[str, Mapping[str, str]]]):
        self.catalogue = catalogue
        self.labels = labels
        self._stated = StatedWords(labels)
        self._faces: dict[str, dict[int, Card]] = {language: {} for language in LANGUAGES}

    def card(
        self, num: int, score: float, language: str, now: int, *, explored: bool = False, why: tuple[Why, ...] = ()
    ) -> Card:
        """One item as it is at this moment."""
        face = self._face(num, language)
        # one number instead of an array of one, which would take much longer
        new = is_new(int(self.catalogue.released_at[num]), num >= self.catalogue.n_known, now)
        return Card(
            face.item_id,
            face.title,
            face.price,
            face.category,
            face.picture,
            face.in_stock,
            is_new=new,
            score=round(score, 4),
            explored=explored,
            why=why,
            swatches=face.swatches,
        )

    def _face(self, num: int, language: str) -> Card:
        """What a card shows whoever looks at it; kept until the item, or another one of its model, changes."""
        if changed := self.catalogue.changed:
            for faces in self._faces.values():
                for other in changed:
                    faces.pop(other, None)
            changed.clear()
        faces = self._faces[language]
        face = faces.get(num)
        if face is None:
            if len(faces) >= FACES_KEPT:
                faces.clear()
            face = faces[num] = self._made(num, language)
        return face

    def _made(self, num: int, language: str) -> Card:
        catalogue = self.catalogue
        price = float(catalogue.price[num])
        category = catalogue.value(CATEGORY, num)
        return Card(
            item_id=catalogue.ids[num],
            title=self.title(num, language),
            price=None if np.isnan(price) else round(price, 2),
            category=None if category is None else self.label(CATEGORY, category, language),
            picture=self._picture(num),
            in_stock=bool(catalogue.stock[num] != 0),
            is_new=False,
            score=0.0,
            swatches=tuple(
                Swatch(
                    catalogue.ids[other],
                    self.title(other, language),
                    self._colour(other, language),
                    self._picture(other),
                )
                for other in catalogue.variants(num)[:SHOWN_SWATCHES]
            ),
        )

    def told(self, reasons: Sequence[Reason], language: str) -> list[Why]:
        """The weightiest reasons in words; a taste that was set by hand comes first."""
        tastes, others, told = [reason for reason in reasons if reason.kind == "taste"], reasons, list[Why]()
        if tastes:
            say, others = messages(language)["reason"], [reason for reason in reasons if reason.kind != "taste"]
            for _, subject, contribution in tastes:
                name, _, value = subject.partition("=")
                words = self.label(name, value, language)
                told.append(Why(say["taste"].format(words=words), "taste", subject, None, contribution))
        if others or not told:
            for text, (kind, subject, contribution), item_id in in_words(others, self._name_in(language), language):
                picture = None if item_id is None else self._picture(self.catalogue.nums.get(item_id))
                told.append(Why(text, kind, subject, item_id, round(contribution, 4), picture))
        return told

    def _name_in(self, language: str) -> Callable[[str], str]:
        return partial(self.name, language=language)

    def name(self, item_id: str, language: str) -> str:
        """An item's title, or its id where nothing is known of it."""
        num = self.catalogue.nums.get(item_id)
        return item_id if num is None else self.title(num, language)

    def title(self, num: int, language: str) -> str:
        """What an item is called; the name of its category where the shop gave it no title."""
        if title := self.catalogue.titles[language][num]:
            return title
        category = self.catalogue.value(CATEGORY, num)
        return self.catalogue.ids[num] if category is None else self.label(CATEGORY, category, language)

    def _picture(self, num: int | None) -> str | None:
        """Where the first picture of an item is; None where there is none, or the item is gone."""
        if num is None or not self.catalogue.alive[num] or not self.catalogue.pictures[num]:
            return None
        return picture_url(self.catalogue.ids[num])

    def label(self, name: str, value: str, language: str) -> str:
        """What the shop calls a value of an attribute in one language."""
        return str(self.labels.get(language, {}).get(name, {}).get(value, value))

    def stated(self, attributes: Mapping[str, str], language: str) -> dict[str, str]:
        """What a shopper stated in one language, by attribute, where that is another text than theirs."""
        told = {name: self._stated.tell(name, text, language) for name, text in attributes.items()}
        return {name: text for name, text in told.items() if text != attributes[name]}

    def new(self, nums: IntArray, now: int) -> BoolArray:
        """Which items (c,) are new."""
        return is_new(self.catalogue.released_at[nums], nums >= self.catalogue.n_known, now)

    def _colour(self, num: int, language: str) -> str | None:
        found = ((name, value) for name in COLOURS if (value := self.catalogue.value(name, num)))
        return next((self.label(name, value, language) for name, value in found), None)
