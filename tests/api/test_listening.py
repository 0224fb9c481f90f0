"""The port that workers share: how its connections are dealt out, and what cannot be taken."""

from __future__ import annotations

import errno
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
import uvicorn

from modaloom.api.workers.listening import ABSENT, AHEAD, Place, Server, bind
from modaloom.errors import ServeError
from tests.api.conftest import SHOP
from tests.api.running import Running

REQUEST = f"GET /v1/recommendations HTTP/1.1\r\nHost: shop\r\nX-API-Key: {SHOP}\r\n\r\n".encode()


def test_who_is_ahead_lets_others_go_first() -> None:
    counts = [AHEAD, 0, ABSENT]
    one, other, absent = (Place(counts, number) for number in range(3))
    assert not one.is_ahead()
    one.tell(AHEAD + 1)
    assert one.is_ahead()
    assert not other.is_ahead()
    other.tell(1)
    assert not one.is_ahead()
    absent.tell(0)
    assert one.is_ahead(), "it has come"
    assert not Place([10_000], 0).is_ahead(), "alone"
    assert not Place([10_000, ABSENT], 0).is_ahead()


def test_connections_that_come_at_once_are_dealt_out(run: Callable[..., Running]) -> None:
    running = run(workers=2, shop_keys=[SHOP])
    host, port = running.wait_for("up")["url"].removeprefix("http://").split(":")
    held = [socket.create_connection((host, int(port))) for _ in range(24)]
    try:
        for one in held:
            one.sendall(REQUEST)
        running.wait_for("request", times=len(held))
    finally:
        for one in held:
            one.close()
    by_worker = Counter(line["pid"] for line in running.lines() if line["event"] == "request")
    assert len(by_worker) == 2
    assert min(by_worker.values()) >= 6, by_worker


async def hello(scope: Any, receive: Any, send: Any) -> None:
    """An application that says nothing but that it is there."""
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body"})


@contextmanager
def serving(listener: socket.socket) -> Iterator[tuple[str, threading.Thread]]:
    """A server on the socket, in a thread."""
    config = uvicorn.Config(hello, lifespan="off", log_config=None, loop="asyncio")
    server = Server(config, lambda: None, Place([ABSENT], 0))
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", thread
    finally:
        server.should_exit = True
        thread.join(20)


class Refusing(socket.socket):
    """A socket from which a connection cannot be taken."""

    fault: BaseException | None = None
    times = 0

    def accept(self) -> Any:
        if self.fault is not None and self.times > 0:
            self.times -= 1
            raise self.fault
        return super().accept()


def refusing(fault: BaseException, times: int) -> Refusing:
    plain = bind("127.0.0.1", 0)
    made = Refusing(plain.family, plain.type, plain.proto, fileno=plain.detach())
    made.fault, made.times = fault, times
    return made


def test_a_full_table_of_files_passes() -> None:
    with serving(refusing(OSError(errno.EMFILE, "too many open files"), 3)) as (url, _):
        assert httpx.get(url, timeout=10).status_code == 204


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_server_that_can_take_nothing_ends() -> None:
    with serving(refusing(RuntimeError("broken"), 1_000)) as (url, thread):
        with pytest.raises(httpx.TransportError):
            httpx.get(url, timeout=10)
        end_s = time.monotonic() + 10
        while thread.is_alive() and time.monotonic() < end_s:
            time.sleep(0.05)
        assert not thread.is_alive()


def test_an_unknown_host_is_told() -> None:
    with pytest.raises(ServeError, match="unknown host"):
        bind("no such host", 1)
