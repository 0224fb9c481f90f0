"""A shopper's garments: items of the shop, own ones, and photos of them, which only their owner can see."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterable
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from modaloom.api.middleware.errors import Refused
from modaloom.api.pictures.form import decoded, picture_form, read_form
from modaloom.api.schemas.answers import RemovedOut, WardrobeEntryOut, WardrobeOut
from modaloom.api.schemas.asks import Id, Language, WardrobeFields, WardrobeIn
from modaloom.api.schemas.shapes import Json, wardrobe_shape
from modaloom.api.service import PageCaller, Service, StrictRoute, TheService
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


@router.post(
    "/v1/users/{user_id}/wardrobe/photo",
    responses={200: {"model": WardrobeEntryOut}},
    openapi_extra=picture_form(WardrobeFields),
)
async def add_photo(request: Request, service: TheService, caller: PageCaller, user_id: Id) -> Response:
    """Adds a garment with its photo; needs the shopper's consent to `photos`. Place and camera are not kept."""

    def allowed() -> None:  # before the picture is read
        if not service.store.granted(service.acting(caller, user_id))["photos"]:
            raise Refused(403, "no_consent", "photos are kept only with consent", hint="PUT the consent 'photos'")

    await service.pool.run(allowed)
    form = await read_form(request)
    fields = form.checked(WardrobeFields)

    def work() -> Json:
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
        return _shape(service, entry, fields.language)

    return await service.json_in(service.photo_pool if caller.scope == "page" else service.picture_pool, work)


@router.get("/v1/users/{user_id}/wardrobe", responses={200: {"model": WardrobeOut}})
async def wardrobe(service: TheService, caller: PageCaller, user_id: Id, language: Language | None = None) -> Response:
    """A shopper's garments, oldest first."""

    def work() -> Json:
        user = service.acting(caller, user_id)
        entries = service.store.wardrobe(user)
        ids = [entry.item_id for entry in entries if entry.item_id]
        return wardrobe_shape(user, entries, service.live.items(ids, language or service.settings.language))

    return await service.json(work)


@router.post("/v1/users/{user_id}/wardrobe", responses={200: {"model": WardrobeEntryOut}})
async def add(
    service: TheService, caller: PageCaller, user_id: Id, body: WardrobeIn, language: Language | None = None
) -> Response:
    """Adds a garment: an item of the shop (which is there once), or one's own by title."""
    if not (body.item_id or body.title.strip()):
        raise Refused(422, "invalid", "item_id: give an item's id, or a title", hint="See /openapi.json")

    def work() -> Json:
        user = service.acting(caller, user_id)
        if body.item_id and not service.store.items([body.item_id]):
            raise NotFoundError("no such item")
        with service.user_lock(user):
            entries = service.store.wardrobe(user)
            same = next((one for one in entries if body.item_id and one.item_id == body.item_id), None)
            if same is not None:
                return _shape(service, same, language)
            _check_room(entries)
            entry = _new_entry(user, item_id=body.item_id, title=body.title, attributes=body.attributes)
            service.store.add_to_wardrobe(entry)
        return _shape(service, entry, language)

    return await service.json(work)


@router.delete("/v1/users/{user_id}/wardrobe/{entry_id}", responses={200: {"model": RemovedOut}})
async def remove(service: TheService, caller: PageCaller, user_id: Id, entry_id: Id) -> Response:
    """Removes a garment, and its photo."""

    def work() -> Json:
        user = service.acting(caller, user_id)
        entry = next((one for one in service.store.wardrobe(user) if one.entry_id == entry_id), None)
        if entry is None:
            return {"removed": False}
        removed = service.store.remove_from_wardrobe(user, entry_id)
        drop_photos(service, [entry])
        return {"removed": removed}

    return await service.json(work)


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


def _shape(service: Service, entry: WardrobeEntry, language: str | None) -> Json:
    cards = service.live.items([entry.item_id], language or service.settings.language) if entry.item_id else []
    shaped: Json = wardrobe_shape(entry.user_id, [entry], cards)["entries"][0]
    return shaped
