"""Items: what is known of one, its pictures, what can be filtered by; and the shop's changes of its catalogue."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from fastapi import Path as InPath
from starlette.requests import Request
from starlette.responses import Response

from modaloom.api.middleware.errors import Refused
from modaloom.api.pictures.form import PictureForm, decoded, picture_form
from modaloom.api.schemas.answers import CatalogueChange, Facets, FacetValue, NewPicture, PatchedItems, ShopFacts
from modaloom.api.schemas.asks import Id, ItemIdsIn, ItemIn, ItemPatch, ItemPatchesIn, ItemsIn, Language
from modaloom.api.service import PageCaller, Service, ShopCaller, StrictRoute, TheService, in_pool, limited_by_address
from modaloom.errors import NotFoundError
from modaloom.shop.requests import ItemView, picture_url
from modaloom.types import LANGUAGES, Item

router = APIRouter(tags=["items"], route_class=StrictRoute)
MAX_PICTURES = 20
PICTURE_AGE_S = 3_600
Number = Annotated[int, InPath(ge=0, lt=1_000)]
JPEG: dict[int | str, dict[str, Any]] = {200: {"content": {"image/jpeg": {}}, "description": "The picture"}}


@router.get("/v1/shop")
def shop(service: TheService, caller: PageCaller) -> ShopFacts:
    """What the page must know of the shop."""
    settings = service.settings
    return ShopFacts(
        name=settings.shop_name,
        language=settings.language,
        currency=settings.currency,
        languages=tuple(LANGUAGES),
        page_size=settings.page_size,
        demo=bool(settings.demo_shoppers),
    )


@router.get("/v1/facets")
def facets(service: TheService, caller: PageCaller, language: Language | None = None) -> Facets:
    """Everything that can be filtered by, with the number of items."""
    found = service.live.facets(language or service.settings.language)
    return Facets({name: tuple(FacetValue(*value) for value in values) for name, values in found.items()})


@router.get("/v1/items/{item_id:path}/picture/{number}", response_class=Response, responses=JPEG)
async def picture(
    request: Request,
    service: TheService,
    item_id: Id,
    number: Number,
    width: Annotated[Literal["160", "320", "640", "1080"], Query()] = "640",
) -> Response:
    """One of an item's pictures, no wider than asked for."""
    limited_by_address(request.scope, service)

    def look() -> tuple[Path, str, bytes | None]:
        source = service.live.picture(item_id, number)
        tag = service.resized.tag(source, int(width))
        return source, tag, service.resized.kept(tag)

    source, tag, data = await service.pool.run(look)
    headers = {"ETag": f'"{tag}"', "Cache-Control": f"public, max-age={PICTURE_AGE_S}"}
    if f'"{tag}"' in request.headers.get("if-none-match", ""):
        return Response(None, 304, headers)
    if data is None:
        data = await service.picture_pool.run(service.resized.make, source, int(width), tag)
    return Response(data, 200, headers, "image/jpeg")


@router.get("/v1/items/{item_id:path}")
def item(service: TheService, caller: PageCaller, item_id: Id, language: Language | None = None) -> ItemView:
    """Everything about one item that a shopper may see."""
    return service.live.item(item_id, language or service.settings.language)


@router.put("/v1/items")
@in_pool("ingest_pool")
def put_items(service: TheService, caller: ShopCaller, body: ItemsIn) -> CatalogueChange:
    """Adds items, or replaces everything that is known of them but their pictures; they can be recommended at once.

    A field that is left out is emptied. `PATCH /v1/items` changes only what is given.
    """
    ids = _each_once([one.item_id for one in body.items])
    known = service.store.items(ids)
    version = service.store.upsert_items([_item_of(one, known.get(one.item_id)) for one in body.items])
    return CatalogueChange(version, items=len(ids))


@router.patch("/v1/items")
@in_pool("ingest_pool")
def patch_items(service: TheService, caller: ShopCaller, body: ItemPatchesIn) -> PatchedItems:
    """Changes only the fields that are given, such as stock and price; null empties one. Unknown ids are named."""
    ids = _each_once([one.item_id for one in body.items])
    done = service.store.patch_items({one.item_id: one.changes() for one in body.items})
    return PatchedItems(done.version, items=len(ids) - len(done.unknown), changed=done.changed, unknown=done.unknown)


@router.patch("/v1/items/{item_id:path}")
@in_pool("ingest_pool")
def patch_item(service: TheService, caller: ShopCaller, item_id: Id, body: ItemPatch) -> CatalogueChange:
    """Changes only the fields that are given of one item; null empties one."""
    done = service.store.patch_items({item_id: body.changes()})
    if done.unknown:
        raise NotFoundError("no such item", hint="PUT /v1/items adds one")
    return CatalogueChange(done.version, items=1)


def _each_once(ids: list[str]) -> list[str]:
    if len(set(ids)) < len(ids):
        twice = sorted(item_id for item_id, times in Counter(ids).items() if times > 1)
        raise Refused(422, "invalid", f"items: given twice: {', '.join(twice[:10])}")
    return ids


def _item_of(given: ItemIn, known: Item | None) -> Item:
    return Item(
        item_id=given.item_id,
        title=given.title,
        description=given.description,
        attributes=given.attributes,
        price=given.price,
        images=known.images if known else (),
        video=known.video if known else None,
        stock=given.stock,
        released_at=given.released_at,
        group_id=given.group_id,
        titles={str(language): text for language, text in given.titles.items()},
        descriptions={str(language): text for language, text in given.descriptions.items()},
    )


@router.post("/v1/items/delete")
@in_pool("ingest_pool")
def delete_items(service: TheService, caller: ShopCaller, body: ItemIdsIn) -> CatalogueChange:
    """Deletes items; they are gone from every answer at once."""
    return _delete(service, body.item_ids)


@router.delete("/v1/items/{item_id:path}")
@in_pool("ingest_pool")
def delete_item(service: TheService, caller: ShopCaller, item_id: Id) -> CatalogueChange:
    """Deletes one item."""
    done = _delete(service, [item_id])
    if not done.items:
        raise NotFoundError("no such item")
    return done


def _delete(service: Service, item_ids: list[str]) -> CatalogueChange:
    pictures = [picture for one in service.store.items(item_ids).values() for picture in one.images]
    n = service.store.delete_items(item_ids)
    _drop_own(service, pictures)
    return CatalogueChange(service.store.catalogue_version(), items=n)


def _drop_own(service: Service, pictures: Iterable[Path]) -> None:
    """Deletes those pictures that were sent in; the shop's own files are not ours to delete."""
    for one in pictures:
        if one.is_relative_to(service.media.folder):
            service.media.drop(one.relative_to(service.media.folder).as_posix())


@router.put("/v1/items/{item_id:path}/picture", openapi_extra=picture_form(raw=True))
@in_pool("picture_pool")
def put_picture(
    service: TheService,
    caller: ShopCaller,
    item_id: Id,
    form: PictureForm,
    number: Annotated[int, Query(ge=0, lt=MAX_PICTURES)] = 0,
) -> NewPicture:
    """Gives an item a picture: the first one, or another by number."""
    known = service.store.items([item_id]).get(item_id)
    if known is None:
        raise NotFoundError("no such item")
    if number > len(known.images):
        raise Refused(422, "invalid", f"number: the item has {len(known.images)} pictures", hint="Send the next")
    name = service.media.keep(decoded(service, caller, form.file), "items")
    images = list(known.images)
    images[number : number + 1] = [service.media.folder / name]
    version = service.store.patch_items({item_id: {"images": tuple(images)}}).version
    _drop_own(service, known.images[number : number + 1])
    return NewPicture(version, picture_url(item_id, number))
