"""What things are told apart by: facts and words, and none of it twice."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from modaloom.config import load_settings
from modaloom.counting.catalogue import Catalogue, Dimension, read_catalogue
from modaloom.data.problems import Problems
from modaloom.data.schema import ShopSpec
from modaloom.data.shop import Shop
from modaloom.types import INTERACTION_COLUMNS, ITEM_COLUMNS, Event, silent

NAMED = {"linen": "airy 亚麻 linen", "silk": "fine 真丝", "wool": "warm"}
QUERIES = ("linen trousers", "亚麻")
LABELS = {"zh": {"material": {"linen": "亚麻", "silk": "真丝"}}, "en": {"material": {"linen": "linen", "silk": "silk"}}}


def shop_of(materials: list[str], titles: list[str]) -> Shop:
    rows = [
        {"item_id": f"I{place}", "title": title, "attributes.material": material}
        for place, (material, title) in enumerate(zip(materials, titles, strict=True))
    ]
    items = pl.DataFrame(rows, schema={**ITEM_COLUMNS, "attributes.material": pl.String()})
    log = pl.DataFrame(schema=INTERACTION_COLUMNS)
    return Shop(
        name="Shop", root=Path(), language="en", items=items, users=pl.DataFrame({"user_id": []}), interactions=log,
        features={}, target_events=(Event.PURCHASE,), exclude_seen=True, problems=Problems(),
        spec=ShopSpec(name="Shop", labels=LABELS),
    )  # fmt: skip


def read(shop: Shop) -> Catalogue:
    weights = np.ones(shop.n_items + len(QUERIES))
    return read_catalogue(shop, QUERIES, weights, settings=load_settings(), tell=silent)


def dimension(catalogue: Catalogue, name: str) -> Dimension:
    (found,) = (one for one in catalogue.dimensions if one.name == name)
    return found


@pytest.fixture
def materials() -> list[str]:
    return ["linen", "silk", "wool"] * 8


def test_a_word_that_only_names_a_fact_is_not_told_again(materials: list[str]) -> None:
    titles = [f"{NAMED[one]} shirt" for one in materials]
    catalogue = read(shop_of(materials, titles))
    assert set(dimension(catalogue, "word").values) == {"airy", "fine", "warm"}
    facts = dimension(catalogue, "attribute.material")
    linen = facts.incidence[facts.values.index("linen")].indices
    assert {24, 25} <= set(linen.tolist()), "searches for the word are searches for the fact"


def test_a_word_of_other_items_than_the_fact_of_that_name_stays(materials: list[str]) -> None:
    """As where a shop names the material of few pieces, or calls a colour linen."""
    titles = ["linen weave" if place % 4 == 1 else "plain weave" for place in range(len(materials))]
    assert "linen" in dimension(read(shop_of(materials, titles)), "word").values
