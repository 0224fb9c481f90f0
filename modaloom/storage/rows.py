"""Records as rows and back, and what no backend could keep: checked here, so that all of them refuse the same."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from modaloom.errors import QueryError
from modaloom.ids import id_fault
from modaloom.privacy import PURPOSES
from modaloom.storage.contract import (
    FEEDBACK,
    Consent,
    Exposure,
    Feedback,
    ShopUser,
    Showing,
    WardrobeEntry,
)
from modaloom.types import LANGUAGES, Event, Interaction, Item

_LARGEST = 2**63 - 1
PATCHED: dict[str, Any] = {
    name: getattr(Item(""), name) for name in (one.name for one in fields(Item)) if name != "item_id"
}
"""Fields of an item that a patch may change, with what they are when empty."""

Row = tuple[Any, ...]


def checked_id(text: str, what: str) -> str:
    """An id that every backend can keep.

    Raises:
        QueryError: it is no id (:mod:`modaloom.ids`).
    """
    if fault := id_fault(text):
        raise QueryError(f"{what} {fault}")
    return text


def checked_text(text: str, what: str) -> str:
    """Text that every backend can keep.

    Raises:
        QueryError: it has the character of code 0, or half a surrogate pair.
    """
    if "\0" in text:
        raise QueryError(f"{what} has a character of code 0, which cannot be kept")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise QueryError(f"{what} has half a surrogate pair, which is no text") from None
    return text


def checked_time(seconds: int, what: str = "timestamp") -> int:
    """A whole number that every backend can keep.

    Raises:
        QueryError: it does not fit in 64 bits.
    """
    if not -_LARGEST <= seconds <= _LARGEST:
        raise QueryError(f"{what} {seconds} is out of range")
    return int(seconds)


def one_of(text: str, allowed: tuple[str, ...], what: str) -> str:
    """The text, if it is allowed.

    Raises:
        QueryError: it is not.
    """
    if text not in allowed:
        raise QueryError(f"{what} {text!r} is unknown", hint=f"Known are {', '.join(allowed)}")
    return text


def as_json(content: Mapping[str, Any], what: str) -> str:
    """One line of JSON in a settled order.

    Raises:
        QueryError: no backend could keep it.
    """
    try:
        text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except ValueError:
        raise QueryError(f"{what} has a number that is none") from None
    return checked_text(text, what)


def item_text(item: Item) -> str:
    """An item as JSON, without its id and what it lacks."""
    content: dict[str, Any] = {
        "title": item.title,
        "description": item.description,
        "attributes": dict(item.attributes),
        "price": item.price,
        "images": [image.as_posix() for image in item.images],
        "video": item.video.as_posix() if item.video else None,
        "stock": item.stock,
        "released_at": item.released_at,
        "group_id": item.group_id,
        "titles": dict(item.titles),
        "descriptions": dict(item.descriptions),
    }
    kept = {name: value for name, value in content.items() if value not in (None, "", [], {})}
    return as_json(kept, f"item {item.item_id!r}")


def item_of(item_id: str, text: str) -> Item:
    """The item again."""
    content: dict[str, Any] = json.loads(text)
    content["images"] = tuple(Path(image) for image in content.get("images", ()))
    if content.get("video"):
        content["video"] = Path(content["video"])
    return Item(item_id, **content)


def patched_item(item: Item, patch: Mapping[str, Any]) -> Item:
    """The item with some fields changed, as :meth:`~modaloom.storage.contract.Store.patch_items` says.

    Raises:
        QueryError: there is no such field.
    """
    changes: dict[str, Any] = {}
    for name, value in patch.items():
        one_of(name, tuple(PATCHED), "field")
        empty, known = PATCHED[name], getattr(item, name)
        if value is None:
            changes[name] = empty
        elif isinstance(known, Mapping):
            merged = {**known, **value}
            changes[name] = {key: text for key, text in merged.items() if text is not None}
        else:
            changes[name] = value
    return replace(item, **changes)


def user_row(user: ShopUser) -> Row:
    """user_id, language, personalise, attributes, taste, declared."""
    what = f"user {user.user_id!r}"
    if user.language is not None:
        one_of(user.language, LANGUAGES, "language")
    return (
        checked_id(user.user_id, "user_id"),
        user.language,
        int(user.personalise),
        as_json(dict(user.attributes), what),
        as_json(dict(user.taste), what),
        int(user.declared),
    )


def user_of(row: Row) -> ShopUser:
    """The user again."""
    user_id, language, personalise, attributes, taste, declared = row
    return ShopUser(
        user_id,
        attributes=json.loads(attributes),
        language=language,
        personalise=bool(personalise),
        taste=json.loads(taste),
        declared=bool(declared),
    )


def check_interaction(event: Interaction) -> None:
    """Sees that every backend can keep it.

    Raises:
        QueryError: none could.
    """
    checked_id(event.user_id, "user_id")
    checked_time(event.timestamp)
    for text, what in ((event.item_id, "item_id"), (event.event_id, "event_id")):
        if text is not None:
            checked_id(text, what)
    for text, what in ((event.query, "query"), (event.session_id, "session_id")):
        if text is not None:
            checked_text(text, what)
    if event.value is not None and not math.isfinite(event.value):
        raise QueryError("value must be a finite number")


def interaction_row(event: Interaction, user_num: int, item_num: int | None) -> Row:
    """user_num, item_num, event, timestamp, value, query, session_id, event_id."""
    value = None if event.value is None else float(event.value)
    return (user_num, item_num, int(event.event), event.timestamp, value, event.query, event.session_id, event.event_id)


def interaction_of(row: Row) -> Interaction:
    """The interaction again, from a row that has the ids for the numbers."""
    user_id, item_id, event, timestamp, value, query, session_id, event_id = row
    return Interaction(user_id, item_id, Event(event), timestamp, value, query, session_id, event_id)


def check_feedback(feedback: Feedback) -> None:
    """Sees that it is of a known kind and can be kept.

    Raises:
        QueryError: it is not, or cannot.
    """
    checked_id(feedback.user_id, "user_id")
    checked_id(feedback.item_id, "item_id")
    one_of(feedback.kind, FEEDBACK, "feedback")
    checked_time(feedback.timestamp)


def check_consent(consent: Consent) -> None:
    """Sees that it has a known purpose and can be kept.

    Raises:
        QueryError: it has not, or cannot.
    """
    checked_id(consent.user_id, "user_id")
    one_of(consent.purpose, PURPOSES, "purpose")
    checked_time(consent.timestamp)


def wardrobe_row(entry: WardrobeEntry, user_num: int, item_num: int | None) -> Row:
    """user_num, entry_id, item_num, title, attributes, photo, timestamp."""
    attributes = as_json(dict(entry.attributes), f"wardrobe entry {entry.entry_id!r}")
    photo = None if entry.photo is None else checked_text(entry.photo, "photo")
    title = checked_text(entry.title, "title")
    return (user_num, checked_id(entry.entry_id, "entry_id"), item_num, title, attributes, photo, entry.timestamp)


def wardrobe_of(user_id: str, row: Row) -> WardrobeEntry:
    """The garment again."""
    entry_id, item_id, title, attributes, photo, timestamp = row
    return WardrobeEntry(entry_id, user_id, item_id, title, json.loads(attributes), photo, timestamp)


def check_exposure(exposure: Exposure) -> None:
    """Sees that every backend can keep it.

    Raises:
        QueryError: none could.
    """
    checked_id(exposure.user_id, "user_id")
    checked_id(exposure.item_id, "item_id")
    for text, what in ((exposure.request_id, "request_id"), (exposure.place, "place"), (exposure.bundle, "bundle")):
        checked_text(text, what)
    checked_time(exposure.timestamp)
    checked_time(exposure.rank, "rank")


def check_showing(showing: Showing) -> None:
    """Sees that every backend can keep it.

    Raises:
        QueryError: none could.
    """
    checked_id(showing.user_id, "user_id")
    for item_id in showing.items:
        checked_id(item_id, "item_id")
    for text, what in ((showing.request_id, "request_id"), (showing.place, "place"), (showing.bundle, "bundle")):
        checked_text(text, what)
    checked_time(showing.timestamp)


def json_or_none(numbers: Sequence[int]) -> str | None:
    """Whole numbers as a JSON list; None where there are none."""
    return f"[{','.join(map(str, numbers))}]" if numbers else None


def exposures_of(user_id: str, row: Row, item_ids: Sequence[str]) -> list[Exposure]:
    """One list's exposures again, from request_id, place, bundle, timestamp, items, explored, ranks."""
    request_id, place, bundle, timestamp, _, explored, ranks = row
    fresh = set(json.loads(explored or "[]"))
    order = json.loads(ranks) if ranks else range(len(item_ids))
    return [
        Exposure(request_id, user_id, item_id, place, rank, bundle, number in fresh, timestamp)
        for number, (item_id, rank) in enumerate(zip(item_ids, order, strict=True))
    ]
