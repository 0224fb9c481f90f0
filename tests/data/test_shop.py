from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from modaloom.config import Settings
from modaloom.data.shop import Shop, load_shop, read_interactions, target_events_of
from modaloom.errors import ColumnError, QueryError, ShopError, ShopNotFoundError, TooManyBadRowsError
from modaloom.types import INTERACTION_COLUMNS, ITEM_COLUMNS, Event

Load = Callable[..., Shop]
Write = Callable[..., Path]
LOG = "u,a,2020-01-01\nv,b,2020-01-02\nu,c,2020-01-03\n"


def test_a_shop_has_the_promised_columns(log_shop: Load) -> None:
    shop = log_shop(LOG)
    assert dict(shop.items.schema) == ITEM_COLUMNS
    assert dict(shop.interactions.schema) == INTERACTION_COLUMNS
    assert shop.users["user_id"].to_list() == ["u", "v"]
    assert (shop.n_items, shop.n_users) == (3, 2)
    assert shop.has_times
    assert shop.end == 1_578_009_600 + 1
    assert shop.target_events == (Event.PURCHASE,)
    assert shop.problems.total == 0


def test_items_one_by_one(log_shop: Load) -> None:
    shop = log_shop(LOG)
    item = shop.item(0)
    assert (item.item_id, item.title, item.images, item.price) == ("a", "red dress", (), None)
    assert shop.item_nums(["c", "a"]).tolist() == [2, 0]
    assert shop.user_nums(["v"]).tolist() == [1]
    assert shop.image_paths() == [None, None, None]
    with pytest.raises(QueryError, match="unknown item d"):
        shop.item_nums(["d"])


def test_fingerprint_changes_with_the_content_only(log_shop: Load) -> None:
    first = log_shop(LOG).fingerprint()
    assert log_shop(LOG).fingerprint() == first
    assert log_shop(LOG.replace("v,b", "v,c")).fingerprint() != first


def test_missing_places(tmp_path: Path, settings: Settings, write_shop: Write) -> None:
    with pytest.raises(ShopNotFoundError, match="no such file or folder"):
        load_shop(tmp_path / "nowhere", settings=settings)
    with pytest.raises(ShopNotFoundError, match=r"no shop\.toml"):
        load_shop(tmp_path, settings=settings)
    folder = write_shop('[interactions]\nfile="x.csv"\n[interactions.columns]\nuser_id="u"\nitem_id="i"\n')
    with pytest.raises(ShopNotFoundError, match=r"no such file: x\.csv"):
        load_shop(folder, settings=settings)
    with pytest.raises(ShopNotFoundError, match="Check --root"):
        load_shop(folder, root=folder / "data", settings=settings)


def test_the_toml_may_lie_elsewhere(tmp_path: Path, settings: Settings, write_shop: Write) -> None:
    folder = write_shop('[items]\nfile="a.csv"\n[items.columns]\nitem_id="id"\n', a__csv="id\n1\n")
    (tmp_path / "maps").mkdir()
    toml = (folder / "shop.toml").rename(tmp_path / "maps" / "mine.toml")
    assert load_shop(toml, root=folder, settings=settings).n_items == 1


def test_a_log_alone_makes_its_items(write_shop: Write, settings: Settings) -> None:
    toml = '[interactions]\nfile="log.tsv"\nheader=false\nevent="view"\n[interactions.columns]\n'
    folder = write_shop(toml + 'user_id="column_1"\nitem_id="column_2"\n', log__tsv="u\t7\nu\t8\nv\t7\n")
    shop = load_shop(folder, settings=settings)
    assert shop.items["item_id"].to_list() == ["7", "8"]
    assert dict(shop.items.schema) == ITEM_COLUMNS
    assert not shop.has_times
    assert shop.target_events == (Event.VIEW,)


def test_a_catalogue_alone_is_a_shop(write_shop: Write, settings: Settings) -> None:
    folder = write_shop('[items]\nfile="a.csv"\n[items.columns]\nitem_id="id"\n', a__csv="id\n1\n")
    shop = load_shop(folder, settings=settings)
    assert shop.interactions.height == shop.n_users == shop.end == 0
    assert not shop.has_times
    assert shop.target_events == (Event.PURCHASE,)


@pytest.mark.parametrize(("items", "log"), [("id,name\n", "user,item,time\nu,a,2020-01-01\n")])
def test_no_rows(write_shop: Write, log_shop: Load, settings: Settings, items: str, log: str) -> None:
    folder = log_shop(LOG).root
    (folder / "items.csv").write_text(items)
    with pytest.raises(ShopError, match="the file has no rows"):
        load_shop(folder, settings=settings)


def test_where_nothing_speaks_for_an_item_purchases_are_waited_for() -> None:
    for events in ([], [Event.SEARCH], [Event.DISLIKE, Event.RETURN, Event.SEARCH]):
        log = pl.DataFrame({"event": [int(event) for event in events]}, schema={"event": pl.UInt8})
        assert target_events_of(log) == (Event.PURCHASE,)
    assert target_events_of(pl.DataFrame({"event": [int(Event.SEARCH), int(Event.LIKE)]})) == (Event.LIKE,)


def test_a_log_that_begins_today_has_a_header_and_no_rows(log_shop: Load) -> None:
    shop = log_shop("")
    assert shop.n_items > 0
    assert shop.interactions.height == shop.n_users == 0
    assert shop.problems.total == 0


def test_unknown_items_are_counted_not_fatal(log_shop: Load) -> None:
    shop = log_shop(LOG + "u,gone,2020-01-04\n")
    assert shop.interactions.height == 3
    assert str(shop.problems.of("unknown item")[0]) == "log.csv:5: unknown item: item = 'gone'"


def test_a_foreign_log_is_refused(log_shop: Load) -> None:
    with pytest.raises(TooManyBadRowsError, match=r"3 of 4 rows name an unknown item.*leading zeros"):
        log_shop("u,x,2020-01-01\nu,y,2020-01-01\nu,z,2020-01-01\nu,a,2020-01-01\n")


def test_bad_rows_are_listed_once_each(log_shop: Load) -> None:
    shop = log_shop(LOG + ",a,2020-01-01\nu,,2020-01-01\nu,a,soon\nu,a,2999-01-01\nu,a,\n")
    assert shop.interactions.height == 3
    assert dict(shop.problems.counts) == {
        "missing user id": 1,
        "missing item id": 1,
        "bad date": 1,
        "missing date": 1,
        "date in the future": 1,
    }
    assert str(shop.problems.of("bad date")[0]) == "log.csv:7: bad date: time = 'soon'"


def test_too_many_bad_rows_stop_the_run(log_shop: Load) -> None:
    with pytest.raises(TooManyBadRowsError, match=r"6 of 9 rows cannot be used.*log\.csv:5: bad date") as caught:
        log_shop(LOG + "u,a,soon\n" * 6)
    assert "date_format" in str(caught.value)
    with pytest.raises(TooManyBadRowsError, match="3 of 3 rows"):
        log_shop("u,a,soon\n" * 3)


def test_the_limit_is_a_setting(log_shop: Load, settings: Settings) -> None:
    folder = log_shop(LOG).root
    (folder / "log.csv").write_text("user,item,time\n" + LOG + "u,a,soon\n" * 6)
    lenient = settings.model_copy(update={"max_bad_share": 0.9})
    assert load_shop(folder, settings=lenient).interactions.height == 3


def test_interactions_are_sorted_stably(log_shop: Load) -> None:
    shop = log_shop("u,a,2020-01-03\nu,b,2020-01-01\nu,c,2020-01-03\n")
    assert shop.interactions["item_num"].to_list() == [1, 0, 2]


def test_a_further_file_uses_the_shops_numbers(log_shop: Load, settings: Settings) -> None:
    shop = log_shop(LOG)
    rows = "user,item,time\nv,a,2020-02-01\nnew,a,2020-02-01\nu,gone,2020-02-01\n"
    (shop.root / "later.csv").write_text(rows)
    later = read_interactions(shop, shop.root / "later.csv", settings=settings)
    assert later.select("user_num", "item_num").rows() == [(1, 0)]
    assert shop.problems.counts == {"unknown user": 1, "unknown item": 1}
    assert shop.problems.of("unknown user")[0].line == 3
    (shop.root / "later.csv.gz").write_bytes(gzip.compress(rows.encode()))
    assert read_interactions(shop, shop.root / "later.csv.gz", settings=settings).height == 1
    (shop.root / "strangers.csv").write_text("user,item,time\nx,a,2020-02-01\ny,a,2020-02-01\n")
    with pytest.raises(TooManyBadRowsError, match=r"2 of 2 rows cannot be used.*unknown user: user = 'new'"):
        read_interactions(shop, shop.root / "strangers.csv", settings=settings)
    (shop.root / "other.csv").write_text("buyer,item,time\nv,a,2020-02-01\n")
    with pytest.raises(ColumnError, match="no column 'user'"):
        read_interactions(shop, shop.root / "other.csv", settings=settings)
    with pytest.raises(ShopNotFoundError):
        read_interactions(shop, shop.root / "none.csv", settings=settings)


def test_a_further_file_needs_a_map(write_shop: Write, settings: Settings) -> None:
    folder = write_shop('[items]\nfile="a.csv"\n[items.columns]\nitem_id="id"\n', a__csv="id\n1\n")
    with pytest.raises(ShopError, match=r"no \[interactions\]"):
        read_interactions(load_shop(folder, settings=settings), folder / "a.csv", settings=settings)


def test_features_belong_to_their_items(log_shop: Load, settings: Settings) -> None:
    folder = log_shop(LOG).root
    matrix = np.array([[1, 2], [0, 0], [np.nan, 1], [3, 4]], dtype=np.float64)
    np.save(folder / "image.npy", matrix)
    (folder / "items.csv").write_text("id,name\n3,a\n0,b\n1,c\n2,d\n9,e\n")
    (folder / "log.csv").write_text("user,item,time\nu,3,2020-01-01\n")
    toml = (folder / "shop.toml").read_text()
    (folder / "shop.toml").write_text(toml + '[features.image]\nfile="image.npy"\n')
    tokens = load_shop(folder, settings=settings).features["image"]
    assert tokens.mask.tolist() == [True, True, False, False, False]
    assert tokens.vectors.tolist() == [[3, 4], [1, 2], [0, 0], [0, 0], [0, 0]]
    (folder / "shop.toml").write_text(toml + '[features.text]\nfile="image.npy"\nby="row"\n')
    tokens = load_shop(folder, settings=settings).features["text"]
    assert tokens.mask.tolist() == [True, False, False, True, False]


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, r"no such file: f\.npy"), (b"", "not a NumPy matrix"), (b"abc", "not a NumPy matrix")],
)
def test_bad_features(log_shop: Load, settings: Settings, content: bytes | None, message: str) -> None:
    folder = log_shop(LOG).root
    if content is not None:
        (folder / "f.npy").write_bytes(content)
    toml = folder / "shop.toml"
    toml.write_text(toml.read_text() + '[features.image]\nfile="f.npy"\n')
    with pytest.raises(ShopError, match=message):
        load_shop(folder, settings=settings)


@pytest.mark.parametrize("matrix", [np.zeros(3), np.zeros((2, 2), dtype=np.int64), np.array([{}], dtype=object)])
def test_features_of_the_wrong_kind(log_shop: Load, settings: Settings, matrix: np.ndarray) -> None:
    folder = log_shop(LOG).root
    np.save(folder / "f.npy", matrix, allow_pickle=True)
    toml = folder / "shop.toml"
    toml.write_text(toml.read_text() + '[features.image]\nfile="f.npy"\n')
    with pytest.raises(ShopError, match=r"matrix of"):
        load_shop(folder, settings=settings)
