"""Whether items that belong on one card are found where the shop does not say so: against H&M's own product codes.

H&M gives the colours of one model the same first seven digits. They are hidden, found again by what the shop tells
(``modaloom.data.doubles``) and, with ``--pictures``, by nearly equal pictures, and compared pair by pair. What is found
and has another code is often the same garment all the same, sold anew under another number; it counts as wrong here.
The same is done with the built-in shop, whose groups are right by construction.

    python benchmarks/doubles.py --root PATH [--pictures]
"""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl

from modaloom.config import load_settings
from modaloom.data.doubles import group_doubles, near_duplicates
from modaloom.data.shop import Shop, load_shop
from modaloom.data.splits import take_snapshot
from modaloom.encoders.encode import encode_items
from modaloom.samples.write import write_sample
from modaloom.types import Tokens

RESULT = Path(__file__).parent / "results" / "doubles.json"
SHOP = Path(__file__).parents[1] / "examples" / "shops" / "hm.toml"


def pairs(groups: pl.DataFrame, by: list[str]) -> int:
    """How many pairs share a group."""
    sizes = groups.drop_nulls(by).group_by(by).len()["len"]
    return int((sizes * (sizes - 1) // 2).sum())


def measured(shop: Shop, tokens: dict[str, Tokens], *, pictures: bool) -> dict[str, float]:
    """Precision and recall of pairs once the shop's groups are hidden."""
    snapshot = take_snapshot(shop, tokens)
    hidden = replace(snapshot, items=snapshot.items.with_columns(group_id=pl.lit(None, pl.String)))
    leaders = near_duplicates(tokens, shop.n_items) if pictures else np.arange(shop.n_items)
    found = group_doubles(hidden, leaders).items["group_id"]
    both = pl.DataFrame({"found": found, "truth": snapshot.items["group_id"]})
    right, said, wanted = pairs(both, ["found", "truth"]), pairs(both, ["found"]), pairs(both, ["truth"])
    return {
        "items": shop.n_items,
        "pairs_found": said,
        "pairs_of_the_shop": wanted,
        "precision": right / said if said else 1.0,
        "recall": right / wanted if wanted else 1.0,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, required=True, help="folder of H&M's files")
    parser.add_argument("--pictures", action="store_true", help="compare pictures, too (reads all of them)")
    parser.add_argument("--out", type=Path, default=RESULT)
    args = parser.parse_args()
    settings, rows = load_settings(), {}
    with tempfile.TemporaryDirectory() as folder:
        write_sample(Path(folder) / "sample", items=300, users=100)
        shops = {"H&M": load_shop(SHOP, root=args.root), "built-in shop": load_shop(Path(folder) / "sample")}
        for name, shop in shops.items():
            modalities = ("image", "text") if args.pictures else ()
            tokens = dict(encode_items(shop, settings=settings, modalities=modalities)) if modalities else {}
            rows[name] = measured(shop, tokens, pictures=args.pictures)
            print(name, {key: round(value, 4) for key, value in rows[name].items()})
    args.out.write_text(json.dumps({"pictures": args.pictures, "shops": rows}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
