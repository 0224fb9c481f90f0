"""Ids in paths: one segment each, percent-encoded, so that an id with a slash is never taken for two segments."""

from __future__ import annotations

from urllib.parse import unquote

from starlette.types import ASGIApp, Receive, Scope, Send

SLASH = "\ue000"
"""Stands for an encoded slash from here until an id is read: a character that no text has a meaning for."""
_ENCODED = SLASH.encode()


def with_slashes(segment: str) -> str:
    """An id as it was before it was encoded for a path."""
    return segment.replace(SLASH, "/")


class PathIds:
    """Keeps the encoded slashes under one prefix apart from those that divide a path.

    A server decodes the whole path before anybody can tell them apart: ``DELETE /v1/users/u7/wardrobe`` would be about
    a shopper ``u7/wardrobe`` as well as about ``u7``'s wardrobe.
    """

    def __init__(self, app: ASGIApp, *, prefix: str):
        self._app, self._prefix = app, prefix.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one request."""
        raw = scope.get("raw_path") or b""
        if scope["type"] == "http" and raw.startswith(self._prefix) and b"%2f" in raw.lower():
            marked = raw.replace(b"%2f", _ENCODED).replace(b"%2F", _ENCODED)
            scope = {**scope, "path": unquote(marked.decode("utf-8", "replace"), errors="replace")}
        await self._app(scope, receive, send)
