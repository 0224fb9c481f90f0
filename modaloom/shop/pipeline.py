"""Answers: a known shopper, a list of garments, a photo or words in; recommendations with reasons out."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import polars as pl

from modaloom.config import Settings
from modaloom.data.numbering import Numbering
from modaloom.errors import QueryError
from modaloom.messages import messages
from modaloom.metrics import top_n
from modaloom.ranking.fusion import FUSION
from modaloom.ranking.ranker import blend_raw
from modaloom.shop.bundle import Bundle
from modaloom.shop.content import ContentReader
from modaloom.shop.explain import explain, in_words, item_name, new_items
from modaloom.shop.words import longest, word_scores
from modaloom.types import LANGUAGES, BoolArray, FloatArray, Histories, IntArray, Reason, Scored

PHOTO_WEIGHTS = {"image": 1.0, FUSION: 0.3, "demand": 0.1}
"""A photo asks for what looks like it; demand only settles ties."""
TEXT_WEIGHTS = {"words": 1.0, "text": 1.0, FUSION: 0.3, "demand": 0.1}
MAX_N = 1_000


@dataclass(frozen=True)
class Query:
    """What to recommend for: exactly one of the four."""

    user: str | None = None
    items: tuple[str, ...] | None = None
    photo: Path | None = None
    text: str | None = None


@dataclass(frozen=True)
class Recommendation:
    """One answer, ready to be shown."""

    item_id: str
    title: str
    price: float | None
    image: str | None
    scored: Scored
    why: tuple[str, ...]

    def to_dict(self) -> dict[str, object]:
        """For JSON."""
        return {
            "item_id": self.item_id,
            "title": self.title,
            "price": self.price,
            "image": self.image,
            "score": round(self.scored.score, 4),
            "why": list(self.why),
            "reasons": [
                {"kind": reason.kind, "subject": reason.subject, "contribution": round(reason.contribution, 4)}
                for reason in self.scored.reasons
            ],
        }


class Recommender:
    """A bundle that answers. Needs no torch."""

    def __init__(self, bundle: Bundle, settings: Settings):
        self.bundle = bundle
        self.settings = settings
        self.snapshot = bundle.snapshot
        self.ranker = bundle.ranker
        self.content = ContentReader(bundle, settings)

    def language(self, wanted: str | None) -> str:
        """The language to answer in: the one asked for, else the shop's own.

        Raises:
            QueryError: it is not one of ours.
        """
        chosen = wanted or str(self.bundle.config["shop"]["language"])
        if chosen not in LANGUAGES:
            raise QueryError(f"unknown language {chosen!r}", hint=f"Choose {' or '.join(LANGUAGES)}")
        return chosen

    def heading(self, language: str) -> str:
        """What stands above a list."""
        return str(messages(language)["title"].format(shop=self.bundle.config["shop"]["name"]))

    def column_names(self, language: str) -> list[str]:
        """What stands above the columns of a list: number, id, title, price, reasons."""
        return list(messages(language)["columns"])

    def recommend(self, query: Query, *, n: int = 20, language: str = "en") -> list[Recommendation]:
        """The best ``n`` items with reasons.

        Raises:
            QueryError: an id is unknown, the words are empty, or the bundle can't answer this kind of query.
            PictureError: the photo cannot be opened.
        """
        if not 1 <= n <= MAX_N:
            raise QueryError(f"n must be from 1 to {MAX_N:,}, not {n}")
        if query.user is not None:
            answers = self.for_user(query.user, n)
        elif query.items is not None:
            answers = self.for_items(query.items, n)
        elif query.photo is not None:
            answers = self.for_photo(query.photo, n)
        elif query.text is not None:
            answers = self.for_text(query.text, n)
        else:
            raise QueryError("the query is empty", hint="Give a user, items, a photo or words")
        return [self._show(scored, language) for scored in answers]

    def for_user(self, user_id: str, n: int) -> list[Scored]:
        """For a known shopper, from their past; for one without a past, what sells."""
        num = self._users.of([user_id], "user")
        return self._for_history(self.snapshot.histories(num), n)

    def for_items(self, item_ids: tuple[str, ...], n: int) -> list[Scored]:
        """For somebody who has these garments."""
        if not item_ids:
            raise QueryError("the list of items is empty", hint="Give ids separated by commas")
        nums = self._items.of(list(item_ids), "item")
        histories = Histories.from_lists([nums.tolist()], now=self.snapshot.now, event=self.snapshot.target_events[0])
        return self._for_history(histories, n)

    def for_photo(self, photo: Path, n: int) -> list[Scored]:
        """For what is on a picture."""
        raw = self.content.scores("image", self.content.vector("image", photo))
        total = blend_raw(raw, PHOTO_WEIGHTS)
        without = {name: scores for name, scores in raw.items() if name == "demand"}
        gain = total - blend_raw(without, PHOTO_WEIGHTS) if without else total
        picks = self._best(total, self.snapshot.catalogue[None, :], n)
        return [
            Scored(self._id(item), float(total[0, item]), (Reason("photo", "", float(gain[0, item])),))
            for item in picks.tolist()
        ]

    def for_text(self, text: str, n: int) -> list[Scored]:
        """For what words say and mean."""
        if not text.strip():
            raise QueryError("the words are empty", hint="Say what you are looking for")
        said_scores, said = word_scores(self.snapshot.items, text)
        raw: dict[str, FloatArray] = {}
        if self.content.reads("text"):
            raw = self.content.scores("text", self.content.vector("text", text))
        if said_scores.any():
            raw = {"words": said_scores[None, :], **(raw or self.content.demand())}
        if not set(raw) - {"demand"}:
            raise QueryError("no item says this, and the bundle has no text encoder", hint="Try other words")
        total = blend_raw(raw, TEXT_WEIGHTS)
        by_kind = {name: blend_raw({name: scores}, TEXT_WEIGHTS)[0] for name, scores in raw.items() if name != "demand"}
        by_words = by_kind.pop("words", np.zeros(self.snapshot.n_items, dtype=np.float32))
        by_meaning = np.sum(list(by_kind.values()), axis=0) if by_kind else np.zeros_like(by_words)
        answers = []
        for item in self._best(total, self.snapshot.catalogue[None, :], n).tolist():
            reason = Reason("meaning", "", float(by_meaning[item]))
            if said[item]:
                reason = Reason("words", " ".join(longest(said[item])), float(by_words[item]))
            answers.append(Scored(self._id(item), float(total[0, item]), (reason,)))
        return answers

    def _for_history(self, histories: Histories, n: int) -> list[Scored]:
        scores = self.ranker.score(histories)
        picks = self._best(scores, self.snapshot.may_be_shown(histories), n)
        reasons = explain(self.ranker, self.snapshot, histories, picks)
        return [
            Scored(self._id(item), float(scores[0, item]), why)
            for item, why in zip(picks.tolist(), reasons, strict=True)
        ]

    def _best(self, scores: FloatArray, allowed: BoolArray, n: int) -> IntArray:
        best: IntArray = top_n(scores, n, allowed)[0]
        return best[best >= 0]

    def show(self, item_id: str, language: str) -> Recommendation:
        """One item of the catalogue, as recommendations show it.

        Raises:
            QueryError: the id is unknown.
        """
        return self._show(Scored(item_id, 0.0), language)

    def _show(self, scored: Scored, language: str) -> Recommendation:
        num = self._num(scored.item_id)
        row, title = self.snapshot.items.row(num, named=True), item_name(self.snapshot.items, num, language)
        why = in_words(scored.reasons, lambda item_id: self._name(item_id, language), language)
        image = str(self.bundle.pictures_root / row["images"][0]) if row["images"] else None
        said = tuple(reason.text for reason in why) if scored.reasons else ()
        return Recommendation(scored.item_id, title, row["price"], image, scored, said)

    def _num(self, item_id: str) -> int:
        return int(self._items.of([item_id], "item")[0])

    def _name(self, item_id: str, language: str) -> str:
        return item_name(self.snapshot.items, self._num(item_id), language)

    def _id(self, item: int) -> str:
        return str(self.snapshot.items["item_id"][item])

    @cached_property
    def _items(self) -> Numbering:
        return Numbering(self.snapshot.items["item_id"])

    @cached_property
    def _users(self) -> Numbering:
        return Numbering(self.snapshot.users["user_id"])

    @cached_property
    def new(self) -> BoolArray:
        """Items (n,) that are new."""
        return new_items(self.snapshot)

    def users(self) -> pl.Series:
        """Ids of known shoppers."""
        return self.snapshot.users["user_id"]
