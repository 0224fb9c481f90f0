"""Opens the store that a URL names."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from modaloom.errors import StoreError
from modaloom.storage.contract import Store

_SQLITE = "sqlite:///"
_FORMS = "Write sqlite:///shop.db, sqlite:////folder/shop.db or postgresql://user@host/database"


def open_store(url: str, *, migrate: bool = True) -> Store:
    """A store, with its schema up to date unless ``migrate`` is false.

    ``sqlite:///shop.db`` is a file in the working folder, ``sqlite:////folder/shop.db`` one anywhere;
    ``postgresql://user:password@host:port/database`` is all that libpq understands.

    Raises:
        StoreError: the URL is of no known kind, or the store cannot be opened or brought up to date. The message
            never has a password in it.
    """
    scheme = url.partition(":")[0].lower()
    if scheme == "sqlite":
        store = _open_sqlite(url)
    elif scheme in ("postgresql", "postgres"):
        store = _open_postgres(url)
    else:
        what = f"{scheme!r} is no kind of store" if "://" in url else "a store is named by a URL"
        raise StoreError(what, hint=_FORMS)
    try:
        if migrate:
            store.migrate()
    except BaseException:
        store.close()
        raise
    return store


def _open_sqlite(url: str) -> Store:
    from modaloom.storage.sqlite import SqliteStore

    if not url.lower().startswith(_SQLITE) or len(url) == len(_SQLITE):
        raise StoreError("names no file", where=url, hint=_FORMS)
    path = url[len(_SQLITE) :]
    if path == ":memory:":
        raise StoreError("a store in memory forgets everything", where=url, hint="Name a file; a temporary one will do")
    if "?" in path or "\0" in path:
        raise StoreError("has no options; the name of the file cannot have a '?'", where=url.partition("?")[0])
    return SqliteStore(Path(path))


def _open_postgres(url: str) -> Store:
    if find_spec("psycopg") is None:
        raise StoreError(
            "PostgreSQL needs the package 'psycopg', which is not installed",
            hint="Run: pip install 'modaloom[postgres]'",
        )
    from modaloom.storage.postgres import PostgresStore

    return PostgresStore(url)
