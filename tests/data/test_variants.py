from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from modaloom.config import Settings
from modaloom.data.shop import Shop, load_shop
from modaloom.errors import ShopError

Write = Callable[..., Path]
ROWS = (
    "sku,kind,parent,name,colour,size,price,stock,pic\n"
    "H1,parent,,Loop hoodie,,,52,0,\n"
    "H1-S-B,variant,H1,Loop hoodie-S,Black,S,52,4,1.png\n"
    "H1-M-B,variant,H1,Loop hoodie-M,Black,M,52,0,1.png\n"
    "H1-S-G,variant,H1,Loop hoodie-S,Gray,S,49,9,2.png\n"
    "X9,draft,,Unreleased coat,Red,M,199,5,\n"
)
COLUMNS = """
[items.columns]
item_id = "sku"
title = "name"
price = "price"
stock = "stock"
group_id = "parent"
[items.attributes]
colour = "colour"
size = "size"
"""
IMAGES = '[items.images]\ncolumn = "pic"\n'


def load(write: Write, settings: Settings, top: str = "", tail: str = "", rows: str = ROWS, **files: str) -> Shop:
    toml = f'[items]\nfile = "items.csv"\n{top}{COLUMNS}{tail}'
    return load_shop(write(toml, items__csv=rows, **files), settings=settings)


def test_sizes_and_colours_become_one_item(write_shop: Write, settings: Settings, tmp_path: Path) -> None:
    for name in ("1.png", "2.png"):
        Image.new("RGB", (4, 4)).save(tmp_path / name)
    shop = load(write_shop, settings, 'where_not = { kind = "draft" }\n', IMAGES)
    assert shop.n_items == 1
    item = shop.item(0)
    assert (item.item_id, item.title, item.price, item.stock) == ("H1", "Loop hoodie", 52.0, 13)
    assert item.attributes == {"colour": "Black, Gray", "size": "S,M", "stock_by_size": "S 13, M 0"}
    assert [path.name for path in item.images] == ["1.png", "2.png"]
    assert shop.problems.facts == [
        "items.csv: 4 rows are sizes and colours of 1 items",
        "items.csv: where left out 1 rows",
    ]
    assert shop.problems.total == 0


def test_a_log_may_name_the_variants(write_shop: Write, settings: Settings) -> None:
    log = '[interactions]\nfile = "log.csv"\n[interactions.columns]\nuser_id = "u"\nitem_id = "i"\n'
    shop = load(write_shop, settings, tail=log, log__csv="u,i\na,H1-S-G\nb,H1\na,X9\na,gone\n")
    assert shop.interactions["item_num"].to_list() == [0, 0, 1]
    assert shop.problems.counts == {"unknown item": 1}
    assert shop.item_nums(["H1-M-B", "H1"]).tolist() == [0, 0]


def test_one_item_for_each_colour(write_shop: Write, settings: Settings) -> None:
    variants = '[items.variants]\nby = "parent"\nsize = "size"\ncolour = "colour"\nsplit_by_colour = true\n'
    shop = load(write_shop, settings, tail=variants)
    black, grey, coat = (shop.item(num) for num in range(3))
    assert (black.item_id, black.stock, black.attributes["size"], black.group_id) == ("H1-S-B", 4, "S,M", "H1")
    assert (grey.item_id, grey.price, grey.group_id) == ("H1-S-G", 49.0, "H1")
    assert coat.attributes["stock_by_size"] == "M 5"


def test_every_row_is_an_item_where_the_shop_says_so(write_shop: Write, settings: Settings) -> None:
    assert load(write_shop, settings, "variants = false\n").n_items == 5


def test_colours_that_have_no_sizes_stay_items(write_shop: Write, settings: Settings) -> None:
    rows = ROWS.replace(",S,", ",,").replace(",M,", ",,")
    shop = load(write_shop, settings, rows=rows)
    assert shop.n_items == 5
    assert shop.items["group_id"].to_list() == [None, "H1", "H1", "H1", None]


def test_stock_in_words_is_no_sum(write_shop: Write, settings: Settings) -> None:
    rows = (
        ROWS.replace(",0,", ",out of stock,")
        .replace(",4,", ",in stock,")
        .replace(",9,", ",In_Stock,")
        .replace(",5,", ",preorder,")
    )
    shop = load(write_shop, settings, rows=rows)
    assert shop.items["stock"].to_list() == [1, None]
    assert shop.item(0).attributes["stock_by_size"] == "S 1, M 0"
    assert shop.problems.total == 0


def test_oversold_sizes_count_as_none(write_shop: Write, settings: Settings) -> None:
    assert load(write_shop, settings, rows=ROWS.replace(",9,", ",-2,")).items["stock"].to_list() == [4, 5]


def test_options_by_name_and_rows_without_them(write_shop: Write, settings: Settings) -> None:
    toml = """
[items]
file = "a.csv"
[items.columns]
item_id = "h"
price = "p"
stock = "n"
sku = "k"
[items.variants]
by = "h"
options = [["o1", "v1"], ["o2", "v2"]]
"""
    rows = (
        "h,o1,v1,o2,v2,p,n,k\na,Farbe,Rot,Größe,S,9.5,1,k1\na,,Rot,,M,9.5,2,k2\na,,,,,,,\nb,Title,Default,,,5.25,3,k3\n"
    )
    shop = load_shop(write_shop(toml, a__csv=rows), settings=settings)
    assert shop.items.select("item_id", "stock").rows() == [("a", 3), ("b", 3)]
    assert shop.item(0).attributes == {"sizes": "S,M", "colour": "Rot", "stock_by_size": "S 1, M 2"}
    assert shop.item_nums(["k2", "k3"]).tolist() == [0, 1]


def test_prices_of_several_currencies(write_shop: Write, settings: Settings) -> None:
    toml = '[items]\nfile = "a.csv"\n[items.columns]\nitem_id = "i"\nprice = "p"\n'
    shop = load_shop(write_shop(toml, a__csv="i,p\na,105.29 USD\nb,EUR 39.95\nc,\n"), settings=settings)
    assert shop.items["price"].to_list() == [105.29, 39.95, None]
    assert shop.items["attributes.currency"].to_list() == ["USD", "EUR", None]
    assert shop.spec.currency == ""
    shop = load_shop(write_shop(toml, a__csv="i,p\na,105.29 EUR\nb,39.95 EUR\n"), settings=settings)
    assert shop.attribute_names == []
    assert shop.spec.currency == "€"
    named = toml + 'currency = "c"\n'
    shop = load_shop(write_shop(named, a__csv="i,p,c\na,1.5,EUR\nb,2.5,EUR\n"), settings=settings)
    assert shop.spec.currency == "€"


def test_a_template_over_any_column_and_a_prefix(write_shop: Write, settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "m" / "red").mkdir(parents=True)
    Image.new("RGB", (4, 4)).save(tmp_path / "m" / "red" / "a.png")
    base = '[items]\nfile = "a.csv"\n[items.columns]\nitem_id = "i"\n[items.images]\n'
    rows = "i,c,p,q\na,red,/red/a.png,red/a.png\nb,,https://x.example/b.png,\n" + f"c,red,{'x' * 400}.png,\0.png\n"
    for images in ('template = "m/{c}/{item_id}.png"', 'column = ["p", "q"]\nprefix = "m/"'):
        shop = load_shop(write_shop(base + images, a__csv=rows), settings=settings)
        assert shop.items["images"].to_list() == [["m/red/a.png"], [], []]
    assert dict(shop.problems.counts) == {"picture is a web address": 1, "unusable picture path": 2}
    assert str(shop.problems.of("unusable picture path")[0]).startswith("a.csv:4: unusable picture path: m/xxx")


def test_where_that_leaves_nothing(write_shop: Write, settings: Settings) -> None:
    with pytest.raises(ShopError, match="where left out all of its 5 rows"):
        load(write_shop, settings, 'where = { kind = "none" }\n')
