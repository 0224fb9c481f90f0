"""The library in one sitting: draw a shop, learn from it, ask for recommendations with reasons.

python examples/first_steps.py FOLDER [--items 1200] [--users 800] [--epochs 5]
"""

from __future__ import annotations

import argparse
from pathlib import Path

from modaloom import LearnOptions, Recommender, load_bundle, load_settings, load_shop
from modaloom.learning import train_bundle
from modaloom.samples.write import write_sample
from modaloom.shop.offline import Query


def main(folder: Path, *, items: int = 1200, users: int = 800, epochs: int = 5, size: str = "base") -> None:
    settings = load_settings()
    write_sample(folder / "shop", items=items, users=users)
    shop = load_shop(folder / "shop", settings=settings)
    print(f"{shop.name}: {shop.n_items:,} items, {shop.n_users:,} shoppers, {shop.interactions.height:,} events")

    metrics = train_bundle(shop, folder / "bundle", LearnOptions(size=size, epochs=epochs), settings=settings)
    print("blend:", metrics["blend"])

    recommender = Recommender(load_bundle(folder / "bundle"), settings)
    shopper = shop.users["user_id"][0]
    for query in (Query(user=shopper), Query(text="a warm coat"), Query(text="红色连衣裙")):
        print(query)
        for answer in recommender.recommend(query, n=3, language="en"):
            print("  ", answer.item_id, answer.title, "|", "; ".join(reason.text for reason in answer.why))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--items", type=int, default=1200)
    parser.add_argument("--users", type=int, default=800)
    parser.add_argument("--epochs", type=int, default=5)
    arguments = parser.parse_args()
    main(arguments.folder, items=arguments.items, users=arguments.users, epochs=arguments.epochs)
