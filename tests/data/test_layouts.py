"""The shop.toml files that are shipped in examples/shops, on tiny files in the layout of the real ones."""

from __future__ import annotations

import os
import sys
from datetime import datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from modaloom.config import Settings
from modaloom.data.shop import Shop, load_shop
from modaloom.types import Event

sys.path.insert(0, str(Path(__file__).parent))
from vendor_files import VENDORS, differences

SHOPS = Path(__file__).parents[2] / "examples" / "shops"
REAL_DATA = os.environ.get("MODALOOM_REAL_DATA")


def _write(root: Path, **files: str) -> None:
    for name, content in files.items():
        file = root / name.replace("__", ".").replace("_0_", "/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content, encoding="utf-8")


def _picture(root: Path, name: str, colour: str = "red") -> None:
    file = root / name
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8), colour).save(file)


def _load(name: str, root: Path, settings: Settings) -> Shop:
    return load_shop(SHOPS / f"{name}.toml", root=root, settings=settings)


def _features(root: Path, n_items: int) -> None:
    np.save(root / "image_feat.npy", np.arange(1, 1 + 3 * n_items, dtype=np.float32).reshape(n_items, 3))
    np.save(root / "text_feat.npy", np.ones((n_items, 2), dtype=np.float64))


def test_hm(tmp_path: Path, settings: Settings) -> None:
    header = "article_id,prod_name,product_type_name,product_group_name,graphical_appearance_name,colour_group_name"
    header += ",perceived_colour_value_name,perceived_colour_master_name,department_name,index_name,index_group_name"
    header += ",section_name,garment_group_name,product_code,detail_desc\n"
    row = "0108775015,Strap top,Vest top,Upper,Solid,Black,Dark,Black,Jersey,Ladies,Ladies,Basics,Jersey,0108775,\n"
    _write(
        tmp_path,
        articles__csv=header + row,
        customers__csv="customer_id,club_member_status,fashion_news_frequency,age\nc1,ACTIVE,NONE,21.0\n",
        transactions_train__csv="t_dat,customer_id,article_id,price\n2018-09-20,c1,0108775015,0.02\n",
    )
    _picture(tmp_path, "images/010/0108775015.jpg")
    shop = _load("hm", tmp_path, settings)
    item = shop.item(0)
    assert (item.item_id, item.group_id, item.attributes["colour"]) == ("0108775015", "0108775", "Black")
    assert [path.name for path in item.images] == ["0108775015.jpg"]
    assert shop.users["attributes.age"].to_list() == ["21.0"]
    assert shop.problems.total == 0


def test_amazon_clothing(tmp_path: Path, settings: Settings) -> None:
    _write(tmp_path, train__tsv="20524\t1849\t1.0\n20524\t13444\t1.0\n")
    shop = _load("amazon-clothing", tmp_path, settings)
    assert shop.items["item_id"].to_list() == ["1849", "13444"]
    assert not shop.has_times


def test_recbole(tmp_path: Path, settings: Settings) -> None:
    _write(
        tmp_path,
        clothing__item="item_id:token\ttitle:token_seq\tcategories:token_seq\tprice:float\tbrand:token\n"
        'B01\t"Red dress\tWomen Dresses\t19.9\tAcme\nB02\tJeans\tMen Jeans\t\t\n',
        clothing__inter="user_id:token\titem_id:token\trating:float\ttimestamp:float\n"
        "u1\tB02\t5.0\t1397606400.0\nu1\tB01\t3.0\t1397520000\n",
    )
    _features(tmp_path, 2)
    shop = _load("recbole", tmp_path, settings)
    assert shop.item(0).title == '"Red dress'
    assert shop.item(1).price is None
    assert shop.item(0).attributes == {"category": "Women Dresses", "brand": "Acme"}
    assert shop.interactions.select("item_num", "value", "timestamp").rows() == [
        (0, 3.0, 1_397_520_000),
        (1, 5.0, 1_397_606_400),
    ]
    assert shop.target_events == (Event.RATING,)
    assert shop.features["image"].vectors.tolist() == [[1, 2, 3], [4, 5, 6]]
    assert shop.features["text"].mask.all()


def test_mmrec(tmp_path: Path, settings: Settings) -> None:
    _write(
        tmp_path,
        i_id_mapping__csv="asin\titemID\nB02\t1\nB01\t0\n",
        clothing__inter="userID\titemID\trating\ttimestamp\tx_label\n"
        "0\t0\t5.0\t1397520000\t0\n0\t1\t4.0\t1397606400\t0\n1\t0\t1.0\t1397606400\t1\n1\t1\t1.0\t1397606400\t2\n",
    )
    _features(tmp_path, 2)
    shop = _load("mmrec", tmp_path, settings)
    assert shop.interactions.select("user_num", "item_num").rows() == [(0, 1), (0, 0)]
    assert shop.problems.counts == {"unmapped event": 2}
    assert shop.items["item_id"].to_list() == ["1", "0"]
    assert shop.features["image"].vectors.tolist() == [[4, 5, 6], [1, 2, 3]]  # row 1 first: it is item "1"


def test_shopify(tmp_path: Path, settings: Settings) -> None:
    header = "Handle,Title,Body (HTML),Vendor,Type,Tags,Published,Option1 Name,Option1 Value,Variant SKU,"
    header += "Variant Inventory Qty,Variant Price,Image Src,Image Position,Status\n"
    rows = (
        'red-dress,Red Dress,"<p>Soft,\n<b>light</b></p>",Acme,Dress,"summer, party",true,Size,S,D1,4,59.90,'
        "https://cdn.example.com/1.jpg,1,active\n"
        "red-dress,,,,,,,,M,D2,0,59.90,https://cdn.example.com/2.jpg,2,\n"
        "blue-jeans,Blue Jeans,,Acme,Jeans,,true,Size,32,J1,0,79.00,,,active\n"
    )
    _write(tmp_path, products_export__csv=header + rows)
    _picture(tmp_path, "images/red-dress.jpg")
    shop = _load("shopify", tmp_path, settings)
    assert shop.n_items == 2
    dress = shop.item(0)
    assert (dress.title, dress.description, dress.price, dress.stock) == ("Red Dress", "Soft, light", 59.9, 4)
    sizes = {"sizes": "S,M", "stock_by_size": "S 4, M 0"}
    assert dress.attributes == {"category": "Dress", "brand": "Acme", "tags": "summer, party", **sizes}
    assert [path.name for path in dress.images] == ["red-dress.jpg"]
    assert shop.item(1).images == ()
    assert shop.problems.total == 0


def test_rent_the_runway(tmp_path: Path, settings: Settings) -> None:
    frame = pl.DataFrame(
        {
            "user_id": [420272, 273551, 420272],
            "item_id": [2260466, 153475, 153475],
            "category": ["romper", "gown", "gown"],
            "fit": ["fit", "small", "fit"],
            "rating": [10.0, None, 8.0],
            "rented_for": ["vacation", "wedding", None],
            "body_type": ["hourglass", None, "hourglass"],
            "age": [28.0, 36.0, 28.0],
            "height_in": [68.0, 66.0, 68.0],
            "weight_lbs": [137.0, None, 137.0],
            "bust_size_num": [34.0, 34.0, 34.0],
            "bust_size_letter": ["d", "b", "d"],
            "review_date": [datetime(2016, 4, 20), datetime(2013, 6, 18), datetime(2017, 1, 1)],
        },
        schema_overrides={"fit": pl.Categorical, "rented_for": pl.Categorical, "body_type": pl.Categorical},
    )
    frame.write_parquet(tmp_path / "rentals.parquet")
    shop = _load("rent-the-runway", tmp_path, settings)
    assert (shop.n_items, shop.n_users) == (2, 2)
    assert shop.item(0).attributes == {"category": "romper"}
    assert shop.users.row(1, named=True)["attributes.body_type"] is None
    assert shop.interactions["query"].to_list() == ["wedding", "vacation", None]
    assert shop.interactions["value"].to_list() == [None, 10.0, 8.0]
    assert shop.problems.total == 0


def test_fashion_mnist(tmp_path: Path, settings: Settings) -> None:
    for name in ("t_shirt/1.png", "t_shirt/2.png", "coat/1.png"):
        _picture(tmp_path, name)
    shop = _load("fashion-mnist", tmp_path, settings)
    assert shop.items["item_id"].to_list() == ["coat/1.png", "t_shirt/1.png", "t_shirt/2.png"]
    assert shop.item(0).attributes == {"category": "coat"}
    assert all(path and path.is_file() for path in shop.image_paths())


def test_deepfashion(tmp_path: Path, settings: Settings) -> None:
    names = [
        "img/WOMEN/Dresses/id_00000002/02_1_front.jpg",
        "img/WOMEN/Dresses/id_00000002/02_2_side.jpg",
        "img/MEN/Denim/id_00000080/01_1_front.jpg",
    ]
    for name in names:
        _picture(tmp_path, name)
    rows = [f"{name:<70} {name.split('/')[3]}    train\n" for name in names]
    rows.append("img/MEN/Denim/id_00000080/01_7_additional.jpg    id_00000080    query\n")  # not downloaded
    partition = f"{len(rows)}\nimage_name item_id evaluation_status\n" + "".join(rows)
    (tmp_path / "Eval").mkdir()
    (tmp_path / "Eval" / "list_eval_partition.txt").write_text(partition)
    shop = _load("deepfashion", tmp_path, settings)
    assert shop.items["item_id"].to_list() == ["id_00000002", "id_00000080"]
    assert shop.item(0).attributes == {"gender": "WOMEN", "category": "Dresses"}
    assert shop.items["images"].to_list() == [names[:2], names[2:]]
    assert shop.problems.total == 0


@pytest.mark.parametrize("name", VENDORS)
def test_vendors_files_are_read_as_a_person_reads_them(name: str, tmp_path: Path, settings: Settings) -> None:
    VENDORS[name].write(tmp_path)
    truth = VENDORS[name].truth
    facts = sum(map(len, truth.items.values())) + len(truth.variants) + 5 * len(truth.events)
    print(
        f"{name}: {len(truth.items)} items, {len(truth.variants)} variants, {len(truth.events)} events: {facts} values"
    )
    assert not differences(truth, _load(name, tmp_path, settings))


def test_every_shipped_map_is_tried_here() -> None:
    tried = {name.removeprefix("test_").replace("_", "-") for name in globals() if name.startswith("test_")}
    assert {file.stem for file in SHOPS.glob("*.toml")} <= tried | set(VENDORS)


@pytest.mark.real
@pytest.mark.skipif(REAL_DATA is None, reason="MODALOOM_REAL_DATA is not set")
@pytest.mark.parametrize(
    ("name", "sizes"),
    [("hm", (17_033, 1_364, 30_542)), ("rent-the-runway", (5_744, 84_457, 153_791)), ("amazon-clothing", None)],
)
def test_real_files(name: str, sizes: tuple[int, int, int] | None, settings: Settings) -> None:
    shop = _load(name, Path(str(REAL_DATA)) / name, settings)
    assert shop.problems.total == 0
    if sizes:
        assert (shop.n_items, shop.n_users, shop.interactions.height) == sizes
