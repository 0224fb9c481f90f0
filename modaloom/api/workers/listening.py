"""The port that the workers share: taken once, and its connections dealt out evenly.

Whichever worker is awake would take all that come at once, and keep them for as long as they are kept open, while the
others stand idle. So each tells the others how many it has, in memory that all see, and one that is ahead lets the
others go first for a moment.
"""

from __future__ import annotations

import asyncio
import ctypes
import socket
import struct
import sys
import time
from collections.abc import Callable, MutableSequence
from contextlib import suppress
from dataclasses import dataclass

import uvicorn

from modaloom.api.settings import ServeSettings
from modaloom.api.workers.connections import SWEEP_S, Connections, HttpConnection
from modaloom.errors import ServeError

BACKLOG = 1_024
SO_ATTACH_FILTER = 26
"""Linux' number; Python has no name for it."""
ABSENT = -1
"""In the place of the number of connections of a worker that takes none."""
AHEAD = 2
"""More connections than the least of the others, from which on a worker waits."""
PAUSE_S = 0.002
LAST_CALL_S = 0.1
"""How long a worker that is being stopped still takes connections that were being opened."""
LINGER_S = 1.0
"""How long it leaves idle connections open for a request that may be on its way."""
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


def ignore_newcomers(listener: socket.socket) -> None:
    """From now on the system takes no new connections for a socket that listens, while those under way are finished.

    Closing it would reset the connections that wait to be taken, and between the last that is taken and the close there
    is always a moment. So packets that open a connection are dropped (on Linux; elsewhere the moment stays): who sends
    one tries again within a second, and hears that nobody listens.
    """
    flags, syn = 13, 0x02  # place of the flags in a TCP header, and the one that opens a connection
    drop_syn = ((0x30, 0, 0, flags), (0x45, 0, 1, syn), (0x06, 0, 0, 0), (0x06, 0, 0, 0xFFFFFFFF))
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in drop_syn))
    if sys.platform != "linux":
        return
    with suppress(OSError):
        listener.setsockopt(
            socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("HP", len(drop_syn), ctypes.addressof(code))
        )


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

    def __init__(
        self,
        config: uvicorn.Config,
        on_started: Callable[[], None],
        place: Place,
        settings: ServeSettings | None = None,
    ):
        super().__init__(config)
        self._on_started = on_started
        self._place = place
        self._connections = Connections(settings or ServeSettings())
        self._sweeper: asyncio.Task[None] | None = None
        self._takers: list[asyncio.Task[None]] = []
        self.server_state.connections = _Told(place)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Starts the application, then takes connections of the sockets."""
        await super().startup([])
        if not self.started:
            return
        self._place.tell(0)
        self._sweeper = asyncio.create_task(self._sweep())
        self._takers = [asyncio.create_task(self._take(listener)) for listener in sockets or ()]
        for taker in self._takers:
            taker.add_done_callback(self._end)
        self._on_started()

    def _end(self, _: asyncio.Task[None]) -> None:
        self.should_exit = True  # a server that takes nothing must not look alive

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_S)
            self._connections.sweep()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Takes the connections that wait to be taken, and no more; finishes what is under way or on its way.

        A connection that the system has accepted may hold a request already, and one that is kept open may get the
        next one at any moment: both are answered, with the word that the connection is closed, before idle ones are.
        """
        for taker in self._takers:
            taker.cancel()
        if self._takers:
            await asyncio.wait(self._takers)  # before their sockets are closed
        self._connections.draining = True
        for connection in self._connections.open:
            if not connection.is_idle:
                connection.cycle.keep_alive = False
        await self._take_last(sockets or [])
        end_s = time.monotonic() + LINGER_S
        while self._connections.open and time.monotonic() < end_s:
            await asyncio.sleep(0.02)
        try:
            await super().shutdown(sockets)
        finally:
            if self._sweeper is not None:
                self._sweeper.cancel()
            for taker in self._takers:
                with suppress(asyncio.CancelledError):
                    taker.result()

    async def _take_last(self, listeners: list[socket.socket]) -> None:
        """Empties the queues of connections that the system has accepted, then closes them."""
        for listener in listeners:
            ignore_newcomers(listener)
        end_s = time.monotonic() + LAST_CALL_S
        while True:
            last = time.monotonic() > end_s
            for listener in listeners:
                while await self._took(listener):
                    pass
                if last:
                    listener.close()
            if last:
                return
            await asyncio.sleep(0.005)

    async def _took(self, listener: socket.socket) -> bool:
        """Takes one connection that waits; whether there was one."""
        try:
            connection, _ = listener.accept()
        except Exception:  # whatever is wrong with the socket, its end must not fail for it
            return False
        connection.setblocking(False)
        with suppress(OSError):
            await asyncio.get_running_loop().connect_accepted_socket(self._protocol, connection)
        return True

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
        return HttpConnection(
            config=self.config,
            server_state=self.server_state,
            app_state=self.lifespan.state,
            shared=self._connections,
        )


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
