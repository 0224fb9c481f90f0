"""One HTTP connection, with bounds that Uvicorn leaves to a proxy: headers, their time, idle time, how many there are.

Times are looked at once a second for all connections together, so that a request costs no timer of its own.
"""

from __future__ import annotations

import asyncio
import ipaddress
import time
from collections import Counter
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import orjson
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from modaloom.api.middleware.limits import MAX_PATH_AND_QUERY
from modaloom.api.settings import ServeSettings

SWEEP_S = 1.0
CLOSING_S = 10.0
"""How long a client may take to fetch what is left of its answer once the connection is to be closed."""


def is_one_of(host: str, proxies: tuple[str, ...]) -> bool:
    """Whether a host is among addresses, networks such as ``10.0.0.0/8``, or ``*`` for all."""
    for proxy in proxies:
        if proxy in ("*", host):
            return True
        try:
            if ipaddress.ip_address(host) in ipaddress.ip_network(proxy):
                return True
        except ValueError:  # a name
            continue
    return False


@dataclass
class Connections:
    """What all connections of one worker share."""

    settings: ServeSettings
    by_host: Counter[str] = field(default_factory=Counter)
    open: dict[HttpConnection, None] = field(default_factory=dict)
    """In the order they came."""
    draining: bool = False
    """Whether every answer closes its connection: the worker is being stopped."""

    def admits(self, host: str) -> bool:
        """Whether one more connection of a host may be kept; makes room by closing the one that was idle longest."""
        settings = self.settings
        if self.by_host[host] >= settings.address_connections and not is_one_of(host, settings.trusted_proxies):
            return False
        if len(self.open) < settings.max_connections:
            return True
        idle = [one for one in self.open if one.is_idle]
        if not idle:
            return False
        min(idle, key=lambda one: one.since_s).drop()
        return True

    def sweep(self) -> None:
        """Closes connections that take too long over their headers, or over fetching what is theirs."""
        now_s = time.monotonic()
        for one in list(self.open):
            one.check_time(now_s)


class HttpConnection(HttpToolsProtocol):
    """One HTTP connection, bounded."""

    shared: Connections

    def __init__(self, *args: Any, shared: Connections, **more: Any):
        super().__init__(*args, **more)
        self.shared = shared
        self.since_s = time.monotonic()
        """When it began to wait for a request, or to send one."""
        self._host = ""
        self._began = False  # a request, whose headers are not all here
        self._answered = False
        self._head_bytes = self._header_bytes = 0
        self._fault: HTTPStatus | None = None
        self._closing_s: float | None = None

    @property
    def is_idle(self) -> bool:
        """Whether no request is under way."""
        return self.cycle is None or self.cycle.response_complete

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Takes the connection in, or refuses it."""
        super().connection_made(transport)
        self._host = self.client[0] if self.client else ""
        admitted = self.shared.admits(self._host)
        self.shared.open[self] = None
        self.shared.by_host[self._host] += 1
        if not admitted:
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, "busy", "too many connections")

    def connection_lost(self, exc: Exception | None) -> None:
        """Forgets it."""
        super().connection_lost(exc)
        self.shared.open.pop(self, None)
        self.shared.by_host[self._host] -= 1
        if not self.shared.by_host[self._host]:
            del self.shared.by_host[self._host]

    def data_received(self, data: bytes) -> None:
        """Takes in a part of a request."""
        if self.transport.is_closing():
            return
        if self._began:
            self._head_bytes += len(data)
        super().data_received(data)
        if self._began and self._head_bytes > self.shared.settings.max_header_kb * 1024 + MAX_PATH_AND_QUERY:
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "too_large", "the headers are too large")

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self._began, self._head_bytes, self._header_bytes, self._fault = True, 0, 0, None
        if self.is_idle:
            self.since_s = time.monotonic()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Counts a header line; what is too much is not kept."""
        settings = self.shared.settings
        self._header_bytes += len(name) + len(value)
        if self._header_bytes > settings.max_header_kb * 1024 or len(self.headers) >= settings.max_headers:
            self._fault = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
            return
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """A request is handed to the application, if it keeps to the bounds."""
        self._began = False
        if self._fault is not None or self.transport.is_closing():
            self._refuse(self._fault or HTTPStatus.BAD_REQUEST, "too_large", "the headers are too large")
            return
        super().on_headers_complete()
        if self.shared.draining and self.cycle is not None:
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        """A part of the body; of a request that was refused it is dropped."""
        if self.cycle is not None and self._fault is None:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """A request is whole."""
        if self.cycle is not None and self._fault is None:
            super().on_message_complete()

    def on_response_complete(self) -> None:
        """An answer was handed over; the next request may come."""
        self.since_s, self._answered = time.monotonic(), True
        super().on_response_complete()

    def check_time(self, now_s: float) -> None:
        """Closes the connection if its client takes too long."""
        if self.transport.is_closing():
            self._closing_s = self._closing_s or now_s
            if now_s - self._closing_s > CLOSING_S:
                self.transport.abort()
            return
        waits = self._began or not self._answered
        if self.is_idle and waits and now_s - self.since_s > self.shared.settings.header_timeout_s:
            if self._began:
                self._refuse(HTTPStatus.REQUEST_TIMEOUT, "too_slow", "the request comes too slowly")
            else:
                self.drop()
        elif self.is_idle and now_s - self.since_s > self.timeout_keep_alive + SWEEP_S:
            self.drop()  # whatever trickles in: the rest of a body that was refused, blank lines

    def drop(self) -> None:
        """Closes it without a word."""
        self.transport.close()

    def _refuse(self, status: HTTPStatus, code: str, message: str) -> None:
        """Answers before there is a request, in the one shape of errors, and closes; nothing more is read."""
        self._fault = status
        if self.transport.is_closing():
            return
        if self.is_idle:
            error = {"code": code, "message": message, "hint": None, "request_id": ""}
            body = orjson.dumps({"error": error})
            head = f"HTTP/1.1 {status.value} {status.phrase}\r\ncontent-type: application/json\r\n"
            head += f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
            self.transport.write(head.encode() + body)
        self.transport.close()
