"""Keys, tokens and erasures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from modaloom.api import keys
from modaloom.api.keys import Erasures, Tokens, load_keys, load_secret, renew_key
from modaloom.api.settings import load_serve_settings
from modaloom.errors import ServeError, SettingsError
from modaloom.storage.contract import Store
from modaloom.storage.open import open_store


def test_keys_are_made_once_and_kept_as_hashes(store: Store, tmp_path: Path) -> None:
    first, made = load_keys(store, load_serve_settings())
    assert set(made) == {"page", "shop", "admin"}
    again, none = load_keys(store, load_serve_settings())
    assert not none
    for scope, key in made.items():
        assert first.scope(key) == again.scope(key) == scope
    assert again.page_key == made["page"], "the public one can be shown again"
    assert again.scope("wrong") is None
    assert again.scope("") is None
    assert again.scope("\ud800") is None
    kept = b"".join(file.read_bytes() for file in tmp_path.glob("shop.db*"))
    assert made["shop"].encode() not in kept
    assert made["admin"].encode() not in kept


def test_keys_in_the_settings_come_first(store: Store) -> None:
    _, made = load_keys(store, load_serve_settings())
    settings = load_serve_settings(shop_keys=("old-key-of-the-shop", "new-key-of-the-shop"))
    known, none = load_keys(store, settings)
    assert not none
    assert known.scope("old-key-of-the-shop") == known.scope("new-key-of-the-shop") == "shop"
    assert known.scope(made["shop"]) is None
    assert known.scope(made["admin"]) == "admin"
    assert "old-key" not in repr(settings)
    with pytest.raises(SettingsError, match="shop_keys"):
        load_serve_settings(shop_keys=("short",))


def test_a_lost_key_is_renewed(store: Store) -> None:
    _, made = load_keys(store, load_serve_settings())
    new = renew_key(store, "shop")
    known, _ = load_keys(store, load_serve_settings())
    assert known.scope(new) == "shop"
    assert known.scope(made["shop"]) is None
    assert known.scope(made["page"]) == "page"
    with pytest.raises(ServeError, match="Choose page, shop, admin"):
        renew_key(store, "owner")


def test_the_command_tells_the_new_key(tmp_path: Path, command: Callable[..., tuple[int, str, str]]) -> None:
    url = f"sqlite:///{tmp_path / 'own.db'}"
    with open_store(url) as store:
        _, made = load_keys(store, load_serve_settings())
    code, _, err = command("renew-key", "owner", "--store", url)
    assert code == 2
    assert "unknown scope 'owner'. Choose page, shop, admin" in err
    code, out, _ = command("renew-key", "admin", "--store", url)
    assert code == 0
    (new,) = [word for word in out.split() if word.startswith("ml_admin_")]
    with open_store(url) as store:
        known, _ = load_keys(store, load_serve_settings())
    assert (known.scope(new), known.scope(made["admin"]), known.scope(made["shop"])) == ("admin", None, "shop")


def test_keys_of_a_store_that_was_never_served_are_not_renewed(store: Store) -> None:
    with pytest.raises(ServeError, match=r"no keys yet\. Check --store"):
        renew_key(store, "admin")
    assert set(load_keys(store, load_serve_settings())[1]) == {"page", "shop", "admin"}


def test_all_workers_agree_on_tokens(store: Store) -> None:
    one, other = (Tokens(load_secret(store), days=1) for _ in range(2))
    token, expires_s = one.issue("Tom 汤姆")
    shopper = other.read(token)
    assert shopper is not None
    assert (shopper.user_id, shopper.expires_s) == ("Tom 汤姆", expires_s)
    assert Tokens(b"another" * 5, days=1).read(token) is None


def test_tokens_end(monkeypatch: pytest.MonkeyPatch) -> None:
    tokens = Tokens(b"secret" * 6, days=1)
    token, expires_s = tokens.issue("u")
    monkeypatch.setattr(keys.time, "time", lambda: float(expires_s + 1))
    assert tokens.read(token) is None


def test_any_changed_letter_spoils_a_token() -> None:
    tokens = Tokens(b"secret" * 6, days=1)
    token, _ = tokens.issue("u")
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    for place in range(len(token) - 1):  # the last letter of base64 has bits to spare
        other = next(letter for letter in letters if letter != token[place])
        assert tokens.read(token[:place] + other + token[place + 1 :]) is None, place
    for wrong in ("", ".", "a.b", token + ".x", "é.é"):
        assert tokens.read(wrong) is None


def test_other_workers_learn_of_an_erasure(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = load_secret(store)
    one, other = Erasures(store, secret), Erasures(store, secret, max_remembered=2)
    assert other.erased_us("u") == 0
    one.mark("u")
    assert one.erased_us("u") > 0
    assert other.erased_us("u", fresh=True) == one.erased_us("u") <= one.last_us()
    monkeypatch.setattr(keys, "REMEMBER_S", 0.0)
    for user in ("a", "b", "c", "u"):
        other.erased_us(user)
    assert len(other._remembered) == 2
    assert other.erased_us("u") > 0
