"""The shopper's page: server-rendered shells, and the files they need. All data comes from the public API."""

from __future__ import annotations

import asyncio
import functools
import gzip
import hashlib
import mimetypes
import os
import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import orjson
from fastapi import APIRouter
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response

from modaloom.api.middleware.errors import Refused
from modaloom.api.service import COOKIE, Service, TheService, limited_by_address
from modaloom.messages import board_messages, page_messages
from modaloom.types import DAY_S, LANGUAGES

router = APIRouter(include_in_schema=False)
LANGUAGE_COOKIE, THEME_COOKIE = "modaloom_language", "modaloom_theme"
THEMES = ("light", "dark")
SCREENS = {"home": "/", "search": "/search", "wardrobe": "/wardrobe", "me": "/me"}
"""Those of the navigation, with their addresses."""
DESK = {
    "trends": "/trends",
    "terms": "/trends/terms",
    "gaps": "/trends/gaps",
    "alerts": "/trends/alerts",
    "arrivals": "/trends/new",
}
"""Screens of the trend board, for the shop's people."""
REPORT_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
"""A report is one file with its styles in it, and has no scripts."""
REPORT_SUFFIXES = (".html", ".json")
YEAR_S = 365 * DAY_S
WORKER = "service-worker.js"
IMPORTED = re.compile(r"""^(?:import|export)\b[^"';]*["'](\.{1,2}/[^"']+)["']""", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Asset:
    """One static file, in memory."""

    data: bytes
    packed: bytes
    """The same, compressed."""
    kind: str


@functools.cache
def assets() -> Mapping[str, Asset]:
    """All static files by name: ``js/home.js``."""
    return {
        name: Asset(data, gzip.compress(data, 9, mtime=0), mimetypes.guess_type(name)[0] or "application/octet-stream")
        for name, data in _files(files("modaloom").joinpath("web/static"), "")
    }


def _files(folder: Traversable, prefix: str) -> Iterator[tuple[str, bytes]]:
    for entry in sorted(folder.iterdir(), key=lambda one: one.name):
        if entry.is_dir():
            yield from _files(entry, f"{prefix}{entry.name}/")
        else:
            yield prefix + entry.name, entry.read_bytes()


@functools.cache
def version() -> str:
    """A name for the state of all static files and sentences: it changes with every one of them."""
    digest = hashlib.blake2b(digest_size=8)
    for name, asset in assets().items():
        digest.update(f"{name}\0{len(asset.data)}\0".encode() + asset.data)
    digest.update(orjson.dumps([board_messages(language) for language in LANGUAGES]))
    return digest.hexdigest()


@functools.cache
def modules(entry: str) -> tuple[str, ...]:
    """A module and all that it imports, so that the browser can ask for them at once."""
    found: dict[str, None] = {}
    waiting = [entry]
    while waiting:
        name = waiting.pop()
        if name not in found and name in assets():
            found[name] = None
            text = assets()[name].data.decode("utf-8")
            waiting += [
                posixpath.normpath(posixpath.join(posixpath.dirname(name), one)) for one in IMPORTED.findall(text)
            ]
    return tuple(found)


@functools.cache
def _templates() -> Environment:
    loader = PackageLoader("modaloom", "web/templates")
    return Environment(
        loader=loader,
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )


def sentence(language: str, key: str, **values: object) -> str:
    """A sentence of the page or of the trend board: ``home.title``."""
    found: Any = board_messages(language)
    for part in key.split("."):
        found = found[part]
    return str(found).format(**values) if values else str(found)


def language_of(request: Request, service: Service) -> str:
    """What was chosen; else what the browser asks for; else the shop's."""
    for chosen in (request.query_params.get("language"), request.cookies.get(LANGUAGE_COOKIE)):
        if chosen in LANGUAGES:
            return chosen
    for part in request.headers.get("accept-language", "").split(","):
        wanted = part.split(";")[0].strip().lower()[:2]
        if wanted in LANGUAGES:
            return wanted
    return service.settings.language


def shown(
    request: Request,
    service: Service,
    screen: str,
    *,
    template: str | None = None,
    desk: bool = False,
    **values: object,
) -> Response:
    """One screen's shell; ``desk`` for those of the shop's people, who have other ways to go and other sentences."""
    limited_by_address(request.scope, service)
    language = language_of(request, service)
    theme = request.cookies.get(THEME_COOKIE, "")
    html = (
        _templates()
        .get_template(template or f"{screen}.html")
        .render(
            screen=screen,
            screens=DESK if desk else SCREENS,
            desk=desk,
            language=language,
            languages=LANGUAGES,
            theme=theme if theme in THEMES else "",
            say=functools.partial(sentence, language),
            say_in=sentence,
            static=f"/static/{version()}/",
            modules=modules(f"js/{screen}.js"),
            shop=service.settings.shop_name,
            report=service.settings.demo_report is not None,
            boot=_boot(request, service, language, desk=desk),
            **values,
        )
    )
    headers = {"Cache-Control": "private, no-cache", "Vary": "Cookie, Accept-Language", "Content-Language": language}
    response = Response(html, 200, headers, "text/html")
    if request.query_params.get("language") in LANGUAGES:
        response.set_cookie(LANGUAGE_COOKIE, language, max_age=YEAR_S, samesite="lax")
    return response


def _boot(request: Request, service: Service, language: str, *, desk: bool) -> Markup:
    """What the scripts must know before they ask anything, as JSON that can stand in a page."""
    settings = service.settings
    token = request.cookies.get(COOKIE)
    boot = {
        "key": service.keys.page_key,
        "language": language,
        "version": version(),
        "known": bool(token and service.tokens.read(token)),
        "shop": {
            "name": settings.shop_name,
            "currency": settings.currency,
            "page_size": settings.page_size,
            "demo": bool(settings.demo_shoppers) and not desk,
        },
        "messages": (board_messages if desk else page_messages)(language),
    }
    return Markup(orjson.dumps(boot).decode().replace("<", "\\u003c"))


@router.get("/")
async def home(request: Request, service: TheService) -> Response:
    """For you."""
    return shown(request, service, "home")


@router.get("/search")
async def search(request: Request, service: TheService) -> Response:
    """Words and photos."""
    return shown(request, service, "search", text=request.query_params.get("text", "")[:500])


@router.get("/item/{item_id:path}")
async def item(request: Request, item_id: str, service: TheService) -> Response:
    """One item."""
    return shown(request, service, "item", item_id=item_id[:200])


@router.get("/wardrobe")
async def wardrobe(request: Request, service: TheService) -> Response:
    """The shopper's garments."""
    return shown(request, service, "wardrobe")


@router.get("/me")
async def me(request: Request, service: TheService) -> Response:
    """What is known of the shopper."""
    return shown(request, service, "me")


@router.get("/admin")
async def admin(request: Request, service: TheService) -> Response:
    """For the shop's people; what it shows needs an admin key."""
    return shown(request, service, "admin")


@router.get("/demo")
async def demo(request: Request, service: TheService) -> Response:
    """How far a demonstration's report is, and where its pages are."""
    _report_folder(service)
    return shown(request, service, "demo")


@router.get("/demo/{name:path}")
async def demo_file(request: Request, name: str, service: TheService) -> Response:
    """A page of a demonstration's report, or its ``progress.json``."""
    folder = _report_folder(service).resolve()
    limited_by_address(request.scope, service)
    file = Path(os.path.normpath(folder / name.replace("\0", "")))
    if not file.is_relative_to(folder) or file.suffix not in REPORT_SUFFIXES or not file.is_file():
        raise Refused(404, "not_found", "there is no such page of the report yet")
    kind = mimetypes.guess_type(file.name)[0]
    headers = {"Cache-Control": "private, no-cache", "Content-Security-Policy": REPORT_POLICY}
    return Response(await asyncio.to_thread(file.read_bytes), 200, headers, kind)


def _report_folder(service: Service) -> Path:
    folder = service.settings.demo_report
    if folder is None:
        raise Refused(404, "not_found", "this shop is no demonstration")
    return folder


@router.get("/trends")
@router.get("/trends/terms")
@router.get("/trends/gaps")
@router.get("/trends/alerts")
@router.get("/trends/new")
async def desk(request: Request, service: TheService) -> Response:
    """A screen of the trend board; what it shows needs a shop or admin key."""
    screen = next(name for name, address in DESK.items() if address == request.url.path)
    return shown(request, service, screen, template="desk.html", desk=True, trend_id="")


@router.get("/trends/{trend_id:path}")
async def trend(request: Request, trend_id: str, service: TheService) -> Response:
    """One trend."""
    return shown(request, service, "trend", template="desk.html", desk=True, trend_id=trend_id[:200])


@router.get("/offline")
async def offline(request: Request, service: TheService) -> Response:
    """What the service worker shows while there is no network."""
    return shown(request, service, "offline")


@router.get("/manifest.webmanifest")
async def manifest(request: Request, service: TheService) -> Response:
    """What a phone must know to put the page on its home screen."""
    language = language_of(request, service)
    icon = {"src": f"/static/{version()}/icon.svg", "sizes": "any", "type": "image/svg+xml"}
    told = {
        "name": service.settings.shop_name,
        "short_name": service.settings.shop_name[:12],
        "description": sentence(language, "page.description"),
        "lang": language,
        "start_url": "/",
        "display": "standalone",
        "background_color": "#fbfaf7",
        "theme_color": "#fbfaf7",
        "icons": [icon, {**icon, "purpose": "maskable"}],
    }
    headers = {"Cache-Control": "private, no-cache"}
    return Response(orjson.dumps(told), 200, headers, "application/manifest+json")


@router.get(f"/{WORKER}")
async def worker(request: Request) -> Response:
    """The service worker; it must stand at the top to see the whole page's requests."""
    return _asset(request, WORKER, "no-cache")


@router.get("/static/{made}/{name:path}")
async def static(request: Request, made: str, name: str) -> Response:
    """A static file. Its address has the state of all files in it, so that it may be kept for good."""
    return _asset(request, name, f"public, max-age={YEAR_S}, immutable" if made == version() else "no-cache")


def _asset(request: Request, name: str, cache: str) -> Response:
    asset = assets().get(name)
    if asset is None:
        raise Refused(404, "not_found", "no such file")
    headers = {"Cache-Control": cache, "Vary": "Accept-Encoding"}
    packed = "gzip" in request.headers.get("accept-encoding", "")
    if packed:
        headers["Content-Encoding"] = "gzip"
    return Response(asset.packed if packed else asset.data, 200, headers, asset.kind)
