"""The port that the workers share: taken once, and its connections dealt out evenly.

Whichever worker is awake would take all that come at once, and keep them for as long as they are kept open, while the
others stand idle. So each tells the others how many it has, in memory that all see, and one that is ahead lets the
others go first for a moment.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, MutableSequence
from contextlib import suppress
from dataclasses import dataclass

import uvicorn

from modaloom.errors import ServeError

BACKLOG = 1_024
ABSENT = -1
"""In the place of the number of connections of a worker that takes none."""
AHEAD = 2
"""More connections than the least of the others, from which on a worker waits."""
PAUSE_S = 0.002
FAILED_PAUSE_S = 0.1
"""After a connection could not be taken, as when no file can be opened any more."""


def bind(host: str, port: int) -> socket.socket:
    """A socket that listens.

    Raises:
        ServeError: the address is not ours or the port is taken.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (OSError, UnicodeError) as error:
        raise ServeError(f"unknown host {host!r}", hint="Use 127.0.0.1, or 0.0.0.0 for all addresses") from error
    listener = socket.socket(family, kind, protocol)  # without its protocol named, answers would wait for Nagle
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise ServeError(
            f"cannot listen on {host}:{port}: {(error.strerror or str(error)).lower()}",
            hint="Stop what is running there, or choose another port",
        ) from error
    return listener


@dataclass(frozen=True, slots=True)
class Place:
    """One worker's place among those that share a port."""

    counts: MutableSequence[int]
    """Open connections of every worker, or :data:`ABSENT`; in shared memory."""
    number: int

    def tell(self, connections: int) -> None:
        """Says how many connections this worker has."""
        self.counts[self.number] = connections

    def is_ahead(self) -> bool:
        """Whether another should take the next one."""
        others = [count for number, count in enumerate(self.counts) if number != self.number and count != ABSENT]
        return bool(others) and self.counts[self.number] - min(others) > AHEAD


class Server(uvicorn.Server):
    """Uvicorn's server, which says when it is ready and takes no more than its share of the connections."""

    def __init__(self, config: uvicorn.Config, on_started: Callable[[], None], place: Place):
        super().__init__(config)
        self._on_started = on_started
        self._place = place
        self._takers: list[asyncio.Task[None]] = []
        self.server_state.connections = _Told(place)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Starts the application, then takes connections of the sockets."""
        await super().startup([])
        if not self.started:
            return
        self._place.tell(0)
        self._takers = [asyncio.create_task(self._take(listener)) for listener in sockets or ()]
        for taker in self._takers:
            taker.add_done_callback(self._end)
        self._on_started()

    def _end(self, _: asyncio.Task[None]) -> None:
        self.should_exit = True  # a server that takes nothing must not look alive

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Takes no more connections, and finishes what is under way."""
        for taker in self._takers:
            taker.cancel()
        if self._takers:
            await asyncio.wait(self._takers)  # before their sockets are closed
        try:
            await super().shutdown(sockets)
        finally:
            for taker in self._takers:
                with suppress(asyncio.CancelledError):
                    taker.result()

    async def _take(self, listener: socket.socket) -> None:
        listener.setblocking(False)
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, _ = await loop.sock_accept(listener)
            except OSError:
                await asyncio.sleep(FAILED_PAUSE_S)
                continue
            try:
                await loop.connect_accepted_socket(self._protocol, connection)
            except OSError:  # it is gone already
                connection.close()
            if self._place.is_ahead():
                await asyncio.sleep(PAUSE_S)

    def _protocol(self) -> asyncio.Protocol:
        kind = self.config.http_protocol_class
        return kind(config=self.config, server_state=self.server_state, app_state=self.lifespan.state)  # type: ignore[call-arg]


class _Told(set):  # type: ignore[type-arg]
    """Open connections, whose number is told."""

    def __init__(self, place: Place):
        super().__init__()
        self._place = place

    def add(self, connection: object) -> None:
        super().add(connection)
        self._place.tell(len(self))

    def discard(self, connection: object) -> None:
        super().discard(connection)
        self._place.tell(len(self))
