"""From a bundle on disk to a service that answers: fills the store, tells the address and the keys, serves."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from modaloom.api.settings import ServeSettings, load_serve_settings
from modaloom.api.workers.listening import bind
from modaloom.api.workers.server import Factory, serve
from modaloom.config import Settings
from modaloom.shop.bundle import Bundle, load_bundle
from modaloom.shop.open import fill_store
from modaloom.storage.open import open_store
from modaloom.terminal import bars, console
from modaloom.threads import OneCoreEach

WORKER = "modaloom.shop.open:worker_shop"
Told = Callable[[str, Mapping[str, str]], None]


def default_store(bundle: Path) -> str:
    """The store's address where none is given: a file beside the bundle."""
    place = bundle.resolve()
    return f"sqlite:///{place.with_name(place.name + '.db')}"


def run_service(
    bundle_folder: Path,
    store_url: str | None,
    settings: Settings,
    *,
    today: bool = False,
    on_ready: Told | None = None,
    **serving: object,
) -> None:
    """Serves a bundle until it is told to stop.

    Args:
        bundle_folder: what is to answer.
        store_url: where the store is; a file beside the bundle by default.
        settings: of the encoders.
        today: move a new store's calendar to today.
        on_ready: gets the address and the keys that were made just now; by default both are printed.
        serving: fields of :class:`~modaloom.api.settings.ServeSettings`.

    Raises:
        ModaloomError: the bundle, the store or the port cannot be used.
    """
    bundle = load_bundle(bundle_folder)
    url = default_store(bundle_folder) if store_url is None else store_url
    chosen = _serve_settings(bundle, bundle_folder, serving)
    bind(chosen.host, chosen.port).close()  # a start that must fail may not swap the bundle of a service that runs
    with open_store(url) as store, bars() as tell:
        fill_store(store, bundle, settings, today=today, tell=tell)
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # one thread a worker: the cores are shared by requests
    arguments = {"store_url": url, "settings": settings.model_dump(mode="json", exclude_unset=True)}
    with OneCoreEach():  # one worker is this very process, whose libraries were loaded before that could be said
        serve(Factory(WORKER, arguments), chosen, on_ready=on_ready or print_ready)


def _serve_settings(bundle: Bundle, folder: Path, serving: Mapping[str, object]) -> ServeSettings:
    """What is asked for and what the environment says go before what the shop says of itself."""
    shop = bundle.config["shop"]
    own: dict[str, object] = {
        "shop_name": shop["name"],
        "language": shop["language"],
        "currency": shop.get("currency", ""),
        "media_dir": folder.resolve().with_name(folder.resolve().name + ".media"),
    }
    asked = {name: value for name, value in serving.items() if value is not None}
    said = load_serve_settings(**asked).model_fields_set
    return load_serve_settings(**asked, **{name: value for name, value in own.items() if name not in said})


def print_ready(address: str, keys: Mapping[str, str]) -> None:
    """Prints the address, and keys that were made just now: they are shown this once."""
    for scope, key in keys.items():
        if scope != "page":
            console.print(f"{scope} key (shown this once): [bold]{key}[/bold]", soft_wrap=True)
    console.print(f"[bold]Serving on {address}[/bold]  (Ctrl-C stops it)", soft_wrap=True)
