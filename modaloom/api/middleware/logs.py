"""Request ids, one JSON line a request, and the headers that every answer carries.

A line never holds a path's parameters, a query string, a key, a cookie or an address: only the route's template.
"""

from __future__ import annotations

import errno
import logging
import os
import random
import secrets
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import orjson
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

SECURITY_HEADERS = (
    (
        b"content-security-policy",
        b"default-src 'self'; img-src 'self' data: blob:; object-src 'none'; base-uri 'none'; form-action 'self'; "
        b"frame-ancestors 'none'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(self), microphone=(self), geolocation=()"),
)
_NUMBERS = random.Random(secrets.randbits(256))  # ids must differ, not be secret: asking the system takes longer
MOST_CAUSES = 5
RECORD = "modaloom.record"
"""Where the record of a request stands in its ASGI scope."""


@dataclass(slots=True)
class Record:
    """What is known of a request besides what it asks."""

    request_id: str = field(default_factory=lambda: f"{_NUMBERS.getrandbits(96):024x}")
    started_s: float = field(default_factory=time.perf_counter)
    status: int = 0
    size: int = 0
    """Bytes of the body that was sent."""
    caller: str | None = None
    """Scope of the key."""
    code: str | None = None
    """Code of the error that was answered."""
    failure: Exception | None = None
    """What nobody expected."""


def record_of(scope: Scope) -> Record:
    """The record of a request."""
    record: Record | None = scope.get(RECORD)
    if record is None:
        record = scope[RECORD] = Record()
    return record


def route_of(scope: Scope) -> str:
    """The route's template: ``/v1/items/{item_id}``; never the path itself, which may hold a user's id."""
    route = scope.get("route")
    path = getattr(route, "path_format", None) or getattr(route, "path", None)
    return str(path) if path else "none"


class JsonLog:
    """Writes one JSON object a line, to standard output unless told otherwise."""

    def __init__(self, write: Callable[[str], object] | None = None):
        self._write = write

    def line(self, event: str, *, level: str = "info", **values: Any) -> None:
        """Writes an event. A reader that went away does not stop the service."""
        entry = {"ts": round(time.time(), 3), "level": level, "event": event, "pid": os.getpid(), **values}
        text = orjson.dumps(entry, default=str).decode() + "\n"
        try:
            if self._write is not None:
                self._write(text)
            else:
                sys.stdout.write(text)
                sys.stdout.flush()
        except (OSError, ValueError):
            return

    def failure(self, error: BaseException, *, request_id: str | None = None) -> None:
        """Writes what went wrong, why, and where in the code; no message, which may quote a person's data."""
        frames = [
            f"{frame.filename.rsplit('site-packages/', 1)[-1]}:{frame.lineno} {frame.name}"
            for frame in traceback.extract_tb(error.__traceback__)[-12:]
        ]
        kind = type(error).__qualname__
        self.line("failure", level="error", request_id=request_id, error=kind, causes=causes_of(error), frames=frames)


def causes_of(error: BaseException) -> list[str]:
    """What an error came of, the nearest first: kinds, and the codes of SQLite, PostgreSQL or the system."""
    found: list[str] = []
    cause = error.__cause__ or error.__context__
    while cause is not None and len(found) < MOST_CAUSES:
        number = getattr(cause, "errno", None) or 0
        codes = (
            getattr(cause, "sqlite_errorname", None),
            getattr(cause, "sqlstate", None),
            errno.errorcode.get(number),
        )
        found.append(" ".join([type(cause).__qualname__, *(code for code in codes if code)]))
        cause = cause.__cause__ or cause.__context__
    return found


class JsonHandler(logging.Handler):
    """Sends the server's own log records to the JSON log."""

    def __init__(self, log: JsonLog):
        super().__init__()
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        """Writes one record; of an exception, its kind and place only."""
        if record.exc_info and record.exc_info[1] is not None:
            self._log.failure(record.exc_info[1])
        else:
            self._log.line("server", level=record.levelname.lower(), message=record.getMessage())


class Watch:
    """The outermost layer: gives the request its id, answers HEAD like GET, measures, logs, and adds headers."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        log: JsonLog,
        log_requests: bool,
        observe: Callable[[str, str, Record], None],
        on_failure: Callable[[Scope, Exception], Response],
    ):
        self._app = app
        self._log = log
        self._log_requests = log_requests
        self._observe = observe
        self._on_failure = on_failure

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        method = scope["method"]
        head = method == "HEAD"
        if head:
            scope = {**scope, "method": "GET"}  # the server's own must stay: it says that no body follows
        record = scope[RECORD] = Record()

        async def watched(message: Message) -> None:
            if message["type"] == "http.response.start":
                record.status = message["status"]
                headers = message.setdefault("headers", [])
                headers.append((b"x-request-id", record.request_id.encode()))
                named = {name for name, _ in headers}
                headers.extend(header for header in SECURITY_HEADERS if header[0] not in named)
            elif message["type"] == "http.response.body":
                record.size += len(message.get("body", b""))
                if head:
                    message = {**message, "body": b""}
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except Exception as error:
            record.failure = error
            if record.status:  # half an answer is out: only breaking the connection tells the client
                raise
            await self._on_failure(scope, error)(scope, receive, watched)
        finally:
            self._finish(scope, method, record)

    def _finish(self, scope: Scope, method: str, record: Record) -> None:
        route = route_of(scope)
        method = method if method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS") else "other"
        self._observe(method, route, record)
        if record.failure is not None:
            self._log.failure(record.failure, request_id=record.request_id)
        if self._log_requests:
            self._log.line(
                "request",
                level="error" if record.status >= 500 or not record.status else "info",
                request_id=record.request_id,
                method=method,
                route=route,
                status=record.status,
                ms=round((time.perf_counter() - record.started_s) * 1_000, 2),
                bytes=record.size,
                caller=record.caller,
                code=record.code,
            )
