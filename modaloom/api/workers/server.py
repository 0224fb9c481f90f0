"""Runs the service: one process, or several that share the port, until it is told to stop.

Stopping is graceful: no new connections, requests under way are finished, what waits to be written is written.
"""

from __future__ import annotations

import gc
import importlib
import logging
import multiprocessing
import os
import shutil
import signal
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import TYPE_CHECKING, Any, cast

import uvicorn
from fastapi import FastAPI

from modaloom.api.middleware.logs import JsonHandler, JsonLog
from modaloom.api.middleware.metrics import FOLDER_VARIABLE, forget_worker
from modaloom.api.settings import ServeSettings
from modaloom.api.workers.connections import HttpConnection
from modaloom.api.workers.listening import ABSENT, Place, Server, bind, ignore_newcomers
from modaloom.errors import ModaloomError, ServeError

if TYPE_CHECKING:
    from modaloom.shop.live import LiveShop

KEEP_ALIVE_S = 30
START_TIMEOUT_S = 600.0
QUICK_DEATH_S = 10.0
"""A worker that dies so soon after its start would do so again."""
MAX_QUICK_DEATHS = 3
GARBAGE = 20_000, 20, 20
"""An answer leaves hundreds of small objects and hardly ever a cycle: looking for one after each takes a twentieth."""
SIGNALS = (signal.SIGTERM, signal.SIGINT)
SPAWN = multiprocessing.get_context("spawn")
Told = Callable[[str, Mapping[str, str]], None]


@dataclass(frozen=True, slots=True)
class Factory:
    """How a worker builds its live shop: a dotted path such as ``package.module:function``, and JSON arguments."""

    path: str
    arguments: Mapping[str, Any] = field(default_factory=dict)

    def build(self) -> LiveShop:
        """The live shop.

        Raises:
            ServeError: there is no such function.
            ModaloomError: whatever it raises.
        """
        module, _, name = self.path.partition(":")
        try:
            function = getattr(importlib.import_module(module), name)
        except (ImportError, AttributeError, ValueError) as error:
            raise ServeError(f"nothing to build a live shop with at {self.path!r}: {error}") from error
        return cast("LiveShop", function(**self.arguments))


def serve(factory: Factory, settings: ServeSettings, *, on_ready: Told | None = None) -> None:
    """Serves until SIGTERM or Ctrl-C.

    Args:
        factory: builds the live shop, once in every worker.
        settings: of the service.
        on_ready: gets the service's address, and the keys that were made just now by scope, to be shown once.

    Raises:
        ServeError: the port cannot be had, or workers keep dying.
        ModaloomError: the live shop cannot be built.
    """
    listener = bind(settings.host, settings.port)
    try:
        if settings.workers == 1:
            _serve_here(factory, settings, listener, Place([ABSENT], 0), lambda keys: _tell(on_ready, listener, keys))
        else:
            with _shared_metrics():
                _Supervisor(factory, settings, listener).run(lambda keys: _tell(on_ready, listener, keys))
    finally:
        listener.close()


def _tell(on_ready: Told | None, listener: socket.socket, keys: Mapping[str, str]) -> None:
    if on_ready is not None:
        host, port = listener.getsockname()[:2]
        shown = f"[{host}]" if ":" in host else "localhost" if host in ("0.0.0.0", "127.0.0.1") else host
        on_ready(f"http://{shown}:{port}", keys)


def _serve_here(
    factory: Factory,
    settings: ServeSettings,
    listener: socket.socket,
    place: Place,
    on_ready: Callable[[Mapping[str, str]], None],
) -> None:
    """Serves in this process."""
    from modaloom.api.app import create_app

    live = factory.build()
    gc.freeze()  # what stays to the end need not be looked through for garbage again, while somebody waits
    gc.set_threshold(*GARBAGE)
    try:
        log = JsonLog()
        app = create_app(live, settings, log=log, store_url=factory.arguments.get("store_url"))
        with _plain_signals(), _json_logging(log, settings):
            config = _server_config(app, settings)
            Server(config, lambda: on_ready(app.state.service.new_keys), place, settings).run([listener])
    finally:
        live.close()
        live.store.close()


def _server_config(app: FastAPI, settings: ServeSettings) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        lifespan="on",
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        forwarded_allow_ips=list(settings.trusted_proxies),
        timeout_keep_alive=KEEP_ALIVE_S,
        http=HttpConnection,
        timeout_graceful_shutdown=settings.shutdown_timeout_s,
    )


@contextmanager
def _plain_signals() -> Iterator[None]:
    """Uvicorn raises a signal again once it has stopped; here that must not end the process before all is closed."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, lambda *_: None) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _json_logging(log: JsonLog, settings: ServeSettings) -> Iterator[None]:
    """The server's and Modaloom's own log records go to the JSON log."""
    handler = JsonHandler(log)
    loggers = [logging.getLogger(name) for name in ("uvicorn", "modaloom")]
    before = [(logger, logger.level, logger.propagate) for logger in loggers]
    for logger in loggers:
        logger.addHandler(handler)
        logger.setLevel(logging.INFO if settings.log_requests else logging.WARNING)
        logger.propagate = False
    try:
        yield
    finally:
        for logger, level, propagate in before:
            logger.removeHandler(handler)
            logger.setLevel(level)
            logger.propagate = propagate


@contextmanager
def _shared_metrics() -> Iterator[None]:
    """A folder where all workers keep their counters."""
    folder = tempfile.mkdtemp(prefix="modaloom-metrics-")
    os.environ[FOLDER_VARIABLE] = folder
    try:
        yield
    finally:
        os.environ.pop(FOLDER_VARIABLE, None)
        shutil.rmtree(folder, ignore_errors=True)


def _worker(
    factory: Factory, settings: ServeSettings, listener: socket.socket, place: Place, parent: Connection
) -> None:
    """One worker's life. Tells its parent that it is ready, or why it cannot be; dies with its parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the parent, which tells the workers
    threading.Thread(target=_die_with, args=(parent,), daemon=True).start()
    try:
        _serve_here(factory, settings, listener, place, lambda keys: parent.send(("ready", dict(keys))))
    except ModaloomError as error:
        parent.send(("failed", (error.what, error.where, error.hint)))
    except OSError as error:  # such as a full disk
        parent.send(("failed", (error.strerror or str(error), error.filename, None)))


def _die_with(parent: Connection) -> None:
    try:
        parent.recv()  # the parent never sends anything
    except (EOFError, OSError):
        os.kill(os.getpid(), signal.SIGTERM)


@dataclass(slots=True)
class _Running:
    """A worker as its parent knows it."""

    process: SpawnProcess
    pipe: Connection
    started_s: float


class _Supervisor:
    """Starts the workers, starts dead ones again, and stops all."""

    def __init__(self, factory: Factory, settings: ServeSettings, listener: socket.socket):
        self._factory = factory
        self._settings = settings
        self._listener = listener
        self._log = JsonLog()
        self._counts = SPAWN.RawArray("i", [ABSENT] * settings.workers)
        self._workers: list[_Running] = []
        self._stop = threading.Event()
        self._quick_deaths = 0

    def run(self, on_ready: Callable[[Mapping[str, str]], None]) -> None:
        """Serves until it is told to stop."""
        before = {number: signal.signal(number, lambda *_: self._stop.set()) for number in SIGNALS}
        try:
            self._workers.append(self._start(0))
            keys = self._wait_ready(self._workers[0])  # the first one makes the keys, and shows what is wrong
            self._workers += [self._start(number) for number in range(1, self._settings.workers)]
            for worker in self._workers[1:]:
                self._wait_ready(worker)
            if not self._stop.is_set():
                on_ready(keys)
            while not self._stop.is_set():
                wait([worker.process.sentinel for worker in self._workers], timeout=0.2)
                self._replace_dead()
        finally:
            self._end()
            for number, handler in before.items():
                signal.signal(number, handler)

    def _start(self, number: int) -> _Running:
        ours, theirs = SPAWN.Pipe()
        place = Place(self._counts, number)
        told = self._factory, self._settings, self._listener, place, theirs
        process = SPAWN.Process(target=_worker, args=told, name="modaloom-worker")
        process.start()
        theirs.close()
        return _Running(process, ours, time.monotonic())

    def _wait_ready(self, worker: _Running) -> dict[str, str]:
        end_s = time.monotonic() + START_TIMEOUT_S
        while not self._stop.is_set() and time.monotonic() < end_s:
            if worker.pipe.poll(0.1):
                try:
                    what, told = worker.pipe.recv()
                except EOFError:
                    break
                if what == "failed":
                    raise ServeError(told[0], where=told[1], hint=told[2])
                return cast("dict[str, str]", told)
            if not worker.process.is_alive() and not worker.pipe.poll(0):
                break
        if self._stop.is_set():
            return {}
        raise ServeError("a worker died before it was ready", hint="Its last lines in the log say why")

    def _replace_dead(self) -> None:
        for number, worker in enumerate(self._workers):
            if self._stop.is_set() or worker.process.is_alive():
                continue
            worker.process.join()
            self._log.line("worker died", level="error", worker=worker.process.pid, exitcode=worker.process.exitcode)
            forget_worker(worker.process.pid or 0)
            quick = time.monotonic() - worker.started_s < QUICK_DEATH_S
            self._quick_deaths = self._quick_deaths + 1 if quick else 0
            if self._quick_deaths > MAX_QUICK_DEATHS:
                raise ServeError("workers keep dying", hint="Their last lines in the log say why")
            worker.pipe.close()
            self._counts[number] = ABSENT
            self._workers[number] = self._start(number)

    def _end(self) -> None:
        ignore_newcomers(self._listener)
        self._listener.close()  # else connections would wait here for somebody who never comes
        for worker in self._workers:
            worker.process.terminate()
        end_s = time.monotonic() + self._settings.shutdown_timeout_s + 10
        for worker in self._workers:
            worker.process.join(max(0.1, end_s - time.monotonic()))
            if worker.process.is_alive():
                self._log.line("worker killed", level="error", worker=worker.process.pid)
                worker.process.kill()
                worker.process.join()
            worker.pipe.close()
