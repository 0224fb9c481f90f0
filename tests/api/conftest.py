"""One live shop, its store and a client for the tests of the service. Everything about which shop it is stands here."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from modaloom.api.app import create_app
from modaloom.api.middleware.logs import JsonLog
from modaloom.api.service import Service
from modaloom.api.settings import ServeSettings, load_serve_settings
from modaloom.config import load_settings
from modaloom.storage.contract import Store
from modaloom.storage.open import open_store
from tests.api.running import Running
from tests.api.tiny_shop import TinyShop, garments

PAGE, SHOP, ADMIN = "page-key-for-tests", "shop-key-for-tests", "admin-key-for-tests"


@dataclass
class Api:
    """A running service and what it wrote into its log."""

    client: TestClient
    service: Service
    lines: list[str] = field(default_factory=list)

    @property
    def store(self) -> Store:
        return self.service.store

    @property
    def log(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.lines]

    def ask(self, method: str, path: str, *, key: str | None = PAGE, **values: Any) -> Any:
        headers = {**({"X-API-Key": key} if key else {}), **values.pop("headers", {})}
        return self.client.request(method, path, headers=headers, **values)

    def get(self, path: str, **values: Any) -> Any:
        return self.ask("GET", path, **values)

    def post(self, path: str, **values: Any) -> Any:
        return self.ask("POST", path, **values)

    def put(self, path: str, **values: Any) -> Any:
        return self.ask("PUT", path, **values)

    def delete(self, path: str, **values: Any) -> Any:
        return self.ask("DELETE", path, **values)

    def newcomer(self) -> str:
        """Makes an anonymous shopper whose cookie the client sends from now on."""
        made = self.post("/v1/shoppers", json={})
        assert made.status_code == 200, made.text
        return str(made.json()["user_id"])


def error_of(answer: Any, status: int, code: str) -> dict[str, Any]:
    """The error of an answer, which must have the one shape."""
    assert answer.status_code == status, answer.text
    assert set(answer.json()) == {"error"}
    error: dict[str, Any] = answer.json()["error"]
    assert set(error) - {"fields"} == {"code", "message", "hint", "request_id"}
    assert error["code"] == code, error
    assert error["request_id"] == answer.headers["x-request-id"]
    return error


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(f"sqlite:///{tmp_path / 'shop.db'}") as opened:
        yield opened


@pytest.fixture
def live(store: Store, tmp_path: Path) -> TinyShop:
    (tmp_path / "pictures").mkdir()
    store.upsert_items(garments(tmp_path / "pictures"))
    return TinyShop(store, load_settings(cache_dir=tmp_path / "cache"))


@pytest.fixture
def settings(tmp_path: Path) -> ServeSettings:
    return serve_settings(tmp_path)


def serve_settings(folder: Path, **changes: Any) -> ServeSettings:
    values = {
        "page_keys": (PAGE,),
        "shop_keys": (SHOP,),
        "admin_keys": (ADMIN,),
        "media_dir": folder / "media",
        "exposures_flush_s": 0.05,
    }
    return load_serve_settings(**{**values, **changes})


@pytest.fixture
def start(live: TinyShop, tmp_path: Path) -> Iterator[Callable[..., Api]]:
    """Starts a service with other settings than the usual ones."""
    running: list[TestClient] = []

    def begin(**changes: Any) -> Api:
        lines: list[str] = []
        app = create_app(live, serve_settings(tmp_path, **changes), log=JsonLog(lines.append))  # type: ignore[arg-type]
        client = TestClient(app, raise_server_exceptions=True)
        client.__enter__()
        running.append(client)
        return Api(client, app.state.service, lines)

    yield begin
    for client in running:
        client.__exit__(None, None, None)


@pytest.fixture
def api(start: Callable[..., Api]) -> Api:
    return start()


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Callable[..., Running]]:
    """Starts services in processes of their own; those that are left at the end are stopped."""
    made: list[Running] = []

    def begin(*, shop: dict[str, Any] | None = None, **serving: Any) -> Running:
        made.append(Running(tmp_path, shop or {}, {"page_keys": [PAGE], "admin_keys": [ADMIN], **serving}))
        return made[-1]

    yield begin
    for one in made:
        if one.process.poll() is None:
            one.stop()
