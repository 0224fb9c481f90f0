"""What bodies that are being sent may take: bytes of each, of each address and of all, and how slow they may come.

What counts is what has come, not what was announced: an announcement costs its sender nothing. Bodies with the page's
key, which everybody has, have a budget of their own, so that they never take the place of the shop's.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field

from starlette.types import Message, Receive, Scope

from modaloom.api.middleware.errors import Refused
from modaloom.api.middleware.logs import record_of
from modaloom.api.settings import ServeSettings

MB, KB = 1024 * 1024, 1024
FORM_BYTES = 64 * KB
"""What the form around a picture may add."""


class Budget:
    """Bytes that may be held at a time, by all together and by each sender."""

    def __init__(self, total: int, share: int | None = None):
        self._total = total
        self._share = total if share is None else share
        self._by_sender: Counter[str] = Counter()
        self.held = 0

    @property
    def senders(self) -> int:
        """Who holds any."""
        return len(self._by_sender)

    def take(self, sender: str, n_bytes: int) -> None:
        """Takes some.

        Raises:
            Refused: 429 where the sender has its share, 503 where all is taken.
        """
        if self.held + n_bytes > self._total:
            raise Refused(503, "busy", "too many large bodies at this moment", retry_after_s=1)
        if self._by_sender.get(sender, 0) + n_bytes > self._share:
            raise Refused(429, "too_many_requests", "too many bodies of this address at once", retry_after_s=1)
        self.held += n_bytes
        self._by_sender[sender] += n_bytes

    def give(self, sender: str, n_bytes: int) -> None:
        """Gives it back."""
        self.held -= n_bytes
        self._by_sender[sender] -= n_bytes
        if not self._by_sender[sender]:
            del self._by_sender[sender]


class Bodies:
    """The budgets of one worker, and the limits of one body."""

    def __init__(self, settings: ServeSettings):
        self.settings = settings
        self._shop = Budget(int(settings.max_bodies_mb * MB))
        self._page = Budget(int(settings.max_page_bodies_mb * MB), int(settings.address_bodies_mb * MB))

    def budget(self, caller: str | None) -> Budget:
        """Whose bytes are counted with whose, by the scope of the key; strangers count as pages."""
        return self._shop if caller in ("shop", "admin") else self._page

    def limit(self, caller: str | None, *, picture: bool) -> int:
        """Bytes that one body may have."""
        if picture:
            return int(self.settings.max_picture_mb * MB) + FORM_BYTES
        if caller in ("shop", "admin"):
            return int(self.settings.max_body_mb * MB)
        return min(int(self.settings.max_page_body_kb * KB), int(self.settings.max_body_mb * MB))


def too_large(limit: int) -> Refused:
    """The refusal of a body of more bytes than that."""
    return closing(Refused(413, "too_large", f"the body is larger than {limit:,} bytes", hint="Send less at once"))


def closing(refused: Refused) -> Refused:
    """The same, after which the connection is closed: the rest of the body is not read."""
    refused.headers = {**(refused.headers or {}), "Connection": "close"}
    return refused


@dataclass(slots=True)
class Intake:
    """One body as it comes in. The key is known by then: nothing is read for strangers."""

    bodies: Bodies
    scope: Scope
    receive: Receive
    picture: bool
    declared: int
    sender: str
    read: int = 0
    done: bool = False
    _started_s: float | None = None
    _budget: Budget | None = field(default=None, repr=False)

    async def next(self) -> Message:
        """The next part of it.

        Raises:
            Refused: 413 for too many bytes, 408 where they come too slowly, 429 or 503 where others hold too many.
        """
        if self.done:
            return await self.receive()
        caller = record_of(self.scope).caller
        limit = self.bodies.limit(caller, picture=self.picture)
        if self.declared > limit:
            raise too_large(limit)
        message = await self._in_time()
        part = len(message.get("body", b""))
        if self.read + part > limit:
            raise too_large(limit)
        if part:
            budget = self._budget = self._budget or self.bodies.budget(caller)
            try:
                budget.take(self.sender, part)
            except Refused as refused:
                raise closing(refused) from None
            self.read += part
        self.done = not message.get("more_body", False)
        return message

    async def _in_time(self) -> Message:
        settings, now_s = self.bodies.settings, asyncio.get_running_loop().time()
        self._started_s = now_s if self._started_s is None else self._started_s
        end_s = self._started_s + settings.body_grace_s + self.read / (settings.min_body_kb_per_s * KB)
        try:
            async with asyncio.timeout_at(end_s):
                return await self.receive()
        except TimeoutError:
            slow = Refused(408, "too_slow", "the body comes too slowly", hint="Send it again over a better line")
            raise closing(slow) from None

    def close(self) -> None:
        """Gives its bytes back."""
        if self._budget is not None:
            self._budget.give(self.sender, self.read)
            self._budget = None
