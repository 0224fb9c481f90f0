"""Small files in the shapes that vendors document, and what is in them, checked by hand."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from modaloom.data.shop import Shop
from modaloom.types import Event


@dataclass(frozen=True)
class Truth:
    """What a person reads in a vendor's files."""

    items: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    """By item: price, stock, sizes, stock_by_size, colour, title ... as far as the files say them."""
    variants: Mapping[str, str] = field(default_factory=dict)
    """Ids of variants, and the item that each belongs to."""
    events: tuple[tuple[str, str | None, Event, int, float | None], ...] = ()
    """User, item, event, seconds and value, in the order of time."""


@dataclass(frozen=True)
class Vendor:
    """A vendor's export."""

    write: Callable[[Path], None]
    truth: Truth
    columns: Mapping[str, str]
    """The columns that matter, by our names: what ``modaloom init`` must find."""


def described(shop: Shop) -> dict[str, dict[str, object]]:
    """What was understood of each item, under the names of :attr:`Truth.items`."""
    found = {}
    for num in range(shop.n_items):
        item = shop.item(num)
        facts = {"title": item.title, "price": item.price, "stock": item.stock, "released_at": item.released_at}
        found[item.item_id] = {**facts, **item.attributes}
    return found


def happened(shop: Shop) -> tuple[tuple[str, str | None, Event, int, float | None], ...]:
    """What was understood of the log, in the form of :attr:`Truth.events`."""
    users, items = shop.users["user_id"], shop.items["item_id"]
    return tuple(
        (users[user], None if item is None else items[item], Event(event), time, value)
        for user, item, event, value, time in shop.interactions.select(
            "user_num", "item_num", "event", "value", "timestamp"
        ).iter_rows()
    )


def differences(truth: Truth, shop: Shop) -> list[str]:
    """Where a shop is not what a person reads in its files; empty where all is equal."""
    faults = []
    items = described(shop)
    if truth.items and set(items) != set(truth.items):
        faults.append(f"items {sorted(items)} instead of {sorted(truth.items)}")
    for item_id, facts in truth.items.items():
        for name, value in facts.items():
            got = items.get(item_id, {}).get(name)
            if got != value:
                faults.append(f"{item_id}: {name} is {got!r} instead of {value!r}")
    owners = {alias: shop.items["item_id"][int(shop.item_nums([alias])[0])] for alias in truth.variants}
    faults += [f"variant {one} belongs to {owners[one]}" for one in owners if owners[one] != truth.variants[one]]
    if truth.events and happened(shop) != truth.events:
        faults.append(f"log {happened(shop)} instead of {truth.events}")
    return faults


MERCHANT_ROWS = [
    # id, title, availability, price, color, size, group, gender
    ("D1-S", "Rib dress", "in_stock", "49.00 EUR", "Black", "S", "D1", "female"),
    ("D1-M", "Rib dress", "out_of_stock", "49.00 EUR", "Black", "M", "D1", "female"),
    ("D1-S-G", "Rib dress", "in stock", "45.50 EUR", "Green", "S", "D1", "female"),
    ("B1", "Leather belt", "preorder", "1,299.00 EUR", "Brown", "", "", "unisex"),
]
_MERCHANT_TRUTH = Truth(
    {
        "D1": {
            "title": "Rib dress", "price": 45.5, "stock": 1, "size": "S,M", "stock_by_size": "S 1, M 0",
            "colour": "Black, Green", "gender": "female", "category": "Clothing > Dresses",
        },
        "B1": {"title": "Leather belt", "price": 1299.0, "stock": None, "colour": "Brown"},
    },
    {"D1-S": "D1", "D1-M": "D1", "D1-S-G": "D1"},
)  # fmt: skip
_MERCHANT_COLUMNS = {
    "items.item_id": "id", "items.title": "title", "items.description": "description", "items.price": "price",
    "items.stock": "availability", "items.group_id": "item_group_id", "items.colour": "color", "items.size": "size",
    "items.image": "image_link", "items.gender": "gender",
}  # fmt: skip


def _merchant_tsv(folder: Path) -> None:
    names = "id title description link image_link availability price color size item_group_id product_type gender"
    head = names.replace(" ", "\t")
    rows = [
        f"{i}\t{t}\tOf <b>soft</b> cotton\thttps://s.example/{i}\thttps://s.example/{i}.jpg\t{a}\t{p}\t{c}\t{s}\t{g}"
        f"\tClothing > Dresses\t{w}"
        for i, t, a, p, c, s, g, w in MERCHANT_ROWS
    ]
    (folder / "feed.tsv").write_text("\n".join([head, *rows]) + "\n")


def _merchant_xml(folder: Path) -> None:
    def item(i: str, t: str, a: str, p: str, c: str, s: str, g: str, w: str) -> str:
        group = f"<g:item_group_id>{g}</g:item_group_id>" if g else ""
        size = f"<g:size>{s}</g:size>" if s else ""
        return (
            f"<item><g:id>{i}</g:id><title>{t}</title><link>https://s.example/{i}</link>"
            f"<description>Of &lt;b&gt;soft&lt;/b&gt; cotton</description><g:image_link>https://s.example/{i}.jpg"
            f"</g:image_link><g:additional_image_link>https://s.example/{i}-2.jpg</g:additional_image_link>"
            f"<g:additional_image_link>https://s.example/{i}-3.jpg</g:additional_image_link>"
            f"<g:availability>{a}</g:availability><g:price>{p}</g:price><g:color>{c}</g:color>{size}{group}"
            f"<g:product_type>Clothing &gt; Dresses</g:product_type><g:gender>{w}</g:gender>"
            "<g:shipping><g:country>DE</g:country><g:price>4.99 EUR</g:price></g:shipping></item>"
        )

    items = "\n".join(item(*row) for row in MERCHANT_ROWS)
    (folder / "feed.xml").write_text(
        '<?xml version="1.0"?>\n<rss xmlns:g="http://base.google.com/ns/1.0" version="2.0">\n<channel>\n'
        f"<title>Our shop</title>\n<link>https://s.example</link>\n{items}\n</channel>\n</rss>\n"
    )


def _shopify(folder: Path) -> None:
    head = (
        "Handle,Title,Body (HTML),Vendor,Type,Tags,Published,Option1 Name,Option1 Value,Option2 Name,Option2 Value,"
        "Variant SKU,Variant Inventory Qty,Variant Price,Image Src,Status"
    )
    rows = [
        'wrap-top,Wrap top,"<p>Soft<br>jersey.</p>",Ours,Tops,"new, jersey",true,Color,Sage,Size,S,WT-1,4,29.00,u1,'
        "active",
        "wrap-top,,,,,,,,Sage,,M,WT-2,0,29.00,,",
        "wrap-top,,,,,,,,Rust,,S,WT-3,2,31.00,u2,",
        "wrap-top,,,,,,,,,,,,,,u3,",
        "tote,Canvas tote,,Ours,Bags,,true,Title,Default Title,,,TO-1,7,19.50,u4,active",
        "secret,Next season,,Ours,Tops,,false,Size,S,,,SE-1,7,99.00,u4,draft",
        "secret,,,,,,,,M,,,SE-2,7,99.00,,",
    ]
    (folder / "products_export_1.csv").write_text("\n".join([head, *rows]) + "\n")


_SHOPIFY_TRUTH = Truth(
    {
        "wrap-top": {
            "title": "Wrap top", "price": 29.0, "stock": 6, "sizes": "S,M", "stock_by_size": "S 6, M 0",
            "colour": "Sage, Rust", "category": "Tops", "brand": "Ours",
        },
        "tote": {"title": "Canvas tote", "price": 19.5, "stock": 7, "sizes": None, "category": "Bags"},
    },
    {"WT-1": "wrap-top", "WT-3": "wrap-top", "TO-1": "tote"},
)  # fmt: skip


def _woocommerce(folder: Path) -> None:
    head = (
        "ID,Type,SKU,Name,Published,Is featured?,Visibility in catalog,Short description,Description,In stock?,Stock,"
        "Sale price,Regular price,Categories,Tags,Images,Parent,Attribute 1 name,Attribute 1 value(s),"
        "Attribute 2 name,Attribute 2 value(s)"
    )
    rows = [
        '100,variable,HOOD,Loop hoodie,1,0,visible,,"<p>Warm</p>",1,,,,"Clothing > Hoodies, Sale",,"u1, u2",,'
        'Size,"S, M",Color,"Black, Grey"',
        "101,variation,HOOD-S-B,Loop hoodie - S Black,1,0,visible,,,1,4,,52.00,,,,HOOD,Size,S,Color,Black",
        "102,variation,HOOD-M-B,Loop hoodie - M Black,1,0,visible,,,0,0,,52.00,,,,HOOD,Size,M,Color,Black",
        "103,variation,,Loop hoodie - S Grey,1,0,visible,,,1,9,49,54.00,,,,id:100,Size,S,Color,Grey",
        "200,simple,CAP,Wool cap,1,0,visible,,Knitted,1,3,,18.5,Accessories > Caps,,u3,,Color,Blue,,",
        "300,simple,X9,Unreleased coat,-1,0,visible,,,1,5,,199,Coats,,u4,,,,,",
    ]
    (folder / "wc-product-export-1.csv").write_text("\n".join([head, *rows]) + "\n")


_WOO_TRUTH = Truth(
    {
        "HOOD": {
            "title": "Loop hoodie", "price": 52.0, "stock": 13, "sizes": "S,M", "stock_by_size": "S 13, M 0",
            "colour": "Black, Grey", "category": "Clothing > Hoodies",
        },
        "CAP": {"title": "Wool cap", "price": 18.5, "stock": 3, "colour": "Blue", "category": "Accessories > Caps"},
    },
    {"HOOD-S-B": "HOOD", "HOOD-M-B": "HOOD", "103": "HOOD", "200": "CAP"},
)  # fmt: skip


def _magento(folder: Path) -> None:
    head = (
        "sku,store_view_code,attribute_set_code,product_type,categories,name,description,product_online,visibility,"
        "price,created_at,base_image,additional_attributes,qty,is_in_stock,configurable_variations"
    )
    group = "Default Category/Women/Shorts,Default Category/Sale"
    rows = [
        f'WSH-28-R,,Bottom,simple,"{group}",Erika short-28-Red,,1,Not Visible Individually,45.00,"3/14/24, 2:05 PM",'
        '/w/s/r.jpg,"color=Red,size=28",10,1,',
        f'WSH-29-R,,Bottom,simple,"{group}",Erika short-29-Red,,1,Not Visible Individually,45.00,"3/14/24, 2:05 PM",'
        '/w/s/r.jpg,"color=Red,size=29",0,0,',
        f'WSH-28-G,,Bottom,simple,"{group}",Erika short-28-Green,,1,Not Visible Individually,47.00,"3/14/24, 2:05 PM",'
        '/w/s/g.jpg,"color=Green,size=28",5,1,',
        f'WSH,,Bottom,configurable,"{group}",Erika short,<p>Light</p>,1,"Catalog, Search",,"3/14/24, 2:06 PM",'
        '/w/s/r.jpg,"material=Cotton",0,1,"sku=WSH-28-R,size=28,color=Red|sku=WSH-29-R,size=29,color=Red|'
        'sku=WSH-28-G,size=28,color=Green"',
        'WSH,de,Bottom,configurable,,Erika Shorts,<p>Leicht</p>,1,"Catalog, Search",,,,,,,',
        'BAG,,Bag,simple,Default Category/Gear/Bags,Joust bag,,1,"Catalog, Search",34.00,"1/2/24, 11:30 AM",/b.jpg,,'
        "100,1,",
        'OLD,,Bag,simple,Default Category/Gear/Bags,Old bag,,2,"Catalog, Search",30.00,"1/2/24, 11:30 AM",/b.jpg,,1,1,',
    ]
    (folder / "catalog_product_20240401.csv").write_text("\n".join([head, *rows]) + "\n")


_MAGENTO_TRUTH = Truth(
    {
        "WSH": {
            "title": "Erika short", "price": 45.0, "stock": 15, "size": "28,29", "stock_by_size": "28 15, 29 0",
            "colour": "Red, Green", "category": "Shorts", "material": "Cotton", "released_at": 1_710_425_160,
        },
        "BAG": {"title": "Joust bag", "price": 34.0, "stock": 100, "category": "Bags", "released_at": 1_704_195_000},
    },
    {"WSH-28-R": "WSH", "WSH-28-G": "WSH"},
)  # fmt: skip


def _taobao(folder: Path) -> None:
    head = "商品ID,商品标题,商品描述,价格,库存,类目,品牌,颜色分类,尺码,款号,图片,上架时间,状态"
    rows = [
        "5001,碎花连衣裙,轻薄,￥199.00,4,连衣裙,织坊,红色,S,K1,img/1.jpg,2024-03-25 10:00:00,出售中",
        "5002,碎花连衣裙,轻薄,￥199.00,0,连衣裙,织坊,红色,M,K1,img/1.jpg,2024-03-25 10:00:00,出售中",
        "5003,羊毛大衣,无,1299元起,2,大衣,织坊,驼色,L,K2,img/3.jpg,2024-01-05 08:30:00,出售中",
        "5004,旧款,-,99元,1,上衣,-,白色,S,K3,img/4.jpg,2020-01-05 08:30:00,下架",
    ]
    (folder / "商品表.csv").write_bytes(("\r\n".join([head, *rows]) + "\r\n").encode("gb18030"))
    log = "9,5001,77,pv,1711360800\n9,5002,77,buy,1711364400\n8,5003,78,fav,1711368000\n"
    (folder / "UserBehavior.csv").write_text(log)


_TAOBAO_TRUTH = Truth(
    {
        "K1": {
            "title": "碎花连衣裙", "price": 199.0, "stock": 4, "size": "S,M", "stock_by_size": "S 4, M 0",
            "colour": "红色", "category": "连衣裙", "brand": "织坊", "released_at": 1_711_332_000,
        },
        "K2": {"title": "羊毛大衣", "price": 1299.0, "stock": 2, "size": "L", "released_at": 1_704_414_600},
    },
    {"5001": "K1", "5002": "K1", "5003": "K2"},
    (
        ("9", "K1", Event.VIEW, 1_711_360_800, None),
        ("9", "K1", Event.PURCHASE, 1_711_364_400, None),
        ("8", "K2", Event.LIKE, 1_711_368_000, None),
    ),
)  # fmt: skip


def _lines(file: Path, records: list[dict[str, object]]) -> None:
    file.write_text("".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records), encoding="utf-8")


def _segment(folder: Path) -> None:
    def call(
        event: str, user: str | None, anonymous: str, time: str, properties: dict[str, object]
    ) -> dict[str, object]:
        return {
            "type": "track", "event": event, "userId": user, "anonymousId": anonymous, "timestamp": time,
            "messageId": f"m-{time}", "properties": properties, "context": {"library": {"name": "analytics.js"}},
        }  # fmt: skip

    products = [{"product_id": "p1", "quantity": 2, "price": 19}, {"product_id": "p2", "quantity": 1, "price": 5}]
    _lines(folder / "2024-03-25.json", [
        call("Product Viewed", None, "a1", "2024-03-25T10:00:00.123+01:00", {"product_id": "p1"}),
        call("Products Searched", None, "a1", "2024-03-25T09:05:00Z", {"query": "red dress"}),
        {"type": "identify", "userId": "u1", "anonymousId": "a1", "timestamp": "2024-03-25T09:06:00Z", "traits": {}},
        call("Order Completed", "u1", "a1", "2024-03-25T09:07:00Z", {"order_id": "o1", "products": products}),
        call("Product Added", "u2", "a2", "2024-03-25T09:08:00Z", {"product_id": "p2", "quantity": 1}),
        call("Cart Viewed", "u2", "a2", "2024-03-25T09:08:30Z", {"products": products}),
        call("Product Viewed", None, "a9", "2024-03-25T09:09:00Z", {"product_id": "p2"}),
    ])  # fmt: skip


_T = 1_711_357_200  # 2024-03-25 09:00 UTC
_SEGMENT_TRUTH = Truth(
    events=(
        ("u1", "p1", Event.VIEW, _T, None),
        ("u1", None, Event.SEARCH, _T + 300, None),
        ("u1", "p1", Event.PURCHASE, _T + 420, 2.0),
        ("u1", "p2", Event.PURCHASE, _T + 420, 1.0),
        ("u2", "p2", Event.CART, _T + 480, 1.0),
        ("a9", "p2", Event.VIEW, _T + 540, None),
    )
)


def _ga4(folder: Path) -> None:
    def event(
        name: str, micros: int, user: str | None, items: list[dict[str, object]], **params: object
    ) -> dict[str, object]:
        values = [
            {"key": key, "value": {"string_value": value} if isinstance(value, str) else {"int_value": str(value)}}
            for key, value in params.items()
        ]
        return {
            "event_date": "20240325", "event_timestamp": str(micros), "event_name": name, "event_params": values,
            "user_id": user, "user_pseudo_id": "c.1", "items": items, "platform": "WEB",
        }  # fmt: skip

    first, second = {"item_id": "p1", "item_name": "Dress", "quantity": 1}, {"item_id": "p2", "quantity": "3"}
    _lines(folder / "events_20240325.json", [
        event("session_start", _T * 10**6, None, [], ga_session_id=7),
        event("view_item", _T * 10**6 + 1, None, [first], ga_session_id=7),
        event("view_search_results", (_T + 10) * 10**6, None, [], ga_session_id=7, search_term="belt"),
        event("purchase", (_T + 20) * 10**6, "u1", [first, second], ga_session_id=7),
    ])  # fmt: skip


_GA4_TRUTH = Truth(
    events=(
        ("u1", "p1", Event.VIEW, _T, 1.0),
        ("u1", None, Event.SEARCH, _T + 10, None),
        ("u1", "p1", Event.PURCHASE, _T + 20, 1.0),
        ("u1", "p2", Event.PURCHASE, _T + 20, 3.0),
    )
)


_ACTION = "unstruct_event_com_snowplowanalytics_snowplow_ecommerce_snowplow_ecommerce_action_1"


def _snowplow(folder: Path) -> None:
    action = _ACTION
    action_name = "snowplow_ecommerce_action"
    product = "contexts_com_snowplowanalytics_snowplow_ecommerce_product_1"
    base = {"app_id": "shop", "platform": "web", "event": "unstruct", "domain_userid": "d1", "domain_sessionid": "s1"}
    goods = [{"id": "p1", "price": 20, "currency": "EUR", "quantity": 1}, {"id": "p2", "price": 5, "currency": "EUR"}]
    _lines(folder / "enriched.jsonl", [
        base | {"event": "page_view", "event_name": "page_view", "derived_tstamp": "2024-03-25T09:00:00.001Z"},
        base | {"event_name": action_name, "derived_tstamp": "2024-03-25T09:00:00.250Z", "user_id": None,
                action: {"type": "product_view"}, product: goods[:1]},
        base | {"event_name": action_name, "derived_tstamp": "2024-03-25T09:10:00.000Z", "user_id": "u1",
                action: {"type": "transaction"}, product: goods},
        base | {"event_name": "site_search", "derived_tstamp": "2024-03-25 09:20:00.000", "user_id": "u1",
                "unstruct_event_com_snowplowanalytics_snowplow_site_search_1": {"terms": ["red", "dress"]}},
    ])  # fmt: skip


_SNOWPLOW_TRUTH = Truth(
    events=(
        ("u1", "p1", Event.VIEW, _T, 1.0),
        ("u1", "p1", Event.PURCHASE, _T + 600, 1.0),
        ("u1", "p2", Event.PURCHASE, _T + 600, None),
        ("u1", None, Event.SEARCH, _T + 1200, None),
    )
)

VENDORS: dict[str, Vendor] = {
    "google-merchant": Vendor(_merchant_tsv, _MERCHANT_TRUTH, _MERCHANT_COLUMNS),
    "google-merchant-xml": Vendor(_merchant_xml, _MERCHANT_TRUTH, _MERCHANT_COLUMNS),
    "shopify": Vendor(_shopify, _SHOPIFY_TRUTH, {
        "items.item_id": "Handle", "items.title": "Title", "items.description": "Body (HTML)",
        "items.price": "Variant Price", "items.stock": "Variant Inventory Qty", "items.sku": "Variant SKU",
        "items.category": "Type", "items.brand": "Vendor", "items.options": "Option1 Name",
    }),
    "woocommerce": Vendor(_woocommerce, _WOO_TRUTH, {
        "items.item_id": "SKU", "items.title": "Name", "items.description": "Description",
        "items.price": "Regular price", "items.stock": "Stock", "items.category": "category", "items.by": "parent",
        "items.options": "Attribute 1 name", "items.image": "Images",
    }),
    "magento": Vendor(_magento, _MAGENTO_TRUTH, {
        "items.item_id": "sku", "items.title": "name", "items.description": "description", "items.price": "price",
        "items.stock": "qty", "items.released_at": "created_at", "items.category": "category", "items.size": "size",
        "items.colour": "colour", "items.image": "base_image",
    }),
    "taobao": Vendor(_taobao, _TAOBAO_TRUTH, {
        "items.item_id": "商品ID", "items.title": "商品标题", "items.price": "价格", "items.stock": "库存",
        "items.category": "类目", "items.colour": "颜色分类", "items.size": "尺码", "items.group_id": "款号",
        "items.released_at": "上架时间", "items.image": "图片", "interactions.user_id": "column_1",
        "interactions.item_id": "column_2", "interactions.event": "column_4", "interactions.timestamp": "column_5",
    }),
    "segment": Vendor(_segment, _SEGMENT_TRUTH, {
        "interactions.user_id": "userId", "interactions.item_id": "properties.products[].product_id",
        "interactions.timestamp": "timestamp", "interactions.event": "event", "interactions.query": "properties.query",
    }),
    "ga4-bigquery": Vendor(_ga4, _GA4_TRUTH, {
        "interactions.user_id": "user_id", "interactions.item_id": "items[].item_id",
        "interactions.timestamp": "event_timestamp", "interactions.event": "event_name",
        "interactions.query": "event_params[key=search_term].value.string_value",
    }),
    "snowplow": Vendor(_snowplow, _SNOWPLOW_TRUTH, {
        "interactions.user_id": "user_id",
        "interactions.item_id": "contexts_com_snowplowanalytics_snowplow_ecommerce_product_1[].id",
        "interactions.timestamp": "derived_tstamp",
        "interactions.event": f"{_ACTION}.type",
        "interactions.session_id": "domain_sessionid",
    }),
}  # fmt: skip
