"""Lists: recommendations, what is similar, what goes with it, searches; and why an item is shown."""

from __future__ import annotations

import os
import tempfile
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from modaloom.api.middleware.errors import Refused
from modaloom.api.middleware.logs import record_of
from modaloom.api.pictures.accept import crop, jpeg_bytes
from modaloom.api.pictures.form import PictureForm, decoded, picture_form
from modaloom.api.schemas.answers import Explanation
from modaloom.api.schemas.asks import FilterQuery, Id, Language, ListQuery, PhotoFields, SearchQuery
from modaloom.api.schemas.queries import query_of, query_parameters, read_query
from modaloom.api.service import Caller, PageCaller, Service, StrictRoute, TheService, caller_of, in_pool, service_of
from modaloom.shop.requests import Answer, Ask, Rules

router = APIRouter(tags=["lists"], route_class=StrictRoute)
QUICK = ("home", "new")
"""Lists that are drawn up from candidates, in a few milliseconds."""
Filters = Annotated[FilterQuery, read_query(FilterQuery)]


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


def shown(
    request: Request, service: Service, caller: Caller, query: FilterQuery, place: str, listed: Callable[[Ask], Answer]
) -> Answer:
    """The list under the request's id, once its exposure waits to be written; ``listed`` draws it up."""
    ask = ask_of(service, caller, query)
    answer = replace(listed(ask), request_id=record_of(request.scope).request_id)
    if ask.user_id is not None:
        service.exposures.add(answer.request_id, ask.user_id, place, answer)
    return answer


@router.get("/v1/recommendations", response_model=Answer, openapi_extra=query_parameters(ListQuery))
async def recommendations(request: Request) -> Response:
    """For you, trending, or new."""
    service, caller, query = service_of(request), caller_of(request), query_of(ListQuery, request)
    live, place = service.live, query.place
    listed = {"home": live.home, "trending": live.trending, "new": live.new}[place]
    pool = service.list_pool if place in QUICK else service.pool  # what takes long does not hold up what is quick
    return await service.json_in(pool, shown, request, service, caller, query, place, listed)


@router.get("/v1/search", response_model=Answer, openapi_extra=query_parameters(SearchQuery))
async def search(request: Request) -> Response:
    """What words describe, in Chinese or English."""
    service, caller, query = service_of(request), caller_of(request), query_of(SearchQuery, request)
    if not query.text.strip():
        raise Refused(422, "bad_query", "text is blank", hint="Say what to look for")
    listed = partial(service.live.search, text=query.text)
    return await service.json_in(service.pool, shown, request, service, caller, query, "search", listed)


@router.get("/v1/items/{item_id:path}/similar", openapi_extra=query_parameters(FilterQuery))
def similar(request: Request, item_id: Id, service: TheService, caller: PageCaller, query: Filters) -> Answer:
    """What is like one item."""
    return shown(request, service, caller, query, "similar", partial(service.live.similar, item_id))


@router.get("/v1/items/{item_id:path}/goes-with", openapi_extra=query_parameters(FilterQuery))
def goes_with(request: Request, item_id: Id, service: TheService, caller: PageCaller, query: Filters) -> Answer:
    """What goes with one item."""
    return shown(request, service, caller, query, "goes_with", partial(service.live.goes_with, item_id))


@router.post("/v1/search/photo", openapi_extra=picture_form(PhotoFields))
@in_pool("picture_pool", page="photo_pool")
def search_photo(request: Request, service: TheService, caller: PageCaller, form: PictureForm) -> Answer:
    """What a photo shows, or a part of it, with words if you like. The photo is not kept."""
    fields = form.checked(PhotoFields)
    image = decoded(service, caller, form.file)
    if box := fields.box():
        image = crop(image, box)
    with tempfile.TemporaryDirectory(prefix="modaloom-", dir=_memory_folder()) as folder:
        photo = Path(folder) / "photo.jpg"
        photo.write_bytes(jpeg_bytes(image, quality=92))
        listed = partial(service.live.search, text=fields.text, photo=photo)
        return shown(request, service, caller, fields, "search", listed)


def _memory_folder() -> str | None:
    """Where a photo may lie while it is looked at without reaching a disk; None where there is no such place."""
    memory = Path("/dev/shm")
    return str(memory) if memory.is_dir() and os.access(memory, os.W_OK | os.X_OK) else None


@router.get("/v1/explanations")
def explanations(
    service: TheService, caller: PageCaller, item_id: Id, user_id: Id = "me", language: Language | None = None
) -> Explanation:
    """Why an item is, or would be, shown to a shopper."""
    ask = Ask(user_id=service.asking(caller, user_id), language=language or service.settings.language)
    return Explanation(item_id, tuple(service.live.explain(item_id, ask)))
