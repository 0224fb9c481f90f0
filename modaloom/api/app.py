"""Builds the web application around a live shop."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import Response
from starlette.types import Scope

from modaloom import __version__
from modaloom.api import upkeep
from modaloom.api.boards import FIRST_LOOK_S, LOOK_EVERY_S
from modaloom.api.middleware.errors import Refused, allowed_methods, error_response, install, refusal_of
from modaloom.api.middleware.limits import Limits
from modaloom.api.middleware.logs import JsonLog, Watch
from modaloom.api.middleware.metrics import SAMPLE_EVERY_S
from modaloom.api.middleware.paths import PathIds
from modaloom.api.routes import admin, events, items, lists, trends, users, wardrobe
from modaloom.api.schemas.answers import ErrorAnswer
from modaloom.api.service import Service
from modaloom.api.settings import ServeSettings

if TYPE_CHECKING:
    from modaloom.shop.live import LiveShop

PAGE = "modaloom.api.routes.page"
OPEN_PATHS = ("/health", "/ready", "/metrics", "/v1/items/{item_id}/picture/{number}")
"""What needs no key; the figures do from another machine."""
ANY_REQUEST = {"type": "http", "path": "/", "query_string": b"", "headers": [], "root_path": ""}
DESCRIPTION = "Recommendations, search and feedback for a shop. Keys have scopes: page, shop, admin. See docs/api.md."


def create_app(
    live: LiveShop, settings: ServeSettings, *, log: JsonLog | None = None, store_url: str | None = None
) -> FastAPI:
    """The service, ready for an ASGI server. It closes what it opened, but neither the live shop nor its store.

    ``store_url`` is the store's whole address, password and all, for processes that the service starts.
    ``app.state.service.new_keys`` holds the keys that were made just now, to be shown once.
    """
    service = Service(live, settings, log=log, store_url=store_url)
    app = FastAPI(
        title="Modaloom",
        version=__version__,
        description=DESCRIPTION,
        docs_url=None,  # FastAPI's pages load their scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,
        lifespan=_lifespan,
        responses={
            422: {"model": ErrorAnswer, "description": "A field is wrong"},
            "4XX": {"model": ErrorAnswer, "description": "Refused"},
            "5XX": {"model": ErrorAnswer, "description": "Not possible at this moment"},
        },
    )
    app.state.service = service
    install(app)
    for module in (lists, wardrobe, events, users, items, trends, admin):
        app.include_router(module.router)
    _add_page(app)
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]
    _wrap(app, service)
    return app


def _add_page(app: FastAPI) -> None:
    """The page is a room of its own, and a service without it is still one."""
    if find_spec(PAGE) is None:
        return
    page: Any = importlib.import_module(PAGE)
    if hasattr(page, "mount"):
        page.mount(app)
    else:
        app.include_router(page.router)


def _wrap(app: FastAPI, service: Service) -> None:
    """The layers around the routes; the one added last is outermost."""
    settings = service.settings

    def on_failure(scope: Scope, error: Exception) -> Response:
        refused = error if isinstance(error, Refused) else refusal_of(error)
        return error_response(scope, refused)

    app.add_middleware(PathIds, prefix="/v1/users/")
    app.add_middleware(
        Limits,
        settings=settings,
    )
    if settings.gzip:
        app.add_middleware(GZipMiddleware, minimum_size=1_000, compresslevel=4)
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(settings.cors_origins),
            allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
            allow_headers=["Authorization", "X-API-Key", "X-Shopper-Token", "Content-Type"],
            expose_headers=["X-Request-ID", "Retry-After"],
            max_age=600,
        )
    app.add_middleware(
        Watch,
        log=service.log,
        log_requests=settings.log_requests,
        observe=service.metrics.observe,
        on_failure=on_failure,
    )


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    service: Service = app.state.service
    allowed_methods(app, ANY_REQUEST)  # FastAPI builds its routes at the first request, which would wait .3 s for it
    tasks = [asyncio.create_task(work(service)) for work in (_sample, _keep_board, _keep_up)]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        await asyncio.to_thread(service.close)


async def _sample(service: Service) -> None:
    while True:
        await asyncio.sleep(SAMPLE_EVERY_S)
        await asyncio.to_thread(service.metrics.sample)


async def _keep_board(service: Service) -> None:
    await asyncio.sleep(FIRST_LOOK_S)
    while True:
        await asyncio.to_thread(service.boards.keep_fresh)
        await asyncio.sleep(LOOK_EVERY_S)


async def _keep_up(service: Service) -> None:
    while True:
        await asyncio.sleep(upkeep.LOOK_EVERY_S)
        await asyncio.to_thread(service.upkeep.run_due)


def _openapi(app: FastAPI) -> dict[str, Any]:
    """The document, with keys told as OpenAPI tells them."""
    if app.openapi_schema is None:
        schema = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
        schema.setdefault("components", {})["securitySchemes"] = {
            "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
            "bearer": {"type": "http", "scheme": "bearer"},
        }
        for path, operations in schema["paths"].items():
            for operation in operations.values():
                operation["security"] = [] if path in OPEN_PATHS else [{"key": []}, {"bearer": []}]
        app.openapi_schema = schema
    return app.openapi_schema
