"""What all routes share: the live shop, who is asking, the queues, and the threads that do the work."""

from __future__ import annotations

import threading
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from functools import update_wrapper
from inspect import iscoroutinefunction, signature
from typing import TYPE_CHECKING, Annotated, Any, ParamSpec, TypeVar, get_type_hints

import orjson
from fastapi import Depends
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

from modaloom.api.boards import Boards
from modaloom.api.exposures import ExposureWriter
from modaloom.api.keys import SCOPES, Erasures, Keys, Shopper, Tokens, load_keys, load_secret
from modaloom.api.middleware.bodies import MB
from modaloom.api.middleware.errors import Refused
from modaloom.api.middleware.limits import Pool, TokenBucket, address_of
from modaloom.api.middleware.logs import JsonLog, record_of
from modaloom.api.middleware.metrics import Metrics
from modaloom.api.pictures.folders import MediaFolder, ResizedPictures
from modaloom.api.schemas.parsing import BodyParser
from modaloom.api.settings import ServeSettings
from modaloom.api.upkeep import Upkeep

if TYPE_CHECKING:
    from modaloom.shop.live import LiveShop

P = ParamSpec("P")
Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])

COOKIE = "modaloom_shopper"
NOT_KEPT = {"Cache-Control": "no-store"}
"""Answers may be about a person: no browser and no proxy keeps them."""
CALLER = "modaloom.caller"
"""Where the caller stands in a request's ASGI scope."""
ME = "me"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is asking."""

    scope: str
    """Of the key: ``page``, ``shop`` or ``admin``."""
    shopper: Shopper | None
    """Whom a token names."""
    address: str
    """A short hash."""


class Service:
    """One worker's share of the service."""

    def __init__(
        self,
        live: LiveShop,
        settings: ServeSettings,
        *,
        log: JsonLog | None = None,
        store_url: str | None = None,
    ):
        self.live = live
        self.store = live.store
        self.settings = settings
        self.log = log or JsonLog()
        self.metrics = Metrics()
        self.keys: Keys
        self.keys, self.new_keys = load_keys(self.store, settings)
        secret = load_secret(self.store)
        self.tokens = Tokens(secret, days=settings.shopper_days)
        self.erasures = Erasures(self.store, secret)
        self.exposures = ExposureWriter(
            self.store,
            erasures=self.erasures,
            count=self.metrics.count_exposures,
            max_waiting=settings.exposures_waiting,
            flush_s=settings.exposures_flush_s,
        )
        self.boards = Boards(self.store, live.settings, store_url=store_url, every_h=settings.trends_every_h)
        self.upkeep = Upkeep(self.store, keep_days=settings.keep_days.items(), log=self.log.line)
        self.media = MediaFolder(settings.media_dir)
        self.resized = ResizedPictures(
            settings.picture_cache_dir or live.settings.cache_dir / "resized",
            max_bytes=settings.picture_cache_mb * MB,
            max_pixels=live.settings.max_picture_pixels,
        )
        self.pool = Pool("answers", threads=settings.threads, waiting=settings.waiting)
        self.list_pool = Pool("lists", threads=settings.list_threads, waiting=settings.waiting)
        self.ingest_pool = Pool("ingest", threads=settings.ingest_threads, waiting=settings.ingest_waiting)
        self.page_ingest_pool = Pool("page ingest", threads=settings.ingest_threads, waiting=settings.ingest_waiting)
        self.body_pool = Pool("bodies", threads=1, waiting=settings.ingest_waiting)
        self.page_body_pool = Pool("page bodies", threads=1, waiting=settings.ingest_waiting)
        self.picture_pool = Pool("pictures", threads=settings.picture_threads, waiting=settings.picture_waiting)
        self.photo_pool = Pool("photos", threads=settings.picture_threads, waiting=settings.picture_waiting)
        self.shoppers = TokenBucket(settings.shopper_per_s, settings.shopper_burst)
        self.addresses = TokenBucket(settings.address_per_s, settings.address_burst)
        self.newcomers = TokenBucket(settings.newcomers_per_s, settings.newcomers_burst)
        self.key_uses = TokenBucket(settings.key_per_s, settings.key_burst) if settings.key_per_s else None
        self.decoding = TokenBucket(settings.address_decoding_per_s, settings.address_decoding_burst)
        self.ready = True
        self._user_locks = [threading.Lock() for _ in range(64)]

    def user_lock(self, user_id: str) -> threading.Lock:
        """Held while what is known of a shopper is read, changed and written back."""
        return self._user_locks[hash(user_id) % len(self._user_locks)]

    async def json_in(self, pool: Pool, function: Callable[P, Any], *args: P.args, **kwargs: P.kwargs) -> Response:
        """What the function gives, as JSON; both are done in a thread of the pool."""

        def work() -> bytes:
            return dumps(function(*args, **kwargs))

        return Response(await pool.run(work), 200, NOT_KEPT, "application/json")

    def acting(self, caller: Caller, user_id: str) -> str:
        """Whom a request is about. Asks the store, so that it belongs in a thread.

        Raises:
            Refused: 401 without a good token where one is needed; 403 where a page asks about somebody else.
        """
        shopper = caller.shopper
        if user_id != ME and (caller.scope != "page" or (shopper is None or shopper.user_id != user_id)):
            if caller.scope == "page":
                raise Refused(403, "forbidden", "a page may only ask about its own shopper", hint="Say 'me'")
            return user_id
        if shopper is None:
            raise Refused(401, "no_shopper", "nobody is known here yet", hint="POST /v1/shoppers first")
        if self.erasures.erased_us(shopper.user_id) >= shopper.issued_us:
            raise Refused(401, "erased", "this shopper was erased", hint="POST /v1/shoppers makes a new one")
        return shopper.user_id

    def asking(self, caller: Caller, user_id: str) -> str | None:
        """For whom a list is; a page that knows nobody yet gets the list of a newcomer."""
        if user_id == ME and caller.shopper is None:
            return None
        return self.acting(caller, user_id)

    def close(self) -> None:
        """Finishes what is under way and writes what waits."""
        self.ready = False
        self.boards.close()
        for pool in (self.body_pool, self.page_body_pool, self.ingest_pool, self.page_ingest_pool):
            pool.close()
        for pool in (self.picture_pool, self.photo_pool, self.list_pool, self.pool):
            pool.close()
        self.exposures.close()
        self.upkeep.finish()


def dumps(content: Any) -> bytes:
    """JSON of records and plain data; numbers that are none become null."""
    return orjson.dumps(content, _as_dict, orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS)


def _as_dict(content: Any) -> dict[Any, Any]:
    """Tables that are no dictionaries, which orjson does not know."""
    if isinstance(content, Mapping):
        return dict(content)
    raise TypeError(f"{type(content).__name__} is no JSON")


def service_of(request: Request) -> Service:
    """The service that a request came to."""
    service: Service = request.app.state.service
    return service


def caller_of(request: Request) -> Caller:
    """Who is asking, by key and token; counts against their limits once a request.

    Raises:
        Refused: 401 for a missing or wrong key or token, 429 for too many requests.
    """
    found: Caller | None = request.scope.get(CALLER)
    if found is None:
        found = request.scope[CALLER] = _found_caller(request)
    return found


def _found_caller(request: Request) -> Caller:
    service, scope = service_of(request), request.scope
    headers = {name: value for name, value in scope["headers"] if name in _WANTED}
    address = address_of(scope)
    key = headers.get(b"x-api-key", b"").decode("latin-1")
    if not key:
        kind, _, rest = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
        key = rest.strip() if kind.lower() == "bearer" else ""
    allowed = service.keys.scope(key) if key else None
    if allowed is None:
        _refuse_key(service, key, address)
    assert allowed is not None
    record_of(scope).caller = allowed
    shopper = _shopper_of(service, headers, request)
    if allowed == "page":
        service.addresses.spend(address, "too many requests from this address")
        if shopper is not None:
            service.shoppers.spend(shopper.user_id, "too many requests of this shopper")
    elif service.key_uses is not None:
        service.key_uses.spend(allowed, "too many requests with this key")
    return Caller(allowed, shopper, address)


_WANTED = {b"x-api-key", b"authorization", b"x-shopper-token", b"cookie"}


def _refuse_key(service: Service, key: str, address: str) -> None:
    if key:
        service.newcomers.spend(f"wrong key {address}", "too many wrong keys")
    refused = Refused(
        401,
        "unauthorized",
        "the key is wrong" if key else "a key is needed",
        hint="Send Authorization: Bearer KEY or X-API-Key: KEY",
    )
    refused.headers = {"WWW-Authenticate": "Bearer"}
    raise refused


def _shopper_of(service: Service, headers: dict[bytes, bytes], request: Request) -> Shopper | None:
    if token := headers.get(b"x-shopper-token"):
        shopper = service.tokens.read(token.decode("latin-1"))
        if shopper is None:
            raise Refused(401, "bad_token", "the shopper's token is not good (any more)", hint="POST /v1/shoppers")
        return shopper
    if b"cookie" in headers and (token_text := request.cookies.get(COOKIE)):
        return service.tokens.read(token_text)
    return None


def _needs(scope: str) -> Callable[[Request], Coroutine[Any, Any, Caller]]:
    level = SCOPES.index(scope)

    async def caller(request: Request) -> Caller:
        found = caller_of(request)
        if SCOPES.index(found.scope) < level:
            raise Refused(403, "forbidden", f"this needs a key of scope {scope!r}", hint="Ask with another key")
        return found

    return caller


async def _service(request: Request) -> Service:
    return service_of(request)


PageCaller = Annotated[Caller, Depends(_needs("page"))]
ShopCaller = Annotated[Caller, Depends(_needs("shop"))]
AdminCaller = Annotated[Caller, Depends(_needs("admin"))]
TheService = Annotated[Service, Depends(_service)]


_POOLS = "modaloom_pools"
"""Where a function keeps the names of the pools that it works in: for a shop's key, and for a page's."""


def in_pool(name: str, *, page: str | None = None) -> Callable[[Endpoint], Endpoint]:
    """Marks a route's function: it works in the threads of :class:`Service`'s pool ``name`` instead of ``pool``.

    ``page`` is the pool for callers with a page's key, where that is another one.
    """

    def mark(endpoint: Endpoint) -> Endpoint:
        setattr(endpoint, _POOLS, (name, page or name))
        return endpoint

    return mark


def _threaded(endpoint: Callable[..., Any]) -> Callable[..., Coroutine[Any, Any, Response]]:
    """The function of a route, called in its pool's threads, where the record that it returns becomes JSON too.

    Its return annotation is the response model. FastAPI itself would call it in threads without a bound on what
    waits, and write the JSON on the event loop, where a long trend board would hold up everybody else.
    """
    hints = get_type_hints(endpoint, include_extras=True)
    shop_pool, page_pool = getattr(endpoint, _POOLS, ("pool", "pool"))
    takes = signature(endpoint)

    async def answer(**values: Any) -> Response:
        service, caller = values["service"], values.get("caller")
        pool = page_pool if caller is not None and caller.scope == "page" else shop_pool
        found: Response = await service.json_in(getattr(service, pool), endpoint, **values)
        if "response" in values:  # the cookies that it set
            found.raw_headers += values["response"].raw_headers
        return found

    update_wrapper(answer, endpoint)
    del answer.__wrapped__  # type: ignore[attr-defined]  # FastAPI would look through to the function below
    parameters = [one.replace(annotation=hints[name]) for name, one in takes.parameters.items()]
    answer.__signature__ = takes.replace(  # type: ignore[attr-defined]
        parameters=parameters, return_annotation=hints["return"]
    )
    answer.__annotations__ = hints
    return answer


class StrictRoute(APIRoute):
    """A route whose bodies are strict JSON, and are read only from somebody with a key.

    A plain function works in a pool of threads and returns a record (see :func:`in_pool`). One that takes nothing but
    the request is called at once: FastAPI's way there costs a fifth of a short answer.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any):
        super().__init__(path, endpoint if iscoroutinefunction(endpoint) else _threaded(endpoint), **options)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler that FastAPI makes, reading the body its own way."""
        takes = signature(self.endpoint).parameters
        if list(takes) == ["request"]:
            endpoint: Callable[[Request], Coroutine[Any, Any, Response]] = self.endpoint
            return endpoint
        handler = super().get_route_handler()
        hints = get_type_hints(self.endpoint, include_extras=True)
        parser = BodyParser(hints["body"]) if "body" in hints else None
        allowed = hints["caller"].__metadata__[0].dependency if "caller" in hints else _needs("page")

        async def strict(request: Request) -> Response:
            if request.method in ("POST", "PUT", "PATCH"):
                caller_of(request)  # before the body is read: nothing is read for strangers, nor for a lesser key
                if parser is not None:
                    await _read_json(request, await allowed(request), parser)
            return await handler(request)

        return strict


async def _read_json(request: Request, caller: Caller, parser: BodyParser) -> None:
    """Reads and checks the body, so that FastAPI finds it done; a large one in a thread."""
    text = await request.body()
    if not text or not _is_json(request.headers.get("content-type", "")):
        return
    service = service_of(request)
    from_page = caller.scope == "page"
    max_members = service.settings.max_page_members if from_page else service.settings.max_members
    if parser.is_quick(text):
        request._json = parser.parse(text, max_members=max_members)
    else:
        pool = service.page_body_pool if from_page else service.body_pool
        request._json = await pool.run(parser.parse, text, max_members=max_members)


def _is_json(content_type: str) -> bool:
    main, _, rest = content_type.partition(";")[0].strip().lower().partition("/")
    return main == "application" and (rest == "json" or rest.endswith("+json"))


def limited_by_address(scope: Scope, service: Service) -> None:
    """Counts a request without a key against its address.

    Raises:
        Refused: 429.
    """
    service.addresses.spend(address_of(scope), "too many requests from this address")
