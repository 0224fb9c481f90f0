"""A shopper's garments: items of the shop, own ones, and photos of them, which only their owner can see."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, Depends
from starlette.responses import Response

from modaloom.api.middleware.errors import Refused
from modaloom.api.pictures.form import PictureForm, decoded, picture_form
from modaloom.api.schemas.answers import Garment, Removed, Wardrobe
from modaloom.api.schemas.asks import Id, Language, WardrobeFields, WardrobeIn
from modaloom.api.service import PageCaller, Service, StrictRoute, TheService, in_pool
from modaloom.errors import NotFoundError
from modaloom.storage.contract import WardrobeEntry

router = APIRouter(tags=["wardrobe"], route_class=StrictRoute)
MAX_ENTRIES = 500
JPEG: dict[int | str, dict[str, Any]] = {200: {"content": {"image/jpeg": {}}, "description": "The photo"}}


@router.get("/v1/users/{user_id}/wardrobe/{entry_id}/photo", response_class=Response, responses=JPEG)
async def photo(service: TheService, caller: PageCaller, user_id: Id, entry_id: Id) -> Response:
    """The photo of one garment, for its owner."""

    def work() -> bytes:
        entry = _entry(service, service.acting(caller, user_id), entry_id)
        if entry.photo is None:
            raise NotFoundError("this garment has no photo")
        return service.media.path(entry.photo).read_bytes()

    return Response(await service.pool.run(work), 200, {"Cache-Control": "private, no-store"}, "image/jpeg")


async def _photos_allowed(service: TheService, caller: PageCaller, user_id: Id) -> None:
    """Refuses a photo before it is read."""

    def ask() -> None:
        if not service.store.granted(service.acting(caller, user_id))["photos"]:
            raise Refused(403, "no_consent", "photos are kept only with consent", hint="PUT the consent 'photos'")

    await service.pool.run(ask)


@router.post(
    "/v1/users/{user_id}/wardrobe/photo",
    dependencies=[Depends(_photos_allowed)],
    openapi_extra=picture_form(WardrobeFields),
)
@in_pool("picture_pool", page="photo_pool")
def add_photo(service: TheService, caller: PageCaller, user_id: Id, form: PictureForm) -> Garment:
    """Adds a garment with its photo; needs the shopper's consent to `photos`. Place and camera are not kept."""
    fields = form.checked(WardrobeFields)
    user = service.acting(caller, user_id)
    with service.user_lock(user):
        _check_room(service.store.wardrobe(user))
        name = service.media.keep(decoded(service, caller, form.file), "wardrobe")
        try:
            entry = _new_entry(user, title=fields.title, attributes=fields.facts(), photo=name)
            service.store.add_to_wardrobe(entry)
        except BaseException:
            service.media.drop(name)
            raise
    return _garments(service, [entry], fields.language)[0]


@router.get("/v1/users/{user_id}/wardrobe")
def wardrobe(service: TheService, caller: PageCaller, user_id: Id, language: Language | None = None) -> Wardrobe:
    """A shopper's garments, oldest first."""
    entries = service.store.wardrobe(service.acting(caller, user_id))
    return Wardrobe(_garments(service, entries, language))


@router.post("/v1/users/{user_id}/wardrobe")
def add(
    service: TheService, caller: PageCaller, user_id: Id, body: WardrobeIn, language: Language | None = None
) -> Garment:
    """Adds a garment: an item of the shop (which is there once), or one's own by title."""
    if not (body.item_id or body.title.strip()):
        raise Refused(422, "invalid", "item_id: give an item's id, or a title", hint="See /openapi.json")
    user = service.acting(caller, user_id)
    if body.item_id and not service.store.items([body.item_id]):
        raise NotFoundError("no such item")
    with service.user_lock(user):
        entries = service.store.wardrobe(user)
        entry = next((one for one in entries if body.item_id and one.item_id == body.item_id), None)
        if entry is None:
            _check_room(entries)
            entry = _new_entry(user, item_id=body.item_id, title=body.title, attributes=body.attributes)
            service.store.add_to_wardrobe(entry)
    return _garments(service, [entry], language)[0]


@router.delete("/v1/users/{user_id}/wardrobe/{entry_id}")
def remove(service: TheService, caller: PageCaller, user_id: Id, entry_id: Id) -> Removed:
    """Removes a garment, and its photo."""
    user = service.acting(caller, user_id)
    entry = next((one for one in service.store.wardrobe(user) if one.entry_id == entry_id), None)
    if entry is None:
        return Removed(False)
    removed = service.store.remove_from_wardrobe(user, entry_id)
    drop_photos(service, [entry])
    return Removed(removed)


def drop_photos(service: Service, entries: Iterable[WardrobeEntry]) -> int:
    """Deletes the photos of garments; how many there were."""
    return sum(service.media.drop(entry.photo) for entry in entries if entry.photo)


def _check_room(entries: list[WardrobeEntry]) -> None:
    if len(entries) >= MAX_ENTRIES:
        raise Refused(409, "full", f"a wardrobe holds {MAX_ENTRIES} garments", hint="Remove some first")


def _new_entry(user_id: str, **values: Any) -> WardrobeEntry:
    return WardrobeEntry(secrets.token_hex(12), user_id, timestamp=int(time.time()), **values)


def _entry(service: Service, user_id: str, entry_id: str) -> WardrobeEntry:
    for entry in service.store.wardrobe(user_id):
        if entry.entry_id == entry_id:
            return entry
    raise NotFoundError("no such garment")


def _garments(service: Service, entries: Iterable[WardrobeEntry], language: str | None) -> tuple[Garment, ...]:
    """Garments of one shopper; those that are items of the shop come with their cards."""
    entries = list(entries)
    ids = [entry.item_id for entry in entries if entry.item_id]
    cards = service.live.items(ids, language or service.settings.language) if ids else []
    by_id = {card.item_id: card for card in cards}
    return tuple(
        Garment(
            entry_id=entry.entry_id,
            item_id=entry.item_id,
            title=entry.title,
            attributes=entry.attributes,
            photo=_photo_url(entry) if entry.photo else None,
            timestamp=entry.timestamp,
            card=by_id.get(entry.item_id or ""),
        )
        for entry in entries
    )


def _photo_url(entry: WardrobeEntry) -> str:
    return f"/v1/users/{quote(entry.user_id, safe='')}/wardrobe/{quote(entry.entry_id, safe='')}/photo"
