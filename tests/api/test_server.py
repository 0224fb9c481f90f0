"""The service as processes: workers that share a port, stopping without losing anything, clear errors."""

from __future__ import annotations

import concurrent.futures
import os
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from modaloom.api.workers.server import Factory, serve
from modaloom.errors import BundleError, ServeError
from modaloom.storage.open import open_store
from tests.api.conftest import ADMIN, PAGE, SHOP, serve_settings
from tests.api.running import Running


def headers_of(key: str) -> dict[str, str]:
    return {"X-API-Key": key}


def test_two_workers_share_everything(run: Callable[..., Running], tmp_path: Path) -> None:
    running = run(workers=2)
    up = running.wait_for("up")
    assert set(up["keys"]) == {"shop"}, "made at the first start, told once"
    shop = headers_of(up["keys"]["shop"])
    for number in range(60):  # a new connection each time, so that both workers get some
        answer = httpx.get(f"{up['url']}/v1/recommendations?user_id=u{number % 7}", headers=shop)
        assert answer.status_code == 200
    made = httpx.post(f"{up['url']}/v1/shoppers", headers=headers_of(PAGE)).json()
    for _ in range(10):
        token = {**headers_of(PAGE), "X-Shopper-Token": made["token"]}
        assert httpx.get(f"{up['url']}/v1/users/me/profile", headers=token).json()["user_id"] == made["user_id"]
    pids = {line["pid"] for line in running.lines() if line["event"] == "request"}
    assert len(pids) == 2
    told = httpx.get(f"{up['url']}/v1/admin/metrics", headers=headers_of(ADMIN)).json()
    assert told["workers"] == 2
    assert told["requests"] == 71
    assert running.stop() == 0
    with open_store(f"sqlite:///{tmp_path / 'shop.db'}") as store:
        shown = sum(len(store.exposures(f"u{number}", limit=10_000)) for number in range(7))
    assert shown == 60 * 11, "what was not written yet is written at the end"


@pytest.mark.parametrize("workers", [1, 2])
def test_stopping_finishes_what_is_under_way(run: Callable[..., Running], workers: int) -> None:
    running = run(shop={"slow_s": 1.0}, workers=workers, shop_keys=[SHOP])
    url = running.wait_for("up")["url"]
    with concurrent.futures.ThreadPoolExecutor(4) as threads:
        asked = [
            threads.submit(httpx.get, f"{url}/v1/recommendations", headers=headers_of(SHOP), timeout=30)
            for _ in range(4)
        ]
        running.wait_for("list begun", times=4)
        running.process.send_signal(signal.SIGTERM)
        assert [one.result().status_code for one in asked] == [200] * 4
    assert running.process.wait(timeout=60) == 0
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{url}/health")


def test_a_dead_worker_is_replaced(run: Callable[..., Running]) -> None:
    running = run(workers=2)
    url = running.wait_for("up")["url"]
    victim = next(line["pid"] for line in running.lines() if line["event"] == "server")
    os.kill(victim, signal.SIGKILL)
    assert running.wait_for("worker died")["worker"] == victim
    for _ in range(20):
        assert httpx.get(f"{url}/health", timeout=30).status_code == 200


def test_a_killed_worker_loses_nothing_that_was_answered_for(run: Callable[..., Running], tmp_path: Path) -> None:
    """Its connections break, and what was under way in it has no answer; whoever sends that again counts once."""
    running = run(workers=2, shop_keys=[SHOP])
    url = running.wait_for("up")["url"]
    victim = next(line["pid"] for line in running.lines() if line["event"] == "server")
    kept: set[str] = set()
    unanswered: set[str] = set()

    def send(number: int) -> None:
        name = f"e{number}"
        event = {"user_id": "u", "item_id": "dress-red", "event": "view", "event_id": name}
        try:
            answer = httpx.post(
                f"{url}/v1/interactions", headers=headers_of(SHOP), json={"events": [event]}, timeout=30
            )
        except httpx.TransportError:
            unanswered.add(name)
        else:
            assert answer.status_code == 200, answer.text
            kept.add(name)

    with concurrent.futures.ThreadPoolExecutor(4) as threads:
        sent = [threads.submit(send, number) for number in range(120)]
        while len(kept) < 30:
            time.sleep(0.01)
        os.kill(victim, signal.SIGKILL)
        [one.result() for one in sent]
    assert len(kept) > 60
    assert len(unanswered) <= 4, "no more than were under way"
    for name in unanswered:
        send(int(name[1:]))
    assert running.stop() == 0
    with open_store(f"sqlite:///{tmp_path / 'shop.db'}") as store:
        stored = [event.event_id for event in store.history("u", limit=1_000)]
    assert sorted(stored, key=str) == sorted(f"e{number}" for number in range(120))


def test_workers_do_not_outlive_their_parent(run: Callable[..., Running]) -> None:
    running = run(workers=2)
    url = running.wait_for("up")["url"]
    running.process.kill()
    running.process.wait()
    for _ in range(200):
        try:
            httpx.get(f"{url}/health")
        except httpx.TransportError:
            return
        time.sleep(0.1)
    raise AssertionError("somebody still answers")


def test_a_taken_port_is_told(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(ServeError, match=f"cannot listen on 127.0.0.1:{port}: address already in use"):
            serve(Factory("none:none"), serve_settings(tmp_path, port=port))


@pytest.mark.parametrize("workers", [1, 2])
def test_a_shop_that_cannot_be_built_is_told(run: Callable[..., Running], workers: int) -> None:
    running = run(shop={"fail": True}, workers=workers)
    assert "the bundle is broken" in running.wait_for("refused")["message"]
    assert running.process.wait(timeout=60) == 2


def test_a_wrong_factory_is_told() -> None:
    with pytest.raises(ServeError, match="no_such_module"):
        Factory("no_such_module:open").build()
    with pytest.raises(BundleError):
        Factory("tests.api.tiny_shop:open_tiny", {"folder": ".", "fail": True}).build()
