"""A live shop in one sitting: a newcomer, clicks, likes, a new item, a deleted one, a reason, and forgetting it all.

Starts the service by itself, as ``modaloom serve`` does, and asks it with the Python client.

python examples/live_shop.py FOLDER [--items 1200] [--users 800] [--epochs 5]
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from modaloom import LearnOptions, load_settings, load_shop
from modaloom.client import Client
from modaloom.errors import NotFoundError
from modaloom.learning import train_bundle
from modaloom.samples.write import write_sample
from modaloom.shop.requests import Answer

START_TIMEOUT_S = 120


def main(folder: Path, *, items: int = 1200, users: int = 800, epochs: int = 5, size: str = "base") -> None:
    settings = load_settings()
    write_sample(folder / "shop", items=items, users=users)
    shop = load_shop(folder / "shop", settings=settings)
    train_bundle(shop, folder / "bundle", LearnOptions(size=size, epochs=epochs), settings=settings)
    picture = next(path for path in shop.image_paths() if path is not None)
    with service(folder / "bundle", folder / "service.log") as (address, key), Client(address, key) as client:
        newcomer(client)
        new_item(client, picture)
        known_shopper(client, shop.users["user_id"][0])


def newcomer(client: Client) -> None:
    """From nothing to a list of their own in two clicks, and back to nothing."""
    first = client.recommend("visitor", n=8, language="en")
    show("for somebody of whom nothing is known", first)
    clicked = [card.item_id for card in first.items[-2:]]
    client.send([{"user_id": "visitor", "item_id": item_id, "event": "view"} for item_id in clicked])
    second = client.recommend("visitor", n=8, language="en")
    show("after two clicks", second)

    disliked, liked = (card.item_id for card in second.items[:2])
    client.say("visitor", liked, "like")
    client.say("visitor", disliked, "dislike")
    third = client.recommend("visitor", n=8, language="en")
    show(f"after a like of {liked} and a dislike of {disliked}", third)
    print("why", third.items[0].item_id, "->", said(client, "visitor", third.items[0].item_id))

    kept = client.export("visitor")
    print(f"kept: {len(kept['interactions'])} events, {len(kept['feedback'])} words; erased:", client.erase("visitor"))
    again = client.recommend("visitor", n=8, language="en")
    print("after erasure the same as at first:", ids(again) == ids(first))


def new_item(client: Client, picture: Path) -> None:
    """Recommendable within a second of coming in; gone from every answer with its deletion."""
    item = {
        "item_id": "brand-new",
        "title": "Silk blouse with small flowers",
        "attributes": {"category": "blouse", "material": "silk"},
        "price": 59.0,
        "stock": 12,
    }
    client.put_items([item])
    client.put_picture("brand-new", picture)
    started_s = time.monotonic()
    while "brand-new" not in ids(client.search("silk blouse with small flowers", n=5)):
        time.sleep(0.02)
        if time.monotonic() - started_s > START_TIMEOUT_S:
            raise TimeoutError("the new item is not found")
    print(f"a new item is found after {time.monotonic() - started_s:.2f} s")
    show("like it", client.similar("brand-new", n=4, language="en"))
    client.delete_items(["brand-new"])
    try:
        client.item("brand-new")
    except NotFoundError as error:
        print("deleted:", error)


def known_shopper(client: Client, user_id: str) -> None:
    """What the shop knows of somebody, and a list without it."""
    profile = client.profile(user_id, language="en")
    print(
        user_id,
        "likes",
        ", ".join(chip.label for chip in profile.chips[:4]),
        "| decides by",
        json.dumps(dict(profile.modalities)),
    )
    show("for them", client.recommend(user_id, n=4, language="zh"))
    client.change_profile(user_id, personalise=False)
    answer = client.recommend(user_id, n=4, language="zh")
    show("with personalisation switched off", answer)
    print("personal:", answer.personal)


def said(client: Client, user_id: str, item_id: str) -> str:
    return "; ".join(why.text for why in client.explain(user_id, item_id, language="en"))


def ids(answer: Answer) -> list[str]:
    return [card.item_id for card in answer.items]


def show(heading: str, answer: Answer) -> None:
    print(f"\n{heading}:")
    for card in answer.items:
        print("  ", card.item_id, card.title, "|", "; ".join(why.text for why in card.why))


@contextmanager
def service(bundle: Path, log: Path) -> Iterator[tuple[str, str]]:
    """A service on a free port until the block ends; its address and the shop's key."""
    key = secrets.token_hex(16)
    environment = {**os.environ, "MODALOOM_SERVE_SHOP_KEYS": json.dumps([key])}
    command = [sys.executable, "-m", "modaloom.cli", "serve", str(bundle), "--port", "0", "--today"]
    with log.open("w", encoding="utf-8") as stream:
        process = subprocess.Popen(command, stdout=stream, stderr=subprocess.STDOUT, env=environment)
    try:
        yield address_of(process, log), key
    finally:
        process.terminate()  # requests under way are finished, what waits to be written is written
        process.wait(60)


def address_of(process: subprocess.Popen[bytes], log: Path) -> str:
    end_s = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < end_s and process.poll() is None:
        for line in log.read_text(encoding="utf-8").splitlines():
            if line.startswith("Serving on "):
                return line.split()[2]
        time.sleep(0.1)
    raise RuntimeError(f"the service did not start: {log.read_text(encoding='utf-8')}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--items", type=int, default=1200)
    parser.add_argument("--users", type=int, default=800)
    parser.add_argument("--epochs", type=int, default=5)
    arguments = parser.parse_args()
    main(arguments.folder, items=arguments.items, users=arguments.users, epochs=arguments.epochs)
