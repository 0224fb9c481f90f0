"""What holds for every route: keys, the one shape of errors, headers, HEAD and OPTIONS, the document."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.api.conftest import ADMIN, PAGE, SHOP, Api, error_of

OPEN = ("/health", "/ready", "/v1/items/dress-red/picture/0", "/openapi.json")


def test_every_operation_but_the_open_ones_needs_a_key(api: Api) -> None:
    asked = 0
    for path, operations in api.get("/openapi.json").json()["paths"].items():
        for method, told in operations.items():
            if told["security"]:
                answer = api.ask(method.upper(), path.replace("{", "").replace("}", ""), key=None)
                error_of(answer, 401, "unauthorized")
                assert answer.headers["www-authenticate"] == "Bearer"
                asked += 1
    assert asked > 30


@pytest.mark.parametrize("path", OPEN)
def test_open_paths_need_none(api: Api, path: str) -> None:
    assert api.get(path, key=None).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "needed"),
    [
        ("PUT", "/v1/items", SHOP),
        ("DELETE", "/v1/items/dress-red", SHOP),
        ("PUT", "/v1/users", SHOP),
        ("POST", "/v1/users/u1/token", SHOP),
        ("GET", "/v1/admin/health", ADMIN),
        ("PUT", "/v1/admin/traffic", ADMIN),
        ("GET", "/v1/admin/metrics", ADMIN),
        ("DELETE", "/v1/admin/bundles/tiny", ADMIN),
    ],
)
def test_a_lesser_key_is_not_enough(api: Api, method: str, path: str, needed: str) -> None:
    for key in (PAGE, SHOP)[: 1 if needed == SHOP else 2]:
        error_of(api.ask(method, path, key=key, json={} if method == "PUT" else None), 403, "forbidden")
    assert api.ask(method, path, key=needed, json={} if method == "PUT" else None).status_code in (200, 422)


def test_a_key_comes_in_either_header(api: Api) -> None:
    assert api.get("/v1/shop", key=None, headers={"Authorization": f"Bearer {PAGE}"}).status_code == 200
    error_of(api.get("/v1/shop", key=None, headers={"Authorization": f"Basic {PAGE}"}), 401, "unauthorized")
    error_of(api.get("/v1/shop", key="wrong"), 401, "unauthorized")


def test_errors_have_one_shape(api: Api) -> None:
    error_of(api.get("/v1/nothing"), 404, "not_found")
    error_of(api.get("/v1/items/none"), 404, "not_found")
    error_of(api.post("/v1/recommendations"), 405, "method_not_allowed")
    error_of(api.post("/v1/interactions", content=b"{", headers={"Content-Type": "application/json"}), 400, "bad_json")


def test_every_faulty_field_is_named_and_no_value_repeated(api: Api) -> None:
    body = {"events": [{"event": "glance", "item_id": "x" * 501, "secret-field": "Tom"}], "more": 1}
    error = error_of(api.post("/v1/interactions", json=body), 422, "invalid")
    named = {fault["field"] for fault in error["fields"]}
    assert named == {"events.0.event", "events.0.item_id", "events.0.secret-field", "more"}
    assert all(name in error["message"] for name in named)
    assert "Tom" not in str(error)
    assert "glance" not in str(error)


@pytest.mark.parametrize(
    "text",
    [
        '{"user_id": "a\\u0000b", "event": "view", "item_id": "i"}',
        '{"user_id": "\\ud800", "event": "view", "item_id": "i"}',
        '{"event": "view", "item_id": "i", "value": NaN}',
        '{"event": "view", "item_id": "i", "value": 1e999}',
        '{"event": "view", "item_id": "i", "timestamp": 123456789012345678901234567890}',
        '{"event": "view", "item_id": "i", "timestamp": -1}',
        '{"event": "view", "item_id": "' + "x" * 501 + '"}',
        '{"event": "view", "item_id": ""}',
        '{"event": "view", "item_id": 7}',
        "[" * 5_000,
    ],
)
def test_odd_values_are_refused(api: Api, text: str) -> None:
    headers = {"Content-Type": "application/json"}
    answer = api.post("/v1/interactions", key=SHOP, content=f'{{"events": [{text}]}}', headers=headers)
    assert answer.status_code in (400, 422), answer.text
    assert not api.store.interactions(purpose=None)


def test_headers_of_every_answer(api: Api) -> None:
    for answer in (api.get("/health"), api.get("/v1/nothing"), api.get("/v1/recommendations")):
        assert "default-src 'self'" in answer.headers["content-security-policy"]
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert "unsafe" not in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"]
        assert len(answer.headers["x-request-id"]) == 24
        assert "access-control-allow-origin" not in answer.headers


def test_answers_about_people_are_not_kept_by_browsers(api: Api) -> None:
    api.newcomer()
    for path in ("/v1/recommendations", "/v1/users/me/profile", "/v1/users/me/export", "/v1/nothing"):
        assert api.get(path).headers["cache-control"] == "no-store"


def test_no_page_of_the_framework(api: Api) -> None:
    assert api.get("/docs").status_code == api.get("/redoc").status_code == 404


def test_head_is_get_without_the_body(api: Api) -> None:
    got, head = api.get("/v1/shop"), api.ask("HEAD", "/v1/shop")
    assert head.status_code == 200
    assert head.content == b""
    assert head.headers["content-length"] == got.headers["content-length"]
    assert api.ask("HEAD", "/v1/interactions").status_code == 405


def test_options_names_the_methods(api: Api) -> None:
    answer = api.ask("OPTIONS", "/v1/users/me/wardrobe", key=None)
    assert answer.status_code == 204
    assert set(answer.headers["allow"].split(", ")) >= {"GET", "POST", "HEAD", "OPTIONS"}


def test_other_sites_only_where_they_are_named(start: Callable[..., Api]) -> None:
    api = start(cors_origins=("https://shop.example",))
    wanted = {"Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "x-api-key"}
    good = api.ask("OPTIONS", "/v1/items", key=None, headers={"Origin": "https://shop.example", **wanted})
    assert good.headers["access-control-allow-origin"] == "https://shop.example"
    bad = api.ask("OPTIONS", "/v1/items", key=None, headers={"Origin": "https://evil.example", **wanted})
    assert "access-control-allow-origin" not in bad.headers


def test_compression_is_a_setting(start: Callable[..., Api]) -> None:
    assert "content-encoding" not in start().get("/v1/recommendations").headers
    squeezed = start(gzip=True).get("/v1/recommendations")
    assert squeezed.headers["content-encoding"] == "gzip"
    assert squeezed.json()["items"]


def test_the_document_is_complete(api: Api) -> None:
    document = api.get("/openapi.json").json()
    for path, operations in document["paths"].items():
        for method, told in operations.items():
            assert told["description"], f"{method} {path}"
            assert {"4XX", "5XX"} <= set(told["responses"]), f"{method} {path}"
            (content,) = told["responses"]["200"]["content"].items()
            if content[0] == "application/json" and not path.endswith("/export"):
                assert content[1]["schema"], f"{method} {path} does not say what it answers"
    names = {one["name"] for one in document["paths"]["/v1/recommendations"]["get"]["parameters"]}
    assert {"user_id", "place", "n", "attr", "clicked", "price_min", "category_cap"} <= names


def test_ready_only_with_a_store(api: Api) -> None:
    assert api.get("/ready", key=None).json()["status"] == "ok"
    api.store.close()
    assert api.get("/ready", key=None).status_code == 503
    assert api.get("/health", key=None).status_code == 200
