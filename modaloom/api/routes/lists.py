"""Lists: recommendations, what is similar, what goes with it, searches; and why an item is shown."""

from __future__ import annotations

import os
import tempfile
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from modaloom.api.middleware.errors import Refused
from modaloom.api.middleware.logs import record_of
from modaloom.api.pictures.accept import crop, jpeg_bytes
from modaloom.api.pictures.form import decoded, picture_form, read_form
from modaloom.api.schemas.answers import ExplanationOut, ListOut
from modaloom.api.schemas.asks import FilterQuery, Id, Language, ListQuery, PhotoFields, SearchQuery
from modaloom.api.schemas.queries import query_of, query_parameters, read_query
from modaloom.api.schemas.shapes import Json, list_shape, why_shape
from modaloom.api.service import Caller, PageCaller, Service, StrictRoute, TheService, caller_of, service_of
from modaloom.shop.requests import Answer, Ask, Rules

router = APIRouter(tags=["lists"], route_class=StrictRoute)
LIST: dict[int | str, dict[str, Any]] = {200: {"model": ListOut}}
QUICK = ("home", "new")
"""Lists that are drawn up from candidates, in a few milliseconds."""
Listed = Callable[[Ask], Answer]


def ask_of(service: Service, caller: Caller, query: FilterQuery) -> Ask:
    """The question as the live shop understands it."""
    if caller.scope == "page" and (query.boost or query.bundle):
        raise Refused(403, "forbidden", "boost and bundle need a shop key", hint="Leave them out")
    attributes: dict[str, list[str]] = defaultdict(list)
    if query.category:
        attributes["category"] += query.category
    for pair in query.attr:
        name, _, value = pair.partition(":")
        attributes[name.strip()].append(value.strip())
    boosts = (boost.rpartition(":") for boost in query.boost)
    return Ask(
        user_id=service.asking(caller, query.user_id),
        n=query.n,
        language=query.language or service.settings.language,
        rules=Rules(
            in_stock=query.in_stock,
            sizes=tuple(query.size),
            price_min=query.price_min,
            price_max=query.price_max,
            attributes={name: tuple(values) for name, values in attributes.items()},
            exclude=frozenset(query.exclude),
            hide_bought=query.hide_bought,
            category_cap=query.category_cap,
            boost={key: float(weight) for key, _, weight in boosts},
        ),
        clicked=tuple(query.clicked),
        diversity=query.diversity,
        explore=query.explore,
        personal=query.personal,
        why=query.why,
        bundle=query.bundle,
    )


async def answered(
    request: Request, service: Service, caller: Caller, query: FilterQuery, place: str, listed: Listed
) -> Response:
    """A list as JSON; what was shown is noted behind it. What takes long does not hold up what is quick."""
    pool = service.list_pool if place in QUICK else service.pool
    request_id = record_of(request.scope).request_id

    def work() -> Json:
        return noted(service, request_id, place, ask_of(service, caller, query), listed)

    return await service.json_in(pool, work)


def noted(service: Service, request_id: str, place: str, ask: Ask, listed: Listed) -> Json:
    """The list's shape, once its exposure waits to be written."""
    answer = listed(ask)
    if ask.user_id is not None:
        service.exposures.add(request_id, ask.user_id, place, answer)
    return list_shape(request_id, answer)


@router.get("/v1/recommendations", responses=LIST, openapi_extra=query_parameters(ListQuery))
async def recommendations(request: Request) -> Response:
    """For you, trending, or new."""
    service, caller, query = service_of(request), caller_of(request), query_of(ListQuery, request)
    live = service.live
    listed = {"home": live.home, "trending": live.trending, "new": live.new}[query.place]
    return await answered(request, service, caller, query, query.place, listed)


@router.get("/v1/items/{item_id:path}/similar", responses=LIST, openapi_extra=query_parameters(FilterQuery))
async def similar(
    request: Request,
    item_id: Id,
    service: TheService,
    caller: PageCaller,
    query: Annotated[FilterQuery, read_query(FilterQuery)],
) -> Response:
    """What is like one item."""
    return await answered(request, service, caller, query, "similar", lambda ask: service.live.similar(item_id, ask))


@router.get("/v1/items/{item_id:path}/goes-with", responses=LIST, openapi_extra=query_parameters(FilterQuery))
async def goes_with(
    request: Request,
    item_id: Id,
    service: TheService,
    caller: PageCaller,
    query: Annotated[FilterQuery, read_query(FilterQuery)],
) -> Response:
    """What goes with one item."""
    return await answered(
        request, service, caller, query, "goes_with", lambda ask: service.live.goes_with(item_id, ask)
    )


@router.get("/v1/search", responses=LIST, openapi_extra=query_parameters(SearchQuery))
async def search(request: Request) -> Response:
    """What words describe, in Chinese or English."""
    service, caller, query = service_of(request), caller_of(request), query_of(SearchQuery, request)
    if not query.text.strip():
        raise Refused(422, "bad_query", "text is blank", hint="Say what to look for")
    return await answered(
        request, service, caller, query, "search", lambda ask: service.live.search(ask, text=query.text)
    )


@router.post("/v1/search/photo", responses=LIST, openapi_extra=picture_form(PhotoFields))
async def search_photo(request: Request, service: TheService, caller: PageCaller) -> Response:
    """What a photo shows, or a part of it, with words if you like. The photo is not kept."""
    form = await read_form(request)
    fields = form.checked(PhotoFields)
    request_id = record_of(request.scope).request_id
    pool = service.photo_pool if caller.scope == "page" else service.picture_pool
    return await service.json_in(pool, _search_photo, service, caller, form.file, fields, request_id=request_id)


def _search_photo(service: Service, caller: Caller, data: bytes, fields: PhotoFields, *, request_id: str) -> Json:
    image = decoded(service, caller, data)
    if box := fields.box():
        image = crop(image, box)
    ask = ask_of(service, caller, fields)
    with tempfile.TemporaryDirectory(prefix="modaloom-", dir=_memory_folder()) as folder:
        photo = Path(folder) / "photo.jpg"
        photo.write_bytes(jpeg_bytes(image, quality=92))
        return noted(
            service, request_id, "search", ask, lambda ask: service.live.search(ask, text=fields.text, photo=photo)
        )


def _memory_folder() -> str | None:
    """Where a photo may lie while it is looked at without reaching a disk; None where there is no such place."""
    memory = Path("/dev/shm")
    return str(memory) if memory.is_dir() and os.access(memory, os.W_OK | os.X_OK) else None


@router.get("/v1/explanations", responses={200: {"model": ExplanationOut}})
async def explanations(
    service: TheService, caller: PageCaller, item_id: Id, user_id: Id = "me", language: Language | None = None
) -> Response:
    """Why an item is, or would be, shown to a shopper."""

    def work() -> Json:
        ask = Ask(user_id=service.asking(caller, user_id), language=language or service.settings.language)
        return {"item_id": item_id, "why": [why_shape(why) for why in service.live.explain(item_id, ask)]}

    return await service.json(work)
