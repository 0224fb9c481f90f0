from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from modaloom.config import Settings
from modaloom.data.shop import Shop, load_shop, read_interactions
from modaloom.errors import TooManyBadRowsError

Write = Callable[..., Path]
TOML = '[interactions]\nfile = "log.csv"\n[interactions.columns]\nuser_id = {user}\nitem_id = "i"\n'
ROWS = "u,a,i\n,a1,x\nu1,a1,y\n,a2,x\nu2,a9,x\nu1,a9,y\n,a9,x\n,a1,z\n"


def load(write: Write, settings: Settings, user: str, rows: str = ROWS) -> Shop:
    return load_shop(write(TOML.format(user=user), log__csv=rows), settings=settings)


def test_visitors_become_the_shopper_that_they_sign_in_as(write_shop: Write, settings: Settings) -> None:
    shop = load(write_shop, settings, '["u", "a"]')
    names = [shop.users["user_id"][num] for num in shop.interactions["user_num"]]
    assert names == ["u1", "u1", "a2", "u2", "u1", "a9", "u1"]  # a9 is a device that two people share
    assert shop.users["user_id"].to_list() == ["u1", "a2", "u2", "a9"]
    assert shop.user_nums(["a1", "u1"]).tolist() == [0, 0]
    assert shop.problems.facts == [
        "log.csv: 1 visitors were recognised as shoppers; 1 are of several shoppers and stay apart"
    ]
    (shop.root / "later.csv").write_text("u,a,i\n,a1,x\n")
    assert read_interactions(shop, shop.root / "later.csv", settings=settings)["user_num"].to_list() == [0]


def test_events_without_an_item_are_listed_and_left_out(write_shop: Write, settings: Settings) -> None:
    toml = TOML.format(user='["u", "a"]') + 'event = "e"\n[interactions.events]\nview = "view"\norder = "purchase"\n'
    rows = "u,a,i,e\n" + "u1,a1,x,view\n,a1,,order\n" * 8 + "u1,a1,y,view\n"
    shop = load_shop(write_shop(toml, log__csv=rows), settings=settings)
    assert shop.interactions.height == 9
    assert shop.problems.counts == {"missing item id": 8}
    assert str(shop.problems.of("missing item id")[0]) == "log.csv:3: missing item id: e = 'order'"
    with pytest.raises(TooManyBadRowsError, match="missing item id: e = 'order'"):
        load_shop(write_shop(toml, log__csv=rows + ",a1,,order\n" * 9), settings=settings)


def test_a_column_of_visitors_is_pointed_out(write_shop: Write, settings: Settings) -> None:
    rows = ROWS.replace("u,a,i", "u,anonymousId,i")
    with pytest.raises(TooManyBadRowsError, match=r'say user_id = \["u", "anonymousId"\]'):
        load(write_shop, settings, '"u"', rows + ",b,x\n" * 9)
