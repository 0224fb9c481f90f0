"""What one request and one caller may use: rate, bytes, time, and places in the queues."""

from __future__ import annotations

import asyncio
import hashlib
import ipaddress
import re
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache
from typing import ParamSpec, TypeVar

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from modaloom.api.middleware.bodies import Bodies, Intake, too_large
from modaloom.api.middleware.errors import Refused, error_response
from modaloom.api.settings import ServeSettings

P = ParamSpec("P")
T = TypeVar("T")

PICTURE_PATHS = re.compile(r"/v1/(search/photo|users/.+/wardrobe/photo|items/.+/picture)")
MAX_PATH_AND_QUERY = 32 * 1024
MAX_CONTENT_TYPE = 256


class TokenBucket:
    """So many requests a second for each of many callers, with a burst; forgets whoever has been quiet longest."""

    def __init__(
        self, per_s: float, burst: int, *, max_callers: int = 50_000, clock: Callable[[], float] = time.monotonic
    ):
        self.per_s = per_s
        self.burst = burst
        self._max_callers = max_callers
        self._clock = clock
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._levels)

    def take(self, caller: str, amount: float = 1) -> float:
        """Takes one, or another amount; 0 if there was so much, else the seconds until there is.

        More than the burst is never there: it is given for a whole one.
        """
        now, amount = self._clock(), min(amount, self.burst)
        level, since = self._levels.pop(caller, (float(self.burst), now))
        level = min(self.burst, level + (now - since) * self.per_s)
        wait_s = 0.0 if level >= amount else (amount - level) / self.per_s
        self._levels[caller] = (level if wait_s else level - amount, now)
        if len(self._levels) > self._max_callers:
            self._levels.popitem(last=False)
        return wait_s

    def spend(self, caller: str, what: str, amount: float = 1) -> None:
        """Takes one, or another amount.

        Raises:
            Refused: 429 with the seconds to wait.
        """
        wait_s = self.take(caller, amount)
        if wait_s:
            raise Refused(429, "too_many_requests", what, hint="Wait for Retry-After seconds", retry_after_s=wait_s)

    def forget(self, caller: str) -> None:
        """Forgets one caller."""
        self._levels.pop(caller, None)


def address_of(scope: Scope) -> str:
    """A short name for the client's address, the same for a whole IPv6 network; the address is not in it."""
    client = scope.get("client")
    return _short_name(client[0] if client else "")


@lru_cache(maxsize=4_096)
def _short_name(host: str) -> str:
    try:
        address = ipaddress.ip_address(host)
        if address.version == 6:
            host = str(ipaddress.ip_network((int(address), 64), strict=False).network_address)
    except ValueError:
        pass
    return hashlib.blake2b(host.encode("utf-8", "replace"), digest_size=8).hexdigest()


class Pool:
    """Threads with a short queue: who finds it full is told at once to come again, so that nothing piles up."""

    def __init__(self, name: str, *, threads: int, waiting: int):
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._places = threads + waiting
        self._taken = 0
        self._lock = threading.Lock()
        self.name = name

    @property
    def taken(self) -> int:
        """Calls that run or wait."""
        return self._taken

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What the function gives, computed in a thread.

        Raises:
            Refused: 503 where the queue is full.
        """
        with self._lock:
            if self._taken >= self._places:
                raise Refused(503, "busy", "too busy at this moment", hint="Send it again later", retry_after_s=1)
            self._taken += 1
        try:
            future = self._executor.submit(function, *args, **kwargs)
        except RuntimeError:  # the service is going down
            self._give_back()
            raise Refused(503, "busy", "the service is stopping", retry_after_s=1) from None
        future.add_done_callback(self._give_back)
        return await asyncio.wrap_future(future)

    def _give_back(self, _: Future[T] | None = None) -> None:
        with self._lock:
            self._taken -= 1

    def close(self) -> None:
        """Lets what runs finish, drops what waits."""
        self._executor.shutdown(wait=True, cancel_futures=True)


class Limits:
    """Bounds the bytes and the time of every request; a body is counted while it comes in."""

    def __init__(self, app: ASGIApp, *, settings: ServeSettings):
        self._app = app
        self._bodies = Bodies(settings)
        self._timeout_s = settings.request_timeout_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if len(scope.get("raw_path") or b"") + len(scope["query_string"]) > MAX_PATH_AND_QUERY:
            await error_response(scope, Refused(414, "too_long", "the address is too long"))(scope, receive, send)
            return
        if not _tame_headers(scope):
            await error_response(scope, Refused(400, "bad_request", "the content type is too long"))(
                scope, receive, send
            )
            return
        declared = declared_bytes(scope)
        if declared is None:
            await self._bounded(scope, receive, send)
            return
        picture = PICTURE_PATHS.fullmatch(scope["path"]) is not None
        limit = self._bodies.limit("shop", picture=picture)  # nobody may send more; the rest is not read
        if declared > limit:
            await error_response(scope, too_large(limit))(scope, receive, send)
            return
        intake = Intake(self._bodies, scope, receive, picture, declared, address_of(scope))
        try:
            await self._bounded(scope, intake.next, send)
        finally:
            intake.close()

    async def _bounded(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def noted(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            async with asyncio.timeout(self._timeout_s):
                await self._app(scope, receive, noted)
        except TimeoutError:
            if started:
                raise
            refused = Refused(504, "timeout", f"took longer than {self._timeout_s:g} s", retry_after_s=1)
            await error_response(scope, refused)(scope, receive, send)


def _tame_headers(scope: Scope) -> bool:
    """Takes backslashes out of cookies (none of ours has any); whether the content type is of a sane length.

    Python's parser of cookies takes time by the square of their number before 3.11.10 (CVE-2024-7592), 5 s for 16 KB,
    and FastAPI has it read the cookies of every request. The parsers of content types are no better.
    """
    headers: list[tuple[bytes, bytes]] = scope["headers"]
    for place, (name, value) in enumerate(headers):
        if name == b"cookie" and b"\\" in value:
            headers[place] = name, value.replace(b"\\", b"")
        elif name == b"content-type" and len(value) > MAX_CONTENT_TYPE:
            return False
    return True


def declared_bytes(scope: Scope) -> int | None:
    """How long the body is said to be: 0 where that is not said, None where there is none."""
    chunked = False
    for name, value in scope["headers"]:
        if name == b"content-length":
            return int(value[:20]) or None if value.isdigit() else 0
        chunked = chunked or name == b"transfer-encoding"
    return 0 if chunked else None
