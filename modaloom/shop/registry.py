"""The bundles that answer: loaded beside each other, swapped without a pause, each with its share of the traffic.

What is loaded and who gets how much stands in the store's state, so that every process that serves the same store
does the same; a process takes notice within a second.
"""

from __future__ import annotations

import hashlib
import json
import logging
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from modaloom.config import Settings
from modaloom.errors import BundleError, ModaloomError, NotFoundError, QueryError
from modaloom.shop.bundle import load_bundle
from modaloom.shop.compare import arm_of, checked_shares
from modaloom.shop.folder import CHECKSUMS, put_back
from modaloom.shop.neighbours import take_warm
from modaloom.shop.recommender import Guide
from modaloom.shop.requests import Ask
from modaloom.storage.contract import Store

BUNDLES, TRAFFIC = "bundles", "traffic"
"""Keys in the store's state: folders by name, and shares by name."""
WATCH_S = 1.0
RETRY_S = 30.0
"""A bundle that could not be loaded is tried again so much later: reading it through is slow."""
PAGE = 5_000
logger = logging.getLogger(__name__)


def recalled(store: Store, key: str) -> dict[str, Any]:
    """What stands under :data:`BUNDLES` or :data:`TRAFFIC`."""
    found: dict[str, Any] = json.loads(store.state(key) or "{}")
    return found


def keep(store: Store, key: str, named: Mapping[str, Any]) -> None:
    """Lets every process on the store know it."""
    store.set_state(key, json.dumps(named))


def change(store: Store, key: str, made: Callable[[dict[str, Any]], Mapping[str, Any]]) -> None:
    """Changes what stands there; what another process changes at the same instant is changed too, and not lost."""
    while True:
        before = store.state(key)
        if store.swap_state(key, before, json.dumps(made(json.loads(before or "{}")))):
            return


class Fleet:
    """Guides by name. Readers take the dictionary as it is; whoever changes it puts another one in its place."""

    def __init__(self, store: Store, settings: Settings, clock: Callable[[], int]):
        self.store, self.settings, self.clock = store, settings, clock
        self._guides: dict[str, Guide] = {}
        self._versions: dict[str, int] = {}
        self._shares: dict[str, float] = {}
        self._unusable: dict[tuple[str, str], tuple[str, float]] = {}
        """By name and folder: why it could not be loaded, and when that is tried again."""
        self._changing = threading.RLock()
        self._closed = threading.Event()
        self._watcher: threading.Thread | None = None

    def open(self) -> None:
        """Loads the bundles that the store names, and goes on watching for others.

        Raises:
            BundleError: none of them can be loaded.
        """
        self._follow()
        if not self._guides:
            why = next((said for said, _ in self._unusable.values()), None)
            raise BundleError(
                "no bundle to answer with" if why is None else f"none of its bundles can be loaded: {why}",
                where=self.store.url,
                hint="Give 'modaloom serve' a bundle that 'train' wrote; one that was moved, in its new place",
            )
        self._watcher = threading.Thread(target=self._watch, name="modaloom-bundles", daemon=True)
        self._watcher.start()

    def close(self) -> None:
        """Ends the threads."""
        self._closed.set()
        if self._watcher is not None:
            self._watcher.join(timeout=10)
        for guide in self.guides():
            guide.placing.stop()

    def guides(self) -> list[Guide]:
        """Everything that is loaded."""
        return list(self._guides.values())

    def names(self) -> list[str]:
        """Names of everything that is loaded."""
        return sorted(self._guides)

    @property
    def main(self) -> Guide:
        """The bundle with the most traffic."""
        guides, shares = self._guides, self._shares
        return guides[max(guides, key=lambda name: (shares.get(name, 0.0), name))]

    def guide(self, ask: Ask) -> Guide:
        """The bundle that answers this shopper.

        Raises:
            NotFoundError: a bundle was asked for by a name that there is not.
        """
        guides, shares = self._guides, self._shares
        if ask.bundle is not None:
            if ask.bundle not in guides:
                raise _unknown(ask.bundle, sorted(guides))
            return guides[ask.bundle]
        usable = {name: share for name, share in shares.items() if name in guides}
        if not usable:
            return self.main
        if len(usable) == 1:
            return guides[next(iter(usable))]
        return guides[arm_of(ask.user_id or uuid.uuid4().hex, usable)]

    def refresh(self) -> bool:
        """Takes in what changed in the catalogue; whether anything had."""
        version = self.store.catalogue_version()
        stale = [guide for name, guide in self._guides.items() if self._versions[name] < version]
        for guide in stale:
            self._catch_up(guide, version)
        return bool(stale)

    @property
    def traffic(self) -> dict[str, float]:
        """Share of the traffic by bundle."""
        return dict(self._shares)

    def set_traffic(self, shares: Mapping[str, float]) -> None:
        """Splits the traffic, for every process that serves this store.

        Raises:
            QueryError: a bundle is unknown, or the shares make no sense.
        """
        with self._changing:
            made = checked_shares(shares, self.names())
            keep(self.store, TRAFFIC, made)
            self._shares = made

    def add(self, folder: Path) -> str:
        """Loads a bundle beside those that answer, for every process that serves this store; gives its name.

        It gets no traffic before :meth:`set_traffic` says so, unless it is the first.

        Raises:
            BundleError: it cannot be trusted.
        """
        name = bundle_name(folder)
        with self._changing:  # or the watcher takes it out again before the store names it
            self._load(name, folder)
            change(self.store, BUNDLES, lambda named: named | {name: str(folder.resolve())})
            if not self._shares:
                self.set_traffic({name: 1.0})
        return name

    def remove(self, name: str) -> None:
        """Takes a bundle out that has no traffic.

        Raises:
            NotFoundError: there is none of that name.
            QueryError: it still has traffic.
        """
        with self._changing:
            named = recalled(self.store, BUNDLES)
            if name not in self._guides and name not in named:  # one that cannot be loaded can be removed all the same
                raise _unknown(name, self.names())
            if self._shares.get(name):
                raise QueryError(f"the bundle {name!r} still has traffic", hint="Give its share to another one first")
            change(self.store, BUNDLES, lambda now: {other: place for other, place in now.items() if other != name})
            self._drop(name)

    def facts(self) -> dict[str, dict[str, Any]]:
        """What the shop's people want to know of each bundle."""
        return {
            name: {
                "share": self._shares.get(name, 0.0),
                "learned_at": guide.bundle.config["now"],
                "validation": guide.bundle.metrics.get("validation", {}),
                "blend": guide.bundle.config["blend"],
                "folder": str(guide.bundle.folder),
            }
            for name, guide in self._guides.items()
        }

    def _catch_up(self, guide: Guide, version: int) -> None:
        """Brings one bundle's catalogue to a version of the store's, or further."""
        with guide.lock:
            at = self._versions[guide.name]
            if at >= version:  # another request has just done it
                return
            while changes := self.store.item_changes(at, limit=PAGE):
                guide.placing.apply(changes)
                at = changes[-1].version
                if len(changes) < PAGE:
                    break
            self._versions[guide.name] = max(at, version)

    def _load(self, name: str, folder: Path) -> None:
        if name in self._guides:
            return
        if bundle_name(folder) != name:
            raise BundleError(f"is not the bundle {name!r} any more", where=folder, hint="Add it by its new name")
        bundle = load_bundle(folder, pasts=False)
        take_warm(bundle, name, self.settings)
        guide = Guide(name, bundle, self.settings)
        try:
            self._versions[name] = 0
            self._catch_up(guide, self.store.catalogue_version())
            guide.rehearse(self.clock())
        except BaseException:
            guide.placing.stop()
            raise
        self._guides = {**self._guides, name: guide}

    def _drop(self, name: str) -> None:
        guide = self._guides.get(name)
        self._guides = {other: own for other, own in self._guides.items() if other != name}
        if guide is not None:
            guide.placing.stop()

    def _follow(self) -> None:
        """Makes the loaded bundles, and their shares, those that the store names."""
        with self._changing:
            named = recalled(self.store, BUNDLES)
            self._unusable = {key: why for key, why in self._unusable.items() if key in named.items()}
            for name, folder in named.items():
                self._try(name, folder)
            shares = recalled(self.store, TRAFFIC)
            usable = {name: share for name, share in shares.items() if name in self._guides}
            if usable:
                self._shares = usable
            for name in self.names():
                if name not in named and len(self._guides) > 1:
                    self._drop(name)

    def _try(self, name: str, folder: str) -> None:
        """Loads a bundle if that can be done; says once why not."""
        said, again_s = self._unusable.get((name, folder), ("", 0.0))
        if name in self._guides or time.monotonic() < again_s:
            return
        try:
            self._load(name, Path(folder))
            self._unusable.pop((name, folder), None)
        except (ModaloomError, OSError) as error:
            if str(error) != said:
                logger.error("bundle %s cannot be loaded: %s", name, error)
            self._unusable[name, folder] = str(error), time.monotonic() + RETRY_S

    def _watch(self) -> None:
        while not self._closed.wait(WATCH_S):
            try:
                self._follow()
            except Exception:  # the store may be away for a while; what is loaded goes on answering
                logger.exception("cannot look for bundles")


def bundle_name(folder: Path) -> str:
    """A bundle's name: its folder's, and a few letters that change with what is in it.

    Raises:
        BundleError: there is no bundle.
    """
    try:
        put_back(folder)
        content = (folder / CHECKSUMS).read_bytes()
    except OSError as error:
        hint = "Run 'modaloom train SHOP --out BUNDLE' first"
        raise BundleError("no such bundle", where=folder, hint=hint) from error
    return f"{folder.resolve().name}-{hashlib.blake2b(content, digest_size=3).hexdigest()}"


def same_contents(name: str, other: str) -> bool:
    """Whether two names are those of the same bundle, wherever it lies."""
    return name.rpartition("-")[2] == other.rpartition("-")[2]


def _unknown(name: str, known: list[str]) -> NotFoundError:
    return NotFoundError(f"no bundle {name!r}", hint=f"Known: {', '.join(known) or 'none'}")
