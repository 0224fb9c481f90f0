"""Encoded slashes are kept apart from those that divide a path, under one prefix alone."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from modaloom.api.middleware.paths import PathIds, with_slashes


def seen(raw: bytes, path: str) -> str:
    """The path that the app behind gets."""
    got: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        got.append(scope["path"])

    scope = {"type": "http", "raw_path": raw, "path": path}
    asyncio.run(PathIds(app, prefix="/v1/users/")(scope, None, None))  # type: ignore[arg-type]
    assert scope["path"] == path, "what others hold is not changed"
    return got[0]


@pytest.mark.parametrize(
    ("raw", "segments"),
    [
        (b"/v1/users/a%2Fb/profile", ["", "v1", "users", "a/b", "profile"]),
        (b"/v1/users/a%2fb%25c/profile", ["", "v1", "users", "a/b%c", "profile"]),
        (b"/v1/users/%2F", ["", "v1", "users", "/"]),
        (b"/v1/users/a%252Fb", ["", "v1", "users", "a%2Fb"]),
        (b"/v1/users/%E7%BA%A2%2F1", ["", "v1", "users", "红/1"]),
    ],
)
def test_an_encoded_slash_divides_nothing(raw: bytes, segments: list[str]) -> None:
    from urllib.parse import unquote

    assert [with_slashes(one) for one in seen(raw, unquote(raw.decode())).split("/")] == segments


@pytest.mark.parametrize("raw", [b"/v1/items/a%2Fb", b"/v1/users/a/profile", b""])
def test_everything_else_is_left_alone(raw: bytes) -> None:
    assert seen(raw, "/as/it/was") == "/as/it/was"
