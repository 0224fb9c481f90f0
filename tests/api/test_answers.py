"""The wire format: the JSON of every route of the tiny shop, beside what it was when its format was settled.

``WRITE_GOLDENS=1`` writes the file anew; what then differs is a change of ``/v1``.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from modaloom.trends.kept import save_board
from tests.api.conftest import ADMIN, SHOP, Api
from tests.api.test_lists import photo
from tests.web.plausible import plausible_board

GOLDENS = Path(__file__).with_name("goldens") / "answers.json"
SHOWN_ROWS = 2
"""Rows of a long list that the file keeps; of all rows it keeps how many there are."""
FLEETING = {
    "memory_mb", "request_id", "token", "user_id", "entry_id", "photo", "expires_at", "timestamp", "started_at",
    "window_s", "requests_per_s", "latency_ms", "p50", "p99", "events_per_s", "version", "requests",
}  # fmt: skip
"""Fields whose values are others each time; only their types are kept."""
READS = [
    "/v1/recommendations?n=3",
    "/v1/recommendations?n=3&place=trending",
    "/v1/recommendations?n=3&place=new&why=false",
    "/v1/recommendations?n=3&user_id=u1",
    "/v1/recommendations?n=100&category=boots",
    "/v1/items/dress-red/similar?n=2",
    "/v1/items/dress-red/goes-with?n=2",
    "/v1/search?text=red&n=2",
    "/v1/explanations?item_id=dress-red",
    "/v1/explanations?item_id=boots-red&user_id=u1",
    "/v1/items/dress-red",
    "/v1/items/boots-blue",
    "/v1/items/none",
    "/v1/shop",
    "/v1/facets",
    "/v1/demo/shoppers",
    "/v1/users/u1/profile",
    "/v1/users/u1/consents",
    "/v1/users/u1/feedback",
    "/v1/users/u1/wardrobe",
    "/v1/users/u1/export",
    "/v1/trends?n=3&verdict=rising",
    "/v1/trends?segment=age:25-34&order=index&n=2",
    "/v1/trends/state",
    "/v1/trends/terms?n=3",
    "/v1/trends/gaps?n=3",
    "/v1/trends/alerts?n=3",
    "/v1/trends/arrivals?n=3",
    "/v1/trends/colour%3Dsage",
    "/v1/trends/look%3Dlook-3",
    "/v1/admin/metrics",
    "/v1/admin/health",
    "/v1/admin/bundles",
    "/v1/admin/comparison?against=tiny",
    "/health",
    "/ready",
    "/v1/recommendations?n=0&place=x",
    "/nowhere",
]  # fmt: skip
WRITES: list[tuple[str, str, Any]] = [
    ("POST", "/v1/shoppers", {"language": "en"}),
    ("PUT", "/v1/items", {"items": [{"item_id": "hat/1", "title": "sun hat", "attributes": {"category": "hat"}}]}),
    ("PATCH", "/v1/items", {"items": [{"item_id": "hat/1", "stock": 3}, {"item_id": "none", "stock": 1}]}),
    ("PATCH", "/v1/items/hat%2F1", {"price": 7.5}),
    ("PUT", "/v1/items/hat%2F1/picture", photo),
    ("GET", "/v1/items/hat%2F1", None),
    ("POST", "/v1/interactions", {"events": [{"user_id": "u1", "item_id": "dress-red", "event": "view"}]}),
    ("PUT", "/v1/users/u1/feedback/dress-red/like", None),
    ("DELETE", "/v1/users/u1/feedback/skirt-red/like", None),
    ("PUT", "/v1/users", {"users": [{"user_id": "u1", "attributes": {"size": "M"}, "language": "zh"}]}),
    ("PATCH", "/v1/users/u1/profile", {"taste": {"colour=red": 0.5}}),
    ("PUT", "/v1/users/u1/consents", {"purpose": "photos", "granted": True}),
    ("POST", "/v1/users/u1/wardrobe", {"item_id": "dress-red"}),
    ("POST", "/v1/users/u1/wardrobe", {"title": "old coat", "attributes": {"colour": "grey"}}),
    ("POST", "/v1/users/u1/wardrobe/photo", photo),
    ("DELETE", "/v1/users/u1/wardrobe/none", None),
    ("POST", "/v1/users/u1/token", None),
    ("POST", "/v1/search/photo?", photo),
    ("PUT", "/v1/admin/traffic", {"shares": {"tiny": 1.0}}),
    ("DELETE", "/v1/admin/bundles/none", None),
    ("POST", "/v1/items/delete", {"item_ids": ["none"]}),
]
LAST: list[tuple[str, str, Any]] = [
    ("DELETE", "/v1/items/hat%2F1", None),
    ("DELETE", "/v1/users/u1", None),
    ("POST", "/v1/items", {}),
]


def asked(api: Api) -> Iterator[tuple[str, int, Any]]:
    """Every request by name, its status, and its answer."""
    items = [f"{category}-{colour}" for category in ("dress", "skirt", "shirt") for colour in ("red", "green")]
    save_board(api.store, plausible_board(items))
    for method, path, body in [*WRITES, *(("GET", path, None) for path in READS), *LAST]:
        key = ADMIN if "admin" in path else SHOP
        sent: dict[str, Any] = {} if body is None else {"json": body}
        if callable(body):
            sent = {"files": {"file": ("a.jpg", body())}}
        answer = api.ask(method, path, key=key, **sent)
        yield f"{method} {path}", answer.status_code, answer.json()


def kept(value: Any, field: str = "") -> Any:
    """An answer as the file keeps it: without what is another each time, long lists shortened."""
    if isinstance(value, dict):
        return {name: kept(one, name) for name, one in sorted(value.items())}
    if isinstance(value, list):
        rows = [kept(one) for one in value[:SHOWN_ROWS]]
        return [*rows, f"{len(value)} rows"] if len(value) > SHOWN_ROWS else rows
    if field in FLEETING or (isinstance(value, int) and abs(value - time.time()) < 1e7):
        return f"<{type(value).__name__}>"
    if isinstance(value, float):
        return round(value, 6)
    if isinstance(value, str):
        return re.sub(r"[0-9a-f]{24,}", "<hex>", value)
    return value


def test_the_wire_format(start: Any) -> None:
    api = start(demo_shoppers={"u7": "Somebody"})
    found = {name: {"status": status, "json": kept(content)} for name, status, content in asked(api)}
    if os.environ.get("WRITE_GOLDENS"):
        GOLDENS.parent.mkdir(exist_ok=True)
        GOLDENS.write_text(json.dumps(found, indent=1, ensure_ascii=False, sort_keys=True) + "\n", encoding="utf-8")
    settled = json.loads(GOLDENS.read_text(encoding="utf-8"))
    assert set(found) == set(settled)
    for name, answer in found.items():
        assert answer == settled[name], name


def rows_of(document: dict[str, Any]) -> list[str]:
    """The table of ``docs/api.md``: every record that is answered, what is in it, and which requests answer it."""
    answered: dict[str, list[str]] = {}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            schema = operation["responses"]["200"].get("content", {}).get("application/json", {}).get("schema", {})
            if "$ref" in schema:
                request = f"`{method.upper()} {path.removeprefix('/v1')}`"
                answered.setdefault(schema["$ref"].rpartition("/")[2], []).append(request)
    rows, told, waiting = [], set[str](), [*answered, "ErrorAnswer"]
    while waiting:
        name = waiting.pop(0)
        if name not in told:
            told.add(name)
            fields = document["components"]["schemas"][name].get("properties", {})
            rows.append(
                f"| {name} | {', '.join(f'`{field}`' for field in fields)} | {', '.join(answered.get(name, []))} |"
            )
            waiting = [*re.findall(r"#/components/schemas/(\w+)", json.dumps(fields)), *waiting]
    return rows


def test_the_documents_tell_every_record(api: Api) -> None:
    text = (Path(__file__).parents[2] / "docs" / "api.md").read_text(encoding="utf-8")
    told = text.partition("| record | fields | answers |\n| --- | --- | --- |\n")[2].partition("\n\n")[0]
    assert told.splitlines() == rows_of(api.get("/openapi.json").json())
