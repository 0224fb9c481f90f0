"""COMMAND: the verbs that begin a shop, registered by ``cli``: the maps that there are, and a first ``shop.toml``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from modaloom.errors import ModaloomError, ShopError

if TYPE_CHECKING:
    from modaloom.data.shop import Shop

SHOWN_ITEMS = 5


def add_to(app: typer.Typer) -> None:
    """Registers this file's commands."""
    app.command()(maps)
    app.command()(init)


def maps(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="Print this map; without, list all.")] = None,
) -> None:
    """List the maps of well-known exports, or print one to start from."""
    from modaloom.data.maps import map_names, map_text, summary_of
    from modaloom.terminal import say

    if name is not None:
        say(map_text(name).rstrip())
        return
    width = max(map(len, map_names()))
    for known in map_names():
        say(f"{known:<{width}}  {summary_of(known)}")


def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder with your exports.")],
    force: Annotated[bool, typer.Option("--force", help="Write over a shop.toml that is there.")] = False,
) -> None:
    """Look at a folder's files, write a first shop.toml, and show how five items were understood."""
    from modaloom.data.guess import guess_shop
    from modaloom.data.shop import load_shop
    from modaloom.terminal import console, read_settings, say

    toml = folder / "shop.toml"
    if toml.exists() and not force:
        raise ShopError("there is a shop.toml already", where=toml, hint="Give --force to write over it")
    guess = guess_shop(folder)
    toml.write_text(guess.text, encoding="utf-8")
    say(
        f"{toml}: written" + (f", from the maps {', '.join(guess.maps)}" if guess.maps else ", from names and contents")
    )
    for question in guess.uncertain:
        say(f"look at this: {question}")
    try:
        shop = load_shop(folder, settings=read_settings())
    except ModaloomError as error:
        say(f"It cannot be read yet: {error}")
        say(f"Edit {toml}, then: modaloom check {folder}")
        return
    _show(shop)
    console.print(f"{shop.n_items:,} items, {shop.n_users:,} users, {shop.interactions.height:,} events")
    say(f"Next: modaloom check {folder}")


def _show(shop: Shop) -> None:
    """A few items as they were understood."""
    from rich.markup import escape
    from rich.table import Table

    from modaloom.terminal import console

    table = Table(header_style="bold", title="As it was understood", title_justify="left")
    for heading in ("item", "title", "price", "stock", "attributes", "pictures"):
        table.add_column(heading, overflow="fold")
    for num in range(min(SHOWN_ITEMS, shop.n_items)):
        item = shop.item(num)
        facts = ", ".join(f"{name} {value}" for name, value in item.attributes.items())
        price = "" if item.price is None else f"{shop.spec.currency}{item.price:,.2f}"
        stock = "" if item.stock is None else str(item.stock)
        cells = (item.item_id, item.title, price, stock, facts, str(len(item.images)))
        table.add_row(*(escape(cell) for cell in cells))
    console.print(table)
