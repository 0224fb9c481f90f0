"""From what the live shop answers to JSON: plain dicts, since these are made for every item of every list."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any
from urllib.parse import quote

from modaloom.shop.requests import Answer, Card, ItemView, Profile, Why
from modaloom.storage.contract import WardrobeEntry

Json = dict[str, Any]


@lru_cache(maxsize=65_536)
def picture_url(item_id: str, number: int = 0) -> str:
    """Where a picture of an item is; ``?width=`` may follow."""
    return f"/v1/items/{quote(item_id, safe='')}/picture/{number}"


def why_shape(why: Why) -> Json:
    """One reason."""
    return {
        "text": why.text,
        "kind": why.kind,
        "subject": why.subject,
        "item_id": why.item_id,
        "picture": picture_url(why.item_id) if why.item_id and why.has_picture else None,
        "contribution": why.contribution,
    }


def card_shape(card: Card) -> Json:
    """One item of a list."""
    return {
        "item_id": card.item_id,
        "title": card.title,
        "price": card.price,
        "category": card.category,
        "picture": picture_url(card.item_id) if card.has_picture else None,
        "in_stock": card.in_stock,
        "is_new": card.is_new,
        "score": card.score,
        "explored": card.explored,
        "why": [why_shape(why) for why in card.why],
        "swatches": [
            {
                "item_id": swatch.item_id,
                "title": swatch.title,
                "colour": swatch.colour,
                "picture": picture_url(swatch.item_id) if swatch.has_picture else None,
            }
            for swatch in card.swatches
        ],
    }


def list_shape(request_id: str, answer: Answer) -> Json:
    """A list."""
    return {
        "request_id": request_id,
        "bundle": answer.bundle,
        "personal": answer.personal,
        "note": answer.note,
        "items": [card_shape(card) for card in answer.cards],
    }


def item_shape(view: ItemView) -> Json:
    """Everything about one item."""
    return {
        "item": card_shape(view.card),
        "description": view.description,
        "attributes": dict(view.attributes),
        "sizes": list(view.sizes),
        "stock": view.stock,
        "pictures": [picture_url(view.card.item_id, number) for number in range(view.pictures)],
        "attention": dict(view.attention),
    }


def profile_shape(profile: Profile) -> Json:
    """What is known about a shopper."""
    return {
        "user_id": profile.user_id,
        "personalise": profile.personalise,
        "language": profile.language,
        "chips": [
            {
                "key": chip.key,
                "label": chip.label,
                "weight": chip.weight,
                "learned": chip.learned,
                "by_hand": chip.by_hand,
            }
            for chip in profile.chips
        ],
        "modalities": dict(profile.modalities),
        "attributes": dict(profile.attributes),
        "shown": dict(profile.shown),
        "counts": dict(profile.counts),
    }


def wardrobe_shape(user_id: str, entries: Iterable[WardrobeEntry], cards: Iterable[Card]) -> Json:
    """A shopper's garments; those that are items of the shop come with their cards."""
    by_id = {card.item_id: card_shape(card) for card in cards}
    owner = quote(user_id, safe="")
    return {
        "entries": [
            {
                "entry_id": entry.entry_id,
                "item_id": entry.item_id,
                "title": entry.title,
                "attributes": dict(entry.attributes),
                "photo": f"/v1/users/{owner}/wardrobe/{quote(entry.entry_id, safe='')}/photo" if entry.photo else None,
                "timestamp": entry.timestamp,
                "card": by_id.get(entry.item_id or ""),
            }
            for entry in entries
        ]
    }
