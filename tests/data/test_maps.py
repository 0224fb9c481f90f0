from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from modaloom.data.maps import blocks_of, columns_needed, map_names, map_spec, map_text, summary_of
from modaloom.errors import ShopNotFoundError

ROOT = Path(__file__).parents[2]


def test_all_maps_are_there_and_say_what_they_are_for() -> None:
    assert {"shopify", "woocommerce", "magento", "google-merchant", "segment", "ga4-bigquery", "snowplow"} <= set(
        map_names()
    )
    for name in map_names():
        assert map_text(name).startswith("#")
        assert summary_of(name)
        assert map_spec(name).name


def test_an_unknown_map_names_the_others() -> None:
    with pytest.raises(ShopNotFoundError, match=r"no map 'shop'.*shopify"):
        map_text("shop")


def test_the_wheel_carries_the_maps() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert wheel["force-include"] == {"examples/shops": "modaloom/maps"}


def test_one_section_of_a_map() -> None:
    text = map_text("taobao")
    assert tomllib.loads(blocks_of(text, "items")).keys() == {"items"}
    assert tomllib.loads(blocks_of(text, "interactions")).keys() == {"interactions"}
    spec = map_spec("woocommerce").items
    assert spec is not None
    assert {"Parent", "Categories", "Published", "SKU | ID"} <= set(columns_needed(spec))
