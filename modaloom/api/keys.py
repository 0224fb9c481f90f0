"""Who may ask for what: keys with scopes, signed tokens of shoppers, and whose tokens are no longer good.

Of the shop's and the admin's keys only hashes are kept. The page's key is public: it sits in the page.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import orjson

from modaloom.api.settings import ServeSettings
from modaloom.errors import ServeError
from modaloom.storage.contract import Store
from modaloom.types import DAY_S

SCOPES = ("page", "shop", "admin")
"""Each may do what those before it may."""
KEYS_STATE, SECRET_STATE = "api.keys", "api.secret"
ERASED_STATE, LAST_ERASED_STATE = "api.erased.", "api.last_erased"
TOKEN_BYTES = 4_096
"""Longer tokens are not ours: an id has 200 characters at most."""
REMEMBER_S = 1.0
"""How long a worker may believe that a token is still good without asking the store."""


def digest(key: str) -> bytes:
    """What is kept of a key. Keys are long and random, so that one round is enough."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()


class Keys:
    """The keys that are good."""

    def __init__(self, digests: Mapping[str, Sequence[bytes]], page_key: str):
        self._known = [(scope, one) for scope in SCOPES for one in digests.get(scope, ())]
        self.page_key = page_key
        """The public one, for the page."""

    def scope(self, key: str) -> str | None:
        """What a key may do; None for a wrong one. Takes as long whichever key it is."""
        given, found = digest(key), None
        for scope, known in self._known:
            if hmac.compare_digest(given, known):
                found = scope
        return found


def load_keys(store: Store, settings: ServeSettings) -> tuple[Keys, dict[str, str]]:
    """The keys of a service, and those that were made just now, by scope: the only time that they can be shown.

    Keys in the settings take the place of those in the store.
    """
    kept: dict[str, str] = orjson.loads(store.state(KEYS_STATE) or "{}")
    given = {
        scope: [key.get_secret_value() for key in keys]
        for scope, keys in zip(SCOPES, (settings.page_keys, settings.shop_keys, settings.admin_keys), strict=True)
    }
    made = {scope: new_key(scope) for scope in SCOPES if not given[scope] and scope not in kept}
    if made:
        kept |= {scope: key if scope == "page" else digest(key).hex() for scope, key in made.items()}
        store.set_state(KEYS_STATE, orjson.dumps(kept).decode())
        kept = orjson.loads(store.state(KEYS_STATE) or "{}")  # somebody else may have started at this moment
        made = {scope: key for scope, key in made.items() if kept.get(scope) in (key, digest(key).hex())}
    page_key = (given["page"] or [kept.get("page", "")])[0]
    digests = {
        scope: [digest(key) for key in given[scope]]
        or [digest(kept[scope]) if scope == "page" else bytes.fromhex(kept[scope])]
        for scope in SCOPES
    }
    return Keys(digests, page_key), made


def renew_key(store: Store, scope: str) -> str:
    """Makes a new key in the place of a lost one and gives it; workers that run must be started again.

    Raises:
        ServeError: there is no such scope, or nobody ever served this store.
    """
    if scope not in SCOPES:
        raise ServeError(f"unknown scope {scope!r}", hint=f"Choose {', '.join(SCOPES)}")
    kept: dict[str, str] = orjson.loads(store.state(KEYS_STATE) or "{}")
    if not kept:
        raise ServeError("this store has no keys yet", hint="Check --store; the first 'modaloom serve' makes them")
    key = new_key(scope)
    kept[scope] = key if scope == "page" else digest(key).hex()
    store.set_state(KEYS_STATE, orjson.dumps(kept).decode())
    return key


def new_key(scope: str) -> str:
    """A random key; its first letters say what it is for, so that a leaked one is recognised."""
    return f"ml_{scope}_{secrets.token_urlsafe(24)}"


def load_secret(store: Store) -> bytes:
    """The secret that tokens are signed with, the same for all workers; made at the first start."""
    kept = store.state(SECRET_STATE)
    if not kept:
        store.set_state(SECRET_STATE, secrets.token_hex(32))
        kept = store.state(SECRET_STATE) or ""
    return bytes.fromhex(kept)


@dataclass(frozen=True, slots=True)
class Shopper:
    """Whom a token names."""

    user_id: str
    issued_us: int
    expires_s: int


class Tokens:
    """Signs and reads shoppers' tokens."""

    def __init__(self, secret: bytes, *, days: int):
        self._secret = hmac.digest(secret, b"tokens", "sha256")
        self._valid_s = days * DAY_S

    def issue(self, user_id: str) -> tuple[str, int]:
        """A token, and when it ends (seconds since 1970 UTC)."""
        now_us = time.time_ns() // 1_000
        expires_s = now_us // 1_000_000 + self._valid_s
        body = _encoded(orjson.dumps([user_id, now_us, expires_s]))
        return f"{body}.{_encoded(self._sign(body))}", expires_s

    def read(self, token: str) -> Shopper | None:
        """Whom it names; None for one that is not ours, was changed or is past its end."""
        body, dot, signature = token.partition(".")
        if not dot or len(token) > TOKEN_BYTES or not token.isascii():
            return None
        if not hmac.compare_digest(_encoded(self._sign(body)), signature):
            return None
        try:
            user_id, issued_us, expires_s = orjson.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
        except (binascii.Error, ValueError, TypeError):
            return None
        return Shopper(user_id, issued_us, expires_s) if expires_s > time.time() else None

    def _sign(self, body: str) -> bytes:
        return hmac.digest(self._secret, body.encode("ascii"), "sha256")


def _encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


class Erasures:
    """When somebody's data was last erased, so that what was under way then does not bring them back.

    Kept under a keyed hash: who does not know the secret cannot tell whom it is about.
    """

    def __init__(self, store: Store, secret: bytes, *, max_remembered: int = 10_000):
        self._store = store
        self._secret = hmac.digest(secret, b"erasures", "sha256")
        self._max_remembered = max_remembered
        self._remembered: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def mark(self, user_id: str) -> None:
        """From now on all tokens that were issued before are void, and so is everything shown before."""
        name, now_us = self._name(user_id), str(time.time_ns() // 1_000)
        self._store.set_state(name, now_us)
        self._store.set_state(LAST_ERASED_STATE, now_us)
        self._remembered.pop(name, None)

    def erased_us(self, user_id: str, *, fresh: bool = False) -> int:
        """When, in microseconds since 1970; 0 for never. Up to a second old unless ``fresh``."""
        name, now_s = self._name(user_id), time.monotonic()
        known = self._remembered.get(name)
        if known and not fresh and now_s - known[0] < REMEMBER_S:
            return known[1]
        erased_us = int(self._store.state(name) or 0)
        self._remembered[name] = (now_s, erased_us)
        while len(self._remembered) > self._max_remembered:
            try:
                self._remembered.popitem(last=False)
            except KeyError:  # another thread was faster
                break
        return erased_us

    def last_us(self) -> int:
        """When anybody was last erased, in microseconds since 1970; 0 for never."""
        return int(self._store.state(LAST_ERASED_STATE) or 0)

    def _name(self, user_id: str) -> str:
        # hexadecimal, since a state's key is a plain text in every backend
        return ERASED_STATE + hmac.digest(self._secret, user_id.encode("utf-8", "replace"), "sha256")[:16].hex()
