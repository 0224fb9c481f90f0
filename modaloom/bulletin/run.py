"""The command ``modaloom trends``: reads a shop or a store, keeps the board where it is a store, prints and writes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from modaloom.bulletin.report import write_report
from modaloom.bulletin.screen import print_board
from modaloom.config import Settings
from modaloom.counting.source import Facts, shop_source, store_source
from modaloom.data.shop import load_shop
from modaloom.encoders.image import with_encoders_of
from modaloom.errors import BundleError
from modaloom.messages import trend_messages
from modaloom.shop.bundle import load_bundle
from modaloom.shop.registry import BUNDLES
from modaloom.storage.contract import Store
from modaloom.storage.open import open_store
from modaloom.trends.board import Board
from modaloom.trends.kept import save_board
from modaloom.trends.read import TrendOptions, read_trends
from modaloom.types import Tell


@dataclass(frozen=True)
class Told:
    """A board that was read, ready to be printed and written."""

    board: Board
    language: str
    """The shop's own."""
    kept: str | None
    """The store that keeps it."""

    def print(self, language: str | None, console: Console) -> None:
        """Prints it in a language, the shop's own by default."""
        print_board(self.board, language or self.language, console)
        if self.kept:
            console.print(f"\nkept in {self.kept}", markup=False, highlight=False, soft_wrap=True)

    def write(self, folder: Path, language: str | None, console: Console) -> None:
        """Writes the board, its sheets, charts and report."""
        files = write_report(self.board, folder, language or self.language)
        line = f"\n{folder}: {len(files)} files; open {folder / 'report.html'}"
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def run_trends(
    source: str,
    root: Path | None,
    options: TrendOptions,
    *,
    settings: Settings,
    language: str | None = None,
    tell: Tell,
) -> Told:
    """Reads the board of a shop's folder or toml, or of a store by its URL; a store keeps it for its service.

    Raises:
        ShopError: the log cannot tell trends.
        StoreError: the store cannot be opened.
        QueryError: there is no such language, or nothing is counted by what ``options.by`` names.
    """
    if language is not None:
        trend_messages(language)  # a wrong one is told before the work, not after it
    if "://" not in source:
        shop = load_shop(source, root=root, settings=settings)
        return Told(read_trends(shop_source(shop), options, settings=settings, tell=tell), shop.language, None)
    with open_store(source) as store:
        facts = facts_of(store)
        if facts.bundle is not None:
            settings = with_encoders_of(facts.bundle, settings)
        board = read_trends(store_source(store, facts), options, settings=settings, tell=tell)
        if options.by is None:  # a part of a board must not take the place of the whole
            save_board(store, board)
        return Told(board, facts.language, None if options.by else store.url)


def facts_of(store: Store) -> Facts:
    """The shop's name, language and labels from the first of the store's bundles that can be read."""
    for folder in json.loads(store.state(BUNDLES) or "{}").values():
        try:
            said = load_bundle(Path(folder), pasts=False).config["shop"]
        except (BundleError, KeyError):
            continue
        currency, labels = said.get("currency", ""), said.get("labels", {})
        return Facts(said["name"], said["language"], currency, labels, Path(said["root"]), Path(folder))
    return Facts()
