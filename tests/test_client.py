"""The Python client against a real service."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from modaloom import client as client_module
from modaloom.api.schemas.answers import IngestedEvents, PatchedItems
from modaloom.client import Client, RequestError
from modaloom.errors import NotFoundError, QueryError, ServeError
from modaloom.trends.kept import save_board
from tests.api.conftest import PAGE, SHOP, Api, live, settings, start, store  # noqa: F401
from tests.api.test_lists import photo
from tests.web.plausible import plausible_board


class Bridge(httpx.BaseTransport):
    """Hands requests to a service in this process, as its test client does."""

    def __init__(self, api: Api):
        self._api = api
        self.asked = 0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.asked += 1
        answer = self._api.client.request(
            request.method, str(request.url), content=request.read(), headers=dict(request.headers)
        )
        return httpx.Response(answer.status_code, headers=dict(answer.headers), content=answer.content)


@pytest.fixture
def api(start: Callable[..., Api]) -> Api:  # noqa: F811
    return start()


@pytest.fixture
def shop(api: Api) -> Iterator[Client]:
    with Client("http://testserver", SHOP, transport=Bridge(api)) as opened:
        yield opened


def test_a_shops_day(api: Api, shop: Client) -> None:
    assert shop.ready()
    assert shop.put_items([{"item_id": "a/b", "title": "sun hat", "attributes": {"category": "hat"}}]) == 1
    assert shop.put_users([{"user_id": "u 7", "language": "zh"}]) == 1
    assert shop.send([{"user_id": "u 7", "item_id": "a/b", "event": "view"}]) == IngestedEvents(1, 0, 0)
    answer = shop.recommend("u 7", n=1)
    assert answer.personal
    assert answer.request_id
    assert answer.items[0].title == "sun hat"
    assert [card.item_id for card in shop.recommend("u 7", category=["dress"], exclude=["dress-red"]).items] == [
        "dress-blue",
        "dress-green",
    ]
    assert shop.item("a/b").item.category == "hat"
    assert shop.similar("dress-red").items
    assert shop.goes_with("dress-red").items
    assert shop.search("hat").items[0].item_id == "a/b"
    assert shop.search(photo=photo(), n=2).items
    assert shop.explain("u 7", "a/b")[0].text
    shop.say("u 7", "a/b", "hide")
    assert shop.recommend("u 7", n=1).items[0].item_id != "a/b"
    shop.say("u 7", "a/b", "hide", undo=True)
    assert shop.patch_items([{"item_id": "a/b", "stock": 3}, {"item_id": "none", "stock": 1}]) == PatchedItems(
        version=api.store.catalogue_version(), items=1, changed=1, unknown=("none",)
    )
    shop.patch_item("a/b", price=7.5)
    assert (shop.item("a/b").stock, shop.item("a/b").item.title) == (3, "sun hat")
    with pytest.raises(NotFoundError):
        shop.patch_item("none", price=1)
    assert shop.put_picture("a/b", photo()) == "/v1/items/a%2Fb/picture/0"
    assert shop.change_profile("u 7", taste={"colour=red": 0.5}).chips[0].key == "colour=red"
    assert shop.profile("u 7").language == "zh"
    assert shop.set_consent("u 7", "research", True).history
    assert shop.export("u 7")["user_id"] == "u 7"
    assert sum(shop.erase("u 7").values()) > 0
    assert shop.delete_items(["a/b", "none"]) == 1


def test_a_customers_own_client(api: Api, shop: Client) -> None:
    token = shop.token("u1")
    with Client("http://testserver", PAGE, shopper_token=token, transport=Bridge(api)) as page:
        assert page.profile("me").user_id == "u1"
        with pytest.raises(RequestError, match="403 forbidden") as caught:
            page.put_items([{"item_id": "x"}])
        assert caught.value.status == 403
        assert caught.value.request_id


def test_trends(api: Api, shop: Client) -> None:
    with pytest.raises(NotFoundError, match="no trend board"):
        shop.trends()
    assert shop.trend_state().made_at is None
    board = plausible_board(["dress-red", "skirt-blue"])
    save_board(api.store, board)
    moving = shop.trends(verdict=["rising"], dimension="colour", n=3)
    assert moving.trends[0].verdict == "rising"
    found = shop.trend("colour=sage", language="zh")
    assert found.trend.names["zh"] == "鼠尾草绿"
    assert found.trend == board.trend("colour=sage")
    assert shop.terms(n=2).terms[0].term == board.terms[0].term
    assert shop.gaps(n=2).gaps == board.gaps[:2]
    assert len(shop.alerts(n=3).alerts) == 3
    assert shop.arrivals(n=1).arrivals[0].arrival == board.arrivals[0]
    assert shop.trend_file("export", part="gaps").startswith(b"\xef\xbb\xbf")
    assert shop.trend_file("colour%3Dsage/chart.png").startswith(b"\x89PNG")
    with pytest.raises(NotFoundError, match="no trend 'colour=none'"):
        shop.trend("colour=none")
    with pytest.raises(RequestError, match="403 forbidden"):
        shop.make_trends()


def test_large_batches_are_split(api: Api, shop: Client) -> None:
    events: list[Any] = [{"user_id": "u1", "item_id": "dress-red", "event": "view"}] * 2_500
    assert shop.send(events) == IngestedEvents(2_500, 0, 0)
    assert len(api.store.history("u1", limit=5_000)) == 2_500


def test_errors_are_ours(shop: Client) -> None:
    with pytest.raises(NotFoundError, match="none"):
        shop.item("none")
    with pytest.raises(QueryError, match="n: "):
        shop.recommend("u1", n=0)
    with pytest.raises(ServeError, match="does not answer"):
        Client("http://127.0.0.1:9", SHOP, tries=1).recommend("u1")
    assert not Client("http://127.0.0.1:9", SHOP).ready()


def test_a_busy_service_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    monkeypatch.setattr(client_module.time, "sleep", waited.append)
    answers = [httpx.Response(503, headers={"Retry-After": "2"}), httpx.Response(429)]
    bodies: list[bytes] = []

    def answer(request: httpx.Request) -> httpx.Response:
        bodies.append(request.read())
        return answers.pop(0) if answers else httpx.Response(200, json={"added": 1, "repeated": 0})

    with Client("http://x", SHOP, transport=httpx.MockTransport(answer)) as shop:
        assert shop.send([{"user_id": "u1", "item_id": "i", "event": "view"}]).added == 1
    assert waited == [2.0, 1.0]
    assert bodies[0] == bodies[1] == bodies[2], "the same event_id each time"
    broken = httpx.MockTransport(lambda request: httpx.Response(502, text="<html>proxy</html>"))
    with Client("http://x", SHOP, transport=broken) as shop, pytest.raises(RequestError, match="502 unexpected"):
        shop.recommend("u1")


def test_another_versions_answers() -> None:
    card = {"item_id": "i", "title": "t", "price": 1, "category": None, "picture": None, "in_stock": True}
    answer = {"items": [{**card, "is_new": False, "score": 0.5, "novelty": 1}], "bundle": "b", "personal": False}
    newer = httpx.MockTransport(lambda request: httpx.Response(200, json=answer))
    with Client("http://x", SHOP, transport=newer) as shop:
        assert shop.recommend("u1").items[0].item_id == "i", "fields that it does not know are passed over"
    del answer["personal"]
    with Client("http://x", SHOP, transport=newer) as shop, pytest.raises(ServeError, match="another Answer: personal"):
        shop.recommend("u1")


def test_it_is_light() -> None:
    code = "import modaloom.client, sys; print({'polars', 'fastapi', 'starlette', 'torch', 'numpy'} & set(sys.modules))"
    root = Path(__file__).parents[1]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root)
    assert done.stdout.strip() == "set()"


def test_the_service_needs_no_torch() -> None:
    code = "import modaloom.api.workers.server, modaloom.api.app, sys; print('torch' in sys.modules)"
    root = Path(__file__).parents[1]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root)
    assert done.stdout.strip() == "False"
