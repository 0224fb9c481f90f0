"""Rates, sizes, times and queues."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from starlette.types import Message, Scope

from modaloom.api.middleware.bodies import Budget
from modaloom.api.middleware.errors import Refused
from modaloom.api.middleware.limits import Pool, TokenBucket, address_of
from modaloom.shop.requests import Answer, Ask
from modaloom.storage.contract import Ingested
from modaloom.types import Interaction
from tests.api.conftest import PAGE, SHOP, Api, error_of
from tests.api.tiny_shop import TinyShop

JSON = "application/json"


def test_a_bucket_fills_again() -> None:
    now = [0.0]
    bucket = TokenBucket(2.0, 3, clock=lambda: now[0])
    assert [bucket.take("a") for _ in range(3)] == [0, 0, 0]
    assert bucket.take("a") == pytest.approx(0.5)
    assert bucket.take("b") == 0
    now[0] = 0.5
    assert bucket.take("a") == 0
    assert bucket.take("a") > 0
    now[0] = 100.0
    assert [bucket.take("a") for _ in range(4)][-1] > 0, "no more than the burst is saved up"
    bucket.forget("a")
    assert bucket.take("a") == 0


def test_a_bucket_gives_amounts() -> None:
    now = [0.0]
    bucket = TokenBucket(10.0, 100, clock=lambda: now[0])
    assert bucket.take("a", 70) == 0
    assert bucket.take("a", 70) == pytest.approx(4)
    assert bucket.take("a", 30) == 0, "what was refused cost nothing"
    now[0] = 10.0
    assert bucket.take("a", 1_000) == 0, "more than there ever is costs all there is"
    assert bucket.take("a") > 0


def test_bytes_that_are_held_at_a_time() -> None:
    budget = Budget(100, 40)
    budget.take("a", 40)
    with pytest.raises(Refused) as caught:
        budget.take("a", 1)
    assert caught.value.status_code == 429
    budget.take("b", 40)
    with pytest.raises(Refused) as caught:
        budget.take("c", 30)
    assert caught.value.status_code == 503
    budget.give("a", 40)
    budget.take("c", 30)
    budget.give("b", 40)
    budget.give("c", 30)
    assert budget.held == 0
    assert not budget.senders


def test_nothing_is_read_for_a_lesser_key(api: Api) -> None:
    read = [0]

    def endless() -> Iterator[bytes]:
        for _ in range(1_000):
            read[0] += 1
            yield b" " * 1_000

    assert asyncio.run(_stream(api, "/v1/items/delete", endless(), JSON, key=PAGE))[0] == 403
    assert read == [0]


def test_a_body_may_be_refused_halfway(start: Callable[..., Api]) -> None:
    api = start(max_page_body_kb=10)
    assert asyncio.run(_stream(api, "/v1/interactions", iter([b" " * 6_000] * 2), JSON, key=PAGE))[0] == 413
    assert asyncio.run(_stream(api, "/v1/interactions", iter([b" " * 6_000] * 2), JSON))[0] == 400


def test_a_bucket_forgets_the_quiet() -> None:
    bucket = TokenBucket(1.0, 1, max_callers=10)
    for caller in range(1_000):
        bucket.take(str(caller))
    assert len(bucket) == 10


def test_an_address_is_never_kept_as_it_is() -> None:
    names = {host: address_of({"client": (host, 1)}) for host in ("10.1.2.3", "2001:db8::1", "2001:db8::2", "x")}
    assert names["2001:db8::1"] == names["2001:db8::2"] != names["10.1.2.3"]
    assert not any("10.1" in name or "2001" in name for name in names.values())
    assert address_of({"client": None})


def test_a_shopper_is_slowed_down(start: Callable[..., Api]) -> None:
    api = start(shopper_burst=3, shopper_per_s=0.5)
    api.newcomer()
    answers = [api.get("/v1/shop") for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    error_of(answers[-1], 429, "too_many_requests")
    assert answers[-1].headers["retry-after"] == "2"
    assert api.get("/v1/shop", key=SHOP).is_success, "the shop's backend is not the shopper"


def test_an_address_is_slowed_down_pictures_included(start: Callable[..., Api]) -> None:
    api = start(address_burst=3, address_per_s=0.1)
    path = "/v1/items/dress-red/picture/0"
    assert [api.get(path, key=None).status_code for _ in range(4)] == [200, 200, 200, 429]
    error_of(api.get("/v1/shop"), 429, "too_many_requests")


def test_newcomers_and_wrong_keys_are_few(start: Callable[..., Api]) -> None:
    api = start(newcomers_burst=2, newcomers_per_s=0.01)
    assert [api.post("/v1/shoppers").status_code for _ in range(3)] == [200, 200, 429]
    assert [api.get("/v1/shop", key="wrong").status_code for _ in range(3)] == [401, 401, 429]
    assert api.get("/v1/shop").is_success


def test_a_key_is_slowed_down_where_it_is_set(start: Callable[..., Api]) -> None:
    api = start(key_per_s=0.1, key_burst=1)
    assert [api.get("/v1/shop", key=SHOP).status_code for _ in range(2)] == [200, 429]


def test_a_body_that_says_it_is_large_is_not_read(start: Callable[..., Api]) -> None:
    api = start(max_body_mb=0.01)
    answer = api.post("/v1/interactions", content=b" " * 20_000, headers={"Content-Type": "application/json"})
    error_of(answer, 413, "too_large")
    assert answer.headers["connection"] == "close"


@pytest.mark.parametrize(("path", "limit"), [("/v1/interactions", 10_486), ("/v1/search/photo", 10_486 + 65_536)])
def test_a_body_that_does_not_say_so_is_cut_off(start: Callable[..., Api], path: str, limit: int) -> None:
    api = start(max_body_mb=0.01, max_picture_mb=0.01)
    sent = [0]

    def endless() -> Iterator[bytes]:
        yield b'--b\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\n'
        for _ in range(10_000):
            sent[0] += 1_000
            yield b" " * 1_000

    kind = "multipart/form-data; boundary=b" if "photo" in path else "application/json"
    answer = asyncio.run(_stream(api, path, endless(), kind))
    assert answer[0] == 413, answer
    assert sent[0] < limit + 5_000, "reading stops at the limit"


async def _stream(api: Api, path: str, chunks: Iterator[bytes], kind: str, key: str = SHOP) -> tuple[int, bytes]:
    headers = [(b"content-type", kind.encode()), (b"x-api-key", key.encode()), (b"host", b"x")]
    headers.append((b"transfer-encoding", b"chunked"))
    scope: Scope = {
        "type": "http",
        "method": "POST",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": headers,
        "client": ("127.0.0.1", 1),
        "server": ("x", 80),
        "scheme": "http",
        "http_version": "1.1",
        "root_path": "",
    }
    got: list[Message] = []

    async def receive() -> Message:
        part = next(chunks, b"")
        return {"type": "http.request", "body": part, "more_body": bool(part)}

    async def send(message: Message) -> None:
        got.append(message)

    await api.client.app(scope, receive, send)
    return got[0]["status"], got[1]["body"]


def test_nothing_is_read_for_strangers(api: Api) -> None:
    read = [0]

    def endless() -> Iterator[bytes]:
        for _ in range(1_000):
            read[0] += 1
            yield b" " * 1_000

    assert asyncio.run(_stream(api, "/v1/interactions", endless(), "application/json", key="wrong"))[0] == 401
    assert asyncio.run(_stream(api, "/v1/search/photo", endless(), "image/jpeg", key="wrong"))[0] == 401
    assert read == [0]


def test_many_large_bodies_together_are_too_many(
    start: Callable[..., Api], live: TinyShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = start(max_bodies_mb=0.02)
    free, body = threading.Event(), {"events": [{"user_id": "u", "event": "search", "query": "x" * 400}] * 30}
    add = live.store.add_interactions

    def slow(events: list[Interaction]) -> Ingested:
        free.wait(10)
        return add(events)

    monkeypatch.setattr(live.store, "add_interactions", slow)
    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(api.post, "/v1/interactions", key=SHOP, json=body)
        while not api.service.ingest_pool.taken:
            time.sleep(0.01)
        answer = api.post("/v1/interactions", key=SHOP, json=body)
        error_of(answer, 503, "busy")
        assert answer.headers["retry-after"] == "1"
        free.set()
        assert first.result().is_success
    assert api.post("/v1/interactions", key=SHOP, json=body).is_success


@pytest.mark.parametrize("key", [None, PAGE])
def test_headers_that_parsers_choke_on(api: Api, key: str | None) -> None:
    began = time.process_time()
    cookie = f'a="{chr(92) * 16_000}"; theme=dark'
    assert api.get("/health", key=key, headers={"Cookie": cookie}).status_code == 200
    assert api.get("/v1/shop", key=PAGE, headers={"Cookie": cookie}).status_code == 200
    answer = api.post("/v1/search/photo", headers={"Content-Type": 'a/b; c="' + ";" * 16_000}, content=b"x")
    error_of(answer, 400, "bad_request")
    assert time.process_time() - began < 2


def test_long_addresses_are_refused(api: Api) -> None:
    error_of(api.get("/v1/recommendations?exclude=" + "x" * 40_000), 414, "too_long")


def test_a_slow_answer_is_given_up(start: Callable[..., Api], live: TinyShop, monkeypatch: pytest.MonkeyPatch) -> None:
    api = start(request_timeout_s=0.2)
    free = threading.Event()

    def slow(ask: Ask) -> Answer:
        free.wait(5)
        return Answer((), "tiny", False)

    monkeypatch.setattr(live, "home", slow)
    try:
        error_of(api.get("/v1/recommendations"), 504, "timeout")
    finally:
        free.set()


def test_a_full_queue_says_so_at_once() -> None:
    async def scene() -> None:
        pool, free = Pool("test", threads=1, waiting=1), threading.Event()
        running = [asyncio.create_task(pool.run(free.wait)) for _ in range(2)]
        await asyncio.sleep(0.05)
        began = time.perf_counter()
        with pytest.raises(Refused) as caught:
            await pool.run(free.wait)
        assert time.perf_counter() - began < 0.5
        assert caught.value.status_code == 503
        assert (caught.value.headers or {})["Retry-After"] == "1"
        free.set()
        assert await asyncio.gather(*running) == [True, True]
        while pool.taken:
            await asyncio.sleep(0.01)
        assert await pool.run(lambda: 7) == 7
        pool.close()
        with pytest.raises(Refused):
            await pool.run(lambda: 7)
        assert pool.taken == 0

    asyncio.run(scene())


def test_a_cancelled_call_gives_its_place_back() -> None:
    async def scene() -> None:
        pool, free = Pool("test", threads=1, waiting=1), threading.Event()
        first, second = asyncio.create_task(pool.run(free.wait)), asyncio.create_task(pool.run(free.wait))
        await asyncio.sleep(0.05)
        second.cancel()
        await asyncio.sleep(0.05)
        assert pool.taken == 1
        free.set()
        await first
        pool.close()

    asyncio.run(scene())


def test_keys_are_compared_whatever_their_length(api: Api) -> None:
    for key in (PAGE[:-1], PAGE + "x", "x" * 10_000, "x y"):
        assert api.get("/v1/shop", key=key).status_code == 401
