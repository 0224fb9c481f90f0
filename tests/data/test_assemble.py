from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from modaloom.config import Settings
from modaloom.data.shop import Shop, load_shop
from modaloom.errors import TooManyBadRowsError
from modaloom.types import Event

Write = Callable[..., Path]
ITEMS = """
[items]
file = "items.csv"
{extra}
[items.columns]
item_id = "id"
{columns}
"""


def _items(write: Write, settings: Settings, table: str, columns: str = "", extra: str = "", tail: str = "") -> Shop:
    folder = write(ITEMS.format(columns=columns, extra=extra) + tail, items__csv=table)
    return load_shop(folder, settings=settings)


def test_duplicate_ids_keep_the_first_row_and_are_listed(write_shop: Write, settings: Settings) -> None:
    shop = _items(write_shop, settings, "id,n\na,one\nb,two\na,three\n", 'title="n"')
    assert shop.items["title"].to_list() == ["one", "two"]
    assert str(shop.problems.of("duplicate item id")[0]) == "items.csv:4: duplicate item id: id = 'a'"


def test_variants_are_no_mistakes(write_shop: Write, settings: Settings) -> None:
    shop = _items(write_shop, settings, "id,n\na,one\na,\n", 'title="n"', "keep_first=true")
    assert shop.items["title"].to_list() == ["one"]
    assert shop.problems.total == 0


def test_bad_cells_are_emptied_and_the_item_stays(write_shop: Write, settings: Settings) -> None:
    table = "id,p,s,d\na,12.5,3,2020-01-01\nb,cheap,few,soon\n,1,1,2020-01-01\n"
    shop = _items(write_shop, settings, table, 'price="p"\nstock="s"\nreleased_at="d"')
    assert shop.items["price"].to_list() == [12.5, None]
    assert shop.items["stock"].to_list() == [3, None]
    assert shop.items["released_at"].to_list() == [1_577_836_800, None]
    assert dict(shop.problems.counts) == {"bad price": 1, "bad stock": 1, "bad date": 1, "missing item id": 1}
    assert shop.problems.of("bad price")[0].line == 3


def test_a_catalogue_without_ids_is_refused(write_shop: Write, settings: Settings) -> None:
    with pytest.raises(TooManyBadRowsError, match="2 of 2 rows"):
        _items(write_shop, settings, "id,n\n,one\n,two\n", 'title="n"')


def test_html_becomes_plain_text(write_shop: Write, settings: Settings) -> None:
    table = 'id,d\na,"<p>Soft &amp; warm</p><br/>wool&nbsp;mix"\nb,<br>\n'
    shop = _items(write_shop, settings, table, 'description="d"', "strip_html=true")
    assert shop.items["description"].to_list() == ["Soft & warm wool mix", None]


def test_translations_stand_in_for_a_title(write_shop: Write, settings: Settings) -> None:
    shop = _items(write_shop, settings, "id,z,e\na,红裙,red dress\nb,蓝裤,\n", 'title_zh="z"\ntitle_en="e"')
    assert shop.items["title"].to_list() == ["red dress", "蓝裤"]
    assert shop.item(0).titles == {"zh": "红裙", "en": "red dress"}


def test_pictures_that_exist_by_template(write_shop: Write, settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "img" / "01").mkdir(parents=True)
    Image.new("RGB", (4, 4)).save(tmp_path / "img" / "01" / "0123.png")
    tail = '[items.images]\ntemplate="img/{item_id:.2}/{item_id}.png"\n'
    shop = _items(write_shop, settings, "id\n0123\n0456\n", tail=tail)
    assert shop.items["images"].to_list() == [["img/01/0123.png"], []]
    assert shop.image_paths() == [tmp_path / "img/01/0123.png", None]


def test_pictures_of_a_column(write_shop: Write, settings: Settings, tmp_path: Path) -> None:
    for name in ("1.png", "2.png", "3.png"):
        Image.new("RGB", (4, 4)).save(tmp_path / name)
    table = "id,p\na,1.png|2.png|1.png\nb,https://example.com/1.png\nc,none.png\nd,../x.png\na,3.png\ne,\n"
    tail = '[items.images]\ncolumn="p"\nseparator="|"\n'
    shop = _items(write_shop, settings, table, extra="keep_first=true", tail=tail)
    assert shop.items["images"].to_list() == [["1.png", "2.png", "3.png"], [], [], [], []]
    assert str(shop.problems.of("picture outside the shop")[0]) == "items.csv:5: picture outside the shop: ../x.png"


def test_pictures_outside_the_shop_are_never_shown(write_shop: Write, settings: Settings, tmp_path: Path) -> None:
    secret = tmp_path.parent / "secret.png"
    Image.new("RGB", (4, 4)).save(secret)
    table = f"id,p\na,../secret.png\nb,{secret}\n"
    shop = _items(write_shop, settings, table, tail='[items.images]\ncolumn="p"\n')
    assert shop.items["images"].to_list() == [[], []]
    assert shop.problems.counts["picture outside the shop"] == 2
    template = _items(write_shop, settings, "id\n../secret\n", tail='[items.images]\ntemplate="{item_id}.png"\n')
    assert template.items["images"].to_list() == [[]]


def test_users_and_their_attributes(write_shop: Write, settings: Settings) -> None:
    toml = """
[users]
file = "users.csv"
user_id = "id"
attributes = { age = "years" }
[interactions]
file = "log.csv"
[interactions.columns]
user_id = "u"
item_id = "i"
"""
    folder = write_shop(toml, users__csv="id,years\nu,30\n,40\nu,31\nv,\n", log__csv="u,i\nw,a\nu,a\n")
    shop = load_shop(folder, settings=settings)
    assert shop.users.rows() == [("u", "30"), ("v", None), ("w", None)]
    assert shop.interactions["user_num"].to_list() == [2, 0]
    assert shop.problems.counts == {"missing user id": 1}


def test_events_values_queries_and_sessions(write_shop: Write, settings: Settings) -> None:
    toml = """
[interactions]
file = "log.csv"
events = { pv = "view", q = "search", fav = "like", star = "rating" }
[interactions.columns]
user_id = "u"
item_id = "i"
event = "e"
value = "v"
query = "q"
session_id = "s"
"""
    rows = "u,i,e,v,q,s\nu,a,pv,,,1\nu,,q,,红裙,1\nu,a,fav,,,2\nu,b,star,4.5,,2\nu,b,star,good,,2\nu,a,scroll,,,\n"
    shop = load_shop(write_shop(toml, log__csv=rows), settings=settings)
    log = shop.interactions
    assert log["event"].to_list() == [Event.VIEW, Event.SEARCH, Event.LIKE, Event.RATING, Event.RATING]
    assert log["item_num"].to_list() == [0, None, 0, 1, 1]
    assert log["value"].to_list() == [None, None, None, 4.5, None]
    assert log["query"].to_list() == [None, "红裙", None, None, None]
    assert log["session_id"].to_list() == ["1", "1", "2", "2", "2"]
    assert shop.problems.counts == {"unmapped event": 1, "bad value": 1}
    assert shop.items["item_id"].to_list() == ["a", "b"]
    assert shop.target_events == (Event.VIEW, Event.RATING, Event.LIKE)


def test_skipped_rows_leave_no_user_or_item_behind(write_shop: Write, settings: Settings) -> None:
    toml = """
[interactions]
file = "log.csv"
[interactions.columns]
user_id = "u"
item_id = "i"
timestamp = "t"
"""
    shop = load_shop(write_shop(toml, log__csv="u,i,t\nu,a,2020-01-01\nghost,b,soon\n"), settings=settings)
    assert shop.users["user_id"].to_list() == ["u"]
    assert shop.items["item_id"].to_list() == ["a"]


def test_reading_is_the_same_in_small_batches(
    write_shop: Write, settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("1.png", "2.png"):
        Image.new("RGB", (4, 4)).save(tmp_path / name)
    table = "id,p\na,1.png\nb,2.png\na,2.png\n,1.png\nc,\nb,1.png\n"
    tail = '[items.images]\ncolumn="p"\n'
    whole = _items(write_shop, settings, table, extra="keep_first=true", tail=tail)
    monkeypatch.setattr("modaloom.data.documents.BATCH_ROWS", 2)
    pieces = _items(write_shop, settings, table, extra="keep_first=true", tail=tail)
    assert pieces.items.equals(whole.items)
    assert pieces.problems.to_dict() == whole.problems.to_dict()
    assert whole.items["images"].to_list() == [["1.png", "2.png"], ["2.png", "1.png"], []]
