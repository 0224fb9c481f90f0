"""Opening by URL: what is understood, what is refused, and that no password is ever told."""

from __future__ import annotations

import logging
import sys
import traceback
from pathlib import Path

import pytest

from modaloom.errors import StoreError
from modaloom.storage.open import open_store
from modaloom.types import Item

SECRET = "s3cr3t"


def test_a_relative_and_an_absolute_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with open_store("sqlite:///a shop 店.db") as store:
        store.upsert_items([Item("a")])
    assert (tmp_path / "a shop 店.db").exists()
    with open_store(f"sqlite:///{tmp_path}/a shop 店.db") as store:
        assert set(store.items(["a"])) == {"a"}


def test_migrating_can_wait(tmp_path: Path) -> None:
    with open_store(f"sqlite:///{tmp_path}/shop.db", migrate=False) as store:
        with pytest.raises(StoreError):
            store.ping()
        assert store.migrate()
        store.ping()


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("", "named by a URL"),
        ("shop.db", "named by a URL"),
        (f"me:{SECRET}@host", "named by a URL"),
        (f"mysql://me:{SECRET}@host/shop", "'mysql' is no kind of store"),
        ("sqlite:///", "names no file"),
        ("sqlite://shop.db", "names no file"),
        ("sqlite:///:memory:", "forgets"),
        ("sqlite:///shop.db?mode=ro", "no options"),
    ],
)
def test_what_is_no_store_is_refused(url: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StoreError, match=words) as caught:
        open_store(url)
    assert SECRET not in str(caught.value)
    assert caught.value.hint or "options" in words
    assert not list(tmp_path.iterdir())


def test_without_psycopg_the_command_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(StoreError, match=r"pip install 'modaloom\[postgres\]'"):
        open_store("postgresql://localhost/shop")


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://me:{SECRET}@127.0.0.1:1/shop",
        f"postgres://me:{SECRET}@127.0.0.1:1/shop",
        f"postgresql://me:{SECRET}/x@127.0.0.1:1/shop",
        f"postgresql://me:x@{SECRET}@127.0.0.1/shop",
        f"postgresql://me:{SECRET}%zz@127.0.0.1/shop",
        f"postgresql://127.0.0.1:1/shop?password={SECRET}",
        f"postgresql://127.0.0.1:1/shop?passwort={SECRET}",
        f"postgresql://127.0.0.1:{SECRET}/shop",
    ],
)
def test_a_password_is_never_told(url: str, caplog: pytest.LogCaptureFixture) -> None:
    pytest.importorskip("psycopg")
    caplog.set_level(logging.DEBUG)
    with pytest.raises(StoreError) as caught:
        open_store(url)
    shown = "".join(traceback.format_exception(caught.value)) + repr(caught.value) + caplog.text
    shown = "\n".join(line for line in shown.splitlines() if f'"{url}"' not in line)
    assert SECRET not in shown
