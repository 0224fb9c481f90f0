"""A made-up shop of any size, for measuring speed and memory: vectors around styles, no pictures, no meaning.

Items have a style, a category, a price, a stock, a release date and two vectors (.npy) around their style's centre;
one item in four is another colour of the one before it. Shoppers like two styles each and buy by popularity in them.
Nothing about accuracy can be learned here.

    python benchmarks/large_shop.py FOLDER [--items 100000] [--users 100000] [--events 1000000] [--train BUNDLE]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import polars as pl

from modaloom.config import load_settings
from modaloom.data.shop import load_shop
from modaloom.learning import LearnOptions, train_bundle
from modaloom.numerics import unit_rows

CATEGORIES = (
    "dress",
    "skirt",
    "shirt",
    "trousers",
    "jeans",
    "coat",
    "jacket",
    "knitwear",
    "shoes",
    "bag",
    "scarf",
    "hat",
)
COLOURS = ("black", "white", "red", "blue", "green", "beige", "grey", "pink")
FIRST_DAY_S = 1_640_995_200  # 2022-01-01
DAYS = 365
DIM = 96
SPEC = """name = "A large made-up shop"
language = "en"

[items]
file = "items.parquet"

[items.columns]
item_id = "item_id"
title = "title"
price = "price"
stock = "stock"
released_at = "released_at"
group_id = "group_id"

[items.attributes]
category = "category"
colour = "colour"

[interactions]
file = "events.parquet"

[interactions.columns]
user_id = "user_id"
item_id = "item_id"
timestamp = "timestamp"
event = "event"

[features.image]
file = "image.npy"
by = "row"

[features.text]
file = "text.npy"
by = "row"

[evaluation]
target_events = ["purchase"]
exclude_seen = true
"""


def write_large_shop(folder: Path, *, items: int, users: int, events: int, seed: int = 0) -> None:
    """Writes the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    styles = max(items // 250, 2)
    style = rng.integers(0, styles, items)
    variant = (np.arange(items) % 4 == 1) & (np.arange(items) > 0)
    style[variant] = style[np.flatnonzero(variant) - 1]
    category = np.array(CATEGORIES)[style % len(CATEGORIES)]
    day = rng.integers(0, DAYS, items)
    pl.DataFrame(
        {
            "item_id": [f"i{num:07d}" for num in range(items)],
            "title": [f"{kind.title()} no. {num}" for num, kind in enumerate(category.tolist())],
            "price": np.round(rng.lognormal(4.5, 0.6, items), 2),
            "stock": rng.integers(0, 50, items),
            "released_at": FIRST_DAY_S + day * 86_400,
            "group_id": [f"g{num - 1 if is_variant else num}" for num, is_variant in enumerate(variant.tolist())],
            "category": category,
            "colour": np.array(COLOURS)[rng.integers(0, len(COLOURS), items)],
        }
    ).write_parquet(folder / "items.parquet")
    for name in ("image", "text"):
        centres = unit_rows(rng.standard_normal((styles, DIM), dtype=np.float32))
        noise = rng.standard_normal((items, DIM), dtype=np.float32) / np.float32(DIM**0.5)
        np.save(folder / f"{name}.npy", unit_rows(centres[style] + noise))
    _events(rng, style, users, events).write_parquet(folder / "events.parquet")
    (folder / "shop.toml").write_text(SPEC, encoding="utf-8")


def _events(rng: np.random.Generator, style: np.ndarray, users: int, events: int) -> pl.DataFrame:
    """Every shopper's events, nearly all in two styles, popular items first."""
    order = np.argsort(style, kind="stable")
    starts = np.searchsorted(style[order], np.arange(style.max() + 2))
    liked = rng.integers(0, style.max() + 1, (users, 2))
    who = np.concatenate([np.arange(users), rng.integers(0, users, events - users)])
    which = liked[who, rng.integers(0, 2, events)]
    size = starts[which + 1] - starts[which]
    place = (size * rng.random(events) ** 3).astype(np.int64)
    item = order[np.minimum(starts[which] + place, len(order) - 1)]
    return pl.DataFrame(
        {
            "user_id": [f"u{num:07d}" for num in who.tolist()],
            "item_id": [f"i{num:07d}" for num in item.tolist()],
            "timestamp": FIRST_DAY_S + rng.integers(0, DAYS * 86_400, events),
            "event": np.array(["view", "cart", "purchase"])[rng.choice(3, events, p=(0.6, 0.15, 0.25))],
        }
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--users", type=int, default=100_000)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--train", type=Path, help="learn from it, one epoch, and write this bundle")
    args = parser.parse_args()
    if not (args.folder / "shop.toml").is_file():
        write_large_shop(args.folder, items=args.items, users=args.users, events=args.events)
    if args.train:
        settings = load_settings()
        train_bundle(load_shop(args.folder, settings=settings), args.train, LearnOptions(epochs=1), settings=settings)


if __name__ == "__main__":
    main()
