"""Folders of shops that use no well-known tool, each with the columns that ``modaloom init`` must find."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import polars as pl


def _csv(file: Path, rows: list[str], encoding: str = "utf-8") -> None:
    file.write_bytes(("\n".join(rows) + "\n").encode(encoding))


def _german(folder: Path) -> None:
    rows = ["Artikelnummer;Bezeichnung;Beschreibung;Preis;Bestand;Kategorie;Farbe;Größe;Bild"]
    rows += [f"A{n};Kleid {n};Schönes Kleid;{n + 19},90;{n};Kleider;Blau;M;bilder/{n}.jpg" for n in range(30)]
    _csv(folder / "artikel.csv", rows, "cp1252")
    rows = ["Kundennummer;Artikelnummer;Bestelldatum;Menge"]
    rows += [f"K{n % 7};A{n % 30};{n % 28 + 1:02}.03.2024;{n % 3 + 1}" for n in range(60)]
    _csv(folder / "bestellungen.csv", rows, "cp1252")


def _english(folder: Path) -> None:
    rows = [
        "product_id,product_name,description,price,stock_quantity,category,color,size,parent_id,image_url,created_at"
    ]
    rows += [
        f'{n},"Shirt {n}, plain",<p>Soft</p>,{n + 9.5},{n % 4},Shirts,Blue,M,G{n // 2},https://s.example/{n}.jpg,'
        f"2023-0{n % 9 + 1}-05"
        for n in range(30)
    ]
    _csv(folder / "products.csv", rows)
    rows = ["order_id,customer_id,product_id,order_date,quantity"]
    rows += [f"{n},c{n % 7},{n % 30},2024-03-{n % 28 + 1:02} 10:00:00,1" for n in range(60)]
    _csv(folder / "orders.csv", rows)
    _csv(folder / "customers.csv", ["customer_id,age,city", *(f"c{n},{20 + n},Rome" for n in range(7))])


def _reviews(folder: Path) -> None:
    pl.DataFrame(
        {
            "asin": [f"B{n:03}" for n in range(30)],
            "title": [f"Coat {n}" for n in range(30)],
            "brand": ["Acme"] * 30,
            "price": [n + 0.99 for n in range(30)],
            "category": ["Coats"] * 30,
        }
    ).write_parquet(folder / "meta.parquet")
    records = [
        {
            "user_id": f"u{n % 7}",
            "asin": f"B{n % 30:03}",
            "rating": float(n % 5 + 1),
            "timestamp": 1_711_360_800_000 + n * 1000,
        }
        for n in range(60)
    ]
    (folder / "reviews.jsonl").write_text("".join(json.dumps(one) + "\n" for one in records))


def _chinese(folder: Path) -> None:
    rows = ["商品编号,商品名称,商品描述,售价,库存数量,分类,颜色,尺码,品牌"]
    rows += [f"{1000 + n},连衣裙{n},轻薄透气,￥{99 + n}.00,{n},连衣裙,红色,M,织坊" for n in range(30)]
    _csv(folder / "商品.csv", rows, "gb18030")
    rows = ["用户ID,商品ID,行为类型,时间"]
    words = ("浏览", "收藏", "加购", "购买")
    rows += [f"u{n % 7},{1000 + n % 30},{words[n % 4]},2024-03-{n % 28 + 1:02} 09:00:00" for n in range(60)]
    _csv(folder / "行为.csv", rows, "gb18030")


def _retail(folder: Path) -> None:
    goods = [{"sku": f"S{n}", "name": f"Boot {n}", "price": n + 0.5, "stock": n, "colour": "tan"} for n in range(30)]
    (folder / "catalogue.json").write_text(json.dumps(goods, indent=1))
    rows = ["timestamp,visitorid,event,itemid,transactionid"]
    words = ("view", "addtocart", "transaction")
    rows += [f"{1_711_360_800_000 + n},{n % 7},{words[n % 3]},S{n % 30}," for n in range(60)]
    _csv(folder / "events.csv", rows)


def _hm(folder: Path) -> None:
    names = (
        "article_id,product_code,prod_name,product_type_name,product_group_name,graphical_appearance_name,"
        "colour_group_name,perceived_colour_value_name,perceived_colour_master_name,department_name,index_name,"
        "index_group_name,section_name,garment_group_name,detail_desc"
    )
    rows = [names]
    rows += [
        f"01087750{n:02},0108775,Top,Vest top,Upper,Solid,Black,Dark,Black,Jersey,A,L,W,J,Jersey top" for n in range(30)
    ]
    _csv(folder / "articles.csv", rows)
    rows = ["t_dat,customer_id,article_id,price,sales_channel_id"]
    rows += [f"2020-03-{n % 28 + 1:02},c{n % 7},01087750{n % 30:02},0.0{n % 9 + 1},2" for n in range(60)]
    _csv(folder / "transactions_train.csv", rows)
    _csv(folder / "customers.csv", ["customer_id,club_member_status,fashion_news_frequency,age", "c1,ACTIVE,NONE,21"])


def _nested(folder: Path) -> None:
    goods = [
        {
            "itemId": f"n{n}",
            "productName": f"Scarf {n}",
            "productPrice": f"{n + 5}.00 USD",
            "inStock": n % 2 == 0,
            "brand": "B",
        }
        for n in range(30)
    ]
    (folder / "export.json").write_text(json.dumps({"total": 30, "data": goods}))
    rows = ["uid\tsku\tts\taction\tsearch_term"]
    rows += [
        f"{n % 7}\tn{n % 30}\t{1_711_360_800 + n}\t{('click', 'add_to_cart', 'order')[n % 3]}\t" for n in range(60)
    ]
    _csv(folder / "log.tsv", rows)


def _xml(folder: Path) -> None:
    goods = "".join(
        f"<product><code>X{n}</code><name>Hat {n}</name><price>{n + 3},50 €</price><stock>{n}</stock>"
        f"<color>Grey</color><picture>img/{n}.png</picture></product>"
        for n in range(30)
    )
    (folder / "catalog.xml").write_text(f"<catalog>{goods}</catalog>", encoding="utf-8")
    rows = ["session,client_id,product_code,event_time,event_type"]
    rows += [
        f"s{n},k{n % 7},X{n % 30},2024-03-{n % 28 + 1:02}T10:00:00Z,{('view', 'purchase')[n % 2]}" for n in range(60)
    ]
    _csv(folder / "behaviour.csv", rows)


PLAIN: dict[str, tuple[Callable[[Path], None], Mapping[str, str]]] = {
    "german": (_german, {
        "items.item_id": "Artikelnummer", "items.title": "Bezeichnung", "items.description": "Beschreibung",
        "items.price": "Preis", "items.stock": "Bestand", "items.category": "Kategorie", "items.colour": "Farbe",
        "items.size": "Größe", "items.image": "Bild", "interactions.user_id": "Kundennummer",
        "interactions.item_id": "Artikelnummer", "interactions.timestamp": "Bestelldatum",
        "interactions.value": "Menge",
    }),
    "english": (_english, {
        "items.item_id": "product_id", "items.title": "product_name", "items.description": "description",
        "items.price": "price", "items.stock": "stock_quantity", "items.category": "category", "items.colour": "color",
        "items.size": "size", "items.group_id": "parent_id", "items.image": "image_url",
        "items.released_at": "created_at", "users.user_id": "customer_id", "users.age": "age",
        "interactions.user_id": "customer_id", "interactions.item_id": "product_id",
        "interactions.timestamp": "order_date", "interactions.value": "quantity",
    }),
    "reviews": (_reviews, {
        "items.item_id": "asin", "items.title": "title", "items.price": "price", "items.brand": "brand",
        "items.category": "category", "interactions.user_id": "user_id", "interactions.item_id": "asin",
        "interactions.timestamp": "timestamp", "interactions.value": "rating",
    }),
    "chinese": (_chinese, {
        "items.item_id": "商品编号", "items.title": "商品名称", "items.description": "商品描述", "items.price": "售价",
        "items.stock": "库存数量", "items.category": "分类", "items.colour": "颜色", "items.size": "尺码",
        "items.brand": "品牌", "interactions.user_id": "用户ID", "interactions.item_id": "商品ID",
        "interactions.event": "行为类型", "interactions.timestamp": "时间",
    }),
    "retail": (_retail, {
        "items.item_id": "sku", "items.title": "name", "items.price": "price", "items.stock": "stock",
        "items.colour": "colour", "interactions.user_id": "visitorid", "interactions.item_id": "itemid",
        "interactions.event": "event", "interactions.timestamp": "timestamp",
    }),
    "hm": (_hm, {
        "items.item_id": "article_id", "items.title": "prod_name", "items.description": "detail_desc",
        "items.group_id": "product_code", "items.category": "product_type_name", "items.colour": "colour_group_name",
        "users.user_id": "customer_id", "users.age": "age", "interactions.user_id": "customer_id",
        "interactions.item_id": "article_id", "interactions.timestamp": "t_dat",
    }),
    "nested": (_nested, {
        "items.item_id": "itemId", "items.title": "productName", "items.price": "productPrice",
        "items.stock": "inStock", "items.brand": "brand", "interactions.user_id": "uid", "interactions.item_id": "sku",
        "interactions.timestamp": "ts", "interactions.event": "action", "interactions.query": "search_term",
    }),
    "xml": (_xml, {
        "items.item_id": "code", "items.title": "name", "items.price": "price", "items.stock": "stock",
        "items.colour": "color", "items.image": "picture", "interactions.user_id": "client_id",
        "interactions.item_id": "product_code", "interactions.timestamp": "event_time",
        "interactions.event": "event_type", "interactions.session_id": "session",
    }),
}  # fmt: skip
